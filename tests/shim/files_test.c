/* files_test.c: which tensors of a model's file are meant: its parts, its types and sizes, its names, its kind. Where
 * they lie is the simulator's account. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../policy/model/gguf_writer.h"
#include "fixture.h"

/* --- Parts and types ---------------------------------------------------------------------------------------------- */

static const struct model_tensor checkpoint[] = {
    {"model.diffusion_model.blocks.0.weight", "U8", 4 * MIB, 4 * MIB},
    {"model.diffusion_model.blocks.1.weight", "U8", 4 * MIB + KIB, 4 * MIB + KIB},
    {"cond_stage_model.layers.0.weight", "U8", 5 * MIB, 5 * MIB},
    {"first_stage_model.decoder.weight", "U8", 6 * MIB, 6 * MIB},
    {"betas", "U8", 7 * MIB, 7 * MIB},
};

static void expect_checkpoint(const char *sections, const int places[5])
{
    char yaml[512];
    snprintf(yaml, sizeof yaml, "version: 1\nmodels:\n%s", sections);
    use_policy_text(yaml);
    open_model(make_named_model(checkpoint, 5));
    for (int i = 0; i < 5; i++)
        cr_expect_eq(place_new(checkpoint[i].bytes), places[i], "%s is at the wrong place", checkpoint[i].name);
}

Test(files, of_a_checkpoint_each_part_follows_its_own_section)
{
    listen();
    expect_checkpoint("- {match: \"*\", part: text-encoder, on: cpu}\n- {match: \"*\", part: vae, on: cuda:1}\n"
                      "- {match: \"*\", tensors: [{match: \"blocks.1.*\", on: cpu}]}\n",
        (int[]){0, HOST, HOST, 1, 0});
    place_new(4 * MIB); /* the load is over: what comes now is none of it */
    char *text = heard();
    cr_expect_eq(occurrences(text, "(diffusion): 2 tensors, 8.00 MB"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "(text-encoder): 1 tensors, 5.00 MB"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "(vae): 1 tensors, 6.00 MB"), 1, "%s", text);
    cr_expect_null(strstr(text, "not placed"), "%s", text);
}

Test(files, of_a_checkpoint_a_section_without_part_means_the_diffusion_model)
{
    expect_checkpoint("- {match: \"*\", on: cpu}\n", (int[]){HOST, HOST, 0, 0, 0});
}

Test(files, of_a_checkpoint_only_the_named_part_is_placed)
{
    expect_checkpoint("- {match: \"*\", part: vae, on: cpu}\n", (int[]){0, 0, 0, HOST, 0});
}

Test(files, sizes_are_those_of_the_type_that_is_loaded)
{
    const struct model_tensor tensors[] = {
        {"layer.0.weight", "F32", MIB, 4 * MIB}, {"layer.0.indices", "I64", MIB, 8 * MIB}};
    use_policy_text("version: 1\nmodels: [{match: \"*\", on: cpu, dtype: fp16}]\n");
    open_model(make_named_model(tensors, 2));
    cr_expect_eq(place_new(4 * MIB), 0, "the file's size is not the one that is loaded");
    cr_expect_eq(place_new(2 * MIB), HOST);
    cr_expect_eq(place_new(8 * MIB), HOST, "indices are not converted");
}

/* Their segments have one size, 12 MiB: the tensor that is next in the order of execution is meant. */
Test(files, of_tensors_with_equal_segments_the_next_one_is_taken)
{
    const size_t sizes[] = {10 * MIB + 2, 10 * MIB + 4, 10 * MIB + 2, 10 * MIB + 4};
    use_policy("cuda:1,21mb;cpu,*");
    open_model(make_model(sizes, 4));
    for (int i = 0; i < 4; i++) {
        void *pointer;
        CUDA_OK(cudaMalloc(&pointer, 12 * MIB));
        cr_expect_eq(place_of(pointer, 12 * MIB), i < 2 ? 1 : HOST, "tensor %d", i);
    }
}

/* A file's order is by type and alphabet: `10` before `2`. */
Test(files, of_tensors_of_one_size_the_next_in_the_order_of_execution_is_taken)
{
    const struct model_tensor tensors[] = {
        {"layer.10.weight", "U8", 4 * MIB, 4 * MIB}, {"layer.2.weight", "U8", 4 * MIB, 4 * MIB}};
    use_policy_text("version: 1\nmodels: [{match: \"*\", on: cpu, tensors: [{match: \"layer.2.*\", on: cuda:1}]}]\n");
    open_model(make_named_model(tensors, 2));
    cr_expect_eq(place_new(4 * MIB), 1);
    cr_expect_eq(place_new(4 * MIB), HOST);
}

/* T5's files hold its table of tokens under two names, and programs load it once. */
Test(files, a_tensor_that_no_program_loads_is_not_missed)
{
    const size_t table_bytes = (size_t)32128 * 4096 * 2;
    char command[512], output[8192], path[] = "/tmp/vramspan-t5-XXXXXX.safetensors";
    int fd = mkstemps(path, 12);
    cr_assert(fd >= 0);
    close(fd);
    snprintf(command, sizeof command, "python3 tests/shim/table_model.py examples/models/t5xxl.json %s", path);
    cr_assert_eq(run(command, output), 0, "%s", output);
    use_policy_text("version: 1\nmodels: [{match: \"*\", on: cpu}]\n");
    open_model(path);
    cr_expect_eq(place_new(table_bytes), HOST);
    cr_expect_eq(place_new(table_bytes), 0);
    unlink(path);
}

/* Quantised weights are bytes to the program: what is allocated is what they take in the file. Q8_0 (type 8) takes 34
 * bytes for 32 elements. */
Test(files, a_gguf_file_is_placed_by_its_quantised_bytes)
{
    const uint64_t large = 32 * 65536, small = 32 * 60000;
    char path[] = "/tmp/vramspan-XXXXXX.gguf";
    struct vs_text model = {0};
    put_start(&model, 3, 2, 0);
    put_tensor(&model, "blk.0.ffn_up.weight", 1, &large, 8, 0);
    put_tensor(&model, "blk.1.ffn_up.weight", 1, &small, 8, 65536 * 34);
    put_data(&model, 32, (65536 + 60000) * 34);
    int fd = mkstemps(path, 5);
    cr_assert(fd >= 0 && write(fd, model.data, model.length) == (ssize_t)model.length);
    close(fd);
    vs_text_free(&model);
    use_policy_text(
        "version: 1\nmodels: [{match: \"*.gguf\", on: compute, tensors: [{match: \"blk.1.*\", on: cpu}]}]\n");
    open_model(path);
    cr_expect_eq(place_new(60000 * 34), HOST);
    cr_expect_eq(place_new(65536 * 34), 0);
    unlink(path);
}

/* --- Compute devices ---------------------------------------------------------------------------------------------- */

Test(files, a_section_may_compute_on_another_device)
{
    const size_t sizes[] = {4 * MIB, 5 * MIB};
    use_policy_text("version: 1\nmodels: [{match: \"*\", distorch: \"cuda:0,100%#cuda:1\", order: listed}]\n");
    open_model(make_model(sizes, 2));
    size_t before = simcudaBytesUsed(1);
    cr_expect_eq(place_new(4 * MIB), 0, "the real allocator's: the program computes on cuda:0 here");
    CUDA_OK(cudaSetDevice(1));
    cr_expect_eq(place_new(4 * MIB), 0);
    cr_expect_eq(place_new(5 * MIB), 0);
    cr_expect_lt(simcudaBytesUsed(1) - before, (size_t)600 * MIB);
}

Test(files, a_mere_opening_creates_no_context)
{
    const size_t sizes[] = {4 * MIB};
    int count;
    use_policy("cpu,*");
    CUDA_OK(cudaGetDeviceCount(&count));
    size_t used = simcudaBytesUsed(0);
    uint64_t retained = simcudaCalls("cuDevicePrimaryCtxRetain");
    open_model(make_model(sizes, 1));
    cr_expect_eq(simcudaBytesUsed(0), used);
    cr_expect_eq(simcudaCalls("cuDevicePrimaryCtxRetain"), retained);
    cr_expect_eq(place_new(4 * MIB), HOST);
}
