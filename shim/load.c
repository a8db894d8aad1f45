/* load.c: see load.h. The missing tensors are counted by size when the load begins; the first plan puts them into the
 * order of execution and leaves out what the program does not load. */
#include "load.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Without memory an element is left out of its table instead of ending the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "../policy/text/file.h"
#include "devices.h"
#include "driver.h"
#include "log.h"
#include "stats.h"

/* PyTorch's native allocator gives a request of 10 MiB or more a segment of its own, rounded up to 2 MiB; smaller ones
 * share segments (c10/cuda/CUDACachingAllocator.cpp, get_allocation_size). */
#define SEGMENT_LEAST_BYTES ((size_t)10 << 20)
#define SEGMENT_GRANULE     ((size_t)2 << 20)
/* ... in segments of exactly these sizes, which are therefore not taken for tensors. */
#define SMALL_SEGMENT_BYTES  ((size_t)2 << 20)
#define SHARED_SEGMENT_BYTES ((size_t)20 << 20)

struct vs_missing_size {
    size_t tensor_bytes; /* the key */
    size_t count;        /* how many are missing */
    size_t next;         /* in the queue, where they are side by side */
    UT_hash_handle hh;
};

/* --- Begin and end ------------------------------------------------------------------------------------------------ */

static void free_sizes(struct vs_load_part *part)
{
    struct vs_missing_size *size = part->missing;
    HASH_CLEAR(hh, part->missing); /* the table; its elements are still chained */
    while (size) {
        struct vs_missing_size *next = size->hh.next;
        free(size);
        size = next;
    }
}

void vs_load_free(struct vs_load *load)
{
    for (size_t i = 0; i < load->part_count; i++) {
        struct vs_load_part *part = &load->parts[i];
        free_sizes(part);
        free(part->queue);
        free(part->tensors);
        vs_plan_free(&part->plan);
    }
    vs_model_file_free(load->file);
    free(load);
}

static struct vs_missing_size *size_of(struct vs_load_part *part, size_t bytes)
{
    struct vs_missing_size *size;
    HASH_FIND(hh, part->missing, &bytes, sizeof bytes, size);
    if (size)
        return size;
    size = calloc(1, sizeof *size);
    if (!size)
        return NULL;
    size->tensor_bytes = bytes;
    HASH_ADD(hh, part->missing, tensor_bytes, sizeof size->tensor_bytes, size);
    if (size->hh.tbl)
        return size;
    free(size);
    return NULL;
}

static bool count_missing(struct vs_load *load, struct vs_load_part *part)
{
    for (size_t i = 0; i < part->tensor_count; i++) {
        if (part->tensors[i].bytes == 0)
            continue; /* never allocated */
        struct vs_missing_size *size = size_of(part, part->tensors[i].bytes);
        if (!size)
            return false;
        size->count++;
        load->missing_count++;
    }
    return true;
}

static bool begin_part(struct vs_load *load, const struct vs_named_part *named)
{
    struct vs_load_part *part = &load->parts[load->part_count++];
    struct vs_diags diags = {0};
    *part = (struct vs_load_part){.named = *named, .tensor_count = named->tensors->count};
    part->tensors = vs_named_part_tensors(named, &part->total_bytes, &diags);
    vs_log_diagnostics(&diags);
    vs_diags_free(&diags);
    part->queue = calloc(part->tensor_count, sizeof *part->queue);
    return part->tensors && part->queue && count_missing(load, part);
}

void vs_load_choose_computes(struct vs_load *load)
{
    if (load->has_computes)
        return;
    load->has_computes = true;
    for (size_t i = 0; i < load->part_count; i++) {
        struct vs_load_part *part = &load->parts[i];
        vs_section_wish(
            load->policy, part->named.section, part->named.part, part->total_bytes, vs_devices_first(), &part->wish);
        part->compute_ordinal = vs_devices_ordinal(part->wish.wish.compute.ordinal);
    }
}

struct vs_load *vs_load_create(const struct vs_policy *policy, struct vs_model_file *file)
{
    struct vs_named_part parts[VS_PART_COUNT];
    size_t count = vs_named_parts(policy, file->path, &file->model, parts);
    if (count == 0)
        vs_stats_model_unmatched(file->path);
    struct vs_load *load = calloc(1, sizeof *load);
    if (!load) {
        vs_model_file_free(file);
        return NULL;
    }
    load->file = file;
    load->policy = policy;
    for (size_t i = 0; i < count; i++)
        if (!begin_part(load, &parts[i]))
            goto fail;
    if (load->missing_count > 0)
        return load;
fail:
    vs_load_free(load);
    return NULL;
}

void vs_load_finish(struct vs_load *load)
{
    bool of_many = load->file->model.file.tensor_count != load->parts[0].named.tensors->count;
    struct vs_text text = {0};
    for (size_t i = 0; i < load->part_count; i++) {
        const struct vs_load_part *part = &load->parts[i];
        const struct vs_summary summary = {.model_name = vs_base_name(load->file->path),
            .part = of_many ? vs_part_name(part->named.part) : NULL,
            .tensor_count = part->tensor_count,
            .total_bytes = part->total_bytes,
            .devices = part->account,
            .device_count = part->account_count};
        vs_summary_render(&summary, &text);
    }
    if (text.data)
        vs_log_text(VS_LOG_INFO, text.data);
    vs_text_free(&text);
    vs_load_free(load);
}

/* --- Plans -------------------------------------------------------------------------------------------------------- */

static struct vs_summary_device *account_of(struct vs_load_part *part, struct vs_device_id id)
{
    for (size_t i = 0; i < part->account_count; i++)
        if (vs_device_equal(part->account[i].device, id))
            return &part->account[i];
    /* A later plan adds none but cpu, for which every plan has room. */
    part->account[part->account_count] = (struct vs_summary_device){.device = id};
    return &part->account[part->account_count++];
}

/* Each size gets its stretch of the queue, filled in the order of execution. */
static void fill_queue(struct vs_load *load, struct vs_load_part *part, const struct vs_plan *plan)
{
    size_t begin = 0;
    for (struct vs_missing_size *size = part->missing; size; size = size->hh.next) {
        size->next = begin;
        begin += size->count;
        load->missing_count -= size->count;
        size->count = 0;
    }
    part->tensor_count = 0;
    part->total_bytes = plan->total_bytes;
    for (size_t k = 0; k < plan->tensor_count; k++) {
        uint32_t i = plan->execution[k];
        struct vs_missing_size *size;
        size_t bytes = part->tensors[i].bytes;
        if (plan->places[i].reason == VS_REASON_UNUSED)
            continue;
        part->tensor_count++;
        HASH_FIND(hh, part->missing, &bytes, sizeof bytes, size);
        if (!size)
            continue; /* without bytes */
        part->queue[size->next + size->count++] = (uint32_t)k;
        load->missing_count++;
    }
}

void vs_load_install(struct vs_load *load, struct vs_load_part *part, struct vs_plan *plan)
{
    bool first = part->account_count == 0;
    if (first)
        fill_queue(load, part, plan);
    for (size_t d = 0; d < plan->device_count; d++) {
        struct vs_summary_device *account = account_of(part, plan->devices[d].id);
        account->dropped |= plan->devices[d].dropped;
        if (first)
            account->planned_bytes = plan->devices[d].placed_bytes;
    }
    vs_plan_free(&part->plan);
    part->plan = *plan;
    *plan = (struct vs_plan){0};
    part->planned = true;
}

/* --- Taking ------------------------------------------------------------------------------------------------------- */

static size_t segment_for(size_t tensor_bytes)
{
    if (tensor_bytes < SEGMENT_LEAST_BYTES)
        return tensor_bytes;
    return (tensor_bytes + SEGMENT_GRANULE - 1) / SEGMENT_GRANULE * SEGMENT_GRANULE;
}

/* The size of a missing tensor that an allocation of `bytes` may be for, or NULL. Of several that get the same segment,
 * the one whose tensor is next in the order of execution (before there is a plan, any). */
static struct vs_missing_size *find_missing(struct vs_load_part *part, size_t bytes, enum vs_request request)
{
    struct vs_missing_size *size;
    if (request == VS_REQUEST_SEGMENT && (bytes == SMALL_SEGMENT_BYTES || bytes == SHARED_SEGMENT_BYTES))
        return NULL;
    HASH_FIND(hh, part->missing, &bytes, sizeof bytes, size);
    if (size && size->count > 0)
        return size;
    if (request != VS_REQUEST_SEGMENT)
        return NULL;
    struct vs_missing_size *first = NULL;
    for (size = part->missing; size; size = size->hh.next)
        if (size->count > 0 && segment_for(size->tensor_bytes) == bytes &&
            (!first || part->queue[size->next] < part->queue[first->next]))
            first = size;
    return first;
}

/* A plan names such a device only where nobody else may have its share. */
static bool is_full(const struct vs_load_part *part, struct vs_device_id id)
{
    for (size_t i = 0; i < part->failed_count; i++)
        if (part->failed[i].full && vs_device_equal(part->failed[i].id, id))
            return true;
    return false;
}

enum vs_take vs_load_take(struct vs_load *load, size_t bytes, enum vs_request request, const struct vs_compute *compute,
    struct vs_taken *taken)
{
    for (size_t i = 0; i < load->part_count; i++) {
        struct vs_load_part *part = &load->parts[i];
        struct vs_missing_size *size =
            part->compute_ordinal == compute->ordinal ? find_missing(part, bytes, request) : NULL;
        if (!size)
            continue;
        *taken = (struct vs_taken){.load = load, .part = part, .size = size};
        if (!part->planned)
            return VS_TAKE_UNPLANNED;
        taken->turn = part->queue[size->next++];
        taken->tensor = part->plan.execution[taken->turn];
        taken->device = part->plan.devices[part->plan.places[taken->tensor].device].id;
        if (is_full(part, taken->device))
            taken->device = part->wish.wish.compute;
        taken->home = vs_real_home(taken->device, compute);
        size->count--;
        load->missing_count--;
        return VS_TAKE_DONE;
    }
    return VS_TAKE_NONE;
}

void vs_load_placed(const struct vs_taken *taken)
{
    struct vs_summary_device *account = account_of(taken->part, taken->device);
    account->placed_count++;
    account->placed_bytes += taken->part->tensors[taken->tensor].bytes;
}

void vs_load_exclude(struct vs_load_part *part, struct vs_device_id id, const char *why, bool full)
{
    for (size_t i = 0; i < part->failed_count; i++)
        if (vs_device_equal(part->failed[i].id, id))
            return; /* of two threads that found it out, the second one */
    part->failed[part->failed_count++] = (struct vs_failed_device){id, why, full};
    part->planned = false;
    part->edition++;
}

bool vs_load_failed(const struct vs_taken *taken, CUresult result)
{
    struct vs_load_part *part = taken->part;
    if (taken->home.kind == VS_HOME_LOCAL)
        return false;
    part->queue[--taken->size->next] = taken->turn;
    taken->size->count++;
    taken->load->missing_count++;
    vs_load_exclude(part, taken->device, vs_driver_error(result), result == CUDA_ERROR_OUT_OF_MEMORY);
    return true;
}
