/* address.h: the device addresses of the program.
 *
 * They come from arenas: large PROT_NONE reservations which are never given back to the system, so that an address of
 * freed or unmapped device memory can always be told from an ordinary host pointer, and a CPU that touches one faults.
 */
#ifndef SIM_ADDRESS_H
#define SIM_ADDRESS_H

#include "state.h"

/* Takes `bytes` of addresses at a multiple of `alignment`; at `hint` where that lies free in an arena (0: anywhere).
 * 0 where the system has no address space left. */
CUdeviceptr sim_address_take(size_t bytes, size_t alignment, CUdeviceptr hint);
void sim_address_give(CUdeviceptr address, size_t bytes);
/* Whether the address was or may be device memory: lies in an arena. */
bool sim_address_is_ours(CUdeviceptr address);

#endif
