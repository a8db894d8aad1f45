/* work.c: see work.h. */
#include "work.h"
#include "api.h"

void sim_work_of(const struct sim_op *op, struct sim_work *work)
{
    work->flops = 0;
    work->leg_count = 0;
    if (op->class->measure != NULL)
        op->class->measure(op, work);
}

const char *sim_link_name(enum sim_link link)
{
    static const char *const names[] = {[SIM_LINK_MEMORY] = "memory",
        [SIM_LINK_HOST] = "host",
        [SIM_LINK_PINNED] = "pinned",
        [SIM_LINK_PAGEABLE] = "pageable",
        [SIM_LINK_PEER] = "peer",
        [SIM_LINK_STAGED] = "staged"};
    return names[link];
}

static void add(struct sim_work *work, int from, int to, enum sim_link link, uint64_t bytes)
{
    size_t i = 0;

    while (i < work->leg_count && (work->legs[i].from != from || work->legs[i].to != to || work->legs[i].link != link))
        i++;
    if (i == work->leg_count && i < SIM_LEG_COUNT)
        work->legs[work->leg_count++] = (struct sim_leg){from, to, link, 0};
    if (i == SIM_LEG_COUNT) /* one copy over more mappings of more places than any machine here has: still all bytes */
        i--;
    work->legs[i].bytes += bytes;
}

/* Where the place's first byte lies, and how many of the next `bytes` lie there too. */
static const struct sim_range *piece_at(struct sim_place place, size_t *bytes)
{
    const struct sim_range *range = place.address != 0 ? sim_range_find(place.address) : NULL;

    if (range != NULL && range->start + range->bytes - place.address < *bytes)
        *bytes = range->start + range->bytes - place.address;
    return range;
}

static int location_of(const struct sim_range *range)
{
    return range != NULL ? range->location : SIM_HOST;
}

static bool reaches(CUcontext context, const struct sim_range *range, bool write)
{
    return range == NULL || sim_reaches(context, range, write);
}

/* Peer access needs to be enabled for a direct copy (CUDA programming guide, "Peer-to-Peer Memory Copy"). */
static enum sim_link link_between(
    CUcontext context, const struct sim_range *from, const struct sim_range *to, bool pageable)
{
    bool from_host = location_of(from) == SIM_HOST, to_host = location_of(to) == SIM_HOST;

    if (from_host && to_host)
        return SIM_LINK_HOST;
    if (from_host || to_host)
        return pageable ? SIM_LINK_PAGEABLE : SIM_LINK_PINNED;
    if (from->location == to->location)
        return SIM_LINK_MEMORY;
    return reaches(context, from, false) && reaches(context, to, true) ? SIM_LINK_PEER : SIM_LINK_STAGED;
}

static void advance(struct sim_place *place, size_t bytes)
{
    if (place->address != 0)
        place->address += bytes;
    else
        place->pointer += bytes;
}

void sim_work_copies(const struct sim_op *op, struct sim_work *work, struct sim_place to, struct sim_place from,
    size_t bytes, bool pageable)
{
    while (bytes > 0) {
        size_t piece = bytes;
        const struct sim_range *target = piece_at(to, &piece), *source = piece_at(from, &piece);
        add(work, location_of(source), location_of(target), link_between(op->context, source, target, pageable), piece);
        advance(&to, piece);
        advance(&from, piece);
        bytes -= piece;
    }
}

static void touches(const struct sim_op *op, struct sim_work *work, CUdeviceptr address, size_t bytes, bool write)
{
    int device = op->context->device;

    while (bytes > 0) {
        size_t piece = bytes;
        const struct sim_range *range = piece_at((struct sim_place){.address = address}, &piece);
        int location = location_of(range);
        enum sim_link link = location == device     ? SIM_LINK_MEMORY
                             : location == SIM_HOST ? SIM_LINK_PINNED
                                                    : SIM_LINK_PEER;
        add(work, write ? device : location, write ? location : device, link, piece);
        address += piece;
        bytes -= piece;
    }
}

void sim_work_reads(const struct sim_op *op, struct sim_work *work, CUdeviceptr address, size_t bytes)
{
    touches(op, work, address, bytes, false);
}

void sim_work_writes(const struct sim_op *op, struct sim_work *work, CUdeviceptr address, size_t bytes)
{
    touches(op, work, address, bytes, true);
}
