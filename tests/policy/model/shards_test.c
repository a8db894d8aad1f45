/*
 * Models in several files: what an index may say, and what has to be true of its shards.
 */
#include "../support.h"

#include "../../../policy/model/shards.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAMAGED "  hint: the index is damaged or was not written for a model in shards; download it again\n"
#define APART   "  hint: the index and the shards do not belong together; download all of them again\n"
#define OUTSIDE "  hint: a model's shards lie beside its index; do not use this file\n"

static char folder[] = "/tmp/vramspan-shards-XXXXXX";

static void begin(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static void end(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_expect_eq(system(command), 0);
    expect_no_leaks();
}

TestSuite(shards, .init = begin, .fini = end);

static void write_file(const char *name, const char *text, size_t bytes)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert_geq(descriptor, 0);
    cr_assert_eq(write(descriptor, text, bytes), (ssize_t)bytes);
    close(descriptor);
}

/* A shard with one byte for each letter of `tensors`. */
static void write_shard(const char *name, const char *tensors)
{
    struct vs_text header = {0}, file = {0};
    for (size_t i = 0; tensors[i]; i++)
        vs_text_printf(&header, "%s\"%c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}", i ? "," : "{",
            tensors[i], i, i + 1);
    vs_text_append(&header, "}", 1);
    for (int shift = 0; shift < 64; shift += 8)
        vs_text_append(&file, &(char){(char)(header.length >> shift)}, 1);
    vs_text_append(&file, header.data, header.length);
    vs_text_append(&file, tensors, strlen(tensors));
    write_file(name, file.data, file.length);
    vs_text_free(&header);
    vs_text_free(&file);
}

/* Messages without the name of the folder. */
static char *load_index(const char *text, struct vs_header *header, int *result)
{
    char path[128];
    struct vs_diags diags = {0};
    write_file("m.safetensors.index.json", text, strlen(text));
    snprintf(path, sizeof path, "%s/m.safetensors.index.json", folder);
    *result = vs_header_load(path, header, &diags);
    char *said = rendered(&diags), *at;
    while ((at = strstr(said, folder)))
        memmove(at, at + strlen(folder) + 1, strlen(at + strlen(folder) + 1) + 1);
    return said;
}

static void expect_refused(const char *text, const char *expected)
{
    struct vs_header header;
    int result;
    char *said = load_index(text, &header, &result);
    cr_expect_eq(result, -1, "accepted: %s", text);
    cr_expect_str_eq(said, expected);
    cr_expect_null(header.storage);
    free(said);
}

Test(shards, of_an_index_are_one_model)
{
    struct vs_header header;
    int result;
    write_shard("one", "ab");
    write_shard("two", "cd");
    char *said = load_index("{\"metadata\":{\"total_size\":99,\"deep\":[[[{}]]]},\"weight_map\":{\"c\":\"two\",\"a\":"
                            "\"one\",\"b\":\"one\"}}",
        &header, &result);
    cr_assert_eq(result, 0, "%s", said);
    cr_expect_str_eq(said, "");
    cr_assert_eq(header.tensor_count, 4); /* `d` too: loaders load whole shards */
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(header.tensors[i].name[0], "abcd"[i]);
        cr_expect_eq(header.tensors[i].file, i / 2);
    }
    free(said);
    vs_header_free(&header);
}

Test(shards, that_are_missing_are_all_named)
{
    write_shard("two", "c");
    expect_refused("{\"weight_map\":{\"a\":\"one\",\"c\":\"two\",\"d\":\"three\"}}",
        "one: error: cannot read the model: No such file or directory\n"
        "  hint: `m.safetensors.index.json` names it, and 3 files in all; download all of them into its folder\n"
        "three: error: cannot read the model: No such file or directory\n"
        "  hint: `m.safetensors.index.json` names it, and 3 files in all; download all of them into its folder\n");
}

Test(shards, have_to_hold_what_the_index_says)
{
    write_shard("one", "ab");
    write_shard("two", "c");
    expect_refused("{\"weight_map\":{\"a\":\"one\",\"c\":\"one\",\"b\":\"two\"}}",
        "m.safetensors.index.json: error: the index says that the tensor `c` is in `one`, where it is not\n" APART
        "m.safetensors.index.json: error: the index says that the tensor `b` is in `two`, where it is not\n" APART);
    write_shard("two", "bc");
    expect_refused(
        "{\"weight_map\":{\"a\":\"one\",\"c\":\"two\"}}", "one: error: the tensor `b` is also in two\n" APART);
}

Test(shards, are_in_the_index_own_folder)
{
    static const char *const names[] = {
        "/etc/passwd", "../m.safetensors", "..", ".", "", "a/b", "sub/../../m", "a\\/b"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char text[128], expected[256];
        snprintf(text, sizeof text, "{\"weight_map\":{\"a\":\"%s\"}}", names[i]);
        snprintf(expected, sizeof expected,
            "m.safetensors.index.json: error: the index names `%s`, which is no file in its own folder\n" OUTSIDE,
            strcmp(names[i], "a\\/b") != 0 ? names[i] : "a/b");
        expect_refused(text, expected);
    }
}

/* 60 MB of header each: within the format's limit alone, beyond it together. */
Test(shards, headers_are_limited_together)
{
    struct vs_text file = {0};
    vs_text_printf(&file, "%c%c%c%c%c%c%c%c{}%*s", 0x02, 0x87, 0x93, 0x03, 0, 0, 0, 0, 60000000, "");
    cr_assert_eq(file.length, 8 + 0x03938702);
    write_file("one", file.data, file.length);
    write_file("two", file.data, file.length);
    vs_text_free(&file);
    struct vs_header header;
    int result;
    char *said = load_index("{\"weight_map\":{\"a\":\"one\",\"b\":\"two\"}}", &header, &result);
    cr_expect_not_null(strstr(
        said, "two: error: the headers of the model's files are longer than 100000000 bytes, which no model's are\n"));
    free(said);
}

/* Neither an index that names itself nor a link in a circle is followed. */
Test(shards, are_no_indices_and_no_links_in_a_circle)
{
    char link[128];
    expect_refused("{\"weight_map\":{\"a\":\"m.safetensors.index.json\"}}",
        "m.safetensors.index.json: error: its header would be 8388068008349082235 bytes long; the safetensors format "
        "allows 100000000\n"
        "  hint: this is no safetensors file; check how it was downloaded and what it is\n");
    snprintf(link, sizeof link, "%s/circle", folder);
    cr_assert_eq(symlink("circle", link), 0);
    expect_refused("{\"weight_map\":{\"a\":\"circle\"}}",
        "circle: error: cannot read the model: Too many levels of symbolic links\n");
    snprintf(link, sizeof link, "%s/pipe", folder);
    cr_assert_eq(mkfifo(link, 0644), 0);
    expect_refused("{\"weight_map\":{\"a\":\"pipe\"}}", "pipe: error: cannot read the model: it is not a regular file\n"
                                                        "  hint: name the file itself, not a device or a pipe\n");
}

Test(shards, of_an_index_that_is_damaged_are_not_opened)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"{\"weight_map\":{}}", "its `weight_map` is empty"},
        {"{\"weight_map\":[]}", "its `weight_map` is no list of tensors and files"},
        {"{\"weight_map\":{\"a\":\"one\",}}", "its `weight_map` is no list of tensors and files"},
        {"{\"weight_map\":{\"a\":\"one\"},\"weight_map\":{}}", "its `weight_map` is there twice"},
        {"{\"weight_map\":{\"a\":\"one\"}", "it is not JSON"},
        {"{\"weight_map\":{\"a\":\"one\"}}}", "it is not JSON"},
        {"{\"weight_map\":{\"a\":1}}", "in its `weight_map`, `1` is no name"},
        {"{\"weight_map\":{\"a\":null}}", "in its `weight_map`, `null` is no name"},
        {"{\"weight_map\":{\"a\":\"\\u0000\"}}", "in its `weight_map`, `\"\\u0000\"` is no name"},
        {"{\"weight_map\":{\"\\ud800\":\"one\"}}", "in its `weight_map`, `\"\\ud800\"` is no name"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char expected[256];
        snprintf(expected, sizeof expected, "m.safetensors.index.json: error: %s\n" DAMAGED, cases[i].said);
        expect_refused(cases[i].text, expected);
    }
}

Test(shards, of_a_hundred_thousand_tensors_or_of_too_many_files, .timeout = 300)
{
    struct vs_diags diags = {0};
    struct vs_index index;
    struct vs_text text = {0};
    vs_text_printf(&text, "{\"weight_map\":{\"t\":\"f\"");
    for (int i = 0; i < 100000; i++)
        vs_text_printf(&text, ",\"t%d\":\"f%d\"", i, i % 4095);
    vs_text_printf(&text, "}}");
    cr_expect_eq(vs_index_parse("m", text.data, text.length, &index, &diags), 0);
    cr_expect_eq(index.entry_count, 100001);
    cr_expect_eq(index.file_count, 4096);
    vs_index_free(&index);
    text.length -= 2;
    vs_text_printf(&text, ",\"u\":\"g\"}}");
    cr_expect_eq(vs_index_parse("m", text.data, text.length, &index, &diags), -1);
    text.length -= 2;
    for (int i = 0; i < 31071; i++)
        vs_text_printf(&text, ",\"v%d\":\"f\"", i);
    vs_text_printf(&text, "}}");
    cr_expect_eq(vs_index_parse("m", text.data, text.length, &index, &diags), -1);
    char *said = rendered(&diags);
    cr_expect_str_eq(said, "m: error: the index names 4097 files; no model has more than 4096\n" DAMAGED
                           "m: error: the index lists more than 131072 tensors, which no model has\n"
                           "  hint: check that this is the file that was meant\n");
    free(said);
    vs_text_free(&text);
}
