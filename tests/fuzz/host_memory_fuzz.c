/*
 * Hostile texts of /proc and of control groups, as all that such a text can be taken for.
 */
#include "check.h"

#include "../../policy/machine/host_memory_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_meminfo(const char *text, size_t bytes)
{
    struct vs_meminfo meminfo;
    bool known = vs_meminfo_parse(text, bytes, &meminfo);
    PROMISE(known || meminfo.available_bytes == VS_HOST_BYTES_UNKNOWN);
    PROMISE(meminfo.total_bytes > 0);
    PROMISE(meminfo.total_bytes % 1024 == 0 || meminfo.total_bytes == VS_HOST_BYTES_UNKNOWN);
}

static void check_path(const char *text, size_t bytes)
{
    struct vs_group_path path;
    if (!vs_group_path_parse(text, bytes, &path))
        return;
    PROMISE(path.length >= 1 && path.text[0] == '/');
    PROMISE(path.text > text && path.text + path.length <= text + bytes);
    PROMISE(!memchr(path.text, '\n', path.length) && !memchr(path.text, '\0', path.length));
    PROMISE(!memmem(path.text, path.length, "/../", 4));
    PROMISE(path.length < 3 || memcmp(path.text + path.length - 3, "/..", 3) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes ? bytes : 1); /* exactly, without a NUL behind it: a byte too far is seen */
    uint64_t size;
    PROMISE(text);
    memcpy(text, data, bytes);
    check_meminfo(text, bytes);
    check_path(text, bytes);
    if (vs_group_size_parse(text, bytes, &size))
        PROMISE(bytes > 0 && (text[0] == 'm' || (text[0] >= '0' && text[0] <= '9')));
    vs_group_cache_parse(text, bytes, VS_GROUP_VERSION_1);
    vs_group_cache_parse(text, bytes, VS_GROUP_VERSION_2);
    free(text);
    return 0;
}
