/* split.h: a copy or a memset whose bytes lie at several homes, as a sequence of calls that each stay at one.
 *
 * One call may cover device memory, a peer's and the host's at once, where weights of several homes lie next to each
 * other, or one was moved in part. Drivers look at the first byte to tell what kind of copy it is (and before CUDA 12.4
 * did not get mixed ranges right at all), so each piece goes by itself, in the order of addresses, to the same stream.
 * The caller is inside the gate: no page moves between the look and the last call.
 */
#ifndef VS_SPLIT_H
#define VS_SPLIT_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

/* Rows of `width` bytes, `pitch` apart; `depth` slices of `height` rows, `slice` bytes apart. */
struct vs_side {
    CUdeviceptr address; /* of the first byte; 0: there is no such side (a memset has no source), or it is no memory */
    size_t pitch, slice;
};
struct vs_box {
    struct vs_side dst, src;
    size_t width, height, depth;
};

/* `bytes` in one row. `src` may be 0. */
struct vs_box vs_box_flat(CUdeviceptr dst, CUdeviceptr src, size_t bytes);

/* Whether a byte of either side may be ours. Lock-free. */
bool vs_box_may_be_ours(const struct vs_box *box);

/* Whether one side has bytes at several homes, and is all there: else the call is made as it is, and is answered as the
 * driver does. */
bool vs_box_is_mixed(const struct vs_box *box);

/* Calls `issue` for each piece: one row or part of one (height and depth 1), or several whole rows (depth 1). Stops at
 * the first result but 0 and returns it. */
int vs_split(const struct vs_box *box, int (*issue)(const void *call, const struct vs_box *piece), const void *call);

#endif
