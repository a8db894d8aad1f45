/*
 * "Did you mean ...?": the known word nearest to a mistyped one.
 */
#ifndef VRAMSPAN_POLICY_SUGGEST_H
#define VRAMSPAN_POLICY_SUGGEST_H

#include <stddef.h>

/*
 * The candidate that the fewest single edits (a letter added, left out, changed, or two neighbours swapped; case and
 * `_` for `-` cost nothing) turn the word into, or NULL where even the nearest is too far to be what was meant: more
 * than a third of its letters. A word that goes on behind the candidate with a `-` or `_` counts as two edits away.
 */
const char *vs_suggest(const char *word, size_t length, const char *const *candidates, size_t count);

#endif
