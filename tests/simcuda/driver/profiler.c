/* profiler.c: there is nothing to profile; programs switch it on and off all the same. */
#include "api.h"

CUresult sim_cuProfilerStart(void)
{
    return CUDA_SUCCESS;
}

CUresult sim_cuProfilerStop(void)
{
    return CUDA_SUCCESS;
}
