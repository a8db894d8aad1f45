/* move_plan.h: what a move of pages has to do: which extents it touches, and the pieces that each becomes. */
#ifndef VS_MOVE_PLAN_H
#define VS_MOVE_PLAN_H

#include <stdbool.h>

#include "extents.h"
#include "move.h"

/* What lies, or is to lie, behind some whole pages of an extent that moves. */
struct vs_move_piece {
    struct vs_extent *extent; /* the new one, as in the plan's list of them */
    CUdeviceptr scratch;      /* where the new memory is mapped as well, for the copy */
    bool has_memory, has_scratch, in_place;
};

/* An extent that moves, as a whole or in pieces; or all those of one mapping of the program's that was moved in part
 * and goes to one home now: they become one piece again. */
struct vs_move_target {
    size_t first_old, old_count; /* among the plan's old extents */
    size_t first, piece_count;   /* among its pieces */
    size_t taken_away;           /* how many of the old mappings are */
};

struct vs_move_plan {
    const struct vs_compute *compute;
    struct vs_extent **olds; /* claimed, in the order of addresses */
    size_t old_count;
    struct vs_move_target *targets;
    size_t target_count;
    struct vs_move_piece *pieces;
    struct vs_extent **extents; /* of the pieces, in their order */
    size_t piece_count;
    size_t bytes; /* of all pieces */
};

/* Claims the extents, in the order of addresses, and plans their pieces. On an error (move.h) nothing is claimed. A
 * plan without targets has nothing to do. */
CUresult vs_move_plan_make(struct vs_move_plan *plan, const struct vs_move *moves, size_t count);

/* Lets go of what is claimed, and frees the plan and its new extents; `installed`: those are in place, and the old ones
 * are freed. The memory is the caller's concern. */
void vs_move_plan_end(struct vs_move_plan *plan, bool installed);

#endif
