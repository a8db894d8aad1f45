/*
 * The order of execution: a run's own, as far as it was learned; else that of the table of modules; else the names put
 * right by the numbers in them (block 2 before block 10) and by what models call their first and last blocks. It
 * depends on names alone, so that the order within a file, which writers sort by type and alphabet, does not matter.
 */
#include "plan_internal.h"

#include <stdlib.h>
#include <string.h>

/* --- By names ----------------------------------------------------------------------------------------------------- */

enum { RANK_ENTRY, RANK_EARLY, RANK_BETWEEN, RANK_LATE, RANK_EXIT };

/* What a piece of a name (between points) says of its turn; the first line that fits holds. */
#define WORD(text) text, sizeof text - 1
static const struct {
    const char *text;
    size_t length;
    enum { WHOLE, BEGINS, ENDS, CONTAINS } how;
    int rank;
} pieces[] = {
    {WORD("out_layers"), WHOLE, RANK_LATE},
    {WORD("skip_connection"), WHOLE, RANK_LATE},
    {WORD("input_blocks"), WHOLE, RANK_EARLY},
    {WORD("output_blocks"), WHOLE, RANK_LATE},
    {WORD("down_blocks"), WHOLE, RANK_EARLY},
    {WORD("up_blocks"), WHOLE, RANK_LATE},
    {WORD("double_blocks"), WHOLE, RANK_EARLY},
    {WORD("single_blocks"), WHOLE, RANK_LATE},
    {WORD("joint_blocks"), WHOLE, RANK_EARLY},
    {WORD("single_transformer_blocks"), WHOLE, RANK_LATE},
    {WORD("decoder"), WHOLE, RANK_LATE},
    {WORD("out"), WHOLE, RANK_EXIT},
    {WORD("head"), WHOLE, RANK_EXIT},
    {WORD("lm_head"), WHOLE, RANK_EXIT},
    {WORD("ln_f"), WHOLE, RANK_EXIT},
    {WORD("conv_out"), WHOLE, RANK_EXIT},
    {WORD("norm_out"), WHOLE, RANK_EXIT},
    {WORD("output"), WHOLE, RANK_EXIT},
    {WORD("output_norm"), WHOLE, RANK_EXIT},
    {WORD("final"), BEGINS, RANK_EXIT},
    {WORD("proj_out"), WHOLE, RANK_EXIT},
    {WORD("_out"), ENDS, RANK_LATE},
    {WORD("in_layers"), WHOLE, RANK_ENTRY},
    {WORD("_in"), ENDS, RANK_ENTRY},
    {WORD("embed"), CONTAINS, RANK_ENTRY},
    {WORD("embd"), CONTAINS, RANK_ENTRY},
    {WORD("shared"), WHOLE, RANK_ENTRY},
    /* within a block */
    {WORD("mod"), ENDS, RANK_ENTRY},
    {WORD("modulation"), CONTAINS, RANK_ENTRY},
    {WORD("self_attn"), WHOLE, RANK_EARLY},
    {WORD("attn1"), WHOLE, RANK_EARLY},
    {WORD("attn"), WHOLE, RANK_EARLY},
    {WORD("ff"), WHOLE, RANK_LATE},
    {WORD("ffn"), WHOLE, RANK_LATE},
    {WORD("mlp"), ENDS, RANK_LATE},
};

static bool fits(const char *text, size_t length, size_t i)
{
    const char *word = pieces[i].text;
    size_t word_length = pieces[i].length;
    switch (pieces[i].how) {
    case WHOLE:
        return length == word_length && !memcmp(text, word, length);
    case BEGINS:
        return length >= word_length && !memcmp(text, word, word_length);
    case ENDS:
        return length >= word_length && !memcmp(text + length - word_length, word, word_length);
    case CONTAINS:
        return memmem(text, length, word, word_length);
    }
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int rank_of(const char *text, size_t length)
{
    for (size_t i = 0; length && !is_digit(text[0]) && i < sizeof pieces / sizeof *pieces; i++)
        if (fits(text, length, i))
            return pieces[i].rank;
    return RANK_BETWEEN;
}

/* Numbers by value, all else by character; texts that differ never compare equal. */
static int compare_natural(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t i = 0, k = 0;
    while (i < a_length && k < b_length) {
        if (!is_digit(a[i]) || !is_digit(b[k])) {
            if (a[i] != b[k])
                return (unsigned char)a[i] < (unsigned char)b[k] ? -1 : 1;
            i++, k++;
            continue;
        }
        size_t a_zeros = i, b_zeros = k, a_digits, b_digits;
        while (a_zeros + 1 < a_length && a[a_zeros] == '0' && is_digit(a[a_zeros + 1]))
            a_zeros++;
        while (b_zeros + 1 < b_length && b[b_zeros] == '0' && is_digit(b[b_zeros + 1]))
            b_zeros++;
        for (a_digits = a_zeros; a_digits < a_length && is_digit(a[a_digits]); a_digits++)
            ;
        for (b_digits = b_zeros; b_digits < b_length && is_digit(b[b_digits]); b_digits++)
            ;
        if (a_digits - a_zeros != b_digits - b_zeros)
            return a_digits - a_zeros < b_digits - b_zeros ? -1 : 1;
        int order = memcmp(a + a_zeros, b + b_zeros, a_digits - a_zeros);
        if (order || a_zeros - i != b_zeros - k)
            return order ? order : a_zeros - i < b_zeros - k ? -1 : 1;
        i = a_digits;
        k = b_digits;
    }
    return (i < a_length) - (k < b_length);
}

/* Compares the first pieces that differ. A module's own tensors stand before those of modules within it. */
static int compare_names(const char *a, const char *b)
{
    size_t start = 0, at = 0;
    for (; a[at] && a[at] == b[at]; at++)
        if (a[at] == '.')
            start = at + 1;
    if (!a[at] && !b[at])
        return 0;
    const char *a_piece = a + start, *b_piece = b + start;
    size_t a_length = strcspn(a_piece, "."), b_length = strcspn(b_piece, ".");
    bool a_leaf = !a_piece[a_length], b_leaf = !b_piece[b_length];
    if (a_leaf != b_leaf)
        return a_leaf ? -1 : 1;
    int a_rank = rank_of(a_piece, a_length), b_rank = rank_of(b_piece, b_length);
    if (a_rank != b_rank)
        return a_rank < b_rank ? -1 : 1;
    return compare_natural(a_piece, a_length, b_piece, b_length);
}

static int by_names(const void *left, const void *right, void *context)
{
    const struct vs_plan_tensor *tensors = context;
    return compare_names(tensors[*(const uint32_t *)left].name, tensors[*(const uint32_t *)right].name);
}

/* --- By a table of modules ---------------------------------------------------------------------------------------- */

struct keys {
    const struct vs_plan_tensor *tensors;
    const uint64_t *key;
};

static int by_keys(const void *left, const void *right, void *context)
{
    const struct keys *keys = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (keys->key[a] != keys->key[b])
        return keys->key[a] < keys->key[b] ? -1 : 1;
    return strcmp(keys->tensors[a].name, keys->tensors[b].name);
}

/* Where a module stands; of a parameter without one, before a module that its owner contains. */
static uint64_t key_of(const struct vs_planner *planner, size_t tensor)
{
    const struct vs_module_table *table = planner->table;
    const char *name = planner->tensors[tensor].name, *point = strrchr(name, '.');
    uint32_t module = planner->plan->places[tensor].module;
    if (module != VS_PLAN_NO_MODULE)
        return 2 * (uint64_t)module + 1;
    if (!point || strlen(name) < planner->prefix_length || point < name + planner->prefix_length)
        return 0;
    name += planner->prefix_length;
    size_t at = vs_module_table_find(table, name, (size_t)(point - name) + 1);
    return at < table->module_count ? 2 * (uint64_t)table->by_name[at] : 0;
}

/* --- As learned --------------------------------------------------------------------------------------------------- */

/* Learned tensors in the order of their first use; the others stay behind the one that they followed. */
static void apply_learned(struct vs_planner *planner, uint64_t *key)
{
    const struct vs_plan_wish *wish = planner->wish;
    struct vs_plan *plan = planner->plan;
    for (size_t i = 0; i < planner->count; i++)
        key[i] = 0;
    for (size_t k = wish->learned_count; k > 0; k--) { /* backwards: the first use is written last */
        size_t i = vs_planner_find_name(planner, wish->learned[k - 1]);
        if (i < planner->count)
            key[i] = k;
    }
    uint64_t last = 0;
    for (size_t k = 0; k < planner->count; k++) {
        size_t i = plan->execution[k];
        last = key[i] ? key[i] : last;
        key[i] = last << 32 | k;
    }
}

int vs_planner_order_execution(struct vs_planner *planner)
{
    uint32_t *execution = planner->plan->execution;
    for (size_t i = 0; i < planner->count; i++)
        execution[i] = (uint32_t)i;
    if (!planner->table)
        qsort_r(execution, planner->count, sizeof *execution, by_names, (void *)planner->tensors);
    if (!planner->table)
        return 0;
    uint64_t *key = calloc(planner->count + 1, sizeof *key);
    if (!key) {
        vs_diag_out_of_memory(planner->diags);
        return -1;
    }
    struct keys keys = {planner->tensors, key};
    for (size_t i = 0; i < planner->count; i++)
        key[i] = key_of(planner, i);
    qsort_r(execution, planner->count, sizeof *execution, by_keys, &keys);
    free(key);
    return 0;
}

int vs_planner_order_as_learned(struct vs_planner *planner)
{
    if (!planner->wish->learned_count)
        return 0;
    uint64_t *key = calloc(planner->count + 1, sizeof *key);
    if (!key) {
        vs_diag_out_of_memory(planner->diags);
        return -1;
    }
    struct keys keys = {planner->tensors, key};
    apply_learned(planner, key);
    qsort_r(planner->plan->execution, planner->count, sizeof *planner->plan->execution, by_keys, &keys);
    free(key);
    return 0;
}
