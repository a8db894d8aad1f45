/* failures.h: calls that are made to fail: SIMCUDA_FAIL and simcudaFail. */
#ifndef SIM_FAILURES_H
#define SIM_FAILURES_H

#include <cuda.h>
#include <stdbool.h>
#include <stdint.h>

/* CUDA_SUCCESS, or the error that this call of `api` shall return. Counts the call. */
CUresult sim_failure_due(unsigned api);
/* The n-th call from now of the symbol fails; n = 0 cancels. False for a symbol that is not simulated. */
bool sim_failure_set(const char *symbol, unsigned n, CUresult result);

#endif
