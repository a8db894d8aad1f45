/*
 * Getting a safetensors header out of a file. See safetensors.h; safetensors.c reads what it says.
 */
#include "safetensors.h"

#include "file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int vs_safetensors_header_bytes(const char *name, const unsigned char prefix[VS_SAFETENSORS_PREFIX_BYTES],
    uint64_t file_bytes, size_t *header_bytes, struct vs_diags *diags)
{
    const struct vs_source source = {.name = name};
    uint64_t length = 0;
    for (int i = VS_SAFETENSORS_PREFIX_BYTES; i-- > 0;)
        length = length << 8 | prefix[i];
    if (length > VS_SAFETENSORS_HEADER_MAX) {
        vs_diag_add(diags, VS_ERROR, vs_place_of_file(&source),
            "its header would be %" PRIu64 " bytes long; the safetensors format allows %d", length,
            VS_SAFETENSORS_HEADER_MAX);
        vs_diag_hint(diags, "this is no safetensors file; check how it was downloaded and what it is");
        return -1;
    }
    if (file_bytes < VS_SAFETENSORS_PREFIX_BYTES || length > file_bytes - VS_SAFETENSORS_PREFIX_BYTES) {
        vs_diag_add(diags, VS_ERROR, vs_place_of_file(&source),
            "its header would be %" PRIu64 " bytes long, but the whole file has %" PRIu64, length, file_bytes);
        vs_diag_hint(diags, "the file is not a safetensors file, or an unfinished download; download it again");
        return -1;
    }
    *header_bytes = (size_t)length;
    return 0;
}

/* Reads exactly `bytes` bytes. */
static int read_exactly(const char *name, vs_pread_function *read_at, void *context, void *buffer, size_t bytes,
    uint64_t offset, struct vs_diags *diags)
{
    const struct vs_source source = {.name = name};
    char text[128];
    for (size_t done = 0; done < bytes;) {
        ssize_t count = read_at(context, (char *)buffer + done, bytes - done, offset + done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            vs_diag_add(diags, VS_ERROR, vs_place_of_file(&source), "cannot read the model's header: %s",
                strerror_r(errno, text, sizeof text));
            vs_diag_hint(diags, "check the disk and the file's permissions");
            return -1;
        }
        if (!count || (size_t)count > bytes - done) {
            vs_diag_add(diags, VS_ERROR, vs_place_of_file(&source),
                "the file ends at byte %" PRIu64 ", inside its header", offset + done);
            vs_diag_hint(diags, "the file is not a safetensors file, or an unfinished download; download it again");
            return -1;
        }
        done += (size_t)count;
    }
    return 0;
}

int vs_safetensors_read(const char *name, vs_pread_function *read_at, void *context, uint64_t file_bytes,
    struct vs_safetensors *model, struct vs_diags *diags)
{
    unsigned char prefix[VS_SAFETENSORS_PREFIX_BYTES];
    size_t header_bytes;
    *model = (struct vs_safetensors){0};
    if (read_exactly(name, read_at, context, prefix, sizeof prefix, 0, diags) ||
        vs_safetensors_header_bytes(name, prefix, file_bytes, &header_bytes, diags))
        return -1;
    char *header = malloc(header_bytes + 1);
    if (!header) {
        vs_diag_out_of_memory(diags);
        return -1;
    }
    int result = read_exactly(name, read_at, context, header, header_bytes, sizeof prefix, diags);
    if (!result)
        result = vs_safetensors_parse(name, header, header_bytes, file_bytes, model, diags);
    free(header);
    return result;
}

static ssize_t read_descriptor(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return pread(*(const int *)context, buffer, bytes, (off_t)offset);
}

int vs_safetensors_load(const char *path, struct vs_safetensors *model, struct vs_diags *diags)
{
    uint64_t file_bytes;
    *model = (struct vs_safetensors){0};
    int descriptor = vs_file_open(path, "model", &file_bytes, diags);
    if (descriptor < 0)
        return -1;
    int result = vs_safetensors_read(path, read_descriptor, &descriptor, file_bytes, model, diags);
    close(descriptor);
    return result;
}
