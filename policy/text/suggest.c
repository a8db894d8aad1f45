/*
 * Nearest known word by edit distance (optimal string alignment). See suggest.h.
 */
#include "suggest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LONGEST = 40 }; /* no key is longer, and a longer word is no mistyped key */

/* Folded for comparison, without the locale's opinion about letters. */
static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][LONGEST + 1]; /* the row before last, the last, this one, in turns */
    for (unsigned j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a_length; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b_length; j++) {
            char x = fold(a[i - 1]), y = fold(b[j - 1]);
            now[j] = smaller(smaller(last[j] + 1, now[j - 1] + 1), last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == fold(b[j - 2]) && y == fold(a[i - 2]))
                now[j] = smaller(now[j], before[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

/* `compute_device` for `compute` */
static bool goes_on_behind(const char *word, size_t length, const char *candidate, size_t candidate_length)
{
    if (length <= candidate_length || fold(word[candidate_length]) != '-')
        return false;
    for (size_t i = 0; i < candidate_length; i++)
        if (fold(word[i]) != fold(candidate[i]))
            return false;
    return true;
}

const char *vs_suggest(const char *word, size_t length, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = UINT32_MAX;
    if (length > LONGEST)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_length = strlen(candidates[i]);
        if (candidate_length > LONGEST)
            continue;
        unsigned edits = distance(word, length, candidates[i], candidate_length);
        if (edits > 2 && goes_on_behind(word, length, candidates[i], candidate_length))
            edits = 2;
        if (edits < best_distance && edits <= (candidate_length + 2) / 3 && edits < candidate_length) {
            best = candidates[i];
            best_distance = edits;
        }
    }
    return best;
}
