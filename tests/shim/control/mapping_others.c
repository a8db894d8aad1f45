/* mapping_others.c: steps of the program `mapping`: others that hold the memory (an importer, a second device, a graph,
 * a child), and calls that fail. */
#include "mapping.h"

#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

static void give_and_take(CUdeviceptr base, handle_t handle)
{
    handle_t imported = 0;
    int fd = -1;
    if (SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0)) != 0)
        return;
    SAY(cuMemImportFromShareableHandle(&imported, (void *)(uintptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    close(fd);
    MUST(cuMemMap(base + BYTES, BYTES, 0, imported, 0));
    MUST(allow(base + BYTES, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    wander();
    MUST(cuMemsetD32(base + BYTES + PAGE, 0x7777, 100));
    tell_bytes("imported", base + BYTES, BYTES);
    wander();
    tell_bytes("exported", base, BYTES);
    MUST(cuMemsetD32(base + 2 * PAGE, 0x7778, 100));
    tell_bytes("imported", base + BYTES, BYTES);
    MUST(cuCtxSynchronize());
    MUST(cuMemUnmap(base + BYTES, BYTES));
    MUST(cuMemRelease(imported));
}

void exports(void)
{
    CUdeviceptr base = reserve(2 * BYTES);
    handle_t handle = place(base, BYTES, 0x7000);
    wander();
    give_and_take(base, handle);
    wander();
    take_away(base, BYTES);
    MUST(cuMemRelease(handle));

    handle = place(base, BYTES, 0x7100); /* exported while it is mapped nowhere */
    wander();
    take_away(base, BYTES);
    int fd = -1;
    SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    close(fd);
    MUST(cuMemMap(base, BYTES, 0, handle, 0));
    mapped(base, BYTES);
    MUST(allow(base, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    wander();
    give_and_take(base, handle);
    take_away(base, BYTES);
    MUST(cuMemRelease(handle));

    handle = place(base, BYTES, 0x7200); /* told by its address alone, as PyTorch and comfy-aimdo release each handle */
    MUST(cuMemRelease(handle));
    wander();
    SAY(cuMemGetHandleForAddressRange(&fd, base, BYTES, CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD, 0));
    wander();
    printf("%zu bytes at home\n", simcudaBytesAt((void *)base, BYTES, 0));
    SAY(cuMulticastBindAddr(1, 0, base, BYTES, 0));
    take_away(base, BYTES);

    CUmemAllocationProp secret = device_memory(0);
    secret.requestedHandleTypes = CU_MEM_HANDLE_TYPE_NONE;
    MUST(cuMemCreate(&handle, PAGE, &secret, 0));
    SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    tell_properties("secret", handle);
    MUST(cuMemRelease(handle));
    MUST(cuMemAddressFree(base, 2 * BYTES));
}

/* The second device reads and writes by a mapping of the first one's. */
void two_devices(void)
{
    CUcontext first, second;
    CUdeviceptr base = reserve(BYTES), there;
    MUST(cuCtxGetCurrent(&first));
    MUST(cuDevicePrimaryCtxRetain(&second, 1));
    handle_t handle = place(base, BYTES, 0x8000);
    wander();
    SAY(allow(base, BYTES, 1, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    wander();
    tell_about("for two", base, base);
    MUST(cuCtxSetCurrent(second));
    MUST(cuMemAlloc(&there, BYTES));
    SAY(cuMemcpyDtoD(there, base, BYTES));
    SAY(cuMemsetD32(base + PAGE, 0x8888, 1000));
    wander();
    tell_bytes("copied", there, BYTES);
    SAY(cuMemcpyDtoD(base + 5 * PAGE, there, PAGE));
    MUST(cuCtxSynchronize());
    MUST(cuCtxSetCurrent(first));
    tell_bytes("written by the second", base, BYTES);
    SAY(allow(base, BYTES, 1, CU_MEM_ACCESS_FLAGS_PROT_NONE));
    wander();
    tell_about("for one again", base, base);
    take_away(base, BYTES);
    MUST(cuMemRelease(handle));
    MUST(cuMemFree(there));
    MUST(cuDevicePrimaryCtxRelease(1));
    MUST(cuMemAddressFree(base, BYTES));
}

/* Until the device is full: how often it goes, what it says then, and that all of it comes back. */
void full(void)
{
    enum { MOST = 4096 };
    static handle_t handles[MOST];
    const CUmemAllocationProp properties = device_memory(0);
    for (int round = 0; round < 2; round++) {
        int count = 0;
        CUresult result = CUDA_SUCCESS;
        while (count < MOST && (result = cuMemCreate(&handles[count], 64 * PAGE, &properties, 0)) == CUDA_SUCCESS)
            count++;
        printf("handles until %d: %d\n", (int)result, count);
        while (count > 0)
            MUST(cuMemRelease(handles[--count]));
    }
}

/* The calls fail one after the other; what had been stays. */
void faults(void)
{
    static const char *const symbols[] = {"cuMemAddressReserve", "cuMemCreate", "cuMemMap", "cuMemSetAccess",
        "cuMemUnmap", "cuMemExportToShareableHandle", "cuMemGetAccess", "cuMemAddressFree"};
    enum { UNMAP = 4, EXPORT, GET_ACCESS, ADDRESS_FREE };
    const CUmemAllocationProp properties = device_memory(0);
    const CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        CUdeviceptr base = 0;
        handle_t handle = 0;
        unsigned long long flags;
        int fd = -1;
        printf("%s fails once\n", symbols[i]);
        simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemAddressReserve(&base, BYTES, 0, 0, 0)) != 0)
            ;
        while (SAY(cuMemCreate(&handle, BYTES, &properties, 0)) != 0)
            ;
        while (SAY(cuMemMap(base, BYTES, 0, handle, 0)) != 0)
            ;
        mapped(base, BYTES);
        while (SAY(allow(base, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE)) != 0)
            ;
        MUST(cuMemsetD32(base, 0x9000 + (unsigned)i, BYTES / 4));
        MUST(cuCtxSynchronize());
        simcudaFail(symbols[i], 0, 0); /* not in moves, which come next */
        wander();
        if (i == GET_ACCESS)
            simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemGetAccess(&flags, &here, base)) != 0)
            ;
        tell_bytes("in spite of it", base, BYTES);
        if (i == UNMAP)
            simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemUnmap(base, BYTES)) != 0)
            ;
        unmapped(base, BYTES);
        if (i == EXPORT)
            simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0)) != 0)
            ;
        close(fd);
        MUST(cuMemRelease(handle));
        if (i == ADDRESS_FREE)
            simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemAddressFree(base, BYTES)) != 0)
            ;
    }
}

/* A capture is open on another stream, as PyTorch has it: in relaxed mode these calls are allowed. */
void capture(void)
{
    CUstream stream;
    CUgraph graph;
    CUgraphExec executable;
    CUdeviceptr base = reserve(2 * BYTES);
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    handle_t first = place(base, BYTES, 0xa000), second;
    wander();
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    MUST(cuThreadExchangeStreamCaptureMode(&mode));
    const CUmemAllocationProp properties = device_memory(0);
    SAY(cuMemCreate(&second, BYTES, &properties, 0));
    SAY(cuMemMap(base + BYTES, BYTES, 0, second, 0));
    mapped(base + BYTES, BYTES);
    SAY(allow(base + BYTES, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    SAY(cuMemcpyDtoDAsync(base + BYTES, base, BYTES, stream));
    wander();
    SAY(cuStreamEndCapture(stream, &graph));
    MUST(cuThreadExchangeStreamCaptureMode(&mode));
    SAY(cuGraphInstantiate(&executable, graph, 0));
    wander();
    SAY(cuGraphLaunch(executable, stream));
    MUST(cuStreamSynchronize(stream));
    tell_bytes("replayed", base + BYTES, BYTES);
    MUST(cuGraphExecDestroy(executable));
    MUST(cuGraphDestroy(graph));
    MUST(cuStreamDestroy(stream));
    take_away(base, 2 * BYTES);
    MUST(cuMemRelease(first));
    MUST(cuMemRelease(second));
    MUST(cuMemAddressFree(base, 2 * BYTES));
}

/* CUDA does not survive a fork, and neither do handles. */
void forked(void)
{
    CUdeviceptr base = reserve(2 * BYTES);
    handle_t handle = place(base, BYTES, 0xb000), found = 0;
    const CUmemAllocationProp properties = device_memory(0);
    wander();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int fd;
        SAY(cuMemMap(base + BYTES, BYTES, 0, handle, 0));
        SAY(cuMemUnmap(base, BYTES));
        SAY(cuMemRetainAllocationHandle(&found, (void *)base));
        SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
        SAY(allow(base, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READ));
        SAY(cuMemRelease(handle));
        SAY(cuMemCreate(&found, BYTES, &properties, 0));
        SAY(cuMemAddressFree(base, 2 * BYTES));
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("the child ended with %x\n", (unsigned)status);
    wander();
    tell_bytes("in the parent", base, BYTES);
    take_away(base, BYTES);
    MUST(cuMemRelease(handle));
    MUST(cuMemAddressFree(base, 2 * BYTES));
}
