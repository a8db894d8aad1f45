/* alloc.h: cuMemAlloc's memory, for the other doors through which it is freed. */
#ifndef SIM_ALLOC_H
#define SIM_ALLOC_H

#include "range.h"

/* Device memory of `context`, 512-byte aligned; NULL and *result where there is none. */
struct sim_range *sim_allocate(CUcontext context, size_t bytes, CUresult *result);
/* Frees such a range at once. What is queued and uses it will fault. */
void sim_deallocate(struct sim_range *range);

#endif
