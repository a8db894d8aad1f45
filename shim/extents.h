/* extents.h: the memory behind pages of ours. An extent is one piece of physical memory and its one mapping: what one
 * call maps, and only one call of the same size can unmap; the unit in which memory comes, moves and goes.
 *
 * Extents are found by page, under vs_pages_lock. Whoever changes one claims it first, and works on it without the
 * lock: a claim is waited for, and lasts as long as a mapping takes, or the move of a page.
 */
#ifndef VS_EXTENTS_H
#define VS_EXTENTS_H

#include "backing.h"

/* What the program asked for where it maps pages itself (guest.h): one mapping of its own, which may be several extents
 * side by side. Changed only by who has claimed all of them. */
struct vs_guest_mapping {
    CUdeviceptr address;
    size_t bytes;
    const CUmemAllocationProp *properties; /* of its memory where that is local */
    uint64_t readable, writable;           /* by which devices: bit N for ordinal N */
    bool stays;                            /* its memory must not be exchanged: somebody else holds it, too */
    struct vs_guest *guest;
};

struct vs_extent {
    struct vs_range *range;
    CUdeviceptr address;
    size_t bytes;
    CUmemGenericAllocationHandle handle;
    struct vs_home home;
    const struct vs_backing *backing;
    struct vs_guest_mapping *mapping; /* the program's, that it belongs to; NULL: it is ours alone */
    bool claimed;                     /* somebody changes it */
    uint64_t number; /* in the order of installing; of its memory's predecessor, where that was moved */
};

/* New memory for an extent, mapped nowhere yet; of the host what was made ahead, else what it can lend (host_ahead.h).
 * It belongs to the caller until it is released. Inside vs_driver_enter; any thread; may block. */
CUresult vs_extents_create_physical(const struct vs_backing *backing, const struct vs_compute *compute,
    struct vs_home home, size_t bytes, CUmemGenericAllocationHandle *handle);
/* Gives such memory back, which goes when it is mapped nowhere any more. */
void vs_extents_release_physical(
    const struct vs_backing *backing, struct vs_home home, size_t bytes, CUmemGenericAllocationHandle handle);
void vs_extent_release(const struct vs_extent *extent);

/* New memory of `home` behind free addresses of the range, as one extent, by this backing. The error is the driver's;
 * nothing is left behind then. Enters the driver itself. Any thread; may block (host pages take about 0.4 s/GiB). */
CUresult vs_extents_bind(
    struct vs_range *range, CUdeviceptr address, size_t bytes, struct vs_home home, const struct vs_backing *backing);

/* Gives back the memory of all extents that lie wholly within: out of use by every device. Returns the first error of
 * the driver, whose addresses must not be used again; the rest is done all the same. *moving: some of it is left, since
 * it is being moved, which may take long. Any thread; may block. */
CUresult vs_extents_unbind(struct vs_range *range, CUdeviceptr address, size_t bytes, bool *moving);

/* Around a move: before it claims its first extent, and when it has given up its last one. Any thread. */
void vs_extents_begin_move(void);
void vs_extents_end_move(void);
bool vs_extents_are_moving(void);

/* The peers of this compute device have changed: all of its extents get access for them. Returns the first error; the
 * rest is done all the same. Any thread; may block. */
CUresult vs_extents_allow(int compute_ordinal);

/* Of an extent that is filled in but for its handle: memory as it says, and its mapping. As vs_backing.create_physical
 * and vs_backing.map. */
CUresult vs_extent_create(struct vs_extent *extent);
CUresult vs_extent_map(const struct vs_extent *extent);

/* The extent that `page` belongs to, claimed by the caller; NULL where nothing is mapped. Waits for who has claimed it.
 */
struct vs_extent *vs_extents_claim(struct vs_range *range, size_t page);
void vs_extents_unclaim(struct vs_extent *extent);

/* For those who have claimed: the extent (allocated by malloc, filled in) is what lies behind its addresses from here
 * on; what is known of its pages follows. It begins claimed, or not, as it says. */
void vs_extents_install(struct vs_extent *extent);
/* ... nothing lies behind its addresses any more; the caller frees it, and those who waited for it look again. */
void vs_extents_uninstall(struct vs_extent *extent);

/* ... these pieces (allocated and filled in as above) lie behind the addresses of those extents from here on, all of
 * them; the caller frees the old ones. Nobody sees anything between. */
void vs_extents_replace(
    struct vs_extent *const olds[], size_t old_count, struct vs_extent *const pieces[], size_t count);

/* A graph may use all extents that there are now: they are fixed, and must not move. Costs two accesses. Any thread. */
void vs_extents_fix_all(void);
/* By who has claimed it. Also fixed is what the program mapped itself and somebody else holds, or that the compute
 * device may not read. */
bool vs_extents_is_fixed(const struct vs_extent *extent);

/* How many extents there are, and how many bytes they hold, of every range. */
void vs_extents_count(size_t *count, size_t *bytes);

#endif
