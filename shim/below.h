/* below.h: device memory that is allocated below the runtime: by the driver's own functions, as the outermost call.
 *
 * cuBLAS's workspaces come so (it holds a runtime of its own, which no entry of ours is called in), Triton's and
 * comfy-kitchen's scratch memory, programs that use the driver themselves. PyTorch's own allocations come by the
 * runtime and are not counted: each would cost a look-up.
 */
#ifndef VS_BELOW_H
#define VS_BELOW_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether code at `caller`, which is about to allocate while a load is open, belongs to one of NVIDIA's libraries: what
 * they allocate is no weight, whatever its size. (cuBLAS's workspace of 32 MiB is as large as a matrix of 4096 x 4096
 * halves.) Lock-free where no load is open, else enters the loader. */
bool vs_below_is_workspace(const void *caller);

/* The driver has given memory to the program. What is a weight of ours is counted elsewhere. Any thread. */
void vs_below_allocated(CUdeviceptr address, size_t bytes);

/* It is about to be freed, by the driver or by the runtime. Lock-free where nothing is counted. Returns the bytes that
 * were counted for it, for vs_below_allocated where that fails. */
size_t vs_below_freeing(CUdeviceptr address);

/* The device was reset: what was allocated there is gone. Any thread. */
void vs_below_forget(int ordinal);

/* The driver's ordinals that are counted. */
enum { VS_BELOW_DEVICES = 64 };

/* Bytes on a device of the driver's, now and at most so far. Lock-free. */
size_t vs_below_now(int ordinal);
size_t vs_below_most(int ordinal);

#endif
