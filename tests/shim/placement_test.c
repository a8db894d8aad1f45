/* placement_test.c: which allocations are placed, and where their bytes then are, by the simulator's account. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

/* cuBLAS through its public symbols; the handle type is opaque. */
int cublasCreate_v2(void **handle);
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
    const size_t sizes[] = {4 * MIB, 3 * MIB, 5 * MIB, 2 * MIB, 6 * MIB};
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
    const size_t sizes[] = {3 * MIB, 640};
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
    cr_expect_eq(occurrences(text, "cuda:1 cannot lend"), 1, "%s", text);
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
        sizes[i] = 640;
    use_policy("cuda:1,*");
    open_model(make_model(sizes, 400));
    for (int i = 0; i < 400; i++)
        cr_assert(lies_at(allocate(640), 640, 1));
    cr_expect_leq(simcudaBytesUsed(1), 32 * MIB);
}
