/* driver_machine_test.c: machines that report more than is true, or give less than one expects. A check that runs on
 * real GPUs cannot say what these do, so it is said here. */
#include "../../internals.h"
#include "simulated.h"

#include <stdio.h>
#include <unistd.h>

/* The library's own machine file of that name; device 0's primary context is current, and device 1's exists. */
static CUcontext contexts[2];

static void start_on(const char *machine)
{
    int count;
    setenv("SIMCUDA_MACHINE", machine, 1);
    setenv("SIMCUDA_ORDER", "early", 1);
    setenv("SIMCUDA_FRESH", "poison", 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    SUCCEEDS(cuInit(0));
    SUCCEEDS(cuDeviceGetCount(&count));
    for (int i = count > 2 ? 1 : count - 1; i >= 0; i--) {
        SUCCEEDS(cuDevicePrimaryCtxRetain(&contexts[i], i));
        SUCCEEDS(cuCtxSetCurrent(contexts[i]));
    }
}

/* A machine file with these lines, and two devices of 1 GB that report peer access. */
static void start_with(const char *lines)
{
    char path[] = "/tmp/simcuda-machine-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_gt(dprintf(fd, "%s\npeer-access: all\ndevices:\n  - memory: 1gb\n  - memory: 1gb\n", lines), 0);
    close(fd);
    start_on(path);
    unlink(path);
}

static CUresult give_access(CUdeviceptr address, size_t bytes, int device)
{
    CUmemAccessDesc access = {
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    return cuMemSetAccess(address, bytes, &access, 1);
}

/* New memory of a device, mapped, without access. */
static CUdeviceptr map_on(int device, size_t bytes)
{
    CUmemAllocationProp properties = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address;
    SUCCEEDS(cuMemCreate(&handle, bytes, &properties, 0));
    SUCCEEDS(cuMemAddressReserve(&address, bytes, 0, 0, 0));
    SUCCEEDS(cuMemMap(address, bytes, 0, handle, 0));
    return address;
}

static CUdeviceptr peer_memory(float value)
{
    CUdeviceptr address = map_on(1, 2 * MIB);
    SUCCEEDS(give_access(address, 2 * MIB, 0));
    SUCCEEDS(cuMemcpyHtoD(address, &value, sizeof value));
    return address;
}

/* d = a * b, each one float, by a kernel of device 0. */
static CUresult multiply(CUdeviceptr a, CUdeviceptr b, CUdeviceptr d)
{
    static const CUuuid id = SIMCUDA_INTERNALS_UUID;
    const struct simcuda_matrix shape = {.type = SIMCUDA_F32, .rows = 1, .columns = 1, .leading_dimension = 1};
    struct simcuda_gemm gemm = {.symbol = "product", .a = shape, .b = shape, .c = shape, .d = shape, .batch_count = 1};
    const struct simcuda_internals *internals;

    SUCCEEDS(cuGetExportTable((const void **)&internals, &id));
    gemm.a.address = a;
    gemm.b.address = b;
    gemm.c.address = gemm.d.address = d;
    gemm.alpha = 1;
    SUCCEEDS(internals->launch_gemm(NULL, &gemm));
    return cuCtxSynchronize();
}

/* to = -from, each one float, by PyTorch's kernel; its parameters: the count, a functor without members, two pointers.
 */
static CUresult negate(CUdeviceptr from, CUdeviceptr to)
{
    int count = 1;
    char functor = 0;
    CUdeviceptr pointers[2] = {to, from};
    void *parameters[] = {&count, &functor, pointers};
    CUmodule module;
    CUfunction kernel;

    SUCCEEDS(cuModuleLoadData(&module, "image"));
    SUCCEEDS(cuModuleGetFunction(&kernel, module,
        "_ZN2at6native29vectorized_elementwise_kernelILi4EZZZNS0_15neg_kernel_cudaERNS_18TensorIteratorBaseEENKUlvE0_"
        "clEvENKUlvE5_clEvEUlfE_St5arrayIPcLm2EEEEviT0_T1_"));
    SUCCEEDS(cuLaunchKernel(kernel, 1, 1, 1, 128, 1, 1, 0, NULL, parameters, NULL));
    return cuCtxSynchronize();
}

static float float_at(CUdeviceptr address)
{
    float value;
    cr_assert(simcudaPeek((void *)address, &value, sizeof value));
    return value;
}

static CUdeviceptr local_memory(float value)
{
    CUdeviceptr address = new_memory(sizeof value);
    SUCCEEDS(cuMemcpyHtoD(address, &value, sizeof value));
    return address;
}

Test(machine, an_honest_peer_is_read_and_written_by_kernels)
{
    start_on("2x24gb");
    CUdeviceptr peer = peer_memory(3), local = local_memory(5), result = local_memory(0), there = peer_memory(0);
    SUCCEEDS(multiply(peer, local, result));
    cr_assert_eq(float_at(result), 15);
    SUCCEEDS(multiply(local, local, there));
    cr_assert_eq(float_at(there), 25);
    SUCCEEDS(negate(peer, result));
    cr_assert_eq(float_at(result), -3);
    SUCCEEDS(negate(local, there));
    cr_assert_eq(float_at(there), -5);
}

Test(machine, a_lying_peer_passes_copies_and_gives_kernels_garbage)
{
    start_on("2x24gb-peer-lies");
    CUdeviceptr peer = peer_memory(3), local = local_memory(5), result = local_memory(0), there = peer_memory(7);
    int can;

    SUCCEEDS(cuDeviceCanAccessPeer(&can, 0, 1));
    cr_assert_eq(can, 1);
    SUCCEEDS(cuMemcpyDtoD(result, peer, sizeof(float)));
    cr_assert_eq(float_at(result), 3, "copies pass");
    SUCCEEDS(multiply(peer, local, result));
    cr_assert_neq(float_at(result), 15, "kernels load something else");
    SUCCEEDS(multiply(local, local, there));
    cr_assert_eq(float_at(there), 7, "and store nothing");
    float garbage = float_at(result);
    SUCCEEDS(multiply(there, local, result));
    cr_assert_eq(float_at(result), garbage, "nothing is computed over old bytes where a result should be");
    SUCCEEDS(negate(peer, result));
    cr_assert_neq(float_at(result), -3);
    SUCCEEDS(negate(local, there));
    cr_assert_eq(float_at(there), 7);
    SUCCEEDS(cuMemcpyHtoD(there, &(float){7}, sizeof(float)));
    SUCCEEDS(negate(local, there));
    CUdeviceptr other = local_memory(6);
    SUCCEEDS(negate(there, other));
    cr_assert_eq(float_at(other), 6, "nor by kernels");
    SUCCEEDS(multiply(local, local, result));
    cr_assert_eq(float_at(result), 25, "their own memory is fine");
    SUCCEEDS(negate(local, result));
    cr_assert_eq(float_at(result), -5);
}

Test(machine, a_peer_that_faults_passes_copies_and_breaks_kernels)
{
    start_with("peer-kernels: fault");
    CUdeviceptr peer = peer_memory(3), local = local_memory(5), result = local_memory(0);

    SUCCEEDS(cuMemcpyDtoD(result, peer, sizeof(float)));
    cr_assert_eq(float_at(result), 3);
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, multiply(peer, local, result));
}

/* What is computed is chosen; what is not leaves memory as it was, and its result is not known. */
static void check_computed(const char *choice, float product, float negative)
{
    setenv("SIMCUDA_COMPUTE", choice, 1);
    start_on("1x12gb");
    CUdeviceptr a = local_memory(3), b = local_memory(5), result = local_memory(7);
    SUCCEEDS(multiply(a, b, result));
    cr_assert_eq(float_at(result), product);
    SUCCEEDS(multiply(result, b, b));
    cr_assert_eq(float_at(b), product == 7 ? 5 : product * 5, "nothing is computed over what is not known");
    SUCCEEDS(negate(a, result));
    cr_assert_eq(float_at(result), negative);
}

Test(machine, computes_all_by_default)
{
    check_computed("", 15, -3);
}

Test(machine, computes_products_alone)
{
    check_computed("gemm", 15, 15);
}

Test(machine, computes_nothing)
{
    check_computed("none", 7, 7);
}

Test(machine, copy_engines_alone_reach_a_peers_mapped_memory)
{
    start_on("2x24gb-dma-only");
    CUdeviceptr there = map_on(1, 2 * MIB), here = local_memory(1);
    float value = 9;
    int can;

    SUCCEEDS(cuDeviceCanAccessPeer(&can, 0, 1));
    cr_assert_eq(can, 0);
    GIVES(CUDA_ERROR_INVALID_DEVICE, give_access(there, 2 * MIB, 0));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoD(here, there, sizeof value)); /* nobody has access yet */
    SUCCEEDS(give_access(there, 2 * MIB, 1));
    SUCCEEDS(cuMemcpyHtoD(there, &value, sizeof value));
    SUCCEEDS(cuMemcpyPeer(here, contexts[0], there, contexts[1], sizeof value));
    cr_assert_eq(float_at(here), 9);
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, multiply(there, here, here));
}

Test(machine, without_such_engines_a_peers_mapped_memory_is_not_copied)
{
    start_on("2x24gb-no-peer");
    CUdeviceptr there = map_on(1, 2 * MIB), here = local_memory(1);
    SUCCEEDS(give_access(there, 2 * MIB, 1));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpyPeer(here, contexts[0], there, contexts[1], sizeof(float)));
}

Test(machine, a_small_window_ends_mapped_access_of_others)
{
    start_on("2x24gb-small-bar1");
    CUdeviceptr first = map_on(1, 200 * MIB), second = map_on(1, 64 * MIB);

    SUCCEEDS(give_access(first, 200 * MIB, 1));
    SUCCEEDS(give_access(second, 64 * MIB, 1)); /* the owner's access takes nothing */
    SUCCEEDS(give_access(first, 200 * MIB, 0));
    SUCCEEDS(give_access(first, 200 * MIB, 0)); /* it is there already */
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, give_access(second, 64 * MIB, 0));
    SUCCEEDS(cuMemUnmap(first, 200 * MIB));
    SUCCEEDS(give_access(second, 64 * MIB, 0));
}

Test(machine, a_small_window_ends_enabled_peer_access)
{
    CUdeviceptr address;

    start_on("2x24gb-small-bar1");
    SUCCEEDS(cuCtxSetCurrent(contexts[1]));
    (void)new_memory(200 * MIB);
    SUCCEEDS(cuCtxSetCurrent(contexts[0]));
    SUCCEEDS(cuCtxEnablePeerAccess(contexts[1], 0));
    SUCCEEDS(cuCtxSetCurrent(contexts[1]));
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&address, 64 * MIB));
    SUCCEEDS(cuCtxSetCurrent(contexts[0]));
    SUCCEEDS(cuCtxDisablePeerAccess(contexts[1]));
    SUCCEEDS(cuCtxSetCurrent(contexts[1]));
    SUCCEEDS(cuMemAlloc(&address, 64 * MIB));
    SUCCEEDS(cuCtxSetCurrent(contexts[0]));
    GIVES(CUDA_ERROR_TOO_MANY_PEERS, cuCtxEnablePeerAccess(contexts[1], 0));
    SUCCEEDS(cuMemAlloc(&address, 512 * MIB)); /* nobody reaches this device */
}

Test(machine, host_memory_is_not_mapped_where_the_driver_cannot)
{
    CUmemAllocationProp properties = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_HOST_NUMA}};
    CUmemGenericAllocationHandle handle;
    int can;

    start_on("no-host-vmm");
    SUCCEEDS(cuDeviceGetAttribute(&can, CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 0));
    cr_assert_eq(can, 0);
    GIVES(CUDA_ERROR_NOT_SUPPORTED, cuMemCreate(&handle, 2 * MIB, &properties, 0));
    SUCCEEDS(give_access(map_on(0, 2 * MIB), 2 * MIB, 0));
}

Test(machine, handles_of_host_memory_are_never_exportable)
{
    static const CUmemLocationType types[] = {CU_MEM_LOCATION_TYPE_HOST, CU_MEM_LOCATION_TYPE_HOST_NUMA};
    CUmemGenericAllocationHandle handle;

    start_on("2x24gb");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        CUmemAllocationProp properties = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = types[i]}};
        SUCCEEDS(cuMemCreate(&handle, 2 * MIB, &properties, 0));
        properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
        GIVES(CUDA_ERROR_INVALID_VALUE, cuMemCreate(&handle, 2 * MIB, &properties, 0));
    }
}

static void check_pageable(const char *machine, bool usable)
{
    static float pageable = 2;
    CUdeviceptr local;
    int can;

    start_on(machine);
    local = local_memory(5);
    SUCCEEDS(cuDeviceGetAttribute(&can, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS, 0));
    cr_assert_eq(can, usable);
    GIVES(usable ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS, multiply((CUdeviceptr)&pageable, local, local));
}

Test(machine, pageable_memory_is_an_operand_with_hmm_only)
{
    check_pageable("hmm", true);
}

Test(machine, pageable_memory_is_no_operand_without_hmm)
{
    check_pageable("1x12gb", false);
}

Test(machine, set_access_is_not_ready_by_the_seed_until_the_program_waits)
{
    enum { CALLS = 200 };
    CUdeviceptr address;
    int refused = 0;

    setenv("SIMCUDA_SEED", "7", 1);
    start_on("set-access-not-ready");
    address = map_on(0, 2 * MIB);
    for (int i = 0; i < CALLS; i++) {
        CUresult result = give_access(address, 2 * MIB, 0);
        if (result == CUDA_SUCCESS)
            continue;
        cr_assert_eq(result, CUDA_ERROR_NOT_READY);
        refused++;
        GIVES(CUDA_ERROR_NOT_READY, give_access(address, 2 * MIB, 0)); /* trying again alone does not help */
        SUCCEEDS(cuCtxSynchronize());
        SUCCEEDS(give_access(address, 2 * MIB, 0));
    }
    /* One in four: 50 of 200, within five standard deviations of 6.1. */
    cr_assert(refused > 20 && refused < 80, "%d", refused);
    GIVES(CUDA_ERROR_INVALID_VALUE, give_access(address, MIB, 0)); /* a wrong call is wrong whenever it comes */
}
