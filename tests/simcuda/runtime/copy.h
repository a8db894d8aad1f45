/* copy.h: what one-dimensional and pitched copies share. */
#ifndef SIMCUDA_RUNTIME_COPY_H
#define SIMCUDA_RUNTIME_COPY_H

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>

/* The memory types that a kind promises; UNIFIED for cudaMemcpyDefault, where the driver finds out. Returns false for a
 * value that is no kind. */
bool rt_copy_types(enum cudaMemcpyKind kind, CUmemorytype *to, CUmemorytype *from);

/* Copies `height` rows of `width` bytes; a stream of -1 cast to a stream means synchronously (RT_COPY_NOW). Pitches are
 * in bytes. The kind must be valid. */
#define RT_COPY_NOW ((cudaStream_t)-1)
CUresult rt_copy_rows(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
    enum cudaMemcpyKind kind, cudaStream_t stream, bool per_thread);

#endif
