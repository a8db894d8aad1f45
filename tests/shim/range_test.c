/* range_test.c: each compute device has one range of addresses, as large as is promised. The driver tells of a range by
 * an address in it that no allocation has. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

#define GIB ((size_t)1 << 30)

struct range {
    CUdeviceptr base;
    size_t bytes;
};

/* Of the weight, which ends before its piece of memory does. */
static struct range range_of(void *weight, size_t bytes)
{
    struct range range;
    CUdeviceptr behind = (CUdeviceptr)weight + bytes;
    CUDA_OK(cuPointerGetAttribute(&range.base, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, behind));
    CUDA_OK(cuPointerGetAttribute(&range.bytes, CU_POINTER_ATTRIBUTE_RANGE_SIZE, behind));
    cr_assert(range.base <= behind && behind < range.base + range.bytes);
    return range;
}

static void *allocate(size_t bytes)
{
    void *weight;
    CUDA_OK(cudaMalloc(&weight, bytes));
    return weight;
}

/* The range on this machine with so much at most from the driver; the policy lends the host's memory, or cuda:1's. */
static struct range range_on(const char *machine, const char *donor, unsigned refusals)
{
    const size_t sizes[] = {3 * MIB, 3 * MIB, 40 * MIB};
    char policy[256];
    use_machine(machine);
    snprintf(policy, sizeof policy,
        "version: 1\ndonors: [%s]\nmodels: [{match: \"*\", distorch: \"cuda:0,3mb;%s,*\", order: listed}]\n", donor,
        donor);
    use_policy_text(policy);
    open_model(make_model(sizes, 3));
    CUDA_OK(cudaFree(NULL));
    if (refusals)
        simcudaFail("cuMemAddressReserve", 1, CUDA_ERROR_OUT_OF_MEMORY);
    void *local = allocate(3 * MIB), *lent = allocate(3 * MIB);
    struct range range = range_of(local, 3 * MIB), other = range_of(lent, 3 * MIB);
    allocate(40 * MIB);
    cr_expect(range.base == other.base && range.bytes == other.bytes, "one range for all homes");
    cr_expect_eq(simcudaCalls("cuMemAddressReserve"), 1 + refusals);
    return range;
}

Test(range, is_64_gib_at_least)
{
    cr_expect_eq(range_on("2gb+1536mb", "cuda:1", 0).bytes, 64 * GIB);
}

Test(range, is_twice_what_is_there_and_lent)
{
    cr_expect_eq(range_on("24gb+16gb+24gb", "cuda:1", 0).bytes, 80 * GIB, "the third card lends nothing");
}

Test(range, is_half_as_large_where_the_driver_refuses)
{
    cr_expect_eq(range_on("24gb+16gb", "cuda:1", 1).bytes, 40 * GIB);
}

Test(range, each_compute_device_has_its_own)
{
    const size_t sizes[] = {3 * MIB};
    use_policy_text("version: 1\nmodels:\n- {match: \"*-0.*\", distorch: \"cpu,*#cuda:0\", order: listed}\n"
                    "- {match: \"*-1.*\", distorch: \"cpu,*#cuda:1\", order: listed}\n");
    struct range ranges[2];
    for (int device = 0; device < 2; device++) {
        open_model(make_model(sizes, 1));
        CUDA_OK(cudaSetDevice(device));
        void *weight = allocate(3 * MIB);
        cr_assert_eq(place_of(weight, 3 * MIB), HOST);
        ranges[device] = range_of(weight, 3 * MIB);
    }
    cr_expect_neq(ranges[0].base, ranges[1].base);
}
