/* library_kernel.c: kernels of the simulated NVIDIA libraries, which bring their own arithmetic; see ../internals.h.
 *
 * The operands are checked and read when the stream reaches the kernel. It is computed where all bytes that it reads
 * are known; else what it would have written is unknown from then on. */
#include "../kernels/choice.h"
#include "access.h"
#include "internals_entry.h"
#include "schedule.h"
#include "stream.h"
#include "trace.h"
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kernel_op {
    struct sim_op op;
    struct simcuda_kernel kernel; /* with copies of what it points to */
};

static void destroy_kernel(struct sim_op *op)
{
    struct simcuda_kernel *kernel = &((struct kernel_op *)op)->kernel;
    free((void *)kernel->operands);
    free((void *)kernel->arguments);
}

/* Replaces the pointers of `kernel` by copies. */
static bool own_content(struct simcuda_kernel *kernel)
{
    void *operands = malloc(kernel->operand_count * sizeof *kernel->operands + 1);
    void *arguments = malloc(kernel->argument_bytes + 1);

    if (operands != NULL)
        memcpy(operands, kernel->operands, kernel->operand_count * sizeof *kernel->operands);
    if (arguments != NULL)
        memcpy(arguments, kernel->arguments, kernel->argument_bytes);
    kernel->operands = operands;
    kernel->arguments = arguments;
    return operands != NULL && arguments != NULL;
}

static struct sim_op *clone_kernel(const struct sim_op *op)
{
    struct sim_op *clone = sim_op_copy(op, sizeof(struct kernel_op));

    if (clone != NULL && !own_content(&((struct kernel_op *)clone)->kernel)) {
        sim_op_destroy(clone);
        return NULL;
    }
    return clone;
}

static bool kernel_touches(const struct sim_op *op, CUdeviceptr address, size_t bytes)
{
    const struct simcuda_kernel *kernel = &((const struct kernel_op *)op)->kernel;
    for (size_t i = 0; i < kernel->operand_count; i++)
        if (sim_overlaps(kernel->operands[i].address, kernel->operands[i].bytes, address, bytes))
            return true;
    return false;
}

static bool is_written(const struct simcuda_operand *operand)
{
    return (operand->use & (SIMCUDA_WRITES | SIMCUDA_SCRATCH)) != 0;
}

/* Whether the device reaches every byte. False, and the error raised, where it does not. */
static bool is_reachable(CUcontext context, const struct simcuda_operand *operand, const char *what)
{
    CUdeviceptr end = operand->address + operand->bytes;

    for (CUdeviceptr address = operand->address; address < end;) {
        const struct sim_range *range = sim_range_find(address);
        if (range == NULL || !sim_reaches(context, range, is_written(operand))) {
            sim_raise_illegal(context, what, address, end - address, is_written(operand));
            return false;
        }
        address = range->start + range->bytes;
    }
    return true;
}

/* Gives each operand that is no scratch a buffer with its bytes. */
static bool read_operands(const struct kernel_op *op, const char *what, char **buffers)
{
    for (size_t i = 0; i < op->kernel.operand_count; i++) {
        const struct simcuda_operand *operand = &op->kernel.operands[i];
        if (operand->use & SIMCUDA_SCRATCH)
            continue;
        buffers[i] = malloc(operand->bytes + 1);
        if (buffers[i] == NULL ||
            !sim_device_read(op->op.context->device, operand->address, buffers[i], operand->bytes, what))
            return false;
    }
    return true;
}

static void write_operands(const struct kernel_op *op, const char *what, char **buffers, bool computed)
{
    for (size_t i = 0; i < op->kernel.operand_count; i++) {
        const struct simcuda_operand *operand = &op->kernel.operands[i];
        bool known;
        if (!is_written(operand))
            continue;
        /* What lies between the elements of an operand with gaps stays what it was. */
        known = computed && operand->use & SIMCUDA_WRITES &&
                !sim_device_writes_are_lost(op->op.context->device, operand->address, operand->bytes) &&
                (operand->use & SIMCUDA_DENSE || sim_known(operand->address, operand->bytes));
        if (computed && operand->use & SIMCUDA_WRITES)
            sim_device_write(op->op.context->device, operand->address, buffers[i], operand->bytes, what);
        if (known)
            sim_know_computed(operand->address, operand->bytes);
        else
            sim_forget(operand->address, operand->bytes);
    }
}

static void execute_kernel(struct sim_op *base)
{
    struct kernel_op *op = (struct kernel_op *)base;
    const struct simcuda_kernel *kernel = &op->kernel;
    char **buffers = calloc(kernel->operand_count + 1, sizeof *buffers);
    char what[128];
    bool computed = buffers != NULL && kernel->compute != NULL && sim_computes_gemms();

    for (size_t i = 0; i < kernel->operand_count; i++) {
        snprintf(what, sizeof what, "operand %zu of %s", i, kernel->symbol);
        if (!is_reachable(base->context, &kernel->operands[i], what))
            goto out;
        if (kernel->operands[i].use & SIMCUDA_READS)
            computed = computed && sim_known(kernel->operands[i].address, kernel->operands[i].bytes);
    }
    computed = computed && read_operands(op, kernel->symbol, buffers) &&
               kernel->compute(kernel->arguments, (void *const *)buffers);
    write_operands(op, kernel->symbol, buffers, computed);
    if (sim_trace_is_on())
        sim_trace_launch(base, kernel->symbol);
out:
    for (size_t i = 0; buffers != NULL && i < kernel->operand_count; i++)
        free(buffers[i]);
    free(buffers);
}

static void measure_kernel(const struct sim_op *op, struct sim_work *work)
{
    const struct simcuda_kernel *kernel = &((const struct kernel_op *)op)->kernel;

    work->flops = kernel->flops;
    for (size_t i = 0; i < kernel->operand_count; i++) {
        const struct simcuda_operand *operand = &kernel->operands[i];
        if (operand->use & SIMCUDA_READS)
            sim_work_reads(op, work, operand->address, operand->bytes);
        if (is_written(operand))
            sim_work_writes(op, work, operand->address, operand->bytes);
    }
}

static const struct sim_op_class kernel_class = {.name = "library kernel",
    .execute = execute_kernel,
    .clone = clone_kernel,
    .destroy = destroy_kernel,
    .touches = kernel_touches,
    .measure = measure_kernel};

CUresult sim_launch_library_kernel(CUstream handle, const struct simcuda_kernel *kernel)
{
    struct kernel_op *op = NULL;
    CUstream stream;
    CUresult result = sim_enter_internals();

    if (result != CUDA_SUCCESS)
        return result;
    result = sim_stream_for_work(handle, &stream);
    if (result == CUDA_SUCCESS && (op = sim_op_new(&kernel_class, sizeof *op)) == NULL)
        result = CUDA_ERROR_OUT_OF_MEMORY;
    if (result == CUDA_SUCCESS) {
        op->kernel = *kernel;
        op->op.call = kernel->symbol;
        if (own_content(&op->kernel)) {
            result = sim_submit(stream, &op->op);
        } else {
            sim_op_destroy(&op->op);
            result = CUDA_ERROR_OUT_OF_MEMORY;
        }
    }
    sim_unlock();
    return result;
}
