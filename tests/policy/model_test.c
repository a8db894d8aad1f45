/*
 * Which tensors of a file count, and the look-ups by size and offset.
 */
#include "support.h"

#include "../../policy/model.h"

#include <string.h>

#define TENSOR(name, begin, end, count)                                                                                \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" #count "],\"data_offsets\":[" #begin "," #end "]}"

static struct vs_model make(const char *json, uint64_t data_bytes)
{
    struct vs_diags diags = {0};
    struct vs_safetensors file = expect_header(json, data_bytes);
    struct vs_model model;
    cr_assert_eq(vs_model_init(&model, &file, &diags), 0);
    cr_expect_null(file.tensors); /* taken over */
    return model;
}

static const char checkpoint[] = "{" TENSOR("cond_stage_model.x", 0, 10, 10) "," TENSOR(
    "model.diffusion_model.b", 10, 30, 20) "," TENSOR("first_stage_model.y", 30, 50,
    20) "," TENSOR("model.diffusion_model.a", 50, 80, 30) "," TENSOR("model.diffusion_modelx", 80, 100, 20) "}";

TestSuite(model, .fini = expect_no_leaks);

Test(model, of_a_checkpoint_only_the_diffusion_part_counts)
{
    struct vs_model model = make(checkpoint, 100);
    cr_assert_eq(model.tensor_count, 2);
    cr_expect_str_eq(model.tensors[0]->name, "model.diffusion_model.b");
    cr_expect_str_eq(model.tensors[1]->name, "model.diffusion_model.a");
    cr_expect_eq(model.total_bytes, 50);
    cr_expect_eq(model.file.tensor_count, 5);
    cr_expect_eq(vs_model_count_of_size(&model, 20), 1);
    cr_expect_eq(vs_model_count_of_size(&model, 10), 0);
    vs_model_free(&model);
}

Test(model, of_a_bare_diffusion_model_all_tensors_count)
{
    struct vs_model model =
        make("{" TENSOR("double_blocks.0", 0, 10, 10) "," TENSOR("x.model.diffusion_model.y", 10, 14, 4) "}", 14);
    cr_expect_eq(model.tensor_count, 2);
    cr_expect_eq(model.total_bytes, 14);
    vs_model_free(&model);
    model = make("{}", 0);
    cr_expect_eq(model.tensor_count, 0);
    cr_expect_eq(vs_model_count_of_size(&model, 0), 0);
    cr_expect_null(vs_model_tensor_at(&model, 10));
    vs_model_free(&model);
}

Test(model, counts_tensors_by_exact_and_by_rounded_size)
{
    struct vs_model model =
        make("{" TENSOR("a", 0, 10, 10) "," TENSOR("b", 10, 20, 10) "," TENSOR("c", 20, 31, 11) "," TENSOR(
                 "d", 31, 51, 20) "," TENSOR("e", 51, 51, 0) "," TENSOR("f", 51, 60, 9) "}",
            60);
    static const struct {
        uint64_t bytes;
        size_t exact, rounded_to_10;
    } cases[] = {{0, 1, 1}, {8, 0, 0}, {9, 1, 0}, {10, 2, 3}, {11, 1, 0}, {12, 0, 0}, {20, 1, 2}, {30, 0, 0},
        {21, 0, 0}, {UINT64_MAX, 0, 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_eq(vs_model_count_of_size(&model, cases[i].bytes), cases[i].exact, "%lu", cases[i].bytes);
        cr_expect_eq(vs_model_count_rounded(&model, cases[i].bytes, 10), cases[i].rounded_to_10, "%lu", cases[i].bytes);
        cr_expect_eq(vs_model_count_rounded(&model, cases[i].bytes, 1), cases[i].exact, "%lu", cases[i].bytes);
    }
    vs_model_free(&model);
}

Test(model, finds_the_tensor_that_owns_a_byte_of_the_file)
{
    struct vs_model model = make(checkpoint, 100);
    uint64_t data = 8 + sizeof checkpoint - 1;
    static const struct {
        uint64_t offset;
        const char *name;
    } cases[] = {{0, NULL}, {9, NULL}, {10, "model.diffusion_model.b"}, {29, "model.diffusion_model.b"}, {30, NULL},
        {49, NULL}, {50, "model.diffusion_model.a"}, {79, "model.diffusion_model.a"}, {80, NULL},
        {UINT64_MAX / 2, NULL}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct vs_tensor *tensor = vs_model_tensor_at(&model, data + cases[i].offset);
        cr_expect_eq(!tensor, !cases[i].name, "%lu", cases[i].offset);
        if (tensor && cases[i].name)
            cr_expect_str_eq(tensor->name, cases[i].name);
    }
    cr_expect_null(vs_model_tensor_at(&model, 0));
    vs_model_free(&model);
    model = make("{" TENSOR("empty", 0, 0, 0) "," TENSOR("full", 0, 2, 2) "}", 2);
    cr_expect_str_eq(vs_model_tensor_at(&model, model.tensors[0]->file_offset)->name, "full");
    vs_model_free(&model);
}
