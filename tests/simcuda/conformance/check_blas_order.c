/* check_blas_order.c: when cuBLAS reads what the host or the device holds for a product. */
#include "blas.h"

#include <string.h>
#include <time.h>

/* A stream in which work is queued before the product, and pinned memory for it. */
struct queue {
    cudaStream_t stream;
    cublasHandle_t handle;
    char *pinned;
};

static void CUDA_CB wait_a_little(void *unused)
{
    struct timespec time = {.tv_nsec = 5000000};
    (void)unused;
    nanosleep(&time, NULL);
}

static struct queue new_queue(void)
{
    struct queue queue;
    use_device(0);
    queue.handle = blas_handle();
    OK(cudaStreamCreateWithFlags(&queue.stream, cudaStreamNonBlocking));
    BLAS_OK(cublasSetStream_v2, queue.handle, queue.stream);
    OK(cudaMallocHost((void **)&queue.pinned, 4096));
    return queue;
}

/* Queues a copy from pinned memory behind something that takes a while. */
static void write_late(struct queue *queue, void *to, const void *value, size_t bytes)
{
    memcpy(queue->pinned, value, bytes);
    OK(cudaLaunchHostFunc(queue->stream, wait_a_little, NULL));
    OK(cudaMemcpyAsync(to, queue->pinned, bytes, cudaMemcpyHostToDevice, queue->stream));
}

CHECK(blas_host_scalars, "[doc: cuBLAS, scalar parameters]", "scalars of the host are read at the call")
{
    const float three = 3, product = 6;
    float alpha = 1, beta = 0;
    struct queue queue = new_queue();
    float *a = device_floats(&three, 1), *c = device_floats(&three, 1);
    const float two = 2;
    float *b = device_floats(&two, 1);
    OK(cudaDeviceSynchronize());
    OK(cudaLaunchHostFunc(queue.stream, wait_a_little, NULL));
    BLAS_OK(cublasSgemm_v2, queue.handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &alpha, a, 1, b, 1, &beta, c, 1);
    alpha = beta = 100;
    OK(cudaStreamSynchronize(queue.stream));
    expect_floats(c, &product, 1);
}

CHECK(blas_device_scalars, "[doc: cuBLAS, scalar parameters]",
    "scalars on the device are read when the stream reaches the product", "blas_scalars_in_order")
{
    const float scalars[] = {1, 0}, late[] = {10, 1}, three = 3, product = 93;
    struct queue queue = new_queue();
    float *on_device = device_floats(scalars, 2), *a = device_floats(&three, 1), *c = device_floats(&three, 1);
    BLAS_OK(cublasSetPointerMode_v2, queue.handle, CUBLAS_POINTER_MODE_DEVICE);
    OK(cudaDeviceSynchronize());
    write_late(&queue, on_device, late, sizeof late);
    BLAS_OK(
        cublasSgemm_v2, queue.handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, on_device, a, 1, a, 1, on_device + 1, c, 1);
    OK(cudaStreamSynchronize(queue.stream));
    expect_floats(c, &product, 1); /* 10 * 3 * 3 + 1 * 3 */
}

enum { BATCHES = 3 };

/* The addresses of BATCHES pairs of 1 x 1 matrices, of one after the other and, where `swapped`, in reverse. */
struct arrays {
    float *a[BATCHES], *b[BATCHES], *c[BATCHES];
};

static struct arrays addresses_of(float *a, float *b, float *c, bool reversed)
{
    struct arrays arrays;
    for (int i = 0; i < BATCHES; i++) {
        arrays.a[i] = a + (reversed ? BATCHES - 1 - i : i);
        arrays.b[i] = b;
        arrays.c[i] = c + i;
    }
    return arrays;
}

static struct arrays *on_device(const struct arrays *arrays)
{
    void *memory;
    OK(cudaMalloc(&memory, sizeof *arrays));
    OK(cudaMemcpy(memory, arrays, sizeof *arrays, cudaMemcpyHostToDevice));
    return memory;
}

CHECK(blas_batched, "[doc: cublasSgemmBatched]",
    "arrays of matrices lie in device memory, and are read when the stream reaches the product", "blas_arrays_in_order")
{
    const float values[BATCHES] = {1, 2, 3}, two = 2, one = 1, zero = 0, product[BATCHES] = {6, 4, 2};
    struct queue queue = new_queue();
    float *a = device_floats(values, BATCHES), *b = device_floats(&two, 1), *c = device_floats(values, BATCHES);
    struct arrays first = addresses_of(a, b, c, false), late = addresses_of(a, b, c, true);
    struct arrays *arrays = on_device(&first);
    OK(cudaDeviceSynchronize());
    write_late(&queue, arrays, &late, sizeof late);
    BLAS_OK(cublasSgemmBatched, queue.handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, (const float *const *)arrays->a,
        1, (const float *const *)arrays->b, 1, &zero, arrays->c, 1, BATCHES);
    OK(cudaStreamSynchronize(queue.stream));
    expect_floats(c, product, BATCHES);
}

CHECK(blas_batched_typed, "[doc: cublasGemmBatchedEx]",
    "arrays of matrices lie in device memory, also where the types are arguments", "blas_arrays_in_order")
{
    const float values[BATCHES] = {1, 2, 3}, two = 2, one = 1, zero = 0, product[BATCHES] = {6, 4, 2};
    struct queue queue = new_queue();
    float *a = device_floats(values, BATCHES), *b = device_floats(&two, 1), *c = device_floats(values, BATCHES);
    struct arrays first = addresses_of(a, b, c, false), late = addresses_of(a, b, c, true);
    struct arrays *arrays = on_device(&first);
    OK(cudaDeviceSynchronize());
    write_late(&queue, arrays, &late, sizeof late);
    BLAS_OK(cublasGemmBatchedEx, queue.handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, (const void *const *)arrays->a,
        CUDA_R_32F, 1, (const void *const *)arrays->b, CUDA_R_32F, 1, &zero, (void *const *)arrays->c, CUDA_R_32F, 1,
        BATCHES, CUBLAS_COMPUTE_32F, -1 /* CUBLAS_GEMM_DEFAULT */);
    OK(cudaStreamSynchronize(queue.stream));
    expect_floats(c, product, BATCHES);
}

CHECK(blas_batched_freed, "[assumed]", "a freed matrix in an array breaks the context", "illegal_address")
{
    const float one = 1, zero = 0;
    struct queue queue = new_queue();
    float *a, *b = device_floats(&one, 1), *c = device_floats((float[BATCHES]){0}, BATCHES);
    OK(cudaMalloc((void **)&a, 64 * MIB));
    struct arrays addresses = addresses_of(a, b, c, false), *arrays = on_device(&addresses);
    OK(cudaDeviceSynchronize());
    OK(cudaFree(a));
    BLAS_OK(cublasSgemmBatched, queue.handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, (const float *const *)arrays->a,
        1, (const float *const *)arrays->b, 1, &zero, arrays->c, 1, BATCHES);
    FAILS(cudaStreamSynchronize(queue.stream), cudaErrorIllegalAddress);
}
