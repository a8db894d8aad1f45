/* guest_claim.h: what the program has mapped at some addresses, held against moves, and the memory behind it. All with
 * vs_guests_lock held; a claim waits for who moves the pages.
 */
#ifndef VS_GUEST_CLAIM_H
#define VS_GUEST_CLAIM_H

#include "guest.h"

struct vs_guest_claim {
    struct vs_extent **extents;
    size_t count;
};

/* The extents of all virtual handles that are mapped in [address, address + bytes), in their order, claimed; those of
 * mappings that are cut by its ends, as far as they lie within. False without memory. */
bool vs_guest_claim(CUdeviceptr address, size_t bytes, struct vs_guest_claim *claim);
void vs_guest_unclaim(struct vs_guest_claim *claim);

/* Whether an end of [address, address + bytes) goes through a mapping of the program's: where that is several real
 * ones, the driver would not notice. */
bool vs_guest_is_cut(const struct vs_guest_claim *claim, CUdeviceptr address, size_t bytes);

/* The guest's memory is what lies behind the movable mapping, whose extents these are (among others, perhaps). False
 * without memory. */
bool vs_guest_take_stock(struct vs_guest_mapping *mapping, const struct vs_guest_claim *claim);

#endif
