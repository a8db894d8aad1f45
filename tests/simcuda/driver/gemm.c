/* gemm.c: executes one GEMM of the simulated libraries (gemm.h): checks what it touches, computes it where all of its
 * inputs are known, and tells which weights went in.
 *
 * Sums are kept in float (double for fp64), whatever the inputs: what cuBLAS does with compute type 32F. TF32 is
 * computed as fp32. alpha, beta, bias and the activation are applied before the single rounding to D's type.
 */
#include "gemm.h"

#include "../kernels/choice.h"
#include "gemm_alignment.h"
#include "gemm_operand.h"
#include "gemm_product.h"
#include "gemm_types.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPERAND_A, OPERAND_B, OPERAND_C, OPERAND_D, OPERAND_BIAS, OPERAND_ALPHA, OPERAND_BETA, OPERAND_COUNT };

static const char *const operand_names[OPERAND_COUNT] = {
    [OPERAND_A] = "operand A of",
    [OPERAND_B] = "operand B of",
    [OPERAND_C] = "operand C of",
    [OPERAND_D] = "the result of",
    [OPERAND_BIAS] = "the bias of",
    [OPERAND_ALPHA] = "alpha of",
    [OPERAND_BETA] = "beta of",
};

/* Everything that one execution touches. Vectors and scalars are matrices of one column. */
struct execution {
    const struct simcuda_gemm *gemm;
    int device;
    bool doubles;
    bool scalars_known;
    double alpha, beta;
    bool used[OPERAND_COUNT];
    struct simcuda_matrix vectors[OPERAND_COUNT];
    struct sim_operand operands[OPERAND_COUNT];
    char what[OPERAND_COUNT][96];
};

static void use(struct execution *execution, int which, const struct simcuda_matrix *matrix, int64_t batch_count)
{
    snprintf(execution->what[which], sizeof execution->what[which], "%s %s", operand_names[which],
        execution->gemm->symbol ? execution->gemm->symbol : "a GEMM");
    execution->operands[which] = (struct sim_operand){matrix, batch_count, execution->what[which]};
    execution->used[which] = true;
}

static void use_vector(
    struct execution *execution, int which, CUdeviceptr address, enum simcuda_type type, int64_t elements)
{
    execution->vectors[which] = (struct simcuda_matrix){
        .address = address, .type = type, .rows = elements, .columns = 1, .leading_dimension = elements};
    use(execution, which, &execution->vectors[which], 1);
}

/* Reads a scalar that the program keeps on the device. False when it cannot be reached. */
static bool read_scalar(struct execution *execution, int which, double *value)
{
    const struct sim_operand *operand = &execution->operands[which];
    if (!sim_operand_check(execution->device, operand))
        return false;
    if (!sim_operand_known(operand)) {
        execution->scalars_known = false;
        return true;
    }
    return sim_operand_load(execution->device, operand, 0, true, value);
}

/* Fills `execution`. The scalars come first: beta decides whether C is an operand. */
static bool prepare(struct execution *execution)
{
    const struct simcuda_gemm *gemm = execution->gemm;

    execution->doubles = gemm->d.type == SIMCUDA_F64;
    execution->scalars_known = true;
    execution->alpha = gemm->alpha;
    execution->beta = gemm->beta;
    if (gemm->scalars_on_device) {
        use_vector(execution, OPERAND_ALPHA, gemm->alpha_address, gemm->scalar_type, 1);
        use_vector(execution, OPERAND_BETA, gemm->beta_address, gemm->scalar_type, 1);
        if (!read_scalar(execution, OPERAND_ALPHA, &execution->alpha) ||
            !read_scalar(execution, OPERAND_BETA, &execution->beta))
            return false;
    }
    use(execution, OPERAND_A, &gemm->a, gemm->batch_count);
    use(execution, OPERAND_B, &gemm->b, gemm->batch_count);
    use(execution, OPERAND_D, &gemm->d, gemm->batch_count);
    if (execution->beta != 0 || !execution->scalars_known)
        use(execution, OPERAND_C, &gemm->c, gemm->batch_count);
    if (gemm->bias)
        use_vector(execution, OPERAND_BIAS, gemm->bias, gemm->bias_type, gemm->d.rows);

    for (int which = 0; which < OPERAND_COUNT; which++)
        if (execution->used[which] && !sim_operand_check(execution->device, &execution->operands[which]))
            return false;
    return true;
}

static bool inputs_known(const struct execution *execution)
{
    static const int inputs[] = {OPERAND_A, OPERAND_B, OPERAND_C, OPERAND_BIAS};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (execution->used[inputs[i]] && !sim_operand_known(&execution->operands[inputs[i]]))
            return false;
    return execution->scalars_known;
}

static float activate_float(int activation, float x)
{
    switch (activation) {
    case SIMCUDA_EPILOGUE_RELU:
        return x < 0 ? 0 : x;
    case SIMCUDA_EPILOGUE_GELU: /* cuBLASLt documents the approximation by tanh */
        return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
    default:
        return x;
    }
}

static double activate_double(int activation, double x)
{
    switch (activation) {
    case SIMCUDA_EPILOGUE_RELU:
        return x < 0 ? 0 : x;
    case SIMCUDA_EPILOGUE_GELU:
        return 0.5 * x * (1.0 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    default:
        return x;
    }
}

/* BLAS: what is multiplied by a zero alpha or beta counts as absent, so that its NaNs do not spread. */
#define FINISH(REAL, ACTIVATE)                                                                                         \
    do {                                                                                                               \
        typedef REAL real;                                                                                             \
        const real *c = buffers->c, *bias = buffers->bias;                                                             \
        const real alpha = (real)execution->alpha, beta = (real)execution->beta;                                       \
        real *sums = buffers->product;                                                                                 \
        for (size_t column = 0; column < columns; column++)                                                            \
            for (size_t row = 0; row < rows; row++) {                                                                  \
                size_t at = column * rows + row;                                                                       \
                real value = alpha == 0 ? 0 : alpha * sums[at];                                                        \
                if (c)                                                                                                 \
                    value += beta * c[at];                                                                             \
                if (bias)                                                                                              \
                    value += bias[row];                                                                                \
                sums[at] = ACTIVATE((int)execution->gemm->activation, value);                                          \
            }                                                                                                          \
    } while (0)

/* Host memory for one matrix of each kind; c and bias stay NULL where they are not used. */
struct buffers {
    void *a, *b, *c, *bias, *product;
};

static void finish(const struct execution *execution, const struct buffers *buffers)
{
    const size_t rows = (size_t)execution->gemm->d.rows, columns = (size_t)execution->gemm->d.columns;
    if (execution->doubles)
        FINISH(double, activate_double);
    else
        FINISH(float, activate_float);
}

static void *allocate_matrix(const struct execution *execution, const struct simcuda_matrix *matrix)
{
    size_t elements = (size_t)matrix->rows * (size_t)matrix->columns;
    return malloc((elements ? elements : 1) * (execution->doubles ? sizeof(double) : sizeof(float)));
}

static bool allocate_buffers(const struct execution *execution, struct buffers *buffers)
{
    const struct simcuda_gemm *gemm = execution->gemm;
    buffers->a = allocate_matrix(execution, &gemm->a);
    buffers->b = allocate_matrix(execution, &gemm->b);
    buffers->product = allocate_matrix(execution, &gemm->d);
    if (execution->used[OPERAND_C])
        buffers->c = allocate_matrix(execution, &gemm->d);
    if (execution->used[OPERAND_BIAS])
        buffers->bias = allocate_matrix(execution, &execution->vectors[OPERAND_BIAS]);
    return buffers->a && buffers->b && buffers->product && (buffers->c || !execution->used[OPERAND_C]) &&
           (buffers->bias || !execution->used[OPERAND_BIAS]);
}

/* Puts the terms of the sums into the order in which the alignment has them added. */
static bool order_terms(const struct execution *execution, int which, void *matrix)
{
    const struct simcuda_gemm *gemm = execution->gemm;
    const size_t depth = (size_t)(gemm->a.transposed ? gemm->a.rows : gemm->a.columns);
    const size_t first = sim_gemm_first_term(gemm, depth);
    const struct simcuda_matrix *shape = which == OPERAND_A ? &gemm->a : &gemm->b;
    bool side_by_side = which == OPERAND_A ? shape->transposed : !shape->transposed;

    if ((which != OPERAND_A && which != OPERAND_B) || first == 0)
        return true;
    return sim_gemm_rotate(matrix, (size_t)shape->rows * (size_t)shape->columns,
        execution->doubles ? sizeof(double) : sizeof(float), depth, side_by_side ? 1 : (size_t)shape->rows, first);
}

static bool load(const struct execution *execution, int which, int64_t batch, void *out)
{
    const struct sim_operand *operand = &execution->operands[which];
    if (!execution->used[which] || (batch > 0 && operand->matrix->batch_stride == 0))
        return true; /* not needed, or still there from the matrix before */
    return sim_operand_load(execution->device, operand, batch, execution->doubles, out) &&
           order_terms(execution, which, out);
}

static bool compute(const struct execution *execution)
{
    const struct simcuda_gemm *gemm = execution->gemm;
    struct buffers buffers = {0};
    struct sim_product product = {
        .doubles = execution->doubles,
        .m = (size_t)gemm->d.rows,
        .n = (size_t)gemm->d.columns,
        .k = (size_t)(gemm->a.transposed ? gemm->a.rows : gemm->a.columns),
        .a_transposed = gemm->a.transposed,
        .b_transposed = gemm->b.transposed,
    };
    bool ok = allocate_buffers(execution, &buffers);

    product.a = buffers.a;
    product.b = buffers.b;
    product.out = buffers.product;
    for (int64_t batch = 0; ok && batch < gemm->batch_count; batch++) {
        ok = load(execution, OPERAND_A, batch, buffers.a) && load(execution, OPERAND_B, batch, buffers.b) &&
             load(execution, OPERAND_C, batch, buffers.c) && load(execution, OPERAND_BIAS, batch, buffers.bias) &&
             sim_multiply(&product);
        if (!ok)
            break;
        finish(execution, &buffers);
        ok = sim_operand_store(
            execution->device, &execution->operands[OPERAND_D], batch, execution->doubles, buffers.product);
    }
    free(buffers.a);
    free(buffers.b);
    free(buffers.c);
    free(buffers.bias);
    free(buffers.product);
    return ok;
}

static uint64_t hash_if_from_host(const struct execution *execution, int which)
{
    const struct sim_operand *operand = &execution->operands[which];
    return sim_operand_known_from_host(operand) ? sim_operand_hash(execution->device, operand) : 0;
}

bool sim_gemm_execute(int device, const struct simcuda_gemm *gemm, uint64_t operand_hash[2], bool *computed)
{
    struct execution execution = {.gemm = gemm, .device = device};

    *computed = false;
    if (operand_hash)
        operand_hash[0] = operand_hash[1] = 0;
    if (!prepare(&execution))
        return false;
    if (operand_hash) {
        operand_hash[0] = hash_if_from_host(&execution, OPERAND_A);
        operand_hash[1] = hash_if_from_host(&execution, OPERAND_B);
    }

    bool known = sim_computes_gemms() && inputs_known(&execution);
    *computed = known && compute(&execution);
    if (known && !*computed)
        fprintf(stderr,
            "simcuda: %s of %lld x %lld was not computed: the host has too little memory for its operands\n",
            gemm->symbol ? gemm->symbol : "a GEMM", (long long)gemm->d.rows, (long long)gemm->d.columns);
    if (*computed)
        sim_operand_know_computed(device, &execution.operands[OPERAND_D]);
    else
        sim_operand_forget(&execution.operands[OPERAND_D]);
    return true;
}
