/* guest_test.c: memory that programs map themselves. What the program `mapping` is answered is the same with and
 * without the library, with its pages at home and away; and away they were, by the simulator's account. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "movable.h"

#define POLICY "VRAMSPAN_LOG=error VRAMSPAN_POLICY=tests/torch/policy.yaml "
#define PLAIN  "env -u VRAMSPAN_POLICY LD_PRELOAD= "

struct seen {
    unsigned long mappings, away, refused, left;
};

/* Runs the program, and parts what it writes down from the line that it ends with. */
static struct seen answers(const char *environment, const char *step, char output[65536])
{
    char command[1024];
    struct seen seen = {0};
    snprintf(command, sizeof command, "env %s %s %s 2>&1", environment, program("mapping"), step);
    FILE *pipe = popen(command, "r");
    cr_assert(pipe);
    output[fread(output, 1, 65535, pipe)] = '\0';
    int status = pclose(pipe);
    cr_assert_eq(status, 0, "%s: status %d\n%s", command, status, output);
    char *last = strstr(output, "mappings seen ");
    cr_assert(last && sscanf(last, "mappings seen %lu, pages seen away %lu, moves refused %lu, extents left %lu",
                          &seen.mappings, &seen.away, &seen.refused, &seen.left) == 4,
        "%s:\n%s", command, output);
    *last = '\0';
    return seen;
}

static void expect_same(const char *machine, const char *order, const char *step, const char *away)
{
    static char plain[65536], ours[65536];
    char settings[256], with[512];
    snprintf(settings, sizeof settings, "SIMCUDA_MACHINE=%s SIMCUDA_ORDER=%s SIMCUDA_SEED=5", machine, order);
    snprintf(with, sizeof with, PLAIN "%s", settings);
    struct seen without = answers(with, step, plain);
    cr_assert(strlen(plain) > 60, "%s does nothing: %s", step, plain);
    cr_expect_eq(without.mappings, 0);
    snprintf(with, sizeof with, POLICY "%s %s%s", settings, *away ? "AWAY=" : "", away);
    struct seen seen = answers(with, step, ours);
    cr_expect_str_eq(
        ours, plain, "%s, %s, %s, %s:\n%s\nand without the library:\n%s", machine, order, step, away, ours, plain);
    cr_expect_eq(seen.left, 0, "%s, %s: pieces are left", step, away);
    if (strcmp(step, "full") == 0)
        return;
    if (strcmp(step, "threads") != 0)
        cr_expect(seen.mappings > 0, "%s: its memory is not known", step);
    cr_expect_eq(seen.away > 0, *away != '\0', "%s, %s: %lu pages away", step, away, seen.away);
}

static void expect_same_everywhere(const char *step)
{
    static const char *const ways[] = {"", "peer", "host", "mixed", "round"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        expect_same("2x24gb", i % 2 ? "late" : "early", step, ways[i]);
}

Test(guest, a_page_is_written_read_and_asked_about)
{
    expect_same_everywhere("life");
}
Test(guest, misuse_is_answered_as_the_driver_does)
{
    expect_same_everywhere("misuse");
}
Test(guest, references_and_mappings_keep_the_memory)
{
    expect_same_everywhere("references");
}
Test(guest, one_handle_at_several_addresses_is_one_memory)
{
    expect_same_everywhere("aliases");
}
Test(guest, other_memory_lies_among_the_pages)
{
    expect_same_everywhere("neighbours");
}
Test(guest, what_is_exported_comes_home_in_one_piece)
{
    expect_same_everywhere("exports");
}
Test(guest, a_second_device_is_given_access)
{
    expect_same_everywhere("two-devices");
}
Test(guest, each_call_may_fail_and_succeed_afterwards)
{
    expect_same_everywhere("faults");
}
Test(guest, handles_are_made_and_mapped_while_a_graph_is_captured)
{
    static const char *const ways[] = {"", "peer", "host", "mixed"}; /* the last one comes home before the capture */
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        expect_same("2x24gb", "late", "capture", ways[i]);
}
Test(guest, a_child_has_none_of_it)
{
    expect_same_everywhere("fork");
}
Test(guest, a_full_device_says_so_at_the_same_place)
{
    expect_same("4gb+1gb", "early", "full", "");
}

Test(guest, threads_map_and_unmap_while_all_is_sent_around)
{
    static const char *const orders[] = {"early", "late", "random"};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        expect_same("2x24gb", orders[i], "threads", "round");
}

Test(guest, who_makes_room_within_a_library_does_not_hold_up_a_move)
{
    expect_same_everywhere("inside");
}

Test(guest, a_context_goes_with_the_programs_last_reference)
{
    expect_same_everywhere("contexts");
}

Test(guest, without_a_policy_handles_are_the_drivers)
{
    static char output[65536];
    struct seen seen = answers("-u VRAMSPAN_POLICY AWAY=peer", "life", output);
    cr_expect_eq(seen.mappings, 0);
    cr_expect_eq(seen.away, 0);
}

/* A peer that cannot be reached refuses the pages, which stay. */
Test(guest, pages_stay_where_no_other_place_can_be_mapped)
{
    static char plain[65536], ours[65536];
    answers(PLAIN "SIMCUDA_MACHINE=2x24gb-no-peer", "life", plain);
    struct seen seen = answers(POLICY "SIMCUDA_MACHINE=2x24gb-no-peer AWAY=peer", "life", ours);
    cr_expect_str_eq(ours, plain);
    cr_expect(seen.mappings > 0 && seen.away == 0 && seen.refused > 0);
}

/* --- In this process ---------------------------------------------------------------------------------------------- */

static CUmemGenericAllocationHandle created(size_t bytes)
{
    const CUmemAllocationProp properties = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = LOCAL}};
    CUmemGenericAllocationHandle handle;
    CUDA_OK(cuMemCreate(&handle, bytes, &properties, 0));
    return handle;
}

static unsigned char *reserved(size_t bytes)
{
    CUdeviceptr address;
    CUDA_OK(cuMemAddressReserve(&address, bytes, 0, 0, 0));
    return (unsigned char *)address;
}

static void map(unsigned char *address, size_t bytes, CUmemGenericAllocationHandle handle)
{
    const CUmemAccessDesc access = {
        {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = LOCAL}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUDA_OK(cuMemMap((CUdeviceptr)address, bytes, 0, handle, 0));
    CUDA_OK(cuMemSetAccess((CUdeviceptr)address, bytes, &access, 1));
}

static void begin(const char *machine)
{
    use_machine(machine);
    use_policy("cuda:0,*");
    CUDA_OK(cudaFree(NULL));
}

/* What the pool keeps is nobody's: the program's own handle gets it, before it hears that the device is full. */
Test(guest, a_handle_gets_what_the_pool_hoards)
{
    cudaMemPool_t pool;
    uint64_t all = UINT64_MAX;
    size_t free_bytes, total;
    void *tensor;
    begin("4gb+1gb");
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all));
    CUDA_OK(cudaMemGetInfo(&free_bytes, &total));
    CUDA_OK(cudaMallocAsync(&tensor, free_bytes - 100 * MIB, NULL));
    CUDA_OK(cudaFreeAsync(tensor, NULL));
    CUDA_OK(cudaDeviceSynchronize());
    size_t used = simcudaBytesUsed(LOCAL);
    CUmemGenericAllocationHandle handle = created(1024 * MIB);
    cr_expect_lt(simcudaBytesUsed(LOCAL), used);
    CUDA_OK(cuMemRelease(handle));
}

/* Its parts are several handles of the driver's while they are apart, and one when all of it is home. */
Test(guest, a_mapping_that_was_moved_in_part_becomes_one_piece_again)
{
    const size_t bytes = 8 * PAGE;
    void *base;
    size_t held;
    begin("2x24gb");
    unsigned char *pages = reserved(bytes);
    CUmemGenericAllocationHandle handle = created(bytes);
    map(pages, bytes, handle);
    fill(pages, 3, bytes);
    struct used before = used_now();
    cr_assert_eq(rehome(pages + PAGE, 2 * PAGE, HOST), 0);
    cr_assert_eq(rehome(pages + 5 * PAGE, PAGE, PEER), 0);
    cr_expect_eq(extents(&held), 5);
    cr_expect_eq(held, bytes);
    expect_bytes(pages, 3, bytes, "in five pieces");
    cr_assert_eq(rehome(pages, bytes, PEER), 0);
    cr_expect_eq(extent(pages + 3 * PAGE, &base), bytes);
    expect_used(before, bytes, LOCAL, PEER, "all of it away");
    cr_assert_eq(rehome(pages, bytes, LOCAL), 0);
    expect_used(before, 0, LOCAL, LOCAL, "all of it home");
    cr_expect_eq(extents(&held), 1);
    expect_bytes(pages, 3, bytes, "in the end");
    CUDA_OK(cuMemUnmap((CUdeviceptr)pages, bytes));
    CUDA_OK(cuMemRelease(handle));
    expect_used(before, bytes, LOCAL, NOWHERE, "given back");
}

/* The same with a failure at each call of the driver on the way together. */
Test(guest, pieces_that_cannot_come_together_stay_as_they_are)
{
    enum { UNMAP = 3 }; /* is tried again */
    static const char *const symbols[] = {"cuMemCreate", "cuMemMap", "cuMemSetAccess", "cuMemUnmap", "cuMemcpyAsync"};
    const size_t bytes = 4 * PAGE;
    size_t held;
    begin("2x24gb");
    unsigned char *pages = reserved(bytes);
    CUmemGenericAllocationHandle handle = created(bytes);
    map(pages, bytes, handle);
    fill(pages, 4, bytes);
    cr_assert_eq(rehome(pages, 2 * PAGE, HOST), 0);
    cr_assert_eq(rehome(pages + 3 * PAGE, PAGE, PEER), 0);
    struct used before = used_now();
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        for (unsigned n = 1; n < 4; n++) {
            uint64_t calls = simcudaCalls(symbols[i]);
            simcudaFail(symbols[i], n, CUDA_ERROR_OUT_OF_MEMORY);
            int result = rehome(pages, bytes, LOCAL);
            bool reached = simcudaCalls(symbols[i]) - calls >= n;
            simcudaFail(symbols[i], 0, 0);
            if (result == 0) {
                cr_expect(!reached || n > 1 || i == UNMAP, "%s fails, and the pages moved", symbols[i]);
                cr_assert_eq(rehome(pages, 2 * PAGE, HOST), 0);
                cr_assert_eq(rehome(pages + 3 * PAGE, PAGE, PEER), 0);
            }
            expect_used(before, 0, LOCAL, LOCAL, symbols[i]);
            cr_expect_eq(extents(&held), 3, "%s, %u", symbols[i], n);
            cr_expect_eq(held, bytes);
            expect_bytes(pages, 4, bytes, symbols[i]);
        }
    CUDA_OK(cuMemUnmap((CUdeviceptr)pages, bytes));
    CUDA_OK(cuMemRelease(handle));
}

/* Memory that may not be read cannot be moved, and memory that may only be read is moved so. */
Test(guest, a_page_moves_with_the_access_that_the_program_gave)
{
    const CUmemAccessDesc reads = {{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = LOCAL}, CU_MEM_ACCESS_FLAGS_PROT_READ};
    const CUmemAccessDesc none = {{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = LOCAL}, CU_MEM_ACCESS_FLAGS_PROT_NONE};
    begin("2x24gb");
    unsigned char *pages = reserved(PAGE);
    CUmemGenericAllocationHandle handle = created(PAGE);
    CUDA_OK(cuMemMap((CUdeviceptr)pages, PAGE, 0, handle, 0));
    cr_expect_eq(rehome(pages, PAGE, HOST), CUDA_ERROR_NOT_PERMITTED);
    CUDA_OK(cuMemSetAccess((CUdeviceptr)pages, PAGE, &reads, 1));
    cr_expect_eq(rehome(pages, PAGE, HOST), 0);
    cr_expect_neq(cuMemsetD8((CUdeviceptr)pages, 1, PAGE), CUDA_SUCCESS, "what may be read only was written");
    CUDA_OK(cuMemSetAccess((CUdeviceptr)pages, PAGE, &none, 1));
    cr_expect_eq(rehome(pages, PAGE, LOCAL), CUDA_ERROR_NOT_PERMITTED);
    cr_expect(lies_at(pages, PAGE, HOST));
}

/* What was mapped of a handle in parts goes again when the rest cannot be mapped, though the driver refuses once. */
Test(guest, a_mapping_that_fails_leaves_the_addresses_free)
{
    static const char *const symbols[] = {"cuMemMap", "cuMemSetAccess"};
    const size_t bytes = 4 * PAGE;
    begin("2x24gb");
    unsigned char *pages = reserved(bytes);
    CUmemGenericAllocationHandle handle = created(bytes);
    map(pages, bytes, handle);
    fill(pages, 5, bytes);
    cr_assert_eq(rehome(pages, PAGE, PEER), 0);
    cr_assert_eq(rehome(pages + PAGE, PAGE, HOST), 0);
    CUDA_OK(cudaDeviceSynchronize());
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        CUDA_OK(cuMemUnmap((CUdeviceptr)pages, bytes));
        simcudaFail(symbols[i], i == 0 ? 3 : 1, CUDA_ERROR_UNKNOWN);
        simcudaFail("cuMemUnmap", 1, CUDA_ERROR_UNKNOWN);
        cr_expect_eq(cuMemMap((CUdeviceptr)pages, bytes, 0, handle, 0), CUDA_ERROR_UNKNOWN);
        simcudaFail("cuMemUnmap", 0, 0);
        map(pages, bytes, handle);
        expect_bytes(pages, 5, bytes, symbols[i]);
    }
    CUDA_OK(cuMemUnmap((CUdeviceptr)pages, bytes));
    CUDA_OK(cuMemRelease(handle));
}

/* A graph keeps addresses, whatever the program maps there later; until it gives them back. */
Test(guest, what_is_mapped_anew_where_a_graph_works_stays)
{
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t instance;
    begin("2x24gb");
    unsigned char *pages = reserved(4 * PAGE);
    CUmemGenericAllocationHandle handle = created(PAGE);
    map(pages, PAGE, handle);
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    CUDA_OK(cudaMemsetAsync(pages, 7, PAGE, stream));
    CUDA_OK(cudaStreamEndCapture(stream, &graph));
    CUDA_OK(cudaGraphInstantiate(&instance, graph, 0));
    cr_expect_eq(rehome(pages, PAGE, HOST), CUDA_ERROR_NOT_PERMITTED);
    CUDA_OK(cuMemUnmap((CUdeviceptr)pages, PAGE));
    map(pages + PAGE, PAGE, handle);
    cr_expect_eq(rehome(pages + PAGE, PAGE, HOST), 0);
    CUDA_OK(cuMemUnmap((CUdeviceptr)pages + PAGE, PAGE));
    map(pages, PAGE, handle);
    cr_expect_eq(rehome(pages, PAGE, LOCAL), CUDA_ERROR_NOT_PERMITTED, "the graph writes there");
    CUDA_OK(cuMemUnmap((CUdeviceptr)pages, PAGE));
    CUDA_OK(cuMemAddressFree((CUdeviceptr)pages, 4 * PAGE));
    cr_assert_eq(reserved(4 * PAGE), pages);
    map(pages, PAGE, handle);
    cr_expect_eq(rehome(pages, PAGE, PEER), 0);
}

/* Nothing comes home for a call that cannot succeed there either. */
Test(guest, access_for_a_device_that_is_none_moves_nothing)
{
    const CUmemAccessDesc access = {
        {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 99}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    begin("2x24gb");
    unsigned char *pages = reserved(PAGE);
    CUmemGenericAllocationHandle handle = created(PAGE);
    map(pages, PAGE, handle);
    cr_assert_eq(rehome(pages, PAGE, HOST), 0);
    cr_expect_eq(cuMemSetAccess((CUdeviceptr)pages, PAGE, &access, 1), CUDA_ERROR_INVALID_DEVICE);
    cr_expect(lies_at(pages, PAGE, HOST));
}

/* Reservations come and go; nothing is kept of them, and their addresses are nobody's afterwards. */
Test(guest, addresses_that_are_freed_are_known_no_more)
{
    begin("2x24gb");
    for (int i = 0; i < 200; i++) {
        unsigned char *pages = reserved(64 * PAGE);
        CUmemGenericAllocationHandle handle = created(PAGE);
        map(pages + (size_t)(i % 64) * PAGE, PAGE, handle);
        cr_assert_eq(rehome(pages + (size_t)(i % 64) * PAGE, PAGE, i % 2 ? HOST : PEER), 0);
        CUDA_OK(cuMemUnmap((CUdeviceptr)pages + (size_t)(i % 64) * PAGE, PAGE));
        CUDA_OK(cuMemRelease(handle));
        CUDA_OK(cuMemAddressFree((CUdeviceptr)pages, 64 * PAGE));
        cr_assert_eq(rehome(pages, PAGE, HOST), CUDA_ERROR_INVALID_VALUE);
    }
}

/* A number that was a handle is none any more, also when its place has another. */
Test(guest, a_stale_handle_is_refused_for_ever)
{
    begin("2x24gb");
    unsigned char *pages = reserved(PAGE);
    CUmemGenericAllocationHandle stale = created(PAGE);
    CUDA_OK(cuMemRelease(stale));
    for (int i = 0; i < 300; i++) {
        CUmemGenericAllocationHandle next = created(PAGE);
        cr_assert_neq(next, stale);
        cr_assert_eq(cuMemMap((CUdeviceptr)pages, PAGE, 0, stale, 0), CUDA_ERROR_INVALID_VALUE);
        cr_assert_eq(cuMemRelease(stale), CUDA_ERROR_INVALID_VALUE);
        CUDA_OK(cuMemRelease(next));
    }
}

/* To the program a weight is what cudaMalloc gave: no mapping that it could take away, share or open to others. */
Test(guest, a_weight_is_no_mapping_of_the_programs)
{
    const CUmemAccessDesc access = {
        {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = PEER}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUmemGenericAllocationHandle handle;
    unsigned char *weight;
    size_t bytes;
    make_weights("cuda:1,*", &weight, 1, 8 * MIB);
    CUdeviceptr pages = (CUdeviceptr)pages_of(weight, 8 * MIB, &bytes);
    cr_expect_eq(cuMemRetainAllocationHandle(&handle, (void *)pages), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuMemUnmap(pages, bytes), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(cuMemSetAccess(pages, bytes, &access, 1), CUDA_ERROR_INVALID_VALUE);
    expect_bytes(weight, 0, 8 * MIB, "after that");
}
