/* attention.c: the fused attention kernels of PyTorch: flash attention (csrc/flash_attn/src/flash.h: Flash_fwd_params)
 * with and without split keys, and the memory-efficient one (mem_eff_attention/kernel_forward.h:
 * AttentionKernel::Params).
 *
 * Of flash.h, which is not in the package, the layout was compared with launches whose values are known. Dropout,
 * ALiBi, soft caps, paged and ragged keys are not computed. */
#include "attention_math.h"
#include "implementations.h"
#include "rows.h"

#include <math.h>
#include <string.h>

/* The part of Flash_fwd_params that matters here. */
struct flash {
    CUdeviceptr q, k, v;
    int64_t q_batch, k_batch, v_batch, q_row, k_row, v_row, q_head, k_head, v_head;
    int32_t heads, key_heads, heads_per_key_head;
    CUdeviceptr o, o_parts;
    int64_t o_batch, o_row, o_head;
    CUdeviceptr p, lse, lse_parts;
    int32_t batches, queries, keys, new_keys, width, queries_rounded, keys_rounded, width_rounded, rotary_width,
        total_queries;
    float scale, scale_log2;
    CUdeviceptr ragged_queries, ragged_keys, left_pad, used_keys, block_mask;
    unsigned char between[372 - 264];
    float keep_probability;
    uint32_t keep_probability_byte;
    float scale_of_kept, scale_of_kept_log2;
    int32_t left, right;
    float soft_cap;
    unsigned char random_state[440 - 400];
    bool is_bf16, is_causal, lengths_are_sums, rotary_is_interleaved;
    int32_t splits;
    CUdeviceptr slopes;
    unsigned char rest[472 - 456];
};
_Static_assert(sizeof(struct flash) == 472, "Flash_fwd_params");

struct work {
    struct sim_attention attention;
    unsigned char *scratch; /* a piece for each part */
    size_t scratch_bytes, units_per_part;
};

static void attend_some(void *state, size_t first, size_t last)
{
    const struct work *work = state;

    for (size_t part = first; part < last; part++) {
        const size_t units = sim_attention_units(&work->attention);
        const size_t begin = part * work->units_per_part;
        const size_t end = begin + work->units_per_part < units ? begin + work->units_per_part : units;
        for (size_t unit = begin; unit < end; unit++)
            sim_attention_unit(&work->attention, unit, work->scratch + part * work->scratch_bytes);
    }
}

#define PARTS ((size_t)8) /* more than threads, so that they end together; each has its own scratch memory */

static void attend(struct sim_call *call, const struct sim_attention *attention)
{
    const size_t units = sim_attention_units(attention);
    const size_t parts = units < PARTS ? units : PARTS;
    struct work work = {.attention = *attention,
        .scratch_bytes = (sim_attention_scratch_bytes(attention) + 63) / 64 * 64,
        .units_per_part = parts > 0 ? (units + parts - 1) / parts : 0};

    work.scratch = sim_call_scratch(call, parts * work.scratch_bytes + 1);
    if (work.scratch != NULL && sim_call_is_ready(call))
        sim_parallel(parts, 1, attend_some, &work);
}

/* batch x head x row x `width` packed elements. */
static struct sim_shape rows_of(enum sim_type type, size_t batches, size_t heads, size_t rows, size_t width,
    const struct sim_attention_strides *strides)
{
    const uint64_t bytes = sim_element_bytes(type);

    return (struct sim_shape){.dims = 4,
        .element_bytes = bytes,
        .sizes = {width, rows, heads, batches},
        .strides = {
            bytes, (uint64_t)strides->row * bytes, (uint64_t)strides->head * bytes, (uint64_t)strides->batch * bytes}};
}

static const void *input_rows(struct sim_call *call, CUdeviceptr address, enum sim_type type, size_t batches,
    size_t heads, size_t rows, size_t width, const struct sim_attention_strides *strides)
{
    const struct sim_shape shape = rows_of(type, batches, heads, rows, width, strides);
    return sim_input_strided(call, address, &shape);
}

static void *output_rows(struct sim_call *call, CUdeviceptr address, enum sim_type type, size_t batches, size_t heads,
    size_t rows, size_t width, const struct sim_attention_strides *strides)
{
    const struct sim_shape shape = rows_of(type, batches, heads, rows, width, strides);
    return sim_output_strided(call, address, &shape);
}

/* --- flash attention ---------------------------------------------------------------------------------------------- */

static bool is_plain(const struct flash *flash)
{
    return flash->p == 0 && flash->ragged_queries == 0 && flash->ragged_keys == 0 && flash->left_pad == 0 &&
           flash->used_keys == 0 && flash->block_mask == 0 && flash->keep_probability == 1 && flash->soft_cap == 0 &&
           flash->slopes == 0;
}

static void prepare_flash(struct sim_call *call, const struct flash *flash, struct sim_attention *attention)
{
    const enum sim_type type = flash->is_bf16 ? SIM_TYPE_BF16 : SIM_TYPE_F16;
    const size_t heads = (size_t)flash->heads, key_heads = (size_t)flash->key_heads, batches = (size_t)flash->batches;
    const size_t queries = (size_t)flash->queries, keys = (size_t)flash->keys, width = (size_t)flash->width;
    const int64_t shift = (int64_t)flash->keys - flash->queries; /* the last query sits above the last key */

    *attention = (struct sim_attention){.type = type,
        .out_type = type,
        .q_at = {flash->q_batch, flash->q_head, flash->q_row},
        .k_at = {flash->k_batch, flash->k_head, flash->k_row},
        .v_at = {flash->v_batch, flash->v_head, flash->v_row},
        .out_at = {flash->o_batch, flash->o_head, flash->o_row},
        .lse_at = {(int64_t)flash->heads * flash->queries, flash->queries, 1},
        .batches = batches,
        .heads = heads,
        .heads_per_key_head = (size_t)flash->heads_per_key_head,
        .queries = queries,
        .width = width,
        .value_width = width,
        .end_key = keys,
        .scale = flash->scale,
        .left = flash->left < 0 ? SIM_ATTENTION_EVERYTHING : flash->left - shift,
        .right = flash->right < 0 ? SIM_ATTENTION_EVERYTHING : flash->right + shift,
        .lse_of_nothing = INFINITY};
    attention->q = input_rows(call, flash->q, type, batches, heads, queries, width, &attention->q_at);
    attention->k = input_rows(call, flash->k, type, batches, key_heads, keys, width, &attention->k_at);
    attention->v = input_rows(call, flash->v, type, batches, key_heads, keys, width, &attention->v_at);
}

static size_t lse_bytes(const struct flash *flash)
{
    return (size_t)flash->batches * (size_t)flash->heads * (size_t)flash->queries * sizeof(float);
}

void sim_compute_flash(struct sim_call *call)
{
    const struct flash *flash = sim_argument(call, 0, sizeof *flash);
    struct sim_attention attention;

    if (!is_plain(flash)) {
        sim_call_give_up(call);
        return;
    }
    prepare_flash(call, flash, &attention);
    attention.out = output_rows(call, flash->o, attention.type, attention.batches, attention.heads, attention.queries,
        attention.value_width, &attention.out_at);
    attention.lse = sim_output(call, flash->lse, lse_bytes(flash));
    attend(call, &attention);
}

/* Each split looks at its share of the blocks of keys, and leaves its result and its log-sum-exp. The block's width is
 * a template parameter. */
void sim_compute_flash_split(struct sim_call *call)
{
    const struct flash *flash = sim_argument(call, 0, sizeof *flash);
    const size_t block = (size_t)call->numbers[2];
    struct sim_attention attention;
    size_t rows, blocks, blocks_per_split, splits;
    float *parts, *lses;

    if (flash->splits <= 1) {
        sim_compute_flash(call);
        return;
    }
    if (!is_plain(flash)) {
        sim_call_give_up(call);
        return;
    }
    splits = (size_t)flash->splits;
    rows = (size_t)flash->batches * (size_t)flash->heads * (size_t)flash->queries;
    blocks = ((size_t)flash->keys + block - 1) / block;
    blocks_per_split = (blocks + splits - 1) / splits;
    prepare_flash(call, flash, &attention);
    parts = sim_output(call, flash->o_parts, splits * rows * (size_t)flash->width_rounded * sizeof *parts);
    lses = sim_output(call, flash->lse_parts, splits * rows * sizeof *lses);
    attention.out_type = SIM_TYPE_F32;
    attention.out_at = (struct sim_attention_strides){(int64_t)flash->heads * flash->queries * flash->width_rounded,
        (int64_t)flash->queries * flash->width_rounded, flash->width_rounded};
    attention.lse_of_nothing = -INFINITY;
    for (size_t split = 0; split < splits && sim_call_is_ready(call); split++) {
        attention.first_key = split * blocks_per_split * block;
        attention.end_key = attention.first_key + blocks_per_split * block;
        if (attention.end_key > (size_t)flash->keys)
            attention.end_key = (size_t)flash->keys;
        attention.out = parts + split * rows * (size_t)flash->width_rounded;
        attention.lse = lses + split * rows;
        attend(call, &attention);
    }
}

void sim_compute_flash_combine(struct sim_call *call)
{
    const struct flash *flash = sim_argument(call, 0, sizeof *flash);
    const enum sim_type type = flash->is_bf16 ? SIM_TYPE_BF16 : SIM_TYPE_F16;
    const struct sim_attention_strides at = {flash->o_batch, flash->o_head, flash->o_row};
    const size_t splits = (size_t)flash->splits, step = (size_t)flash->width_rounded, width = (size_t)flash->width;
    const size_t queries = (size_t)flash->queries, heads = (size_t)flash->heads, batches = (size_t)flash->batches;
    const size_t rows = batches * heads * queries;
    const float *parts = sim_input(call, flash->o_parts, splits * rows * step * sizeof *parts);
    const float *lses = sim_input(call, flash->lse_parts, splits * rows * sizeof *lses);
    char *out = output_rows(call, flash->o, type, batches, heads, queries, width, &at);
    float *lse = sim_output(call, flash->lse, lse_bytes(flash));
    float *row = sim_call_scratch(call, width * sizeof *row);

    if (row == NULL || !sim_call_is_ready(call))
        return;
    for (size_t i = 0; i < rows; i++) {
        const size_t query = i % queries, head = i / queries % heads, batch = i / queries / heads;
        const int64_t offset = (int64_t)batch * at.batch + (int64_t)head * at.head + (int64_t)query * at.row;
        lse[i] = sim_attention_join(splits, parts + i * step, rows * step, lses + i, rows, width, row);
        sim_store(type, row, width, out + offset * (int64_t)sim_element_bytes(type), (int64_t)sim_element_bytes(type));
    }
}

/* --- memory-efficient attention ----------------------------------------------------------------------------------- */

struct efficient {
    CUdeviceptr q, k, v, bias, ragged_queries, ragged_keys, key_lengths;
    uint32_t causal_diagonal_offset;
    CUdeviceptr o, o_accumulated, lse;
    int32_t window;
    float scale;
    int32_t width, value_width, queries, keys, all_keys;
    uint8_t mask; /* 0: none, 1: causal from the top left corner, 2: from the bottom right one */
    int32_t q_row, k_row, v_row, bias_row, o_row, q_head, k_head, v_head;
    int64_t bias_head, q_batch, k_batch, v_batch, bias_batch;
    int32_t batches, heads;
    bool dropout;
    unsigned char rest[272 - 204];
};
_Static_assert(sizeof(struct efficient) == 272, "AttentionKernel::Params");

#define LSE_ALIGNMENT 32 /* kAlignLSE: queries of one head, rounded up */

static void compute_efficient(struct sim_call *call, enum sim_type type)
{
    const struct efficient *given = sim_argument(call, 0, sizeof *given);
    const size_t batches = (size_t)given->batches, heads = (size_t)given->heads, queries = (size_t)given->queries;
    const size_t keys = (size_t)given->keys, lse_row = (queries + LSE_ALIGNMENT - 1) / LSE_ALIGNMENT * LSE_ALIGNMENT;
    struct sim_attention attention = {.type = type,
        .out_type = type,
        .q_at = {given->q_batch, given->q_head, given->q_row},
        .k_at = {given->k_batch, given->k_head, given->k_row},
        .v_at = {given->v_batch, given->v_head, given->v_row},
        .bias_at = {given->bias_batch, given->bias_head, given->bias_row},
        .out_at = {(int64_t)given->queries * given->o_row, given->value_width, given->o_row},
        .lse_at = {(int64_t)(lse_row * heads), (int64_t)lse_row, 1},
        .batches = batches,
        .heads = heads,
        .heads_per_key_head = 1,
        .queries = queries,
        .width = (size_t)given->width,
        .value_width = (size_t)given->value_width,
        .end_key = keys,
        .scale = given->scale,
        .left = SIM_ATTENTION_EVERYTHING,
        .right = given->mask == 0   ? SIM_ATTENTION_EVERYTHING
                 : given->mask == 1 ? given->causal_diagonal_offset
                                    : (int64_t)given->keys - given->queries,
        .lse_of_nothing = INFINITY};

    if (given->ragged_queries != 0 || given->ragged_keys != 0 || given->key_lengths != 0 || given->window != 0 ||
        given->dropout) {
        sim_call_give_up(call);
        return;
    }
    attention.q = input_rows(call, given->q, type, batches, heads, queries, attention.width, &attention.q_at);
    attention.k = input_rows(call, given->k, type, batches, heads, keys, attention.width, &attention.k_at);
    attention.v = input_rows(call, given->v, type, batches, heads, keys, attention.value_width, &attention.v_at);
    if (given->bias != 0)
        attention.bias = input_rows(call, given->bias, type, batches, heads, queries, keys, &attention.bias_at);
    attention.out =
        output_rows(call, given->o, type, batches, heads, queries, attention.value_width, &attention.out_at);
    if (given->lse != 0)
        attention.lse = sim_output(call, given->lse, batches * heads * lse_row * sizeof(float));
    attend(call, &attention);
}

void sim_compute_efficient_f32(struct sim_call *call)
{
    compute_efficient(call, SIM_TYPE_F32);
}

void sim_compute_efficient_f16(struct sim_call *call)
{
    compute_efficient(call, SIM_TYPE_F16);
}

void sim_compute_efficient_bf16(struct sim_call *call)
{
    compute_efficient(call, SIM_TYPE_BF16);
}
