/*
 * What tensors take once they are loaded in another number format than the file's.
 */
#include "../support.h"

#include <stdlib.h>
#include <string.h>

TestSuite(load_dtype, .fini = expect_no_leaks);

static const struct vs_load_dtype *dtype(const char *name)
{
    struct vs_diags diags = {0};
    struct vs_source source = {.name = "--dtype", .text = name, .bytes = strlen(name)};
    return vs_read_load_dtype((struct vs_word){name, strlen(name), vs_place_at(&source, 0), true}, &diags);
}

Test(load_dtype, floating_point_is_converted_and_all_else_stays)
{
    static const struct {
        const char *stored;
        uint64_t stored_bytes; /* of 3 x 256 elements */
        const char *loaded;
        uint64_t loaded_bytes;
    } cases[] = {
        {"F32", 3072, "fp16", 1536},
        {"BF16", 1536, "fp32", 3072},
        {"F8_E4M3", 768, "bf16", 1536},
        {"F64", 6144, "fp8_e5m2", 768},
        {"F16", 1536, "int8", 768},
        {"I64", 6144, "fp16", 6144},
        {"U8", 768, "fp32", 768},
        {"BOOL", 768, "fp16", 768},
        {"Q4_K", 432, "fp16", 432},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct vs_tensor tensor = {
            .dtype = cases[i].stored, .shape = (const uint64_t[]){3, 256}, .rank = 2, .bytes = cases[i].stored_bytes};
        cr_expect_eq(vs_load_bytes(&tensor, dtype(cases[i].loaded)), cases[i].loaded_bytes, "%s", cases[i].stored);
        cr_expect_eq(vs_load_bytes(&tensor, NULL), cases[i].stored_bytes, "%s", cases[i].stored);
    }
}

Test(load_dtype, scalars_empty_tensors_and_those_beyond_64_bits)
{
    const struct vs_tensor scalar = {.dtype = "F16", .bytes = 2};
    const struct vs_tensor empty = {.dtype = "F16", .shape = (const uint64_t[]){0, 1}, .rank = 2};
    const struct vs_tensor huge = {.dtype = "F8_E4M3",
        .shape = (const uint64_t[]){UINT64_C(1) << 40, UINT64_C(1) << 22},
        .rank = 2,
        .bytes = UINT64_C(1) << 62};
    cr_expect_eq(vs_load_bytes(&scalar, dtype("fp32")), 4);
    cr_expect_eq(vs_load_bytes(&empty, dtype("fp32")), 0);
    cr_expect_eq(vs_load_bytes(&huge, dtype("fp32")), UINT64_MAX);
    cr_expect_eq(vs_load_bytes(&huge, NULL), UINT64_C(1) << 62);
}
