/* missing.h: public functions that are not simulated. Each is a weak function that says its name once and returns
 * NOT_SUPPORTED; a file that really implements the name takes its place when the library is linked. So the lists of
 * names (cublas_names.def, cublaslt_names.def) hold all that the real library exports. LIBRARY is the library's name.
 */
#ifndef SIMCUDA_BLAS_MISSING_H
#define SIMCUDA_BLAS_MISSING_H

#include "driver.h"

#define MISSING(name)                                                                                                  \
    CUBLAS_API __attribute__((weak)) cublas_status name(void);                                                         \
    CUBLAS_API __attribute__((weak)) cublas_status name(void)                                                          \
    {                                                                                                                  \
        return blas_refuse(LIBRARY, #name " was called and is not simulated");                                         \
    }

#endif
