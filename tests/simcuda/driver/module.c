/* module.c: loading images and finding functions and variables in them; see module.h.
 *
 * Loading is lazy, as CUDA's default is: a module takes device memory when its first function is launched, so that a
 * launch can be the call that runs out of memory. */
#include "module.h"
#include "../kernels/catalogue.h"
#include "alloc.h"
#include "api.h"
#include "context.h"
#include "objects.h"
#include "rules.h"

#include <stdlib.h>
#include <string.h>

/* Nothing in the image tells a variable's size here; no __constant__ variable is larger. */
#define GLOBAL_BYTES ((size_t)64 << 10)

static CUmodule modules;

static CUmodule new_module(CUcontext context, CUlibrary library)
{
    CUmodule module = calloc(1, sizeof *module);

    if (module == NULL || !sim_object_add(module, SIM_OBJECT_MODULE)) {
        free(module);
        return NULL;
    }
    module->context = context;
    module->context_id = context->id;
    module->library = library;
    module->next = modules;
    modules = module;
    return module;
}

static void free_module(CUmodule module)
{
    CUmodule *link = &modules;
    struct CUfunc_st *function, *next_function;
    struct sim_global *global, *next_global;

    while (*link != module)
        link = &(*link)->next;
    *link = module->next;
    HASH_ITER(hh, module->functions, function, next_function)
    {
        HASH_DEL(module->functions, function);
        sim_object_remove(function);
        sim_signature_free(function->signature);
        free(function->name);
        free(function);
    }
    HASH_ITER(hh, module->globals, global, next_global)
    {
        struct sim_range *range = sim_range_find(global->address);
        HASH_DEL(module->globals, global);
        if (range != NULL)
            sim_deallocate(range);
        free(global->name);
        free(global);
    }
    if (module->charged)
        sim_physical_refund(module->context->device, SIM_MODULE_BYTES);
    if (module->library != NULL)
        module->library->modules[module->context->device] = NULL;
    sim_object_remove(module);
    free(module);
}

void sim_modules_of_context_unload(CUcontext context)
{
    for (CUmodule module = modules, next; module != NULL; module = next) {
        next = module->next;
        if (module->context == context)
            free_module(module);
    }
}

CUresult sim_module_charge(CUmodule module)
{
    CUresult result;

    if (module->charged || !SIM_RULE(module_memory))
        return CUDA_SUCCESS;
    result = sim_physical_charge(module->context->device, SIM_MODULE_BYTES);
    module->charged = result == CUDA_SUCCESS;
    return result;
}

static CUresult function_in(CUmodule module, const char *name, CUkernel kernel, CUfunction *out)
{
    struct CUfunc_st *function;

    HASH_FIND_STR(module->functions, name, function);
    if (function == NULL) {
        function = calloc(1, sizeof *function);
        if (function != NULL)
            function->name = strdup(name);
        if (function == NULL || function->name == NULL || !sim_object_add(function, SIM_OBJECT_FUNCTION)) {
            free(function != NULL ? function->name : NULL);
            free(function);
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
        function->module = module;
        function->kernel = kernel;
        function->max_dynamic_shared_bytes = 49152;
        function->shared_carveout = -1;
        HASH_ADD_KEYPTR(hh, module->functions, function->name, strlen(function->name), function);
    }
    *out = function;
    return CUDA_SUCCESS;
}

static CUresult global_in(CUmodule module, const char *name, CUdeviceptr *address, size_t *bytes)
{
    struct sim_global *global;

    HASH_FIND_STR(module->globals, name, global);
    if (global == NULL) {
        CUresult result;
        struct sim_range *range = sim_allocate(module->context, GLOBAL_BYTES, &result);
        if (range == NULL)
            return result;
        global = calloc(1, sizeof *global);
        if (global == NULL || (global->name = strdup(name)) == NULL) {
            free(global);
            sim_deallocate(range);
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
        range->of_module = true;
        global->address = range->start;
        HASH_ADD_KEYPTR(hh, module->globals, global->name, strlen(global->name), global);
    }
    if (address != NULL)
        *address = global->address;
    if (bytes != NULL)
        *bytes = GLOBAL_BYTES;
    return CUDA_SUCCESS;
}

const struct sim_signature *sim_function_signature(CUfunction function)
{
    if (!function->signature_known) {
        function->signature = sim_signature_of(function->name);
        function->match = sim_match_of(function->name);
        function->signature_known = true;
    }
    return function->signature;
}

/* --- modules ------------------------------------------------------------------------------------------------------ */

CUresult sim_cuModuleLoadData(CUmodule *module, const void *image)
{
    if (module == NULL || image == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *module = new_module(sim_current(), NULL);
    return *module != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult sim_cuModuleLoadDataEx(
    CUmodule *module, const void *image, unsigned count, CUjit_option *options, void **values)
{
    (void)count; /* options steer a compiler that is not there */
    (void)options;
    (void)values;
    return sim_cuModuleLoadData(module, image);
}

CUresult sim_cuModuleLoadFatBinary(CUmodule *module, const void *image)
{
    return sim_cuModuleLoadData(module, image);
}

CUresult sim_cuModuleUnload(CUmodule module)
{
    if (!sim_object_is(module, SIM_OBJECT_MODULE) || module->library != NULL)
        return CUDA_ERROR_INVALID_HANDLE;
    free_module(module);
    return CUDA_SUCCESS;
}

CUresult sim_cuModuleGetLoadingMode(CUmoduleLoadingMode *mode)
{
    if (mode == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *mode = CU_MODULE_LAZY_LOADING;
    return CUDA_SUCCESS;
}

CUresult sim_cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
    if (function == NULL || name == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (!sim_object_is(module, SIM_OBJECT_MODULE))
        return CUDA_ERROR_INVALID_HANDLE;
    return function_in(module, name, NULL, function);
}

CUresult sim_cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module, const char *name)
{
    if (name == NULL || (address == NULL && bytes == NULL))
        return CUDA_ERROR_INVALID_VALUE;
    if (!sim_object_is(module, SIM_OBJECT_MODULE))
        return CUDA_ERROR_INVALID_HANDLE;
    return global_in(module, name, address, bytes);
}

/* --- libraries: modules of no context, which appear in each context at first use ---------------------------------- */

CUresult sim_cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *jit_options, void **jit_values,
    unsigned jit_count, CUlibraryOption *options, void **values, unsigned count)
{
    (void)jit_options;
    (void)jit_values;
    (void)jit_count;
    (void)options;
    (void)values;
    (void)count;
    if (library == NULL || code == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *library = calloc(1, sizeof **library);
    if (*library == NULL || !sim_object_add(*library, SIM_OBJECT_LIBRARY)) {
        free(*library);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    return CUDA_SUCCESS;
}

CUresult sim_cuLibraryUnload(CUlibrary library)
{
    struct CUkern_st *kernel, *next;

    if (!sim_object_is(library, SIM_OBJECT_LIBRARY))
        return CUDA_ERROR_INVALID_HANDLE;
    for (int i = 0; i < VS_MACHINE_DEVICES_MAX; i++)
        if (library->modules[i] != NULL)
            free_module(library->modules[i]);
    HASH_ITER(hh, library->kernels, kernel, next)
    {
        HASH_DEL(library->kernels, kernel);
        sim_object_remove(kernel);
        free(kernel->name);
        free(kernel);
    }
    sim_object_remove(library);
    free(library);
    return CUDA_SUCCESS;
}

CUresult sim_cuLibraryGetKernel(CUkernel *out, CUlibrary library, const char *name)
{
    struct CUkern_st *kernel;

    if (out == NULL || name == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (!sim_object_is(library, SIM_OBJECT_LIBRARY))
        return CUDA_ERROR_INVALID_HANDLE;
    HASH_FIND_STR(library->kernels, name, kernel);
    if (kernel == NULL) {
        kernel = calloc(1, sizeof *kernel);
        if (kernel != NULL)
            kernel->name = strdup(name);
        if (kernel == NULL || kernel->name == NULL || !sim_object_add(kernel, SIM_OBJECT_KERNEL)) {
            free(kernel != NULL ? kernel->name : NULL);
            free(kernel);
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
        kernel->library = library;
        HASH_ADD_KEYPTR(hh, library->kernels, kernel->name, strlen(kernel->name), kernel);
    }
    *out = kernel;
    return CUDA_SUCCESS;
}

static CUresult module_of(CUlibrary library, CUmodule *module)
{
    CUcontext context = sim_current();

    *module = library->modules[context->device];
    if (*module == NULL)
        *module = library->modules[context->device] = new_module(context, library);
    return *module != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult sim_cuLibraryGetModule(CUmodule *module, CUlibrary library)
{
    if (module == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    return sim_object_is(library, SIM_OBJECT_LIBRARY) ? module_of(library, module) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult sim_cuLibraryGetGlobal(CUdeviceptr *address, size_t *bytes, CUlibrary library, const char *name)
{
    CUmodule module;
    CUresult result;

    if (name == NULL || (address == NULL && bytes == NULL))
        return CUDA_ERROR_INVALID_VALUE;
    result = sim_cuLibraryGetModule(&module, library);
    return result == CUDA_SUCCESS ? global_in(module, name, address, bytes) : result;
}

CUresult sim_cuKernelGetFunction(CUfunction *function, CUkernel kernel)
{
    CUmodule module;
    CUresult result;

    if (function == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (!sim_object_is(kernel, SIM_OBJECT_KERNEL))
        return CUDA_ERROR_INVALID_HANDLE;
    result = module_of(kernel->library, &module);
    return result == CUDA_SUCCESS ? function_in(module, kernel->name, kernel, function) : result;
}

CUresult sim_function_resolve(CUfunction handle, CUfunction *function)
{
    if (sim_object_is(handle, SIM_OBJECT_FUNCTION)) {
        *function = handle;
        return handle->module->context == sim_current() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    }
    return sim_cuKernelGetFunction(function, (CUkernel)handle);
}
