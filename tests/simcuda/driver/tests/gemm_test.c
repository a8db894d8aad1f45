/* gemm_test.c: the CPU's matrix products against a double loop, on the fake device of gemm_fake_device.h. */
#include "../gemm.h"
#include "../gemm_types.h"
#include "gemm_fake_device.h"

#include <criterion/criterion.h>
#include <math.h>
#include <xxhash.h>

/* --- Building a GEMM ---------------------------------------------------------------------------------------------- */

static uint64_t random_state;

/* Multiples of 1/8 in [-2, 2]: exact in every format, so that only the order of additions could matter, and it does not
 * either while sums stay below 2^24 / 64. */
static double random_value(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)((int)(random_state >> 33) % 33 - 16) / 8.0;
}

static double get(const struct simcuda_matrix *matrix, int64_t batch, int64_t row, int64_t column)
{
    int64_t at = batch * matrix->batch_stride + column * matrix->leading_dimension + row;
    double value;
    sim_load_doubles(
        matrix->type, memory + (matrix->address - BASE) + (size_t)at * sim_type_bytes(matrix->type), &value, 1);
    return value;
}

static void put(const struct simcuda_matrix *matrix, int64_t batch, int64_t row, int64_t column, double value)
{
    int64_t at = batch * matrix->batch_stride + column * matrix->leading_dimension + row;
    sim_store_doubles(
        matrix->type, &value, memory + (matrix->address - BASE) + (size_t)at * sim_type_bytes(matrix->type), 1);
}

static void randomise(const struct simcuda_matrix *matrix, int64_t batch_count)
{
    for (int64_t batch = 0; batch < (matrix->batch_stride ? batch_count : 1); batch++)
        for (int64_t column = 0; column < matrix->columns; column++)
            for (int64_t row = 0; row < matrix->rows; row++)
                put(matrix, batch, row, column, random_value());
}

static struct simcuda_matrix matrix_at(
    size_t offset, enum simcuda_type type, bool transposed, int64_t rows, int64_t columns, int64_t pad)
{
    return (struct simcuda_matrix){
        .address = BASE + offset,
        .type = type,
        .transposed = transposed,
        .rows = transposed ? columns : rows,
        .columns = transposed ? rows : columns,
        .leading_dimension = (transposed ? columns : rows) + pad,
        .batch_stride = ((transposed ? columns : rows) + pad) * (transposed ? rows : columns),
    };
}

enum { OFFSET_A = 0, OFFSET_B = 8 << 20, OFFSET_C = 16 << 20, OFFSET_D = 20 << 20, OFFSET_BIAS = 28 << 20 };

static struct simcuda_gemm make(enum simcuda_type in, enum simcuda_type out, int64_t m, int64_t n, int64_t k,
    bool transpose_a, bool transpose_b, int64_t pad, int64_t batch_count)
{
    struct simcuda_gemm gemm = {
        .symbol = "testGemm",
        .a = matrix_at(OFFSET_A, in, transpose_a, m, k, pad),
        .b = matrix_at(OFFSET_B, in, transpose_b, k, n, pad),
        .c = matrix_at(OFFSET_C, out, false, m, n, pad),
        .d = matrix_at(OFFSET_D, out, false, m, n, 2 * pad),
        .batch_count = batch_count,
        .alpha = 1,
    };
    randomise(&gemm.a, batch_count);
    randomise(&gemm.b, batch_count);
    randomise(&gemm.c, batch_count);
    return gemm;
}

static double rounded(enum simcuda_type type, double value)
{
    char element[8];
    double back;
    sim_store_doubles(type, &value, element, 1);
    sim_load_doubles(type, element, &back, 1);
    return back;
}

/* What BLAS says element (row, column) is, before the activation. */
static double expected(const struct simcuda_gemm *gemm, int64_t batch, int64_t row, int64_t column)
{
    int64_t depth = gemm->a.transposed ? gemm->a.rows : gemm->a.columns;
    double sum = 0;
    for (int64_t p = 0; p < depth; p++)
        sum += (gemm->a.transposed ? get(&gemm->a, batch, p, row) : get(&gemm->a, batch, row, p)) *
               (gemm->b.transposed ? get(&gemm->b, batch, column, p) : get(&gemm->b, batch, p, column));
    return gemm->alpha * sum + (gemm->beta != 0 ? gemm->beta * get(&gemm->c, batch, row, column) : 0);
}

static void check_against_naive(const struct simcuda_gemm *gemm)
{
    bool computed;
    uint64_t hash[2];
    cr_assert(sim_gemm_execute(3, gemm, hash, &computed));
    cr_assert(computed);
    for (int64_t batch = 0; batch < gemm->batch_count; batch++)
        for (int64_t column = 0; column < gemm->d.columns; column++)
            for (int64_t row = 0; row < gemm->d.rows; row++) {
                double got = get(&gemm->d, batch, row, column);
                double want = rounded(gemm->d.type, expected(gemm, batch, row, column));
                cr_assert_eq(got, want, "types %d -> %d, transposed %d %d, element (%d, %d) of matrix %d: %g, not %g",
                    gemm->a.type, gemm->d.type, gemm->a.transposed, gemm->b.transposed, (int)row, (int)column,
                    (int)batch, got, want);
            }
}

/* --- Products ----------------------------------------------------------------------------------------------------- */

Test(gemm, equals_a_double_loop_for_all_transpositions_types_and_odd_shapes, .init = reset)
{
    static const int64_t shapes[][3] = {
        {1, 1, 1}, {1, 7, 3}, {17, 1, 5}, {16, 6, 256}, {17, 7, 257}, {33, 13, 40}, {129, 19, 300}, {5, 1010, 9}};
    static const enum simcuda_type types[][2] = {{SIMCUDA_F32, SIMCUDA_F32}, {SIMCUDA_F16, SIMCUDA_F16},
        {SIMCUDA_BF16, SIMCUDA_BF16}, {SIMCUDA_F16, SIMCUDA_F32}, {SIMCUDA_F64, SIMCUDA_F64}};

    for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++)
        for (size_t type = 0; type < sizeof types / sizeof *types; type++)
            for (int transposed = 0; transposed < 4; transposed++)
                for (int64_t pad = 0; pad <= 3; pad += 3) {
                    struct simcuda_gemm gemm = make(types[type][0], types[type][1], shapes[shape][0], shapes[shape][1],
                        shapes[shape][2], transposed & 1, transposed & 2, pad, 1);
                    check_against_naive(&gemm);
                }
}

Test(gemm, applies_alpha_and_beta_and_leaves_what_lies_between_the_columns, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F32, SIMCUDA_F32, 19, 11, 23, true, false, 2, 2);
    gemm.alpha = -0.5;
    gemm.beta = 3;
    check_against_naive(&gemm);
    /* D has 4 elements of padding after each column of 19; the buffer was filled with 0x5a. */
    const char *padding = memory + OFFSET_D + 19 * sizeof(float);
    for (size_t i = 0; i < 4 * sizeof(float); i++)
        cr_assert_eq(padding[i], 0x5a);
}

Test(gemm, in_place_result_reads_c_before_it_writes_d, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F32, SIMCUDA_F32, 6, 5, 4, false, false, 0, 2);
    float want[2][5][6];
    gemm.d = gemm.c;
    gemm.beta = 1;
    for (int64_t batch = 0; batch < 2; batch++)
        for (int64_t column = 0; column < 5; column++)
            for (int64_t row = 0; row < 6; row++)
                want[batch][column][row] = (float)expected(&gemm, batch, row, column);
    bool computed;
    cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed) && computed);
    cr_assert_arr_eq(memory + OFFSET_C, want, sizeof want);
}

Test(gemm, a_zero_beta_does_not_read_c_and_a_zero_alpha_does_not_spread_nans, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F32, SIMCUDA_F32, 4, 4, 4, false, false, 0, 1);
    put(&gemm.c, 0, 1, 1, NAN);
    check_against_naive(&gemm);

    bool computed;
    put(&gemm.a, 0, 0, 0, NAN);
    put(&gemm.c, 0, 1, 1, 2.5);
    gemm.alpha = 0;
    gemm.beta = 2;
    cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed) && computed);
    cr_assert_eq(get(&gemm.d, 0, 1, 1), 5.0);
    cr_assert_not(isnan(get(&gemm.d, 0, 0, 0)));
}

Test(gemm, a_batch_stride_of_zero_uses_one_matrix_for_all, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F16, SIMCUDA_F16, 9, 8, 7, false, true, 0, 5);
    gemm.a.batch_stride = 0;
    check_against_naive(&gemm);
}

/* Attention: heads side by side within a row of the tensor, so that batches interleave. */
Test(gemm, batches_may_lie_between_each_others_columns, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F16, SIMCUDA_F16, 12, 10, 8, true, false, 0, 4);
    gemm.a.leading_dimension = gemm.b.leading_dimension = 32;
    gemm.a.batch_stride = gemm.b.batch_stride = 8;
    randomise(&gemm.a, 4);
    randomise(&gemm.b, 4);
    check_against_naive(&gemm);

    uint64_t hash[2];
    bool computed;
    cr_assert(sim_gemm_execute(3, &gemm, hash, &computed));
    cr_assert_eq(hash[0], XXH3_64bits(memory + OFFSET_A, (size_t)4 * 8 * 12 * 2), "the whole tensor, in its own order");
}

Test(gemm, bias_and_activation_come_before_the_rounding, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_BF16, SIMCUDA_BF16, 21, 4, 6, false, false, 0, 1);
    struct simcuda_matrix bias = matrix_at(OFFSET_BIAS, SIMCUDA_F32, false, 21, 1, 0);
    bool computed;
    randomise(&bias, 1);
    gemm.bias = bias.address;
    gemm.bias_type = bias.type;
    for (int activation = SIMCUDA_EPILOGUE_NONE; activation <= SIMCUDA_EPILOGUE_GELU; activation++) {
        memcpy(&gemm.activation, &activation, sizeof activation);
        cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed) && computed);
        for (int64_t column = 0; column < 4; column++)
            for (int64_t row = 0; row < 21; row++) {
                double x = expected(&gemm, 0, row, column) + get(&bias, 0, row, 0);
                double want = activation == SIMCUDA_EPILOGUE_NONE ? x
                              : activation == SIMCUDA_EPILOGUE_RELU
                                  ? fmax(x, 0)
                                  : x * (1 + tanh(0.79788456 * (x + 0.044715 * x * x * x))) / 2;
                double got = get(&gemm.d, 0, row, column);
                /* One unit in the last of bfloat16's eight bits, for tanh in float. */
                double slack = activation == SIMCUDA_EPILOGUE_GELU ? fabs(want) / 128 + 1e-6 : 0;
                cr_assert(fabs(got - rounded(SIMCUDA_BF16, want)) <= slack, "activation %d, (%d, %d): %g, not %g",
                    activation, (int)row, (int)column, got, want);
            }
    }
}

Test(gemm, scalars_may_lie_on_the_device, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F32, SIMCUDA_F32, 8, 8, 8, false, false, 0, 1);
    struct simcuda_gemm with_host_scalars = gemm;
    float scalars[2] = {0.25f, -2};
    bool computed;
    memcpy(memory + OFFSET_BIAS, scalars, sizeof scalars);
    gemm.scalars_on_device = true;
    gemm.scalar_type = SIMCUDA_F32;
    gemm.alpha = gemm.beta = 77; /* must not be used */
    gemm.alpha_address = BASE + OFFSET_BIAS;
    gemm.beta_address = gemm.alpha_address + sizeof(float);
    cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed) && computed);
    with_host_scalars.alpha = 0.25;
    with_host_scalars.beta = -2;
    cr_assert_eq(get(&gemm.d, 0, 5, 3), expected(&with_host_scalars, 0, 5, 3));

    unknown = (struct range){gemm.beta_address, 4};
    cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed));
    cr_assert_not(computed, "an unknown beta");
}

Test(gemm, the_number_of_threads_does_not_change_a_bit, .init = reset)
{
    enum { M = 300, N = 290, K = 700 };
    struct simcuda_gemm gemm = make(SIMCUDA_F32, SIMCUDA_F32, M, N, K, true, false, 0, 1);
    static float one[M * N];
    bool computed;
    for (int64_t i = 0; i < (int64_t)M * K; i++) /* values whose sums do round */
        ((float *)(void *)(memory + OFFSET_A))[i] = (float)sin((double)i);
    setenv("SIMCUDA_THREADS", "1", 1);
    cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed) && computed);
    memcpy(one, memory + OFFSET_D, sizeof one);
    memset(memory + OFFSET_D, 0, sizeof one);
    setenv("SIMCUDA_THREADS", "7", 1);
    cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed) && computed);
    cr_assert_arr_eq(memory + OFFSET_D, one, sizeof one);
}

/* --- Checks and knowledge ----------------------------------------------------------------------------------------- */

Test(gemm, each_operand_is_checked_by_name_and_nothing_is_written, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F32, SIMCUDA_F32, 8, 6, 4, false, false, 1, 3);
    gemm.beta = 1;
    gemm.bias = BASE + OFFSET_BIAS;
    gemm.bias_type = SIMCUDA_F32;
    struct {
        const struct simcuda_matrix *matrix;
        const char *what;
    } cases[] = {{&gemm.a, "operand A of testGemm"}, {&gemm.b, "operand B of testGemm"},
        {&gemm.c, "operand C of testGemm"}, {&gemm.d, "the result of testGemm"}};
    bool computed;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* the last element of the last matrix */
        const struct simcuda_matrix *matrix = cases[i].matrix;
        unreachable = (struct range){
            matrix->address + (size_t)(2 * matrix->batch_stride + (matrix->columns - 1) * matrix->leading_dimension +
                                       matrix->rows - 1) *
                                  sizeof(float),
            1};
        cr_assert_not(sim_gemm_execute(3, &gemm, NULL, &computed), "%s", cases[i].what);
        cr_assert_str_eq(last_what, cases[i].what);
        unreachable.address += sizeof(float);
        cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed), "one element behind %s", cases[i].what);
        memset(memory + OFFSET_D, 0x5a, 4096);
    }
    unreachable = (struct range){gemm.bias + 7 * sizeof(float), 4};
    cr_assert_not(sim_gemm_execute(3, &gemm, NULL, &computed));
    cr_assert_str_eq(last_what, "the bias of testGemm");
    cr_assert_eq(memory[OFFSET_D], 0x5a, "nothing is written after a failed check");
}

Test(gemm, computes_nothing_where_that_was_asked_for, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F32, SIMCUDA_F32, 8, 6, 4, false, false, 0, 1);
    bool computed = true;
    products_are_computed = false;
    cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed));
    cr_assert_not(computed);
    cr_assert_eq(memory[OFFSET_D], 0x5a);
    cr_assert_eq(told_forgotten.address, gemm.d.address);
}

Test(gemm, unknown_inputs_are_not_computed_and_make_the_result_unknown, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F32, SIMCUDA_F32, 8, 6, 4, false, false, 0, 1);
    bool computed = true;
    unknown = (struct range){gemm.b.address + 4, 4};
    cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed));
    cr_assert_not(computed);
    cr_assert_eq(memory[OFFSET_D], 0x5a);
    cr_assert_eq(computed_count, 0);
    cr_assert_eq(forgotten_count, 1);
    cr_assert_eq(told_forgotten.address, gemm.d.address);
    cr_assert_eq(told_forgotten.bytes, sizeof(float) * 8 * 6);

    unknown = (struct range){gemm.c.address, 4};
    cr_assert(sim_gemm_execute(3, &gemm, NULL, &computed));
    cr_assert(computed, "C is not an input while beta is 0");
    cr_assert_eq(told_computed.address, gemm.d.address);
    cr_assert_eq(told_computed.bytes, sizeof(float) * 8 * 6);
}

Test(gemm, operands_are_hashed_where_the_host_wrote_them, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F16, SIMCUDA_F16, 700, 9, 400, true, false, 0, 1);
    uint64_t hash[2];
    bool computed;
    cr_assert(sim_gemm_execute(3, &gemm, hash, &computed));
    cr_assert_eq(hash[0], XXH3_64bits(memory + OFFSET_A, (size_t)700 * 400 * 2));
    cr_assert_eq(hash[1], XXH3_64bits(memory + OFFSET_B, (size_t)400 * 9 * 2));

    not_from_host = (struct range){gemm.b.address, 2};
    unknown = (struct range){gemm.b.address, 2};
    cr_assert(sim_gemm_execute(3, &gemm, hash, &computed));
    cr_assert_eq(hash[0], XXH3_64bits(memory + OFFSET_A, (size_t)700 * 400 * 2), "also where nothing is computed");
    cr_assert_eq(hash[1], 0);
}

Test(gemm, gaps_between_columns_are_not_hashed, .init = reset)
{
    struct simcuda_gemm gemm = make(SIMCUDA_F32, SIMCUDA_F32, 5, 4, 3, false, false, 2, 1);
    char packed[sizeof(float) * 5 * 3];
    uint64_t hash[2];
    bool computed;
    for (size_t column = 0; column < 3; column++)
        memcpy(packed + column * 5 * sizeof(float), memory + OFFSET_A + column * 7 * sizeof(float), 5 * sizeof(float));
    cr_assert(sim_gemm_execute(3, &gemm, hash, &computed));
    cr_assert_eq(hash[0], XXH3_64bits(packed, sizeof packed));
}
