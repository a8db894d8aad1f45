/* view.h: one stretch of device memory as a flat array, for the length of a call. */
#ifndef SIM_VIEW_H
#define SIM_VIEW_H

#include "kernel.h"

struct sim_view {
    struct sim_view *next;
    CUdeviceptr address;
    size_t bytes;
    bool reads, writes;
    bool lost;                     /* what a kernel writes there does not arrive, in part at least */
    const struct sim_shape *shape; /* NULL: all bytes; owned */
    char *flat;                    /* the memory's alias, or `gathered` */
    char *gathered;                /* NULL where the alias is in one piece and is what a kernel loads */
};

/* Writes gathered outputs back, and frees the view. `known`: what is known of the outputs from now on. */
void sim_view_close(const struct sim_call *call, struct sim_view *view, bool known);

#endif
