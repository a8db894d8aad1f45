/* neighbours.c: see neighbours.h. */
#include "neighbours.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../policy/text/file.h"
#include "deep_bind.h"
#include "hook.h"
#include "log.h"
#include "look_up.h"
#include "resolve.h"

/* A library, and the functions that it was found at. */
struct neighbour {
    const void *base; /* where it is loaded; NULL: code that is in no library */
    const char *path;
    const char *first; /* function */
    unsigned count;
};

struct found {
    struct neighbour neighbours[8]; /* the first are enough to know of */
    size_t count;
};

static void add(struct found *found, const Dl_info *info, const char *function)
{
    size_t i = 0;
    while (i < found->count && found->neighbours[i].base != info->dli_fbase)
        i++;
    if (i == sizeof found->neighbours / sizeof *found->neighbours)
        return;
    if (i == found->count)
        found->neighbours[found->count++] =
            (struct neighbour){info->dli_fbase, info->dli_fname ? info->dli_fname : "code of no library", function, 0};
    found->neighbours[i].count++;
}

/* "cuMemAlloc_v2 and 5 more functions of CUDA" */
static const char *functions_of(const struct neighbour *neighbour, char text[128])
{
    unsigned more = neighbour->count - 1;
    if (more == 0)
        snprintf(text, 128, "%s", neighbour->first);
    else
        snprintf(text, 128, "%s and %u more function%s of CUDA", neighbour->first, more, more == 1 ? "" : "s");
    return text;
}

/* --- Patched in place --------------------------------------------------------------------------------------------- */

/* Where the code at `at` jumps at once; NULL where it does not. The forms that patchers write on x86-64. */
__attribute__((no_sanitize("address", "undefined"))) static const unsigned char *jump_of(const unsigned char *at)
{
    uint64_t absolute;
    int32_t relative;
    if (memcmp(at, "\xf3\x0f\x1e\xfa", 4) == 0) /* a landing pad */
        at += 4;
    memcpy(&relative, at + 1, sizeof relative);
    if (at[0] == 0xe9) /* jmp relative */
        return at + 5 + relative;
    if (at[0] == 0xff && at[1] == 0x25) { /* jmp through a pointer */
        memcpy(&relative, at + 2, sizeof relative);
        memcpy(&absolute, at + 6 + relative, sizeof absolute);
        return (const unsigned char *)(uintptr_t)absolute;
    }
    bool loads_rax = at[0] == 0x48 && at[1] == 0xb8 && at[10] == 0xff && at[11] == 0xe0;
    bool loads_r11 = at[0] == 0x49 && at[1] == 0xbb && at[10] == 0x41 && at[11] == 0xff && at[12] == 0xe3;
    if (!loads_rax && !loads_r11)
        return NULL;
    memcpy(&absolute, at + 2, sizeof absolute); /* mov absolute, jmp register */
    return (const unsigned char *)(uintptr_t)absolute;
}

/* Whether the function does not go on in its own library, and where it does: patchers jump by way of pages of theirs.
 */
static bool leads_away(const void *function, Dl_info *to)
{
    Dl_info own;
    const unsigned char *at = jump_of(function);
    if (!at || !dladdr(function, &own))
        return false;
    for (int hops = 0; at && hops < 8; hops++) {
        *to = (Dl_info){0};
        if (dladdr(at, to) && to->dli_fbase != own.dli_fbase)
            return true;
        if (to->dli_fbase == own.dli_fbase && hops > 0)
            return false;
        at = jump_of(at);
    }
    return to->dli_fbase != own.dli_fbase;
}

static void find_patchers(struct found *found)
{
    Dl_info to;
    for (unsigned i = 0; i < VS_ENTRY_COUNT; i++) {
        const void *real = __atomic_load_n(vs_entries[i].real, __ATOMIC_ACQUIRE);
        if (vs_entries[i].library == VS_LIBRARY_LIBCUDA && real && leads_away(real, &to))
            add(found, &to, vs_entries[i].symbol);
    }
}

static void tell_patchers(void)
{
    static _Atomic(const void *) told[8];
    static const char nobody;
    struct found found = {0};
    char functions[128];
    find_patchers(&found);
    for (size_t i = 0; i < found.count; i++) {
        const struct neighbour *one = &found.neighbours[i];
        const void *name = one->base ? one->base : &nobody, *none = NULL;
        size_t at = 0;
        while (at < 8 && !atomic_compare_exchange_strong(&told[at], &none, name) && none != name) {
            none = NULL;
            at++;
        }
        if (at == 8 || none == name)
            continue;
        if (vs_look_up_is_known_patcher(one->path))
            vs_log(VS_LOG_INFO, "neighbours", "%s watches %s, patched in place; vramspan works with it", one->path,
                functions_of(one, functions));
        else
            vs_log(VS_LOG_WARN, "neighbours",
                "%s has patched %s in place, and sees the calls that vramspan makes of them; where weights do not lie "
                "as "
                "planned, leave it out",
                one->path, functions_of(one, functions));
    }
}

/* --- The same symbols --------------------------------------------------------------------------------------------- */

static bool is_nvidias(const char *path)
{
    static const char *const stems[] = {"libcudart", "libcuda.", "libcublas"};
    const char *name = vs_base_name(path);
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
        if (strncmp(name, stems[i], strlen(stems[i])) == 0)
            return true;
    return false;
}

/* Who defines a symbol of ours in the global scope: before us, so that it is called instead, or behind. */
static void find_interposers(struct found *before, struct found *behind)
{
    Dl_info info;
    for (unsigned i = 0; i < VS_ENTRY_COUNT; i++) {
        const struct vs_entry *entry = &vs_entries[i];
        if (entry->library == VS_LIBRARY_LIBC || entry->major != 0)
            continue;
        void *first = vs_real_dlsym(RTLD_DEFAULT, entry->symbol), *next = vs_real_dlsym(RTLD_NEXT, entry->symbol);
        if (first && first != vs_entry_points[i] && dladdr(first, &info))
            add(before, &info, entry->symbol);
        if (next && dladdr(next, &info) && !is_nvidias(info.dli_fname))
            add(behind, &info, entry->symbol);
    }
    dlerror(); /* what was not found is nothing for the program to read */
}

static void tell_interposers(void)
{
    static atomic_bool told;
    struct found before = {0}, behind = {0};
    char functions[128];
    if (atomic_exchange(&told, true))
        return;
    find_interposers(&before, &behind);
    for (size_t i = 0; i < before.count; i++)
        vs_log(VS_LOG_WARN, "neighbours",
            "%s takes over %s before vramspan, which does not see the program's own calls then; put libvramspan.so "
            "first in "
            "LD_PRELOAD, or leave the other one out",
            before.neighbours[i].path, functions_of(&before.neighbours[i], functions));
    for (size_t i = 0; i < behind.count; i++)
        vs_log(VS_LOG_WARN, "neighbours",
            "%s takes over %s as well, and is not asked: vramspan, which comes before it, calls NVIDIA's own; leave "
            "one of "
            "the two out",
            behind.neighbours[i].path, functions_of(&behind.neighbours[i], functions));
}

void vs_neighbours_tell(void)
{
    tell_patchers();
    tell_interposers();
    vs_deep_bind_tell();
}
