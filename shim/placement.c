/* placement.c: see placement.h. Loads in a list, newest first; usually there is one.
 *
 * The list holds a reference to each of its loads, and so does each allocation that is being made for one. Who gives
 * the last one back tells what the load placed, and frees it.
 */
#include "placement.h"

#include <stdatomic.h>

#include "activate.h"
#include "arena.h"
#include "backing.h"
#include "compute.h"
#include "devices.h"
#include "driver.h"
#include "host_memory.h"
#include "locks.h"
#include "log.h"
#include "neighbours.h"
#include "reclaim.h"
#include "stats.h"
#include "usage.h"

/* Compute devices of the open loads: one, unless sections of the policy name more. */
#define MOST_COMPUTES 16

pthread_mutex_t vs_placement_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vs_load *loads;
static atomic_bool any_load;

/* --- Begin and end ------------------------------------------------------------------------------------------------ */

static bool same_file(const struct vs_model_file *a, const struct vs_model_file *b)
{
    return a->identity.st_dev == b->identity.st_dev && a->identity.st_ino == b->identity.st_ino &&
           a->identity.st_size == b->identity.st_size && a->identity.st_mtim.tv_sec == b->identity.st_mtim.tv_sec &&
           a->identity.st_mtim.tv_nsec == b->identity.st_mtim.tv_nsec;
}

void vs_placement_begin(struct vs_model_file *file)
{
    const struct vs_policy *policy = vs_policy_in_force();
    if (!policy) {
        vs_model_file_free(file);
        return;
    }
    struct vs_load *load = vs_load_create(policy, file);
    if (!load)
        return;
    vs_log(VS_LOG_DEBUG, "placement", "%s is opened: %zu tensors", load->file->path, load->missing_count);

    pthread_mutex_lock(&vs_placement_lock);
    struct vs_load *same = loads;
    while (same && !same_file(same->file, load->file))
        same = same->next;
    if (!same) {
        load->references = 1;
        load->open = true;
        load->next = loads;
        loads = load;
        atomic_store(&any_load, true);
    }
    pthread_mutex_unlock(&vs_placement_lock);
    if (same) { /* loaders open a file more than once */
        vs_load_free(load);
        return;
    }
    vs_stats_model_opened(); /* the load is others' by now, too */
}

/* With vs_placement_lock held. Takes an open load out of the list; its reference is the caller's then. */
static void unlink_load(struct vs_load *load)
{
    struct vs_load **link = &loads;
    while (*link != load)
        link = &(*link)->next;
    *link = load->next;
    load->open = false;
    atomic_store(&any_load, loads != NULL);
}

/* Gives a reference back. A load that misses nothing any more ends with the last allocation that was made for it.
 * Returns whether it has ended, which was told then. */
static bool give_reference_back(struct vs_load *load)
{
    pthread_mutex_lock(&vs_placement_lock);
    load->references--;
    if (load->open && load->missing_count == 0 && load->references == 1) {
        unlink_load(load);
        load->references--;
    }
    bool last = load->references == 0;
    pthread_mutex_unlock(&vs_placement_lock);
    if (last) {
        vs_load_finish(load);
        vs_arena_tell();
    }
    return last;
}

static void release(struct vs_load *load)
{
    if (!give_reference_back(load))
        return;
    vs_usage_tell();
    vs_neighbours_tell();
}

bool vs_placement_is_open(void)
{
    return atomic_load_explicit(&any_load, memory_order_relaxed);
}

/* Takes the newest open load out of the list; NULL: there is none. */
static struct vs_load *close_load(void)
{
    pthread_mutex_lock(&vs_placement_lock);
    struct vs_load *load = loads;
    if (load)
        unlink_load(load);
    pthread_mutex_unlock(&vs_placement_lock);
    return load;
}

void vs_placement_end_loads(void)
{
    struct vs_load *load;
    while (vs_placement_is_open() && (load = close_load()))
        release(load);
}

void vs_placement_end_run(void)
{
    struct vs_load *load;
    while ((load = close_load()))
        give_reference_back(load);
}

/* --- Placing ------------------------------------------------------------------------------------------------------ */

/* Takes from the newest load that misses such a tensor, and holds a reference to it then. A load may have been opened
 * since the allocation began, while another one was planned. */
static enum vs_take take(
    size_t bytes, enum vs_request request, const struct vs_compute *compute, struct vs_taken *taken)
{
    enum vs_take answer = VS_TAKE_NONE;
    pthread_mutex_lock(&vs_placement_lock);
    for (struct vs_load *load = loads; load && answer == VS_TAKE_NONE; load = load->next) {
        vs_load_choose_computes(load);
        answer = vs_load_take(load, bytes, request, compute, taken);
    }
    if (answer != VS_TAKE_NONE)
        taken->load->references++;
    pthread_mutex_unlock(&vs_placement_lock);
    return answer;
}

/* An allocation that is to be placed. */
struct order {
    size_t bytes;
    enum vs_request request;
    const struct vs_compute *compute;
    struct vs_stream_order stream;
};

static CUresult allocate_at(const struct order *order, struct vs_home home, size_t expected_bytes, CUdeviceptr *address)
{
    const struct vs_arena_request request = {
        .compute = order->compute,
        .home = home,
        .bytes = order->bytes,
        .expected_bytes = expected_bytes,
        .order = order->stream,
    };
    return vs_arena_allocate(&request, address);
}

/* The compute device has no room. What it could have is made free; else a donor may have it. */
static CUresult allocate_in_need(const struct order *order, struct vs_taken *taken, CUdeviceptr *address)
{
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    if (vs_reclaim(order->compute))
        result = allocate_at(order, taken->home, order->bytes, address);
    for (size_t turn = 0; result != CUDA_SUCCESS; turn++) {
        struct vs_device_id donor;
        pthread_mutex_lock(&vs_placement_lock);
        bool any = vs_load_donor(taken, order->compute, turn, &donor);
        pthread_mutex_unlock(&vs_placement_lock);
        if (!any)
            return result;
        struct vs_home home = vs_real_home(donor, order->compute);
        if (!vs_backing_for(order->compute, home, NULL))
            continue;
        result = allocate_at(order, home, order->bytes, address);
        if (result != CUDA_SUCCESS)
            continue;
        taken->device = donor;
        taken->home = home;
        vs_log(VS_LOG_DEBUG, "placement", "%s has no room for %.1f MB: they go to %s",
            vs_device_format(taken->part->wish.wish.compute).text, (double)order->bytes / (1 << 20),
            vs_device_format(donor).text);
    }
    return result;
}

/* Returns whether it was placed; *again tells whether another home is to be tried. */
static bool allocate_taken(const struct order *order, struct vs_taken *taken, CUdeviceptr *address, bool *again)
{
    bool small = order->bytes < VS_ARENA_LEAST_BYTES;
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    if (small)
        taken->device = taken->part->wish.wish.compute; /* the real allocator has it */
    else
        result = allocate_at(order, taken->home, taken->expected_bytes, address);
    if (!small && result == CUDA_ERROR_OUT_OF_MEMORY && taken->home.kind == VS_HOME_LOCAL)
        result = allocate_in_need(order, taken, address);
    pthread_mutex_lock(&vs_placement_lock);
    if (small || result == CUDA_SUCCESS)
        vs_load_placed(taken);
    else
        *again = vs_load_failed(taken, result) && taken->load->open;
    pthread_mutex_unlock(&vs_placement_lock);
    if (result == CUDA_SUCCESS)
        vs_stats_placed(taken->home, order->bytes);
    else if (!small)
        vs_stats_refused();
    if (result == CUDA_ERROR_OUT_OF_MEMORY && taken->home.kind == VS_HOME_HOST)
        vs_host_memory_tell_full(order->bytes);
    return result == CUDA_SUCCESS;
}

static bool allocate_step(const struct order *order, CUdeviceptr *address, bool *again)
{
    struct vs_taken taken;
    bool placed = false;
    *again = false;
    switch (take(order->bytes, order->request, order->compute, &taken)) {
    case VS_TAKE_NONE:
        return false;
    case VS_TAKE_UNPLANNED:
        *again = vs_load_plan(taken.load, taken.part, order->compute);
        break;
    case VS_TAKE_DONE:
        placed = allocate_taken(order, &taken, address, again);
        break;
    }
    release(taken.load);
    return placed;
}

/* The devices that open loads compute on, as the driver and as the user count them. */
struct computes {
    int ordinals[MOST_COMPUTES];
    struct vs_device_id ids[MOST_COMPUTES];
    const struct vs_policy_section *sections[MOST_COMPUTES]; /* that name them first */
    size_t count;
};

static void list_computes(struct computes *computes)
{
    computes->count = 0;
    pthread_mutex_lock(&vs_placement_lock);
    for (struct vs_load *load = loads; load; load = load->next) {
        vs_load_choose_computes(load);
        for (size_t i = 0; i < load->part_count; i++) {
            size_t known = 0;
            while (known < computes->count && computes->ordinals[known] != load->parts[i].compute_ordinal)
                known++;
            if (known < computes->count || known == MOST_COMPUTES)
                continue;
            computes->ordinals[known] = load->parts[i].compute_ordinal;
            computes->ids[known] = load->parts[i].wish.wish.compute;
            computes->sections[known] = load->parts[i].named.section;
            computes->count++;
        }
    }
    pthread_mutex_unlock(&vs_placement_lock);
}

static void refuse_compute(const struct vs_policy *policy, const struct vs_policy_section *section,
    struct vs_device_id compute, int device_count)
{
    bool by_string = section->sharing == VS_SHARING_DISTORCH && section->distorch.has_compute &&
                     vs_device_equal(section->distorch.compute, compute);
    const char *remedy = by_string             ? "correct what stands behind the `#` in "
                         : policy->has_compute ? "correct `compute:` in "
                                               : "name another one by `compute:` in ";
    vs_give_up("the compute device %s is not there: CUDA shows the program %d device%s; %s%s",
        vs_device_format(compute).text, device_count, device_count == 1 ? "" : "s", remedy,
        by_string ? section->file : policy->name);
}

/* The compute device that the allocation is meant for, or NULL: none that the policy speaks of. Where there is no such
 * device, the policy cannot be honoured. */
static const struct vs_compute *compute_for(CUstream stream)
{
    const struct vs_driver *driver = vs_driver();
    const struct vs_policy *policy = vs_policy_in_force();
    struct computes computes;
    int device_count;
    if (!driver || !policy)
        return NULL;
    list_computes(&computes);
    bool counted = driver->cuDeviceGetCount(&device_count) == CUDA_SUCCESS;
    for (size_t i = 0; i < computes.count; i++) {
        if (counted && computes.ordinals[i] >= device_count) {
            refuse_compute(policy, computes.sections[i], computes.ids[i], device_count);
            return NULL;
        }
        const struct vs_compute *compute = vs_compute_with_stream(computes.ordinals[i], stream);
        if (compute)
            return compute;
    }
    return NULL;
}

bool vs_placement_allocate(size_t bytes, enum vs_request request, CUstream stream, CUdeviceptr *address)
{
    if (!atomic_load_explicit(&any_load, memory_order_relaxed))
        return false;
    struct order order = {.bytes = bytes, .request = request, .compute = compute_for(stream)};
    bool again = order.compute != NULL, placed = false;
    if (again && request == VS_REQUEST_TENSOR)
        order.stream = vs_stream_order_of(stream);
    while (again && !placed)
        placed = allocate_step(&order, address, &again);
    return placed;
}
