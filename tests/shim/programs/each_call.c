/* each_call.c: makes single calls of the table of hooks, as a program that is linked against one major version of the
 * runtime. Its arguments are a buffer, a device, and nothing.
 *
 *     each_call list KIND MAJOR             the calls of a kind that the libraries have: SYMBOL.PLACE
 *     each_call first MAJOR SYMBOL.PLACE    makes this call before any other; then tells what is seen and what is shown
 *     each_call ordinal MAJOR               makes them all with the first device that is not seen; tells the answers
 */
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(64) char buffer[1 << 16];

struct call {
    const char *kind, *library, *symbol;
    int place; /* of the parameter that is the device */
    int (*make)(void *function, int device);
};

#define CALL(kind, library, symbol, place, result, parameters, arguments)                                              \
    static int call_##kind##_##symbol##_##place(void *function, int device)                                            \
    {                                                                                                                  \
        (void)device;                                                                                                  \
        return (int)((result(*) parameters)function)arguments;                                                         \
    }
#include "each_call.h"
#undef CALL
#define CALL(kind, library, symbol, place, result, parameters, arguments)                                              \
    {#kind, #library, #symbol, place, call_##kind##_##symbol##_##place},
static const struct call calls[] = {
#include "each_call.h"
};
enum { CALLS = sizeof calls / sizeof *calls };

static const char *major;

static void *library_of(const char *name)
{
    char soname[64];
    snprintf(soname, sizeof soname, strcmp(name, "libcuda") == 0 ? "libcuda.so.1" : "lib%s.so.%s", name, major);
    return dlopen(soname, RTLD_NOW | RTLD_GLOBAL);
}

/* The function that a program's reference leads to; NULL where the library itself has none. */
static void *function_of(const char *library, const char *symbol)
{
    char version[64];
    void *handle = library_of(library), *found = NULL;
    if (!handle || !dlsym(handle, symbol))
        return NULL;
    snprintf(version, sizeof version, "lib%s.so.%s", library, major);
    if (strcmp(library, "libcuda") != 0)
        found = dlvsym(RTLD_DEFAULT, symbol, version);
    return found ? found : dlsym(RTLD_DEFAULT, symbol);
}

static int seen_devices(void)
{
    int count = -1;
    int (*get_count)(int *) = (int (*)(int *))function_of("cudart", "cudaGetDeviceCount");
    return get_count && get_count(&count) == 0 ? count : -1;
}

static int shown_devices(void)
{
    int count = -1;
    void *(*own)(const char *) = (void *(*)(const char *))dlsym(library_of("libcuda"), "simcudaFunction");
    int (*get_count)(int *) = (int (*)(int *))own("cuDeviceGetCount");
    return get_count(&count) == 0 ? count : -1;
}

static void all_ordinals(void)
{
    int device = seen_devices();
    int (*last_error)(void) = (int (*)(void))function_of("cudart", "cudaGetLastError");
    for (size_t i = 0; i < CALLS; i++) {
        void *function = function_of(calls[i].library, calls[i].symbol);
        if (!function || strcmp(calls[i].kind, "ordinal") != 0)
            continue;
        int result = calls[i].make(function, device);
        printf("%s.%d=%d last=%d\n", calls[i].symbol, calls[i].place, result, last_error());
    }
}

int main(int count, char **arguments)
{
    if (count < 3)
        return 2;
    major = arguments[count > 3 && strcmp(arguments[1], "list") == 0 ? 3 : 2];
    if (strcmp(arguments[1], "ordinal") == 0)
        all_ordinals();
    for (size_t i = 0; i < CALLS && count > 3; i++) {
        char name[128];
        const struct call *call = &calls[i];
        void *function = function_of(call->library, call->symbol);
        snprintf(name, sizeof name, "%s.%d", call->symbol, call->place);
        if (function && strcmp(arguments[1], "list") == 0 && strcmp(call->kind, arguments[2]) == 0)
            puts(name);
        if (!function || strcmp(arguments[1], "first") != 0 || strcmp(name, arguments[3]) != 0)
            continue;
        call->make(function, 0);
        const char *visible = getenv("CUDA_VISIBLE_DEVICES");
        printf("env=%s seen=%d shown=%d\n", visible ? visible : "(unset)", seen_devices(), shown_devices());
    }
    return 0;
}
