/* watch_dlsym.c: preloaded: writes a line for each look-up of a name of cuDNN: in which library, which name.
 *
 * With WATCH_ANSWER=global it answers from the global scope, as a careless hook would: there the name is
 * libcudnn.so.9's own function again. After 1000 look-ups it ends the process with status 42. */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((visibility("default"))) void *dlsym(void *restrict handle, const char *restrict name)
{
    static void *(*real)(void *, const char *);
    static int look_ups;
    const struct link_map *library = handle;
    const char *slash;

    if (real == NULL)
        real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (strncmp(name, "cudnn", 5) != 0)
        return real(handle, name);
    slash = strrchr(library->l_name, '/');
    printf("%s %s\n", slash != NULL ? slash + 1 : library->l_name, name);
    if (++look_ups == 1000)
        _exit(42);
    return getenv("WATCH_ANSWER") != NULL ? real(RTLD_DEFAULT, name) : real(handle, name);
}
