/* record_lookups.c: makes a CUDA runtime's first call over the recording driver.
 *
 * Usage: RECORD_LOG=log record_lookups LIBCUDART
 * (with the recording driver's libcuda.so.1 first in LD_LIBRARY_PATH). Beside the driver's own lines the log gets
 * "dlopen NAME FLAGS", "dlsym NAME" for what the runtime does to find the driver: this program defines both functions
 * itself, which interposes them, and passes them on. "runtime NAME" marks the runtime calls made here, "result N" their
 * results, so that the log shows which of them woke the driver. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int log_fd = -1;

__attribute__((format(printf, 1, 2))) static void record(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (log_fd >= 0)
        vdprintf(log_fd, format, arguments);
    va_end(arguments);
}

__attribute__((visibility("default"))) void *dlsym(void *handle, const char *name)
{
    static void *(*real)(void *, const char *);
    if (!real) {
        real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
        if (!real)
            real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    }
    if (!strncmp(name, "cu", 2) && strncmp(name, "cuda", 4))
        record("dlsym %s\n", name);
    return real(handle, name);
}

__attribute__((visibility("default"))) void *dlopen(const char *name, int flags)
{
    static void *(*real)(const char *, int);
    if (!real)
        real = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    if (name && strstr(name, "libcuda."))
        record("dlopen %s %d\n", name, flags);
    return real(name, flags);
}

/* The calls, in order. cudaRuntimeGetVersion and cudaGetLastError are there to see whether they need the driver. */
static const char *const calls[] = {"cudaRuntimeGetVersion", "cudaGetLastError", "cudaGetDeviceCount", "cudaFree"};

int main(int argc, char **argv)
{
    const char *log = getenv("RECORD_LOG");
    if (argc != 2 || !log) {
        fprintf(stderr, "usage: RECORD_LOG=FILE record_lookups LIBCUDART\n");
        return 2;
    }
    log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_fd < 0) {
        perror(log);
        return 1;
    }
    record("load\n");
    void *runtime = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!runtime) {
        fprintf(stderr, "record_lookups: cannot load the runtime: %s\n", dlerror());
        return 1;
    }
    int scratch = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int (*call)(void *) = (int (*)(void *))dlsym(runtime, calls[i]);
        if (!call) {
            fprintf(stderr, "record_lookups: %s has no %s\n", argv[1], calls[i]);
            return 1;
        }
        record("runtime %s\n", calls[i]);
        record("result %d\n", call(strcmp(calls[i], "cudaFree") ? &scratch : NULL));
    }
    return 0;
}
