/*
 * Model files of every kind: those that the real packages wrote (models/record.py), what each is taken for, and what
 * is said about files that are no models.
 */
#include "../support.h"

#include "../../../policy/model/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODELS SOURCE_ROOT "/tests/policy/models/"

TestSuite(header, .fini = expect_no_leaks);

static char *read_file(const char *path)
{
    struct vs_text text = {0};
    char buffer[4096];
    FILE *stream = fopen(path, "re");
    cr_assert_not_null(stream, "%s", path);
    vs_text_append(&text, "", 0);
    for (size_t count; (count = fread(buffer, 1, sizeof buffer, stream));)
        vs_text_append(&text, buffer, count);
    fclose(stream);
    return text.data;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* As record.py writes it: lines sorted by their bytes. */
static char *listing(const struct vs_header *header)
{
    struct vs_text whole = {0};
    char **lines = calloc(header->tensor_count + 1, sizeof *lines);
    vs_text_append(&whole, "", 0);
    if (header->architecture)
        vs_text_printf(&whole, "architecture %s\n", header->architecture);
    for (size_t i = 0; i < header->tensor_count; i++) {
        const struct vs_tensor *tensor = &header->tensors[i];
        struct vs_text line = {0};
        vs_text_printf(&line, "%s %s [", tensor->name, tensor->dtype);
        for (size_t k = 0; k < tensor->rank; k++)
            vs_text_printf(&line, "%s%zu", k ? "," : "", (size_t)tensor->shape[k]);
        vs_text_printf(&line, "] %zu %zu\n", (size_t)tensor->file_offset, (size_t)tensor->bytes);
        lines[i] = line.data;
    }
    qsort(lines, header->tensor_count, sizeof *lines, by_text);
    for (size_t i = 0; i < header->tensor_count; i++) {
        vs_text_append(&whole, lines[i], strlen(lines[i]));
        free(lines[i]);
    }
    free(lines);
    return whole.data;
}

Test(header, says_what_the_real_packages_say_about_the_files_they_wrote)
{
    static const struct {
        const char *file;
        enum vs_format format;
        size_t tensors, files;
    } cases[] = {
        {"types.safetensors", VS_FORMAT_SAFETENSORS, 16, 1},
        {"torch-types.safetensors", VS_FORMAT_SAFETENSORS, 7, 1},
        {"checkpoint.safetensors", VS_FORMAT_SAFETENSORS, 6, 1},
        {"checkpoint-header.json", VS_FORMAT_JSON, 6, 1},
        {"shards.safetensors.index.json", VS_FORMAT_INDEX, 3, 2},
        {"types.gguf", VS_FORMAT_GGUF, 33, 1},
        {"folded.gguf", VS_FORMAT_GGUF, 3, 1},
        {"version2.gguf", VS_FORMAT_GGUF, 3, 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[512];
        struct vs_diags diags = {0};
        struct vs_header header;
        snprintf(path, sizeof path, MODELS "%s", cases[i].file);
        int result = vs_header_load(path, &header, &diags);
        char *said = rendered(&diags);
        cr_assert_eq(result, 0, "%s", said);
        cr_expect_str_eq(said, "");
        cr_expect_eq(header.format, cases[i].format, "%s", path);
        cr_expect_eq(header.tensor_count, cases[i].tensors, "%s: %zu", path, header.tensor_count);
        cr_expect_eq(header.file_count, cases[i].files, "%s", path);
        strncat(path, ".txt", sizeof path - strlen(path) - 1);
        char *expected = read_file(path), *actual = listing(&header);
        cr_expect_str_eq(actual, expected);
        free(said);
        free(expected);
        free(actual);
        vs_header_free(&header);
    }
}

Test(header, tensors_of_shards_know_their_files)
{
    struct vs_diags diags = {0};
    struct vs_header header;
    cr_assert_eq(vs_header_load(MODELS "shards.safetensors.index.json", &header, &diags), 0);
    cr_assert_eq(header.file_count, 2);
    cr_expect_str_eq(header.files[0].path, MODELS "shards-00001-of-00002.safetensors");
    cr_expect_str_eq(header.files[1].path, MODELS "shards-00002-of-00002.safetensors");
    cr_expect_eq(header.files[0].bytes, 208);
    cr_expect_eq(header.file_bytes, 208 + 136);
    cr_assert_eq(header.tensor_count, 3);
    cr_expect_str_eq(header.tensors[0].name, "a.bias");
    cr_expect_str_eq(header.tensors[2].name, "b.weight");
    cr_expect_eq(header.tensors[0].file, 0);
    cr_expect_eq(header.tensors[1].file, 0);
    cr_expect_eq(header.tensors[2].file, 1);
    vs_header_free(&header);
}

struct memory_file {
    const char *bytes;
    size_t length;
};

static ssize_t read_memory(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    const struct memory_file *file = context;
    size_t left = offset < file->length ? file->length - (size_t)offset : 0;
    bytes = bytes < left ? bytes : left;
    memcpy(buffer, file->bytes + (left ? offset : 0), bytes);
    return (ssize_t)bytes;
}

static void expect_said(const char *name, const char *bytes, size_t length, const char *expected)
{
    struct memory_file file = {bytes, length};
    struct vs_diags diags = {0};
    struct vs_header header;
    int result = vs_header_read(name, read_memory, &file, length, &header, &diags);
    char *said = rendered(&diags);
    cr_expect_eq(result, *expected ? -1 : 0, "%s: %s", name, said);
    cr_expect_str_eq(said, expected);
    cr_expect(!*expected || (!header.tensors && !header.files && !header.storage));
    free(said);
    vs_header_free(&header);
}

#define PICKLE                                                                                                         \
    "\n  hint: download the model as .safetensors, or convert it once: torch.load(..., weights_only=True), then "      \
    "safetensors.torch.save_file\n"
#define ZIP "m.ckpt: error: this is a zip archive with pickled tensors, as torch.save writes it" PICKLE
#define GGML                                                                                                           \
    "m.bin: error: this is a model of ggml from before GGUF\n"                                                         \
    "  hint: download it as .gguf, or convert it again\n"
#define WEB                                                                                                            \
    ": error: this is a web page, not a model\n"                                                                       \
    "  hint: the download was refused; log in, and download it again\n"
#define NEITHER                                                                                                        \
    ": error: this is neither a safetensors nor a GGUF file\n"                                                         \
    "  hint: check how it was downloaded and what it is\n"

Test(header, is_known_by_its_content_whatever_its_name_says)
{
    static const char whole[] =
        "\x38\0\0\0\0\0\0\0{\"t\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}   xyz";
    static const char pickle_like[] = "\x80\2\0\0\0\0\0\0{";
    char padded[8 + 0x280] = {0};
    memcpy(padded, pickle_like, sizeof pickle_like - 1);
    memset(padded + 9, ' ', 0x280 - 1);
    padded[9] = '}';
    expect_said("m.ckpt", whole, sizeof whole - 1, "");
    expect_said("m", whole, sizeof whole - 1, "");
    expect_said("m.pt", padded, sizeof padded, ""); /* a length that looks like a pickle */
    expect_said("m.safetensors", " {}", 3, "");
    expect_said("m.gguf", "{}", 2, "");
    /* a brace where a safetensors file has one */
    expect_said("m", "{\"abcd\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 56, "");
    expect_said("m.safetensors", "PK\3\4xxxxxxxx", 12,
        "m.safetensors: error: this is a zip archive with pickled tensors, as torch.save writes it" PICKLE);
}

Test(header, of_what_is_no_model_says_what_it_is_and_what_to_do)
{
    static const struct {
        const char *name, *bytes;
        size_t length;
        const char *said;
    } cases[] = {
        {"m.ckpt", "PK\3\4abcdefghijklmnopqrstuvwxyz0123456789", 40, ZIP},
        {"m.pt", "\x80\2\x8a\nl\xfc\x9c", 7,
            "m.pt: error: this is a pickle, as old versions of torch.save write it" PICKLE},
        {"m.bin", "\x80\4\x95", 3, "m.bin: error: this is a pickle, as torch.save or pickle.dump write it" PICKLE},
        {"m.pth", "????????????", 12,
            "m.pth: error: files of this kind hold pickled tensors, which are not read" PICKLE},
        {"m.bin", "lmgg\1\0\0\0", 8, GGML},
        {"m.bin", "tjgg\3\0\0\0", 8, GGML},
        {"m.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", 65,
            "m.safetensors: error: this is a pointer of git-lfs, not the model itself\n"
            "  hint: get the file with `git lfs pull`, or download it from the model's page\n"},
        {"m.safetensors", "<!DOCTYPE html><html>", 21, "m.safetensors" WEB},
        {"m.gguf", "<html>", 6, "m.gguf" WEB},
        {"m.safetensors", "", 0, "m.safetensors: error: the file is empty\n  hint: download it again\n"},
        {"m", "hello, world", 12, "m" NEITHER},
        {"m.safetensor", "x", 1, "m.safetensor" NEITHER},
        {"m.sft", "\1\0\0", 3,
            "m.sft: error: the file ends at byte 3, inside its header\n"
            "  hint: the file is probably the first part of an unfinished download; download it again\n"},
        {"m.gguf", "GGU", 3,
            "m.gguf: error: its header needs 4 bytes from byte 0 on, but the whole file has 3\n"
            "  hint: the file is probably the first part of an unfinished download; download it again\n"},
        {"m.gguf", "GGML????", 8,
            "m.gguf: error: this is no GGUF file: it does not begin with \"GGUF\"\n"
            "  hint: the file is damaged or was not written by a GGUF program; download or convert it again\n"},
        {"m.gguf", "\3\0\0\0\0\0\0\0GGUF", 12,
            "m.gguf: error: this is no GGUF file: it does not begin with \"GGUF\"\n"
            "  hint: the file is damaged or was not written by a GGUF program; download or convert it again\n"},
        {"m.json", "[1]", 3,
            "m.json: error: the header is not JSON that safetensors would write (at its byte 0)\n"
            "  hint: the file is damaged or was not written by safetensors; download or save it again\n"},
        {"m.safetensors.index.json", "{\"weight_map\":{\"a\":\"b.safetensors\"}}", 36,
            "m.safetensors.index.json: error: this is the index of a model in several files\n"
            "  hint: open its shards\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_said(cases[i].name, cases[i].bytes, cases[i].length, cases[i].said);
}

Test(header, of_a_big_endian_file_is_refused_as_such)
{
    struct vs_diags diags = {0};
    struct vs_header header;
    cr_expect_eq(vs_header_load(MODELS "big-endian.gguf", &header, &diags), -1);
    char *said = rendered(&diags);
    cr_expect_str_eq(said,
        MODELS "big-endian.gguf: error: this is a big-endian GGUF file, which no program loads onto an NVIDIA GPU\n"
               "  hint: convert it with gguf-py's gguf_convert_endian, or download the usual file\n");
    free(said);
}

/* Each shorter file is refused; one that ends between two tensors' data, too. */
Test(header, that_is_cut_off_at_any_byte_is_refused, .timeout = 300)
{
    static const char *const files[] = {"types.safetensors", "checkpoint.safetensors", "types.gguf", "folded.gguf",
        "checkpoint-header.json", "shards.safetensors.index.json"};
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[512];
        snprintf(path, sizeof path, MODELS "%s", files[i]);
        int descriptor = open(path, O_RDONLY | O_CLOEXEC);
        off_t length = lseek(descriptor, 0, SEEK_END);
        char *bytes = malloc((size_t)length);
        cr_assert_eq(pread(descriptor, bytes, (size_t)length, 0), (ssize_t)length);
        close(descriptor);
        while (bytes[length - 1] == '\n') /* without which JSON is whole */
            length--;
        /* Padding behind the last tensor of a GGUF file belongs to no tensor. */
        size_t padding = strstr(path, ".gguf") ? 63 : 0;
        for (size_t cut = 0; cut < (size_t)length; cut++) {
            char *part = malloc(cut + 1);
            memcpy(part, bytes, cut);
            struct memory_file file = {part, cut};
            struct vs_diags diags = {0};
            struct vs_header header;
            int result = vs_header_read(path, read_memory, &file, cut, &header, &diags);
            cr_assert(
                result == -1 || cut + padding >= (size_t)length, "%s is read from its first %zu bytes", path, cut);
            cr_assert(result == -1 ? diags.error_count > 0 && !header.storage : diags.error_count == 0);
            cr_assert(result == 0 || diags.count == 1, "%s at %zu: %zu things are said", path, cut, diags.count);
            vs_diags_free(&diags);
            vs_header_free(&header);
            free(part);
        }
        free(bytes);
    }
}
