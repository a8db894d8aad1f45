/*
 * GGUF headers: sizes, places, and what is refused. Files that the real package wrote are in header_test.c.
 */
#include "../support.h"

#include "../../../policy/model/dtype.h"
#include "gguf_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAMAGED "\n  hint: the file is damaged or was not written by a GGUF program; download or convert it again\n"
#define PARTIAL "\n  hint: the file is probably the first part of an unfinished download; download it again\n"
#define NEWER   "\n  hint: if it is no damaged file, a newer vramspan may read it\n"
#define OLD     "\n  hint: download a newer file, or convert the model again\n"
#define MEANT   "\n  hint: check that this is the file that was meant\n"

TestSuite(gguf, .fini = expect_no_leaks);

/* Reads a file that is longer than what is written of it; frees the text. */
static int read_long_file(struct vs_text *file, uint64_t bytes, struct vs_header *header, char **said)
{
    struct vs_diags diags = {0};
    int result = vs_header_read("m.gguf", read_text_and_zeros, file, bytes, header, &diags);
    *said = rendered(&diags);
    vs_text_free(file);
    return result;
}

static struct vs_header expect_read(struct vs_text *file, const char *expected)
{
    struct vs_header header;
    char *said;
    int result = read_long_file(file, file->length, &header, &said);
    cr_expect_str_eq(said, expected);
    cr_assert_eq(result, 0);
    free(said);
    return header;
}

static void expect_refused(struct vs_text *file, const char *expected)
{
    struct vs_header header;
    char *said;
    cr_expect_eq(read_long_file(file, file->length, &header, &said), -1);
    cr_expect_str_eq(said, expected);
    cr_expect_null(header.storage);
    free(said);
}

/* From ggml.h and ggml-common.h, as bits of an element, scales included: another view of the same facts. */
Test(gguf, sizes_of_all_types_are_those_of_ggml)
{
    static const struct {
        unsigned number;
        const char *name;
        unsigned block;
        double bits;
    } cases[] = {{0, "F32", 1, 32}, {1, "F16", 1, 16}, {2, "Q4_0", 32, 4.5}, {3, "Q4_1", 32, 5}, {6, "Q5_0", 32, 5.5},
        {7, "Q5_1", 32, 6}, {8, "Q8_0", 32, 8.5}, {9, "Q8_1", 32, 9}, {10, "Q2_K", 256, 2.625},
        {11, "Q3_K", 256, 3.4375}, {12, "Q4_K", 256, 4.5}, {13, "Q5_K", 256, 5.5}, {14, "Q6_K", 256, 6.5625},
        {15, "Q8_K", 256, 9.125}, {16, "IQ2_XXS", 256, 2.0625}, {17, "IQ2_XS", 256, 2.3125},
        {18, "IQ3_XXS", 256, 3.0625}, {19, "IQ1_S", 256, 1.5625}, {20, "IQ4_NL", 32, 4.5}, {21, "IQ3_S", 256, 3.4375},
        {22, "IQ2_S", 256, 2.5625}, {23, "IQ4_XS", 256, 4.25}, {24, "I8", 1, 8}, {25, "I16", 1, 16}, {26, "I32", 1, 32},
        {27, "I64", 1, 64}, {28, "F64", 1, 64}, {29, "IQ1_M", 256, 1.75}, {30, "BF16", 1, 16},
        {34, "TQ1_0", 256, 1.6875}, {35, "TQ2_0", 256, 2.0625}, {39, "MXFP4", 32, 4.25}, {40, "NVFP4", 64, 4.5},
        {41, "Q1_0", 128, 1.125}, {42, "Q2_0", 64, 2.25}};
    size_t known = 0;
    for (uint32_t number = 0; number < 1000; number++)
        known += vs_ggml_type(number) && vs_ggml_type(number)->name;
    cr_expect_eq(known, COUNT(cases));
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct vs_ggml_type *type = vs_ggml_type(cases[i].number);
        cr_assert_not_null(type);
        cr_expect_str_eq(type->name, cases[i].name);
        cr_expect_eq(type->block_elements, cases[i].block, "%s", type->name);
        cr_expect_float_eq(type->block_bytes * 8.0, cases[i].bits * cases[i].block, 1e-9, "%s", type->name);
    }
}

/* 3 rows of 512 elements: 6 super-blocks of 144 bytes; 5 * 7 * 4 bytes. */
Test(gguf, bytes_and_places_follow_shape_type_and_alignment)
{
    struct vs_text file = {0};
    put_start(&file, 3, 3, 2);
    put_u32_pair(&file, "general.alignment", 128);
    put_string_pair(&file, "general.architecture", "flux");
    put_tensor(&file, "b", 2, (uint64_t[]){512, 3}, 12, 256);
    put_tensor(&file, "a", 2, (uint64_t[]){5, 7}, 0, 0);
    put_tensor(&file, "scalar", 0, NULL, 30, 1152);
    size_t header_bytes = file.length;
    put_data(&file, 128, 1154);
    size_t start = (header_bytes + 127) / 128 * 128;
    struct vs_header header = expect_read(&file, "");
    cr_assert_eq(header.tensor_count, 3);
    cr_expect_str_eq(header.architecture, "flux");
    cr_expect_eq(header.format, VS_FORMAT_GGUF);
    static const struct {
        const char *name, *dtype;
        size_t offset, bytes, rank;
        uint64_t shape[2];
    } expected[] = {
        {"a", "F32", 0, 140, 2, {7, 5}}, {"b", "Q4_K", 256, 864, 2, {3, 512}}, {"scalar", "BF16", 1152, 2, 0, {0, 0}}};
    for (size_t i = 0; i < COUNT(expected); i++) {
        const struct vs_tensor *tensor = &header.tensors[i];
        cr_expect_str_eq(tensor->name, expected[i].name);
        cr_expect_str_eq(tensor->dtype, expected[i].dtype);
        cr_expect_eq(tensor->file_offset, start + expected[i].offset, "%s", tensor->name);
        cr_expect_eq(tensor->bytes, expected[i].bytes, "%s: %zu", tensor->name, (size_t)tensor->bytes);
        cr_assert_eq(tensor->rank, expected[i].rank);
        for (size_t k = 0; k < tensor->rank; k++)
            cr_expect_eq(tensor->shape[k], expected[i].shape[k]);
    }
    vs_header_free(&header);
}

Test(gguf, metadata_of_every_type_is_passed_over)
{
    static const unsigned sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    struct vs_text file = {0};
    put_start(&file, 3, 1, 2 * COUNT(sizes) + 1);
    for (unsigned type = 0; type < COUNT(sizes); type++) {
        put_string(&file, "k");
        put_number(&file, type, 4);
        if (type == 8)
            put_string(&file, "GGUF text");
        else if (type == 9)
            put_number(&file, 0, 4 + 8); /* an array of no bytes */
        else
            put_number(&file, UINT64_MAX, sizes[type]);
        put_string(&file, "array");
        put_number(&file, 9, 4);
        put_number(&file, type, 4);
        put_number(&file, 3, 8);
        for (int i = 0; i < 3; i++)
            if (type == 8)
                put_string(&file, "x");
            else if (type == 9) {
                put_number(&file, 2, 4); /* of two 16-bit numbers */
                put_number(&file, 2, 8);
                put_number(&file, 7, 4);
            } else
                put_number(&file, 0, sizes[type]);
    }
    char long_key[300];
    memset(long_key, 'k', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    put_u32_pair(&file, long_key, 1);
    put_tensor(&file, "t", 1, (uint64_t[]){3}, 24, 0);
    put_data(&file, 32, 3);
    struct vs_header header = expect_read(&file, "");
    cr_assert_eq(header.tensor_count, 1);
    cr_expect_eq(header.tensors[0].file_offset, header.file_bytes - 3);
    vs_header_free(&header);
}

Test(gguf, of_a_split_model_says_so)
{
    struct vs_text file = {0};
    put_start(&file, 3, 1, 1);
    put_string(&file, "split.count");
    put_number(&file, 2, 4);
    put_number(&file, 3, 2);
    put_tensor(&file, "t", 1, (uint64_t[]){3}, 24, 0);
    put_data(&file, 32, 3);
    struct vs_header header =
        expect_read(&file, "m.gguf: warning: this is one of 3 files of a split model: only its own tensors are known\n"
                           "  hint: put the files together with llama-gguf-split --merge\n");
    vs_header_free(&header);
}

/* One tensor, written with what a case changes. */
struct wrong {
    const char *name;
    uint32_t rank;
    uint64_t dimensions[3];
    uint32_t type;
    uint64_t offset;
    const char *said;
};

Test(gguf, refuses_wrong_tensors)
{
    static const struct wrong cases[] = {
        {"", 1, {3}, 24, 0, "m.gguf: error: the name of a tensor at byte 24 has 0 letters" DAMAGED},
        {"\xff", 1, {3}, 24, 0, "m.gguf: error: the name of the tensor `\\xff` is no UTF-8 text" DAMAGED},
        {"t", 65, {3}, 24, 0, "m.gguf: error: tensor `t` has 65 dimensions, more than any tensor's 64" DAMAGED},
        {"t", 2, {3, UINT64_MAX}, 24, 0, "m.gguf: error: tensor `t`: dimension 1 of its shape is no count" DAMAGED},
        {"t", 2, {INT64_MAX, 2}, 24, 0,
            "m.gguf: error: tensor `t`: its shape has more elements than 63 bits can count" DAMAGED},
        {"t", 1, {INT64_MAX}, 0, 0,
            "m.gguf: error: tensor `t`: its shape has more bytes than 64 bits can count" DAMAGED},
        {"t", 1, {33}, 2, 0,
            "m.gguf: error: tensor `t`: rows of 33 elements are no whole blocks of Q4_0, which has 32" DAMAGED},
        {"t", 2, {16, 2}, 2, 0, /* 32 elements, but not in one row */
            "m.gguf: error: tensor `t`: rows of 16 elements are no whole blocks of Q4_0, which has 32" DAMAGED},
        {"t", 1, {3}, 43, 0, "m.gguf: error: tensor `t` has the type 43, which is not known" NEWER},
        {"t", 1, {3}, UINT32_MAX, 0, "m.gguf: error: tensor `t` has the type 4294967295, which is not known" NEWER},
        {"t", 1, {32}, 4, 0, "m.gguf: error: tensor `t` has the type 4, which GGUF does not allow any more" OLD},
        {"t", 1, {32}, 31, 0, "m.gguf: error: tensor `t` has the type 31, which GGUF does not allow any more" OLD},
        {"t", 1, {3}, 24, 1, "m.gguf: error: tensor `t` begins at byte 1 of the data, no multiple of 32" DAMAGED},
        {"t", 1, {97}, 24, 0,
            "m.gguf: error: tensor `t` has 97 bytes from byte 0 of the data on, which begins at byte 64, but the whole "
            "file has 160" PARTIAL},
        {"t", 1, {1}, 24, UINT64_MAX - 31,
            "m.gguf: error: tensor `t` has 1 bytes from byte 18446744073709551584 of the data on, which begins at byte "
            "64, but the whole file has 160" PARTIAL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_text file = {0};
        put_start(&file, 3, 1, 0);
        put_tensor(&file, cases[i].name, cases[i].rank < 4 ? cases[i].rank : 3, cases[i].dimensions, cases[i].type,
            cases[i].offset);
        if (cases[i].rank > 3)
            file.data[24 + 8 + strlen(cases[i].name)] = (char)cases[i].rank;
        put_data(&file, 64, 96);
        expect_refused(&file, cases[i].said);
    }
}

Test(gguf, refuses_tensors_that_overlap_and_names_that_are_there_twice)
{
    struct vs_text file = {0};
    put_start(&file, 3, 2, 0);
    put_tensor(&file, "t", 1, (uint64_t[]){33}, 24, 0);
    put_tensor(&file, "u", 1, (uint64_t[]){1}, 24, 32);
    put_data(&file, 32, 64);
    expect_refused(&file, "m.gguf: error: the tensors `t` and `u` overlap in the file\n"
                          "  hint: the file is damaged or was not written by a program that knows the format; download "
                          "it again\n");
    put_start(&file, 3, 2, 0);
    put_tensor(&file, "t", 1, (uint64_t[]){1}, 24, 0);
    put_tensor(&file, "t", 1, (uint64_t[]){1}, 24, 32);
    put_data(&file, 32, 64);
    expect_refused(&file, "m.gguf: error: the tensor `t` is there twice\n"
                          "  hint: the file is damaged or was not written by a program that knows the format; download "
                          "it again\n");
}

Test(gguf, refuses_versions_that_it_does_not_know)
{
    static const struct {
        uint32_t version;
        const char *said;
    } cases[] = {
        {1, "m.gguf: error: GGUF version 1, which programs do not read any more" OLD},
        {4, "m.gguf: error: GGUF version 4; versions 2 and 3 are known" NEWER},
        {0, "m.gguf: error: GGUF version 0; versions 2 and 3 are known" NEWER},
        {UINT32_MAX, "m.gguf: error: GGUF version 4294967295; versions 2 and 3 are known" NEWER},
        {0x02000000, "m.gguf: error: this is a big-endian GGUF file, which no program loads onto an NVIDIA GPU\n"
                     "  hint: convert it with gguf-py's gguf_convert_endian, or download the usual file\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_text file = {0};
        put_start(&file, cases[i].version, 0, 0);
        expect_refused(&file, cases[i].said);
    }
}

static struct vs_text start_with_key(const char *key, uint32_t type)
{
    struct vs_text file = {0};
    put_start(&file, 3, 0, 1);
    put_string(&file, key);
    put_number(&file, type, 4);
    return file;
}

Test(gguf, refuses_wrong_metadata)
{
    struct vs_text file = {0};
    put_start(&file, 3, 0, 1);
    put_number(&file, 0, 8); /* a key without letters */
    put_number(&file, 0, 16);
    expect_refused(&file, "m.gguf: error: a key of its metadata has 0 letters" DAMAGED);

    file = start_with_key("k", 13);
    put_number(&file, 0, 8);
    expect_refused(&file, "m.gguf: error: its metadata holds a value of the unknown type 13 before byte 37" DAMAGED);

    file = start_with_key("general.alignment", 4);
    put_number(&file, 48, 4);
    expect_refused(&file, "m.gguf: error: its alignment of 48 bytes is no power of two" DAMAGED);

    file = start_with_key("general.alignment", 4);
    put_number(&file, 0, 4);
    expect_refused(&file, "m.gguf: error: its alignment of 0 bytes is no power of two" DAMAGED);

    file = start_with_key("general.alignment", 10);
    put_number(&file, 32, 8);
    expect_refused(&file, "m.gguf: error: its `general.alignment` has the type 10 instead of 4" DAMAGED);

    put_start(&file, 3, 0, 2);
    put_u32_pair(&file, "general.alignment", 32);
    put_u32_pair(&file, "general.alignment", 64);
    expect_refused(&file, "m.gguf: error: its `general.alignment` is there twice" DAMAGED);

    put_start(&file, 3, 0, 1);
    put_string_pair(&file, "general.architecture", "0123456789012345678901234567890123456789012345678901234567890123");
    expect_refused(&file, "m.gguf: error: its `general.architecture` has 64 letters" DAMAGED);

    file = start_with_key("k", 9);
    for (int i = 0; i < 6; i++) { /* arrays of one array */
        put_number(&file, 9, 4);
        put_number(&file, 1, 8);
    }
    expect_refused(
        &file, "m.gguf: error: its metadata holds arrays of arrays at byte 85, nested deeper than 4" DAMAGED);
}

Test(gguf, refuses_folded_shapes_that_do_not_fit)
{
    static const struct {
        uint32_t type, element_type, first;
        const char *said;
    } cases[] = {
        {9, 5, 3, "m.gguf: error: tensor `t` has 4 elements, which its original shape has not" DAMAGED},
        {9, 5, UINT32_MAX, "m.gguf: error: its `comfy.gguf.orig_shape.t` has a negative size" DAMAGED},
        {9, 4, 2, "m.gguf: error: its `comfy.gguf.orig_shape.t` is no shape" DAMAGED},
        {4, 5, 2, "m.gguf: error: its `comfy.gguf.orig_shape.t` is no array" DAMAGED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_text file = {0};
        put_start(&file, 3, 1, 1);
        put_string(&file, "comfy.gguf.orig_shape.t");
        put_number(&file, cases[i].type, 4);
        put_number(&file, cases[i].element_type, 4);
        put_number(&file, 2, 8);
        put_number(&file, cases[i].first, 4);
        put_number(&file, 2, 4);
        put_tensor(&file, "t", 1, (uint64_t[]){4}, 24, 0);
        put_data(&file, 32, 4);
        expect_refused(&file, cases[i].said);
    }
}

/* Counts and lengths are compared with the file before anything is done with them. */
Test(gguf, refuses_counts_and_lengths_beyond_the_file)
{
    struct vs_text file = {0};
    struct vs_header header;
    char *said;
    put_start(&file, 3, 1, UINT64_MAX);
    expect_refused(&file, "m.gguf: error: its header lists 1 tensors and 18446744073709551615 metadata, for which the "
                          "file is too short" PARTIAL);
    put_start(&file, 3, UINT64_MAX, 0);
    expect_refused(
        &file, "m.gguf: error: the model lists 18446744073709551615 tensors; no model has more than 131072" MEANT);
    put_start(&file, 3, 10000000, 0);
    expect_refused(&file, "m.gguf: error: the model lists 10000000 tensors; no model has more than 131072" MEANT);
    put_start(&file, 3, 2, 0);
    put_data(&file, 1, 47);
    expect_refused(
        &file, "m.gguf: error: its header lists 2 tensors and 0 metadata, for which the file is too short" PARTIAL);

    static const uint64_t lengths[] = {UINT64_MAX, INT64_MAX, 1000};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char expected[256];
        file = start_with_key("k", 8);
        put_number(&file, lengths[i], 8);
        put_data(&file, 1, 5);
        snprintf(expected, sizeof expected,
            "m.gguf: error: its header needs %zu bytes from byte 45 on, but the whole file has 50" PARTIAL,
            (size_t)lengths[i]);
        expect_refused(&file, expected);
    }
    file = start_with_key("k", 9);
    put_number(&file, 10, 4);
    put_number(&file, UINT64_MAX / 4, 8); /* times 8 is more than 64 bits */
    expect_refused(&file, "m.gguf: error: its header needs 18446744073709551615 bytes from byte 49 on, but the whole "
                          "file has 49" PARTIAL);

    file = start_with_key("k", 8); /* a text of 100 MB */
    put_number(&file, 100000000, 8);
    cr_expect_eq(read_long_file(&file, 1000000000, &header, &said), -1);
    cr_expect_str_eq(said, "m.gguf: error: its header is longer than 100000000 bytes, which no model's is" MEANT);
    free(said);
}
