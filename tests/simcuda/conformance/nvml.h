/* nvml.h: what NVIDIA's management library tells of a device beyond CUDA. Loaded at run time: WSL and containers may
 * lack it, and then every answer is "unknown". */
#ifndef CONFORMANCE_NVML_H
#define CONFORMANCE_NVML_H

#include <stdbool.h>
#include <stddef.h>

/* The driver's version, as "570.86.10". */
bool nvml_driver_version(char *version, unsigned bytes);

/* Bytes in use on the device, by any program. */
bool nvml_used_bytes(const char *bus_id, size_t *used_bytes);

bool nvml_bar1_bytes(const char *bus_id, size_t *total_bytes);

enum nvml_link { NVML_LINK_GENERATION, NVML_LINK_WIDTH, NVML_LINK_MAX_GENERATION, NVML_LINK_MAX_WIDTH };
bool nvml_link(const char *bus_id, enum nvml_link what, unsigned *value);

#endif
