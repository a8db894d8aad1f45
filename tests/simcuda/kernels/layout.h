/* layout.h: where a kernel's parameters lie, made from the layout's text in shim/kernels.def (which explains the text).
 */
#ifndef SIM_LAYOUT_H
#define SIM_LAYOUT_H

#include "type.h"

#include <stdbool.h>

#define SIM_MAX_PARAMETERS 32
#define SIM_MAX_OPERANDS   6
#define SIM_MAX_MEMBERS    6
#define SIM_ABSENT         UINT32_MAX

#define SIM_MAX_INPUTS 6

/* What a functor computes from, in order: a tensor (its index among the operands), or a captured value (among the
 * members).
 */
struct sim_functor_input {
    bool is_member;
    unsigned index;
};

/* A functor's own part: its operands (tensors), result first, and what it captured. */
struct sim_functor_layout {
    unsigned operand_count, member_count, input_count;
    enum sim_type operands[SIM_MAX_OPERANDS];
    struct sim_functor_input inputs[SIM_MAX_INPUTS];
    enum sim_class class;                   /* what its block function is chosen by */
    enum sim_type members[SIM_MAX_MEMBERS]; /* SIM_TYPES: bytes of no type */
    uint32_t member_offsets[SIM_MAX_MEMBERS];
    uint32_t bytes, alignment;
};

struct sim_pointer_place {
    uint32_t offset; /* in the copied parameters */
    bool written, maybe;
};

/* Parameters are copied one after another, each aligned to 16 bytes. */
struct sim_layout {
    unsigned parameter_count, pointer_count;
    uint32_t sizes[SIM_MAX_PARAMETERS], offsets[SIM_MAX_PARAMETERS];
    uint32_t bytes;
    struct sim_pointer_place *pointers;
    /* Parts of an element-wise kernel, in the copied parameters, or SIM_ABSENT. */
    uint32_t functor, data, calculator, dtypes, loader, storer;
};

/* Both read texts that stand in kernels.def: false, with the text on stderr, is a mistake there (or no memory).
 * `types` are what the functor's pattern matched. */
bool sim_functor_layout_read(
    const char *signature, const char *members, const enum sim_type *types, struct sim_functor_layout *out);
/* `functor` may be NULL where the text has none of its parts. */
bool sim_layout_read(const char *text, const struct sim_functor_layout *functor, struct sim_layout *out);

#endif
