/* catalogue.c: see catalogue.h. */
#include "catalogue.h"
#include "choice.h"
#include "implementations.h"
#include "signature.h"

#include <stdlib.h>
#include <string.h>

struct kernel {
    const char *key, *pattern, *layout;
    bool is_ours;
};

struct functor {
    const char *key, *pattern, *signature, *members;
};

static const struct kernel kernels[] = {
#define OUR_KERNEL(key, pattern, layout, file) {#key, pattern, layout, true},
#include "our_kernels.def"
#undef OUR_KERNEL
#define PYTORCH(version)
#define KERNEL(key, pattern, layout, header) {#key, pattern, layout, false},
#define FUNCTOR(key, pattern, signature, members, header)
#include "../../../shim/kernels.def"
#undef KERNEL
#undef FUNCTOR
};

static const struct functor functors[] = {
#define KERNEL(key, pattern, layout, header)
#define FUNCTOR(key, pattern, signature, members, header) {#key, pattern, signature, members},
#include "../../../shim/kernels.def"
#undef KERNEL
#undef FUNCTOR
};

static const struct implementation {
    const char *of; /* the key */
    void (*compute)(struct sim_call *call);
    sim_block_function *blocks[SIM_RAW]; /* by class */
    bool is_copy;
} implementations[] = {
#define COMPUTES(key, function)         {.of = #key, .compute = function},
#define ELEMENTWISE_FLOATS(key, name)   {.of = #key, .blocks = {name##_f32, name##_f64}},
#define ELEMENTWISE_INTEGERS(key, name) {.of = #key, .blocks = {[SIM_I64] = name##_i64}},
#define ELEMENTWISE_ALL(key, name)      {.of = #key, .blocks = {name##_f32, name##_f64, name##_i64}},
#define ELEMENTWISE_COPY(key)           {.of = #key, .is_copy = true},
#include "kernels_cpu.def"
};

static struct sim_match *matches;

struct sim_match *sim_matches(void)
{
    return matches;
}

static const struct implementation *implementation_of(const char *key)
{
    for (size_t i = 0; i < sizeof implementations / sizeof *implementations; i++)
        if (strcmp(implementations[i].of, key) == 0)
            return &implementations[i];
    return NULL;
}

/* The functor that the kernel's pattern found, and its layout. */
static const struct functor *find_functor(struct sim_match *match)
{
    for (size_t i = 0; i < sizeof functors / sizeof *functors; i++)
        if (sim_pattern_matches(
                functors[i].pattern, match->holes.functor, match->holes.functor_length, &match->functor_holes))
            return sim_functor_layout_read(
                       functors[i].signature, functors[i].members, match->functor_holes.types, &match->functor)
                       ? &functors[i]
                       : NULL;
    return NULL;
}

/* A kernel's own implementation; of an element-wise kernel also the block function of the functor. */
static void find_implementation(struct sim_match *match, const struct kernel *kernel, const struct functor *functor)
{
    const struct implementation *of_kernel = implementation_of(kernel->key);
    const struct implementation *of_functor = functor != NULL ? implementation_of(functor->key) : NULL;

    if (of_kernel == NULL || of_kernel->compute == NULL)
        return;
    if (functor != NULL) {
        if (of_functor == NULL)
            return;
        match->is_copy = of_functor->is_copy;
        if (match->functor.class != SIM_RAW)
            match->block = of_functor->blocks[match->functor.class];
        if (match->block == NULL && !match->is_copy)
            return;
    }
    match->compute = of_kernel->compute;
}

static void find_kernel(struct sim_match *match)
{
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        const struct functor *functor = NULL;
        if (!sim_pattern_matches(kernels[i].pattern, match->name, strlen(match->name), &match->holes))
            continue;
        if (match->holes.functor != NULL) {
            functor = find_functor(match);
            if (functor == NULL)
                continue;
        }
        if (!sim_layout_read(kernels[i].layout, functor != NULL ? &match->functor : NULL, &match->layout))
            return;
        match->key = functor != NULL ? functor->key : kernels[i].key;
        match->is_ours = kernels[i].is_ours;
        find_implementation(match, &kernels[i], functor);
        return;
    }
}

bool sim_match_is_understood(const struct sim_match *match)
{
    return match != NULL && match->key != NULL && (match->is_ours || sim_computes_kernels());
}

struct sim_match *sim_match_of(const char *mangled)
{
    struct sim_match *match;
    char *demangled;

    HASH_FIND(hh, matches, mangled, strlen(mangled), match);
    if (match != NULL)
        return match;
    demangled = sim_demangle(mangled);
    match = demangled != NULL ? calloc(1, sizeof *match) : NULL;
    if (match == NULL) {
        free(demangled);
        return NULL;
    }
    match->mangled = strdup(mangled);
    match->name = sim_pattern_shorten(demangled);
    free(demangled);
    if (match->mangled == NULL || match->name == NULL) {
        free(match->mangled);
        free(match->name);
        free(match);
        return NULL;
    }
    find_kernel(match);
    HASH_ADD_KEYPTR(hh, matches, match->mangled, strlen(match->mangled), match);
    return match;
}
