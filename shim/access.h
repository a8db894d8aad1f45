/* access.h: who may use the memory behind pages of ours, beside the compute device whose pages they are.
 *
 * Memory that cudaMalloc gives can be read by each device that enabled peer access to its device. Mapped memory knows
 * nothing of that (CUDA Driver API, cuMemSetAccess): it is given to those devices here.
 */
#ifndef VS_ACCESS_H
#define VS_ACCESS_H

#include <cuda.h>
#include <stdint.h>

#include "compute.h"
#include "home.h"

enum { VS_ACCESS_DEVICES = 64, VS_ACCESS_MAX = VS_ACCESS_DEVICES + 1 };

/* Who gets access to memory of `home` behind pages of `compute`, as cuMemSetAccess takes it: the compute device first,
 * then its peers, and the CPU where the memory is the host's, because a copy between host locations is done by the CPU
 * (CUDA Driver API, API synchronization behavior: host to host). Returns how many. Lock-free. */
size_t vs_access_list(const struct vs_compute *compute, struct vs_home home, CUmemAccessDesc list[VS_ACCESS_MAX]);

/* The same for memory that the program maps itself: the devices that it gave access to read or to write (bit N for
 * ordinal N), and the CPU as above. */
size_t vs_access_list_asked(const struct vs_compute *compute, struct vs_home home, uint64_t readable, uint64_t writable,
    CUmemAccessDesc list[VS_ACCESS_MAX]);

/* Gives access to what is mapped at these addresses. Inside vs_driver_enter. */
CUresult vs_access_give(CUdeviceptr address, size_t bytes, const CUmemAccessDesc *list, size_t count);

/* The devices that enabled peer access to this one: bit N for ordinal N. Lock-free. */
uint64_t vs_access_peers(int ordinal);

/* Device `peer` has enabled access to device `ordinal`: from here on it is listed. True where it was not before: what
 * is mapped already is the caller's to see to (vs_extents_allow). Lock-free. */
bool vs_access_enable(int ordinal, int peer);

/* Waits for all work of the devices with access. As vs_compute_synchronize answers; the compute device's error first.
 */
CUresult vs_access_synchronize(const struct vs_compute *compute);

#endif
