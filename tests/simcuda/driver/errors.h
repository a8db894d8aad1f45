/* errors.h: names of results. */
#ifndef SIM_ERRORS_H
#define SIM_ERRORS_H

#include <cuda.h>
#include <stdbool.h>

/* "CUDA_ERROR_OUT_OF_MEMORY", "OUT_OF_MEMORY" or "2". */
bool sim_error_parse(const char *text, CUresult *result);

#endif
