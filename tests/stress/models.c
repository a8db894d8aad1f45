/* models.c: model files that the policy names, so that allocations are weights; flushes; moves of their pages. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../simcuda/simcuda.h"
#include "operations.h"
#include "order.h"
#include "report.h"
#include "shadow.h"
#include "world.h"

#define PAGE_BYTES (2 * MIB)

/* --- Files -------------------------------------------------------------------------------------------------------- */

/* Some of less than 64 KiB, which stay where they are; some that share pages; whole pages, nearly whole ones, and more
 * than 32 MiB. 2 and 20 MiB are no weights where they come from cudaMalloc. */
static const struct {
    size_t bytes, count;
} tensors[] = {{512, 2}, {48 * KIB, 2}, {64 * KIB, 4}, {64 * KIB + 2, 2}, {200001, 6}, {256 * KIB, 8}, {900 * KIB, 4},
    {2 * MIB - 4096, 2}, {2 * MIB, 2}, {2 * MIB + 1, 2}, {3 * MIB + 77, 2}, {4 * MIB, 2}, {7 * MIB, 1}, {33 * MIB, 1}};
#define SIZES (sizeof tensors / sizeof *tensors)

static const char *const models[] = {"mixed", "host", "peer", "spread"};
#define MODELS (sizeof models / sizeof *models)
static char paths[MODELS][512];

static const char policy[] = "version: 1\n"
                             "compute: cuda:0\n"
                             "on-error: passthrough\n"
                             "%s"
                             "models:\n"
                             "  - {match: \"mixed*\", distorch: \"cuda:0,16mb;%scpu,*\", order: listed}\n"
                             "  - {match: \"host*\", distorch: \"cpu,*\"}\n"
                             "  - {match: \"peer*\", distorch: \"%scpu,*\"}\n"
                             "  - {match: \"spread*\", virtual-vram: 60%%}\n";

static void write_file(const char *path, const char *text, size_t text_bytes, size_t rest_bytes, bool prefixed)
{
    uint64_t prefix = text_bytes;
    FILE *file = fopen(path, "w");
    bool good = file && (!prefixed || fwrite(&prefix, sizeof prefix, 1, file) == 1) &&
                fwrite(text, 1, text_bytes, file) == text_bytes && fclose(file) == 0 &&
                truncate(path, (off_t)((prefixed ? sizeof prefix : 0) + text_bytes + rest_bytes)) == 0;
    if (!good) {
        fprintf(stderr, "stress: %s cannot be written\n", path);
        exit(2);
    }
}

static void write_model(const char *path)
{
    char *header = NULL;
    size_t header_bytes, offset = 0;
    FILE *text = open_memstream(&header, &header_bytes);
    fputc('{', text);
    for (size_t i = 0; i < SIZES; i++)
        for (size_t k = 0; k < tensors[i].count; k++) {
            fprintf(text, "%s\"layer.%zu.%zu.weight\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}",
                offset ? "," : "", k, i, tensors[i].bytes, offset, offset + tensors[i].bytes);
            offset += tensors[i].bytes;
        }
    fputc('}', text);
    fclose(text);
    write_file(path, header, header_bytes, offset, true);
    free(header);
}

/* The library reads the policy that VRAMSPAN_POLICY names at the first CUDA call: it is written before. */
void make_models(void)
{
    char path[512], text[2048];
    bool two = getenv("STRESS_DONOR") != NULL;
    const char *const policy_path = getenv("VRAMSPAN_POLICY");
    snprintf(text, sizeof text, policy, two ? "donors: [cuda:1, cpu]\n" : "donors: [cpu]\n", two ? "cuda:1,24mb;" : "",
        two ? "cuda:1,64mb;" : "");
    snprintf(path, sizeof path, "%s", policy_path ? policy_path : "/dev/null");
    write_file(path, text, strlen(text), 0, false);
    for (size_t i = 0; i < MODELS; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s.safetensors", settings.folder, models[i]);
        write_model(paths[i]);
    }
}

size_t weight_bytes(struct worker *worker)
{
    return tensors[below(worker, SIZES - (chance(worker, 90) ? 1 : 0))].bytes;
}

static void open_file(struct worker *worker, const char *path)
{
    if (chance(worker, 30)) {
        FILE *file = fopen(path, "r");
        if (file)
            fclose(file);
        return;
    }
    int descriptor =
        chance(worker, 50) ? open(path, O_RDONLY | O_CLOEXEC) : openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0)
        close(descriptor);
}

/* From now on the worker's allocations are the model's weights, in a random order, and not all of them. */
void do_open_model(struct worker *worker)
{
    open_file(worker, paths[below(worker, MODELS)]);
    worker->wanted_count = 0;
    for (size_t i = 0; i < SIZES; i++)
        for (size_t k = 0; k < tensors[i].count && worker->wanted_count < WANTED_MAX; k++)
            if (chance(worker, 70))
                worker->wanted[worker->wanted_count++] = tensors[i].bytes;
    for (size_t i = worker->wanted_count; i > 1; i--) {
        size_t k = below(worker, i), bytes = worker->wanted[k];
        worker->wanted[k] = worker->wanted[i - 1];
        worker->wanted[i - 1] = bytes;
    }
}

size_t open_for_one_size(struct worker *worker)
{
    size_t most = 0;
    for (size_t i = 1; i < SIZES; i++)
        if (tensors[i].count > tensors[most].count)
            most = i;
    open_file(worker, paths[below(worker, MODELS)]);
    return tensors[most].bytes;
}

/* As loaders do: one allocation after the other. */
void do_load(struct worker *worker)
{
    do_open_model(worker);
    for (int i = 0; i < 20 && worker->wanted_count > 0; i++)
        allocate(worker, worker->wanted[--worker->wanted_count], 0);
}

/* --- Flushes ------------------------------------------------------------------------------------------------------ */

void do_trim(struct worker *worker)
{
    int device = (int)below(worker, (uint64_t)device_count);
    cudaMemPool_t pool;
    TRY(worker, cudaDeviceGetDefaultMemPool(&pool, device));
    if (chance(worker, 50))
        TRY(worker, cudaMemPoolTrimTo(pool, 0));
    else
        TRY(worker, cuMemPoolTrimTo(pool, below(worker, 4 * MIB)));
}

void do_unload(struct worker *worker)
{
    worker->wanted_count = 0;
    for (size_t i = worker->owned_count; i-- > 0;)
        if (i < worker->owned_count && worker->owned[i]->graphs == 0 && chance(worker, 90))
            release(worker, worker->owned[i]);
    do_trim(worker);
}

/* --- Where weights lie -------------------------------------------------------------------------------------------- */

static atomic_ullong elsewhere_count, local_count, moved_count, unmoved_count;

void look_where_it_lies(struct worker *worker, const struct allocation *allocation)
{
    size_t there = 0;
    for (int location = SIMCUDA_LOCATION_HOST; location < 4; location++)
        there += simcudaBytesAt(allocation->address, allocation->bytes, location);
    if (there != allocation->bytes)
        fail(worker, allocation, "%zu of its %zu bytes lie somewhere", there, allocation->bytes);
    if (simcudaBytesAt(allocation->address, allocation->bytes, allocation->device) == allocation->bytes)
        atomic_fetch_add(&local_count, 1);
    else
        atomic_fetch_add(&elsewhere_count, 1);
}

bool weights_were_elsewhere(void)
{
    return atomic_load(&elsewhere_count) > 0;
}

void tell_models(void)
{
    printf("%llu allocations elsewhere, %llu local; %llu moves of pages, %llu refused\n", atomic_load(&elsewhere_count),
        atomic_load(&local_count), atomic_load(&moved_count), atomic_load(&unmoved_count));
}

/* --- Moves -------------------------------------------------------------------------------------------------------- */

/* The library built for tests exports it (tests/shim/control): whole pages to a device, or to the host (-1). */
typedef int rehome_function(CUdeviceptr address, size_t bytes, int location);

static rehome_function *find_rehome(void)
{
    return (rehome_function *)dlsym(RTLD_DEFAULT, "vs_control_rehome");
}

bool can_rehome(void)
{
    return find_rehome() != NULL;
}

/* Some pages of somebody's allocation, with what of others lies in them, whatever their workers do meanwhile. */
void do_rehome(struct worker *worker)
{
    rehome_function *rehome = find_rehome();
    char *start;
    size_t bytes;
    if (!rehome || !any_live(worker, &start, &bytes) || bytes < 64 * KIB)
        return;
    uintptr_t first = (uintptr_t)start / PAGE_BYTES * PAGE_BYTES;
    size_t pages = ((uintptr_t)start + bytes - first + PAGE_BYTES - 1) / PAGE_BYTES;
    size_t skip = below(worker, pages), count = 1 + below(worker, pages - skip);
    char *address = (char *)first + skip * PAGE_BYTES;
    int location = (int)below(worker, 3) - 1;
    int result = rehome((CUdeviceptr)address, count * PAGE_BYTES, location);
    if (result != 0) {
        atomic_fetch_add(&unmoved_count, 1);
        return;
    }
    atomic_fetch_add(&moved_count, 1);
    char *from = address > start ? address : start, *to = start + bytes;
    to = to < address + count * PAGE_BYTES ? to : address + count * PAGE_BYTES;
    size_t there = simcudaBytesAt(from, (size_t)(to - from), location);
    if (settings.threads == 1 && there != (size_t)(to - from)) /* else others may have moved or freed them since */
        fail(worker, NULL, "%zu pages at %p were moved to %d, and are not there", count, (void *)address, location);
}
