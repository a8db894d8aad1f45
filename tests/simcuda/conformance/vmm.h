/* vmm.h: what the checks of virtual memory management share. */
#ifndef CONFORMANCE_VMM_H
#define CONFORMANCE_VMM_H

#include "conformance.h"

/* Skips the check where device 0 has no VMM; else makes its context current and returns the granularity of its memory.
 */
size_t need_vmm(void);

/* Skips the check where device 0 cannot use host memory by NUMA node; returns the node to use and sets the granularity.
 */
int need_host_vmm(size_t *unit);

/* Properties of pinned memory at a location. */
CUmemAllocationProp memory_at(CUmemLocationType type, int id);

/* A new handle for `bytes` of the memory of a device. */
CUmemGenericAllocationHandle create_on(int device, size_t bytes);

/* Reserved addresses, and the same with a new handle of device 0 mapped to all of them. */
CUdeviceptr reserve(size_t bytes);
CUdeviceptr reserve_and_map(size_t bytes, CUmemGenericAllocationHandle *handle);

/* A granule of host memory mapped to new addresses, without access, its size and its NUMA node; skips the check where
 * device 0 cannot use such memory. */
CUdeviceptr host_mapping(size_t *bytes, int *node);

/* cuMemSetAccess with one description. In normal use it says "not ready" now and then, and works when the context was
 * waited for (observed: comfy-aimdo 100, ComfyUI 12943). */
CUresult set_access(CUdeviceptr address, size_t bytes, const CUmemAccessDesc *access);
/* Read and write access for a device. */
CUresult allow_device(int device, CUdeviceptr address, size_t bytes);
CUresult allow(CUmemLocationType type, int id, CUdeviceptr address, size_t bytes);

#endif
