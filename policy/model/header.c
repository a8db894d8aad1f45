/*
 * What a model file is, and who reads it. See header.h.
 */
#include "header_build.h"

#include "../text/file.h"
#include "gguf.h"
#include "safetensors.h"
#include "shards.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { START_BYTES = 32 };

#define PICKLE_HINT                                                                                                    \
    "download the model as .safetensors, or convert it once: torch.load(..., weights_only=True), then "                \
    "safetensors.torch.save_file"

enum kind { UNKNOWN, SAFETENSORS, GGUF, JSON, PICKLE };

/* Files that are no model, or none that can be read here, by how they begin. */
static const struct foreign {
    const char *start;
    size_t bytes;
    const char *what, *hint;
} foreigners[] = {
    {"PK\3\4", 4, "this is a zip archive with pickled tensors, as torch.save writes it", PICKLE_HINT},
    {"\x80\1", 2, "this is a pickle, as old versions of torch.save write it", PICKLE_HINT},
    {"\x80\2", 2, "this is a pickle, as old versions of torch.save write it", PICKLE_HINT},
    {"\x80\3", 2, "this is a pickle, as torch.save or pickle.dump write it", PICKLE_HINT},
    {"\x80\4", 2, "this is a pickle, as torch.save or pickle.dump write it", PICKLE_HINT},
    {"\x80\5", 2, "this is a pickle, as torch.save or pickle.dump write it", PICKLE_HINT},
    {"lmgg", 4, "this is a model of ggml from before GGUF", "download it as .gguf, or convert it again"},
    {"fmgg", 4, "this is a model of ggml from before GGUF", "download it as .gguf, or convert it again"},
    {"tjgg", 4, "this is a model of ggml from before GGUF", "download it as .gguf, or convert it again"},
    {"version https://git-lfs", 23, "this is a pointer of git-lfs, not the model itself",
        "get the file with `git lfs pull`, or download it from the model's page"},
    {"<!DOCTYPE", 9, "this is a web page, not a model", "the download was refused; log in, and download it again"},
    {"<html", 5, "this is a web page, not a model", "the download was refused; log in, and download it again"},
};

static const struct {
    const char *suffix;
    enum kind kind;
} suffixes[] = {{".safetensors", SAFETENSORS}, {".sft", SAFETENSORS}, {".gguf", GGUF}, {".json", JSON},
    {".ckpt", PICKLE}, {".pt", PICKLE}, {".pth", PICKLE}, {".bin", PICKLE}};

static enum kind kind_by_suffix(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t suffix_length = strlen(suffixes[i].suffix);
        if (length >= suffix_length && strcmp(name + length - suffix_length, suffixes[i].suffix) == 0)
            return suffixes[i].kind;
    }
    return UNKNOWN;
}

/* A safetensors header begins with a brace behind its length, which JSON and GGUF, taken for a length, would exceed. */
static enum kind kind_by_content(const unsigned char *start, size_t bytes)
{
    size_t at = 0;
    uint64_t length = 0;
    if (bytes >= 4 && memcmp(start, VS_GGUF_MAGIC, 4) == 0)
        return GGUF;
    for (size_t i = VS_SAFETENSORS_PREFIX_BYTES; bytes > VS_SAFETENSORS_PREFIX_BYTES && i-- > 0;)
        length = length << 8 | start[i];
    if (bytes > VS_SAFETENSORS_PREFIX_BYTES && start[VS_SAFETENSORS_PREFIX_BYTES] == '{' &&
        length <= VS_HEADER_BYTES_MAX)
        return SAFETENSORS;
    while (at < bytes && memchr(" \t\r\n", start[at], 4))
        at++;
    return at < bytes && start[at] == '{' ? JSON : UNKNOWN;
}

static const struct foreign *find_foreign(const unsigned char *start, size_t bytes)
{
    for (size_t i = 0; i < sizeof foreigners / sizeof *foreigners; i++)
        if (bytes >= foreigners[i].bytes && memcmp(start, foreigners[i].start, foreigners[i].bytes) == 0)
            return &foreigners[i];
    return NULL;
}

/* The text of a JSON file; the caller frees. NULL: an error was added. */
static char *read_text(const struct vs_input *input, size_t *bytes)
{
    if (input->bytes > VS_HEADER_BYTES_MAX) {
        vs_input_refuse(input, "check that this is the file that was meant",
            "the header is longer than %d bytes, which no model's is", VS_HEADER_BYTES_MAX);
        return NULL;
    }
    *bytes = (size_t)input->bytes;
    char *text = malloc(*bytes + 1);
    if (!text)
        vs_diag_out_of_memory(input->diags);
    if (!text || vs_input_read(input, text, *bytes, 0) == 0)
        return text;
    free(text);
    return NULL;
}

/* `path` is NULL where the shards of an index cannot be opened. */
static int read_json(const struct vs_input *input, const char *path, struct vs_header *header)
{
    size_t bytes;
    struct vs_index index;
    char *text = read_text(input, &bytes);
    if (!text)
        return -1;
    if (!vs_index_recognise(text, bytes)) {
        int result = vs_safetensors_parse_bare(input->name, text, bytes, header, input->diags);
        free(text);
        return result;
    }
    int result = vs_index_parse(input->name, text, bytes, &index, input->diags);
    free(text); /* before the shards' headers come */
    if (!result)
        result = path ? vs_index_load(&index, path, header, input->diags)
                      : vs_input_refuse(input, "open its shards", "this is the index of a model in several files");
    vs_index_free(&index);
    return result;
}

static int read_header(const struct vs_input *input, const char *path, struct vs_header *header)
{
    unsigned char start[START_BYTES];
    size_t errors_before = input->diags->error_count;
    size_t bytes = input->bytes < sizeof start ? (size_t)input->bytes : sizeof start;
    *header = (struct vs_header){0};
    if (vs_input_read(input, start, bytes, 0))
        return -1;
    if (!bytes)
        return vs_input_refuse(input, "download it again", "the file is empty");
    enum kind kind = kind_by_content(start, bytes);
    const struct foreign *foreign = kind == UNKNOWN ? find_foreign(start, bytes) : NULL;
    if (foreign)
        return vs_input_refuse(input, foreign->hint, "%s", foreign->what);
    if (kind == UNKNOWN)
        kind = kind_by_suffix(input->name); /* whose reader says what is wrong */
    switch (kind) {
    case SAFETENSORS:
        header->format = VS_FORMAT_SAFETENSORS;
        vs_safetensors_read(input, header);
        return vs_header_finish(header, errors_before, input->diags);
    case GGUF:
        header->format = VS_FORMAT_GGUF;
        vs_gguf_read(input, header);
        return vs_header_finish(header, errors_before, input->diags);
    case JSON:
        return read_json(input, path, header);
    case PICKLE:
        return vs_input_refuse(input, PICKLE_HINT, "files of this kind hold pickled tensors, which are not read");
    default:
        return vs_input_refuse(
            input, "check how it was downloaded and what it is", "this is neither a safetensors nor a GGUF file");
    }
}

int vs_header_read(const char *name, vs_pread_function *read_at, void *context, uint64_t file_bytes,
    struct vs_header *header, struct vs_diags *diags)
{
    const struct vs_input input = {name, read_at, context, file_bytes, diags};
    return read_header(&input, NULL, header);
}

int vs_header_load(const char *path, struct vs_header *header, struct vs_diags *diags)
{
    uint64_t file_bytes;
    *header = (struct vs_header){0};
    int descriptor = vs_file_open(path, "model", &file_bytes, diags);
    if (descriptor < 0)
        return -1;
    const struct vs_input input = {path, vs_file_pread, &descriptor, file_bytes, diags};
    int result = read_header(&input, path, header);
    close(descriptor);
    return result;
}
