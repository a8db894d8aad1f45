/* gemm_operand.c: walks, reads and writes the matrices of a GEMM (gemm_operand.h). */
#include "gemm_operand.h"

#include "gemm.h"
#include "gemm_types.h"

#include <stdlib.h>
#include <xxhash.h>

/* Bytes that are read at a time: small enough to stay in the cache between the copy and what is done with it. */
#define CHUNK_BYTES ((size_t)256 << 10)

/* The runs of an operand in the order of addresses: two nested loops over equal runs. */
struct runs {
    size_t run_bytes;
    int64_t outer_count, inner_count;
    size_t outer_stride, inner_stride; /* bytes */
};

/* A dimension whose elements lie side by side is joined into the run. */
static void join_inner(struct runs *runs)
{
    if (runs->inner_count == 1 || runs->inner_stride == runs->run_bytes) {
        runs->run_bytes *= (size_t)runs->inner_count;
        runs->inner_count = runs->outer_count;
        runs->inner_stride = runs->outer_stride;
        runs->outer_count = 1;
    }
}

static struct runs runs_of(const struct sim_operand *operand)
{
    const struct simcuda_matrix *matrix = operand->matrix;
    size_t element = sim_type_bytes(matrix->type);
    struct runs runs = {
        .run_bytes = (size_t)matrix->rows * element,
        .outer_count = operand->batch_count,
        .outer_stride = (size_t)matrix->batch_stride * element,
        .inner_count = matrix->columns,
        .inner_stride = (size_t)matrix->leading_dimension * element,
    };
    /* A stride of 0 is one matrix used for the whole batch. */
    if (matrix->batch_stride == 0)
        runs.outer_count = 1;
    /* Attention heads lie inside each other's columns: there the batch is the faster dimension. */
    if (runs.outer_count > 1 && runs.outer_stride < runs.inner_stride)
        runs = (struct runs){runs.run_bytes, runs.inner_count, runs.outer_count, runs.inner_stride, runs.outer_stride};
    if (runs.run_bytes == 0 || runs.outer_count == 0 || runs.inner_count == 0)
        return (struct runs){0};
    join_inner(&runs);
    join_inner(&runs);
    return runs;
}

#define FOR_EACH_RUN(OPERAND, ADDRESS, BYTES, ...)                                                                     \
    do {                                                                                                               \
        struct runs runs_ = runs_of(OPERAND);                                                                          \
        size_t BYTES = runs_.run_bytes;                                                                                \
        for (int64_t outer_ = 0; outer_ < runs_.outer_count; outer_++)                                                 \
            for (int64_t inner_ = 0; inner_ < runs_.inner_count; inner_++) {                                           \
                CUdeviceptr ADDRESS = (OPERAND)->matrix->address + (size_t)outer_ * runs_.outer_stride +               \
                                      (size_t)inner_ * runs_.inner_stride;                                             \
                __VA_ARGS__                                                                                            \
            }                                                                                                          \
    } while (0)

bool sim_operand_check(int device, const struct sim_operand *operand)
{
    FOR_EACH_RUN(operand, address, bytes, if (!sim_device_check(device, address, bytes, operand->what)) return false;);
    return true;
}

bool sim_operand_known(const struct sim_operand *operand)
{
    FOR_EACH_RUN(operand, address, bytes, if (!sim_known(address, bytes)) return false;);
    return true;
}

bool sim_operand_known_from_host(const struct sim_operand *operand)
{
    FOR_EACH_RUN(operand, address, bytes, if (!sim_known_from_host(address, bytes)) return false;);
    return true;
}

static void know_run(int device, CUdeviceptr address, size_t bytes)
{
    if (sim_device_writes_are_lost(device, address, bytes))
        sim_forget(address, bytes);
    else
        sim_know_computed(address, bytes);
}

void sim_operand_know_computed(int device, const struct sim_operand *operand)
{
    FOR_EACH_RUN(operand, address, bytes, know_run(device, address, bytes););
}

void sim_operand_forget(const struct sim_operand *operand)
{
    FOR_EACH_RUN(operand, address, bytes, sim_forget(address, bytes););
}

static bool hash_run(int device, CUdeviceptr address, size_t bytes, const char *what, void *chunk, XXH3_state_t *state)
{
    for (size_t done = 0; done < bytes;) {
        size_t part = bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES;
        if (!sim_device_read(device, address + done, chunk, part, what))
            return false;
        XXH3_64bits_update(state, chunk, part);
        done += part;
    }
    return true;
}

uint64_t sim_operand_hash(int device, const struct sim_operand *operand)
{
    uint64_t hash = 0;
    XXH3_state_t *state = XXH3_createState();
    void *chunk = malloc(CHUNK_BYTES);
    if (!state || !chunk)
        goto out;
    XXH3_64bits_reset(state);
    FOR_EACH_RUN(
        operand, address, bytes, if (!hash_run(device, address, bytes, operand->what, chunk, state)) goto out;);
    hash = XXH3_64bits_digest(state);
out:
    free(chunk);
    XXH3_freeState(state);
    return hash;
}

/* One matrix of the batch: its columns as one long column where nothing lies between them. */
struct columns {
    CUdeviceptr address;
    size_t count, stride_bytes, elements, element_bytes;
};

static struct columns columns_of(const struct simcuda_matrix *matrix, int64_t batch)
{
    size_t element = sim_type_bytes(matrix->type);
    struct columns columns = {
        .address = matrix->address + (size_t)(batch * matrix->batch_stride) * element,
        .count = (size_t)matrix->columns,
        .stride_bytes = (size_t)matrix->leading_dimension * element,
        .elements = (size_t)matrix->rows,
        .element_bytes = element,
    };
    if (matrix->leading_dimension == matrix->rows) {
        columns.elements *= columns.count;
        columns.count = 1;
    }
    return columns;
}

bool sim_operand_load(int device, const struct sim_operand *operand, int64_t batch, bool doubles, void *out)
{
    struct columns columns = columns_of(operand->matrix, batch);
    size_t real_bytes = doubles ? sizeof(double) : sizeof(float);
    size_t chunk_elements = CHUNK_BYTES / columns.element_bytes;
    char *chunk = malloc(CHUNK_BYTES), *to = out;
    bool ok = chunk != NULL;

    for (size_t column = 0; column < columns.count; column++) {
        CUdeviceptr from = columns.address + column * columns.stride_bytes;
        for (size_t left = columns.elements; ok && left;) {
            size_t part = left < chunk_elements ? left : chunk_elements;
            ok = sim_device_read(device, from, chunk, part * columns.element_bytes, operand->what);
            if (ok && doubles)
                sim_load_doubles(operand->matrix->type, chunk, (double *)(void *)to, part);
            else if (ok)
                sim_load_floats(operand->matrix->type, chunk, (float *)(void *)to, part);
            from += part * columns.element_bytes;
            to += part * real_bytes;
            left -= part;
        }
    }
    free(chunk);
    return ok;
}

bool sim_operand_store(int device, const struct sim_operand *operand, int64_t batch, bool doubles, const void *in)
{
    struct columns columns = columns_of(operand->matrix, batch);
    size_t real_bytes = doubles ? sizeof(double) : sizeof(float);
    size_t chunk_elements = CHUNK_BYTES / columns.element_bytes;
    char *chunk = malloc(CHUNK_BYTES);
    const char *from = in;
    bool ok = chunk != NULL;

    for (size_t column = 0; column < columns.count; column++) {
        CUdeviceptr to = columns.address + column * columns.stride_bytes;
        for (size_t left = columns.elements; ok && left;) {
            size_t part = left < chunk_elements ? left : chunk_elements;
            if (doubles)
                sim_store_doubles(operand->matrix->type, (const double *)(const void *)from, chunk, part);
            else
                sim_store_floats(operand->matrix->type, (const float *)(const void *)from, chunk, part);
            ok = sim_device_write(device, to, chunk, part * columns.element_bytes, operand->what);
            to += part * columns.element_bytes;
            from += part * real_bytes;
            left -= part;
        }
    }
    free(chunk);
    return ok;
}
