/* deep_bind.c: see deep_bind.h. */
#include "deep_bind.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "activate.h"
#include "log.h"
#include "look_up.h"

/* The first are enough to know of. */
enum { NOTED = 8 };
static _Atomic(char *) noted[NOTED];

void vs_deep_bound(const char *path, int flags)
{
    int saved_errno = errno;
    char *copy = path && !(flags & RTLD_NOLOAD) && vs_configured() ? strdup(path) : NULL;
    for (size_t i = 0; copy && i < NOTED; i++) {
        char *none = NULL;
        if (atomic_compare_exchange_strong(&noted[i], &none, copy))
            copy = NULL;
        else if (strcmp(none, copy) == 0)
            break;
    }
    free(copy);
    errno = saved_errno;
}

/* Whether it or what it depends on is linked against CUDA. A runtime may also be linked into it. */
static bool is_linked_against_cuda(void *library)
{
    static const char *const symbols[] = {"cuInit", "cudaGetDevice", "cublasCreate_v2"};
    bool found = false;
    for (size_t i = 0; !found && i < sizeof symbols / sizeof *symbols; i++)
        found = vs_real_dlsym(library, symbols[i]);
    return found;
}

static void tell(const char *path, void *library)
{
    if (is_linked_against_cuda(library))
        vs_log(VS_LOG_WARN, "neighbours",
            "%s was opened with RTLD_DEEPBIND: its calls of CUDA go past vramspan, and nothing that it allocates is "
            "placed; open it without RTLD_DEEPBIND",
            path);
    else
        vs_log(VS_LOG_INFO, "neighbours",
            "%s was opened with RTLD_DEEPBIND: should it use CUDA, that goes past vramspan; open it without "
            "RTLD_DEEPBIND then",
            path);
}

/* What is noted was asked for before it was opened, which may have failed. */
void vs_deep_bind_tell(void)
{
    static atomic_bool told[NOTED];
    for (size_t i = 0; i < NOTED; i++) {
        const char *path = atomic_load(&noted[i]);
        void *library = path && !atomic_load(&told[i]) ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
        if (library && !atomic_exchange(&told[i], true))
            tell(path, library);
        if (library)
            dlclose(library);
    }
    dlerror(); /* what was not found is nothing for the program to read */
}
