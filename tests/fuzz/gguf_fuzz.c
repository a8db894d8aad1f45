/*
 * Hostile GGUF files.
 */
#include "check.h"

enum { MORE_BYTES = 1 << 14 }; /* of data behind what the fuzzer made */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_file file = {data, bytes};
    struct vs_diags diags = {0};
    struct vs_header header;
    int result = vs_header_read("m.gguf", fuzz_read, &file, bytes + MORE_BYTES, &header, &diags);
    check_diagnostics(result, &diags);
    if (!result)
        check_header(&header);
    return 0;
}
