/* attention_math.h: scaled dot-product attention on the CPU: softmax(Q K' * scale + bias) V, computed in fp32.
 *
 * It is cut into units, (batch, head, block of queries); each is computed on its own and in one order, so that threads
 * may share them out as they like. A query that sees no key gives zeros. */
#ifndef SIM_ATTENTION_MATH_H
#define SIM_ATTENTION_MATH_H

#include "type.h"

#include <stddef.h>
#include <stdint.h>

/* In elements. Within a row, elements are adjacent. */
struct sim_attention_strides {
    int64_t batch, head, row;
};

struct sim_attention {
    enum sim_type type;     /* of q, k, v and the bias */
    enum sim_type out_type; /* of out */
    const void *q, *k, *v;
    const void *bias; /* may be NULL; its row is of a query, its elements are of the keys */
    void *out;
    float *lse; /* log(sum of exp) of each query; may be NULL; row stride 1 */
    struct sim_attention_strides q_at, k_at, v_at, bias_at, out_at, lse_at;
    size_t batches, heads, heads_per_key_head;
    size_t queries, width, value_width;
    size_t first_key, end_key; /* which keys are looked at */
    float scale;
    /* Query i sees the keys from i - left to i + right. */
    int64_t left, right;
    float lse_of_nothing; /* where a query sees no key */
};

#define SIM_ATTENTION_EVERYTHING (INT64_MAX / 4) /* for left and right */

size_t sim_attention_units(const struct sim_attention *attention);
size_t sim_attention_scratch_bytes(const struct sim_attention *attention);
/* `scratch` is aligned as malloc does. */
void sim_attention_unit(const struct sim_attention *attention, size_t unit, void *scratch);

/* Joins what `splits` computations over parts of the keys gave: parts[split * part_step + i] weighted by
 * exp(lses[split * lse_step] - log-sum-exp of all). Returns that log-sum-exp; `width` floats at `out`. */
float sim_attention_join(
    size_t splits, const float *parts, size_t part_step, const float *lses, size_t lse_step, size_t width, float *out);

#endif
