/* look_up.c: see look_up.h. */
#include "look_up.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "activate.h"
#include "hook.h"
#include "resolve.h"

/* Read by loader.S: look-ups of the driver's names come here. True until the constructor knows better. */
unsigned char vs_dlsym_answers __attribute__((visibility("hidden"))) = 1;
/* From there, by a jump: so the caller's return address is this function's own. */
void *vs_dlsym_answer(void *library, const char *name) __attribute__((visibility("hidden")));

void vs_look_up_start(void)
{
    if (!vs_configured())
        vs_dlsym_answers = 0;
}

/* --- Who patches in place ----------------------------------------------------------------------------------------- */

/* Exported by libraries that do. */
static const char *const marks[] = {
    "aimdo_setup_hooks", /* comfy-aimdo, which hides the funchook that it is built with */
    "funchook_install",
    "subhook_install",
};

bool vs_look_up_is_known_patcher(const char *path)
{
    bool found = false;
    void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    for (size_t i = 0; library && !found && i < sizeof marks / sizeof *marks; i++)
        found = vs_real_dlsym(library, marks[i]);
    if (library)
        dlclose(library);
    dlerror(); /* what was not found is nothing for the program to read */
    return found;
}

static bool patches_in_place(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) && info.dli_fname && vs_look_up_is_known_patcher(info.dli_fname);
}

/* What `caller` is given for entry `index`, whose real function is `real`. */
static void *answer(unsigned index, void *real, const void *caller)
{
    void *ours = vs_resolve_look_up(index, real);
    return ours != real && vs_entries[index].accounted && patches_in_place(caller) ? real : ours;
}

/* --- dlsym -------------------------------------------------------------------------------------------------------- */

static int find_symbol(const char *symbol)
{
    for (unsigned i = 0; i < VS_ENTRY_COUNT; i++)
        if (vs_entries[i].library == VS_LIBRARY_LIBCUDA && strcmp(vs_entries[i].symbol, symbol) == 0)
            return (int)i;
    return -1;
}

void *vs_dlsym_answer(void *library, const char *name)
{
    void *found = vs_real_dlsym(library, name);
    int index = found && vs_configured() ? find_symbol(name) : -1;
    if (index < 0)
        return found; /* and dlerror tells why, where it is NULL */
    int saved_errno = errno;
    if (vs_resolve_real((unsigned)index) == found)
        found = answer((unsigned)index, found, __builtin_return_address(0));
    errno = saved_errno;
    return found;
}

/* --- cuGetProcAddress --------------------------------------------------------------------------------------------- */

/* What the driver hands out for each entry of its own. Threads that race ask the same and are told the same. */
static _Atomic(void *) handed_out[VS_ENTRY_COUNT];
static atomic_bool asked;

static void ask_driver(void)
{
    int index = find_symbol("cuGetProcAddress_v2");
    __typeof__(&cuGetProcAddress_v2) get = (__typeof__(get))vs_resolve_real((unsigned)index);
    for (unsigned i = 0; get && i < VS_ENTRY_COUNT; i++) {
        const struct vs_entry *entry = &vs_entries[i];
        CUdriverProcAddressQueryResult status;
        void *pointer = NULL;
        if (entry->library != VS_LIBRARY_LIBCUDA)
            continue;
        if (get(entry->name, &pointer, entry->since,
                entry->per_thread ? CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM : CU_GET_PROC_ADDRESS_LEGACY_STREAM,
                &status) != CUDA_SUCCESS)
            pointer = NULL;
        atomic_store(&handed_out[i], pointer);
    }
    atomic_store_explicit(&asked, true, memory_order_release);
}

/* Which of them this is the pointer of, by the name that was asked for; -1: none. Where a driver has one function for
 * both twins, the flag tells which was meant. */
static int find_handed_out(const char *name, bool per_thread, const void *function)
{
    int found = -1;
    for (unsigned i = 0; i < VS_ENTRY_COUNT; i++) {
        const struct vs_entry *entry = &vs_entries[i];
        void *pointer = atomic_load_explicit(&handed_out[i], memory_order_relaxed);
        if (!pointer || (pointer != function && vs_entry_points[i] != function))
            continue;
        if (strcmp(entry->name, name) != 0 || !vs_resolve_real(i)) /* the twin may not be exported */
            continue;
        if (found < 0 || (entry->per_thread == per_thread && vs_entries[found].per_thread != per_thread))
            found = (int)i;
    }
    return found;
}

void *vs_look_up_answer(const char *name, bool per_thread, void *function, const void *caller)
{
    if (!name || !function)
        return function;
    if (!atomic_load_explicit(&asked, memory_order_acquire))
        ask_driver();
    int found = find_handed_out(name, per_thread, function);
    return found < 0 ? function : answer((unsigned)found, atomic_load(&handed_out[found]), caller);
}
