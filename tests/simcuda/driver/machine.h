/* machine.h: the simulated machine, from SIMCUDA_MACHINE. The driver and NVML both read it.
 *
 * The variable holds a short form ("2x24gb", "8gb+24gb"), the name of a file in the folder `machines` beside the
 * library, or the path of such a file: policy/machine/machine.h has the language. Unset means 2x24gb. */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include "../../../policy/machine/machine.h"

#include <stdbool.h>
#include <stddef.h>

#define SIM_UUID_BYTES      16
#define SIM_UUID_TEXT_BYTES 41 /* "GPU-", 32 digits, 4 dashes, the end */

/* Fills `machine` from `text` (NULL: the default). On a bad description writes what is wrong to `error`, in one line,
 * and returns false. */
bool sim_machine_load(struct vs_machine *machine, const char *text, char *error, size_t error_bytes);
/* 13000, or what SIMCUDA_DRIVER_VERSION says. */
int sim_driver_version(void);

/* A device's UUID follows from its PCI address and from the flags of the machine that was loaded last: the same for
 * whoever asks, under whatever number, and not that of a card in a machine of another kind. */
void sim_uuid_of(const struct vs_machine_device *device, unsigned char uuid[SIM_UUID_BYTES]);
void sim_uuid_text_of(const struct vs_machine_device *device, char text[SIM_UUID_TEXT_BYTES]);

/* What follows is in visible.c. The number of a device is first its place in the description. */

/* Numbers the devices as NVML does, by PCI address. */
void sim_machine_sort_by_pci(struct vs_machine *machine);
/* Numbers the devices as the driver does: by CUDA_DEVICE_ORDER (`order`), then as CUDA_VISIBLE_DEVICES (`visible`)
 * chooses among these numbers or names by UUID. Both are NULL where the variable is unset. */
void sim_machine_narrow(struct vs_machine *machine, const char *order, const char *visible);

#endif
