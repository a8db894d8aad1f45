/*
 * Files, read whole or in part. See file.h.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_errno(struct vs_diags *diags, const struct vs_source *source, const char *what, int error)
{
    char buffer[128];
    vs_diag_add(diags, VS_ERROR, vs_place_of_file(source), "cannot read the %s: %s", what,
        strerror_r(error, buffer, sizeof buffer));
    if (error == ENOENT)
        vs_diag_hint(diags, "check the path; a relative path counts from the folder in which the program was started");
    else if (error == EACCES)
        vs_diag_hint(diags, "make the file and its folders readable to the user who runs the program");
    else if (error == EISDIR)
        vs_diag_hint(diags, "name a file in it");
}

int vs_file_read(
    const char *path, const char *what, size_t max_bytes, char **data, size_t *bytes, struct vs_diags *diags)
{
    const struct vs_source source = {.name = path};
    char *buffer = NULL;
    size_t length = 0, capacity = 0;
    int descriptor;

    do
        descriptor = open(path, O_RDONLY | O_CLOEXEC);
    while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) {
        add_errno(diags, &source, what, errno);
        return -1;
    }
    for (;;) {
        if (length + 1 >= capacity) {
            capacity = capacity ? capacity * 2 : 8192;
            char *larger = realloc(buffer, capacity);
            if (!larger) {
                vs_diag_out_of_memory(diags);
                goto fail;
            }
            buffer = larger;
        }
        ssize_t count = read(descriptor, buffer + length, capacity - length - 1);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            add_errno(diags, &source, what, errno);
            goto fail;
        }
        if (!count)
            break;
        length += (size_t)count;
        if (length > max_bytes) {
            vs_diag_add(diags, VS_ERROR, vs_place_of_file(&source), "the %s is larger than %zu bytes", what, max_bytes);
            vs_diag_hint(diags, "check that this is the file that was meant");
            goto fail;
        }
    }
    close(descriptor);
    buffer[length] = '\0';
    *data = buffer;
    *bytes = length;
    return 0;
fail:
    close(descriptor);
    free(buffer);
    return -1;
}

int vs_file_open(const char *path, const char *what, uint64_t *bytes, struct vs_diags *diags)
{
    const struct vs_source source = {.name = path};
    struct stat status;
    int descriptor, error = 0;

    do /* not to wait for the other end of a named pipe */
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0 || fstat(descriptor, &status) < 0) {
        error = errno;
        add_errno(diags, &source, what, error);
        goto fail;
    }
    if (!S_ISREG(status.st_mode)) {
        error = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        if (error == EISDIR) {
            add_errno(diags, &source, what, error);
        } else {
            vs_diag_add(
                diags, VS_ERROR, vs_place_of_file(&source), "cannot read the %s: it is not a regular file", what);
            vs_diag_hint(diags, "name the file itself, not a device or a pipe");
        }
        goto fail;
    }
    *bytes = (uint64_t)status.st_size;
    return descriptor;
fail:
    if (descriptor >= 0)
        close(descriptor);
    errno = error;
    return -1;
}

ssize_t vs_file_pread(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return pread(*(const int *)context, buffer, bytes, (off_t)offset);
}

const char *vs_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
