/* load.h: one load of a model file: which of its tensors have not been allocated yet, and where they are to go.
 *
 * Each part of the file that the policy names has a plan of its own. It is made when the first allocation comes that
 * has the size of one of the part's tensors: what the machine can lend is asked of a compute device, whose context a
 * mere look into a file must not create. It is made again when a device fails that it counts on.
 *
 * Of a load, all that changes is protected by vs_placement_lock, which the caller holds; vs_load_plan and
 * vs_load_finish are called without it.
 */
#ifndef VS_LOAD_H
#define VS_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "../policy/language/named_parts.h"
#include "../policy/plan/summary.h"
#include "failed_devices.h"
#include "models.h"
#include "real_machine.h"

/* The tensors of one size that are missing: a stretch of the part's queue. */
struct vs_missing_size;

/* What is still missing at a device, as bytes of memory, by the sorts of blocks that they will be (spans.h). */
struct vs_wanted {
    size_t whole_bytes, packed_bytes;
    size_t segment_bytes; /* in segments of PyTorch's native allocator */
};

struct vs_load_part {
    /* Never changed; the last two from vs_load_choose_computes on. */
    struct vs_named_part named;
    struct vs_plan_tensor *tensors;
    struct vs_section_wish wish;
    int compute_ordinal;
    /* What follows is protected. */
    struct vs_missing_size *missing; /* by the bytes as loaded */
    uint32_t *queue;                 /* places in the order of execution, by size; filled by the first plan */
    bool planned;
    unsigned edition; /* of the plan: raised when a device fails */
    struct vs_plan plan;
    struct vs_wanted wanted[VS_PLAN_DEVICES_MAX]; /* by the plan's devices */
    struct vs_failed_devices failed;
    /* What the first plan wanted, and what was placed. */
    struct vs_summary_device account[VS_PLAN_DEVICES_MAX + VS_DONORS_MAX];
    size_t account_count;
    size_t tensor_count; /* that the program loads, and their bytes; of all tensors before there is a plan */
    uint64_t total_bytes;
};

struct vs_load {
    struct vs_load *next; /* placement.c's, as the next two */
    size_t references;
    bool open;
    bool has_computes;
    const struct vs_policy *policy;
    struct vs_model_file *file;
    size_t missing_count;
    struct vs_load_part parts[VS_PART_COUNT];
    size_t part_count;
};

/* A load of `file`, which it takes over. NULL, and the file is freed, where the policy names nothing in it (which the
 * statistics note), nothing of it has bytes, or memory is lacking. */
struct vs_load *vs_load_create(const struct vs_policy *policy, struct vs_model_file *file);
/* Settles on which device each part is computed with; to be called before tensors are taken. That is later than the
 * opening: which device the program calls its first is not known before CUDA starts. Cheap from the second time on, and
 * changes nothing then: a plan reads what it has settled without the lock. */
void vs_load_choose_computes(struct vs_load *load);
/* Tells what was placed, and frees the load. */
void vs_load_finish(struct vs_load *load);
void vs_load_free(struct vs_load *load);

/* How the program asks for memory, which decides what sizes a weight can have. */
enum vs_request {
    VS_REQUEST_TENSOR,  /* cudaMallocAsync: the tensor's own size */
    VS_REQUEST_SEGMENT, /* cudaMalloc: the tensor's own size, or a segment of PyTorch's native allocator for one tensor
                         */
};

/* A tensor taken for an allocation, to be settled. */
struct vs_taken {
    struct vs_load *load;
    struct vs_load_part *part;
    struct vs_missing_size *size;
    uint32_t turn;              /* the tensor's place in the order of execution */
    uint32_t tensor;            /* its index */
    struct vs_device_id device; /* that is to have it */
    struct vs_home home;
    size_t expected_bytes; /* that are wanted there, of such blocks as this will be (struct vs_arena_request) */
};

enum vs_take { VS_TAKE_NONE, VS_TAKE_UNPLANNED, VS_TAKE_DONE };

/* Takes the next tensor that an allocation of so many bytes on the compute device may be for. NONE: the load misses no
 * such tensor. UNPLANNED: it does, of taken->part, which is to be planned first. */
enum vs_take vs_load_take(struct vs_load *load, size_t bytes, enum vs_request request, const struct vs_compute *compute,
    struct vs_taken *taken);
/* The allocation was made, at taken->device. */
void vs_load_placed(const struct vs_taken *taken);
/* A device that may have a tensor which the compute device has no room for: the `turn`-th that the plan names and that
 * has not failed, then the policy's donors. False: there are no more. */
bool vs_load_donor(
    const struct vs_taken *taken, const struct vs_compute *compute, size_t turn, struct vs_device_id *device);
/* The allocation ended with this error. Where the compute device was to have it, the real allocator puts it there,
 * and the answer is false. Else the tensor is missing again, and its part is to be planned again without that device.
 */
bool vs_load_failed(const struct vs_taken *taken, CUresult result);

/* The device cannot have its share: the part is to be planned again without it. */
void vs_load_exclude(struct vs_load_part *part, struct vs_failed_device device);

/* Plans the part for the devices that have not failed. Where that cannot be had because some are full, or fail for the
 * moment, what is left of their shares goes to the compute device. False where it cannot be done: the library has given
 * up (vs_give_up), or memory is lacking. */
bool vs_load_plan(struct vs_load *load, struct vs_load_part *part, const struct vs_compute *compute);
/* For load_plan.c: a plan is there. The first one decides which tensors are missing, and in which order. */
void vs_load_install(struct vs_load *load, struct vs_load_part *part, struct vs_plan *plan);
/* For load_ahead.c: whether the tensor of this turn, which the plan has in its order of execution, is still missing. */
bool vs_load_is_missing(const struct vs_load_part *part, size_t turn);

#endif
