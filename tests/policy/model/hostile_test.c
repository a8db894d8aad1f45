/*
 * Files made to fill memory and to take time: each gets a diagnostic (or is read, where it is only large) within the
 * memory that header.h promises, and within some seconds of this thread's time (wide for sanitised builds; narrow
 * enough for anything quadratic in ten millions).
 */
#include "../support.h"

#include "../../../policy/model/header.h"
#include "../../../policy/model/shards.h"
#include "gguf_writer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SECONDS_MAX = 10 };

#define MEANT   "\n  hint: check that this is the file that was meant\n"
#define DAMAGED "\n  hint: the file is damaged or was not written by safetensors; download or save it again\n"

TestSuite(hostile, .fini = expect_no_leaks);

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of a file of so many bytes more: what is said first, or that so many tensors were read. Frees the text. */
static void expect(const char *name, struct vs_text *file, uint64_t more_bytes, const char *expected, size_t tensors)
{
    struct vs_diags diags = {0};
    struct vs_header header;
    cr_assert_not(file->failed);
    allocations_count();
    double begin = seconds();
    int result = vs_header_read(name, read_text_and_zeros, file, file->length + more_bytes, &header, &diags);
    double took = seconds() - begin;
    size_t most = allocations_counted();
    char *said = rendered(&diags);
    cr_expect_eq(result, *expected ? -1 : 0);
    cr_expect(!strncmp(said, expected, strlen(expected)), "%.300s", said);
    cr_expect_eq(header.tensor_count, tensors, "%zu", header.tensor_count);
    cr_expect_lt(most, VS_HEADER_MEMORY_MAX, "%zu bytes", most);
    cr_expect_lt(took, SECONDS_MAX, "%f s", took);
    free(said);
    vs_header_free(&header);
    vs_text_free(file);
}

/* --- safetensors -------------------------------------------------------------------------------------------------- */

/* A head, a unit as often as it fits in so many bytes, and a tail. */
static void fill(struct vs_text *text, const char *head, const char *unit, const char *tail, size_t bytes)
{
    struct vs_text units = {0};
    size_t unit_bytes = strlen(unit);
    for (int i = 0; i < 10000; i++)
        vs_text_append(&units, unit, unit_bytes);
    vs_text_append(text, head, strlen(head));
    for (size_t left = (bytes - strlen(head) - strlen(tail)) / unit_bytes * unit_bytes, count; left; left -= count) {
        count = left < units.length ? left : units.length;
        vs_text_append(text, units.data, count);
    }
    vs_text_append(text, tail, strlen(tail));
    vs_text_free(&units);
}

/* Where eight bytes were left for it. */
static void put_length(struct vs_text *file)
{
    uint64_t length = file->length - 8;
    for (int i = 0; i < 8; i++)
        file->data[i] = (char)(length >> 8 * i);
}

#define NOT_JSON "m.safetensors: error: the header is not JSON that safetensors would write"

Test(hostile, safetensors_headers_of_a_hundred_megabytes, .timeout = 300)
{
    static const struct {
        const char *head, *unit, *tail, *said;
    } cases[] = {
        {"{\"a\":0", ",\"a\":0", "}", "m.safetensors: error: the model lists 16666666 tensors; no model has more than"},
        {"{\"a\":0", ",\"\":{}", "}", "m.safetensors: error: the model lists 16666666 tensors; no model has more than"},
        {"{\"a\":[0", ",0", "]}",
            "m.safetensors: error: the entry at byte 1 of the header is larger than that of any tensor" DAMAGED},
        {"{\"a\":{\"shape\":[[]", ",[]", "]}}",
            "m.safetensors: error: the header is nested deeper than a list of tensors at its byte 15" DAMAGED},
        {"{\"a\":\"", "a", "\"}", "m.safetensors: error: the entry at byte 1 of the header is larger"},
        {"{\"", "a", "\":{}}", "m.safetensors: error: the entry at byte 1 of the header is larger"},
        {"{\"", "\\u0041", "\":{}}", "m.safetensors: error: the entry at byte 1 of the header is larger"},
        {"{\"a\":", "[", "", "m.safetensors: error: the header is nested deeper"},
        {"", "{\"a\":", "", "m.safetensors: error: the header is nested deeper"},
        {"{\"", "\\\"", "", NOT_JSON},
        {"{", " ", "", NOT_JSON},
        {"{\"__metadata__\":{\"a\":\"", "a", "\"}}", ""},
        {"{\"__metadata__\":{\"a\":\"a\"", ",\"a\":\"\"", "}}", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_text file = {0};
        vs_text_append(&file, "12345678", 8);
        fill(&file, cases[i].head, cases[i].unit, cases[i].tail, VS_HEADER_BYTES_MAX);
        put_length(&file);
        expect("m.safetensors", &file, 0, cases[i].said, 0);
    }
}

/* As many tensors as are allowed, with as many dimensions and letters as fit: what takes most memory of what is read.
 */
Test(hostile, safetensors_headers_with_as_many_tensors_as_are_allowed, .timeout = 300)
{
    struct vs_text file = {0};
    char letters[570];
    memset(letters, 'a', sizeof letters - 1);
    letters[sizeof letters - 1] = '\0';
    vs_text_append(&file, "12345678{", 9);
    for (size_t i = 0; i < VS_TENSORS_MAX; i++) {
        vs_text_printf(
            &file, "%s\"%s%zu\":{\"dtype\":\"X\",\"data_offsets\":[0,0],\"shape\":[0", i ? "," : "", letters, i);
        for (int dimension = 1; dimension < VS_RANK_MAX; dimension++)
            vs_text_append(&file, ",0", 2);
        vs_text_append(&file, "]}", 2);
    }
    vs_text_append(&file, "}", 1);
    uint64_t length = file.length - 8;
    cr_assert(length < VS_HEADER_BYTES_MAX && length > VS_HEADER_BYTES_MAX - 10000000, "%zu", (size_t)length);
    put_length(&file);
    expect("m.safetensors", &file, 0, "", VS_TENSORS_MAX);
}

Test(hostile, headers_without_a_file_and_indices, .timeout = 300)
{
    static const struct {
        size_t bytes;
        const char *head, *unit, *tail, *said;
    } cases[] = {
        {VS_HEADER_BYTES_MAX, "{\"a\":0", ",\"a\":0", "}", "m.json: error: the model lists 16666666 tensors"},
        {VS_HEADER_BYTES_MAX, "{\"weight_map\":{\"a\":\"b\"", ",\"a\":\"b\"", "}}",
            "m.json: error: the index has 100000000 bytes; no model's has more than 32000000" MEANT},
        {VS_INDEX_BYTES_MAX, "{\"weight_map\":{\"a\":\"b\"", ",\"a\":\"b\"", "}}",
            "m.json: error: the index lists more than 131072 tensors"},
        {VS_INDEX_BYTES_MAX, "{\"weight_map\":{\"a\":\"b\"", ",\"a\":\"\\u0061\"", "}}",
            "m.json: error: the index lists more than 131072 tensors"},
        {VS_INDEX_BYTES_MAX, "{\"weight_map\":{\"a\":\"", "b", "\"}}", "m.json: error: in its `weight_map`, `\"bbbbb"},
        {VS_INDEX_BYTES_MAX, "{\"weight_map\":{\"", "b", "\":\"b\"}}", "m.json: error: in its `weight_map`, `\"bbbbb"},
        {VS_INDEX_BYTES_MAX, "{\"weight_map\":{\"a\":\"b\"},\"metadata\":[0", ",0", "]}",
            "m.json: error: this is the index of a model"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_text file = {0};
        fill(&file, cases[i].head, cases[i].unit, cases[i].tail, cases[i].bytes);
        expect("m.json", &file, 0, cases[i].said, 0);
    }
    struct vs_text file = {0};
    vs_text_append(&file, "{", 1);
    expect("m.json", &file, VS_HEADER_BYTES_MAX,
        "m.json: error: the header is longer than 100000000 bytes, which no model's is" MEANT, 0);
}

/* --- GGUF --------------------------------------------------------------------------------------------------------- */

Test(hostile, gguf_metadata_of_a_hundred_megabytes, .timeout = 300)
{
    struct vs_text file = {0};
    put_start(&file, 3, 0, 1); /* one array of empty texts, which has no end */
    put_string(&file, "k");
    put_number(&file, 9, 4);
    put_number(&file, 8, 4);
    put_number(&file, UINT64_MAX, 8);
    expect("m.gguf", &file, 1 << 30,
        "m.gguf: error: its header is longer than 100000000 bytes, which no model's is" MEANT, 0);

    put_start(&file, 3, 0, 80000000); /* keys without letters */
    expect("m.gguf", &file, 1 << 30, "m.gguf: error: a key of its metadata has 0 letters", 0);

    put_start(&file, 3, 0, 1); /* arrays in an array, which has no end */
    put_string(&file, "k");
    put_number(&file, 9, 4);
    put_number(&file, 9, 4);
    put_number(&file, UINT64_MAX, 8);
    expect("m.gguf", &file, 1 << 30,
        "m.gguf: error: its header is longer than 100000000 bytes, which no model's is" MEANT, 0);

    put_start(&file, 3, 0, 5000000); /* short pairs */
    for (size_t i = 0; i < 5000000; i++) {
        put_string(&file, "k");
        put_number(&file, 0, 4);
        put_number(&file, 0, 1);
    }
    expect("m.gguf", &file, 1 << 30, "", 0);
}

Test(hostile, gguf_headers_with_as_many_tensors_as_are_allowed, .timeout = 300)
{
    struct vs_text file = {0};
    static const uint64_t zeros[VS_RANK_MAX];
    put_start(&file, 3, VS_TENSORS_MAX, 0);
    for (size_t i = 0; i < VS_TENSORS_MAX; i++) {
        char name[200];
        memset(name, 'a', sizeof name);
        for (size_t rest = i, k = sizeof name - 1; k > sizeof name - 8; rest /= 10)
            name[--k] = (char)('0' + rest % 10);
        name[sizeof name - 1] = '\0';
        put_tensor(&file, name, VS_RANK_MAX, zeros, 0, 0);
    }
    cr_assert_lt(file.length, VS_HEADER_BYTES_MAX);
    expect("m.gguf", &file, 1 << 30, "", VS_TENSORS_MAX);
}

Test(hostile, gguf_folded_shapes_of_a_hundred_megabytes, .timeout = 300)
{
    struct vs_text file = {0};
    put_start(&file, 3, 0, VS_TENSORS_MAX + 1);
    for (size_t i = 0; i < VS_TENSORS_MAX + 1; i++) {
        put_string(&file, "comfy.gguf.orig_shape.t");
        put_number(&file, 9, 4);
        put_number(&file, 5, 4);
        put_number(&file, VS_RANK_MAX, 8);
        put_data(&file, 1, 4 * VS_RANK_MAX);
    }
    expect("m.gguf", &file, 1 << 30, "m.gguf: error: its `comfy.gguf.orig_shape.t` is no shape", 0);
}
