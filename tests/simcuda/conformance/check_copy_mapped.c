/* check_copy_mapped.c: copies from and to host memory that virtual memory management mapped. It counts as host memory.
 */
#include "vmm.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void *filled(unsigned char value, size_t bytes)
{
    void *memory = malloc(bytes);
    EXPECT(memory != NULL);
    return memset(memory, value, bytes);
}

CHECK(mapped_host_kinds, "[header: cuMemCreate; observed: open-mpi/ompi 12751, a pointer to it is one to host memory]",
    "copies between mapped host memory and device memory name it as host memory")
{
    size_t bytes;
    int node;
    void *memory;
    CUdeviceptr mapped = host_mapping(&bytes, &node);
    OK(allow_device(0, mapped, bytes));
    OK(cudaMalloc(&memory, bytes));
    fill((CUdeviceptr)memory, 4, bytes);
    OK(cudaMemcpy((void *)mapped, memory, bytes, cudaMemcpyDeviceToHost));
    fill((CUdeviceptr)memory, 0, bytes);
    OK(cudaMemcpy(memory, (void *)mapped, bytes, cudaMemcpyHostToDevice));
    expect_filled((CUdeviceptr)memory, 4, bytes);
}

CHECK(mapped_host_as_device, "[doc: cudaMemcpy, a wrong direction is undefined]",
    "mapped host memory named as device memory by the kind is refused (by the simulator: it is stricter)", "copy_kinds")
{
    size_t bytes;
    int node;
    need_simulator();
    CUdeviceptr mapped = host_mapping(&bytes, &node);
    OK(allow_device(0, mapped, bytes));
    OK(allow(CU_MEM_LOCATION_TYPE_HOST_NUMA, node, mapped, bytes));
    FAILS(cudaMemcpy((void *)mapped, filled(1, bytes), bytes, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    OK(cudaMemcpy((void *)mapped, filled(1, bytes), bytes, cudaMemcpyDefault));
}

CHECK(mapped_host_waits, "[doc: API synchronization behavior; assumed: mapped memory is host memory there]",
    "a copy from the program's memory to mapped host memory has arrived when it returns", "copy_host_to_host_waits")
{
    size_t bytes;
    int node;
    cudaStream_t stream;
    CUdeviceptr mapped = host_mapping(&bytes, &node);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(allow_device(0, mapped, bytes));
    OK(allow(CU_MEM_LOCATION_TYPE_HOST_NUMA, node, mapped, bytes));
    OK(cudaMemcpyAsync((void *)mapped, filled(5, bytes), bytes, cudaMemcpyDefault, stream));
    for (size_t i = 0; i < bytes; i++)
        EXPECT(((volatile unsigned char *)mapped)[i] == 5);
}

static sigjmp_buf fault_exit;

static void on_fault(int signal_number)
{
    (void)signal_number;
    siglongjmp(fault_exit, 1);
}

CHECK(mapped_host_cpu_access, "[header: cuMemSetAccess; assumed: an error or a fault without it]",
    "a copy from the program's memory to mapped host memory is done by the CPU, which needs access of its own",
    "copy_cpu_access")
{
    struct sigaction action = {.sa_handler = on_fault};
    size_t bytes;
    int node;
    CUdeviceptr mapped = host_mapping(&bytes, &node);
    void *from = filled(7, bytes);
    OK(allow_device(0, mapped, bytes));
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    if (sigsetjmp(fault_exit, 1))
        return;
    FAILS_SOMEHOW(cudaMemcpy((void *)mapped, from, bytes, cudaMemcpyDefault));
}
