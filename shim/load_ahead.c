/* load_ahead.c: see load_ahead.h. */
#include "load_ahead.h"

#include "backing.h"
#include "host_ahead.h"
#include "spans.h"

static void add(struct vs_load_ahead *ahead, size_t bytes, size_t count)
{
    size_t i = 0;
    if (bytes == 0 || count == 0)
        return;
    while (i < ahead->size_count && ahead->pieces[i].bytes != bytes)
        i++;
    if (i == VS_LOAD_AHEAD_SIZES)
        return; /* the loader makes those itself */
    if (i == ahead->size_count) {
        ahead->pieces[i].bytes = bytes;
        ahead->pieces[i].count = 0;
        ahead->size_count++;
    }
    ahead->pieces[i].count += count;
}

/* What shares pieces comes in pieces of one size, and the rest in one. */
static void add_shared(struct vs_load_ahead *ahead, size_t bytes)
{
    add(ahead, VS_SHARED_BYTES, bytes / VS_SHARED_BYTES);
    add(ahead, vs_span_extent_of(VS_SPAN_WHOLE, bytes % VS_SHARED_BYTES), 1);
}

void vs_load_ahead_list(const struct vs_load_part *part, struct vs_load_ahead *ahead)
{
    const struct vs_plan *plan = &part->plan;
    size_t host = 0;
    ahead->size_count = 0;
    while (host < plan->device_count && plan->devices[host].id.family != VS_DEVICE_CPU)
        host++;
    if (host == plan->device_count || vs_failed_find(&part->failed, plan->devices[host].id))
        return;
    add_shared(ahead, part->wanted[host].whole_bytes);
    add_shared(ahead, part->wanted[host].packed_bytes);
    for (size_t turn = 0; turn < plan->tensor_count; turn++) {
        uint32_t tensor = plan->execution[turn];
        size_t bytes = part->tensors[tensor].bytes;
        if (plan->places[tensor].device == host && vs_span_sort_of(bytes) == VS_SPAN_OWN &&
            vs_load_is_missing(part, turn))
            add(ahead, vs_span_extent_of(VS_SPAN_OWN, bytes), 1);
    }
}

/* By a backing whose memory can be made before it is known where it is mapped. */
void vs_load_ahead_want(
    const struct vs_load_part *part, const struct vs_compute *compute, const struct vs_load_ahead *ahead)
{
    const struct vs_home home = {VS_HOME_HOST, 0};
    const struct vs_backing *backing = ahead->size_count > 0 ? vs_backing_for(compute, home, NULL) : NULL;
    vs_host_ahead_drop(part);
    for (size_t i = 0; backing && backing->range == VS_RANGE_ARENA && i < ahead->size_count; i++)
        vs_host_ahead_want(part, backing, compute, ahead->pieces[i].bytes, ahead->pieces[i].count);
}
