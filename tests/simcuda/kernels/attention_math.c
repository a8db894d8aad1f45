/* attention_math.c: attention on the CPU; see attention_math.h.
 *
 * A unit converts its queries, and tile by tile the keys and values, to fp32; scores and outputs come from one
 * register-blocked product (rows.h). */
#include "attention_math.h"
#include "rows.h"

#include <math.h>
#include <string.h>

#define QUERY_BLOCK ((size_t)64)

static size_t round_up(size_t value, size_t step)
{
    return (value + step - 1) / step * step;
}

/* Where a unit keeps what: all in floats. */
struct scratch {
    float *queries; /* [QUERY_BLOCK][width] */
    float *keys;    /* a tile of keys, transposed: [width][SIM_TILE_WIDTH] */
    float *values;  /* [keys][value width, rounded up] */
    float *scores;  /* [QUERY_BLOCK][keys, rounded up] */
    float *outputs; /* [QUERY_BLOCK][value width, rounded up] */
    float *row;     /* one row of whatever length */
};

static size_t key_count(const struct sim_attention *attention)
{
    return attention->end_key > attention->first_key ? attention->end_key - attention->first_key : 0;
}

static size_t lay_out(const struct sim_attention *attention, float *at, struct scratch *scratch)
{
    const size_t keys = round_up(key_count(attention), SIM_TILE_WIDTH), width = attention->width;
    const size_t values = round_up(attention->value_width, SIM_TILE_WIDTH);
    const size_t longest = keys > width ? keys : width;
    const float *start = at;

    scratch->queries = at;
    scratch->keys = at += QUERY_BLOCK * width;
    scratch->values = at += width * SIM_TILE_WIDTH;
    scratch->scores = at += keys * values;
    scratch->outputs = at += QUERY_BLOCK * keys;
    scratch->row = at += QUERY_BLOCK * values;
    return (size_t)(at + longest - start) * sizeof *at;
}

size_t sim_attention_units(const struct sim_attention *attention)
{
    return attention->batches * attention->heads * ((attention->queries + QUERY_BLOCK - 1) / QUERY_BLOCK);
}

size_t sim_attention_scratch_bytes(const struct sim_attention *attention)
{
    static float nowhere[1];
    struct scratch scratch;
    return lay_out(attention, nowhere, &scratch);
}

static char *row_of(enum sim_type type, const void *base, const struct sim_attention_strides *strides, size_t batch,
    size_t head, size_t row)
{
    const int64_t offset =
        (int64_t)batch * strides->batch + (int64_t)head * strides->head + (int64_t)row * strides->row;
    return (char *)base + offset * (int64_t)sim_element_bytes(type);
}

static void load(enum sim_type type, const char *from, size_t count, float *out)
{
    sim_load(type, from, (int64_t)sim_element_bytes(type), count, out);
}

/* Scores of all keys, a tile of keys at a time. */
static void score(
    const struct sim_attention *attention, size_t batch, size_t head, size_t rows, const struct scratch *scratch)
{
    const size_t keys = key_count(attention), step = round_up(keys, SIM_TILE_WIDTH), width = attention->width;

    for (size_t first = 0; first < keys; first += SIM_TILE_WIDTH) {
        for (size_t j = 0; j < SIM_TILE_WIDTH; j++) {
            const size_t key = first + j;
            if (key < keys)
                load(attention->type,
                    row_of(attention->type, attention->k, &attention->k_at, batch, head / attention->heads_per_key_head,
                        attention->first_key + key),
                    width, scratch->row);
            else
                memset(scratch->row, 0, width * sizeof *scratch->row);
            for (size_t p = 0; p < width; p++)
                scratch->keys[p * SIM_TILE_WIDTH + j] = scratch->row[p];
        }
        for (size_t i = 0; i < rows; i += SIM_TILE_ROWS)
            sim_row_tile(width, scratch->queries + i * width, width, scratch->keys, SIM_TILE_WIDTH,
                scratch->scores + i * step + first, step);
    }
}

/* Scores of one query become weights that sum up to one; those that it does not see become 0. */
static void weigh(
    const struct sim_attention *attention, size_t batch, size_t head, size_t query, float *scores, float *bias)
{
    const int64_t first = (int64_t)attention->first_key, keys = (int64_t)key_count(attention);
    int64_t from = (int64_t)query - attention->left - first, to = (int64_t)query + attention->right + 1 - first;
    float largest, sum;

    from = from < 0 ? 0 : from > keys ? keys : from;
    to = to > keys ? keys : to < from ? from : to;
    sim_row_scale(scores + from, (size_t)(to - from), attention->scale);
    if (attention->bias != NULL) {
        const char *row = row_of(attention->type, attention->bias, &attention->bias_at, batch, head, query);
        load(attention->type, row + first * (int64_t)sim_element_bytes(attention->type), (size_t)keys, bias);
        for (int64_t j = from; j < to; j++)
            scores[j] += bias[j];
    }
    largest = sim_row_max(scores + from, (size_t)(to - from));
    memset(scores, 0, (size_t)from * sizeof *scores);
    memset(scores + to, 0, (round_up((size_t)keys, SIM_TILE_WIDTH) - (size_t)to) * sizeof *scores);
    if (largest == -INFINITY) {
        memset(scores + from, 0, (size_t)(to - from) * sizeof *scores);
        sum = 0;
    } else {
        sum = sim_row_exp(scores + from, (size_t)(to - from), largest);
        sim_row_scale(scores + from, (size_t)(to - from), 1 / sum);
    }
    if (attention->lse != NULL)
        attention
            ->lse[(int64_t)batch * attention->lse_at.batch + (int64_t)head * attention->lse_at.head + (int64_t)query] =
            sum == 0 ? attention->lse_of_nothing : largest + logf(sum);
}

void sim_attention_unit(const struct sim_attention *attention, size_t unit, void *memory)
{
    const size_t blocks = (attention->queries + QUERY_BLOCK - 1) / QUERY_BLOCK;
    const size_t head = unit / blocks % attention->heads, batch = unit / blocks / attention->heads;
    const size_t first = unit % blocks * QUERY_BLOCK;
    const size_t rows = attention->queries - first < QUERY_BLOCK ? attention->queries - first : QUERY_BLOCK;
    const size_t padded = round_up(rows, SIM_TILE_ROWS), keys = key_count(attention), width = attention->width;
    const size_t score_step = round_up(keys, SIM_TILE_WIDTH),
                 value_step = round_up(attention->value_width, SIM_TILE_WIDTH);
    struct scratch scratch;

    lay_out(attention, memory, &scratch);
    memset(scratch.queries, 0, padded * width * sizeof *scratch.queries);
    for (size_t i = 0; i < rows; i++)
        load(attention->type, row_of(attention->type, attention->q, &attention->q_at, batch, head, first + i), width,
            scratch.queries + i * width);
    score(attention, batch, head, padded, &scratch);
    for (size_t i = 0; i < rows; i++)
        weigh(attention, batch, head, first + i, scratch.scores + i * score_step, scratch.row);
    for (size_t j = 0; j < keys; j++) {
        float *row = scratch.values + j * value_step;
        memset(row + attention->value_width, 0, (value_step - attention->value_width) * sizeof *row);
        load(attention->type,
            row_of(attention->type, attention->v, &attention->v_at, batch, head / attention->heads_per_key_head,
                attention->first_key + j),
            attention->value_width, row);
    }
    for (size_t i = 0; i < padded; i += SIM_TILE_ROWS)
        for (size_t column = 0; column < value_step; column += SIM_TILE_WIDTH)
            sim_row_tile(keys, scratch.scores + i * score_step, score_step, scratch.values + column, value_step,
                scratch.outputs + i * value_step + column, value_step);
    for (size_t i = 0; i < rows; i++)
        sim_store(attention->out_type, scratch.outputs + i * value_step, attention->value_width,
            row_of(attention->out_type, attention->out, &attention->out_at, batch, head, first + i),
            (int64_t)sim_element_bytes(attention->out_type));
}

float sim_attention_join(
    size_t splits, const float *parts, size_t part_step, const float *lses, size_t lse_step, size_t width, float *out)
{
    float largest = -INFINITY, sum = 0, lse;

    for (size_t split = 0; split < splits; split++)
        largest = fmaxf(largest, lses[split * lse_step]);
    memset(out, 0, width * sizeof *out);
    if (largest == -INFINITY)
        return INFINITY;
    for (size_t split = 0; split < splits; split++)
        sum += expf(lses[split * lse_step] - largest);
    lse = largest + logf(sum);
    for (size_t split = 0; split < splits; split++) {
        const float weight = expf(lses[split * lse_step] - lse);
        if (weight > 0)
            for (size_t i = 0; i < width; i++)
                out[i] += weight * parts[split * part_step + i];
    }
    return lse;
}
