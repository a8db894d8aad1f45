/* program_compute.c: the arithmetic of a program, on packed arrays of doubles; see program.h. */
#include "program.h"

#include "../driver/gemm_types.h"

#include <math.h>
#include <stdlib.h>

/* --- tensors as packed arrays, the last dimension fastest --------------------------------------------------------- */

/* Calls `move` for each element with its offset in the tensor's memory, in the order of the packed array. */
static void for_each(
    const struct dnn_tensor *tensor, char *memory, double *values, void (*move)(enum simcuda_type, char *, double *))
{
    int64_t at[CUDNN_DIM_MAX] = {0};
    size_t element = sim_type_bytes(tensor->type), count = dnn_element_count(tensor);
    int64_t offset = 0;

    for (size_t i = 0; i < count; i++) {
        move(tensor->type, memory + (size_t)offset * element, &values[i]);
        for (int d = tensor->dimension_count - 1; d >= 0; d--) {
            offset += tensor->strides[d];
            if (++at[d] < tensor->dimensions[d])
                break;
            offset -= at[d] * tensor->strides[d];
            at[d] = 0;
        }
    }
}

static void load(enum simcuda_type type, char *memory, double *value)
{
    sim_load_doubles(type, memory, value, 1);
}

static void store(enum simcuda_type type, char *memory, double *value)
{
    sim_store_doubles(type, value, memory, 1);
}

/* --- convolution -------------------------------------------------------------------------------------------------- */

/* Three spatial dimensions, the first ones of size 1 where there are fewer. */
struct volume {
    int64_t size[DNN_SPATIAL];
};

static struct volume volume_of(const struct dnn_tensor *tensor)
{
    struct volume volume = {{1, 1, 1}};
    int missing = DNN_SPATIAL - (tensor->dimension_count - 2);

    for (int i = missing; i < DNN_SPATIAL; i++)
        volume.size[i] = tensor->dimensions[2 + i - missing];
    return volume;
}

static int64_t volume_count(struct volume volume)
{
    return volume.size[0] * volume.size[1] * volume.size[2];
}

/* One value of the result: the sum over the channels of a group and the filter. */
static double convolve_at(const struct dnn_operation *operation, const double *x, const double *w, int64_t channels,
    struct volume in, struct volume filter, const int64_t at[DNN_SPATIAL])
{
    int missing = DNN_SPATIAL - operation->spatial_count;
    int64_t filter_count = volume_count(filter), in_count = volume_count(in);
    double sum = 0;

    for (int64_t tap = 0; tap < filter_count; tap++) {
        int64_t rest = tap, from = 0, flipped = operation->mode == CUDNN_CONVOLUTION ? filter_count - 1 - tap : tap;
        int64_t scale = 1;
        bool inside = true;
        for (int d = DNN_SPATIAL - 1; d >= 0; d--) {
            int s = d - missing;
            int64_t position = at[d] * (s < 0 ? 1 : operation->stride[s]) +
                               rest % filter.size[d] * (s < 0 ? 1 : operation->dilation[s]) -
                               (s < 0 ? 0 : operation->pre_padding[s]);
            inside = inside && position >= 0 && position < in.size[d];
            from += position * scale;
            scale *= in.size[d];
            rest /= filter.size[d];
        }
        for (int64_t c = 0; inside && c < channels; c++)
            sum += x[c * in_count + from] * w[c * filter_count + flipped];
    }
    return sum;
}

static void convolve(const struct dnn_operation *operation, const struct dnn_tensor *tensors, double **values)
{
    const struct dnn_tensor *x = &tensors[operation->x], *w = &tensors[operation->w], *y = &tensors[operation->y];
    struct volume in = volume_of(x), filter = volume_of(w), out = volume_of(y);
    int64_t in_count = volume_count(in), filter_count = volume_count(filter);
    int64_t channels = w->dimensions[1], kernels = w->dimensions[0], groups = x->dimensions[1] / channels;
    double *result = values[operation->y];

    for (int64_t n = 0; n < y->dimensions[0]; n++)
        for (int64_t k = 0; k < kernels; k++) {
            int64_t group = k / (kernels / groups), at[DNN_SPATIAL];
            const double *from = values[operation->x] + (n * x->dimensions[1] + group * channels) * in_count;
            const double *weights = values[operation->w] + k * channels * filter_count;
            for (at[0] = 0; at[0] < out.size[0]; at[0]++)
                for (at[1] = 0; at[1] < out.size[1]; at[1]++)
                    for (at[2] = 0; at[2] < out.size[2]; at[2]++, result++)
                        *result = operation->scale * convolve_at(operation, from, weights, channels, in, filter, at) +
                                  (operation->beta != 0 ? operation->beta * *result : 0);
        }
}

/* --- matrix products and element-wise operations ------------------------------------------------------------------ */

/* Where element `index` of a packed array of `to` is found in a packed array of `from`, whose first `count` dimensions
 * are as those of `to`, or 1. */
static size_t broadcast(const struct dnn_tensor *from, const struct dnn_tensor *to, int count, size_t index)
{
    size_t offset = 0, scale = 1;

    for (int d = count - 1; d >= 0; d--) {
        size_t at = index % (size_t)to->dimensions[d];
        index /= (size_t)to->dimensions[d];
        if (from->dimensions[d] != 1)
            offset += at * scale;
        scale *= (size_t)from->dimensions[d];
    }
    return offset;
}

static void multiply(const struct dnn_operation *operation, const struct dnn_tensor *tensors, double **values)
{
    const struct dnn_tensor *a = &tensors[operation->x], *b = &tensors[operation->w], *c = &tensors[operation->y];
    int batch_dimensions = c->dimension_count - 2;
    size_t m = (size_t)c->dimensions[batch_dimensions], n = (size_t)c->dimensions[batch_dimensions + 1];
    size_t k = (size_t)a->dimensions[batch_dimensions + 1];
    size_t batch_count = dnn_element_count(c) / (m * n);
    double *result = values[operation->y];

    for (size_t batch = 0; batch < batch_count; batch++) {
        const double *left = values[operation->x] + broadcast(a, c, batch_dimensions, batch) * m * k;
        const double *right = values[operation->w] + broadcast(b, c, batch_dimensions, batch) * k * n;
        for (size_t row = 0; row < m; row++)
            for (size_t column = 0; column < n; column++) {
                double sum = 0;
                for (size_t i = 0; i < k; i++)
                    sum += left[row * k + i] * right[i * n + column];
                *result++ = sum;
            }
    }
}

static double add(double a, double b)
{
    return a + b;
}

static double subtract(double a, double b)
{
    return a - b;
}

static double product(double a, double b)
{
    return a * b;
}

static double divide(double a, double b)
{
    return a / b;
}

static double same(double a)
{
    return a;
}

static double negative(double a)
{
    return -a;
}

static double relu(double a)
{
    return a > 0 ? a : 0;
}

static double sigmoid(double a)
{
    return 1 / (1 + exp(-a));
}

static double swish(double a)
{
    return a * sigmoid(a);
}

static double gelu(double a)
{
    return a * 0.5 * (1 + erf(a * M_SQRT1_2));
}

static const struct pointwise {
    int mode;
    double (*of_one)(double);
    double (*of_two)(double, double);
} pointwise[] = {
    {CUDNN_POINTWISE_ADD, NULL, add},
    {CUDNN_POINTWISE_SUB, NULL, subtract},
    {CUDNN_POINTWISE_MUL, NULL, product},
    {CUDNN_POINTWISE_DIV, NULL, divide},
    {CUDNN_POINTWISE_MIN, NULL, fmin},
    {CUDNN_POINTWISE_MAX, NULL, fmax},
    {CUDNN_POINTWISE_IDENTITY, same, NULL},
    {CUDNN_POINTWISE_NEG, negative, NULL},
    {CUDNN_POINTWISE_ABS, fabs, NULL},
    {CUDNN_POINTWISE_EXP, exp, NULL},
    {CUDNN_POINTWISE_SQRT, sqrt, NULL},
    {CUDNN_POINTWISE_RELU_FWD, relu, NULL},
    {CUDNN_POINTWISE_TANH_FWD, tanh, NULL},
    {CUDNN_POINTWISE_SIGMOID_FWD, sigmoid, NULL},
    {CUDNN_POINTWISE_SWISH_FWD, swish, NULL},
    {CUDNN_POINTWISE_GELU_FWD, gelu, NULL},
};

static const struct pointwise *find_pointwise(int mode)
{
    for (size_t i = 0; i < sizeof pointwise / sizeof *pointwise; i++)
        if (pointwise[i].mode == mode)
            return &pointwise[i];
    return NULL;
}

bool dnn_pointwise_is_known(int mode, int operands)
{
    const struct pointwise *found = find_pointwise(mode);
    return found != NULL && (operands == 1 ? found->of_one != NULL : found->of_two != NULL);
}

static void apply(const struct dnn_operation *operation, const struct dnn_tensor *tensors, double **values)
{
    const struct dnn_tensor *y = &tensors[operation->y];
    const struct pointwise *found = find_pointwise(operation->mode);
    size_t count = dnn_element_count(y);

    for (size_t i = 0; i < count; i++) {
        double a =
            operation->x_scale * values[operation->x][broadcast(&tensors[operation->x], y, y->dimension_count, i)];
        values[operation->y][i] =
            operation->w < 0
                ? found->of_one(a)
                : found->of_two(
                      a, operation->scale *
                             values[operation->w][broadcast(&tensors[operation->w], y, y->dimension_count, i)]);
    }
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

bool dnn_program_compute(const void *arguments, void *const *buffers)
{
    static void (*const computes[])(const struct dnn_operation *, const struct dnn_tensor *, double **) = {
        [DNN_CONVOLUTION] = convolve, [DNN_MATMUL] = multiply, [DNN_POINTWISE] = apply};
    const struct dnn_program *program = arguments;
    double *values[DNN_TENSORS] = {NULL};
    char *memory[DNN_TENSORS] = {NULL};
    bool done = true;

    for (int i = 0; i < program->tensor_count; i++) {
        const struct dnn_tensor *tensor = &program->tensors[i];
        values[i] = calloc(dnn_element_count(tensor), sizeof **values);
        done = done && values[i] != NULL;
        if (!tensor->is_virtual && !tensor->by_value)
            memory[i] = *buffers++;
        if (done && tensor->by_value)
            values[i][0] = tensor->value;
        else if (done && memory[i] != NULL)
            for_each(tensor, memory[i], values[i], load);
    }
    for (int i = 0; done && i < program->operation_count; i++)
        computes[program->operations[i].kind](&program->operations[i], program->tensors, values);
    for (int i = 0; done && i < program->operation_count; i++) {
        int y = program->operations[i].y;
        if (memory[y] != NULL)
            for_each(&program->tensors[y], memory[y], values[y], store);
    }
    for (int i = 0; i < program->tensor_count; i++)
        free(values[i]);
    return done;
}
