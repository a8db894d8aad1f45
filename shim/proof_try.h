/* proof_try.h: trying, in this process, whether a backing's memory at a home can be used. */
#ifndef VS_PROOF_TRY_H
#define VS_PROOF_TRY_H

#include "backing.h"
#include "proof_result.h"

/* Memory of `backing` at `home`, for kernels of the compute device. */
struct vs_proof_subject {
    const struct vs_compute *compute;
    const struct vs_backing *backing;
    struct vs_home home;
};

/* Makes 2 MiB of it, copies to it and from it, fills it, and lets kernels of ours read and write it, all on a stream of
 * its own; then gives it back. `begins` is called before each step. What is broken may hang here, or take the context
 * with it: vs_proof_in_child (proof_child.h) is for the first time. */
void vs_proof_try(
    const struct vs_proof_subject *subject, void (*begins)(enum vs_proof_step step), struct vs_proof *proof);

#endif
