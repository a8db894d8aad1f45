/* placement_test.c: which allocations are placed, and where their bytes then are, by the simulator's account. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

/* cuBLAS through its public symbols; handles are opaque. What the calls return does not matter: they may refuse. */
int cublasCreate_v2(void **handle);
int cublasGemmEx(void *handle, ...);
int cublasGemmStridedBatchedEx(void *handle, ...);
int cublasSgemmStridedBatched(void *handle, ...);
int cublasLtMatmul(void *handle, ...);
int cublasSgemm_v2(void *handle, int trans_a, int trans_b, int m, int n, int k, const float *alpha, const float *a,
    int lda, const float *b, int ldb, const float *beta, float *c, int ldc);

static void *allocate(size_t bytes)
{
    void *pointer;
    CUDA_OK(cudaMalloc(&pointer, bytes));
    return pointer;
}

static void call_a_library(void)
{
    void *handle;
    float one = 1, zero = 0, *matrix = allocate(16 * sizeof *matrix);
    CUDA_OK(cublasCreate_v2(&handle));
    CUDA_OK(cublasSgemm_v2(handle, 0, 0, 2, 2, 2, &one, matrix, 2, matrix + 4, 2, &zero, matrix + 8, 2));
}

Test(placement, tensors_take_the_devices_in_the_order_written)
{
    const size_t sizes[] = {4 * MIB, 3 * MIB, 5 * MIB, 2 * MIB + 512, 6 * MIB};
    use_policy("cuda:0,7mb;cuda:1,5mb;cpu,*");
    open_model(make_model(sizes, 5));
    void *tensors[5];
    for (int i = 0; i < 5; i++)
        tensors[i] = allocate(sizes[i]);
    cr_expect(lies_at(tensors[0], sizes[0], 0));
    cr_expect(lies_at(tensors[1], sizes[1], 0)); /* 7 MB of 7 used */
    cr_expect(lies_at(tensors[2], sizes[2], 1)); /* 5 of 5 used */
    cr_expect(lies_at(tensors[3], sizes[3], SIMCUDA_LOCATION_HOST));
    cr_expect(lies_at(tensors[4], sizes[4], SIMCUDA_LOCATION_HOST));
}

Test(placement, stream_ordered_allocations_are_placed_too)
{
    const size_t sizes[] = {3 * MIB, 640 * KIB};
    use_policy("cuda:1,*");
    open_model(make_model(sizes, 2));
    for (int i = 0; i < 2; i++) {
        void *pointer;
        CUDA_OK(cudaMallocAsync(&pointer, sizes[i], 0));
        cr_expect(lies_at(pointer, sizes[i], 1));
    }
}

Test(placement, other_sizes_stay_with_the_real_allocator)
{
    const size_t sizes[] = {4 * MIB};
    use_policy("cpu,*");
    open_model(make_model(sizes, 1));
    cr_expect(lies_at(allocate(4 * MIB + 1), 4 * MIB + 1, 0));
    cr_expect(lies_at(allocate(4 * MIB - 1), 4 * MIB - 1, 0));
    cr_expect_eq(simcudaCalls("cuMemCreate"), 0);
}

Test(placement, each_tensor_is_taken_once)
{
    const size_t sizes[] = {4 * MIB, 4 * MIB, 6 * MIB};
    use_policy("cpu,*");
    open_model(make_model(sizes, 3));
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, 0)); /* the model has two of this size */
    cr_expect(lies_at(allocate(6 * MIB), 6 * MIB, SIMCUDA_LOCATION_HOST));
}

Test(placement, a_segment_of_pytorchs_allocator_for_one_tensor_is_taken)
{
    const size_t sizes[] = {10 * MIB + 2, 10 * MIB + 4, 9 * MIB + 2};
    use_policy("cpu,*");
    open_model(make_model(sizes, 3));
    void *pooled;
    CUDA_OK(cudaMallocAsync(&pooled, 12 * MIB, 0)); /* that allocator asks for exact sizes */
    cr_expect(lies_at(pooled, 12 * MIB, 0));
    cr_expect(lies_at(allocate(10 * MIB), 10 * MIB, 0)); /* the 9 MB tensor would share a segment of 20 MB */
    cr_expect(lies_at(allocate(12 * MIB), 12 * MIB, SIMCUDA_LOCATION_HOST));
    cr_expect(lies_at(allocate(12 * MIB), 12 * MIB, SIMCUDA_LOCATION_HOST));
    cr_expect(lies_at(allocate(12 * MIB), 12 * MIB, 0));
}

Test(placement, a_library_call_ends_the_load)
{
    const size_t sizes[] = {4 * MIB, 6 * MIB};
    use_policy("cpu,*");
    open_model(make_model(sizes, 2));
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
    call_a_library();
    cr_expect(lies_at(allocate(6 * MIB), 6 * MIB, 0));
}

Test(placement, opening_again_begins_anew)
{
    const size_t sizes[] = {4 * MIB};
    const char *path = make_model(sizes, 1);
    use_policy("cpu,*");
    open_model(path);
    open_model(path); /* loaders open twice: still one load */
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, 0));
    open_model(path);
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
}

Test(placement, a_model_opened_by_any_libc_name_counts)
{
    const size_t sizes[] = {4 * MIB};
    use_policy("cpu,*");
    allocate(KIB); /* CUDA is there before the files are opened */
    for (int way = 0; way < 5; way++) {
        const char *path = make_model(sizes, 1);
        FILE *stream = NULL;
        int fd = -1;
        switch (way) {
        case 0:
            fd = open(path, O_RDONLY);
            break;
        case 1:
            fd = open64(path, O_RDONLY);
            break;
        case 2:
            fd = openat(AT_FDCWD, path, O_RDONLY);
            break;
        case 3:
            stream = fopen(path, "rb");
            break;
        case 4:
            stream = fopen64(path, "r");
            break;
        }
        cr_assert(fd >= 0 || stream);
        cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST), "way %d", way);
        cr_expect_eq(stream ? ftell(stream) : lseek(fd, 0, SEEK_CUR), 0, "the program's offset moved");
    }
}

Test(placement, writing_a_model_begins_no_load)
{
    const size_t sizes[] = {4 * MIB};
    const char *path = make_model(sizes, 1);
    use_policy("cpu,*");
    allocate(KIB);
    cr_assert(open(path, O_RDWR) >= 0);
    cr_assert(fopen(path, "r+"));
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, 0));
}

Test(placement, only_the_compute_device_is_served)
{
    const size_t sizes[] = {4 * MIB};
    use_policy("cpu,*");
    open_model(make_model(sizes, 1));
    CUDA_OK(cudaSetDevice(1));
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, 1));
    CUDA_OK(cudaSetDevice(0));
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
}

Test(placement, a_donor_that_cannot_be_mapped_passes_its_share_on_with_one_warning)
{
    const size_t sizes[] = {4 * MIB, 3 * MIB, 5 * MIB};
    use_machine("2x24gb-no-peer");
    use_policy("cuda:1,8mb;cpu,*");
    listen();
    open_model(make_model(sizes, 3));
    for (int i = 0; i < 3; i++)
        cr_expect(lies_at(allocate(sizes[i]), sizes[i], SIMCUDA_LOCATION_HOST));
    char *text = heard();
    cr_expect_eq(occurrences(text, "warning"), 1, "%s", text);
    cr_expect_eq(
        occurrences(text, "policy.yaml:4: warning: `cuda:1` cannot lend memory to `cuda:0` (the compute device "
                          "has no peer access to it); its share passes to `cpu`\n"),
        1, "%s", text);
    cr_expect_eq(simcudaBytesUsed(1), 0, "nothing of an unused donor may be touched");
}

Test(placement, without_vmm_host_shares_are_pinned_memory)
{
    const size_t sizes[] = {4 * MIB, 3 * MIB};
    use_machine("no-vmm");
    use_policy("cuda:0,4mb;cpu,*");
    open_model(make_model(sizes, 2));
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, 0));
    void *pinned = allocate(3 * MIB);
    cr_expect(lies_at(pinned, 3 * MIB, SIMCUDA_LOCATION_HOST));
    cr_expect_eq(simcudaCalls("cuMemCreate"), 0);
    CUDA_OK(cudaFree(pinned));
    cr_expect_eq(simcudaBytesUsed(SIMCUDA_LOCATION_HOST), 0);
}

Test(placement, small_tensors_share_pages)
{
    size_t sizes[400];
    for (int i = 0; i < 400; i++)
        sizes[i] = 64 * KIB;
    use_policy("cuda:1,*");
    open_model(make_model(sizes, 400));
    for (int i = 0; i < 400; i++)
        cr_assert(lies_at(allocate(64 * KIB), 64 * KIB, 1));
    cr_expect_leq(simcudaBytesUsed(1), 26 * MIB);
}

/* A page, an entry and a lock for each would cost more than they bring. */
Test(placement, what_is_below_64_kib_stays_with_the_real_allocator)
{
    const size_t sizes[] = {64 * KIB - 1, 64 * KIB, 640};
    use_policy("cuda:1,*");
    open_model(make_model(sizes, 3));
    cr_expect(lies_at(allocate(sizes[0]), sizes[0], 0));
    cr_expect(lies_at(allocate(sizes[2]), sizes[2], 0));
    cr_expect_eq(simcudaCalls("cuMemCreate"), 0);
    cr_expect(lies_at(allocate(sizes[1]), sizes[1], 1));
}

/* --- What ends a load ---*/

static void check_end(int (*library_call)(void *handle, ...))
{
    const size_t sizes[] = {4 * MIB, 6 * MIB};
    void *handle;
    use_policy("cpu,*");
    open_model(make_model(sizes, 2));
    cr_assert(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
    CUDA_OK(cublasCreate_v2(&handle));
    library_call(handle, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    cr_expect(lies_at(allocate(6 * MIB), 6 * MIB, 0));
}

Test(placement, cublasGemmEx_ends_a_load)
{
    check_end(cublasGemmEx);
}

Test(placement, cublasGemmStridedBatchedEx_ends_a_load)
{
    check_end(cublasGemmStridedBatchedEx);
}

Test(placement, cublasSgemmStridedBatched_ends_a_load)
{
    check_end(cublasSgemmStridedBatched);
}

Test(placement, cublasLtMatmul_ends_a_load)
{
    check_end(cublasLtMatmul);
}

/* --- Contexts, streams and devices ---*/

Test(placement, the_first_call_leaves_a_context_current_as_the_runtime_does)
{
    const size_t sizes[] = {4 * MIB};
    CUcontext context = NULL;
    use_policy("cpu,*");
    open_model(make_model(sizes, 1));
    cr_assert(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
    CUDA_OK(cuCtxGetCurrent(&context));
    cr_expect_not_null(context);
}

Test(placement, a_stream_of_another_device_gets_memory_of_that_device)
{
    const size_t sizes[] = {4 * MIB};
    cudaStream_t stream;
    void *pointer;
    use_policy("cpu,*");
    open_model(make_model(sizes, 1));
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaStreamCreate(&stream));
    CUDA_OK(cudaSetDevice(0));
    CUDA_OK(cudaMallocAsync(&pointer, 4 * MIB, stream));
    cr_expect(lies_at(pointer, 4 * MIB, 1));
    CUDA_OK(cudaMemsetAsync(pointer, 1, 4 * MIB, stream));
    CUDA_OK(cudaStreamSynchronize(stream));
}

Test(placement, a_context_of_the_programs_own_is_left_alone)
{
    const size_t sizes[] = {4 * MIB};
    CUcontext context;
    CUdeviceptr address;
    use_policy("cuda:1,*");
    open_model(make_model(sizes, 1));
    CUDA_OK(cuInit(0));
    CUDA_OK(cuCtxCreate(&context, NULL, 0, 0));
    CUDA_OK(cuMemAlloc(&address, 4 * MIB));
    cr_expect(lies_at((void *)address, 4 * MIB, 0));
}

Test(placement, a_driver_call_without_a_context_fails_as_ever)
{
    const size_t sizes[] = {4 * MIB};
    CUdeviceptr address;
    use_policy("cpu,*");
    open_model(make_model(sizes, 1));
    CUDA_OK(cuInit(0));
    cr_expect_eq(cuMemAlloc(&address, 4 * MIB), CUDA_ERROR_INVALID_CONTEXT);
}

Test(placement, goes_on_after_a_reset)
{
    const size_t sizes[] = {40 * MIB};
    const char *path = make_model(sizes, 1);
    use_policy("cuda:1,*");
    open_model(path);
    cr_assert(lies_at(allocate(40 * MIB), 40 * MIB, 1));
    CUDA_OK(cudaDeviceReset());
    cr_expect_eq(simcudaBytesUsed(1), 0);
    open_model(path);
    void *weight = allocate(40 * MIB);
    cr_expect(lies_at(weight, 40 * MIB, 1));
    CUDA_OK(cudaMemset(weight, 1, 40 * MIB));
    CUDA_OK(cudaFree(weight));
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

Test(placement, a_donor_lends_hardly_more_than_its_quota)
{
    size_t sizes[20];
    for (int i = 0; i < 20; i++)
        sizes[i] = 17 * MIB;
    use_policy("cuda:1,340mb;cpu,*");
    open_model(make_model(sizes, 20));
    for (int i = 0; i < 20; i++)
        cr_assert(lies_at(allocate(17 * MIB), 17 * MIB, 1));
    cr_expect_leq(simcudaBytesUsed(1), 20 * 18 * MIB); /* whole pages of 2 MiB */
}

Test(placement, a_shared_segment_of_pytorchs_allocator_is_not_taken)
{
    const size_t sizes[] = {20 * MIB, 2 * MIB};
    void *pooled;
    use_policy("cpu,*");
    open_model(make_model(sizes, 2));
    cr_expect(lies_at(allocate(20 * MIB), 20 * MIB, 0));
    cr_expect(lies_at(allocate(2 * MIB), 2 * MIB, 0));
    CUDA_OK(cudaMallocAsync(&pooled, 20 * MIB, 0)); /* that allocator shares nothing */
    cr_expect(lies_at(pooled, 20 * MIB, SIMCUDA_LOCATION_HOST));
}

Test(placement, where_host_mapping_fails_at_run_time_memory_is_pinned)
{
    const size_t sizes[] = {4 * MIB, 5 * MIB};
    use_policy("cpu,*");
    open_model(make_model(sizes, 2));
    simcudaFail("cuMemCreate", 1, CUDA_ERROR_NOT_SUPPORTED);
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
    cr_expect(lies_at(allocate(5 * MIB), 5 * MIB, SIMCUDA_LOCATION_HOST));
    cr_expect_eq(simcudaCalls("cuMemCreate"), 1, "what was refused is not asked for again");
}

/* --- Names of files ---*/

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

Test(placement, fortified_and_relative_openings_count)
{
    const size_t sizes[] = {4 * MIB};
    use_policy("cpu,*");
    allocate(KIB);
    for (int way = 0; way < 3; way++) {
        const char *path = make_model(sizes, 1);
        int folder = open("/", O_RDONLY | O_DIRECTORY);
        int fd = way == 0   ? __open_2(path, O_RDONLY)
                 : way == 1 ? __open64_2(path, O_RDONLY)
                            : openat64(folder, path + 1, O_RDONLY);
        cr_assert(fd >= 0);
        cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST), "way %d", way);
    }
}

Test(placement, a_link_is_known_by_its_own_name)
{
    const size_t sizes[] = {4 * MIB};
    const char *path = make_model(sizes, 1);
    char store[600], link[600];
    snprintf(store, sizeof store, "%s.blob", path);
    snprintf(link, sizeof link, "%s.linked.safetensors", path);
    cr_assert(rename(path, store) == 0 && symlink(store, link) == 0);
    use_policy("cpu,*");
    open_model(link); /* before the first CUDA call */
    cr_expect(lies_at(allocate(4 * MIB), 4 * MIB, SIMCUDA_LOCATION_HOST));
}
