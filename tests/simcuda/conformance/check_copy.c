/* check_copy.c: copies and fills. */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

CHECK(copy_round_trip, "[doc: cudaMemcpy]", "bytes come back as they were written, by every kind of copy")
{
    enum { BYTES = 3 * 1024 * 1024 + 17 };
    unsigned char *from = malloc(BYTES), *to = calloc(1, BYTES);
    void *first, *second;
    use_device(0);
    for (size_t i = 0; i < BYTES; i++)
        from[i] = (unsigned char)(i * 31 + (i >> 9));
    OK(cudaMalloc(&first, BYTES));
    OK(cudaMalloc(&second, BYTES));
    OK(cudaMemcpy(first, from, BYTES, cudaMemcpyHostToDevice));
    OK(cudaMemcpy(second, first, BYTES, cudaMemcpyDeviceToDevice));
    OK(cudaMemcpy(to, second, BYTES, cudaMemcpyDeviceToHost));
    EXPECT(!memcmp(from, to, BYTES));
    memset(to, 0, BYTES);
    OK(cudaMemcpy(second, from, BYTES, cudaMemcpyDefault));
    OK(cudaMemcpy(to, second, BYTES, cudaMemcpyDefault));
    EXPECT(!memcmp(from, to, BYTES));
    memset(to, 0, BYTES);
    OK(cudaMemcpy(to, from, BYTES, cudaMemcpyHostToHost));
    EXPECT(!memcmp(from, to, BYTES));
}

CHECK(copy_kind_unknown, "[doc: cudaMemcpy]", "a value that is no copy kind is refused", "copy_kind_known")
{
    void *memory;
    char bytes[16] = {0};
    use_device(0);
    OK(cudaMalloc(&memory, sizeof bytes));
    FAILS(cudaMemcpy(memory, bytes, sizeof bytes, (enum cudaMemcpyKind)9), cudaErrorInvalidMemcpyDirection);
}

CHECK(copy_kind_host_as_device, "[observed: \"invalid argument\" in many projects; doc: undefined]",
    "pageable host memory named as device memory by the kind is refused", "copy_kinds")
{
    void *memory;
    char *host = calloc(2, 4096);
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    FAILS(cudaMemcpy(host, host + 4096, 4096, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    FAILS(cudaMemcpy(host, memory, 4096, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    FAILS(cuMemcpyDtoD((CUdeviceptr)memory, (CUdeviceptr)host, 4096), CUDA_ERROR_INVALID_VALUE);
}

CHECK(copy_kind_device_as_host, "[assumed; doc: undefined]",
    "device memory named as host memory by the kind is refused", "copy_kinds")
{
    void *first, *second;
    use_device(0);
    OK(cudaMalloc(&first, 4096));
    OK(cudaMalloc(&second, 4096));
    FAILS(cudaMemcpy(first, second, 4096, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
}

CHECK(copy_beyond_end, "[observed: \"invalid argument\"]", "a copy beyond the end of an allocation is refused",
    "copy_bounds")
{
    CUdeviceptr memory;
    char *host = calloc(1, 8 * MIB);
    use_device(0);
    OK(cuMemAlloc(&memory, 4 * MIB));
    FAILS(cuMemcpyHtoD(memory, host, 6 * MIB), CUDA_ERROR_INVALID_VALUE);
}

CHECK(copy_rows, "[doc: cudaMemcpy2D]", "a pitched copy moves the rows and leaves what lies between them")
{
    enum { WIDTH = 100, PITCH = 256, ROWS = 20 };
    unsigned char rows[ROWS][WIDTH], found[ROWS][PITCH];
    void *memory;
    use_device(0);
    for (int y = 0; y < ROWS; y++)
        memset(rows[y], y + 1, WIDTH);
    OK(cudaMalloc(&memory, sizeof found));
    OK(cudaMemset(memory, 0xee, sizeof found));
    OK(cudaMemcpy2D(memory, PITCH, rows, WIDTH, WIDTH, ROWS, cudaMemcpyHostToDevice));
    OK(cudaMemcpy(found, memory, sizeof found, cudaMemcpyDeviceToHost));
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < PITCH; x++)
            EXPECT(found[y][x] == (x < WIDTH ? y + 1 : 0xee));
}

CHECK(copy_pitch_too_small, "[doc: cudaMemcpy2D]", "a pitch smaller than the row is refused", "copy_pitch")
{
    void *memory;
    char rows[4][64] = {0};
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    FAILS(cudaMemcpy2D(memory, 32, rows, 64, 64, 4, cudaMemcpyHostToDevice), cudaErrorInvalidPitchValue);
}

CHECK(fill_words, "[header: cuMemsetD32]", "fills of 8, 16 and 32 bits write their value in every element")
{
    CUdeviceptr memory;
    unsigned words[64];
    use_device(0);
    OK(cuMemAlloc(&memory, sizeof words));
    OK(cuMemsetD8(memory, 0x11, 64));
    OK(cuMemsetD16(memory + 64, 0x2233, 32));
    OK(cuMemsetD32(memory + 128, 0x44556677, 32));
    OK(cuMemcpyDtoH(words, memory, sizeof words));
    EXPECT(words[0] == 0x11111111 && words[15] == 0x11111111);
    EXPECT(words[16] == 0x22332233 && words[31] == 0x22332233);
    EXPECT(words[32] == 0x44556677 && words[63] == 0x44556677);
}

CHECK(pageable_source, "[doc: API synchronization behavior]",
    "a pageable source may be overwritten as soon as the asynchronous copy returned", "copy_pageable_read_at_call")
{
    enum { BYTES = 4 << 20 };
    unsigned char *host = malloc(BYTES);
    CUdeviceptr memory;
    CUstream stream;
    use_device(0);
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuMemAlloc(&memory, BYTES));
    memset(host, 1, BYTES);
    OK(cuMemcpyHtoDAsync(memory, host, BYTES, stream));
    memset(host, 2, BYTES);
    OK(cuStreamSynchronize(stream));
    expect_filled(memory, 1, BYTES);
}

static void CUDA_CB write_two(void *host)
{
    memset(host, 2, 4096);
}

CHECK(pinned_source, "[doc: API synchronization behavior]", "a pinned source is read when the stream reaches the copy",
    "copy_pinned_read_in_order")
{
    CUdeviceptr memory;
    CUstream stream;
    void *host;
    use_device(0);
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuMemAlloc(&memory, 4096));
    OK(cuMemHostAlloc(&host, 4096, 0));
    memset(host, 1, 4096);
    OK(cuLaunchHostFunc(stream, write_two, host));
    OK(cuMemcpyHtoDAsync(memory, host, 4096, stream));
    OK(cuStreamSynchronize(stream));
    expect_filled(memory, 2, 4096);
}

CHECK(pageable_destination, "[doc: API synchronization behavior]",
    "an asynchronous copy to pageable memory has arrived when it returns", "copy_pageable_arrives")
{
    enum { BYTES = 4 << 20 };
    unsigned char *host = calloc(1, BYTES);
    CUdeviceptr memory;
    CUstream stream;
    use_device(0);
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuMemAlloc(&memory, BYTES));
    OK(cuMemsetD8Async(memory, 3, BYTES, stream));
    OK(cuMemcpyDtoHAsync(host, memory, BYTES, stream));
    for (size_t i = 0; i < BYTES; i++)
        EXPECT(host[i] == 3);
}

CHECK(host_to_host_waits, "[doc: API synchronization behavior]",
    "a copy from host memory to host memory has arrived when the call returns, also an asynchronous one between pinned "
    "memory",
    "copy_host_to_host_waits")
{
    enum { BYTES = 32 << 20 };
    cudaStream_t stream;
    unsigned char *from, *to;
    use_device(0);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaMallocHost((void **)&from, BYTES));
    OK(cudaMallocHost((void **)&to, BYTES));
    memset(from, 1, BYTES);
    memset(to, 0, BYTES);
    OK(cudaMemcpyAsync(to, from, BYTES, cudaMemcpyHostToHost, stream));
    for (size_t i = 0; i < BYTES; i++)
        EXPECT(to[i] == 1);
    OK(cudaStreamSynchronize(stream));
}
