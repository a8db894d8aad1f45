/* driver.c: see driver.h. */
#include "driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

#include "devices.h"
#include "locks.h"
#include "log.h"
#include "look_up.h"
#include "resolve.h"

#define TEXT_OF(name) #name
#define SYMBOL(name)  TEXT_OF(name) /* expanded first: cuda.h maps cuCtxPopCurrent to cuCtxPopCurrent_v2 */

pthread_mutex_t vs_driver_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vs_driver driver; /* valid once `state` says usable */
enum { UNKNOWN, USABLE, UNUSABLE };
static atomic_int state = UNKNOWN;

static bool look_up(struct vs_driver *found)
{
    void *library = vs_loaded_library(VS_LIBRARY_LIBCUDA, 0);
    if (!library)
        library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (!library) {
        vs_log(VS_LOG_ERROR, "driver",
            "libcuda.so.1 cannot be loaded (%s), so nothing is placed; install the NVIDIA driver", dlerror());
        return false;
    }
    const char *missing = NULL;
#define LOOK_UP(name)                                                                                                  \
    found->name = (__typeof__(found->name))vs_real_dlsym(library, SYMBOL(name));                                       \
    if (!found->name)                                                                                                  \
        missing = SYMBOL(name);
    VS_DRIVER_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    if (missing) {
        vs_log(VS_LOG_ERROR, "driver",
            "libcuda.so.1 lacks %s, so nothing is placed; update the NVIDIA driver (CUDA 12 or newer)", missing);
        return false;
    }
    CUresult result = vs_devices_init(found->cuInit);
    if (result != CUDA_SUCCESS)
        vs_log(VS_LOG_ERROR, "driver", "cuInit failed: error %d", (int)result);
    else
        vs_devices_check(found->cuDeviceGetCount);
    return result == CUDA_SUCCESS;
}

/* Threads that race look up the same; no lock is held meanwhile, since the loader has one of its own (resolve.c). */
const struct vs_driver *vs_driver(void)
{
    int known = atomic_load_explicit(&state, memory_order_acquire);
    if (known == UNKNOWN) {
        struct vs_driver found;
        bool usable = look_up(&found);
        pthread_mutex_lock(&vs_driver_lock);
        known = atomic_load(&state);
        if (known == UNKNOWN) {
            if (usable)
                driver = found;
            known = usable ? USABLE : UNUSABLE;
            atomic_store_explicit(&state, known, memory_order_release);
        }
        pthread_mutex_unlock(&vs_driver_lock);
    }
    return known == USABLE ? &driver : NULL;
}

const char *vs_driver_error(CUresult result)
{
    const char *name = NULL;
    if (atomic_load(&state) != USABLE || driver.cuGetErrorName(result, &name) != CUDA_SUCCESS || !name)
        return "an error unknown to the driver";
    return name;
}

CUresult vs_driver_enter(struct vs_driver_scope *scope, CUcontext context)
{
    CUresult result = driver.cuCtxPushCurrent(context);
    if (result != CUDA_SUCCESS)
        return result;
    scope->program_mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    driver.cuThreadExchangeStreamCaptureMode(&scope->program_mode);
    return CUDA_SUCCESS;
}

void vs_driver_leave(struct vs_driver_scope *scope)
{
    CUcontext ours;
    driver.cuThreadExchangeStreamCaptureMode(&scope->program_mode);
    driver.cuCtxPopCurrent(&ours);
}
