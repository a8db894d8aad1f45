/* runtime.h: the inside of the simulated CUDA runtime, libcudart.so.13 and libcudart.so.12.
 *
 * A runtime function is three steps: enter (reach the driver, make a context current where the function needs one),
 * translate to driver calls, leave (translate the driver's result and remember it as the thread's last error). The
 * runtime keeps no state of the machine: that is the driver's. Its own is what `struct rt_thread` holds per thread, the
 * retained primary contexts (context.c) and the program's registered kernels and variables (registry.h).
 *
 * Driver functions are called through the pointers that driver.c looked up, in the order and with the versions and
 * flags that the real runtime asks for (golden/cudart13_lookups.txt); a generator makes an enumerator for each look-up.
 */
#ifndef SIMCUDA_RUNTIME_H
#define SIMCUDA_RUNTIME_H

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

/* Enumerators of look-ups. The names are expanded on purpose: cuda.h turns cuMemAlloc into cuMemAlloc_v2. */
#define RT_JOIN(name, suffix)                   rt_lookup_##name##suffix
#define RT_LOOKUP(name, flags)                  RT_JOIN(name, _##flags)
#define RT_LOOKUP_VERSION(name, version, flags) RT_JOIN(name, _##version##_##flags)
#include "lookups.h" /* generated */

/* --- Driver functions --------------------------------------------------------------------------------------------- */
extern void *rt_driver_functions[RT_LOOKUP_COUNT];

/* RT_DRIVER(cuMemAlloc): the looked-up function. RT_DRIVER_PTSZ: its twin for the per-thread default stream.
 * RT_DRIVER_VERSION: where the runtime looks up several versions of a name; `form` is a declared
 * function of its type. */
#define RT_DRIVER(name)                 ((__typeof__(&name))rt_driver_functions[RT_LOOKUP(name, 0)])
#define RT_DRIVER_PTSZ(name)            ((__typeof__(&name))rt_driver_functions[RT_LOOKUP(name, 2)])
#define RT_DRIVER_FOR(per_thread, name) ((per_thread) ? RT_DRIVER_PTSZ(name) : RT_DRIVER(name))
#define RT_DRIVER_VERSION(name, version, form)                                                                         \
    ((__typeof__(&form))rt_driver_functions[RT_LOOKUP_VERSION(name, version, 0)])
#define RT_DRIVER_VERSION_PTSZ(name, version, form)                                                                    \
    ((__typeof__(&form))rt_driver_functions[RT_LOOKUP_VERSION(name, version, 2)])

/* --- Entering and leaving ----------------------------------------------------------------------------------------- */
enum rt_need {
    RT_NEEDS_DRIVER,  /* look-ups made and cuInit called */
    RT_NEEDS_CONTEXT, /* and a context is current: the primary one of the thread's device if the program set none */
};

/* Returns 0 or the error with which the calling runtime function must return at once (already the last error).
 * cudaErrorCudartUnloading after this library was finalised, cudaErrorInsufficientDriver without a driver, the error of
 * cuInit, or that of creating the context. */
cudaError_t rt_enter(enum rt_need need);

/* Translates a driver result and remembers it as the thread's last error unless it is success. */
cudaError_t rt_leave(CUresult result);

/* The same for an error that the runtime finds itself. */
cudaError_t rt_fail(cudaError_t error);

#define RT_ENTER(need)                                                                                                 \
    do {                                                                                                               \
        cudaError_t rt_entered = rt_enter(need);                                                                       \
        if (rt_entered)                                                                                                \
            return rt_entered;                                                                                         \
    } while (0)

/* Defines the runtime function `name` and its twin for programs whose default stream is per thread, name##suffix (_ptds
 * for synchronous functions, _ptsz for those with a stream), by one function whose last parameter tells which it is. */
#define RT_TWINS(name, suffix, parameters, function, ...)                                                              \
    cudaError_t name parameters                                                                                        \
    {                                                                                                                  \
        return function(__VA_ARGS__, false);                                                                           \
    }                                                                                                                  \
    __typeof__(name) name##suffix;                                                                                     \
    cudaError_t name##suffix parameters                                                                                \
    {                                                                                                                  \
        return function(__VA_ARGS__, true);                                                                            \
    }

/* --- Parts -------------------------------------------------------------------------------------------------------- */
/* driver.c: loads libcuda.so.1, makes the look-ups and calls cuInit, once per process; any thread. Returns the error
 * that every runtime function then returns, or 0. rt_driver_version is 0 until a driver was found. */
cudaError_t rt_driver_load(void);
extern int rt_driver_version;

/* context.c: makes a context current to this thread if none is. */
CUresult rt_context_ensure(void);

/* error.c: the identity where the runtime knows the value, else cudaErrorUnknown. */
cudaError_t rt_error_from_driver(CUresult result);

struct rt_thread {
    cudaError_t last_error;
    int device; /* what cudaSetDevice chose; the device of the next primary context that this thread needs */
};
extern __thread struct rt_thread rt_thread;

/* The last error that the calling thread sees. */
cudaError_t *rt_last_error(void);

/* Whether the library was finalised (after exit handlers). */
extern bool rt_unloading;

#endif
