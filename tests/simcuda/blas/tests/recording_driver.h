/* recording_driver.h: a libcuda.so.1 for the tests of the simulated cuBLAS: no memory, no streams; it keeps what it is
 * asked for. One for the process, not thread-safe.
 */
#ifndef RECORDING_DRIVER_H
#define RECORDING_DRIVER_H

#include "../../internals.h"

struct recording {
    struct simcuda_gemm gemm; /* the last one launched */
    CUstream stream;
    int launches;
    CUresult launch_result;
    char owner[32]; /* of the last charge */
    size_t charged_bytes;
    CUresult charge_result;
    bool has_context; /* whether the thread has one before cuBLAS asks */
    int retained, current_device;
    bool hide_internals; /* as a real driver does */
};

extern __attribute__((visibility("default"))) struct recording recording;

#endif
