/* physical.h: the memory chips of the simulated machine, one sparse region per location.
 *
 * A region is larger than its location's capacity, so that fragmentation never counts; what is in use is counted and
 * refused beyond the capacity, as the sum says, not as the region is. The simulator reads and writes through mappings
 * of its own. The host's region is a memfd, because the program must see parts of it at addresses of its choice. A
 * device's is anonymous memory that only the simulator maps: no CPU address of the program ever shows it, large pages
 * make it quick, and a forked child does not get it. Freed bytes are given back to the system; what fresh memory reads
 * as is in fresh.h. */
#ifndef SIM_PHYSICAL_H
#define SIM_PHYSICAL_H

#include "state.h"

struct sim_block {
    int location;
    size_t offset, bytes; /* in the location's file; multiples of SIM_PAGE_BYTES */
};

/* Makes the files. False with a message on stderr where the system refuses. */
bool sim_physical_start(void);
/* Takes `bytes` (rounded up to pages) at `location` and charges them. CUDA_ERROR_OUT_OF_MEMORY beyond the capacity. */
CUresult sim_physical_take(int location, size_t bytes, struct sim_block *block);
void sim_physical_give(const struct sim_block *block);
/* Charges bytes that have no content here: contexts, modules, registered memory. */
CUresult sim_physical_charge(int location, size_t bytes);
void sim_physical_refund(int location, size_t bytes);
size_t sim_physical_used(int location);
size_t sim_physical_capacity(int location);
/* Where the simulator itself sees the block's first byte. */
char *sim_physical_alias(const struct sim_block *block);
/* Makes the `bytes` behind `alias` (which the simulator got from sim_physical_alias) read as fresh memory again. */
void sim_physical_clear(int location, char *alias, size_t bytes);
/* Maps the block at the program's address, touchable by the CPU (for writing too), or takes it out of its reach again.
 */
bool sim_physical_expose(const struct sim_block *block, CUdeviceptr address, bool writable);
bool sim_physical_hide(CUdeviceptr address, size_t bytes);

#endif
