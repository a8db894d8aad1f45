/* driver.c: see driver.h. */
#include "driver.h"

#include <dlfcn.h>
#include <pthread.h>

#include "log.h"
#include "resolve.h"

#define TEXT_OF(name) #name
#define SYMBOL(name)  TEXT_OF(name) /* expanded first: cuda.h maps cuCtxPopCurrent to cuCtxPopCurrent_v2 */

static struct vs_driver driver;
static bool usable;

static void look_up(void)
{
    void *library = vs_loaded_library(VS_LIBRARY_LIBCUDA, 0);
    if (!library)
        library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (!library) {
        vs_log(VS_LOG_ERROR, "driver", "libcuda.so.1 cannot be loaded (%s); install the NVIDIA driver", dlerror());
        return;
    }
    const char *missing = NULL;
#define LOOK_UP(name)                                                                                                  \
    driver.name = (__typeof__(driver.name))dlsym(library, SYMBOL(name));                                               \
    if (!driver.name)                                                                                                  \
        missing = SYMBOL(name);
    VS_DRIVER_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    if (missing) {
        vs_log(VS_LOG_ERROR, "driver", "libcuda.so.1 lacks %s; update the NVIDIA driver (CUDA 12 or newer)", missing);
        return;
    }
    CUresult result = driver.cuInit(0);
    if (result != CUDA_SUCCESS)
        vs_log(VS_LOG_ERROR, "driver", "cuInit failed: %s", vs_driver_error(result));
    usable = result == CUDA_SUCCESS;
}

const struct vs_driver *vs_driver(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look_up);
    return usable ? &driver : NULL;
}

const char *vs_driver_error(CUresult result)
{
    const char *name = NULL;
    if (!driver.cuGetErrorName || driver.cuGetErrorName(result, &name) != CUDA_SUCCESS || !name)
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
