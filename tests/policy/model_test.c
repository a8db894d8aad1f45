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
    struct vs_header file = expect_header(json, data_bytes);
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
    vs_model_free(&model);
}
