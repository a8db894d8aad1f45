/*
 * Reading of model files. See input.h.
 */
#include "input.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

int vs_refuse(struct vs_diags *diags, const char *name, const char *hint, const char *format, ...)
{
    const struct vs_source source = {.name = name};
    va_list arguments;
    va_start(arguments, format);
    vs_diag_vadd(diags, VS_ERROR, vs_place_of_file(&source), format, arguments);
    va_end(arguments);
    vs_diag_hint(diags, "%s", hint);
    return -1;
}

int vs_input_read(const struct vs_input *input, void *buffer, size_t bytes, uint64_t offset)
{
    char text[128];
    if (offset > input->bytes || bytes > input->bytes - offset)
        return vs_input_refuse(
            input, VS_HINT_PARTIAL, "the file ends at byte %" PRIu64 ", inside its header", input->bytes);
    for (size_t done = 0; done < bytes;) {
        ssize_t count = input->read_at(input->context, (char *)buffer + done, bytes - done, offset + done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return vs_input_refuse(input, "check the disk and the file's permissions",
                "cannot read the model's header: %s", strerror_r(errno, text, sizeof text));
        if (!count || (size_t)count > bytes - done)
            return vs_input_refuse(
                input, VS_HINT_PARTIAL, "the file ends at byte %" PRIu64 ", inside its header", offset + done);
        done += (size_t)count;
    }
    return 0;
}
