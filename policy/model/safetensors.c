/*
 * From the bytes of a safetensors header to tensors. See safetensors.h.
 *
 * The header is one line of JSON, so messages name the tensor instead of a column. Its members are taken one by one
 * (json_members.h says why), each parsed by jansson.
 */
#include "safetensors.h"

#include "../text/json_members.h"
#include "dtype.h"
#include "header_build.h"
#include "json_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 2,               /* tensor, shape */
    ENTRY_BYTES_MAX = 16 * 1024, /* of a tensor: 64 dimensions of 20 digits are less */
};

#define METADATA_KEY "\"__metadata__\""
#define DAMAGED_HINT "the file is damaged or was not written by safetensors; download or save it again"

struct reader {
    const char *name;
    uint64_t data_start; /* of the data in the file */
    uint64_t data_bytes;
    struct vs_header *header;
    struct vs_diags *diags;
    bool cut_off; /* has been said: what is true of one tensor is true of all later ones */
};

#define refuse(reader, hint, ...) vs_refuse((reader)->diags, (reader)->name, hint, __VA_ARGS__)

static bool read_count(const json_t *value, uint64_t *count)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *count = (uint64_t)json_integer_value(value);
    return true;
}

static int read_shape(
    const struct reader *reader, const struct vs_quoted *name, const json_t *shape, struct vs_tensor *tensor)
{
    if (!json_is_array(shape))
        return refuse(reader, DAMAGED_HINT, "tensor `%s` has no `shape` list", name->text);
    tensor->rank = json_array_size(shape);
    if (tensor->rank > VS_RANK_MAX)
        return refuse(reader, DAMAGED_HINT, "tensor `%s` has %zu dimensions, more than any tensor's %d", name->text,
            tensor->rank, VS_RANK_MAX);
    uint64_t *sizes = vs_header_room(reader->header, tensor->rank, sizeof *sizes, reader->diags);
    if (!sizes)
        return -1;
    tensor->shape = sizes;
    for (size_t i = 0; i < tensor->rank; i++)
        if (!read_count(json_array_get(shape, i), &sizes[i]))
            return refuse(reader, DAMAGED_HINT, "tensor `%s`: dimension %zu of its shape is no count", name->text, i);
    return 0;
}

static int read_offsets(
    struct reader *reader, const struct vs_quoted *name, const json_t *offsets, struct vs_tensor *tensor)
{
    uint64_t begin, end;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return refuse(reader, DAMAGED_HINT, "tensor `%s` has no `data_offsets` pair", name->text);
    if (!read_count(json_array_get(offsets, 0), &begin) || !read_count(json_array_get(offsets, 1), &end))
        return refuse(reader, DAMAGED_HINT, "tensor `%s`: its `data_offsets` are no counts of bytes", name->text);
    if (begin > end)
        return refuse(reader, DAMAGED_HINT, "tensor `%s` ends (%" PRIu64 ") before it begins (%" PRIu64 ")", name->text,
            end, begin);
    if (end > reader->data_bytes) {
        bool said = reader->cut_off;
        reader->cut_off = true;
        return said ? -1
                    : refuse(reader, VS_HINT_PARTIAL,
                          "tensor `%s` ends at byte %" PRIu64 " of the data, but the file holds only %" PRIu64
                          " bytes of data",
                          name->text, end, reader->data_bytes);
    }
    tensor->file_offset = reader->data_start + begin;
    tensor->bytes = end - begin;
    return 0;
}

static int check_bytes(const struct reader *reader, const struct vs_quoted *name, const struct vs_tensor *tensor)
{
    uint64_t elements, bits_total, bits = vs_dtype_bits(tensor->dtype);
    if (!vs_tensor_elements(tensor, &elements))
        return refuse(
            reader, DAMAGED_HINT, "tensor `%s`: its shape has more elements than 63 bits can count", name->text);
    if (!bits) /* a type of the future: the offsets alone tell */
        return 0;
    if (__builtin_mul_overflow(elements, bits, &bits_total) || bits_total % 8 || bits_total / 8 != tensor->bytes)
        return refuse(reader, DAMAGED_HINT,
            "tensor `%s`: %" PRIu64 " elements of %s do not take the %" PRIu64 " bytes between its offsets", name->text,
            elements, vs_quote_string(tensor->dtype).text, tensor->bytes);
    return 0;
}

static int read_tensor(struct reader *reader, const char *key, const json_t *value)
{
    struct vs_quoted name = vs_quote_string(key);
    const json_t *dtype = json_object_get(value, "dtype");
    if (!json_is_object(value))
        return refuse(reader, DAMAGED_HINT, "the entry of tensor `%s` is no object", name.text);
    if (!json_string_length(dtype)) /* 0 for what is no string, too */
        return refuse(reader, DAMAGED_HINT, "tensor `%s` has no `dtype`", name.text);
    struct vs_tensor *tensor = vs_header_add_tensor(reader->header, reader->diags);
    if (!tensor)
        return -1;
    tensor->name = key;
    tensor->dtype = vs_dtype_name(json_string_value(dtype));
    if (!tensor->dtype)
        tensor->dtype =
            vs_header_text(reader->header, json_string_value(dtype), json_string_length(dtype), reader->diags);
    if (!tensor->dtype || read_shape(reader, &name, json_object_get(value, "shape"), tensor) ||
        read_offsets(reader, &name, json_object_get(value, "data_offsets"), tensor) ||
        check_bytes(reader, &name, tensor))
        return -1;
    return 0;
}

static void refuse_json(const struct reader *reader, const char *why, size_t at)
{
    refuse(reader, DAMAGED_HINT, "the header is not JSON that safetensors would write: %s (at its byte %zu)",
        vs_quote_string(why).text, at);
}

static json_t *parse_entry(const struct reader *reader, const struct vs_json_member *member, size_t at)
{
    json_error_t error;
    json_t *value = json_loadb(member->value, member->value_bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (!value && (!error.text[0] || json_error_code(&error) == json_error_out_of_memory))
        vs_diag_out_of_memory(reader->diags);
    else if (!value)
        refuse_json(reader, error.text, at + (size_t)error.position);
    return value;
}

static void read_member(struct reader *reader, const struct vs_json_member *member, const char *text)
{
    struct vs_json_wrong wrong;
    size_t key_at = (size_t)(member->key - text);
    if (member->key_bytes > VS_NAME_BYTES_MAX || member->value_bytes > ENTRY_BYTES_MAX) {
        refuse(reader, DAMAGED_HINT, "the entry at byte %zu of the header is larger than that of any tensor", key_at);
        return;
    }
    const char *key = vs_json_text(reader->header, member->key, member->key_bytes, &wrong, reader->diags);
    if (!key && *wrong.text)
        refuse_json(reader, wrong.text, key_at + wrong.at);
    json_t *value = key ? parse_entry(reader, member, (size_t)(member->value - text)) : NULL;
    if (value)
        read_tensor(reader, key, value);
    json_decref(value);
}

/* Of the metadata nothing is needed: only its form is looked at, so that damage is found. */
static void pass_metadata(const struct reader *reader, const struct vs_json_member *metadata)
{
    struct vs_json_members members = {.text = metadata->value, .bytes = metadata->value_bytes, .depth_max = DEPTH_MAX};
    struct vs_json_member member;
    enum vs_json_step step;
    if (*metadata->value != '{') {
        refuse(reader, DAMAGED_HINT, "`__metadata__` is no object");
        return;
    }
    while ((step = vs_json_members_next(&members, &member)) == VS_JSON_MEMBER)
        if (*member.value != '"') {
            refuse(reader, DAMAGED_HINT, "the entry `%s` of `__metadata__` is no text",
                vs_quote(member.key + 1, member.key_bytes - 2).text);
            return;
        }
    if (step != VS_JSON_END)
        refuse(reader, DAMAGED_HINT, "`__metadata__` is not JSON that safetensors would write");
}

/* Whether the text is whole, before single entries are complained of. */
static int check_form(const struct reader *reader, const char *text, size_t text_bytes)
{
    struct vs_json_members members = {.text = text, .bytes = text_bytes, .depth_max = DEPTH_MAX};
    struct vs_json_member member;
    enum vs_json_step step;
    size_t count = 0;
    while ((step = vs_json_members_next(&members, &member)) == VS_JSON_MEMBER)
        count++;
    if (step == VS_JSON_TOO_DEEP)
        return refuse(
            reader, DAMAGED_HINT, "the header is nested deeper than a list of tensors at its byte %zu", members.offset);
    if (step == VS_JSON_WRONG)
        return refuse(reader, DAMAGED_HINT, "the header is not JSON that safetensors would write (at its byte %zu)",
            members.offset);
    if (count > VS_TENSORS_MAX)
        return refuse(reader, "check that this is the file that was meant",
            "the model lists %zu tensors; no model has more than %d", count, VS_TENSORS_MAX);
    return 0;
}

int vs_safetensors_add(const char *name, const char *text, size_t text_bytes, uint64_t data_start, uint64_t file_bytes,
    struct vs_header *header, struct vs_diags *diags)
{
    struct reader reader = {name, data_start, file_bytes - data_start, header, diags, false};
    struct vs_json_members members = {.text = text, .bytes = text_bytes, .depth_max = DEPTH_MAX};
    struct vs_json_member member;
    size_t errors_before = diags->error_count, metadata_count = 0;
    if (vs_header_add_file(header, name, file_bytes, diags) || check_form(&reader, text, text_bytes))
        return -1;
    while (vs_json_members_next(&members, &member) == VS_JSON_MEMBER) {
        if (member.key_bytes != sizeof METADATA_KEY - 1 || memcmp(member.key, METADATA_KEY, member.key_bytes) != 0)
            read_member(&reader, &member, text);
        else if (metadata_count++)
            refuse(&reader, DAMAGED_HINT, "`__metadata__` is there twice");
        else
            pass_metadata(&reader, &member);
        if (diags->error_count - errors_before > VS_DIAGS_MAX || diags->out_of_memory)
            return -1; /* nobody is told of more */
    }
    return diags->error_count == errors_before ? 0 : -1;
}

int vs_safetensors_header_bytes(const char *name, const unsigned char prefix[VS_SAFETENSORS_PREFIX_BYTES],
    uint64_t file_bytes, size_t *header_bytes, struct vs_diags *diags)
{
    uint64_t length = 0;
    for (int i = VS_SAFETENSORS_PREFIX_BYTES; i-- > 0;)
        length = length << 8 | prefix[i];
    if (length > VS_HEADER_BYTES_MAX)
        return vs_refuse(diags, name, "this is no safetensors file; check how it was downloaded and what it is",
            "its header would be %" PRIu64 " bytes long; the safetensors format allows %d", length,
            VS_HEADER_BYTES_MAX);
    if (file_bytes < VS_SAFETENSORS_PREFIX_BYTES || length > file_bytes - VS_SAFETENSORS_PREFIX_BYTES)
        return vs_refuse(diags, name,
            "the file is not a safetensors file, or an unfinished download; download it again",
            "its header would be %" PRIu64 " bytes long, but the whole file has %" PRIu64, length, file_bytes);
    *header_bytes = (size_t)length;
    return 0;
}

int vs_safetensors_read(const struct vs_input *input, struct vs_header *header)
{
    unsigned char prefix[VS_SAFETENSORS_PREFIX_BYTES];
    size_t text_bytes;
    if (vs_input_read(input, prefix, sizeof prefix, 0) ||
        vs_safetensors_header_bytes(input->name, prefix, input->bytes, &text_bytes, input->diags) ||
        vs_header_claim(header, input->name, text_bytes, input->diags))
        return -1;
    char *text = malloc(text_bytes + 1);
    if (!text) {
        vs_diag_out_of_memory(input->diags);
        return -1;
    }
    int result = vs_input_read(input, text, text_bytes, sizeof prefix);
    if (!result)
        result = vs_safetensors_add(
            input->name, text, text_bytes, sizeof prefix + text_bytes, input->bytes, header, input->diags);
    free(text);
    return result;
}

int vs_safetensors_parse(const char *name, const char *text, size_t text_bytes, uint64_t file_bytes,
    struct vs_header *header, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count;
    *header = (struct vs_header){.format = VS_FORMAT_SAFETENSORS};
    if (text_bytes > VS_HEADER_BYTES_MAX || text_bytes + VS_SAFETENSORS_PREFIX_BYTES > file_bytes)
        vs_refuse(diags, name, VS_HINT_PARTIAL, "a header of %zu bytes does not fit in a file of %" PRIu64 " bytes",
            text_bytes, file_bytes);
    else
        vs_safetensors_add(name, text, text_bytes, VS_SAFETENSORS_PREFIX_BYTES + text_bytes, file_bytes, header, diags);
    return vs_header_finish(header, errors_before, diags);
}

int vs_safetensors_parse_bare(
    const char *name, const char *text, size_t text_bytes, struct vs_header *header, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count;
    *header = (struct vs_header){.format = VS_FORMAT_JSON};
    vs_safetensors_add(name, text, text_bytes, 0, INT64_MAX, header, diags);
    if (vs_header_finish(header, errors_before, diags))
        return -1;
    header->file_bytes = 0;
    for (size_t i = 0; i < header->tensor_count; i++) {
        const struct vs_tensor *tensor = &header->tensors[i];
        if (tensor->file_offset + tensor->bytes > header->file_bytes)
            header->file_bytes = tensor->file_offset + tensor->bytes;
    }
    header->files[0].bytes = header->file_bytes;
    return 0;
}
