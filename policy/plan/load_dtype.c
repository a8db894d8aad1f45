/*
 * Number formats by name. See load_dtype.h.
 */
#include "load_dtype.h"

#include "../text/suggest.h"

#include <string.h>

static const struct vs_load_dtype dtypes[] = {
    {"fp32", {"float32", "F32"}, "F32", 32},
    {"fp16", {"float16", "F16"}, "F16", 16},
    {"bf16", {"bfloat16", "BF16"}, "BF16", 16},
    {"fp8_e4m3fn", {"float8_e4m3fn", "F8_E4M3"}, "F8_E4M3", 8},
    {"fp8_e5m2", {"float8_e5m2", "F8_E5M2"}, "F8_E5M2", 8},
    {"int8", {"I8", NULL}, "I8", 8},
};
enum { DTYPE_COUNT = sizeof dtypes / sizeof *dtypes };

static bool is_word(struct vs_word word, const char *name)
{
    return name && strlen(name) == word.length && !memcmp(name, word.text, word.length);
}

const struct vs_load_dtype *vs_read_load_dtype(struct vs_word word, struct vs_diags *diags)
{
    const char *names[DTYPE_COUNT];
    for (size_t i = 0; i < DTYPE_COUNT; i++) {
        if (is_word(word, dtypes[i].name) || is_word(word, dtypes[i].aliases[0]) || is_word(word, dtypes[i].aliases[1]))
            return &dtypes[i];
        names[i] = dtypes[i].name;
    }
    vs_diag_add(diags, VS_ERROR, word.place, "`%s` is no number format that weights are loaded in",
        vs_quote(word.text, word.length).text);
    const char *meant = vs_suggest(word.text, word.length, names, DTYPE_COUNT);
    if (meant)
        vs_diag_hint(diags, "did you mean `%s`?", meant);
    else
        vs_diag_hint(diags, "write one of fp32, fp16, bf16, fp8_e4m3fn, fp8_e5m2, int8");
    return NULL;
}

uint64_t vs_load_bytes(const struct vs_tensor *tensor, const struct vs_load_dtype *dtype)
{
    static const char *const converted[] = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"};
    uint64_t bits = dtype ? dtype->bits : 0;
    size_t i = 0;
    while (i < sizeof converted / sizeof *converted && strcmp(converted[i], tensor->dtype) != 0)
        i++;
    if (!dtype || i == sizeof converted / sizeof *converted)
        return tensor->bytes;
    for (size_t d = 0; d < tensor->rank; d++)
        if (__builtin_mul_overflow(bits, tensor->shape[d], &bits))
            return UINT64_MAX;
    return bits / 8;
}
