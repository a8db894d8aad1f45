/* gpu_count.h: how many GPUs the machine has, asked without starting CUDA. */
#ifndef VS_GPU_COUNT_H
#define VS_GPU_COUNT_H

#include <stddef.h>

/* By the kernel module's list, in a few microseconds, which every process can spend; 0 where there is none (WSL). A
 * container may be given fewer than it lists. */
size_t vs_gpus_listed(void);

/* By the management library, which comes with the driver, else by the list; 0 where neither answers. Loads the library;
 * milliseconds. */
size_t vs_gpus_managed(void);

#endif
