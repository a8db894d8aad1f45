/*
 * An index and its shards. See shards.h.
 */
#include "shards.h"

#include "../text/file.h"
#include "../text/json_members.h"
#include "header_build.h"
#include "json_text.h"
#include "safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 8, /* of `metadata`, in which tools put what they like */
    FILE_NAME_BYTES_MAX = 255,
};

#define MAP_KEY      "\"weight_map\""
#define DAMAGED_HINT "the index is damaged or was not written for a model in shards; download it again"

static bool is_map(const struct vs_json_member *member)
{
    return member->key_bytes == sizeof MAP_KEY - 1 && memcmp(member->key, MAP_KEY, member->key_bytes) == 0;
}

bool vs_index_recognise(const char *text, size_t bytes)
{
    struct vs_json_members members = {.text = text, .bytes = bytes, .depth_max = DEPTH_MAX};
    struct vs_json_member member;
    while (vs_json_members_next(&members, &member) == VS_JSON_MEMBER)
        if (is_map(&member))
            return true;
    return false;
}

/* A key or a value that has to be a text; NULL: an error was added. */
static const char *read_text(
    const char *name, const char *text, size_t bytes, size_t bytes_max, struct vs_index *index, struct vs_diags *diags)
{
    struct vs_json_wrong wrong = {.text = "too long"};
    const char *copy = bytes <= bytes_max ? vs_json_text(&index->storage, text, bytes, &wrong, diags) : NULL;
    if (!copy && *wrong.text)
        vs_refuse(diags, name, DAMAGED_HINT, "in its `weight_map`, `%s` is no name", vs_quote(text, bytes).text);
    return copy;
}

static int read_entry(
    const char *name, const struct vs_json_member *member, struct vs_index *index, struct vs_diags *diags)
{
    if (index->entry_count == VS_TENSORS_MAX)
        return vs_refuse(diags, name, "check that this is the file that was meant",
            "the index lists more than %d tensors, which no model has", VS_TENSORS_MAX);
    if ((index->entry_count & (index->entry_count - 1)) == 0) { /* a power of two: the array doubles */
        size_t capacity = index->entry_count ? index->entry_count * 2 : 1;
        struct vs_index_entry *entries = realloc(index->entries, capacity * sizeof *entries);
        if (!entries) {
            vs_diag_out_of_memory(diags);
            return -1;
        }
        index->entries = entries;
    }
    struct vs_index_entry entry;
    entry.tensor = read_text(name, member->key, member->key_bytes, VS_NAME_BYTES_MAX, index, diags);
    entry.file = entry.tensor
                     ? read_text(name, member->value, member->value_bytes, FILE_NAME_BYTES_MAX + 2, index, diags)
                     : NULL;
    if (!entry.file)
        return -1;
    if (!*entry.file || strchr(entry.file, '/') || !strcmp(entry.file, ".") || !strcmp(entry.file, ".."))
        return vs_refuse(diags, name, "a model's shards lie beside its index; do not use this file",
            "the index names `%s`, which is no file in its own folder", vs_quote_string(entry.file).text);
    index->entries[index->entry_count++] = entry;
    return 0;
}

static int read_map(const char *name, const struct vs_json_member *map, struct vs_index *index, struct vs_diags *diags)
{
    struct vs_json_members members = {.text = map->value, .bytes = map->value_bytes, .depth_max = 1};
    struct vs_json_member member;
    enum vs_json_step step;
    while ((step = vs_json_members_next(&members, &member)) == VS_JSON_MEMBER)
        if (read_entry(name, &member, index, diags))
            return -1;
    return step == VS_JSON_END
               ? 0
               : vs_refuse(diags, name, DAMAGED_HINT, "its `weight_map` is no list of tensors and files");
}

static int by_file(const void *left, const void *right)
{
    const struct vs_index_entry *a = left, *b = right;
    int order = strcmp(a->file, b->file);
    return order ? order : strcmp(a->tensor, b->tensor);
}

int vs_index_parse(const char *name, const char *text, size_t bytes, struct vs_index *index, struct vs_diags *diags)
{
    struct vs_json_members members = {.text = text, .bytes = bytes, .depth_max = DEPTH_MAX};
    struct vs_json_member member;
    enum vs_json_step step;
    size_t map_count = 0;
    *index = (struct vs_index){0};
    if (bytes > VS_INDEX_BYTES_MAX)
        return vs_refuse(diags, name, "check that this is the file that was meant",
            "the index has %zu bytes; no model's has more than %d", bytes, VS_INDEX_BYTES_MAX);
    while ((step = vs_json_members_next(&members, &member)) == VS_JSON_MEMBER) {
        if (!is_map(&member))
            continue;
        if (map_count++) {
            vs_refuse(diags, name, DAMAGED_HINT, "its `weight_map` is there twice");
            goto fail;
        }
        if (read_map(name, &member, index, diags))
            goto fail;
    }
    if (step != VS_JSON_END || !index->entry_count) {
        vs_refuse(diags, name, DAMAGED_HINT, step == VS_JSON_END ? "its `weight_map` is empty" : "it is not JSON");
        goto fail;
    }
    qsort(index->entries, index->entry_count, sizeof *index->entries, by_file);
    for (size_t i = 0; i < index->entry_count; i++)
        index->file_count += i == 0 || strcmp(index->entries[i - 1].file, index->entries[i].file) != 0;
    if (index->file_count > VS_SHARDS_MAX) {
        vs_refuse(diags, name, DAMAGED_HINT, "the index names %zu files; no model has more than %d", index->file_count,
            VS_SHARDS_MAX);
        goto fail;
    }
    return 0;
fail:
    vs_index_free(index);
    return -1;
}

void vs_index_free(struct vs_index *index)
{
    free(index->entries);
    vs_header_free(&index->storage);
    *index = (struct vs_index){0};
}

static int load_shard(
    const struct vs_index *index, const char *file, const char *path, struct vs_header *header, struct vs_diags *diags)
{
    size_t folder_bytes = strrchr(path, '/') ? (size_t)(strrchr(path, '/') + 1 - path) : 0;
    size_t bytes = folder_bytes + strlen(file) + 1;
    char *shard_path = malloc(bytes);
    uint64_t file_bytes;
    if (!shard_path) {
        vs_diag_out_of_memory(diags);
        return -1;
    }
    memcpy(shard_path, path, folder_bytes);
    memcpy(shard_path + folder_bytes, file, bytes - folder_bytes);
    errno = 0;
    int descriptor = vs_file_open(shard_path, "model", &file_bytes, diags);
    if (descriptor < 0 && errno == ENOENT)
        vs_diag_hint(diags, "`%s` names it, and %zu files in all; download all of them into its folder",
            vs_quote_string(path).text, index->file_count);
    int result = -1;
    if (descriptor >= 0) {
        const struct vs_input input = {
            .name = shard_path, .read_at = vs_file_pread, .context = &descriptor, .bytes = file_bytes, .diags = diags};
        result = vs_safetensors_read(&input, header);
        close(descriptor);
    }
    free(shard_path);
    return result;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Is each of the shard's entries among the tensors that were read from it? */
static void check_shard(const struct vs_index *index, size_t first_entry, size_t entry_count, const char *path,
    const struct vs_header *header, size_t first_tensor, struct vs_diags *diags)
{
    size_t count = header->tensor_count - first_tensor;
    const char **names = malloc((count + 1) * sizeof *names);
    if (!names) {
        vs_diag_out_of_memory(diags);
        return;
    }
    for (size_t i = 0; i < count; i++)
        names[i] = header->tensors[first_tensor + i].name;
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = first_entry; i < first_entry + entry_count; i++)
        if (!bsearch(&index->entries[i].tensor, names, count, sizeof *names, by_text)) {
            vs_refuse(diags, path, "the index and the shards do not belong together; download all of them again",
                "the index says that the tensor `%s` is in `%s`, where it is not",
                vs_quote_string(index->entries[i].tensor).text, vs_quote_string(index->entries[i].file).text);
            break; /* usually all of them are missing */
        }
    free(names);
}

int vs_index_load(const struct vs_index *index, const char *path, struct vs_header *header, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count;
    *header = (struct vs_header){.format = VS_FORMAT_INDEX};
    for (size_t i = 0, next; i < index->entry_count && !diags->out_of_memory; i = next) {
        const char *file = index->entries[i].file;
        for (next = i + 1; next < index->entry_count && strcmp(index->entries[next].file, file) == 0;)
            next++;
        size_t first_tensor = header->tensor_count;
        if (!load_shard(index, file, path, header, diags))
            check_shard(index, i, next - i, path, header, first_tensor, diags);
        if (diags->error_count - errors_before > VS_DIAGS_MAX)
            break; /* nobody is told of more */
    }
    return vs_header_finish(header, errors_before, diags);
}
