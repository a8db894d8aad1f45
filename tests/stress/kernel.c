/* kernel.c: kernels that the simulated CUDA computes: two of PyTorch's, found by their names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operations.h"
#include "order.h"
#include "report.h"
#include "shadow.h"

/* vectorized_elementwise_kernel<4, FillFunctor<unsigned char>, std::array<char *, 1>> */
static const char fill_name[] =
    "_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_11FillFunctorIhEESt5arrayIPcLm1EEEEviT0_T1_";
/* The same with CUDAFunctorOnSelf_add<int>: out = in + other * alpha */
static const char add_name[] =
    "_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_21CUDAFunctorOnSelf_addIiEESt5arrayIPcLm2EEEEviT0_T1_";

#define THREADS_OF_BLOCK  128u
#define ELEMENTS_OF_BLOCK 512u

static CUfunction functions[DEVICES_MAX][2];
static cudaKernel_t kernels[2];
enum { FILL, ADD };

static void demand(CUresult result, const char *what)
{
    if (result == CUDA_SUCCESS)
        return;
    fprintf(stderr, "stress: %s gave %d\n", what, (int)result);
    exit(2);
}

void open_kernels(int device)
{
    static const char *const names[] = {fill_name, add_name};
    static cudaLibrary_t library;
    CUmodule module;
    demand(cuModuleLoadData(&module, "an image"), "cuModuleLoadData");
    if (!library)
        demand(
            (CUresult)cudaLibraryLoadData(&library, "an image", NULL, NULL, 0, NULL, NULL, 0), "cudaLibraryLoadData");
    for (int i = 0; i < 2; i++) {
        demand(cuModuleGetFunction(&functions[device][i], module, names[i]), "cuModuleGetFunction");
        demand((CUresult)cudaLibraryGetKernel(&kernels[i], library, names[i]), "cudaLibraryGetKernel");
    }
}

/* --- Launches, in several ways ------------------------------------------------------------------------------------ */

static void launch(struct worker *worker, int which, int device, size_t count, void **arguments, cudaStream_t stream)
{
    unsigned blocks = (unsigned)((count + ELEMENTS_OF_BLOCK - 1) / ELEMENTS_OF_BLOCK);
    const CUlaunchConfig config = {.gridDimX = blocks,
        .gridDimY = 1,
        .gridDimZ = 1,
        .blockDimX = THREADS_OF_BLOCK,
        .blockDimY = 1,
        .blockDimZ = 1,
        .hStream = stream};
    const cudaLaunchConfig_t runtime_config = {
        .gridDim = {blocks, 1, 1}, .blockDim = {THREADS_OF_BLOCK, 1, 1}, .stream = stream};
    switch (below(worker, 4)) {
    case 0:
        TRY(worker, cuLaunchKernelEx(&config, functions[device][which], arguments, NULL));
        break;
    case 1:
        TRY(worker, cudaLaunchKernel(
                        (void *)kernels[which], runtime_config.gridDim, runtime_config.blockDim, arguments, 0, stream));
        break;
    case 2:
        TRY(worker, cudaLaunchKernelExC(&runtime_config, (void *)kernels[which], arguments));
        break;
    default:
        TRY(worker,
            cuLaunchKernel(functions[device][which], blocks, 1, 1, THREADS_OF_BLOCK, 1, 1, 0, stream, arguments, NULL));
    }
}

void launch_fill(
    struct worker *worker, void *address, unsigned char value, size_t bytes, int device, cudaStream_t stream)
{
    int count = (int)bytes;
    void *operands[1] = {address};
    void *arguments[] = {&count, &value, operands};
    launch(worker, FILL, device, bytes, arguments, stream);
}

void launch_add(
    struct worker *worker, void *to, const void *from, int addend, size_t elements, int device, cudaStream_t stream)
{
    int count = (int)elements;
    struct {
        int other, alpha;
    } functor = {addend, 1};
    void *operands[2] = {to, (void *)from};
    void *arguments[] = {&count, &functor, operands};
    launch(worker, ADD, device, elements, arguments, stream);
}

void add_in_shadow(struct allocation *to, size_t to_offset, const struct allocation *from, size_t from_offset,
    int addend, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t value;
        memcpy(&value, from->shadow + from_offset + 4 * i, sizeof value);
        value += (uint32_t)addend;
        memcpy(to->shadow + to_offset + 4 * i, &value, sizeof value);
    }
}

/* --- The operation ------------------------------------------------------------------------------------------------ */

static void fill_by_kernel(struct worker *worker, struct allocation *allocation)
{
    struct region region = flat_region(worker, allocation, WINDOW_BYTES, 1);
    unsigned char value = (unsigned char)below(worker, 256);
    cudaStream_t stream = order_in(worker, allocation, any_slot(worker, allocation->device));
    launch_fill(worker, allocation->address + region.offset, value, region.width, allocation->device, stream);
    memset(allocation->shadow + region.offset, value, region.width);
    note(worker, allocation, "a kernel fills %zu bytes at %zu with %02x in stream %d", region.width, region.offset,
        value, allocation->slot);
}

void do_kernel(struct worker *worker)
{
    struct allocation *to = any_owned(worker, -1), *from = to ? any_owned(worker, to->device) : NULL;
    if (!from || to->bytes < 8 || from->bytes < 8 || chance(worker, 40)) {
        if (to)
            fill_by_kernel(worker, to);
        return;
    }
    struct region read = flat_region(worker, from->bytes < to->bytes ? from : to, WINDOW_BYTES, 4), write = read;
    if (from != to && (!place_region(worker, from, &read, 4) || !place_region(worker, to, &write, 4)))
        return;
    int addend = (int)below(worker, 100000), slot = any_slot(worker, to->device);
    order_in(worker, from, slot);
    cudaStream_t stream = order_in(worker, to, slot);
    launch_add(
        worker, to->address + write.offset, from->address + read.offset, addend, read.width / 4, to->device, stream);
    add_in_shadow(to, write.offset, from, read.offset, addend, read.width / 4);
    note(worker, to, "a kernel writes %zu bytes at %zu in stream %d", write.width, write.offset, slot);
    note(worker, from, "a kernel reads %zu bytes at %zu in stream %d", read.width, read.offset, slot);
}
