/* ipc.h: handles for other processes. */
#ifndef SIM_IPC_H
#define SIM_IPC_H

#include "state.h"

/* Fills the handle of an event. */
void sim_ipc_write_event(CUipcEventHandle *handle, uint64_t id);

#endif
