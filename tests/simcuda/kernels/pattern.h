/* pattern.h: matching of demangled kernel names.
 *
 * Names are shortened first: namespaces that say nothing ("at::native::", "(anonymous namespace)::", "c10::" and their
 * like), the suffixes of numbers ("3ul") and the blanks in "> >" go. In a pattern
 *
 *     *   is any text, the shortest that fits,
 *     $   the name of an element type (types.def),
 *     %   a number,
 *     @   a functor: the shortest text with balanced brackets that fits.
 */
#ifndef SIM_PATTERN_H
#define SIM_PATTERN_H

#include "kernel.h"

struct sim_holes {
    unsigned type_count, number_count;
    enum sim_type types[SIM_MAX_HOLES];
    long numbers[SIM_MAX_HOLES];
    const char *functor; /* in the name that was matched, or NULL */
    size_t functor_length;
};

/* The shortened name; the caller frees it. NULL without memory. */
char *sim_pattern_shorten(const char *demangled);
/* Whether the whole of `text` (of `length`) matches. `holes` is filled where it does. */
bool sim_pattern_matches(const char *pattern, const char *text, size_t length, struct sim_holes *holes);

#endif
