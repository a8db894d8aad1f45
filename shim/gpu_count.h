/* gpu_count.h: how many GPUs the machine has, which, and what is in use on them, asked without starting CUDA. */
#ifndef VS_GPU_COUNT_H
#define VS_GPU_COUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "../policy/language/visible_devices.h"

/* By the kernel module's list, in a few microseconds, which every process can spend; 0 where there is none (WSL). A
 * container may be given fewer than it lists. */
size_t vs_gpus_listed(void);

/* By the management library, which comes with the driver, else by the list; 0 where neither answers. Loads the library;
 * milliseconds. */
size_t vs_gpus_managed(void);

/* Bytes in use on the GPU of this UUID, by all processes. False where the management library does not tell. */
bool vs_gpu_used_bytes(const char *uuid, size_t *bytes);

/* Their UUIDs in the order of the driver's numbers; 0 where that is not known. It is by PCI address where
 * CUDA_DEVICE_ORDER says so, and where all GPUs are alike; else the driver's order of speed is its own affair. */
size_t vs_gpus_identified(char uuids[VS_VISIBLE_MAX][VS_VISIBLE_ENTRY_BYTES]);

#endif
