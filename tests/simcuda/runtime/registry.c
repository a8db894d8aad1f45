/* registry.c: what the compiler's host code registers, and its way into the driver.
 *
 * All state under one lock, also around the driver calls that load an image: two threads that launch the first kernel
 * of an object file must load it once. The driver never calls back into the runtime, so the lock cannot be taken twice.
 */
#include "registry.h"

#include "address_map.h"
#include "rules.h"
#include "runtime.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct fat_binary {
    const void *image;
    CUlibrary library; /* NULL until first used */
    struct entry *entries;
};

/* A kernel or a variable of a fat binary. */
struct entry {
    struct fat_binary *binary;
    const void *address;
    const char *name; /* the mangled name, in the program's own memory */
    CUkernel kernel;  /* NULL until looked up */
    size_t bytes;     /* of a variable */
    struct entry *next;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rt_address_map kernels, variables; /* host address -> struct entry */
static struct rt_address_map known_handles;      /* kernel handle -> itself */

static void note_kernel(CUkernel kernel)
{
    if (!rt_address_map_set(&known_handles, kernel, kernel))
        fprintf(stderr, "simulated CUDA: out of memory: a kernel handle was not remembered; launching it will fail\n");
}

void rt_registry_note_kernel(CUkernel kernel)
{
    pthread_mutex_lock(&registry_lock);
    note_kernel(kernel);
    pthread_mutex_unlock(&registry_lock);
}

/* Loads the image of a fat binary. Under the lock. */
static CUresult load_library(struct fat_binary *binary)
{
    if (binary->library)
        return CUDA_SUCCESS;
    return RT_DRIVER(cuLibraryLoadData)(&binary->library, binary->image, NULL, NULL, 0, NULL, NULL, 0);
}

CUresult rt_registry_kernel(const void *function, CUkernel *kernel)
{
    pthread_mutex_lock(&registry_lock);
    CUresult result = CUDA_SUCCESS;
    struct entry *entry = rt_address_map_get(&kernels, function);
    if (!entry) {
        *kernel = rt_address_map_get(&known_handles, function);
        result = *kernel || !SIM_RULE(launch_known_kernel) ? CUDA_SUCCESS : (CUresult)cudaErrorInvalidDeviceFunction;
        goto done;
    }
    if (!entry->kernel) {
        result = load_library(entry->binary);
        if (!result)
            result = RT_DRIVER(cuLibraryGetKernel)(&entry->kernel, entry->binary->library, entry->name);
        if (result)
            goto done;
        note_kernel(entry->kernel);
    }
    *kernel = entry->kernel;
done:
    pthread_mutex_unlock(&registry_lock);
    return result;
}

CUresult rt_registry_variable(const void *symbol, CUdeviceptr *address, size_t *bytes)
{
    pthread_mutex_lock(&registry_lock);
    CUresult result = (CUresult)cudaErrorInvalidSymbol;
    struct entry *entry = rt_address_map_get(&variables, symbol);
    if (!entry)
        goto done;
    result = load_library(entry->binary);
    size_t loaded_bytes = 0;
    if (!result)
        result = RT_DRIVER(cuLibraryGetGlobal)(address, &loaded_bytes, entry->binary->library, entry->name);
    /* The program's own declaration is exact; the simulated driver does not read images and can only guess a size. */
    *bytes = entry->bytes ? entry->bytes : loaded_bytes;
done:
    pthread_mutex_unlock(&registry_lock);
    return result;
}

/* --- What the compiler's host code calls (crt/host_runtime.h). None of these wakes the driver. -------------------- */

/* The wrapper that the compiler emits around an image: crt/host_runtime.h registers its address. */
struct fat_binary_wrapper {
    int magic, version;
    const void *image;
    void *names;
};

void **__cudaRegisterFatBinary(void *wrapper);
void **__cudaRegisterFatBinary(void *wrapper)
{
    struct fat_binary *binary = calloc(1, sizeof *binary);
    if (!binary) {
        fprintf(stderr, "simulated CUDA: out of memory while registering a fat binary\n");
        abort();
    }
    binary->image = ((const struct fat_binary_wrapper *)wrapper)->image;
    return (void **)binary;
}

void __cudaRegisterFatBinaryEnd(void **handle);
void __cudaRegisterFatBinaryEnd(void **handle)
{
    (void)handle;
}

char __cudaInitModule(void **handle);
char __cudaInitModule(void **handle)
{
    (void)handle;
    return rt_driver_load() == cudaSuccess; /* the real one wakes the driver here */
}

static void add_entry(struct rt_address_map *map, void **handle, const void *address, const char *name, size_t bytes)
{
    struct fat_binary *binary = (struct fat_binary *)handle;
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry)
        *entry =
            (struct entry){.binary = binary, .address = address, .name = name, .bytes = bytes, .next = binary->entries};
    pthread_mutex_lock(&registry_lock);
    if (!entry || !rt_address_map_set(map, address, entry)) {
        fprintf(stderr, "simulated CUDA: out of memory while registering %s\n", name);
        abort();
    }
    binary->entries = entry;
    pthread_mutex_unlock(&registry_lock);
}

void __cudaRegisterFunction(void **handle, const char *host_function, char *device_function, const char *name,
    int thread_limit, uint3 *thread, uint3 *block, dim3 *block_size, dim3 *grid_size, int *warp_size);
void __cudaRegisterFunction(void **handle, const char *host_function, char *device_function, const char *name,
    int thread_limit, uint3 *thread, uint3 *block, dim3 *block_size, dim3 *grid_size, int *warp_size)
{
    (void)device_function, (void)thread_limit, (void)thread, (void)block, (void)block_size, (void)grid_size;
    (void)warp_size;
    add_entry(&kernels, handle, host_function, name, 0);
}

void __cudaRegisterVar(void **handle, char *host_variable, char *device_address, const char *name, int external,
    size_t bytes, int constant, int global);
void __cudaRegisterVar(void **handle, char *host_variable, char *device_address, const char *name, int external,
    size_t bytes, int constant, int global)
{
    (void)device_address, (void)external, (void)constant, (void)global;
    add_entry(&variables, handle, host_variable, name, bytes);
}

/* Runs from the destructors of the program's libraries, when the driver may be gone already: its library is unloaded
 * only while this runtime is still in use. */
void __cudaUnregisterFatBinary(void **handle);
void __cudaUnregisterFatBinary(void **handle)
{
    struct fat_binary *binary = (struct fat_binary *)handle;
    if (!binary)
        return;
    pthread_mutex_lock(&registry_lock);
    for (struct entry *entry = binary->entries, *next; entry; entry = next) {
        next = entry->next;
        struct rt_address_map *maps[] = {&kernels, &variables};
        for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
            if (rt_address_map_get(maps[i], entry->address) == entry)
                rt_address_map_set(maps[i], entry->address, NULL);
        if (entry->kernel)
            rt_address_map_set(&known_handles, entry->kernel, NULL);
        free(entry);
    }
    CUlibrary library = binary->library;
    pthread_mutex_unlock(&registry_lock);
    if (library && !rt_unloading)
        RT_DRIVER(cuLibraryUnload)(library);
    free(binary);
}
