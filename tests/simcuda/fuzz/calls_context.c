/* calls_context.c: devices, contexts, peers, the driver itself. */
#include "fuzz.h"

#include <cudaProfiler.h>

#define ASK(name, type, ...)                                                                                           \
    CALL(name)                                                                                                         \
    {                                                                                                                  \
        type value;                                                                                                    \
        return name(OUT(&value) __VA_OPT__(, ) __VA_ARGS__);                                                           \
    }
ASK(cuDriverGetVersion, int)
ASK(cuDeviceGet, CUdevice, any_device())
ASK(cuDeviceGetCount, int)
ASK(cuDeviceGetUuid, CUuuid, any_device())
ASK(cuDeviceTotalMem, size_t, any_device())
ASK(cuDeviceGetAttribute, int, (CUdevice_attribute)number_of(150), any_device())
ASK(cuDeviceGetExecAffinitySupport, int, (CUexecAffinityType)number_of(2), any_device())
ASK(cuDeviceCanAccessPeer, int, any_device(), any_device())
ASK(cuDeviceGetP2PAttribute, int, (CUdevice_P2PAttribute)(number_of(6) + 1), any_device(), any_device())
ASK(cuCtxGetFlags, unsigned)
ASK(cuCtxGetLimit, size_t, (CUlimit)number_of(10))
ASK(cuCtxGetCacheConfig, CUfunc_cache)
ASK(cuCtxGetCurrent, CUcontext)

static CUcontext any_context(void)
{
    return one_in(3) ? ANY(CUcontext, CONTEXT) : world.primary[below((uint64_t)world.device_count)];
}

CALL(cuDeviceGetName)
{
    char name[64];
    int capacity = one_in(8) ? -1 : (int)below(sizeof name + 1);
    return cuDeviceGetName(OUT(name), capacity, any_device());
}

CALL(cuDeviceGetLuid)
{
    char luid[8];
    unsigned mask;
    return cuDeviceGetLuid(OUT(luid), OUT(&mask), any_device());
}

CALL(cuDeviceGetPCIBusId)
{
    char text[32];
    int capacity = one_in(8) ? -1 : (int)below(sizeof text + 1);
    return cuDeviceGetPCIBusId(OUT(text), capacity, any_device());
}

CALL(cuDeviceGetByPCIBusId)
{
    static const char *const texts[] = {"0000:01:00.0", "0000:01:00.0", "01:00.0", "", NULL, "zz", "0000:ff:1f.7"};
    CUdevice device;
    return cuDeviceGetByPCIBusId(OUT(&device), texts[below(7)]);
}

CALL(cuGetErrorName)
{
    const char *name;
    return cuGetErrorName((CUresult)number_of(1000), OUT(&name));
}

CALL(cuGetErrorString)
{
    const char *text;
    return cuGetErrorString((CUresult)number_of(1000), OUT(&text));
}

CALL(cuGetProcAddress)
{
    static const char *const names[] = {
        "cuMemAlloc", "cuMemcpyAsync", "cuGetProcAddress", "", "cuNothing", "cuStreamBeginCapture"};
    void *function;
    CUdriverProcAddressQueryResult status;
    return cuGetProcAddress(
        OUT(names[below(6)]), OUT(&function), number_of(2) ? 13000 : (int)below(14000), flags_of(3), OUT(&status));
}

RARE_CALL(cuGetExportTable)
{
    const void *table;
    CUuuid id = {{'n', 'o', 'n', 'e'}};
    return cuGetExportTable(OUT(&table), OUT(&id));
}

/* --- contexts ----------------------------------------------------------------------------------------------------- */

RARE_CALL(cuCtxCreate)
{
    CUcontext made = NULL;
    if (count_of(CONTEXT) > 6)
        return NOT_MADE;
    int result = born(cuCtxCreate(OUT(&made), NULL, flags_of(4), any_device()), CONTEXT, made);
    if (result == 0 && one_in(2))
        cuCtxPopCurrent(NULL);
    return result;
}

RARE_CALL(cuCtxDestroy)
{
    uintptr_t context = any(CONTEXT);
    if (world.captures || !may_pull_away())
        return NOT_MADE; /* other contexts' streams may still use its memory */
    return context_died(cuCtxDestroy((CUcontext)context), (CUcontext)context);
}

RARE_CALL(cuDevicePrimaryCtxReset)
{
    int device = any_device();
    if (world.captures || !one_in(10) || !may_pull_away())
        return NOT_MADE;
    int result = cuDevicePrimaryCtxReset(device);
    if (result != 0)
        return result;
    context_died(0, world.primary[device]);
    return cuDevicePrimaryCtxRetain(&world.primary[device], device);
}

CALL(cuDevicePrimaryCtxRetain)
{
    CUcontext context;
    int device = any_device(), result = cuDevicePrimaryCtxRetain(OUT(&context), device);
    return result == 0 ? (int)cuDevicePrimaryCtxRelease(device) : result; /* this program's own reference stays */
}

RARE_CALL(cuDevicePrimaryCtxRelease)
{
    static const int wrong[] = {-1, 99, 16};
    return cuDevicePrimaryCtxRelease(wrong[below(3)]);
}

CALL(cuDevicePrimaryCtxSetFlags)
{
    return cuDevicePrimaryCtxSetFlags(any_device(), flags_of(0x1f));
}

CALL(cuDevicePrimaryCtxGetState)
{
    unsigned flags;
    int active;
    return cuDevicePrimaryCtxGetState(any_device(), OUT(&flags), OUT(&active));
}

CALL(cuCtxSetCurrent)
{
    CUcontext context = any_context();
    return cuCtxSetCurrent(context ? context : world.primary[0]);
}

CALL(cuCtxPushCurrent)
{
    int result = cuCtxPushCurrent(any_context());
    if (result == 0 && !one_in(8))
        cuCtxPopCurrent(NULL);
    return result;
}

CALL(cuCtxPopCurrent)
{
    CUcontext context, current = NULL;
    int result = cuCtxPopCurrent(OUT(&context));
    if (cuCtxGetCurrent(&current) == CUDA_SUCCESS && !current)
        cuCtxSetCurrent(world.primary[0]);
    return result;
}

CALL(cuCtxGetDevice)
{
    CUdevice device;
    return cuCtxGetDevice(OUT(&device));
}

CALL(cuCtxGetDevice_v2)
{
    CUdevice device;
    return cuCtxGetDevice_v2(OUT(&device), any_context());
}

CALL(cuCtxSynchronize)
{
    return cuCtxSynchronize();
}

CALL(cuCtxSynchronize_v2)
{
    return cuCtxSynchronize_v2(any_context());
}

CALL(cuCtxSetFlags)
{
    return cuCtxSetFlags(flags_of(0x1f));
}

CALL(cuCtxGetId)
{
    unsigned long long id;
    return cuCtxGetId(any_context(), OUT(&id));
}

CALL(cuCtxGetApiVersion)
{
    unsigned version;
    return cuCtxGetApiVersion(any_context(), OUT(&version));
}

CALL(cuCtxSetLimit)
{
    return cuCtxSetLimit((CUlimit)number_of(10), any_number());
}

CALL(cuCtxSetCacheConfig)
{
    return cuCtxSetCacheConfig((CUfunc_cache)number_of(4));
}

CALL(cuCtxResetPersistingL2Cache)
{
    return cuCtxResetPersistingL2Cache();
}

CALL(cuCtxGetStreamPriorityRange)
{
    int least, greatest;
    return cuCtxGetStreamPriorityRange(OUT(&least), OUT(&greatest));
}

CALL(cuCtxEnablePeerAccess)
{
    return cuCtxEnablePeerAccess(any_context(), one_in(16));
}

CALL(cuCtxDisablePeerAccess)
{
    if (!may_pull_away())
        return NOT_MADE;
    return cuCtxDisablePeerAccess(any_context());
}

CALL(cuProfilerStart)
{
    return cuProfilerStart();
}

CALL(cuProfilerStop)
{
    return cuProfilerStop();
}
