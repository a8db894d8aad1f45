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
#include "arena.h"
#include "devices.h"
#include "driver.h"
#include "host_ahead.h"
#include "log.h"
#include "stats.h"
#include "wanted_sizes.h"

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

static size_t segment_for(size_t tensor_bytes);

/* So many tensors of that size are missing from here on. */
static void set_missing(struct vs_load *load, struct vs_missing_size *size, size_t count)
{
    size_t tensor = size->tensor_bytes, segment = segment_for(tensor);
    bool was = size->count > 0, is = count > 0;
    load->missing_count += count - size->count;
    size->count = count;
    void (*note)(size_t) = is ? vs_wanted_sizes_add : vs_wanted_sizes_remove;
    if (was != is)
        note(tensor);
    if (was != is && segment != tensor)
        note(segment);
}

static void free_sizes(struct vs_load *load, struct vs_load_part *part)
{
    struct vs_missing_size *size = part->missing;
    HASH_CLEAR(hh, part->missing); /* the table; its elements are still chained */
    while (size) {
        struct vs_missing_size *next = size->hh.next;
        set_missing(load, size, 0);
        free(size);
        size = next;
    }
}

void vs_load_free(struct vs_load *load)
{
    for (size_t i = 0; i < load->part_count; i++) {
        struct vs_load_part *part = &load->parts[i];
        free_sizes(load, part);
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
        set_missing(load, size, size->count + 1);
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
        vs_host_ahead_drop(part);
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
    /* A later plan adds none but cpu, for which every plan has room; a full compute device adds donors. */
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
        set_missing(load, size, 0);
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
        part->queue[size->next + size->count] = (uint32_t)k;
        set_missing(load, size, size->count + 1);
    }
}

/* --- What is wanted where ----------------------------------------------------------------------------------------- */

static size_t segment_for(size_t tensor_bytes)
{
    if (tensor_bytes < SEGMENT_LEAST_BYTES)
        return tensor_bytes;
    return (tensor_bytes + SEGMENT_GRANULE - 1) / SEGMENT_GRANULE * SEGMENT_GRANULE;
}

static bool is_shared_segment(size_t bytes)
{
    return bytes == SMALL_SEGMENT_BYTES || bytes == SHARED_SEGMENT_BYTES;
}

/* What a tensor of so many bytes adds. */
static struct vs_wanted wanted_for(size_t bytes)
{
    struct vs_wanted wanted = {0};
    size_t segment = segment_for(bytes);
    enum vs_span_sort sort = vs_span_sort_of(bytes);
    if (bytes < VS_ARENA_LEAST_BYTES)
        return wanted;
    if (sort == VS_SPAN_PACKED)
        wanted.packed_bytes = vs_span_extent_of(sort, bytes);
    if (sort == VS_SPAN_WHOLE)
        wanted.whole_bytes = vs_span_extent_of(sort, bytes);
    if (bytes >= SEGMENT_LEAST_BYTES && !is_shared_segment(segment) && vs_span_sort_of(segment) == VS_SPAN_WHOLE)
        wanted.segment_bytes = segment;
    return wanted;
}

static void add_wanted(struct vs_load_part *part, uint32_t tensor)
{
    struct vs_wanted wanted = wanted_for(part->tensors[tensor].bytes);
    struct vs_wanted *sum = &part->wanted[part->plan.places[tensor].device];
    sum->whole_bytes += wanted.whole_bytes;
    sum->packed_bytes += wanted.packed_bytes;
    sum->segment_bytes += wanted.segment_bytes;
}

/* Of what is missing now, by a new plan. */
static void sum_wanted(struct vs_load_part *part)
{
    memset(part->wanted, 0, sizeof part->wanted);
    for (const struct vs_missing_size *size = part->missing; size; size = size->hh.next)
        for (size_t i = 0; i < size->count; i++)
            add_wanted(part, part->plan.execution[part->queue[size->next + i]]);
}

/* The tensor is taken for an allocation of so many bytes. Returns what is wanted with it, of its sort. */
static size_t subtract_wanted(struct vs_load_part *part, uint32_t tensor, size_t bytes)
{
    struct vs_wanted wanted = wanted_for(part->tensors[tensor].bytes);
    struct vs_wanted *sum = &part->wanted[part->plan.places[tensor].device], before = *sum;
    sum->whole_bytes -= wanted.whole_bytes;
    sum->packed_bytes -= wanted.packed_bytes;
    sum->segment_bytes -= wanted.segment_bytes;
    if (bytes != part->tensors[tensor].bytes)
        return before.segment_bytes;
    return vs_span_sort_of(bytes) == VS_SPAN_PACKED ? before.packed_bytes : before.whole_bytes;
}

bool vs_load_is_missing(const struct vs_load_part *part, size_t turn)
{
    size_t bytes = part->tensors[part->plan.execution[turn]].bytes;
    struct vs_missing_size *size;
    HASH_FIND(hh, part->missing, &bytes, sizeof bytes, size);
    return size && size->count > 0 && turn >= part->queue[size->next];
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
    sum_wanted(part);
}

/* --- Taking ------------------------------------------------------------------------------------------------------- */

/* The size of a missing tensor that an allocation of `bytes` may be for, or NULL. Of several that get the same segment,
 * the one whose tensor is next in the order of execution (before there is a plan, any). */
static struct vs_missing_size *find_missing(struct vs_load_part *part, size_t bytes, enum vs_request request)
{
    struct vs_missing_size *size;
    if (request == VS_REQUEST_SEGMENT && is_shared_segment(bytes))
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
static bool has_failed_for_now(const struct vs_load_part *part, struct vs_device_id id)
{
    const struct vs_failed_device *failed = vs_failed_find(&part->failed, id);
    return failed && failed->failure != VS_FAILURE_LASTING;
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
        taken->expected_bytes = subtract_wanted(part, taken->tensor, bytes);
        if (has_failed_for_now(part, taken->device)) {
            taken->device = part->wish.wish.compute;
            taken->expected_bytes = bytes;
        }
        taken->home = vs_real_home(taken->device, compute);
        set_missing(load, size, size->count - 1);
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

void vs_load_exclude(struct vs_load_part *part, struct vs_failed_device device)
{
    if (!vs_failed_add(&part->failed, device))
        return; /* of two threads that found it out, the second one */
    part->planned = false;
    part->edition++;
}

bool vs_load_donor(
    const struct vs_taken *taken, const struct vs_compute *compute, size_t turn, struct vs_device_id *device)
{
    const struct vs_load_part *part = taken->part;
    const struct vs_policy *policy = taken->load->policy;
    size_t count = part->plan.device_count + policy->donor_count;
    for (size_t i = 0; i < count; i++) {
        bool planned = i < part->plan.device_count;
        *device = planned ? part->plan.devices[i].id : policy->donors[i - part->plan.device_count].device;
        if (vs_real_home(*device, compute).kind != VS_HOME_LOCAL && !vs_failed_find(&part->failed, *device) &&
            turn-- == 0)
            return true;
    }
    return false;
}

bool vs_load_failed(const struct vs_taken *taken, CUresult result)
{
    struct vs_load_part *part = taken->part;
    if (taken->home.kind == VS_HOME_LOCAL)
        return false;
    part->queue[--taken->size->next] = taken->turn;
    set_missing(taken->load, taken->size, taken->size->count + 1);
    vs_load_exclude(part, (struct vs_failed_device){taken->device, vs_driver_error(result), vs_failure_of(result)});
    return true;
}
