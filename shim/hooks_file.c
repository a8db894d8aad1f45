/* hooks_file.c: files that the program opens. Only the name's end is looked at, and only files opened for reading: a
 * process that opens no model pays a comparison per open. */
#include "hook.h"

#include <fcntl.h>
#include <string.h>

#include "models.h"

static bool is_model_name(const char *path)
{
    static const char suffix[] = ".safetensors";
    size_t length = path ? strlen(path) : 0;
    return length >= sizeof suffix - 1 && strcmp(path + length - (sizeof suffix - 1), suffix) == 0;
}

static bool reads_only(int flags)
{
    return (flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_PATH | O_DIRECTORY));
}

static int note_descriptor(const char *path, int flags, int fd)
{
    if (fd >= 0 && is_model_name(path) && reads_only(flags))
        vs_models_opened(path, fd);
    return fd;
}

static FILE *note_stream(const char *path, const char *mode, FILE *stream)
{
    if (stream && is_model_name(path) && mode[0] == 'r' && !strchr(mode, '+'))
        vs_models_opened(path, fileno(stream));
    return stream;
}

int vs_open(const struct vs_libc *real, const char *path, int flags, unsigned mode)
{
    return note_descriptor(path, flags, real->open(path, flags, mode));
}

int vs_open64(const struct vs_libc *real, const char *path, int flags, unsigned mode)
{
    return note_descriptor(path, flags, real->open64(path, flags, mode));
}

int vs___open_2(const struct vs_libc *real, const char *path, int flags)
{
    return note_descriptor(path, flags, real->__open_2(path, flags));
}

int vs___open64_2(const struct vs_libc *real, const char *path, int flags)
{
    return note_descriptor(path, flags, real->__open64_2(path, flags));
}

int vs_openat(const struct vs_libc *real, int folder, const char *path, int flags, unsigned mode)
{
    return note_descriptor(path, flags, real->openat(folder, path, flags, mode));
}

int vs_openat64(const struct vs_libc *real, int folder, const char *path, int flags, unsigned mode)
{
    return note_descriptor(path, flags, real->openat64(folder, path, flags, mode));
}

FILE *vs_fopen(const struct vs_libc *real, const char *path, const char *mode)
{
    return note_stream(path, mode, real->fopen(path, mode));
}

FILE *vs_fopen64(const struct vs_libc *real, const char *path, const char *mode)
{
    return note_stream(path, mode, real->fopen64(path, mode));
}
