/* catalogue.h: which kernel a name is: the entries of shim/kernels.def, with the implementations of kernels_cpu.def.
 *
 * A name is looked up once; what was found is kept for the life of the process, with its account. */
#ifndef SIM_CATALOGUE_H
#define SIM_CATALOGUE_H

#include "kernel.h"
#include "layout.h"
#include "pattern.h"

#include <uthash.h>

struct sim_match {
    char *mangled;
    char *name;      /* demangled and shortened */
    const char *key; /* of the entry in kernels.def; NULL where there is none: then the next four have no meaning */
    struct sim_holes holes;
    struct sim_layout layout;
    struct sim_holes functor_holes;
    struct sim_functor_layout functor;
    void (*compute)(struct sim_call *call); /* NULL: not computed */
    sim_block_function *block;              /* of an element-wise kernel, for its functor's class */
    bool is_copy;                           /* the value passes unchanged, whatever its type */
    bool is_ours;                           /* of our_kernels.def */
    bool named;                             /* told on stderr that it is not computed */
    uint64_t launches, computed, unknown;   /* the account; unknown: an input was not known */
    UT_hash_handle hh;
};

/* NULL for a name that is not mangled, or without memory. */
struct sim_match *sim_match_of(const char *mangled);
/* Whether its parameters are understood, and it is to be computed where it can be: a kernel of PyTorch depends on its
 * version and on SIMCUDA_COMPUTE, one of ours does not. */
bool sim_match_is_understood(const struct sim_match *match);
/* All that were found so far, linked by hh.next. */
struct sim_match *sim_matches(void);

#endif
