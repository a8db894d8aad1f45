/* internals_entry.h: the way in for the entries of ../internals.h, which are not in driver_api.def, and those that have
 * a file of their own. */
#ifndef SIM_INTERNALS_ENTRY_H
#define SIM_INTERNALS_ENTRY_H

#include "../internals.h"

/* Takes the lock where there is a current, live context without a sticky error; else the error, and no lock. */
CUresult sim_enter_internals(void);
CUresult sim_launch_library_kernel(CUstream stream, const struct simcuda_kernel *kernel);

#endif
