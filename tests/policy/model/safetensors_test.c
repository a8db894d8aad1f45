/*
 * Safetensors headers: what is read, what is refused, and files.
 */
#include "../support.h"

#include "../../../policy/model/dtype.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAMAGED "  hint: the file is damaged or was not written by safetensors; download or save it again\n"
#define CONTRADICTS                                                                                                    \
    "  hint: the file is damaged or was not written by a program that knows the format; download it again\n"
#define PARTIAL "  hint: the file is probably the first part of an unfinished download; download it again\n"
#define UNKNOWN "  hint: the file is not a safetensors file, or an unfinished download; download it again\n"

TestSuite(safetensors, .fini = expect_no_leaks);

Test(safetensors, reads_tensors_in_the_order_of_the_file)
{
    static const char json[] = "{\"__metadata__\":{\"format\":\"pt\",\"a\":\"\xc3\xa4\"},"
                               "\"second\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
                               "\"first\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]},"
                               "\"scalar\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[32,34]},"
                               "\"empty\":{\"dtype\":\"I64\",\"shape\":[7,0],\"data_offsets\":[8,8]}}   ";
    struct vs_header model = expect_header(json, 34);
    uint64_t data = 8 + sizeof json - 1;
    cr_assert_eq(model.tensor_count, 4);
    cr_expect_eq(model.file_bytes, data + 34);
    static const struct {
        const char *name, *dtype;
        uint64_t offset, bytes;
        size_t rank;
    } expected[] = {{"first", "F16", 0, 8, 1}, {"empty", "I64", 8, 0, 2}, {"second", "F32", 8, 24, 2},
        {"scalar", "BF16", 32, 2, 0}};
    for (size_t i = 0; i < COUNT(expected); i++) {
        cr_expect_str_eq(model.tensors[i].name, expected[i].name);
        cr_expect_str_eq(model.tensors[i].dtype, expected[i].dtype);
        cr_expect_eq(model.tensors[i].file_offset, data + expected[i].offset);
        cr_expect_eq(model.tensors[i].bytes, expected[i].bytes);
        cr_expect_eq(model.tensors[i].rank, expected[i].rank);
    }
    cr_expect_eq(model.tensors[2].shape[0], 2);
    cr_expect_eq(model.tensors[2].shape[1], 3);
    cr_expect_eq(model.tensors[0].shape[0], 4);
    vs_header_free(&model);
    cr_expect_null(model.tensors);
}

Test(safetensors, knows_the_sizes_of_element_types_and_believes_offsets_for_others)
{
    static const struct {
        const char *dtype;
        unsigned bytes_of_16; /* elements */
    } cases[] = {{"F64", 128}, {"I64", 128}, {"U64", 128}, {"C64", 128}, {"F32", 64}, {"I32", 64}, {"U32", 64},
        {"F16", 32}, {"BF16", 32}, {"I16", 32}, {"U16", 32}, {"F8_E4M3", 16}, {"F8_E5M2", 16}, {"F8_E8M0", 16},
        {"I8", 16}, {"U8", 16}, {"BOOL", 16}, {"F6_E2M3", 12}, {"F6_E3M2", 12}, {"F4", 8}, {"X99", 77}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char json[256];
        sprintf(json, "{\"t\":{\"dtype\":\"%s\",\"shape\":[4,4],\"data_offsets\":[0,%u]}}", cases[i].dtype,
            cases[i].bytes_of_16);
        struct vs_header model = expect_header(json, cases[i].bytes_of_16);
        cr_expect_eq(model.tensors[0].bytes, cases[i].bytes_of_16);
        vs_header_free(&model);
        if (!vs_dtype_bits(cases[i].dtype))
            continue;
        char expected[256];
        sprintf(json, "{\"t\":{\"dtype\":\"%s\",\"shape\":[4,4],\"data_offsets\":[0,%u]}}", cases[i].dtype,
            cases[i].bytes_of_16 - 1);
        sprintf(expected,
            "m: error: tensor `t`: 16 elements of %s do not take the %u bytes between its offsets\n" DAMAGED,
            cases[i].dtype, cases[i].bytes_of_16 - 1);
        expect_header_errors(json, cases[i].bytes_of_16, expected);
    }
}

#define TENSOR(offsets) "\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":" offsets

Test(safetensors, refuses_what_is_no_list_of_tensors)
{
    static const struct {
        const char *json, *said;
    } cases[] = {
        {"[]", "m: error: the header is not JSON that safetensors would write (at its byte 0)\n" DAMAGED},
        {"{\"t\":3}", "m: error: the entry of tensor `t` is no object\n" DAMAGED},
        {"{\"t\":[]}", "m: error: the entry of tensor `t` is no object\n" DAMAGED},
        {"{\"t\":null}", "m: error: the entry of tensor `t` is no object\n" DAMAGED},
        {"{\"t\":{\"shape\":[1],\"data_offsets\":[0,1]}}", "m: error: tensor `t` has no `dtype`\n" DAMAGED},
        {"{\"t\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]}}", "m: error: tensor `t` has no `dtype`\n" DAMAGED},
        {"{\"t\":{\"dtype\":\"\",\"shape\":[1],\"data_offsets\":[0,1]}}",
            "m: error: tensor `t` has no `dtype`\n" DAMAGED},
        {"{\"t\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", "m: error: tensor `t` has no `shape` list\n" DAMAGED},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":{\"x\":1},\"data_offsets\":[0,1]}}",
            "m: error: tensor `t` has no `shape` list\n" DAMAGED},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1,-1],\"data_offsets\":[0,1]}}",
            "m: error: tensor `t`: dimension 1 of its shape is no count\n" DAMAGED},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}",
            "m: error: tensor `t`: dimension 0 of its shape is no count\n" DAMAGED},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1]}}", "m: error: tensor `t` has no `data_offsets` pair\n" DAMAGED},
        {"{\"t\":{" TENSOR("[0]") "}}", "m: error: tensor `t` has no `data_offsets` pair\n" DAMAGED},
        {"{\"t\":{" TENSOR("[0,1,2]") "}}", "m: error: tensor `t` has no `data_offsets` pair\n" DAMAGED},
        {"{\"t\":{" TENSOR("[-1,0]") "}}", "m: error: tensor `t`: its `data_offsets` are no counts of bytes\n" DAMAGED},
        {"{\"t\":{" TENSOR("[0,\"1\"]") "}}",
            "m: error: tensor `t`: its `data_offsets` are no counts of bytes\n" DAMAGED},
        {"{\"t\":{" TENSOR("[2,1]") "}}", "m: error: tensor `t` ends (1) before it begins (2)\n" DAMAGED},
        {"{\"t\":{" TENSOR("[1,2]") "}}",
            "m: error: tensor `t` ends at byte 2 of the data, but the file holds only 1 bytes of data\n" PARTIAL},
        {"{\"t\":{" TENSOR("[9223372036854775806,9223372036854775807]") "}}",
            "m: error: tensor `t` ends at byte 9223372036854775807 of the data, but the file holds only 1 bytes of "
            "data\n" PARTIAL},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
            "m: error: tensor `t`: its shape has more elements than 63 bits can count\n" DAMAGED},
        {"{\"t\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", /* 2^61 times 64 bits */
            "m: error: tensor `t`: 2305843009213693952 elements of F64 do not take the 0 bytes between its "
            "offsets\n" DAMAGED},
        {"{\"t\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,0]}}", /* half a byte */
            "m: error: tensor `t`: 1 elements of F4 do not take the 0 bytes between its offsets\n" DAMAGED},
        {"{\"__metadata__\":[]}", "m: error: `__metadata__` is no object\n" DAMAGED},
        {"{\"__metadata__\":{\"a\":1}}", "m: error: the entry `a` of `__metadata__` is no text\n" DAMAGED},
        {"{\"t\\u001b\":3}", "m: error: the entry of tensor `t\\x1b` is no object\n" DAMAGED},
        {"{\"t\":{\"x\":[[1]]}}",
            "m: error: the header is nested deeper than a list of tensors at its byte 11\n" DAMAGED},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_header_errors(cases[i].json, 1, cases[i].said);
}

Test(safetensors, refuses_a_name_that_is_there_twice_however_it_is_written)
{
    expect_header_errors("{\"a\":{" TENSOR("[0,1]") "},\"b\":{" TENSOR("[1,2]") "},\"\\u0061\":{" TENSOR("[2,3]") "}}",
        3, "m: error: the tensor `a` is there twice\n" CONTRADICTS);
}

Test(safetensors, reports_every_wrong_tensor)
{
    expect_header_errors("{\"a\":1,\"b\":{" TENSOR("[0,1]") "},\"c\":2}", 1,
        "m: error: the entry of tensor `a` is no object\n" DAMAGED
        "m: error: the entry of tensor `c` is no object\n" DAMAGED);
}

Test(safetensors, a_zero_dimension_makes_no_overflow)
{
    struct vs_header model = expect_header(
        "{\"t\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,4294967296,0],\"data_offsets\":[0,0]}}", 0);
    cr_expect_eq(model.tensors[0].bytes, 0);
    vs_header_free(&model);
}

Test(safetensors, refuses_overlap_also_with_an_earlier_larger_tensor)
{
    expect_header_errors("{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                         "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
        4, "m: error: the tensors `a` and `b` overlap in the file\n" CONTRADICTS);
    expect_header_errors("{\"a\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]},"
                         "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]},"
                         "\"c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[5,6]}}",
        9,
        "m: error: the tensors `a` and `b` overlap in the file\n" CONTRADICTS
        "m: error: the tensors `a` and `c` overlap in the file\n" CONTRADICTS);
    expect_header_errors("{\"a\":{" TENSOR("[0,1]") "},\"b\":{" TENSOR("[0,1]") "}}", 1,
        "m: error: the tensors `a` and `b` overlap in the file\n" CONTRADICTS);
}

Test(safetensors, allows_gaps_and_empty_tensors_inside_others)
{
    struct vs_header model = expect_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                                           "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]},"
                                           "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[6,8]}}",
        9);
    cr_expect_eq(model.tensor_count, 3);
    vs_header_free(&model);
}

static void expect_said_about(const char *json, size_t length, const char *part)
{
    struct vs_diags diags = {0};
    struct vs_header model;
    cr_expect_eq(vs_safetensors_parse("m", json, length, 8 + length + 1, &model, &diags), -1, "accepted: %.*s",
        (int)length, json);
    char *said = rendered(&diags);
    cr_expect_not_null(strstr(said, part), "%s not in %s", part, said);
    free(said);
}

Test(safetensors, refuses_broken_json)
{
    static const char nul[] = "{\"a\\u0000b\":1}";
    expect_said_about("", 0, "the header is not JSON");
    expect_said_about("{", 1, "the header is not JSON");
    expect_said_about("{\"t\":", 5, "the header is not JSON");
    expect_said_about("{\"t\":1}x", 8, "the header is not JSON");
    expect_said_about("{\"t\":1,}", 8, "the header is not JSON");
    expect_said_about("{,\"t\":1}", 8, "the header is not JSON");
    expect_said_about("{\"t\" 1}", 7, "the header is not JSON");
    expect_said_about("{\"t\":}", 6, "the header is not JSON");
    expect_said_about("{\"t\":1 \"u\":1}", 13, "the header is not JSON");
    expect_said_about("{\"t\":[}}", 8, "the header is not JSON");
    expect_said_about("{t:1}", 5, "the header is not JSON");
    expect_said_about("{\"a\":[\"][[[[[[", 14, "the header is not JSON"); /* brackets in a text are no nesting */
    expect_said_about("{\"a\":[\"\\\"[[[[[[", 15, "the header is not JSON");
    expect_said_about("{\"a\":[[[", 9, "nested deeper");
    expect_said_about("{\"t\":{\"dtype\":1,\"dtype\":1}}", 27, "duplicate object key");
    expect_said_about("{\"__metadata__\":{},\"__metadata__\":{}}", 37, "`__metadata__` is there twice");
    expect_said_about("{\"__metadata__\":{\"a\":\"b\",}}", 27, "`__metadata__` is not JSON");
    expect_said_about(
        "{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,9223372036854775808]}}", 71, "too big integer");
    expect_said_about("{\"\xff\":1}", 7, "the header is not JSON");
    expect_said_about(nul, sizeof nul - 1, "the header is not JSON");
    expect_said_about("\0\0\0\0", 4, "the header is not JSON");
}

static struct vs_text many_tensors(size_t count)
{
    struct vs_text text = {0};
    vs_text_append(&text, "{", 1);
    for (size_t i = 0; i < count; i++)
        vs_text_printf(&text,
            "%s\"model.diffusion_model.input_blocks.%zu.weight\":{\"dtype\":\"F16\",\"shape\":[4,4,1,1],\"data_"
            "offsets\":[%zu,%zu]}",
            i ? "," : "", i, 32 * (count - 1 - i), 32 * (count - i));
    vs_text_append(&text, "}", 1);
    return text;
}

Test(safetensors, allows_padding_behind_the_header)
{
    struct vs_text text = {0};
    vs_text_printf(&text, "{}%*s", 3000000, "");
    struct vs_header model = expect_header(text.data, 0);
    cr_expect_eq(model.tensor_count, 0);
    vs_header_free(&model);
    vs_text_free(&text);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Some milliseconds; the bound is wide for sanitised builds, and narrow enough for anything quadratic. */
Test(safetensors, reads_ten_thousand_tensors_in_no_time)
{
    struct vs_text text = many_tensors(10000);
    double start = seconds();
    struct vs_header model = expect_header(text.data, 320000);
    cr_expect_lt(seconds() - start, 1.0, "%f s", seconds() - start);
    cr_assert_eq(model.tensor_count, 10000);
    for (size_t i = 0; i < 10000; i++)
        cr_assert_eq(model.tensors[i].file_offset, 8 + text.length + 32 * i);
    cr_expect_str_eq(model.tensors[0].name, "model.diffusion_model.input_blocks.9999.weight");
    vs_header_free(&model);
    vs_text_free(&text);
}

Test(safetensors, the_length_of_the_header_is_checked_before_it_is_believed)
{
    static const struct {
        unsigned char prefix[8];
        uint64_t file_bytes;
        const char *said; /* NULL: right */
    } cases[] = {
        {{2, 1}, 8 + 258, NULL},
        {{0}, 8, NULL},
        {{0, 0xe1, 0xf5, 0x05}, 8 + 100000000, NULL},
        {{2, 1}, 8 + 257, "m: error: its header would be 258 bytes long, but the whole file has 265\n" UNKNOWN},
        {{0}, 7, "m: error: its header would be 0 bytes long, but the whole file has 7\n" UNKNOWN},
        {{1, 0xe1, 0xf5, 0x05}, UINT64_MAX,
            "m: error: its header would be 100000001 bytes long; the safetensors format allows 100000000\n"
            "  hint: this is no safetensors file; check how it was downloaded and what it is\n"},
        {{255, 255, 255, 255, 255, 255, 255, 255}, 100,
            "m: error: its header would be 18446744073709551615 bytes long; the safetensors format allows 100000000\n"
            "  hint: this is no safetensors file; check how it was downloaded and what it is\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_diags diags = {0};
        size_t bytes = 4711;
        int result = vs_safetensors_header_bytes("m", cases[i].prefix, cases[i].file_bytes, &bytes, &diags);
        char *said = rendered(&diags);
        cr_expect_eq(result, cases[i].said ? -1 : 0, "case %zu", i);
        cr_expect_str_eq(said, cases[i].said ? cases[i].said : "");
        if (!cases[i].said)
            cr_expect_eq(bytes, (size_t)cases[i].file_bytes - 8);
        free(said);
    }
}

/* A file whose reads are short, interrupted, failing or ending early. */
struct slow_file {
    const char *bytes;
    size_t length;
    size_t at_once;
    int interrupt_every;
    int fail_with;
    int calls;
};

static ssize_t read_slowly(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    struct slow_file *file = context;
    file->calls++;
    if (file->interrupt_every && file->calls % file->interrupt_every == 0) {
        errno = EINTR;
        return -1;
    }
    if (file->fail_with) {
        errno = file->fail_with;
        return -1;
    }
    size_t left = offset < file->length ? file->length - offset : 0,
           count = bytes < file->at_once ? bytes : file->at_once;
    count = count < left ? count : left;
    memcpy(buffer, file->bytes + (offset < file->length ? offset : file->length), count);
    return (ssize_t)count;
}

static const char small[] = "\x38\0\0\0\0\0\0\0{\"t\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}   xyz";

Test(safetensors, reads_with_the_callers_function_however_short_its_reads_are)
{
    struct slow_file file = {.bytes = small, .length = sizeof small - 1, .at_once = 3, .interrupt_every = 2};
    struct vs_diags diags = {0};
    struct vs_header model;
    cr_assert_eq(sizeof small - 1, 8 + 0x38 + 3);
    cr_assert_eq(vs_header_read("m", read_slowly, &file, file.length, &model, &diags), 0);
    cr_expect_eq(model.tensor_count, 1);
    cr_expect_eq(model.tensors[0].file_offset, 8 + 0x38);
    vs_header_free(&model);
}

Test(safetensors, a_file_that_ends_early_or_cannot_be_read_is_an_error)
{
    struct slow_file file = {.bytes = small, .length = 20, .at_once = 100};
    struct vs_diags diags = {0};
    struct vs_header model;
    cr_expect_eq(vs_header_read("m", read_slowly, &file, sizeof small - 1, &model, &diags), -1);
    file.fail_with = EIO;
    cr_expect_eq(vs_header_read("m", read_slowly, &file, sizeof small - 1, &model, &diags), -1);
    char *said = rendered(&diags);
    cr_expect_str_eq(said, "m: error: the file ends at byte 20, inside its header\n" PARTIAL
                           "m: error: cannot read the model's header: Input/output error\n"
                           "  hint: check the disk and the file's permissions\n");
    free(said);
}

Test(safetensors, loads_a_file_by_its_path)
{
    char path[] = "/tmp/vramspan-model-XXXXXX";
    int descriptor = mkstemp(path);
    struct vs_diags diags = {0};
    struct vs_header model;
    cr_assert_eq(write(descriptor, small, sizeof small - 1), (ssize_t)sizeof small - 1);
    cr_assert_eq(vs_header_load(path, &model, &diags), 0);
    cr_expect_str_eq(model.tensors[0].name, "t");
    vs_header_free(&model);
    cr_assert_eq(ftruncate(descriptor, 8 + 0x38 + 2), 0);
    cr_expect_eq(vs_header_load(path, &model, &diags), -1);
    cr_assert_eq(ftruncate(descriptor, 3), 0);
    cr_expect_eq(vs_header_load(path, &model, &diags), -1);
    cr_expect_eq(vs_header_load("/dev/zero", &model, &diags), -1);
    cr_expect_eq(vs_header_load("/tmp", &model, &diags), -1);
    close(descriptor);
    unlink(path);
    cr_expect_eq(vs_header_load(path, &model, &diags), -1);
    cr_assert_eq(diags.count, 5);
    cr_expect_str_eq(
        diags.items[0].message, "tensor `t` ends at byte 3 of the data, but the file holds only 2 bytes of data");
    cr_expect_str_eq(diags.items[1].message, "this is neither a safetensors nor a GGUF file");
    cr_expect_str_eq(diags.items[2].message, "cannot read the model: it is not a regular file");
    cr_expect_str_eq(diags.items[3].message, "cannot read the model: Is a directory");
    cr_expect_str_eq(diags.items[4].message, "cannot read the model: No such file or directory");
    vs_diags_free(&diags);
}
