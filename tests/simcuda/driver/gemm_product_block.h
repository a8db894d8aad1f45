/* gemm_product_block.h: the blocked product for one element type. A template: gemm_product.c includes it once for float
 * and once for double, with REAL (the type), LANES (elements of a 32-byte vector) and NAMED(x) (adds the type's suffix)
 * defined.
 *
 * The usual three levels: blocks of A (ROW_BLOCK x DEPTH_BLOCK) that stay in the second-level cache, panels of B, and a
 * tile of TILE_ROWS x TILE_COLUMNS sums in registers. Blocks are repacked so that the innermost loop reads both in
 * order; incomplete tiles are filled up with zeros.
 */

typedef REAL NAMED(vector) __attribute__((vector_size(32)));
typedef REAL NAMED(stored_vector) __attribute__((vector_size(32), aligned(sizeof(REAL)), may_alias));

#define TILE_ROWS    (2 * LANES)
#define TILE_COLUMNS ((size_t)6)

/* sums[column][row] = packed A (depth x TILE_ROWS) times packed B (depth x TILE_COLUMNS). */
static inline __attribute__((always_inline)) void NAMED(tile)(
    size_t depth, const REAL *a, const REAL *b, REAL *restrict sums)
{
    NAMED(vector) high[TILE_COLUMNS] = {0}, low[TILE_COLUMNS] = {0};
    for (size_t p = 0; p < depth; p++, a += TILE_ROWS, b += TILE_COLUMNS) {
        NAMED(vector) a_low = *(const NAMED(stored_vector) *)a, a_high = *(const NAMED(stored_vector) *)(a + LANES);
#pragma GCC unroll 6
        for (size_t j = 0; j < TILE_COLUMNS; j++) {
            low[j] += a_low * b[j];
            high[j] += a_high * b[j];
        }
    }
#pragma GCC unroll 6
    for (size_t j = 0; j < TILE_COLUMNS; j++) {
        *(NAMED(stored_vector) *)(sums + j * TILE_ROWS) = low[j];
        *(NAMED(stored_vector) *)(sums + j * TILE_ROWS + LANES) = high[j];
    }
}

static void NAMED(tile_plain)(size_t depth, const REAL *a, const REAL *b, REAL *sums)
{
    NAMED(tile)(depth, a, b, sums);
}

#ifdef __x86_64__
__attribute__((target("avx2,fma"))) static void NAMED(tile_avx2)(size_t depth, const REAL *a, const REAL *b, REAL *sums)
{
    NAMED(tile)(depth, a, b, sums);
}
#endif

/* Packs `count` rows of a matrix from row `first`, columns [depth_first, depth_first + depth), into panels of `width`.
 * Element (row, column) lies at matrix[row * element_step + column * depth_step]. */
static void NAMED(pack)(const REAL *matrix, size_t element_step, size_t depth_step, size_t first, size_t count,
    size_t depth_first, size_t depth, size_t width, REAL *out)
{
    for (size_t panel = 0; panel < count; panel += width) {
        size_t used = count - panel < width ? count - panel : width;
        const REAL *from = matrix + (first + panel) * element_step + depth_first * depth_step;
        for (size_t p = 0; p < depth; p++, from += depth_step) {
            size_t row = 0;
            for (; row < used; row++)
                *out++ = from[row * element_step];
            for (; row < width; row++)
                *out++ = 0;
        }
    }
}

/* Adds (or at the first depth block writes) the used part of a tile to the result. */
static void NAMED(add_tile)(const REAL *sums, size_t rows, size_t columns, bool first, REAL *out, size_t out_step)
{
    for (size_t j = 0; j < columns; j++)
        for (size_t i = 0; i < rows; i++)
            out[j * out_step + i] = sums[j * TILE_ROWS + i] + (first ? 0 : out[j * out_step + i]);
}

/* Columns [first, last) of the product. `scratch` has SCRATCH_ELEMENTS elements. */
static void NAMED(columns)(const struct sim_product *product, size_t first, size_t last, REAL *scratch)
{
    const size_t m = product->m, n = product->n, k = product->k;
    const size_t a_element_step = product->a_transposed ? k : 1, a_depth_step = product->a_transposed ? 1 : m;
    const size_t b_element_step = product->b_transposed ? 1 : k, b_depth_step = product->b_transposed ? n : 1;
    REAL *packed_a = scratch, *packed_b = scratch + ROW_BLOCK * DEPTH_BLOCK;
    REAL sums[TILE_ROWS * TILE_COLUMNS];
    void (*tile)(size_t, const REAL *, const REAL *, REAL *) = NAMED(tile_plain);
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tile = NAMED(tile_avx2);
#endif

    for (size_t jc = first; jc < last; jc += COLUMN_BLOCK) {
        size_t columns = last - jc < COLUMN_BLOCK ? last - jc : COLUMN_BLOCK;
        for (size_t pc = 0; pc < k; pc += DEPTH_BLOCK) {
            size_t depth = k - pc < DEPTH_BLOCK ? k - pc : DEPTH_BLOCK;
            NAMED(pack)(product->b, b_element_step, b_depth_step, jc, columns, pc, depth, TILE_COLUMNS, packed_b);
            for (size_t ic = 0; ic < m; ic += ROW_BLOCK) {
                size_t rows = m - ic < ROW_BLOCK ? m - ic : ROW_BLOCK;
                NAMED(pack)(product->a, a_element_step, a_depth_step, ic, rows, pc, depth, TILE_ROWS, packed_a);
                for (size_t j = 0; j < columns; j += TILE_COLUMNS)
                    for (size_t i = 0; i < rows; i += TILE_ROWS) {
                        tile(depth, packed_a + i * depth, packed_b + j * depth, sums);
                        NAMED(add_tile)
                        (sums, rows - i < TILE_ROWS ? rows - i : TILE_ROWS,
                            columns - j < TILE_COLUMNS ? columns - j : TILE_COLUMNS, pc == 0,
                            (REAL *)product->out + (jc + j) * m + ic + i, m);
                    }
            }
        }
    }
}

#undef TILE_ROWS
#undef TILE_COLUMNS
