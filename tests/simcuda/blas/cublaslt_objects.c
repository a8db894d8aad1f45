/* cublaslt_objects.c: creating, setting, reading and destroying cuBLASLt's descriptors (cublaslt_objects.h).
 *
 * Widths and initial values: cuBLASLt documentation, cublasLtMatrixLayoutAttribute_t, cublasLtMatmulDescAttributes_t,
 * cublasLtMatmulPreferenceAttributes_t.
 */
#include "cublaslt_objects.h"

#include "cublaslt.h"
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#define SIGNED(ATTRIBUTE, BYTES, INITIAL)   [ATTRIBUTE] = {#ATTRIBUTE, BYTES, true, false, INITIAL}
#define UNSIGNED(ATTRIBUTE, BYTES, INITIAL) [ATTRIBUTE] = {#ATTRIBUTE, BYTES, false, false, INITIAL}
#define ONLY(ATTRIBUTE, BYTES, INITIAL)     [ATTRIBUTE] = {#ATTRIBUTE, BYTES, true, true, INITIAL}

const struct lt_family lt_layouts = {"matrix layout", {
                                                          UNSIGNED(CUBLASLT_MATRIX_LAYOUT_TYPE, 4, 0),
                                                          ONLY(CUBLASLT_MATRIX_LAYOUT_ORDER, 4, CUBLASLT_ORDER_COL),
                                                          UNSIGNED(CUBLASLT_MATRIX_LAYOUT_ROWS, 8, 0),
                                                          UNSIGNED(CUBLASLT_MATRIX_LAYOUT_COLS, 8, 0),
                                                          SIGNED(CUBLASLT_MATRIX_LAYOUT_LD, 8, 0),
                                                          SIGNED(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 4, 1),
                                                          SIGNED(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, 8, 0),
                                                          ONLY(CUBLASLT_MATRIX_LAYOUT_PLANE_OFFSET, 8, 0),
                                                          ONLY(CUBLASLT_MATRIX_LAYOUT_BATCH_MODE, 4, 0),
                                                      }};

const struct lt_family lt_operations = {
    "operation descriptor", {
                                SIGNED(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, 4, 0),
                                SIGNED(CUBLASLT_MATMUL_DESC_SCALE_TYPE, 4, 0),
                                SIGNED(CUBLASLT_MATMUL_DESC_POINTER_MODE, 4, CUBLAS_POINTER_MODE_HOST),
                                SIGNED(CUBLASLT_MATMUL_DESC_TRANSA, 4, CUBLAS_OP_N),
                                SIGNED(CUBLASLT_MATMUL_DESC_TRANSB, 4, CUBLAS_OP_N),
                                ONLY(CUBLASLT_MATMUL_DESC_TRANSC, 4, CUBLAS_OP_N),
                                ONLY(CUBLASLT_MATMUL_DESC_FILL_MODE, 4, CUBLAS_FILL_MODE_FULL),
                                UNSIGNED(CUBLASLT_MATMUL_DESC_EPILOGUE, 4, CUBLASLT_EPILOGUE_DEFAULT),
                                UNSIGNED(CUBLASLT_MATMUL_DESC_BIAS_POINTER, 8, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, 8, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, 8, 0),
                                UNSIGNED(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, 8, 0),
                                UNSIGNED(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, 8, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_ALPHA_VECTOR_BATCH_STRIDE, 8, 0),
                                /* Limits how many multiprocessors take part: nothing that a result depends on. */
                                SIGNED(CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, 4, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, 8, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, 8, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_C_SCALE_POINTER, 8, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_D_SCALE_POINTER, 8, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_AMAX_D_POINTER, 8, 0),
                                SIGNED(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE, 4, -1),
                                ONLY(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_SCALE_POINTER, 8, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_AMAX_POINTER, 8, 0),
                                /* Concerns fp8 only, which is refused by its type. */
                                SIGNED(CUBLASLT_MATMUL_DESC_FAST_ACCUM, 1, 0),
                                SIGNED(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, 4, -1),
                                ONLY(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, 4, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, 4, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_C_SCALE_MODE, 4, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_D_SCALE_MODE, 4, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_SCALE_MODE, 4, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_D_OUT_SCALE_POINTER, 8, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_D_OUT_SCALE_MODE, 4, 0),
                                ONLY(CUBLASLT_MATMUL_DESC_EMULATION_DESCRIPTOR, 8, 0),
                            }};

const struct lt_family lt_preferences = {"preference", {
                                                           UNSIGNED(CUBLASLT_MATMUL_PREF_SEARCH_MODE, 4, 0),
                                                           UNSIGNED(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 8, 0),
                                                           UNSIGNED(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 4, 7),
                                                           UNSIGNED(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 4, 256),
                                                           UNSIGNED(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 4, 256),
                                                           UNSIGNED(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 4, 256),
                                                           UNSIGNED(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 4, 256),
                                                           UNSIGNED(CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT, 4, 0),
                                                           UNSIGNED(CUBLASLT_MATMUL_PREF_IMPL_MASK, 8, -1),
                                                       }};

int64_t lt_get(const struct lt_object *object, int attribute)
{
    return object->values[attribute];
}

bool lt_is(const struct lt_object *object, const struct lt_family *family)
{
    return object && object->family == family;
}

const char *lt_unsimulated(const struct lt_object *object)
{
    for (int i = 0; i < LT_MAX_ATTRIBUTES; i++) {
        const struct lt_attribute *attribute = &object->family->attributes[i];
        if (attribute->unsimulated && object->values[i] != attribute->initial)
            return attribute->name;
    }
    return NULL;
}

static cublas_status create(const struct lt_family *family, struct lt_object **out)
{
    if (!out)
        return CUBLAS_STATUS_INVALID_VALUE;
    struct lt_object *object = calloc(1, sizeof *object);
    if (!object)
        return CUBLAS_STATUS_ALLOC_FAILED;
    object->family = family;
    for (int i = 0; i < LT_MAX_ATTRIBUTES; i++)
        object->values[i] = family->attributes[i].initial;
    *out = object;
    return CUBLAS_STATUS_SUCCESS;
}

static cublas_status destroy(const struct lt_family *family, struct lt_object *object)
{
    if (!object)
        return CUBLAS_STATUS_SUCCESS;
    if (!lt_is(object, family))
        return CUBLAS_STATUS_INVALID_VALUE;
    object->family = NULL;
    free(object);
    return CUBLAS_STATUS_SUCCESS;
}

static const struct lt_attribute *attribute_of(
    const struct lt_object *object, const struct lt_family *family, int attribute, const char *symbol)
{
    if (!lt_is(object, family)) {
        blas_refuse(symbol, "the object given is no %s", family->name);
        return NULL;
    }
    if (attribute < 0 || attribute >= LT_MAX_ATTRIBUTES || !family->attributes[attribute].name) {
        blas_refuse(symbol, "attribute %d is not one that a simulated %s has", attribute, family->name);
        return NULL;
    }
    return &family->attributes[attribute];
}

static cublas_status set(struct lt_object *object, const struct lt_family *family, int number, const void *value,
    size_t bytes, const char *symbol)
{
    const struct lt_attribute *attribute = attribute_of(object, family, number, symbol);
    uint64_t bits = 0;
    if (!attribute || !value)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (bytes != attribute->bytes)
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, symbol, "%s has %d bytes, but %zu are given",
            attribute->name, attribute->bytes, bytes);
    memcpy(&bits, value, bytes);
    unsigned shift = 64 - 8 * attribute->bytes;
    object->values[number] = attribute->is_signed ? (int64_t)(bits << shift) >> shift : (int64_t)bits;
    return CUBLAS_STATUS_SUCCESS;
}

static cublas_status get(const struct lt_object *object, const struct lt_family *family, int number, void *value,
    size_t bytes, size_t *written, const char *symbol)
{
    const struct lt_attribute *attribute = attribute_of(object, family, number, symbol);
    if (!attribute || (bytes == 0 && !written) || (bytes != 0 && (!value || bytes != attribute->bytes)))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (bytes != 0)
        memcpy(value, &object->values[number], bytes);
    if (written)
        *written = attribute->bytes;
    return CUBLAS_STATUS_SUCCESS;
}

/* The public functions of each family. */
#define ATTRIBUTE_FUNCTIONS(PREFIX, FAMILY)                                                                            \
    CUBLAS_API cublas_status PREFIX##Destroy(struct lt_object *object);                                                \
    CUBLAS_API cublas_status PREFIX##Destroy(struct lt_object *object)                                                 \
    {                                                                                                                  \
        return destroy(&(FAMILY), object);                                                                             \
    }                                                                                                                  \
    CUBLAS_API cublas_status PREFIX##SetAttribute(struct lt_object *, int, const void *, size_t);                      \
    CUBLAS_API cublas_status PREFIX##SetAttribute(                                                                     \
        struct lt_object *object, int attribute, const void *value, size_t bytes)                                      \
    {                                                                                                                  \
        return set(object, &(FAMILY), attribute, value, bytes, #PREFIX "SetAttribute");                                \
    }                                                                                                                  \
    CUBLAS_API cublas_status PREFIX##GetAttribute(const struct lt_object *, int, void *, size_t, size_t *);            \
    CUBLAS_API cublas_status PREFIX##GetAttribute(                                                                     \
        const struct lt_object *object, int attribute, void *value, size_t bytes, size_t *written)                     \
    {                                                                                                                  \
        return get(object, &(FAMILY), attribute, value, bytes, written, #PREFIX "GetAttribute");                       \
    }

ATTRIBUTE_FUNCTIONS(cublasLtMatrixLayout, lt_layouts)
ATTRIBUTE_FUNCTIONS(cublasLtMatmulDesc, lt_operations)
ATTRIBUTE_FUNCTIONS(cublasLtMatmulPreference, lt_preferences)

cublas_status cublasLtMatrixLayoutCreate(
    struct lt_object **layout, int type, uint64_t rows, uint64_t columns, int64_t leading_dimension)
{
    cublas_status status = create(&lt_layouts, layout);
    if (status)
        return status;
    (*layout)->values[CUBLASLT_MATRIX_LAYOUT_TYPE] = type;
    (*layout)->values[CUBLASLT_MATRIX_LAYOUT_ROWS] = (int64_t)rows;
    (*layout)->values[CUBLASLT_MATRIX_LAYOUT_COLS] = (int64_t)columns;
    (*layout)->values[CUBLASLT_MATRIX_LAYOUT_LD] = leading_dimension;
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status cublasLtMatmulDescCreate(struct lt_object **operation, int compute_type, int scale_type)
{
    cublas_status status = create(&lt_operations, operation);
    if (status)
        return status;
    (*operation)->values[CUBLASLT_MATMUL_DESC_COMPUTE_TYPE] = compute_type;
    (*operation)->values[CUBLASLT_MATMUL_DESC_SCALE_TYPE] = scale_type;
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status cublasLtMatmulPreferenceCreate(struct lt_object **preference)
{
    return create(&lt_preferences, preference);
}
