/* proof_try.c: see proof_try.h.
 *
 * Each step writes words that no step before it has written, so that what is left over proves nothing. What a kernel
 * finds is judged by a sum over all words; what was copied is compared word by word. */
#include "proof_try.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "address_space.h"
#include "driver.h"
#include "proof_kernels.h"

#define BYTES ((size_t)2 << 20)
#define WORDS (BYTES / sizeof(uint64_t))

#define GRID_BLOCKS   64
#define BLOCK_THREADS 256

struct trial {
    const struct vs_proof_subject *subject;
    void (*begins)(enum vs_proof_step step);
    struct vs_proof *proof;
    CUstream stream;
    CUmodule module;
    CUfunction sum, fill;
    CUdeviceptr local;           /* BYTES, and behind them the word that sums are added to: of the compute device */
    uint64_t *pageable, *pinned; /* BYTES each */
    struct vs_range *range;
    CUdeviceptr memory; /* BYTES of the subject; what is had of it so far: */
    CUmemGenericAllocationHandle handle;
    bool has_addresses, has_handle, is_mapped;
};

/* --- Parts of steps: false where the proof has ended -------------------------------------------------------------- */

static void begin(struct trial *trial, enum vs_proof_step step)
{
    trial->proof->step = step;
    if (trial->begins)
        trial->begins(step);
}

static bool went(struct trial *trial, CUresult result)
{
    if (result == CUDA_SUCCESS)
        return true;
    bool full = result == CUDA_ERROR_OUT_OF_MEMORY;
    enum vs_proof_step step = trial->proof->step;
    vs_proof_set(trial->proof,
        full                     ? VS_PROOF_FULL
        : step == VS_PROOF_START ? VS_PROOF_UNTRIED
                                 : VS_PROOF_FAILED,
        step, "%s", vs_driver_error(result));
    return false;
}

static bool is_right(struct trial *trial, bool right)
{
    if (!right)
        vs_proof_set(trial->proof, VS_PROOF_WRONG, trial->proof->step, "%s", "");
    return right;
}

static bool copies(struct trial *trial, CUdeviceptr to, CUdeviceptr from)
{
    const struct vs_driver *driver = vs_driver();
    return went(trial, driver->cuMemcpyAsync(to, from, BYTES, trial->stream)) &&
           went(trial, driver->cuStreamSynchronize(trial->stream));
}

static bool launches(struct trial *trial, CUfunction kernel, void **arguments)
{
    return went(trial,
        vs_driver()->cuLaunchKernel(kernel, GRID_BLOCKS, 1, 1, BLOCK_THREADS, 1, 1, 0, trial->stream, arguments, NULL));
}

/* Whether a kernel finds the words there. */
static bool kernel_finds(struct trial *trial, const uint64_t *words)
{
    const struct vs_driver *driver = vs_driver();
    CUdeviceptr memory = trial->memory, sum = trial->local + BYTES;
    uint64_t count = WORDS, found = 0;
    void *arguments[] = {&memory, &count, &sum};
    return went(trial, driver->cuMemsetD32Async(sum, 0, sizeof found / sizeof(uint32_t), trial->stream)) &&
           launches(trial, trial->sum, arguments) &&
           went(trial, driver->cuMemcpyAsync((CUdeviceptr)&found, sum, sizeof found, trial->stream)) &&
           went(trial, driver->cuStreamSynchronize(trial->stream)) &&
           is_right(trial, found == vs_proof_sum(words, WORDS));
}

static bool kernel_fills(struct trial *trial, CUdeviceptr memory, uint64_t seed)
{
    uint64_t count = WORDS;
    void *arguments[] = {&memory, &count, &seed};
    return launches(trial, trial->fill, arguments) && went(trial, vs_driver()->cuStreamSynchronize(trial->stream));
}

/* Whether `memory` holds what vs_proof_fill makes of the seed, copied out by way of `buffer`. */
static bool holds(struct trial *trial, CUdeviceptr memory, uint64_t *buffer, uint64_t seed)
{
    bool right = true;
    memset(buffer, 0, BYTES);
    if (!copies(trial, (CUdeviceptr)buffer, memory))
        return false;
    uint64_t *expected = malloc(BYTES);
    if (!expected)
        return went(trial, CUDA_ERROR_OUT_OF_MEMORY);
    vs_proof_fill(expected, WORDS, seed);
    right = memcmp(buffer, expected, BYTES) == 0;
    free(expected);
    return is_right(trial, right);
}

/* --- Steps -------------------------------------------------------------------------------------------------------- */

static bool start(struct trial *trial)
{
    const struct vs_driver *driver = vs_driver();
    begin(trial, VS_PROOF_START);
    trial->pageable = malloc(BYTES);
    return went(trial, trial->pageable ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY) &&
           went(trial, driver->cuStreamCreate(&trial->stream, CU_STREAM_NON_BLOCKING)) &&
           went(trial, driver->cuModuleLoadData(&trial->module, vs_proof_ptx)) &&
           went(trial, driver->cuModuleGetFunction(&trial->sum, trial->module, vs_proof_sum_name)) &&
           went(trial, driver->cuModuleGetFunction(&trial->fill, trial->module, vs_proof_fill_name)) &&
           went(trial, driver->cuMemAlloc(&trial->local, BYTES + sizeof(uint64_t))) &&
           went(trial, driver->cuMemHostAlloc((void **)&trial->pinned, BYTES, CU_MEMHOSTALLOC_PORTABLE)) &&
           kernel_fills(trial, trial->local, 0); /* the kernels work at all */
}

static bool make(struct trial *trial)
{
    const struct vs_backing *backing = trial->subject->backing;
    const struct vs_compute *compute = trial->subject->compute;
    struct vs_home home = trial->subject->home;
    begin(trial, VS_PROOF_MAKE);
    return went(trial, vs_addresses_range(compute, backing->range, &trial->range)) &&
           (trial->has_addresses = went(trial, vs_addresses_take(trial->range, BYTES, &trial->memory))) &&
           (trial->has_handle = went(trial, backing->create_physical(compute, home, BYTES, &trial->handle))) &&
           (trial->is_mapped = went(trial, backing->map(compute, home, trial->memory, BYTES, trial->handle)));
}

static bool copy(struct trial *trial, enum vs_proof_step step, uint64_t *host)
{
    uint64_t seed = 1000 + (uint64_t)step;
    begin(trial, step);
    vs_proof_fill(host, WORDS, seed);
    return copies(trial, trial->memory, (CUdeviceptr)host) && holds(trial, trial->memory, host, seed);
}

/* What the copy before it has brought there. */
static bool kernel_reads(struct trial *trial)
{
    begin(trial, VS_PROOF_READ);
    return kernel_finds(trial, trial->pinned);
}

static bool set(struct trial *trial)
{
    const struct vs_driver *driver = vs_driver();
    begin(trial, VS_PROOF_SET);
    memset(trial->pageable, 0x5C, BYTES);
    return went(trial, driver->cuMemsetD32Async(trial->memory, 0x5C5C5C5C, BYTES / sizeof(uint32_t), trial->stream)) &&
           kernel_finds(trial, trial->pageable);
}

static bool copy_on_device(struct trial *trial)
{
    uint64_t seed = 1000 + VS_PROOF_DEVICE_COPY;
    begin(trial, VS_PROOF_DEVICE_COPY);
    vs_proof_fill(trial->pageable, WORDS, seed);
    return kernel_fills(trial, trial->local, seed) && copies(trial, trial->memory, trial->local) &&
           kernel_finds(trial, trial->pageable) && kernel_fills(trial, trial->local, 0) &&
           copies(trial, trial->local, trial->memory) && holds(trial, trial->local, trial->pinned, seed);
}

/* Read back by a copy: a kernel might find in a cache what it has written. */
static bool kernel_writes(struct trial *trial)
{
    uint64_t seed = 1000 + VS_PROOF_WRITE;
    begin(trial, VS_PROOF_WRITE);
    return kernel_fills(trial, trial->memory, seed) && holds(trial, trial->memory, trial->pageable, seed);
}

/* After an error that ends the context these calls fail, and all is gone with it. The first error is told: memory that
 * cannot be given back is of no use. */
static CUresult give_back(struct trial *trial)
{
    const struct vs_driver *driver = vs_driver();
    const struct vs_backing *backing = trial->subject->backing;
    CUresult idle = trial->stream ? driver->cuStreamSynchronize(trial->stream) : CUDA_SUCCESS;
    CUresult unmapped = trial->is_mapped ? backing->unmap(trial->memory, BYTES) : CUDA_SUCCESS;
    if (trial->has_handle)
        backing->release(trial->handle);
    if (trial->has_addresses && unmapped == CUDA_SUCCESS)
        vs_addresses_return(trial->range, trial->memory, BYTES);
    if (trial->pinned)
        driver->cuMemFreeHost(trial->pinned);
    if (trial->local)
        driver->cuMemFree(trial->local);
    if (trial->module)
        driver->cuModuleUnload(trial->module);
    if (trial->stream)
        driver->cuStreamDestroy(trial->stream);
    free(trial->pageable);
    return idle != CUDA_SUCCESS ? idle : unmapped;
}

void vs_proof_try(
    const struct vs_proof_subject *subject, void (*begins)(enum vs_proof_step step), struct vs_proof *proof)
{
    struct trial trial = {.subject = subject, .begins = begins, .proof = proof};
    struct vs_driver_scope scope;
    vs_proof_set(proof, VS_PROOF_WORKS, VS_PROOF_START, "%s", "");
    if (!went(&trial, vs_driver_enter(&scope, subject->compute->context)))
        return;
    bool works = start(&trial) && make(&trial) && copy(&trial, VS_PROOF_COPY, trial.pageable) &&
                 copy(&trial, VS_PROOF_PINNED_COPY, trial.pinned) && kernel_reads(&trial) && set(&trial) &&
                 copy_on_device(&trial) && kernel_writes(&trial);
    if (works)
        begin(&trial, VS_PROOF_GIVE_BACK);
    CUresult result = give_back(&trial);
    if (works)
        went(&trial, result);
    vs_driver_leave(&scope);
}
