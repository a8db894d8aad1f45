/*
 * Hostile safetensors files, and texts of headers by themselves, in which every change would otherwise make the length
 * wrong: what begins with a brace is read as a header, as a bare header and as an index of shards.
 */
#include "check.h"

#include "../../policy/model/safetensors.h"
#include "../../policy/model/shards.h"

#include <stdlib.h>
#include <string.h>

enum { MORE_BYTES = 4096 }; /* of data behind what the fuzzer made */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(int result, struct vs_header *header, struct vs_diags *diags)
{
    check_diagnostics(result, diags);
    if (!result)
        check_header(header);
}

static void read_index(const char *text, size_t bytes)
{
    struct vs_diags diags = {0};
    struct vs_index index;
    int result = vs_index_parse("m.json", text, bytes, &index, &diags);
    PROMISE(result || vs_index_recognise(text, bytes));
    check_diagnostics(result, &diags);
    for (size_t i = 0; !result && i < index.entry_count; i++)
        PROMISE(
            *index.entries[i].file && !strchr(index.entries[i].file, '/') && strcmp(index.entries[i].file, "..") != 0);
    vs_index_free(&index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_file file = {data, bytes};
    struct vs_diags diags = {0};
    struct vs_header header;
    if (!bytes || *data != '{') {
        check(vs_header_read("m.safetensors", fuzz_read, &file, bytes + MORE_BYTES, &header, &diags), &header, &diags);
        return 0;
    }
    const char *text = (const char *)data;
    check(vs_safetensors_parse("m", text, bytes, 8 + bytes + MORE_BYTES, &header, &diags), &header, &diags);
    check(vs_safetensors_parse_bare("m", text, bytes, &header, &diags), &header, &diags);
    read_index(text, bytes);
    return 0;
}
