/* launch.c: kernel launches. A kernel that kernels/ understands is computed there; of others only the pointers among
 * the arguments are judged.
 *
 * Arguments are taken at the call, as a real launch does. When the stream reaches the launch, a pointer into memory
 * that CUDA knows or knew must be live and within reach of the device, else the error is the sticky illegal address.
 * Values that point elsewhere are counted and left alone. What a kernel that is not computed would have written is
 * unknown from then on. */
#include "../kernels/account.h"
#include "../kernels/call.h"
#include "../kernels/catalogue.h"
#include "access.h"
#include "address.h"
#include "api.h"
#include "knowledge.h"
#include "module.h"
#include "packed.h"
#include "rules.h"
#include "schedule.h"
#include "stream.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct argument {
    CUdeviceptr value;
    bool written;
    bool maybe; /* not certainly a pointer */
};

struct launch_op {
    struct sim_op op;
    char *name; /* of the kernel; the module may be unloaded before it runs */
    size_t count;
    struct argument *arguments;
    struct sim_match *match;   /* what kernels/ knows of it, or NULL */
    unsigned char *parameters; /* copied as match->layout says, or NULL */
    unsigned grid[3], block[3];
};

static bool count_argument(const struct argument *argument, const struct sim_range *range)
{
    if (argument->value == 0)
        return false;
    if (range == NULL && !sim_address_is_ours(argument->value)) {
        sim.pointers_unknown += !argument->maybe;
        return false;
    }
    sim.pointers_judged++;
    return true;
}

static void judge(struct launch_op *launch, const struct argument *argument)
{
    CUcontext context = launch->op.context;
    const struct sim_range *range = sim_range_find(argument->value);
    char what[600];

    if (argument->maybe || !count_argument(argument, range))
        return;
    /* A pointer to the end of an allocation, or to an empty tensor, is passed now and then and not used: only one that
     * lies inside of something, or in a hole, can be judged. */
    if (range == NULL || !sim_reaches(context, range, argument->written)) {
        snprintf(what, sizeof what, "kernel %s", launch->name);
        sim_raise_illegal(context, what, argument->value, 1, argument->written);
        return;
    }
    if (argument->written)
        sim_knowledge_forget_record((uintptr_t)range->alias + (argument->value - range->start));
}

/* False where kernels/ does not decide: the pointers are to be judged. */
static bool compute(struct launch_op *launch, bool *computed, bool *unknown)
{
    char what[600];
    struct sim_call call = {
        .match = launch->match, .arguments = launch->parameters, .context = launch->op.context, .what = what};

    if (launch->parameters == NULL || launch->match->compute == NULL || !sim_match_is_understood(launch->match))
        return false;
    call.types = call.match->holes.types;
    call.numbers = call.match->holes.numbers;
    memcpy(call.grid, launch->grid, sizeof call.grid);
    memcpy(call.block, launch->block, sizeof call.block);
    snprintf(what, sizeof what, "kernel %s", launch->name);
    if (!sim_call_run(&call))
        return false;
    *computed = sim_call_is_ready(&call);
    *unknown = call.unknown && !call.gave_up;
    for (size_t i = 0; i < launch->count; i++)
        count_argument(&launch->arguments[i], sim_range_find(launch->arguments[i].value));
    return true;
}

static void execute_launch(struct sim_op *op)
{
    struct launch_op *launch = (struct launch_op *)op;
    bool computed = false, unknown = false;

    if (!compute(launch, &computed, &unknown))
        for (size_t i = 0; i < launch->count && op->context->sticky == CUDA_SUCCESS; i++)
            judge(launch, &launch->arguments[i]);
    if (launch->match != NULL)
        sim_account_launch(launch->match, computed, unknown);
    if (sim_trace_is_on())
        sim_trace_launch(op, launch->name);
}

static void destroy_launch(struct sim_op *op)
{
    struct launch_op *launch = (struct launch_op *)op;
    free(launch->name);
    free(launch->arguments);
    free(launch->parameters);
}

static struct sim_op *clone_launch(const struct sim_op *op)
{
    const struct launch_op *launch = (const struct launch_op *)op;
    struct launch_op *clone = (struct launch_op *)sim_op_copy(op, sizeof *clone);

    if (clone == NULL)
        return NULL;
    clone->name = strdup(launch->name);
    clone->arguments = malloc((launch->count + 1) * sizeof *clone->arguments);
    clone->parameters = launch->parameters != NULL ? malloc(launch->match->layout.bytes) : NULL;
    if (clone->name == NULL || clone->arguments == NULL || (launch->parameters != NULL && clone->parameters == NULL)) {
        sim_op_destroy(&clone->op);
        return NULL;
    }
    memcpy(clone->arguments, launch->arguments, launch->count * sizeof *clone->arguments);
    if (launch->parameters != NULL)
        memcpy(clone->parameters, launch->parameters, launch->match->layout.bytes);
    return &clone->op;
}

static bool launch_touches(const struct sim_op *op, CUdeviceptr address, size_t bytes)
{
    const struct launch_op *launch = (const struct launch_op *)op;
    for (size_t i = 0; i < launch->count; i++)
        if (sim_overlaps(launch->arguments[i].value, 1, address, bytes))
            return true;
    return false;
}

static const struct sim_op_class launch_class = {.name = "launch",
    .execute = execute_launch,
    .clone = clone_launch,
    .destroy = destroy_launch,
    .touches = launch_touches,
    .reaches_unseen = true};

/* Copies the parameters of a kernel whose layout is known, and the pointers among them. */
static bool take_parameters(struct launch_op *launch, void **parameters)
{
    const struct sim_layout *layout = &launch->match->layout;

    launch->parameters = calloc(1, layout->bytes + 1);
    launch->arguments = malloc((layout->pointer_count + 1) * sizeof *launch->arguments);
    if (launch->parameters == NULL || launch->arguments == NULL)
        return false;
    for (unsigned i = 0; i < layout->parameter_count; i++)
        memcpy(launch->parameters + layout->offsets[i], parameters[i], layout->sizes[i]);
    for (unsigned i = 0; i < layout->pointer_count; i++) {
        const struct sim_pointer_place *place = &layout->pointers[i];
        struct argument *argument = &launch->arguments[launch->count++];
        *argument = (struct argument){.written = place->written, .maybe = place->maybe};
        memcpy(&argument->value, launch->parameters + place->offset, sizeof argument->value);
    }
    return true;
}

/* Copies the pointers that the name tells of out of the program's argument block. */
static bool take_arguments(struct launch_op *launch, const struct sim_signature *signature, void **parameters)
{
    size_t count = 0;

    for (size_t i = 0; i < signature->count; i++)
        count += signature->parameters[i].pointers;
    launch->arguments = malloc((count + 1) * sizeof *launch->arguments);
    if (launch->arguments == NULL)
        return false;
    for (size_t i = 0; i < signature->count; i++) {
        const struct sim_parameter *parameter = &signature->parameters[i];
        const CUdeviceptr *values = parameters[parameter->index];
        if (values == NULL) { /* somewhere in a buffer */
            sim.pointers_unknown += parameter->pointers;
            continue;
        }
        for (unsigned j = 0; j < parameter->pointers; j++) {
            struct argument *argument = &launch->arguments[launch->count++];
            *argument = (struct argument){.written = parameter->writes && j == 0};
            memcpy(&argument->value, &values[j], sizeof argument->value);
        }
    }
    return true;
}

static bool take(struct launch_op *launch, const struct sim_signature *signature, void **parameters)
{
    if (parameters == NULL)
        return true;
    if (sim_match_is_understood(launch->match))
        return take_parameters(launch, parameters);
    return signature == NULL || take_arguments(launch, signature, parameters);
}

/* The same out of one buffer. */
static bool take_packed(
    struct launch_op *launch, const struct sim_signature *signature, const struct sim_packed *packed)
{
    bool all, good;
    void **parameters;

    if (packed->buffer == NULL || !SIM_RULE(launch_packed_judged))
        return true;
    parameters = sim_packed_unpack(
        packed, signature, sim_match_is_understood(launch->match) ? &launch->match->layout : NULL, &all);
    good = parameters != NULL;
    if (good && all)
        good = take_parameters(launch, parameters);
    else if (good && signature != NULL)
        good = take_arguments(launch, signature, parameters);
    free(parameters);
    return good;
}

static bool is_legal_shape(const CUlaunchConfig *config, CUfunction function)
{
    unsigned long long threads = (unsigned long long)config->blockDimX * config->blockDimY * config->blockDimZ;

    return config->gridDimX > 0 && config->gridDimX <= 0x7FFFFFFF && config->gridDimY > 0 &&
           config->gridDimY <= 65535 && config->gridDimZ > 0 && config->gridDimZ <= 65535 && threads > 0 &&
           threads <= 1024 && config->blockDimZ <= 64 &&
           config->sharedMemBytes <= (unsigned)function->max_dynamic_shared_bytes;
}

/* What is wrong with the arguments themselves. Fills `packed` from `extra`. */
static CUresult check_arguments(
    const struct sim_signature *signature, void **parameters, void **extra, struct sim_packed *packed)
{
    CUresult result;

    *packed = (struct sim_packed){0};
    if (parameters != NULL && extra != NULL)
        return SIM_REFUSE(launch_arguments_once, CUDA_ERROR_INVALID_VALUE);
    if (parameters != NULL)
        return CUDA_SUCCESS;
    result = extra != NULL ? sim_packed_read(extra, packed) : CUDA_SUCCESS;
    if (result == CUDA_SUCCESS && !sim_packed_is_complete(packed, signature))
        return SIM_REFUSE(launch_arguments_given, CUDA_ERROR_INVALID_VALUE);
    return result;
}

static CUresult launch_kernel(const CUlaunchConfig *config, CUfunction handle, void **parameters, void **extra)
{
    const struct sim_signature *signature;
    struct sim_packed packed;
    struct launch_op *launch;
    CUfunction function;
    CUstream stream;
    CUresult result = sim_function_resolve(handle, &function);

    if (result == CUDA_SUCCESS)
        result = sim_stream_for_work(config->hStream, &stream);
    if (result != CUDA_SUCCESS)
        return result;
    if (!is_legal_shape(config, function))
        return CUDA_ERROR_INVALID_VALUE;
    signature = sim_function_signature(function);
    result = check_arguments(signature, parameters, extra, &packed);
    if (result != CUDA_SUCCESS)
        return result;
    if (function->module->context != stream->context && SIM_RULE(launch_own_context))
        return CUDA_ERROR_INVALID_HANDLE;
    result = sim_module_charge(function->module);
    if (result != CUDA_SUCCESS)
        return result;
    launch = sim_op_new(&launch_class, sizeof *launch);
    if (launch == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    launch->name = strdup(function->name);
    launch->match = function->match;
    memcpy(launch->grid, (unsigned[]){config->gridDimX, config->gridDimY, config->gridDimZ}, sizeof launch->grid);
    memcpy(launch->block, (unsigned[]){config->blockDimX, config->blockDimY, config->blockDimZ}, sizeof launch->block);
    if (launch->name == NULL || !take(launch, signature, parameters) || !take_packed(launch, signature, &packed)) {
        sim_op_destroy(&launch->op);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    return sim_submit(stream, &launch->op);
}

CUresult sim_cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra)
{
    return config == NULL ? CUDA_ERROR_INVALID_VALUE : launch_kernel(config, function, parameters, extra);
}

CUresult sim_cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
    unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream stream, void **parameters, void **extra)
{
    const CUlaunchConfig config = {.gridDimX = grid_x,
        .gridDimY = grid_y,
        .gridDimZ = grid_z,
        .blockDimX = block_x,
        .blockDimY = block_y,
        .blockDimZ = block_z,
        .sharedMemBytes = shared_bytes,
        .hStream = stream};
    return launch_kernel(&config, function, parameters, extra);
}

CUresult sim_cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
    unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream stream, void **parameters)
{
    return sim_cuLaunchKernel(
        function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes, stream, parameters, NULL);
}
