/* ladder_test.c: what is done when the compute device has no room for a weight that the plan has there: what nobody
 * uses is asked back, then donors are asked, and the last word is the call's own error. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* --- What nobody uses --------------------------------------------------------------------------------------------- */

#define SMALL_MACHINE "2gb+1536mb"

static size_t pool_reserved(void)
{
    cudaMemPool_t pool;
    cuuint64_t reserved;
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved));
    return reserved;
}

/* What cudaMallocAsync gave and got back stays with the pool, as PyTorch sets it: all of the card but for so many
 * bytes.
 */
static void hoard(size_t but_for_bytes)
{
    cudaMemPool_t pool;
    cuuint64_t all = UINT64_MAX;
    size_t free_bytes, total_bytes, count = 0;
    void *pieces[256];
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all));
    for (;;) {
        CUDA_OK(cudaMemGetInfo(&free_bytes, &total_bytes));
        if (free_bytes < but_for_bytes + 32 * MIB)
            break;
        cr_assert_lt(count, 256);
        pieces[count++] = allocate_in(32 * MIB, NULL);
    }
    for (size_t i = 0; i < count; i++)
        CUDA_OK(cudaFreeAsync(pieces[i], NULL));
    CUDA_OK(cudaDeviceSynchronize());
    cr_assert_geq(pool_reserved(), count * 32 * MIB);
}

enum { LARGE = 15 };

/* 900 MB. */
static const char *model_of_large(void)
{
    size_t sizes[LARGE];
    for (int i = 0; i < LARGE; i++)
        sizes[i] = 60 * MIB;
    return make_model(sizes, LARGE);
}

/* A sampling run leaves all but 100 MB in the pool; the model fits into what that keeps, and nowhere else. */
static void check_hoard(bool stream_ordered)
{
    setenv("SIMCUDA_FRESH", "zero", 1);
    use_machine(SMALL_MACHINE);
    use_policy_text("version: 1\ncompute-reserve: 16mb\ndonors: [cuda:1]\nmodels: [{match: \"*\", distorch: "
                    "\"cuda:0,*\", order: listed}]\n");
    CUDA_OK(cudaFree(NULL));
    hoard(100 * MIB);
    open_model(model_of_large());
    for (int i = 0; i < LARGE; i++) {
        void *weight;
        CUDA_OK(stream_ordered ? cudaMallocAsync(&weight, 60 * MIB, 0) : cudaMalloc(&weight, 60 * MIB));
        cr_expect(lies_at(weight, 60 * MIB, 0), "weight %d is at %d", i, place_of(weight, 60 * MIB));
    }
    cr_expect_eq(simcudaBytesUsed(1), 0, "no donor is needed");
    cr_expect_eq(pool_reserved(), 0, "the pool has given it back");
}

Test(ladder, what_the_pool_keeps_is_asked_back_for_cudaMallocAsync)
{
    check_hoard(true);
}

Test(ladder, what_the_pool_keeps_is_asked_back_for_cudaMalloc)
{
    check_hoard(false);
}

/* What was freed on a stream that is still busy is waited for, before a donor is asked. */
Test(ladder, what_is_freed_and_pending_is_waited_for)
{
    setenv("SIMCUDA_FRESH", "zero", 1);
    setenv("SIMCUDA_ORDER", "late", 1);
    use_machine(SMALL_MACHINE);
    use_policy_text("version: 1\ncompute-reserve: 16mb\ndonors: [cuda:1]\nmodels: [{match: \"*\", distorch: "
                    "\"cuda:0,*\", order: listed}]\n");
    const char *first = model_of_large(), *second = model_of_large();
    cudaStream_t stream = new_stream(), other = new_stream();
    void *weights[LARGE];
    open_model(first);
    for (int i = 0; i < LARGE; i++)
        weights[i] = allocate_in(60 * MIB, stream);
    for (int i = 0; i < LARGE; i++) {
        CUDA_OK(cudaMemsetAsync(weights[i], 1, 60 * MIB, stream));
        CUDA_OK(cudaFreeAsync(weights[i], stream));
    }
    open_model(second);
    for (int i = 0; i < LARGE; i++)
        cr_expect_eq(place_of(allocate_in(60 * MIB, other), 60 * MIB), 0, "weight %d", i);
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

/* --- Donors ------------------------------------------------------------------------------------------------------- */

static void fill_compute_device(size_t but_for_bytes)
{
    size_t free_bytes, total_bytes;
    void *filler;
    CUDA_OK(cudaMemGetInfo(&free_bytes, &total_bytes));
    CUDA_OK(cudaMalloc(&filler, (free_bytes - but_for_bytes) / (2 * MIB) * 2 * MIB));
}

/* The plan's own donors first, each as long as it has room. */
Test(ladder, a_full_compute_device_leaves_its_share_to_the_plans_donors)
{
    int places[LARGE];
    setenv("SIMCUDA_FRESH", "zero", 1);
    use_machine("2gb+1536mb+host:8gb");
    use_policy_text("version: 1\ncompute-reserve: 16mb\ndonors: [cpu]\nmodels: [{match: \"*\", distorch: "
                    "\"cuda:0,840mb;cuda:1,60mb\", order: listed}]\n");
    open_model(model_of_large());
    fill_compute_device(130 * MIB);
    for (int i = 0; i < LARGE; i++)
        places[i] = place_of(allocate_in(60 * MIB, NULL), 60 * MIB);
    cr_expect(places[0] == 0 && places[1] == 0, "what fits stays");
    for (int i = 2; i < LARGE; i++)
        cr_expect_eq(places[i], 1, "weight %d is at %d", i, places[i]);
}

/* Nobody of the plan is left: any other donor that the policy names. */
Test(ladder, a_full_compute_device_leaves_its_share_to_any_donor)
{
    setenv("SIMCUDA_FRESH", "zero", 1);
    use_machine("2gb+1536mb+host:8gb");
    use_policy_text("version: 1\ncompute-reserve: 16mb\ndonors: [cpu]\nmodels: [{match: \"*\", distorch: "
                    "\"cuda:0,*\", order: listed}]\n");
    open_model(model_of_large());
    fill_compute_device(0);
    for (int i = 0; i < LARGE; i++)
        cr_expect_eq(place_of(allocate_in(60 * MIB, NULL), 60 * MIB), HOST, "weight %d", i);
    cr_expect_eq(simcudaBytesUsed(1), 0, "it is no donor");
}

/* All is full: the error is the call's own, once, and the log says what lies where. */
Test(ladder, the_error_of_a_full_span_is_the_calls_own_with_a_table_in_the_log)
{
    void *weight;
    setenv("SIMCUDA_FRESH", "zero", 1);
    use_machine("2gb+1536mb+host:8gb");
    use_policy_text("version: 1\ncompute-reserve: 16mb\ndonors: [\"cuda:1\"]\nmodels: [{match: \"*\", distorch: "
                    "\"cuda:1,120mb;cuda:0,*\", order: listed}]\n");
    open_model(model_of_large());
    listen();
    for (int i = 0; i < 2; i++)
        cr_assert_eq(place_of(allocate_in(60 * MIB, NULL), 60 * MIB), 1);
    fill_compute_device(0);
    CUDA_OK(cudaSetDevice(1));
    fill_compute_device(0);
    CUDA_OK(cudaSetDevice(0));
    cr_expect_eq(cudaMalloc(&weight, 60 * MIB), cudaErrorMemoryAllocation);
    cr_expect_eq(cudaGetLastError(), cudaErrorMemoryAllocation);
    cr_expect_eq(cudaGetLastError(), cudaSuccess);
    cr_expect_eq(cudaMallocAsync(&weight, 60 * MIB, 0), cudaErrorMemoryAllocation);
    cr_expect_eq(cudaGetLastError(), cudaErrorMemoryAllocation);
    char *text = heard();
    cr_expect_eq(occurrences(text, "memory: 60.00 MB were asked of cuda:0 and refused; "), 1, "%s", text);
    cr_expect(
        strstr(text, "cuda:0                 0.00        2048.00\ncuda:1               120.00        1536.00\ncpu"),
        "%s", text);
    cr_expect_eq(simcudaBytesUsed(HOST), 0, "it is no donor");
}
