/*
 * The promises. See check.h.
 */
#include "check.h"

#include "../../policy/model/model.h"

#include <stdlib.h>
#include <string.h>

void check_diagnostics(int result, struct vs_diags *diags)
{
    struct vs_text text = {0};
    PROMISE(result == 0 || result == -1);
    PROMISE((result == 0) == (diags->error_count == 0));
    PROMISE(!diags->out_of_memory);
    for (size_t i = 0; i < diags->count; i++)
        for (const char *c = diags->items[i].message; *c; c++)
            PROMISE((unsigned char)*c >= 0x20 && *c != 0x7f);
    vs_diags_render(diags, &text);
    PROMISE(result == 0 || text.length > 0);
    vs_text_free(&text);
    vs_diags_free(diags);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void check_names(const struct vs_header *header)
{
    const char **names = malloc((header->tensor_count + 1) * sizeof *names);
    for (size_t i = 0; i < header->tensor_count; i++)
        names[i] = header->tensors[i].name;
    qsort(names, header->tensor_count, sizeof *names, by_text);
    for (size_t i = 1; i < header->tensor_count; i++)
        PROMISE(strcmp(names[i - 1], names[i]) != 0);
    free(names);
}

void check_header(struct vs_header *header)
{
    struct vs_diags diags = {0};
    struct vs_model model;
    uint64_t end = 0, bytes = 0, sum = 0;
    size_t count = 0;
    PROMISE(header->file_count == 1);
    for (size_t i = 0; i < header->tensor_count; i++) {
        const struct vs_tensor *tensor = &header->tensors[i];
        PROMISE(tensor->file == 0 && tensor->rank <= VS_RANK_MAX && strlen(tensor->dtype) > 0);
        PROMISE(tensor->part > VS_PART_ANY && tensor->part < VS_PART_COUNT);
        PROMISE(tensor->prefix_bytes <= strlen(tensor->name));
        PROMISE(tensor->bytes <= header->file_bytes && tensor->file_offset <= header->file_bytes - tensor->bytes);
        PROMISE(!tensor->bytes || tensor->file_offset >= end);
        end = tensor->bytes ? tensor->file_offset + tensor->bytes : end;
        bytes += tensor->bytes;
    }
    check_names(header);
    PROMISE(vs_model_init(&model, header, &diags) == 0);
    for (int part = VS_PART_ANY + 1; part < VS_PART_COUNT; part++) {
        count += model.parts[part].count;
        sum += model.parts[part].bytes;
    }
    PROMISE(count == model.file.tensor_count && count == model.parts[VS_PART_ANY].count);
    PROMISE(sum == bytes && sum == model.parts[VS_PART_ANY].bytes && sum <= model.file.file_bytes);
    vs_model_free(&model);
}

ssize_t fuzz_read(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    const struct fuzz_file *file = context;
    size_t there = offset < file->bytes ? file->bytes - (size_t)offset : 0;
    there = there < bytes ? there : bytes;
    if (there)
        memcpy(buffer, file->data + offset, there);
    memset((char *)buffer + there, 0, bytes - there);
    return (ssize_t)bytes;
}
