/* driver.c: reaches the driver as the real runtime does, and enters and leaves runtime functions.
 *
 * What the real library does was recorded (golden/README.md): at the first call of nearly any function
 * dlopen("libcuda.so.1"), one dlsym("cuGetProcAddress_v2"), the first four look-ups through that pointer, all others
 * through the cuGetProcAddress that the fourth one returned, cuDriverGetVersion, cuInit(0). */
#include "runtime.h"

#include "rules.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

typedef __typeof__(cuGetProcAddress) proc_address_function;

static const struct {
    const char *name;
    int version;
    unsigned flags;
} lookups[] = {RT_LOOKUPS};

void *rt_driver_functions[RT_LOOKUP_COUNT];
int rt_driver_version;
bool rt_unloading;
__thread struct rt_thread rt_thread;

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static atomic_bool loaded; /* spares pthread_once's call on the hot path */
static cudaError_t load_error;

/* Stands where the driver lacks a function; the runtime names the remedy by this error (driver_types.h). */
static CUresult missing_function(void)
{
    return (CUresult)cudaErrorCallRequiresNewerDriver;
}

static void look_up_all(proc_address_function *find)
{
    for (int i = 0; i < RT_LOOKUP_COUNT; i++) {
        void *function = NULL;
        CUdriverProcAddressQueryResult status;
        if (find(lookups[i].name, &function, lookups[i].version, lookups[i].flags, &status) || !function)
            function = (void *)missing_function;
        rt_driver_functions[i] = function;
        if (i == RT_LOOKUP_VERSION(cuGetProcAddress, 12000, 0) && function != (void *)missing_function)
            find = (proc_address_function *)function;
    }
}

static void load(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    proc_address_function *find = driver ? (proc_address_function *)dlsym(driver, "cuGetProcAddress_v2") : NULL;
    if (!find) {
        load_error = cudaErrorInsufficientDriver;
        return;
    }
    look_up_all(find);
    load_error = rt_error_from_driver(RT_DRIVER(cuDriverGetVersion)(&rt_driver_version));
    /* Within a major version any driver serves any runtime (CUDA Compatibility, minor version compatibility). */
    if (!load_error && rt_driver_version / 1000 < CUDART_VERSION / 1000)
        load_error = cudaErrorInsufficientDriver;
    if (!load_error)
        load_error = rt_error_from_driver(RT_DRIVER(cuInit)(0));
}

cudaError_t rt_driver_load(void)
{
    if (!atomic_load_explicit(&loaded, memory_order_acquire)) {
        pthread_once(&load_once, load);
        atomic_store_explicit(&loaded, true, memory_order_release);
    }
    return load_error;
}

cudaError_t rt_enter(enum rt_need need)
{
    if (rt_unloading && SIM_RULE(unloaded))
        return cudaErrorCudartUnloading;
    cudaError_t error = rt_driver_load();
    if (error)
        return rt_fail(error);
    if (need == RT_NEEDS_CONTEXT) {
        CUresult result = rt_context_ensure();
        if (result)
            return rt_leave(result);
    }
    return cudaSuccess;
}

cudaError_t rt_leave(CUresult result)
{
    if (result == CUDA_SUCCESS && !SIM_RULE(last_error_outlives_success))
        *rt_last_error() = cudaSuccess;
    return result == CUDA_SUCCESS ? cudaSuccess : rt_fail(rt_error_from_driver(result));
}

cudaError_t rt_fail(cudaError_t error)
{
    if (SIM_RULE(last_error_recorded) && (error != cudaErrorNotReady || SIM_RULE(last_error_not_ready)))
        *rt_last_error() = error;
    return error;
}

cudaError_t *rt_last_error(void)
{
    static cudaError_t shared;
    return SIM_RULE(last_error_per_thread) ? &rt_thread.last_error : &shared;
}

/* Runs after the program's exit handlers, as the real library's own finalisation does. */
__attribute__((destructor)) static void unload(void)
{
    rt_unloading = true;
}
