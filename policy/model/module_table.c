/*
 * Module tables: JSON in, modules out, with repeated groups written out. See module_table.h.
 */
#include "module_table.h"

#include "../text/file.h"
#include "../text/json_guard.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BYTES_MAX = 64 << 20,
    DEPTH_MAX = 32,
    MARKS_MAX = 4000000,
    MODULES_MAX = 200000, /* ten times what any model has */
    TENSORS_MAX = 1000000,
    NAME_MAX_BYTES = 512,
    RANK_MAX = 64,
    CHUNK_BYTES = 32 << 10,
};

#define HINT "export the table again with examples/export_modules.py"

/* What a table owns, in chunks that never move. */
struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

struct reader {
    struct vs_source source;
    struct vs_module_table *table;
    struct vs_diags *diags;
    size_t capacity;     /* of table->modules */
    size_t tensor_count; /* of all modules */
    char name[NAME_MAX_BYTES];
};

static void *take(struct reader *reader, size_t bytes)
{
    struct chunk *chunk = reader->table->storage;
    bytes = (bytes + 7) / 8 * 8;
    if (!chunk || chunk->size - chunk->used < bytes) {
        size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + size);
        if (!chunk) {
            vs_diag_out_of_memory(reader->diags);
            return NULL;
        }
        *chunk = (struct chunk){.next = reader->table->storage, .size = size};
        reader->table->storage = chunk;
    }
    void *taken = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return taken;
}

static const char *keep(struct reader *reader, const char *text, size_t length)
{
    char *copy = take(reader, length + 1);
    if (!copy)
        return NULL;
    copy[length] = '\0';
    return memcpy(copy, text, length);
}

__attribute__((format(printf, 2, 3))) static int refuse(struct reader *reader, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vs_diag_vadd(reader->diags, VS_ERROR, vs_place_of_file(&reader->source), format, arguments);
    va_end(arguments);
    vs_diag_hint(reader->diags, HINT);
    return -1;
}

static int read_tensor(struct reader *reader, const json_t *value, struct vs_table_tensor *tensor)
{
    const json_t *name = json_array_get(value, 0), *shape = json_array_get(value, 1);
    if (!json_is_string(name) || !json_is_array(shape) || json_array_size(shape) > RANK_MAX)
        return refuse(
            reader, "a tensor of module `%s` is not written `[name, [shape]]`", vs_quote_string(reader->name).text);
    size_t rank = json_array_size(shape);
    uint64_t *dimensions = take(reader, rank * sizeof *dimensions);
    *tensor = (struct vs_table_tensor){
        .name = keep(reader, json_string_value(name), json_string_length(name)), .shape = dimensions, .rank = rank};
    if (!tensor->name || !dimensions)
        return -1;
    for (size_t i = 0; i < rank; i++) {
        const json_t *dimension = json_array_get(shape, i);
        if (!json_is_integer(dimension) || json_integer_value(dimension) < 0)
            return refuse(reader, "the shape of tensor `%s` of module `%s` is not made of counts",
                vs_quote_string(tensor->name).text, vs_quote_string(reader->name).text);
        dimensions[i] = (uint64_t)json_integer_value(dimension);
    }
    return 0;
}

static struct vs_table_module *add_module(struct reader *reader)
{
    struct vs_module_table *table = reader->table;
    if (table->module_count == MODULES_MAX) {
        refuse(reader, "the table has more than %d modules", MODULES_MAX);
        return NULL;
    }
    if (table->module_count == reader->capacity) {
        size_t capacity = reader->capacity ? reader->capacity * 2 : 256;
        struct vs_table_module *modules = realloc(table->modules, capacity * sizeof *modules);
        if (!modules) {
            vs_diag_out_of_memory(reader->diags);
            return NULL;
        }
        table->modules = modules;
        reader->capacity = capacity;
    }
    return &table->modules[table->module_count++];
}

/* Reads the module whose full name is reader->name. */
static int read_module(struct reader *reader, const json_t *node)
{
    const json_t *type = json_object_get(node, "type"), *bias = json_object_get(node, "has_bias_attr"),
                 *rows = json_object_get(node, "rows"), *tensors = json_object_get(node, "tensors");
    struct vs_quoted name = vs_quote_string(reader->name);
    if (!json_is_string(type) || !json_is_boolean(bias) || !json_is_array(tensors))
        return refuse(reader, "module `%s` needs `type` (text), `has_bias_attr` (true or false) and `tensors` (a list)",
            name.text);
    if (rows && (!json_is_integer(rows) || json_integer_value(rows) < 0))
        return refuse(reader, "`rows` of module `%s` is no count", name.text);
    size_t count = json_array_size(tensors);
    reader->tensor_count += count;
    if (reader->tensor_count > TENSORS_MAX)
        return refuse(reader, "the table has more than %d tensors", TENSORS_MAX);
    struct vs_table_tensor *list = take(reader, count * sizeof *list);
    struct vs_table_module *module = add_module(reader);
    if (!list || !module)
        return -1;
    *module = (struct vs_table_module){.name = keep(reader, reader->name, strlen(reader->name)),
        .type = keep(reader, json_string_value(type), json_string_length(type)),
        .has_bias_attribute = json_is_true(bias),
        .rows = rows ? (uint64_t)json_integer_value(rows) : VS_ROWS_UNKNOWN,
        .tensors = list,
        .tensor_count = count};
    if (!module->name || !module->type)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (read_tensor(reader, json_array_get(tensors, i), &list[i]))
            return -1;
    return 0;
}

/* Puts `text` behind the first `length` bytes of the name; returns the new length, or 0 with an error. */
static size_t extend_name(struct reader *reader, size_t length, const char *text)
{
    size_t added = strlen(text);
    if (!added || length + added >= sizeof reader->name) {
        refuse(reader, added ? "a module's name is longer than %zu bytes" : "a module's name is empty",
            sizeof reader->name - 1);
        return 0;
    }
    memcpy(reader->name + length, text, added + 1);
    return length + added;
}

static int read_modules(struct reader *reader, const json_t *modules, size_t prefix);

/* A group that stands `repeat` times, its number from `first` on between its name and those within. */
static int read_group(struct reader *reader, const json_t *node, size_t length)
{
    const json_t *repeat = json_object_get(node, "repeat"), *first = json_object_get(node, "first"),
                 *modules = json_object_get(node, "modules");
    json_int_t begin = first ? json_integer_value(first) : 0, count = json_integer_value(repeat);
    if (!json_is_integer(repeat) || (first && !json_is_integer(first)) || begin < 0 || begin > MODULES_MAX ||
        count < 1 || count > MODULES_MAX || !json_array_size(modules))
        return refuse(reader, "the group `%s` needs `repeat` (a count) and `modules` (a list)",
            vs_quote_string(reader->name).text);
    for (json_int_t i = begin; i < begin + count; i++) {
        char number[32];
        snprintf(number, sizeof number, ".%lld.", (long long)i);
        size_t prefix = extend_name(reader, length, number);
        if (!prefix || read_modules(reader, modules, prefix))
            return -1;
    }
    return 0;
}

static int read_modules(struct reader *reader, const json_t *modules, size_t prefix)
{
    for (size_t i = 0; i < json_array_size(modules); i++) {
        const json_t *node = json_array_get(modules, i), *name = json_object_get(node, "name");
        if (!json_is_string(name))
            return refuse(reader, "an entry of `modules` is no object with a `name`");
        size_t length = extend_name(reader, prefix, json_string_value(name));
        bool group = json_object_get(node, "modules");
        if (!length || (group ? read_group(reader, node, length) : read_module(reader, node)))
            return -1;
    }
    return 0;
}

static int read_unused(struct reader *reader, const json_t *unused)
{
    size_t count = json_array_size(unused);
    if (unused && !json_is_array(unused))
        return refuse(reader, "`unused` is no list of tensors' names");
    const char **names = take(reader, count * sizeof *names);
    if (!names)
        return -1;
    reader->table->unused = names;
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(unused, i);
        if (!json_is_string(name))
            return refuse(reader, "`unused` is no list of tensors' names");
        names[i] = keep(reader, json_string_value(name), json_string_length(name));
        if (!names[i])
            return -1;
        reader->table->unused_count++;
    }
    return 0;
}

static int by_name(const void *left, const void *right, void *context)
{
    const struct vs_table_module *modules = context;
    return strcmp(modules[*(const uint32_t *)left].name, modules[*(const uint32_t *)right].name);
}

static int sort_names(struct reader *reader)
{
    struct vs_module_table *table = reader->table;
    table->by_name = take(reader, table->module_count * sizeof *table->by_name);
    if (!table->by_name)
        return -1;
    for (size_t i = 0; i < table->module_count; i++)
        table->by_name[i] = (uint32_t)i;
    qsort_r(table->by_name, table->module_count, sizeof *table->by_name, by_name, table->modules);
    for (size_t i = 1; i < table->module_count; i++) {
        const char *name = table->modules[table->by_name[i]].name;
        if (!strcmp(name, table->modules[table->by_name[i - 1]].name))
            return refuse(reader, "module `%s` stands in the table twice", vs_quote_string(name).text);
    }
    return 0;
}

/* Letters between quotes in a text without escapes, and in the strings and keys that were made of it. Out of memory,
 * jansson (2.14) drops letters of a long string without a word: its lexer looks at no result of its buffer. */
static size_t count_quoted(const char *text, size_t bytes)
{
    size_t count = 0;
    bool quoted = false;
    for (size_t i = 0; i < bytes; i++) {
        count += quoted && text[i] != '"';
        quoted ^= text[i] == '"';
    }
    return count;
}

static size_t count_letters(json_t *value)
{
    size_t count = json_string_length(value), index;
    const char *key;
    json_t *inner;
    json_array_foreach(value, index, inner) count += count_letters(inner);
    json_object_foreach(value, key, inner) count += strlen(key) + count_letters(inner);
    return count;
}

static json_t *parse_json(struct reader *reader, const char *text, size_t bytes)
{
    json_error_t error;
    size_t offset;
    if (vs_json_guard(text, bytes, DEPTH_MAX, MARKS_MAX, &offset) != VS_JSON_OK) {
        refuse(reader, "no table of modules is so deep or so long (at its byte %zu)", offset);
        return NULL;
    }
    const char *escape = memchr(text, '\\', bytes);
    if (escape) { /* which would make letters uncountable */
        refuse(reader, "names in a table of modules have no escapes (at its byte %zu)", (size_t)(escape - text));
        return NULL;
    }
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    bool starved = root && count_letters(root) != count_quoted(text, bytes);
    if (root && !starved)
        return root;
    json_decref(root);
    if (starved || !error.text[0] || json_error_code(&error) == json_error_out_of_memory) {
        vs_diag_out_of_memory(reader->diags);
        return NULL;
    }
    reader->source.text = text;
    reader->source.bytes = bytes;
    size_t at = error.position > 0 && (size_t)error.position <= bytes ? (size_t)error.position : 0;
    vs_diag_add(reader->diags, VS_ERROR, vs_place_at(&reader->source, at), "the table of modules is no JSON: %s",
        vs_quote_string(error.text).text);
    vs_diag_hint(reader->diags, HINT);
    return NULL;
}

static int read_attention(struct reader *reader, const json_t *operations)
{
    reader->table->attention_operations = json_number_value(operations);
    if (!operations || (json_is_number(operations) && json_number_value(operations) >= 0))
        return 0;
    return refuse(reader, "`attention_operations` is how many operations a step takes in attention: a number");
}

int vs_module_table_parse(
    const char *name, const char *text, size_t bytes, struct vs_module_table *table, struct vs_diags *diags)
{
    struct reader reader = {.source = {.name = name}, .table = table, .diags = diags};
    size_t errors_before = diags->error_count;
    *table = (struct vs_module_table){0};
    json_t *root = parse_json(&reader, text, bytes);
    const json_t *model = json_object_get(root, "model"), *modules = json_object_get(root, "modules");
    if (root && (!json_is_string(model) || !json_array_size(modules)))
        refuse(&reader, "a table of modules is an object with `model` (a name) and `modules` (a list)");
    else if (root) {
        table->model = keep(&reader, json_string_value(model), json_string_length(model));
        if (table->model && !read_modules(&reader, modules, 0) &&
            !read_unused(&reader, json_object_get(root, "unused")) &&
            !read_attention(&reader, json_object_get(root, "attention_operations")))
            sort_names(&reader);
    }
    json_decref(root);
    if (diags->error_count == errors_before)
        return 0;
    vs_module_table_free(table);
    return -1;
}

int vs_module_table_load(const char *path, struct vs_module_table *table, struct vs_diags *diags)
{
    char *text;
    size_t bytes;
    *table = (struct vs_module_table){0};
    if (vs_file_read(path, "table of modules", BYTES_MAX, &text, &bytes, diags))
        return -1;
    int result = vs_module_table_parse(path, text, bytes, table, diags);
    free(text);
    return result;
}

void vs_module_table_free(struct vs_module_table *table)
{
    struct chunk *chunk = table->storage;
    while (chunk) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(table->modules);
    *table = (struct vs_module_table){0};
}

size_t vs_module_table_find(const struct vs_module_table *table, const char *name, size_t length)
{
    size_t low = 0, high = table->module_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strncmp(table->modules[table->by_name[middle]].name, name, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
