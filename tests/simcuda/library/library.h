/* library.h: what the simulated NVIDIA libraries (cuBLAS, cuBLASLt, cuDNN) have in common: how they reach the driver,
 * and how they say what they cannot do. Each library has its own copy.
 *
 * The real libraries hold a static CUDA runtime: they open libcuda.so.1, find cuGetProcAddress_v2 by dlsym, look all
 * else up through it, and get their private entries with cuGetExportTable. So do these.
 */
#ifndef SIMCUDA_LIBRARY_H
#define SIMCUDA_LIBRARY_H

#include "../internals.h"

#include <stdarg.h>

/* Signatures are cuda.h's; cuda.h renames a few to later versions, hence the explicit types. */
struct simcuda_library_driver {
    CUresult (*init)(unsigned);
    CUresult (*context_get)(CUcontext *);
    CUresult (*context_set)(CUcontext);
    CUresult (*context_device)(CUdevice *);
    CUresult (*device_get)(CUdevice *, int);
    CUresult (*primary_retain)(CUcontext *, CUdevice);
    CUresult (*export_table)(const void **, const CUuuid *);
    const struct simcuda_internals *internals;
};

/* The driver, initialised; NULL where there is none, and then why. */
const struct simcuda_library_driver *simcuda_library_driver(void);
const char *simcuda_library_driver_error(void);

/* Where no context is current makes device 0's primary one current, as a runtime call would. */
CUresult simcuda_library_enter_context(void);

/* Says "simcuda: SYMBOL: MESSAGE" on stderr, each message once in a process. */
void simcuda_library_say_once(const char *symbol, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

#endif
