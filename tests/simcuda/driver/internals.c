/* internals.c: what the simulated NVIDIA libraries reach through cuGetExportTable; see ../internals.h. */
#include "../internals.h"
#include "access.h"
#include "adversary.h"
#include "api.h"
#include "gemm_types.h"
#include "internals_entry.h"
#include "physical.h"
#include "rules.h"
#include "schedule.h"
#include "stream.h"
#include "trace.h"
#include "turns.h"
#include "work.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gemm_op {
    struct sim_op op;
    struct simcuda_gemm gemm;
};

/* False after an illegal address. */
static bool execute_product(const struct sim_op *op, const struct simcuda_gemm *gemm)
{
    uint64_t hash[2] = {0, 0};
    bool computed = false;

    if (!sim_gemm_execute(op->context->device, gemm, hash, &computed))
        return false;
    if (sim_trace_is_on())
        sim_trace_gemm(op, gemm, computed, hash);
    return true;
}

static void execute_gemm(struct sim_op *op)
{
    const struct simcuda_gemm *gemm = &((const struct gemm_op *)op)->gemm;

    if (gemm->a_array == 0) {
        execute_product(op, gemm);
        return;
    }
    for (int64_t batch = 0; batch < gemm->batch_count; batch++) {
        struct simcuda_gemm one;
        bool known;
        /* Addresses that a kernel was to write are not there: the product cannot be judged. */
        if (!sim_gemm_of_batch(op->context->device, gemm, batch, &one, &known) || (known && !execute_product(op, &one)))
            return;
    }
}

static struct sim_op *clone_gemm(const struct sim_op *op)
{
    return sim_op_copy(op, sizeof(struct gemm_op));
}

static const size_t element_bytes[] = {[SIMCUDA_F16] = 2, [SIMCUDA_BF16] = 2, [SIMCUDA_F32] = 4, [SIMCUDA_F64] = 8};

/* From the first to the last element of all batches. */
static bool matrix_touches(const struct simcuda_matrix *matrix, int64_t batch_count, CUdeviceptr address, size_t bytes)
{
    int64_t elements;

    if (matrix->rows == 0 || matrix->columns == 0 || batch_count == 0)
        return false;
    elements =
        (batch_count - 1) * matrix->batch_stride + (matrix->columns - 1) * matrix->leading_dimension + matrix->rows;
    return sim_overlaps(matrix->address, (size_t)elements * element_bytes[matrix->type], address, bytes);
}

/* Whether C is read; a beta that lies on the device may say so. */
static bool reads_c(const struct simcuda_gemm *gemm)
{
    return gemm->scalars_on_device || gemm->beta != 0;
}

static bool gemm_touches(const struct sim_op *op, CUdeviceptr address, size_t bytes)
{
    const struct simcuda_gemm *gemm = &((const struct gemm_op *)op)->gemm;
    const CUdeviceptr single[] = {gemm->bias, gemm->scalars_on_device ? gemm->alpha_address : 0,
        gemm->scalars_on_device ? gemm->beta_address : 0};

    const CUdeviceptr arrays[] = {gemm->a_array, gemm->b_array, gemm->c_array};

    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        if (single[i] != 0 && sim_overlaps(single[i], 1, address, bytes))
            return true;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (arrays[i] != 0 && sim_overlaps(arrays[i], (size_t)gemm->batch_count * sizeof(CUdeviceptr), address, bytes))
            return true;
    if (gemm->a_array != 0)
        return false; /* which matrices will stand there, the arrays only tell when the stream is there */
    return matrix_touches(&gemm->a, gemm->batch_count, address, bytes) ||
           matrix_touches(&gemm->b, gemm->batch_count, address, bytes) ||
           matrix_touches(&gemm->d, gemm->batch_count, address, bytes) ||
           (reads_c(gemm) && matrix_touches(&gemm->c, gemm->batch_count, address, bytes));
}

/* Every column of every batch once; a matrix that is the same for all batches counts once. */
static void measure_matrix(const struct sim_op *op, struct sim_work *work, const struct simcuda_matrix *matrix,
    int64_t batch_count, bool write)
{
    void (*measure)(const struct sim_op *, struct sim_work *, CUdeviceptr, size_t) =
        write ? sim_work_writes : sim_work_reads;
    size_t size = element_bytes[matrix->type];
    bool dense = matrix->leading_dimension == matrix->rows;
    int64_t batches = matrix->batch_stride == 0 && batch_count > 0 ? 1 : batch_count;
    int64_t runs = dense ? 1 : matrix->columns, elements = dense ? matrix->rows * matrix->columns : matrix->rows;

    for (int64_t batch = 0; batch < batches; batch++)
        for (int64_t run = 0; run < runs; run++) {
            int64_t first = batch * matrix->batch_stride + run * matrix->leading_dimension;
            measure(op, work, matrix->address + (CUdeviceptr)first * size, (size_t)elements * size);
        }
}

/* Each operand moves once, as in a product whose tiles stay in the caches. Scalars and the epilogue do not count. */
static void measure_gemm(const struct sim_op *op, struct sim_work *work)
{
    const struct simcuda_gemm *gemm = &((const struct gemm_op *)op)->gemm;
    int64_t inner = gemm->a.transposed ? gemm->a.rows : gemm->a.columns;

    work->flops =
        2 * (uint64_t)gemm->d.rows * (uint64_t)gemm->d.columns * (uint64_t)inner * (uint64_t)gemm->batch_count;
    if (gemm->a_array != 0)
        return; /* where its matrices are is not known yet */
    measure_matrix(op, work, &gemm->a, gemm->batch_count, false);
    measure_matrix(op, work, &gemm->b, gemm->batch_count, false);
    if (reads_c(gemm))
        measure_matrix(op, work, &gemm->c, gemm->batch_count, false);
    if (gemm->bias != 0)
        sim_work_reads(op, work, gemm->bias, (size_t)gemm->d.rows * element_bytes[gemm->bias_type]);
    measure_matrix(op, work, &gemm->d, gemm->batch_count, true);
}

static const struct sim_op_class gemm_class = {
    .name = "gemm", .execute = execute_gemm, .clone = clone_gemm, .touches = gemm_touches, .measure = measure_gemm};

CUresult sim_enter_internals(void)
{
    CUcontext context;

    if (!sim.initialised)
        return CUDA_ERROR_NOT_INITIALIZED;
    sim_turns_take();
    sim_lock();
    sim_adversary_between_calls();
    context = sim_current();
    if (context == NULL || !context->active || context->sticky != CUDA_SUCCESS) {
        CUresult result = context == NULL    ? CUDA_ERROR_INVALID_CONTEXT
                          : !context->active ? CUDA_ERROR_CONTEXT_IS_DESTROYED
                                             : context->sticky;
        sim_unlock();
        return result;
    }
    sim_thread.per_thread_default = false;
    return CUDA_SUCCESS;
}

static bool is_shape(const struct simcuda_matrix *matrix)
{
    return matrix->rows >= 0 && matrix->columns >= 0 && matrix->leading_dimension >= matrix->rows &&
           matrix->type <= SIMCUDA_F64;
}

/* With a rule of ../rules switched off: what lies on the device is read at the call already. */
static void read_early(struct simcuda_gemm *gemm)
{
    size_t bytes;
    const char *alpha = gemm->scalars_on_device ? sim_alias_of(gemm->alpha_address, &bytes) : NULL;
    const char *beta = gemm->scalars_on_device ? sim_alias_of(gemm->beta_address, &bytes) : NULL;

    if (alpha == NULL || beta == NULL || SIM_RULE(blas_scalars_in_order))
        return;
    sim_load_doubles(gemm->scalar_type, alpha, &gemm->alpha, 1);
    sim_load_doubles(gemm->scalar_type, beta, &gemm->beta, 1);
    gemm->scalars_on_device = false;
}

static CUresult submit_gemm(CUstream stream, const struct simcuda_gemm *gemm)
{
    struct gemm_op *op = sim_op_new(&gemm_class, sizeof *op);

    if (op == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    op->gemm = *gemm;
    op->op.call = gemm->symbol;
    read_early(&op->gemm);
    return sim_submit(stream, &op->op);
}

/* As read_early: a product for each batch as the arrays name it now. */
static CUresult submit_batches_early(CUstream stream, const struct simcuda_gemm *gemm)
{
    CUresult result = CUDA_SUCCESS;

    for (int64_t batch = 0; batch < gemm->batch_count && result == CUDA_SUCCESS; batch++) {
        struct simcuda_gemm one;
        bool known;
        if (sim_gemm_of_batch(stream->context->device, gemm, batch, &one, &known))
            result = submit_gemm(stream, &one);
    }
    return result;
}

static CUresult launch_gemm(CUstream handle, const struct simcuda_gemm *gemm)
{
    CUstream stream;
    CUresult result = sim_enter_internals();

    if (result != CUDA_SUCCESS)
        return result;
    result = sim_stream_for_work(handle, &stream);
    if (result == CUDA_SUCCESS &&
        (gemm == NULL || gemm->symbol == NULL || gemm->batch_count < 0 || !is_shape(&gemm->a) || !is_shape(&gemm->b) ||
            !is_shape(&gemm->d) || (reads_c(gemm) && !is_shape(&gemm->c))))
        result = CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS)
        result = gemm->a_array != 0 && !SIM_RULE(blas_arrays_in_order) ? submit_batches_early(stream, gemm)
                                                                       : submit_gemm(stream, gemm);
    sim_unlock();
    return result;
}

static CUresult charge_library(const char *owner, size_t bytes)
{
    static struct {
        char owner[64];
        uint64_t context_id;
    } charged[128];
    static size_t count;
    CUresult result = sim_enter_internals();
    size_t i;

    if (result != CUDA_SUCCESS)
        return result;
    for (i = 0; i < count; i++)
        if (charged[i].context_id == sim_current()->id && strcmp(charged[i].owner, owner) == 0)
            break;
    if (i == count && count < sizeof charged / sizeof *charged) {
        bytes = SIM_RULE(library_memory) ? bytes : 0;
        result = sim_physical_charge(sim_current()->device, bytes);
        if (result == CUDA_SUCCESS) {
            sim_current()->library_bytes += bytes; /* given back with the context */
            strncpy(charged[count].owner, owner, sizeof charged[count].owner - 1);
            charged[count++].context_id = sim_current()->id;
        }
    }
    sim_unlock();
    return result;
}

static size_t bytes_used(const CUuuid *device)
{
    size_t bytes = 0;

    if (!sim.initialised || getpid() != sim.pid) /* a child of the process uses none of its memory */
        return 0;
    sim_lock();
    for (int i = 0; i < sim.machine.device_count; i++) {
        CUuuid uuid;
        sim_uuid_of(&sim.devices[i].description, (unsigned char *)uuid.bytes);
        if (memcmp(&uuid, device, sizeof uuid) == 0)
            bytes = sim_physical_used(i);
    }
    sim_unlock();
    return bytes;
}

static CUresult last_refused(void)
{
    return sim_thread.refused;
}

static const struct simcuda_internals internals = {.struct_bytes = sizeof internals,
    .launch_gemm = launch_gemm,
    .charge_library = charge_library,
    .bytes_used = bytes_used,
    .launch_kernel = sim_launch_library_kernel,
    .last_refused = last_refused};

CUresult sim_cuGetExportTable(const void **table, const CUuuid *id)
{
    static const CUuuid ours = SIMCUDA_INTERNALS_UUID;

    if (table == NULL || id == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *table = NULL;
    /* The real driver's tables are undocumented; who asks for them is told that there are none. */
    if (memcmp(id, &ours, sizeof ours) != 0)
        return CUDA_ERROR_NOT_FOUND;
    *table = &internals;
    return CUDA_SUCCESS;
}
