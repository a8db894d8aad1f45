/* arena_test.c: addresses and memory of weights over their lives: who gets what was freed, what goes back. Where
 * bytes are is the simulator's account. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static void flush(void)
{
    cudaMemPool_t pool;
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0));
}

/* Queues a copy from the weight that is not done before somebody waits for the stream. */
static unsigned char *queue_copy(const void *weight, size_t bytes, cudaStream_t stream)
{
    unsigned char *pinned;
    CUDA_OK(cudaHostAlloc((void **)&pinned, bytes, 0));
    CUDA_OK(cudaMemcpyAsync(pinned, weight, bytes, cudaMemcpyDeviceToHost, stream));
    return pinned;
}

/* --- Who gets what was freed -------------------------------------------------------------------------------------- */

#define COUNT 8

static void load_late(const char *distorch, size_t bytes)
{
    size_t sizes[COUNT];
    for (int i = 0; i < COUNT; i++)
        sizes[i] = bytes;
    setenv("SIMCUDA_ORDER", "late", 1);
    use_policy(distorch);
    open_model(make_model(sizes, COUNT));
}

static void check_same_stream(size_t bytes)
{
    load_late("cuda:1,*", bytes);
    cudaStream_t stream = new_stream();
    void *weight = allocate_in(bytes, stream);
    CUDA_OK(cudaMemsetAsync(weight, 0x77, bytes, stream));
    CUDA_OK(cudaStreamSynchronize(stream));
    unsigned char *pinned = queue_copy(weight, bytes, stream);
    CUDA_OK(cudaFreeAsync(weight, stream));
    size_t before = simcudaBytesUsed(1), mapped = simcudaCalls("cuMemMap");
    void *next = allocate_in(bytes, stream);
    cr_expect_eq(next, weight, "its work comes after: it may have the memory at once");
    cr_expect_eq(simcudaBytesUsed(1), before);
    cr_expect_eq(simcudaCalls("cuMemMap"), mapped);
    CUDA_OK(cudaMemsetAsync(next, 0x11, bytes, stream));
    CUDA_OK(cudaStreamSynchronize(stream));
    cr_expect_eq(pinned[0], 0x77);
    cr_expect_eq(pinned[bytes - 1], 0x77);
    CUDA_OK(cudaFreeAsync(next, stream));
    flush();
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

Test(arena, the_same_stream_may_have_what_it_freed_at_once_packed)
{
    check_same_stream(3 * MIB);
}

Test(arena, the_same_stream_may_have_what_it_freed_at_once_whole)
{
    check_same_stream(4 * MIB);
}

Test(arena, the_same_stream_may_have_what_it_freed_at_once_large)
{
    check_same_stream(40 * MIB);
}

/* Each of them must leave alone what is still in use: the copy that is queued shows who does not. */
static void check_other(void *(*allocate)(size_t bytes))
{
    const size_t bytes = 3 * MIB;
    load_late("cuda:1,*", bytes);
    cudaStream_t stream = new_stream();
    void *weight = allocate_in(bytes, stream);
    CUDA_OK(cudaMemsetAsync(weight, 0x77, bytes, stream));
    CUDA_OK(cudaStreamSynchronize(stream));
    unsigned char *pinned = queue_copy(weight, bytes, stream);
    CUDA_OK(cudaFreeAsync(weight, stream));
    void *next = allocate(bytes);
    cr_expect_neq(next, weight);
    cudaStream_t other = new_stream();
    CUDA_OK(cudaMemsetAsync(next, 0x11, bytes, other));
    CUDA_OK(cudaStreamSynchronize(other));
    CUDA_OK(cudaStreamSynchronize(stream));
    cr_expect_eq(pinned[0], 0x77);
    cr_expect_eq(pinned[bytes - 1], 0x77);
}

static void *on_another_stream(size_t bytes)
{
    return allocate_in(bytes, new_stream());
}

static void *on_the_default_stream(size_t bytes)
{
    return allocate_in(bytes, NULL);
}

static void *in_no_order(size_t bytes)
{
    void *pointer;
    CUDA_OK(cudaMalloc(&pointer, bytes));
    return pointer;
}

Test(arena, another_stream_does_not_get_what_is_in_use)
{
    check_other(on_another_stream);
}

Test(arena, the_default_stream_does_not_get_what_is_in_use)
{
    check_other(on_the_default_stream);
}

Test(arena, cudaMalloc_does_not_get_what_is_in_use)
{
    check_other(in_no_order);
}

/* Freed neighbours of one stream make room for one that is larger; what was freed on another stream between them does
 * not. */
Test(arena, neighbours_freed_on_one_stream_make_room_together)
{
    const size_t sizes[] = {3 * MIB, 3 * MIB, 3 * MIB, 5 * MIB, 5 * MIB};
    setenv("SIMCUDA_ORDER", "late", 1);
    use_policy("cuda:1,*");
    open_model(make_model(sizes, 5));
    cudaStream_t stream = new_stream(), other = new_stream();
    char *first = allocate_in(3 * MIB, stream), *second = allocate_in(3 * MIB, stream);
    char *third = allocate_in(3 * MIB, stream);
    cr_assert(second == first + 3 * MIB && third == second + 3 * MIB, "packed side by side");
    queue_copy(first, 3 * MIB, stream);
    queue_copy(third, 3 * MIB, other);
    CUDA_OK(cudaFreeAsync(first, stream));
    CUDA_OK(cudaFreeAsync(third, other));
    char *past = allocate_in(5 * MIB, stream);
    cr_expect(past >= third + 3 * MIB, "the second one is live");
    CUDA_OK(cudaFreeAsync(second, stream));
    char *both = allocate_in(5 * MIB, stream);
    cr_expect_eq(both, first, "3 and 3 MB for 5");
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaFree(both));
    CUDA_OK(cudaFree(past));
    flush();
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

/* --- What goes back ----------------------------------------------------------------------------------------------- */

/* A piece of 32 MiB goes as soon as nothing in it is live, whatever lives beside it. */
Test(arena, a_piece_goes_back_when_all_in_it_is_freed)
{
    enum { MANY = 40 };
    size_t sizes[MANY];
    void *weights[MANY];
    for (int i = 0; i < MANY; i++)
        sizes[i] = 4 * MIB;
    use_policy("cuda:1,*");
    open_model(make_model(sizes, MANY));
    for (int i = 0; i < MANY; i++)
        CUDA_OK(cudaMalloc(&weights[i], sizes[i]));
    cr_assert_eq(simcudaBytesUsed(1), 160 * MIB);
    for (int i = 0; i < MANY; i++)
        if (i % 8 != 3)
            CUDA_OK(cudaFree(weights[i]));
    cr_expect_eq(simcudaBytesUsed(1), 160 * MIB, "each piece holds one that is live");
    CUDA_OK(cudaFree(weights[11]));
    cr_expect_eq(simcudaBytesUsed(1), 128 * MIB);
    for (int i = 3; i < MANY; i += 8)
        if (i != 11)
            CUDA_OK(cudaFree(weights[i]));
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

/* Two models of a few hundred tensors of many sizes. */
enum { TENSORS = 120 };

static size_t odd_size(int model, int i)
{
    return 64 * KIB + (size_t)(i * 131 + model * 57) % 400 * 12 * KIB + (i % 17 == 0 ? 20 * MIB : 0);
}

static void expect_little_waste(size_t placed, int cycle)
{
    size_t taken = simcudaBytesUsed(1) + simcudaBytesUsed(HOST);
    cr_expect_leq((double)taken, 1.04 * (double)placed + 4 * MIB, "cycle %d: %zu bytes for %zu", cycle, taken, placed);
}

Test(arena, fifty_loads_of_two_models_in_turn_leave_nothing)
{
    size_t sizes[2][TENSORS];
    const char *models[2];
    void *weights[TENSORS];
    cudaStream_t stream;
    setenv("VRAMSPAN_LOG", "debug", 1);
    use_policy("cuda:1,60%;cpu,40%");
    for (int m = 0; m < 2; m++) {
        for (int i = 0; i < TENSORS; i++)
            sizes[m][i] = odd_size(m, i);
        models[m] = make_model(sizes[m], TENSORS);
    }
    listen();
    stream = new_stream();
    for (int cycle = 0; cycle < 50; cycle++) {
        int m = cycle % 2;
        size_t placed = 0;
        open_model(models[m]);
        for (int i = 0; i < TENSORS; i++) {
            weights[i] = allocate_in(sizes[m][i], stream);
            placed += sizes[m][i];
        }
        CUDA_OK(cudaMemsetAsync(weights[7], cycle, sizes[m][7], stream));
        expect_little_waste(placed, cycle);
        for (int i = 0; i < TENSORS; i++) /* every second one from behind */
            if (i % 2)
                CUDA_OK(cudaFreeAsync(weights[TENSORS - i], stream));
        for (int i = 0; i < TENSORS; i += 2)
            CUDA_OK(cudaFreeAsync(weights[i], stream));
        flush();
        cr_expect_eq(simcudaBytesUsed(1), 0, "cycle %d", cycle);
        cr_expect_eq(simcudaBytesUsed(HOST), 0, "cycle %d", cycle);
    }
    char *text = heard();
    cr_expect_geq(
        occurrences(text, "arena: 0.0 MB of weights in 0.0 MB of memory, mapped in 0 pieces"), 50, "%s", text);
    cr_expect_leq(simcudaLiveAllocations(), 8);
}

/* The freed half of one model is filled by the other, and not beside it. */
Test(arena, freed_room_is_used_before_more_is_taken)
{
    enum { MANY = 64 };
    size_t sizes[MANY];
    void *weights[MANY];
    for (int i = 0; i < MANY; i++)
        sizes[i] = 3 * MIB;
    use_policy("cuda:1,*");
    const char *first = make_model(sizes, MANY), *second = make_model(sizes, MANY / 2);
    open_model(first);
    for (int i = 0; i < MANY; i++)
        CUDA_OK(cudaMalloc(&weights[i], sizes[i]));
    size_t full = simcudaBytesUsed(1);
    for (int i = 0; i < MANY; i += 2)
        CUDA_OK(cudaFree(weights[i]));
    open_model(second);
    for (int i = 0; i < MANY; i += 2)
        CUDA_OK(cudaMalloc(&weights[i], sizes[i]));
    cr_expect_leq(simcudaBytesUsed(1), full);
}

/* --- Nothing is touched that lends nothing -------------------------------------------------------------------------
 */

Test(arena, a_donor_that_lends_nothing_has_nothing_used)
{
    const size_t sizes[] = {4 * MIB, 3 * MIB, 40 * MIB};
    void *weights[3], *plain;
    use_machine("24gb+24gb+24gb");
    use_policy_text("version: 1\ndonors: [cuda:1, cuda:2, cpu]\nmodels: [{match: \"*\", distorch: "
                    "\"cuda:0,4mb;cuda:1,*\", order: listed}]\n");
    open_model(make_model(sizes, 3));
    for (int i = 0; i < 3; i++)
        CUDA_OK(cudaMalloc(&weights[i], sizes[i]));
    cr_assert(lies_at(weights[2], 40 * MIB, 1));
    CUDA_OK(cudaMalloc(&plain, MIB));
    CUDA_OK(cudaMemset(weights[2], 1, 40 * MIB));
    cr_expect_eq(simcudaBytesUsed(2), 0, "neither memory nor a context");
    for (int i = 0; i < 3; i++)
        CUDA_OK(cudaFree(weights[i]));
    flush();
    cr_expect_eq(simcudaBytesUsed(2), 0);
    cr_expect_eq(simcudaBytesUsed(1), 0);
}
