/* cublaslt_missing.c: a function for every name that cuBLASLt exports and that no other file here implements
 * (missing.h). */
#define LIBRARY "libcublasLt"
#include "missing.h"

#define X(name) MISSING(name)
#include "cublaslt_names.def"
