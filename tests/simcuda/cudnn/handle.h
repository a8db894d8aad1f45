/* handle.h: what all sub-libraries of the simulated cuDNN have in common: handles, refusals, the way to the driver.
 * Each sub-library has its own copy. */
#ifndef SIMCUDA_CUDNN_HANDLE_H
#define SIMCUDA_CUDNN_HANDLE_H

#include "../library/library.h"
#include "cudnn_types.h"

#define DNN_HANDLE_MAGIC 0x646e6e68u

struct cudnnContext {
    uint32_t magic;
    CUdevice device; /* on which it was created: the only one that it may be used on */
    CUstream stream;
};

cudnnStatus_t dnn_status_of(CUresult result);
/* SUCCESS where the driver is there. */
cudnnStatus_t dnn_need_driver(const char *symbol);
/* Whether `handle` is one and belongs to the current device; SUCCESS or the error to return. */
cudnnStatus_t dnn_handle_check(cudnnHandle_t handle, const char *symbol);

/* Says "simcuda: SYMBOL: REASON" on stderr, each message once in a process, and returns `status`. */
cudnnStatus_t dnn_refuse(cudnnStatus_t status, const char *symbol, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
