/* version.h: which cuBLAS the simulated libraries say they are: those that PyTorch's CUDA 13.0 and 12.4 wheels pin. */
#ifndef SIMCUDA_BLAS_VERSION_H
#define SIMCUDA_BLAS_VERSION_H

#include "cublas_types.h"

#if SIMCUDA_MAJOR == 13
#define BLAS_VERSION_MAJOR  13
#define BLAS_VERSION_MINOR  1
#define BLAS_VERSION_PATCH  0
#define BLAS_CUDART_VERSION 13000
#else
#define BLAS_VERSION_MAJOR  12
#define BLAS_VERSION_MINOR  4
#define BLAS_VERSION_PATCH  5
#define BLAS_CUDART_VERSION 12040
#endif
#define BLAS_VERSION (BLAS_VERSION_MAJOR * 10000 + BLAS_VERSION_MINOR * 100 + BLAS_VERSION_PATCH)

/* libraryPropertyType: 0 major, 1 minor, 2 patch. */
cublas_status blas_property(int property, int *value);

/* The public name of a status; never NULL. */
const char *blas_status_name(cublas_status status);

#endif
