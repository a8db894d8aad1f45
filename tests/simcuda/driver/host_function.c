/* host_function.c: functions of the program that a stream calls. They run without the lock, on a thread of the driver
 * (host_thread.h); CUDA calls inside of them are refused, as cuda.h at cuLaunchHostFunc says. */
#include "api.h"
#include "stream.h"

struct host_op {
    struct sim_op op;
    CUhostFn function; /* or */
    CUstreamCallback callback;
    CUstream handle; /* what the program passed */
    void *data;
};

static void call_function(struct sim_op *op)
{
    struct host_op *host = (struct host_op *)op;
    host->function(host->data);
}

/* Unlike a host function a callback is told of errors (cuda.h, cuStreamAddCallback). */
static void call_callback(struct sim_op *op)
{
    struct host_op *host = (struct host_op *)op;
    host->callback(host->handle, op->context->sticky, host->data);
}

static struct sim_op *clone_host(const struct sim_op *op)
{
    return sim_op_copy(op, sizeof(struct host_op));
}

static const struct sim_op_class function_class = {
    .name = "host function", .execute = call_function, .clone = clone_host, .runs_unlocked = true};
static const struct sim_op_class callback_class = {
    .name = "callback", .execute = call_callback, .runs_unlocked = true, .runs_after_error = true};

CUresult sim_cuLaunchHostFunc(CUstream handle, CUhostFn function, void *data)
{
    struct host_op *op;
    CUstream stream;
    CUresult result = function == NULL ? CUDA_ERROR_INVALID_VALUE : sim_stream_for_work(handle, &stream);

    if (result != CUDA_SUCCESS)
        return result;
    op = sim_op_new(&function_class, sizeof *op);
    if (op == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    op->function = function;
    op->data = data;
    return sim_submit(stream, &op->op);
}

CUresult sim_cuStreamAddCallback(CUstream handle, CUstreamCallback callback, void *data, unsigned flags)
{
    struct host_op *op;
    CUstream stream;
    CUresult result = callback == NULL || flags != 0 ? CUDA_ERROR_INVALID_VALUE : sim_stream_for_work(handle, &stream);

    if (result != CUDA_SUCCESS)
        return result;
    op = sim_op_new(&callback_class, sizeof *op);
    if (op == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    op->callback = callback;
    op->handle = handle;
    op->data = data;
    return sim_submit(stream, &op->op);
}
