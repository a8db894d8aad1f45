/*
 * From a GGUF file to tensors. See gguf.h; gguf_cursor.c passes over what is not needed, gguf_shape.c unfolds shapes.
 */
#include "gguf.h"

#include "dtype.h"
#include "gguf_cursor.h"
#include "gguf_shape.h"
#include "header_build.h"

#include <inttypes.h>
#include <string.h>

enum {
    START_BYTES = 24,       /* magic, version, two counts */
    TENSOR_BYTES_MIN = 24,  /* name's length, dimensions' count, type, offset */
    PAIR_BYTES_MIN = 13,    /* key's length, type, a byte */
    ALIGNMENT_DEFAULT = 32, /* docs/gguf.md */
    KEY_BYTES_MAX = 65535,  /* docs/gguf.md */
    ARCHITECTURE_BYTES_MAX = 63,
};

struct reader {
    struct vs_gguf_cursor cursor;
    struct vs_header *header;
    struct vs_diags *diags;
    uint64_t tensor_count, pair_count;
    uint32_t alignment; /* 0: not told yet */
    struct vs_gguf_shapes shapes;
};

#define refuse(reader, ...) vs_input_refuse((reader)->cursor.input, VS_GGUF_DAMAGED_HINT, __VA_ARGS__)

/* A big-endian file has a version whose low half is empty. */
static int check_version(const struct reader *reader, uint32_t version)
{
    const struct vs_input *input = reader->cursor.input;
    uint32_t swapped = __builtin_bswap32(version);
    if (version == 2 || version == 3)
        return 0;
    if (swapped >= 1 && swapped <= 0xffff)
        return vs_input_refuse(input, "convert it with gguf-py's gguf_convert_endian, or download the usual file",
            "this is a big-endian GGUF file, which no program loads onto an NVIDIA GPU");
    if (version == 1)
        return vs_input_refuse(input, "download a newer file, or convert the model again",
            "GGUF version 1, which programs do not read any more");
    return vs_input_refuse(input, "if it is no damaged file, a newer vramspan may read it",
        "GGUF version %" PRIu32 "; versions 2 and 3 are known", version);
}

static int read_start(struct reader *reader)
{
    char magic[4];
    uint32_t version;
    if (vs_gguf_take(&reader->cursor, magic, sizeof magic))
        return -1;
    if (memcmp(magic, VS_GGUF_MAGIC, sizeof magic) != 0)
        return refuse(reader, "this is no GGUF file: it does not begin with \"GGUF\"");
    if (vs_gguf_u32(&reader->cursor, &version) || check_version(reader, version) ||
        vs_gguf_u64(&reader->cursor, &reader->tensor_count) || vs_gguf_u64(&reader->cursor, &reader->pair_count))
        return -1;
    if (reader->tensor_count > VS_TENSORS_MAX)
        return vs_input_refuse(reader->cursor.input, "check that this is the file that was meant",
            "the model lists %" PRIu64 " tensors; no model has more than %d", reader->tensor_count, VS_TENSORS_MAX);
    uint64_t left = reader->cursor.input->bytes - START_BYTES;
    if (reader->pair_count > left / PAIR_BYTES_MIN ||
        reader->tensor_count > (left - reader->pair_count * PAIR_BYTES_MIN) / TENSOR_BYTES_MIN)
        return vs_input_refuse(reader->cursor.input, VS_HINT_PARTIAL,
            "its header lists %" PRIu64 " tensors and %" PRIu64 " metadata, for which the file is too short",
            reader->tensor_count, reader->pair_count);
    return 0;
}

/* --- Metadata ----------------------------------------------------------------------------------------------------- */

static int expect_type(const struct reader *reader, const char *key, uint32_t type, uint32_t expected)
{
    return type == expected
               ? 0
               : refuse(reader, "its `%s` has the type %" PRIu32 " instead of %" PRIu32, key, type, expected);
}

static int read_alignment(struct reader *reader, const char *key, uint32_t type)
{
    if (reader->alignment)
        return refuse(reader, "its `%s` is there twice", key);
    if (expect_type(reader, key, type, VS_GGUF_UINT32) || vs_gguf_u32(&reader->cursor, &reader->alignment))
        return -1;
    if (!reader->alignment || (reader->alignment & (reader->alignment - 1)) != 0)
        return refuse(reader, "its alignment of %" PRIu32 " bytes is no power of two", reader->alignment);
    return 0;
}

static int read_architecture(struct reader *reader, const char *key, uint32_t type)
{
    char text[ARCHITECTURE_BYTES_MAX];
    uint64_t bytes;
    if (reader->header->architecture)
        return refuse(reader, "its `%s` is there twice", key);
    if (expect_type(reader, key, type, VS_GGUF_STRING) || vs_gguf_length(&reader->cursor, &bytes))
        return -1;
    if (bytes > sizeof text)
        return refuse(reader, "its `%s` has %" PRIu64 " letters", key, bytes);
    if (vs_gguf_take(&reader->cursor, text, (size_t)bytes))
        return -1;
    reader->header->architecture = vs_header_text(reader->header, text, (size_t)bytes, reader->diags);
    return reader->header->architecture ? 0 : -1;
}

/* Files of llama.cpp's gguf-split. */
static int read_split(struct reader *reader, const char *key, uint32_t type)
{
    uint16_t count;
    const struct vs_source source = {.name = reader->cursor.input->name};
    if (expect_type(reader, key, type, VS_GGUF_UINT16) || vs_gguf_u16(&reader->cursor, &count))
        return -1;
    if (count > 1) {
        vs_diag_add(reader->diags, VS_WARNING, vs_place_of_file(&source),
            "this is one of %d files of a split model: only its own tensors are known", (int)count);
        vs_diag_hint(reader->diags, "put the files together with llama-gguf-split --merge");
    }
    return 0;
}

static int read_shape(struct reader *reader, const char *key, uint32_t type)
{
    return vs_gguf_shapes_read(&reader->shapes, &reader->cursor, key, type, reader->header);
}

static const struct known_key {
    const char *key;
    bool is_prefix;
    int (*read)(struct reader *reader, const char *key, uint32_t type);
} known_keys[] = {
    {"general.alignment", false, read_alignment},
    {"general.architecture", false, read_architecture},
    {"split.count", false, read_split},
    {VS_GGUF_ORIGINAL_SHAPE, true, read_shape},
};

static int read_pair(struct reader *reader)
{
    char key[256];
    uint64_t key_bytes;
    uint32_t type;
    if (vs_gguf_length(&reader->cursor, &key_bytes))
        return -1;
    if (!key_bytes || key_bytes > KEY_BYTES_MAX)
        return refuse(reader, "a key of its metadata has %" PRIu64 " letters", key_bytes);
    if (key_bytes >= sizeof key) { /* none that is known */
        if (vs_gguf_skip(&reader->cursor, key_bytes))
            return -1;
        key_bytes = 0;
    } else if (vs_gguf_take(&reader->cursor, key, (size_t)key_bytes)) {
        return -1;
    }
    key[key_bytes] = '\0';
    if (vs_gguf_u32(&reader->cursor, &type))
        return -1;
    for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++) {
        const struct known_key *known = &known_keys[i];
        if (known->is_prefix ? strncmp(key, known->key, strlen(known->key)) == 0 : strcmp(key, known->key) == 0)
            return known->read(reader, key, type);
    }
    return vs_gguf_skip_value(&reader->cursor, type);
}

/* --- Tensors ------------------------------------------------------------------------------------------------------ */

static int read_name(struct reader *reader, struct vs_tensor *tensor)
{
    uint64_t bytes, at = reader->cursor.offset;
    if (vs_gguf_length(&reader->cursor, &bytes))
        return -1;
    if (!bytes || bytes > VS_NAME_BYTES_MAX)
        return refuse(reader, "the name of a tensor at byte %" PRIu64 " has %" PRIu64 " letters", at, bytes);
    char *name = vs_header_room(reader->header, (size_t)bytes + 1, 1, reader->diags);
    if (!name || vs_gguf_take(&reader->cursor, name, (size_t)bytes))
        return -1;
    name[bytes] = '\0';
    tensor->name = name;
    for (size_t i = 0, step; i < bytes; i += step) {
        step = name[i] ? vs_utf8_sequence(name + i, (size_t)bytes - i) : 0;
        if (!step)
            return refuse(reader, "the name of the tensor `%s` is no UTF-8 text", vs_quote(name, (size_t)bytes).text);
    }
    return 0;
}

/* GGUF begins with the dimension in which neighbours lie side by side. *row is that one. */
static int read_dimensions(struct reader *reader, const struct vs_quoted *name, struct vs_tensor *tensor, uint64_t *row)
{
    uint32_t rank;
    if (vs_gguf_u32(&reader->cursor, &rank))
        return -1;
    if (rank > VS_RANK_MAX)
        return refuse(
            reader, "tensor `%s` has %" PRIu32 " dimensions, more than any tensor's %d", name->text, rank, VS_RANK_MAX);
    uint64_t *shape = vs_header_room(reader->header, rank, sizeof *shape, reader->diags);
    if (!shape)
        return -1;
    tensor->rank = rank;
    tensor->shape = shape;
    for (uint32_t i = 0; i < rank; i++) {
        if (vs_gguf_u64(&reader->cursor, &shape[rank - 1 - i]))
            return -1;
        if (shape[rank - 1 - i] > INT64_MAX)
            return refuse(reader, "tensor `%s`: dimension %" PRIu32 " of its shape is no count", name->text, i);
    }
    *row = rank ? shape[rank - 1] : 1;
    return 0;
}

static int read_type(
    struct reader *reader, const struct vs_quoted *name, const struct vs_ggml_type **type, struct vs_tensor *tensor)
{
    uint32_t number;
    if (vs_gguf_u32(&reader->cursor, &number))
        return -1;
    *type = vs_ggml_type(number);
    if (!*type)
        return vs_input_refuse(reader->cursor.input, "if it is no damaged file, a newer vramspan may read it",
            "tensor `%s` has the type %" PRIu32 ", which is not known", name->text, number);
    if (!(*type)->name)
        return vs_input_refuse(reader->cursor.input, "download a newer file, or convert the model again",
            "tensor `%s` has the type %" PRIu32 ", which GGUF does not allow any more", name->text, number);
    tensor->dtype = (*type)->name;
    return 0;
}

/* The offset is among the data until all tensors are read, since only then it is known where the data begins. */
static int read_tensor(struct reader *reader)
{
    const struct vs_ggml_type *type;
    uint64_t row = 1, elements;
    struct vs_tensor *tensor = vs_header_add_tensor(reader->header, reader->diags);
    if (!tensor || read_name(reader, tensor))
        return -1;
    struct vs_quoted name = vs_quote_string(tensor->name);
    if (read_dimensions(reader, &name, tensor, &row) || read_type(reader, &name, &type, tensor) ||
        vs_gguf_u64(&reader->cursor, &tensor->file_offset))
        return -1;
    if (!vs_tensor_elements(tensor, &elements))
        return refuse(reader, "tensor `%s`: its shape has more elements than 63 bits can count", name.text);
    if (row % type->block_elements)
        return refuse(reader, "tensor `%s`: rows of %" PRIu64 " elements are no whole blocks of %s, which has %u",
            name.text, row, type->name, type->block_elements);
    if (__builtin_mul_overflow(elements / type->block_elements, (uint64_t)type->block_bytes, &tensor->bytes))
        return refuse(reader, "tensor `%s`: its shape has more bytes than 64 bits can count", name.text);
    return 0;
}

static int place_tensors(struct reader *reader)
{
    const struct vs_input *input = reader->cursor.input;
    uint64_t alignment = reader->alignment ? reader->alignment : ALIGNMENT_DEFAULT;
    uint64_t start = (reader->cursor.offset + alignment - 1) / alignment * alignment;
    for (size_t i = 0; i < reader->header->tensor_count; i++) {
        struct vs_tensor *tensor = &reader->header->tensors[i];
        struct vs_quoted name = vs_quote_string(tensor->name);
        uint64_t offset = tensor->file_offset;
        if (offset % alignment)
            return refuse(reader, "tensor `%s` begins at byte %" PRIu64 " of the data, no multiple of %" PRIu64,
                name.text, offset, alignment);
        if (start > input->bytes || offset > input->bytes - start || tensor->bytes > input->bytes - start - offset)
            return vs_input_refuse(input, VS_HINT_PARTIAL,
                "tensor `%s` has %" PRIu64 " bytes from byte %" PRIu64 " of the data on, which begins at byte %" PRIu64
                ", but the whole file has %" PRIu64,
                name.text, tensor->bytes, offset, start, input->bytes);
        tensor->file_offset = start + offset;
    }
    return 0;
}

int vs_gguf_read(const struct vs_input *input, struct vs_header *header)
{
    struct reader reader = {.cursor = {.input = input}, .header = header, .diags = input->diags};
    int result = vs_header_add_file(header, input->name, input->bytes, input->diags) || read_start(&reader) ? -1 : 0;
    for (uint64_t i = 0; !result && i < reader.pair_count; i++)
        result = read_pair(&reader);
    for (uint64_t i = 0; !result && i < reader.tensor_count; i++)
        result = read_tensor(&reader);
    if (!result)
        result = place_tensors(&reader);
    if (!result)
        result = vs_gguf_shapes_apply(&reader.shapes, input, header);
    vs_gguf_shapes_free(&reader.shapes);
    return result;
}
