/* guest_ranges.h: the addresses that the program reserved itself (cuMemAddressReserve). A reservation becomes a range
 * of kind GUEST (pages.h) when the first virtual handle is mapped in it: until then nobody knows whose memory it is
 * for, and most never see one. */
#ifndef VS_GUEST_RANGES_H
#define VS_GUEST_RANGES_H

#include "pages.h"

/* The program has reserved these addresses. Any thread, as all of these. */
void vs_guest_reserved(CUdeviceptr address, size_t bytes);

/* The range that all of these whole pages lie in, made now if need be. NULL: they are in no reservation that is known,
 * or in one that is used for another compute device's memory; or there is no memory. */
struct vs_range *vs_guest_range(const struct vs_compute *compute, CUdeviceptr address, size_t bytes);

/* The program frees a reservation, which is forgotten before its addresses can become somebody else's. False: there is
 * none, or something virtual is mapped there. Where the driver refuses it after all, vs_guest_reserved again. */
bool vs_guest_unreserve(CUdeviceptr address, size_t bytes);

#endif
