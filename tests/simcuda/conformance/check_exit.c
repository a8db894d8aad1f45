/* check_exit.c: CUDA in children of a process that uses it, and at the end of a process. */
#include "conformance.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The exit status of a child. */
static int status_of(pid_t child)
{
    int status;
    EXPECT(child > 0);
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status));
    return WEXITSTATUS(status);
}

CHECK(fork_runtime, "[observed: PyTorch, \"Cannot re-initialize CUDA in forked subprocess\"]",
    "the runtime cannot be used in a forked child of a process that uses CUDA", "fork_child")
{
    use_device(0);
    pid_t child = fork();
    if (child == 0) {
        void *memory;
        _exit(cudaMalloc(&memory, 4096));
    }
    FAILS(status_of(child), cudaErrorInitializationError);
}

CHECK(fork_driver, "[observed: PyTorch, \"Cannot re-initialize CUDA in forked subprocess\"]",
    "the driver cannot be used in a forked child of a process that uses CUDA", "fork_child")
{
    use_device(0);
    pid_t child = fork();
    if (child == 0) {
        CUdeviceptr memory;
        _exit(cuMemAlloc(&memory, 4096));
    }
    FAILS(status_of(child), CUDA_ERROR_NOT_INITIALIZED);
}

CHECK(fork_before, "[observed: PyTorch, workers of a DataLoader forked before CUDA is used]",
    "a child that was forked before its parent used CUDA can use it, and the parent too")
{
    pid_t child = fork();
    if (child == 0) {
        void *memory;
        _exit(cudaMalloc(&memory, 4096));
    }
    OK(status_of(child));
    use_device(0);
}

/* The child shares the parent's memory: what it writes there is the parent's to see. */
CHECK(vfork_driver, "[assumed: as after fork; undefined]",
    "the driver cannot be used in a vfork child, and the parent does not notice that it was tried", "fork_child")
{
    static volatile CUresult found;
    need_simulator();
    use_device(0);
    size_t before = free_bytes();
    pid_t child = vfork();
    if (child == 0) {
        CUdeviceptr memory;
        found = cuMemAlloc(&memory, 64 * MIB);
        _exit(0);
    }
    OK(status_of(child));
    FAILS(found, CUDA_ERROR_NOT_INITIALIZED);
    EXPECT(free_bytes() == before);
}

/* Bits of the exit status, from calls made when everything else has ended. */
enum { RUNTIME_ANSWERED_4 = 1, DRIVER_ANSWERED_4 = 2, NOTHING_CALLED = 64 };

static ssize_t call_at_the_end(void *cookie, const char *bytes, size_t count)
{
    void *memory;
    CUdeviceptr address;
    (void)cookie, (void)bytes, (void)count;
    _exit((cudaMalloc(&memory, 4096) == cudaErrorCudartUnloading ? RUNTIME_ANSWERED_4 : 0) |
          (cuMemAlloc(&address, 4096) == CUDA_ERROR_DEINITIALIZED ? DRIVER_ANSWERED_4 : 0));
}

/* glibc flushes what is left in streams after all exit handlers and the destructors of all libraries. */
CHECK(calls_after_exit,
    "[header: cudaErrorCudartUnloading, CUDA_ERROR_DEINITIALIZED; assumed: from their destructors on]",
    "calls after the libraries' destructors say that they are unloading", "unloaded")
{
    pid_t child = fork(); /* before this process uses CUDA */
    if (child == 0) {
        FILE *file = fopencookie(NULL, "w", (cookie_io_functions_t){.write = call_at_the_end});
        EXPECT(file != NULL && fputc('.', file) == '.');
        use_device(0);
        exit(NOTHING_CALLED);
    }
    EXPECT(status_of(child) == (RUNTIME_ANSWERED_4 | DRIVER_ANSWERED_4));
}
