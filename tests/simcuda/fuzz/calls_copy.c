/* calls_copy.c: copies and fills of every shape. Built twice: once more for the per-thread default stream. */
#ifdef FUZZ_TWINS
#define CUDA_API_PER_THREAD_DEFAULT_STREAM
#define COPY_CALL(name) CALL_OF(name##_of_thread, 4, false)
#else
#define COPY_CALL(name) CALL_OF(name, 10, false)
#endif
#include "fuzz.h"

#include <string.h>

/* Two places and a size that mostly fits in both. */
struct request {
    CUstream stream;
    CUdeviceptr to, from;
    size_t bytes;
};

static struct request request(CUstream stream, bool device_to, bool device_from)
{
    struct request r = {.stream = stream};
    size_t to_bytes, from_bytes;
    r.to = device_to ? any_device_memory(r.stream, &to_bytes) : (CUdeviceptr)host_bytes(&to_bytes);
    r.from = device_from ? any_device_memory(r.stream, &from_bytes) : (CUdeviceptr)host_bytes(&from_bytes);
    r.bytes = small_bytes(to_bytes < from_bytes ? to_bytes : from_bytes);
    /* Beyond the end of the program's own memory lies what a real driver would crash on too. */
    if (!device_to && r.bytes > to_bytes)
        r.bytes = to_bytes;
    if (!device_from && r.bytes > from_bytes)
        r.bytes = from_bytes;
    return r;
}

/* Where both sides may be anything. */
static struct request any_request(CUstream stream)
{
    return request(stream, !one_in(4), !one_in(4));
}

COPY_CALL(cuMemcpy)
{
    struct request r = any_request(NULL);
    return cuMemcpy(r.to, r.from, r.bytes);
}

COPY_CALL(cuMemcpyAsync)
{
    struct request r = any_request(any_stream());
    return cuMemcpyAsync(r.to, r.from, r.bytes, r.stream);
}

COPY_CALL(cuMemcpyHtoD)
{
    struct request r = request(NULL, true, one_in(8));
    return cuMemcpyHtoD(r.to, (const void *)r.from, r.bytes);
}

COPY_CALL(cuMemcpyDtoH)
{
    struct request r = request(NULL, one_in(8), true);
    return cuMemcpyDtoH((void *)r.to, r.from, r.bytes);
}

COPY_CALL(cuMemcpyDtoD)
{
    struct request r = request(NULL, true, true);
    return cuMemcpyDtoD(r.to, r.from, r.bytes);
}

COPY_CALL(cuMemcpyHtoDAsync)
{
    struct request r = request(any_stream(), true, one_in(8));
    return cuMemcpyHtoDAsync(r.to, (const void *)r.from, r.bytes, r.stream);
}

COPY_CALL(cuMemcpyDtoHAsync)
{
    struct request r = request(any_stream(), one_in(8), true);
    return cuMemcpyDtoHAsync((void *)r.to, r.from, r.bytes, r.stream);
}

COPY_CALL(cuMemcpyDtoDAsync)
{
    struct request r = request(any_stream(), true, true);
    return cuMemcpyDtoDAsync(r.to, r.from, r.bytes, r.stream);
}

static CUcontext any_context(void)
{
    return one_in(8) ? ANY(CUcontext, CONTEXT) : world.primary[below((uint64_t)world.device_count)];
}

COPY_CALL(cuMemcpyPeer)
{
    struct request r = request(NULL, true, true);
    return cuMemcpyPeer(r.to, any_context(), r.from, any_context(), r.bytes);
}

COPY_CALL(cuMemcpyPeerAsync)
{
    struct request r = request(any_stream(), true, true);
    return cuMemcpyPeerAsync(r.to, any_context(), r.from, any_context(), r.bytes, r.stream);
}

/* An extent that no memory has, or none: what would fit would take minutes. */
static size_t absurd(void)
{
    return one_in(4) ? 0 : SIZE_MAX >> below(12);
}

/* Rows within the smaller of both places, sometimes of absurd extent. The program's own memory is never left. */
static CUDA_MEMCPY3D shape(struct request r)
{
    CUDA_MEMCPY3D copy = {.srcMemoryType = CU_MEMORYTYPE_UNIFIED, .dstMemoryType = CU_MEMORYTYPE_UNIFIED};
    bool host = r.to == 0 || r.from == 0;
    copy.srcDevice = r.from;
    copy.dstDevice = r.to;
    copy.WidthInBytes = 1 + below(64);
    copy.Height = 1 + below(8);
    copy.Depth = 1 + below(3);
    copy.srcPitch = copy.dstPitch = 64 + below(32);
    copy.srcHeight = copy.dstHeight = 8 + below(4);
    if (copy.srcPitch * copy.srcHeight * 3 > r.bytes)
        copy.WidthInBytes = copy.Height = copy.Depth = 1;
    if (!host && one_in(12)) {
        size_t *const extents[] = {&copy.WidthInBytes, &copy.Height, &copy.Depth, &copy.srcPitch, &copy.dstPitch};
        *extents[below(5)] = absurd();
    }
    return copy;
}

static CUDA_MEMCPY3D any_shape(CUstream stream)
{
    struct request r = request(stream, true, true);
    if (r.bytes > 1 << 20)
        r.bytes = 1;
    CUDA_MEMCPY3D copy = shape(r);
    if (one_in(24))
        copy.srcMemoryType = (CUmemorytype)number_of(5);
    if (copy.srcMemoryType == CU_MEMORYTYPE_HOST || copy.srcMemoryType == CU_MEMORYTYPE_ARRAY)
        copy.srcHost = (const void *)copy.srcDevice;
    return copy;
}

static CUDA_MEMCPY2D flat(CUDA_MEMCPY3D copy)
{
    return (CUDA_MEMCPY2D){.srcMemoryType = copy.srcMemoryType,
        .srcDevice = copy.srcDevice,
        .srcHost = copy.srcHost,
        .srcPitch = copy.srcPitch,
        .dstMemoryType = copy.dstMemoryType,
        .dstDevice = copy.dstDevice,
        .dstPitch = copy.dstPitch,
        .WidthInBytes = copy.WidthInBytes,
        .Height = copy.Height};
}

COPY_CALL(cuMemcpy2D)
{
    CUDA_MEMCPY2D copy = flat(any_shape(NULL));
    return cuMemcpy2D(OUT(&copy));
}

COPY_CALL(cuMemcpy2DUnaligned)
{
    CUDA_MEMCPY2D copy = flat(any_shape(NULL));
    return cuMemcpy2DUnaligned(OUT(&copy));
}

COPY_CALL(cuMemcpy2DAsync)
{
    CUstream stream = any_stream();
    CUDA_MEMCPY2D copy = flat(any_shape(stream));
    return cuMemcpy2DAsync(OUT(&copy), stream);
}

COPY_CALL(cuMemcpy3D)
{
    CUDA_MEMCPY3D copy = any_shape(NULL);
    return cuMemcpy3D(OUT(&copy));
}

COPY_CALL(cuMemcpy3DAsync)
{
    CUstream stream = any_stream();
    CUDA_MEMCPY3D copy = any_shape(stream);
    return cuMemcpy3DAsync(OUT(&copy), stream);
}

/* A fill of more bytes than any device has must be refused: sizes must not wrap around. */
static int checked(int result, size_t count, size_t element_bytes)
{
    if (result == 0 && count > ((size_t)1 << 40) / element_bytes)
        fail("a fill of absurd size succeeded");
    return result;
}

#define FILL(bits, type)                                                                                               \
    COPY_CALL(cuMemsetD##bits)                                                                                         \
    {                                                                                                                  \
        size_t bytes;                                                                                                  \
        CUdeviceptr to = any_device_memory(NULL, &bytes) & ~(CUdeviceptr)(one_in(20) ? 0 : 3);                         \
        size_t count = small_bytes(bytes) / (bits / 8);                                                                \
        count = one_in(30) ? SIZE_MAX / (bits / 8) + 2 : count;                                                        \
        return checked(cuMemsetD##bits(to, (type)chance(), count), count, bits / 8);                                   \
    }                                                                                                                  \
    COPY_CALL(cuMemsetD##bits##Async)                                                                                  \
    {                                                                                                                  \
        size_t bytes;                                                                                                  \
        CUstream stream = any_stream();                                                                                \
        CUdeviceptr to = any_device_memory(stream, &bytes) & ~(CUdeviceptr)(one_in(20) ? 0 : 3);                       \
        size_t count = small_bytes(bytes) / (bits / 8);                                                                \
        return checked(cuMemsetD##bits##Async(to, (type)chance(), count, stream), count, bits / 8);                    \
    }                                                                                                                  \
    COPY_CALL(cuMemsetD2D##bits)                                                                                       \
    {                                                                                                                  \
        size_t bytes, height = one_in(16) ? absurd() : below(4);                                                       \
        CUdeviceptr to = any_device_memory(NULL, &bytes) & ~(CUdeviceptr)3;                                            \
        size_t width = small_bytes(bytes) / 16, pitch = one_in(16) ? absurd() : (bytes / 4) & ~(size_t)3;              \
        return checked(cuMemsetD2D##bits(to, pitch, (type)chance(), width, height), width * (height != 0), bits / 8);  \
    }                                                                                                                  \
    COPY_CALL(cuMemsetD2D##bits##Async)                                                                                \
    {                                                                                                                  \
        CUstream stream = any_stream();                                                                                \
        size_t bytes, height = one_in(16) ? absurd() : below(4);                                                       \
        CUdeviceptr to = any_device_memory(stream, &bytes) & ~(CUdeviceptr)3;                                          \
        size_t width = small_bytes(bytes) / 16, pitch = one_in(16) ? absurd() : (bytes / 4) & ~(size_t)3;              \
        return checked(cuMemsetD2D##bits##Async(to, pitch, (type)chance(), width, height, stream),                     \
            width * (height != 0), bits / 8);                                                                          \
    }
FILL(8, unsigned char)
FILL(16, unsigned short)
FILL(32, unsigned)
