/* address_range.h: one large reserved range of device addresses, from which all mapped memory of ours gets its own.
 *
 * Reserved once, with no memory behind it: 64 GiB of addresses, or less where the driver refuses that much. Handed out
 * in whole pages.
 */
#ifndef VS_ADDRESS_RANGE_H
#define VS_ADDRESS_RANGE_H

#include <cuda.h>
#include <stddef.h>

/* What device and host memory is mapped in (cuMemGetAllocationGranularity says 2 MiB on every device so far; a device
 * that says more is refused by the backing). */
#define VS_PAGE_BYTES ((size_t)2 << 20)

/* `bytes` (a multiple of the page) of consecutive unmapped addresses. CUDA_ERROR_OUT_OF_MEMORY when the range is used
 * up. Any thread. */
CUresult vs_addresses_take(size_t bytes, CUdeviceptr *address);

/* Gives back what vs_addresses_take gave; must be unmapped. */
void vs_addresses_return(CUdeviceptr address, size_t bytes);

#endif
