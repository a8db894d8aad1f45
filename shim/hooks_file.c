/* hooks_file.c: files that the program opens. Only the name's end is looked at, and only files opened for reading: a
 * process that opens no model pays a comparison per open. */
#include "hook.h"

#include <fcntl.h>
#include <string.h>

#include "models.h"

/* The suffixes of files whose tensors are named in their header: safetensors by ComfyUI's loaders, and GGUF. */
static bool is_model_name(const char *path)
{
    static const char *const suffixes[] = {".safetensors", ".sft", ".gguf"};
    size_t length = path ? strlen(path) : 0;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t suffix_length = strlen(suffixes[i]);
        if (length >= suffix_length && strcmp(path + length - suffix_length, suffixes[i]) == 0)
            return true;
    }
    return false;
}

static bool reads_only(int flags)
{
    return (flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_PATH | O_DIRECTORY));
}

static int note_descriptor(int folder, const char *path, int flags, int fd)
{
    if (fd >= 0 && is_model_name(path) && reads_only(flags))
        vs_models_opened(path, folder, fd);
    return fd;
}

static FILE *note_stream(const char *path, const char *mode, FILE *stream)
{
    if (stream && is_model_name(path) && mode[0] == 'r' && !strchr(mode, '+'))
        vs_models_opened(path, AT_FDCWD, fileno(stream));
    return stream;
}

int vs_open(const struct vs_libc *real, const char *path, int flags, unsigned mode)
{
    return note_descriptor(AT_FDCWD, path, flags, real->open(path, flags, mode));
}

int vs_open64(const struct vs_libc *real, const char *path, int flags, unsigned mode)
{
    return note_descriptor(AT_FDCWD, path, flags, real->open64(path, flags, mode));
}

int vs___open_2(const struct vs_libc *real, const char *path, int flags)
{
    return note_descriptor(AT_FDCWD, path, flags, real->__open_2(path, flags));
}

int vs___open64_2(const struct vs_libc *real, const char *path, int flags)
{
    return note_descriptor(AT_FDCWD, path, flags, real->__open64_2(path, flags));
}

int vs_openat(const struct vs_libc *real, int folder, const char *path, int flags, unsigned mode)
{
    return note_descriptor(folder, path, flags, real->openat(folder, path, flags, mode));
}

int vs_openat64(const struct vs_libc *real, int folder, const char *path, int flags, unsigned mode)
{
    return note_descriptor(folder, path, flags, real->openat64(folder, path, flags, mode));
}

FILE *vs_fopen(const struct vs_libc *real, const char *path, const char *mode)
{
    return note_stream(path, mode, real->fopen(path, mode));
}

FILE *vs_fopen64(const struct vs_libc *real, const char *path, const char *mode)
{
    return note_stream(path, mode, real->fopen64(path, mode));
}
