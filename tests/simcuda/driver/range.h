/* range.h: what lives at which address.
 *
 * A range is a stretch of addresses behind which there is one contiguous piece of memory: an allocation, a pool block,
 * pinned or registered host memory, or one mapping of a handle. All look-ups of addresses end here. */
#ifndef SIM_RANGE_H
#define SIM_RANGE_H

#include "physical.h"

enum sim_range_kind {
    SIM_ALLOCATION, /* cuMemAlloc */
    SIM_POOL_BLOCK, /* cuMemAllocAsync */
    SIM_PINNED,     /* cuMemHostAlloc */
    SIM_REGISTERED, /* cuMemHostRegister: the program's own memory */
    SIM_MAPPING     /* cuMemMap */
};

/* Bits of an access mask: one per device, and one for the CPU. */
#define SIM_ACCESS_CPU ((uint32_t)1 << 31)

struct sim_range {
    CUdeviceptr start;
    size_t bytes;
    enum sim_range_kind kind;
    int location;      /* of the bytes: a device ordinal or SIM_HOST */
    char *alias;       /* where the simulator sees the first byte */
    CUcontext context; /* that allocated; NULL for pool blocks and mappings, which belong to no context */
    uint64_t buffer_id;
    struct sim_block block; /* physical memory that this range owns; bytes 0 where another object owns it */
    size_t charged_bytes;   /* SIM_REGISTERED: what the host was charged */
    unsigned host_flags;    /* SIM_PINNED, SIM_REGISTERED */
    void *owner;            /* slab, pool chunk or handle, by kind */
    bool pending;           /* not allocated yet, or freed, in the order of the streams */
    struct sim_graph_memory *graph_memory; /* SIM_ALLOCATION: a graph owns it, or NULL */
    unsigned begin_slot;                   /* SIM_POOL_BLOCK: the operation that allocated it (ordering.h) */
    uint64_t begin_sequence;
    bool freeing;                /* a stream-ordered free is queued */
    bool of_module;              /* SIM_ALLOCATION: a variable, which ends with its module only */
    uint32_t readable, writable; /* SIM_MAPPING, SIM_POOL_BLOCK: access masks */
};

/* A new zeroed range in the table, which keeps it until sim_range_remove. NULL without memory. */
struct sim_range *sim_range_add(CUdeviceptr start, size_t bytes, enum sim_range_kind kind);
/* Takes it out and frees it. Owned memory and addresses are the caller's business. */
void sim_range_remove(struct sim_range *range);
/* The range that contains `address`, or NULL. */
struct sim_range *sim_range_find(CUdeviceptr address);
/* The first range that ends behind `address`, or NULL; and the one after a given range. */
struct sim_range *sim_range_from(CUdeviceptr address);
struct sim_range *sim_range_after(const struct sim_range *range);
size_t sim_range_count(void);
/* Whether [address, address + bytes) is live: in one range, or in adjacent mappings. */
bool sim_range_covers(CUdeviceptr address, size_t bytes);

/* Bytes from the first to the last byte of `depth` slices of `height` rows of `width` bytes, each at least 1; false
 * where size_t does not hold them. */
static inline bool sim_extent(
    size_t width, size_t height, size_t pitch, size_t depth, size_t slice_pitch, size_t *bytes)
{
    size_t rows, slices;
    return !__builtin_mul_overflow(height - 1, pitch, &rows) &&
           !__builtin_mul_overflow(depth - 1, slice_pitch, &slices) && !__builtin_add_overflow(rows, slices, bytes) &&
           !__builtin_add_overflow(*bytes, width, bytes);
}

static inline bool sim_range_is_host(const struct sim_range *range)
{
    return range->location == SIM_HOST;
}

#endif
