/*
 * Loading MODEL. See plan_model.h.
 */
#include "plan_model.h"

#include "../policy/model/safetensors.h"
#include "../policy/text/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TABLE_BYTES_MAX = 64 << 20, ORDER_BYTES_MAX = 100 << 20, SNIFF_BYTES = 4096 };

/* A module table says `modules` near its beginning, and has no tensors with offsets there as headers have. */
static bool is_module_table(const char *path, struct vs_diags *diags)
{
    static const char suffix[] = ".json";
    char start[SNIFF_BYTES];
    uint64_t bytes;
    size_t length = strlen(path);
    if (length < sizeof suffix || strcmp(path + length - (sizeof suffix - 1), suffix) != 0)
        return false;
    int descriptor = vs_file_open(path, "model", &bytes, diags);
    if (descriptor < 0)
        return false;
    ssize_t count = vs_file_pread(&descriptor, start, sizeof start, 0);
    close(descriptor);
    return count > 0 && memmem(start, (size_t)count, "\"modules\"", 9) &&
           !memmem(start, (size_t)count, "\"data_offsets\"", 14) && !memmem(start, (size_t)count, "\"weight_map\"", 12);
}

/* A text that JSON takes as it is: names of tables are checked by nobody else. */
static void append_string(struct vs_text *text, const char *string)
{
    for (const char *c = string; *c; c++) {
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            vs_text_printf(text, "\\u%04x", (unsigned)*c);
        else
            vs_text_append(text, c, 1);
    }
}

/* The table's tensors as the header that a file with them would have. */
static void write_header(const struct vs_module_table *table, struct vs_text *text)
{
    uint64_t offset = 0;
    for (size_t m = 0; m < table->module_count; m++) {
        const struct vs_table_module *module = &table->modules[m];
        for (size_t t = 0; t < module->tensor_count; t++) {
            const struct vs_table_tensor *tensor = &module->tensors[t];
            uint64_t bytes = 2;
            vs_text_printf(text, "%s\"", text->length ? "," : "{");
            append_string(text, module->name);
            vs_text_printf(text, ".");
            append_string(text, tensor->name);
            vs_text_printf(text, "\":{\"dtype\":\"BF16\",\"shape\":[");
            for (size_t d = 0; d < tensor->rank; d++) {
                vs_text_printf(text, "%s%" PRIu64, d ? "," : "", tensor->shape[d]);
                bytes *= tensor->shape[d];
            }
            vs_text_printf(text, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset, offset + bytes);
            offset += bytes;
        }
    }
    vs_text_printf(text, text->length ? "}" : "{}");
}

static int load_table(const char *path, struct vs_module_table *table, struct vs_header *header, struct vs_diags *diags)
{
    struct vs_text text = {0};
    int result = -1;
    if (vs_module_table_load(path, table, diags))
        return -1;
    write_header(table, &text);
    if (text.failed)
        vs_diag_out_of_memory(diags);
    else
        result = vs_safetensors_parse_bare(path, text.data, text.length, header, diags);
    vs_text_free(&text);
    if (result)
        vs_module_table_free(table);
    return result;
}

int vs_plan_model_load(const char *path, struct vs_plan_model *model, struct vs_diags *diags)
{
    struct vs_header header;
    size_t errors_before = diags->error_count;
    *model = (struct vs_plan_model){.path = path};
    model->is_table = is_module_table(path, diags);
    if (diags->error_count != errors_before)
        return -1;
    if (model->is_table ? load_table(path, &model->table, &header, diags) : vs_header_load(path, &header, diags))
        return -1;
    if (vs_model_init(&model->model, &header, diags)) {
        vs_module_table_free(&model->table);
        return -1;
    }
    return 0;
}

void vs_plan_model_free(struct vs_plan_model *model)
{
    vs_model_free(&model->model);
    vs_module_table_free(&model->table);
}

void vs_plan_model_name_parts(const struct vs_plan_model *model, struct vs_text *text)
{
    bool first = true;
    for (int part = VS_PART_DIFFUSION; part < VS_PART_COUNT; part++) {
        if (!model->model.parts[part].count)
            continue;
        vs_text_printf(text, "%s%s", first ? "" : ", ", vs_part_name((enum vs_part)part));
        first = false;
    }
}

int vs_learned_order_load(const char *path, struct vs_learned_order *order, struct vs_diags *diags)
{
    size_t bytes, lines = 1;
    *order = (struct vs_learned_order){0};
    if (vs_file_read(path, "order of execution", ORDER_BYTES_MAX, &order->text, &bytes, diags))
        return -1;
    for (size_t i = 0; i < bytes; i++)
        lines += order->text[i] == '\n';
    order->names = calloc(lines, sizeof *order->names);
    if (!order->names) {
        vs_diag_out_of_memory(diags);
        vs_learned_order_free(order);
        return -1;
    }
    char *rest = order->text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        size_t length = strlen(line);
        if (length && line[length - 1] == '\r')
            line[length - 1] = '\0';
        if (*line && *line != '#')
            order->names[order->count++] = line;
    }
    return 0;
}

void vs_learned_order_free(struct vs_learned_order *order)
{
    free(order->names);
    free(order->text);
    *order = (struct vs_learned_order){0};
}
