/* work.h: what an operation asks of a machine: bytes over which link, and floating-point operations.
 *
 * Told when the operation is at the head of its stream (where its addresses lie may change before). The trace writes
 * it; a clock can take its time from it. */
#ifndef SIM_WORK_H
#define SIM_WORK_H

#include "access.h"
#include "schedule.h"

/* Copies between two locations take one of these. */
enum sim_link {
    SIM_LINK_MEMORY,   /* inside one device's memory */
    SIM_LINK_HOST,     /* from host to host, by the CPU */
    SIM_LINK_PINNED,   /* between a device and host memory that CUDA knows */
    SIM_LINK_PAGEABLE, /* between a device and other host memory */
    SIM_LINK_PEER,     /* between two devices, directly */
    SIM_LINK_STAGED    /* between two devices without access to each other: through the host */
};

struct sim_leg {
    int from, to; /* locations */
    enum sim_link link;
    uint64_t bytes;
};

/* One leg per pair of locations and link: of all that an operation of one device can read and write. */
#define SIM_LEG_COUNT (2 * (VS_MACHINE_DEVICES_MAX + 1))

struct sim_work {
    uint64_t flops; /* a multiplication and an addition are two */
    size_t leg_count;
    struct sim_leg legs[SIM_LEG_COUNT];
};

/* By the operation's class; nothing where the class has no measure. */
void sim_work_of(const struct sim_op *op, struct sim_work *work);
const char *sim_link_name(enum sim_link link);

/* --- for measures ------------------------------------------------------------------------------------------------- */
/* `bytes` are copied from place to place; what lies behind several mappings becomes several legs. */
void sim_work_copies(const struct sim_op *op, struct sim_work *work, struct sim_place to, struct sim_place from,
    size_t bytes, bool pageable);
/* The operation's device reads, or writes, `bytes` at the address. */
void sim_work_reads(const struct sim_op *op, struct sim_work *work, CUdeviceptr address, size_t bytes);
void sim_work_writes(const struct sim_op *op, struct sim_work *work, CUdeviceptr address, size_t bytes);

#endif
