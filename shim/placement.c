/* placement.c: see placement.h. Loads in a list, newest first; usually there is one. */
#include "placement.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Without memory an element is left out of its table instead of ending the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "../policy/quota.h"
#include "../policy/summary.h"
#include "activate.h"
#include "arena.h"
#include "compute.h"
#include "devices.h"
#include "driver.h"
#include "locks.h"
#include "log.h"
#include "stats.h"

/* PyTorch's native allocator gives a request of 10 MiB or more a segment of its own, rounded up to 2 MiB; smaller ones
 * share segments (c10/cuda/CUDACachingAllocator.cpp, get_allocation_size). */
#define SEGMENT_LEAST_BYTES ((size_t)10 << 20)
#define SEGMENT_GRANULE     ((size_t)2 << 20)
/* ... in segments of exactly these sizes, which are therefore not taken for tensors. */
#define SMALL_SEGMENT_BYTES  ((size_t)2 << 20)
#define SHARED_SEGMENT_BYTES ((size_t)20 << 20)

/* How many of the model's tensors of one size have not been allocated yet. */
struct missing_size {
    size_t tensor_bytes; /* the key */
    size_t count;
    UT_hash_handle hh;
};

struct load {
    struct load *next;
    uint64_t id; /* never used twice, unlike an address */
    struct vs_model_file *file;
    struct missing_size *missing;
    size_t missing_count;
    size_t in_flight; /* allocations that were taken and are not had yet */
    struct vs_quota quota;
    bool donors_checked;
};

pthread_mutex_t vs_placement_lock = PTHREAD_MUTEX_INITIALIZER;
static struct load *loads;
static uint64_t next_id = 1;
static atomic_bool any_load;

/* --- A load ------------------------------------------------------------------------------------------------------- */

static void free_load(struct load *load)
{
    struct missing_size *size = load->missing;
    HASH_CLEAR(hh, load->missing); /* the table; its elements are still chained */
    while (size) {
        struct missing_size *next = size->hh.next;
        free(size);
        size = next;
    }
    vs_model_file_free(load->file);
    free(load);
}

static bool count_missing(struct load *load)
{
    const struct vs_model *model = &load->file->model;
    for (size_t i = 0; i < model->tensor_count; i++) {
        size_t bytes = model->tensors[i]->bytes;
        struct missing_size *size;
        if (bytes == 0)
            continue; /* never allocated */
        HASH_FIND(hh, load->missing, &bytes, sizeof bytes, size);
        if (!size) {
            size = calloc(1, sizeof *size);
            if (!size)
                return false;
            size->tensor_bytes = bytes;
            HASH_ADD(hh, load->missing, tensor_bytes, sizeof size->tensor_bytes, size);
            if (!size->hh.tbl) {
                free(size);
                return false;
            }
        }
        size->count++;
        load->missing_count++;
    }
    return true;
}

static struct vs_device_id compute_id(const struct vs_policy *policy)
{
    return policy->has_compute ? policy->compute : vs_devices_first();
}

static bool same_file(const struct vs_model_file *a, const struct vs_model_file *b)
{
    return a->identity.st_dev == b->identity.st_dev && a->identity.st_ino == b->identity.st_ino &&
           a->identity.st_size == b->identity.st_size && a->identity.st_mtim.tv_sec == b->identity.st_mtim.tv_sec &&
           a->identity.st_mtim.tv_nsec == b->identity.st_mtim.tv_nsec;
}

void vs_placement_begin(struct vs_model_file *file)
{
    const struct vs_policy *policy = vs_policy_in_force();
    struct load *load = policy ? calloc(1, sizeof *load) : NULL;
    if (!load) {
        vs_model_file_free(file);
        return;
    }
    load->file = file;
    if (!count_missing(load) || load->missing_count == 0) {
        free_load(load);
        return;
    }
    struct vs_shares shares;
    if (vs_distorch_shares(&file->section->distorch, &shares)) { /* such a policy was refused (activate.c) */
        free_load(load);
        return;
    }
    vs_quota_init(&load->quota, &shares, file->model.total_bytes, compute_id(policy));
    vs_log(VS_LOG_DEBUG, "placement", "%s is opened: %zu tensors", file->path, load->missing_count);

    pthread_mutex_lock(&vs_placement_lock);
    struct load *open = loads;
    while (open && !same_file(open->file, file))
        open = open->next;
    if (!open) {
        load->id = next_id++;
        load->next = loads;
        loads = load;
        atomic_store(&any_load, true);
    }
    pthread_mutex_unlock(&vs_placement_lock);
    if (open) { /* loaders open a file more than once */
        free_load(load);
        return;
    }
    vs_stats_model_opened(); /* the load is others' by now, too */
}

/* --- Ends --------------------------------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Tells what an unlinked load placed, and frees it. */
static void finish(struct load *load)
{
    const struct vs_summary summary = {base_name(load->file->path), load->file->model.tensor_count, &load->quota};
    struct vs_text text = {0};
    vs_summary_render(&summary, &text);
    if (text.data)
        vs_log_text(VS_LOG_INFO, text.data);
    vs_text_free(&text);
    free_load(load);
}

void vs_placement_end_loads(void)
{
    if (!atomic_load_explicit(&any_load, memory_order_relaxed))
        return;
    pthread_mutex_lock(&vs_placement_lock);
    struct load *ended = loads;
    loads = NULL;
    atomic_store(&any_load, false);
    pthread_mutex_unlock(&vs_placement_lock);
    while (ended) {
        struct load *next = ended->next;
        finish(ended);
        ended = next;
    }
}

/* With vs_placement_lock held. Unlinks a load that misses nothing any more. */
static struct load *unlink_if_complete(struct load *load)
{
    if (load->missing_count > 0 || load->in_flight > 0)
        return NULL;
    struct load **link = &loads;
    while (*link != load)
        link = &(*link)->next;
    *link = load->next;
    atomic_store(&any_load, loads != NULL);
    return load;
}

/* --- Placing ------------------------------------------------------------------------------------------------------ */

static struct vs_home home_of(struct vs_device_id id, int compute_ordinal)
{
    if (id.family == VS_DEVICE_CPU)
        return (struct vs_home){VS_HOME_HOST, 0};
    int ordinal = vs_devices_ordinal(id.ordinal);
    return (struct vs_home){ordinal == compute_ordinal ? VS_HOME_LOCAL : VS_HOME_PEER, ordinal};
}

/* What is to be said once the lock is left: a full pipe on stderr must not stop other threads' allocations. */
struct remarks {
    char text[4][256];
    size_t count;
};

static void say(const struct remarks *remarks)
{
    for (size_t i = 0; i < remarks->count; i++)
        vs_log(VS_LOG_WARN, "placement", "%s", remarks->text[i]);
}

/* The entry of the quota for a donor passes its share on; told once a donor. With vs_placement_lock held. */
static void pass_on(struct load *load, size_t entry, const char *why, struct remarks *remarks)
{
    static bool told[VS_DEVICE_ORDINAL_MAX + 2]; /* the last: cpu */
    struct vs_device_id donor = load->quota.entries[entry].device;
    size_t next = vs_quota_pass_on(&load->quota, entry);
    bool *tell = &told[donor.family == VS_DEVICE_CPU ? VS_DEVICE_ORDINAL_MAX + 1 : donor.ordinal];
    if (*tell || remarks->count == sizeof remarks->text / sizeof *remarks->text)
        return;
    *tell = true;
    char *remark = remarks->text[remarks->count++];
    struct vs_device_name from = vs_device_format(donor);
    if (next == VS_QUOTA_NOWHERE) {
        snprintf(remark, sizeof *remarks->text,
            "%s cannot lend memory to the compute device (%s), and no donor is left: its share stays on the compute "
            "device",
            from.text, why);
        return;
    }
    struct vs_device_name to = vs_device_format(load->quota.entries[next].device);
    snprintf(remark, sizeof *remarks->text, "%s cannot lend memory to the compute device (%s): its share passes to %s",
        from.text, why, to.text);
}

/* Donors that the compute device cannot map pass their shares on before the first allocation; an heir may be one of
 * them. Only attributes are asked here, so the lock may be held. */
static void check_donors(struct load *load, const struct vs_compute *compute, struct remarks *remarks)
{
    bool changed = !load->donors_checked;
    load->donors_checked = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < load->quota.count; i++) {
            const struct vs_quota_entry *entry = &load->quota.entries[i];
            const char *why = NULL;
            struct vs_home home = home_of(entry->device, compute->ordinal);
            if (home.kind == VS_HOME_LOCAL || entry->dropped || (!entry->allowance_bytes && !entry->wildcard) ||
                vs_backing_serves(compute, home, &why))
                continue;
            pass_on(load, i, why, remarks);
            changed = true;
        }
    }
}

static size_t segment_for(size_t tensor_bytes)
{
    if (tensor_bytes < SEGMENT_LEAST_BYTES)
        return tensor_bytes;
    return (tensor_bytes + SEGMENT_GRANULE - 1) / SEGMENT_GRANULE * SEGMENT_GRANULE;
}

/* The size of a missing tensor that an allocation of `bytes` may be for, or NULL. With vs_placement_lock held. */
static struct missing_size *find_missing(struct load *load, size_t bytes, enum vs_request request)
{
    struct missing_size *size;
    if (request == VS_REQUEST_SEGMENT && (bytes == SMALL_SEGMENT_BYTES || bytes == SHARED_SEGMENT_BYTES))
        return NULL;
    HASH_FIND(hh, load->missing, &bytes, sizeof bytes, size);
    if (size && size->count > 0)
        return size;
    if (request == VS_REQUEST_SEGMENT)
        for (size = load->missing; size; size = size->hh.next)
            if (size->count > 0 && segment_for(size->tensor_bytes) == bytes)
                return size;
    return NULL;
}

/* One step of placing an allocation: what was taken, to be put back or passed on when it cannot be had. */
struct taken {
    struct load *load;
    uint64_t load_id;
    struct missing_size *size;
    size_t tensor_bytes;
    size_t entry;
    struct vs_home home;
};

static bool take(struct taken *taken, size_t bytes, enum vs_request request, const struct vs_compute *compute,
    struct remarks *remarks)
{
    for (struct load *load = loads; load; load = load->next) {
        struct missing_size *size = find_missing(load, bytes, request);
        if (!size)
            continue;
        check_donors(load, compute, remarks);
        size_t entry = vs_quota_take(&load->quota, size->tensor_bytes);
        struct vs_home home = home_of(load->quota.entries[entry].device, compute->ordinal);
        *taken = (struct taken){load, load->id, size, size->tensor_bytes, entry, home};
        size->count--;
        load->missing_count--;
        load->in_flight++;
        return true;
    }
    return false;
}

/* The load may have ended meanwhile, and its memory with it. With vs_placement_lock held. */
static bool still_open(const struct taken *taken)
{
    const struct load *open = loads;
    while (open && open->id != taken->load_id)
        open = open->next;
    return open;
}

/* What was taken could not be had: it is missing again, and the donor passes its share on. Where the plan wants it on
 * the compute device, the real allocator puts it there. With vs_placement_lock held. Returns whether to try again. */
static bool put_back(const struct taken *taken, CUresult result, struct remarks *remarks)
{
    if (taken->home.kind == VS_HOME_LOCAL)
        return false;
    vs_quota_give_back(&taken->load->quota, taken->entry, taken->tensor_bytes);
    taken->size->count++;
    taken->load->missing_count++;
    pass_on(taken->load, taken->entry, vs_driver_error(result), remarks);
    return true;
}

static bool allocate_step(
    size_t bytes, enum vs_request request, const struct vs_compute *compute, CUdeviceptr *address, bool *again)
{
    struct remarks remarks = {.count = 0};
    struct taken taken;
    struct load *complete = NULL;
    *again = false;
    pthread_mutex_lock(&vs_placement_lock);
    bool wanted = take(&taken, bytes, request, compute, &remarks);
    pthread_mutex_unlock(&vs_placement_lock);
    say(&remarks);
    if (!wanted)
        return false;

    CUresult result = vs_arena_allocate(compute, taken.home, bytes, address);

    remarks.count = 0;
    pthread_mutex_lock(&vs_placement_lock);
    if (still_open(&taken)) {
        taken.load->in_flight--;
        if (result != CUDA_SUCCESS)
            *again = put_back(&taken, result, &remarks);
        complete = unlink_if_complete(taken.load);
    }
    pthread_mutex_unlock(&vs_placement_lock);
    say(&remarks);
    if (result == CUDA_SUCCESS)
        vs_stats_placed(taken.home, bytes);
    if (complete)
        finish(complete);
    return result == CUDA_SUCCESS;
}

/* The compute device of the policy, if the allocation is meant for it. Where there is no such device, the policy cannot
 * be honoured. */
static const struct vs_compute *compute_for(CUstream stream)
{
    const struct vs_driver *driver = vs_driver();
    const struct vs_policy *policy = vs_policy_in_force();
    int count;
    if (!driver || !policy)
        return NULL;
    struct vs_device_id id = compute_id(policy);
    int ordinal = vs_devices_ordinal(id.ordinal);
    if (driver->cuDeviceGetCount(&count) == CUDA_SUCCESS && ordinal >= count) {
        vs_give_up("the compute device %s is not there (the machine has %d); correct `compute:` in %s",
            vs_device_format(id).text, count, policy->name);
        return NULL;
    }
    const struct vs_compute *compute = vs_compute_device(ordinal);
    return compute && vs_compute_has_stream(compute, stream) ? compute : NULL;
}

bool vs_placement_allocate(size_t bytes, enum vs_request request, CUstream stream, CUdeviceptr *address)
{
    if (!atomic_load_explicit(&any_load, memory_order_relaxed))
        return false;
    const struct vs_compute *compute = compute_for(stream);
    bool again = compute != NULL, placed = false;
    while (again && !placed)
        placed = allocate_step(bytes, request, compute, address, &again);
    return placed;
}
