/* guest.h: memory that the program makes and maps itself through the driver: PyTorch's expandable segments,
 * comfy-aimdo's pages. The program chooses the addresses; where the bytes are is ours to choose, as in the arena.
 *
 * So the handle that cuMemCreate gives is a *virtual* one. Behind it stand the program's own properties, a count of its
 * references, and the real memory: one piece as the program asked for it, or, when some of its pages have moved, one
 * for each part. Where the program maps it, each piece is an extent in a range of kind GUEST, and moves as any other
 * (vs_rehome). While it is mapped nowhere its pieces wait here.
 *
 * Memory that somebody else holds as well cannot be exchanged under them, and stays where it is: from its second
 * mapping on until it is mapped nowhere (programs use several addresses as one memory, and a move could not switch all
 * of them at one moment for who looks through two; it comes home before the second one, where it can), once it was
 * exported or bound to a multicast object, and where it is mapped at addresses that are not known here or in part only.
 * Pages at addresses that a graph may use stay, too, until the program gives the addresses back.
 *
 * What is shared past the driver's functions is not seen here: a network card that is told of addresses by the module
 * nvidia-peermem goes on with the memory that was there, and such a program must run without a policy. By
 * cuMemGetHandleForAddressRange (dma-buf) it is seen.
 *
 * What is asked of the driver about a virtual handle is asked about the real one, so that each call fails as it would
 * without us.
 */
#ifndef VS_GUEST_H
#define VS_GUEST_H

#include "extents.h"

/* One piece of real memory. */
struct vs_guest_part {
    CUmemGenericAllocationHandle handle;
    struct vs_home home;
    size_t bytes;
};

/* Under vs_guests_lock, all of it; but the first three never change. */
struct vs_guest {
    CUmemGenericAllocationHandle number; /* the program's */
    const struct vs_compute *compute;
    CUmemAllocationProp properties; /* as the driver tells them */
    size_t bytes;
    unsigned references;
    struct vs_guest_part *parts; /* in order; out of date while `movable` is there: its extents hold the memory */
    size_t part_count;
    struct vs_guest_mapping *movable; /* the one mapping under which the memory may be exchanged; NULL: it may not */
    size_t mapping_count;             /* of those that are known */
    bool stays;
};

/* Whether it is a number of ours. The driver's are small, or addresses: none has these bits. Lock-free. */
#define VS_GUEST_TAG ((CUmemGenericAllocationHandle)0x5653)
static inline bool vs_guest_is(CUmemGenericAllocationHandle number)
{
    return number >> 48 == VS_GUEST_TAG;
}

/* The compute device whose memory the program asks for, where such memory is to be virtual; NULL: it is the driver's.
 * Any thread. */
const struct vs_compute *vs_guest_wanted(size_t bytes, const CUmemAllocationProp *properties, unsigned long long flags);

/* A virtual handle with one reference for this real one, which it takes over; 0 without memory. Any thread. */
CUmemGenericAllocationHandle vs_guest_add(const struct vs_compute *compute, CUmemGenericAllocationHandle real,
    size_t bytes, const CUmemAllocationProp *properties);

/* CUDA_ERROR_INVALID_VALUE, as the driver answers, for a number that is no handle (any more); from all of these. Any
 * thread. */
CUresult vs_guest_release(CUmemGenericAllocationHandle number);
CUresult vs_guest_properties(CUmemGenericAllocationHandle number, CUmemAllocationProp *properties);

/* How many virtual handles of memory of this device there are, mapped or not. Any thread. */
size_t vs_guests_of(int compute_ordinal);

/* --- With vs_guests_lock held --------------------------------------------------------------------------------------
 */

struct vs_guest *vs_guest_find(CUmemGenericAllocationHandle number);
/* Neither a reference nor a mapping is left: its memory goes, and its number with it. */
void vs_guest_drop_if_unused(struct vs_guest *guest);

#endif
