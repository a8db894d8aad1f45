/* nvml_state.h: the machine as NVML sees it: all of it, in the order of PCI addresses, whatever the program may use of
 * it through CUDA. Read at the first nvmlInit from SIMCUDA_MACHINE, as the driver does. */
#ifndef SIMCUDA_NVML_STATE_H
#define SIMCUDA_NVML_STATE_H

#include "../driver/machine.h"
#include "nvml_types.h"

/* A handle. */
struct nvmlDevice_st {
    unsigned index;
    const struct vs_machine_device *description; /* in nvml_machine */
};
extern struct vs_machine nvml_machine;
extern struct nvmlDevice_st nvml_devices[VS_MACHINE_DEVICES_MAX];

/* SUCCESS, or what a call without nvmlInit returns. */
nvmlReturn_t nvml_check(void);
/* The same for a call about a device with a place for its answer. */
nvmlReturn_t nvml_check_device(nvmlDevice_t device, const void *answer);
/* Answers with a text of the program's `bytes` bytes; INSUFFICIENT_SIZE where it does not fit. */
nvmlReturn_t nvml_answer_text(const char *answer, char *text, unsigned bytes);

#endif
