/* context.h: contexts of the simulated devices. */
#ifndef SIM_CONTEXT_H
#define SIM_CONTEXT_H

#include "state.h"

/* A new inactive context in sim.contexts; NULL without memory. */
CUcontext sim_context_new(int device, bool primary);
/* Charges the device, makes the legacy stream, clears what an earlier life left. */
CUresult sim_context_activate(CUcontext context);
/* Waits for its work, frees its streams, modules and memory. */
void sim_context_deactivate(CUcontext context);

/* Each frees what a context owns; in alloc.c, host.c and module.c. */
void sim_allocations_of_context_free(CUcontext context);
void sim_host_memory_of_context_free(CUcontext context);
void sim_modules_of_context_unload(CUcontext context);

#endif
