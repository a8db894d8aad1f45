/* calls_module.c: modules, libraries, functions, launches. */
#include "fuzz.h"

#include <string.h>

static const char image[] = ".version 6.0\n.target sm_50\n.address_size 64\n"
                            ".visible .entry _Z5storePjj(.param .u64 to, .param .u32 value)\n{\n    ret;\n}\n"
                            ".visible .global .align 4 .b8 table[64];\n";
#define KERNEL_NAME "_Z5storePjj"

static const void *any_image(void)
{
    static const char *const wrong[] = {NULL, "", "no image",
        "\x7f"
        "ELF",
        ".version"};
    return one_in(12) ? wrong[below(5)] : image;
}

static const char *any_name(const char *right)
{
    static const char *const wrong[] = {NULL, "", "_Z4nonev", "table\n"};
    return one_in(12) ? wrong[below(4)] : right;
}

CALL(cuModuleLoadData)
{
    CUmodule made = NULL;
    if (!room_for(MODULE))
        return NOT_MADE;
    return born(cuModuleLoadData(OUT(&made), any_image()), MODULE, made);
}

CALL(cuModuleLoadDataEx)
{
    CUmodule made = NULL;
    if (!room_for(MODULE))
        return NOT_MADE;
    return born(cuModuleLoadDataEx(OUT(&made), any_image(), 0, NULL, NULL), MODULE, made);
}

RARE_CALL(cuModuleLoadFatBinary)
{
    CUmodule made = NULL;
    if (!room_for(MODULE))
        return NOT_MADE;
    return born(cuModuleLoadFatBinary(OUT(&made), any_image()), MODULE, made);
}

CALL(cuModuleUnload)
{
    uintptr_t module = any(MODULE);
    return died(cuModuleUnload((CUmodule)module), MODULE, module);
}

CALL(cuModuleGetLoadingMode)
{
    CUmoduleLoadingMode mode;
    return cuModuleGetLoadingMode(OUT(&mode));
}

/* A function is no object of its own: it is kept as long as there is room, and is stale when its module is gone. */
static int function_born(int result, CUfunction made)
{
    if (result != 0 || find(FUNCTION, (uintptr_t)made))
        return result;
    if (!room_for(FUNCTION)) {
        struct object *old = live(FUNCTION);
        died(0, FUNCTION, old->value);
    }
    return born(result, FUNCTION, made);
}

CALL(cuModuleGetFunction)
{
    CUfunction made = NULL;
    int result = cuModuleGetFunction(OUT(&made), ANY(CUmodule, MODULE), any_name(KERNEL_NAME));
    return function_born(result, made);
}

CALL(cuModuleGetGlobal)
{
    CUdeviceptr address;
    size_t bytes;
    return cuModuleGetGlobal(OUT(&address), OUT(&bytes), ANY(CUmodule, MODULE), any_name("table"));
}

CALL(cuLibraryLoadData)
{
    CUlibrary made = NULL;
    if (!room_for(LIBRARY))
        return NOT_MADE;
    return born(cuLibraryLoadData(OUT(&made), any_image(), NULL, NULL, 0, NULL, NULL, 0), LIBRARY, made);
}

CALL(cuLibraryUnload)
{
    uintptr_t library = any(LIBRARY);
    return died(cuLibraryUnload((CUlibrary)library), LIBRARY, library);
}

CALL(cuLibraryGetKernel)
{
    CUkernel made = NULL;
    int result = cuLibraryGetKernel(OUT(&made), ANY(CUlibrary, LIBRARY), any_name(KERNEL_NAME));
    if (result != 0 || find(KERNEL, (uintptr_t)made))
        return result;
    if (!room_for(KERNEL))
        died(0, KERNEL, live(KERNEL)->value);
    return born(result, KERNEL, made);
}

CALL(cuLibraryGetModule)
{
    CUmodule module;
    return cuLibraryGetModule(OUT(&module), ANY(CUlibrary, LIBRARY));
}

CALL(cuLibraryGetGlobal)
{
    CUdeviceptr address;
    size_t bytes;
    return cuLibraryGetGlobal(OUT(&address), OUT(&bytes), ANY(CUlibrary, LIBRARY), any_name("table"));
}

CALL(cuKernelGetFunction)
{
    CUfunction made = NULL;
    int result = cuKernelGetFunction(OUT(&made), ANY(CUkernel, KERNEL));
    return function_born(result, made);
}

CALL(cuKernelGetLibrary)
{
    CUlibrary library;
    return cuKernelGetLibrary(OUT(&library), ANY(CUkernel, KERNEL));
}

CALL(cuKernelGetName)
{
    const char *name;
    return cuKernelGetName(OUT(&name), ANY(CUkernel, KERNEL));
}

CALL(cuKernelGetAttribute)
{
    int value;
    return cuKernelGetAttribute(OUT(&value), (CUfunction_attribute)number_of(16), ANY(CUkernel, KERNEL), any_device());
}

CALL(cuKernelSetAttribute)
{
    return cuKernelSetAttribute(
        (CUfunction_attribute)number_of(16), number_of(100000), ANY(CUkernel, KERNEL), any_device());
}

CALL(cuKernelSetCacheConfig)
{
    return cuKernelSetCacheConfig(ANY(CUkernel, KERNEL), (CUfunc_cache)number_of(4), any_device());
}

CALL(cuFuncGetAttribute)
{
    int value;
    return cuFuncGetAttribute(OUT(&value), (CUfunction_attribute)number_of(16), any_function());
}

CALL(cuFuncSetAttribute)
{
    return cuFuncSetAttribute(any_function(), (CUfunction_attribute)number_of(16), number_of(100000));
}

CALL(cuFuncSetCacheConfig)
{
    return cuFuncSetCacheConfig(any_function(), (CUfunc_cache)number_of(4));
}

CALL(cuFuncGetModule)
{
    CUmodule module;
    return cuFuncGetModule(OUT(&module), any_function());
}

CALL(cuFuncGetName)
{
    const char *name;
    return cuFuncGetName(OUT(&name), any_function());
}

CALL(cuFuncIsLoaded)
{
    CUfunctionLoadingState state;
    return cuFuncIsLoaded(OUT(&state), any_function());
}

CALL(cuFuncLoad)
{
    return cuFuncLoad(any_function());
}

CALL(cuOccupancyMaxActiveBlocksPerMultiprocessor)
{
    int blocks;
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(OUT(&blocks), any_function(), number_of(1025), any_number());
}

CALL(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)
{
    int blocks;
    return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        OUT(&blocks), any_function(), number_of(1025), any_number(), flags_of(1));
}

CALL(cuOccupancyAvailableDynamicSMemPerBlock)
{
    size_t bytes;
    return cuOccupancyAvailableDynamicSMemPerBlock(OUT(&bytes), any_function(), number_of(8), number_of(1025));
}

/* The pointer that a kernel stores to: in a careful episode one that its device reaches. */
static CUdeviceptr kernel_pointer(CUstream stream)
{
    size_t follow;
    CUdevice device;
    if (!world.careful)
        return any_device_memory(stream, &follow);
    struct object *memory = live(one_in(3) ? PINNED : ALLOCATION);
    if (!memory || cuStreamGetDevice(stream, &device) != CUDA_SUCCESS ||
        (memory->device >= 0 && memory->device != device))
        return 0;
    return memory->value;
}

/* Says false where a careful launch has nothing to store to. */
static bool launch_arguments(CUstream stream, CUdeviceptr *pointer)
{
    *pointer = kernel_pointer(stream);
    return *pointer != 0 || !world.careful;
}

CALL_OF(cuLaunchKernel, 16, false)
{
    CUstream stream = any_stream();
    CUdeviceptr pointer;
    unsigned value = (unsigned)chance();
    void *parameters[] = {&pointer, &value};
    if (!launch_arguments(stream, &pointer))
        return NOT_MADE;
    return cuLaunchKernel(any_function(), one_in(16) ? 0 : 1, 1, 1, one_in(16) ? 5000 : 32, 1, 1,
        one_in(16) ? 1 << 30 : 0, stream, parameters, NULL);
}

/* One buffer for the arguments, now and then too small, of no size, or named wrongly. */
CALL(cuLaunchKernelEx)
{
    struct {
        CUdeviceptr to;
        unsigned value;
    } packed = {.value = (unsigned)chance()};
    size_t bytes = one_in(12) ? below(12) : 12;
    void *extra[] = {one_in(16) ? (void *)(1 + below(3)) : CU_LAUNCH_PARAM_BUFFER_POINTER, &packed,
        CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
    CUlaunchConfig config = {
        .gridDimX = 1, .gridDimY = 1, .gridDimZ = !one_in(16), .blockDimX = 1, .blockDimY = 1, .blockDimZ = 1};
    void *parameters[] = {&packed.to, &packed.value};
    bool with_buffer = one_in(2), with_pointers = one_in(12) ? one_in(2) : !with_buffer;
    config.hStream = any_stream();
    if (!launch_arguments(config.hStream, &packed.to))
        return NOT_MADE;
    return cuLaunchKernelEx(
        OUT(&config), any_function(), with_pointers ? parameters : NULL, with_buffer ? extra : NULL);
}

CALL(cuLaunchCooperativeKernel)
{
    CUstream stream = any_stream();
    CUdeviceptr pointer;
    unsigned value = (unsigned)chance();
    void *parameters[] = {&pointer, &value};
    if (!launch_arguments(stream, &pointer))
        return NOT_MADE;
    return cuLaunchCooperativeKernel(any_function(), 1, one_in(16) ? 0 : 1, 1, 1, 1, 1, 0, stream, parameters);
}
