/*
 * Random right models, as safetensors, as a bare header and as GGUF: every tensor is read once, with its name, shape,
 * size and part; bytes are conserved, whatever the order in the header.
 */
#include "../support.h"

#include "../../../policy/model/dtype.h"
#include "../../../policy/model/model.h"
#include "gguf_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS = 300, TENSORS_MOST = 200 };

TestSuite(header_property, .fini = expect_no_leaks);

struct wanted {
    char name[48];
    const char *dtype;
    uint32_t ggml_number;
    uint64_t shape[4], bytes, offset;
    size_t rank;
    enum vs_part part;
};

static const struct {
    const char *prefix;
    enum vs_part part;
} prefixes[] = {{"model.diffusion_model.", VS_PART_DIFFUSION}, {"first_stage_model.", VS_PART_VAE},
    {"cond_stage_model.", VS_PART_TEXT_ENCODER}, {"text_encoders.", VS_PART_TEXT_ENCODER}, {"x.", VS_PART_OTHER}};

/* The first tensor has a prefix, so that the model is a checkpoint. Places in an order of their own, with gaps. */
static size_t choose(struct wanted *tensors, bool gguf, uint64_t alignment, uint64_t *data_bytes, uint64_t *random)
{
    static const char *const dtypes[] = {"F16", "BF16", "F32", "F8_E4M3", "I64", "BOOL"};
    size_t count = 1 + next_random(random) % TENSORS_MOST, places[TENSORS_MOST];
    for (size_t i = 0; i < count; i++) {
        struct wanted *tensor = &tensors[i];
        size_t prefix = i ? next_random(random) % COUNT(prefixes) : 0;
        *tensor = (struct wanted){.rank = next_random(random) % 5, .part = prefixes[prefix].part};
        snprintf(tensor->name, sizeof tensor->name, "%sblock.%zu", prefixes[prefix].prefix, i);
        uint64_t elements = 1;
        for (size_t k = 0; k < tensor->rank; k++)
            elements *= tensor->shape[k] = next_random(random) % 32 ? 1 + next_random(random) % 9 : 0;
        if (gguf) {
            do
                tensor->ggml_number = (uint32_t)(next_random(random) % 43);
            while (!vs_ggml_type(tensor->ggml_number)->name);
            const struct vs_ggml_type *type = vs_ggml_type(tensor->ggml_number);
            if (tensor->rank)
                tensor->shape[tensor->rank - 1] *= type->block_elements; /* whole blocks in a row */
            else if (type->block_elements > 1)
                tensor->ggml_number = 0;
            type = vs_ggml_type(tensor->ggml_number);
            tensor->dtype = type->name;
            tensor->bytes = elements * type->block_bytes;
        } else {
            tensor->dtype = dtypes[next_random(random) % COUNT(dtypes)];
            tensor->bytes = elements * vs_dtype_bits(tensor->dtype) / 8;
        }
        size_t at = next_random(random) % (i + 1);
        places[i] = places[at];
        places[at] = i;
    }
    *data_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t gap = next_random(random) % 4 ? 0 : alignment;
        *data_bytes = (*data_bytes + gap + alignment - 1) / alignment * alignment;
        tensors[places[i]].offset = *data_bytes;
        *data_bytes += tensors[places[i]].bytes;
    }
    return count;
}

static void write_safetensors(struct vs_text *file, const struct wanted *tensors, size_t count)
{
    vs_text_printf(file, "{");
    for (size_t i = 0; i < count; i++) {
        const struct wanted *tensor = &tensors[i];
        vs_text_printf(file, "%s\"%s\":{\"shape\":[", i ? ", " : "", tensor->name);
        for (size_t k = 0; k < tensor->rank; k++)
            vs_text_printf(file, "%s%zu", k ? "," : "", (size_t)tensor->shape[k]);
        vs_text_printf(file, "],\"data_offsets\":[%zu, %zu],\"dtype\":\"%s\"}", (size_t)tensor->offset,
            (size_t)(tensor->offset + tensor->bytes), tensor->dtype);
    }
    vs_text_printf(file, "}");
}

static void write_gguf(struct vs_text *file, const struct wanted *tensors, size_t count, uint32_t alignment)
{
    put_start(file, 3, count, 1);
    put_u32_pair(file, "general.alignment", alignment);
    for (size_t i = 0; i < count; i++) {
        uint64_t dimensions[4];
        for (size_t k = 0; k < tensors[i].rank; k++)
            dimensions[k] = tensors[i].shape[tensors[i].rank - 1 - k];
        put_tensor(
            file, tensors[i].name, (uint32_t)tensors[i].rank, dimensions, tensors[i].ggml_number, tensors[i].offset);
    }
    put_data(file, alignment, 0);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct wanted *)left)->name, ((const struct wanted *)right)->name);
}

/* Takes the header. */
static void compare(struct vs_header *header, struct wanted *tensors, size_t count, uint64_t data_start)
{
    struct vs_diags diags = {0};
    struct vs_model model;
    uint64_t bytes[VS_PART_COUNT] = {0};
    cr_assert_eq(header->tensor_count, count);
    qsort(tensors, count, sizeof *tensors, by_name);
    for (size_t i = 0; i < count; i++) { /* names are not there twice, and so many are there as are wanted */
        const struct vs_tensor *tensor = &header->tensors[i];
        struct wanted key;
        snprintf(key.name, sizeof key.name, "%s", tensor->name);
        const struct wanted *wanted = bsearch(&key, tensors, count, sizeof *tensors, by_name);
        cr_assert_not_null(wanted, "%s", tensor->name);
        cr_assert_str_eq(tensor->dtype, wanted->dtype);
        cr_assert_eq(tensor->rank, wanted->rank);
        cr_assert(!wanted->rank || !memcmp(tensor->shape, wanted->shape, wanted->rank * sizeof *wanted->shape));
        cr_assert_eq(tensor->bytes, wanted->bytes, "%s: %zu", tensor->name, (size_t)tensor->bytes);
        cr_assert_eq(tensor->file_offset, data_start + wanted->offset, "%s", tensor->name);
        cr_assert_eq(tensor->part, wanted->part);
        bytes[wanted->part] += wanted->bytes;
        bytes[VS_PART_ANY] += wanted->bytes;
    }
    cr_assert_eq(vs_model_init(&model, header, &diags), 0);
    for (int part = 0; part < VS_PART_COUNT; part++)
        cr_assert_eq(model.parts[part].bytes, bytes[part]);
    cr_assert_eq(model.total_bytes, bytes[VS_PART_DIFFUSION]);
    vs_model_free(&model);
}

static ssize_t read_text(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    const struct vs_text *file = context;
    cr_assert_leq(offset + bytes, file->length); /* of the data nothing is read */
    memcpy(buffer, file->data + offset, bytes);
    return (ssize_t)bytes;
}

Test(header_property, safetensors_are_read_as_they_were_written, .timeout = 300)
{
    static struct wanted tensors[TENSORS_MOST];
    uint64_t random = 11, data_bytes;
    for (int i = 0; i < MODELS; i++) {
        size_t count = choose(tensors, false, 1, &data_bytes, &random);
        struct vs_text text = {0};
        struct vs_diags diags = {0};
        struct vs_header header;
        write_safetensors(&text, tensors, count);
        cr_assert_eq(
            vs_safetensors_parse("m", text.data, text.length, 8 + text.length + data_bytes, &header, &diags), 0);
        compare(&header, tensors, count, 8 + text.length);
        cr_assert_eq(vs_header_read("m.json", read_text, &text, text.length, &header, &diags), 0);
        cr_assert_eq(header.file_bytes, data_bytes);
        compare(&header, tensors, count, 0);
        vs_text_free(&text);
    }
}

Test(header_property, gguf_is_read_as_it_was_written, .timeout = 300)
{
    static struct wanted tensors[TENSORS_MOST];
    uint64_t random = 12, data_bytes;
    for (int i = 0; i < MODELS; i++) {
        uint32_t alignment = UINT32_C(1) << next_random(&random) % 10;
        size_t count = choose(tensors, true, alignment, &data_bytes, &random);
        struct vs_text file = {0};
        struct vs_diags diags = {0};
        struct vs_header header;
        write_gguf(&file, tensors, count, alignment);
        size_t start = file.length;
        put_data(&file, 1, 8192); /* a reader reads ahead, within the file */
        data_bytes = data_bytes > 8192 ? data_bytes : 8192;
        cr_assert_eq(vs_header_read("m.gguf", read_text, &file, start + data_bytes, &header, &diags), 0);
        compare(&header, tensors, count, start);
        vs_text_free(&file);
    }
}
