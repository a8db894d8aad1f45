/* api.h: the calls of the driver, from driver_api.def.
 *
 * api.c makes the exported functions; each takes the lock, applies the rules of its line in the table, and calls
 * sim_<symbol>, which is declared here and written in the file of its concern. */
#ifndef SIM_API_H
#define SIM_API_H

#include "state.h"

#include <cudaProfiler.h>

/* cuda.h renames these to their newest forms; the table names each form itself. */
#undef cuGetProcAddress
#undef cuDeviceGetUuid
#undef cuDevicePrimaryCtxRelease
#undef cuDevicePrimaryCtxReset
#undef cuDevicePrimaryCtxSetFlags
#undef cuCtxGetDevice
#undef cuCtxSynchronize
#undef cuEventElapsedTime
#undef cuStreamBeginCapture
#undef cuStreamGetCaptureInfo
#undef cuGraphInstantiate

#define DRIVER_API(version, name, symbol, rules, parameters, arguments)              CUresult sim_##symbol parameters;
#define DRIVER_API_STREAM(version, name, symbol, twin, rules, parameters, arguments) CUresult sim_##symbol parameters;
#include "driver_api.def"
#undef DRIVER_API
#undef DRIVER_API_STREAM

/* The exported name of the call that this thread is in, for messages and the trace; of a call by its number. */
const char *sim_call_name(void);
const char *sim_api_name(unsigned api);
/* The number of a symbol, or of a public name (then its newest symbol); -1 where there is none. */
int sim_api_find(const char *name);
/* How often it was entered: one symbol, or all forms of a public name. */
uint64_t sim_api_calls(const char *name);

#endif
