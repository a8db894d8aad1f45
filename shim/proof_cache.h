/* proof_cache.h: what came of trying memory, kept from one process to the next.
 *
 * A file for each backing and place, in the folder `proofs` of $VRAMSPAN_CACHE, else of $XDG_CACHE_HOME/vramspan, else
 * of ~/.cache/vramspan. It holds what it depends on: this library's version, the driver's with its build, the
 * kernel's, what that does about the IOMMU, and the GPUs concerned with their UUIDs, names and slots. Several processes
 * may read and write at once; what cannot be read counts as nothing.
 */
#ifndef VS_PROOF_CACHE_H
#define VS_PROOF_CACHE_H

#include "proof_try.h"

struct vs_proof_file {
    char path[512]; /* empty: there is no folder to keep it in */
    char key[1536]; /* the lines that it depends on */
};

/* Which file it is for this subject. Asks the driver; reads no file of the cache. */
void vs_proof_file_of(const struct vs_proof_subject *subject, struct vs_proof_file *file);
/* False where nothing is kept, or what is kept depends on something else. */
bool vs_proof_load(const struct vs_proof_file *file, struct vs_proof *proof);
/* Keeps it, whole or not at all. False where that is not possible, said once at the level of debugging. */
bool vs_proof_keep(const struct vs_proof_file *file, const struct vs_proof *proof);

#endif
