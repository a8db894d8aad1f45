/* forward.c: the runtime functions of forward.def. */
#include "runtime.h"

/* cudaProfiler.h is not part of the runtime's package. */
CUresult cuProfilerStart(void);
CUresult cuProfilerStop(void);

/* A prototype of our own for each: twins have none in the headers, and it must agree with the header's where there is
 * one. */
#define FORWARD(need, name, parameters, driver, arguments)                                                             \
    cudaError_t name parameters;                                                                                       \
    cudaError_t name parameters                                                                                        \
    {                                                                                                                  \
        RT_ENTER(RT_NEEDS_##need);                                                                                     \
        return rt_leave(RT_DRIVER(driver) arguments);                                                                  \
    }
#define TWIN(need, name, parameters, driver, arguments)                                                                \
    FORWARD(need, name, parameters, driver, arguments)                                                                 \
    cudaError_t name##_ptsz parameters;                                                                                \
    cudaError_t name##_ptsz parameters                                                                                 \
    {                                                                                                                  \
        RT_ENTER(RT_NEEDS_##need);                                                                                     \
        return rt_leave(RT_DRIVER_PTSZ(driver) arguments);                                                             \
    }
#define RENAMED(need, name, parameters, driver, version, form, arguments)                                              \
    cudaError_t name parameters;                                                                                       \
    cudaError_t name parameters                                                                                        \
    {                                                                                                                  \
        RT_ENTER(RT_NEEDS_##need);                                                                                     \
        return rt_leave(RT_DRIVER_VERSION(driver, version, form) arguments);                                           \
    }

#include "forward.def"
