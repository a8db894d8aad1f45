/* cublas_missing.c: a function for every name that cuBLAS exports and that no other file here implements (missing.h).
 */
#define LIBRARY "libcublas"
#include "missing.h"

#define X(name) MISSING(name)
#include "cublas_names.def"
