/* resolve.c: finds real functions and points the slots. See resolve.h. */
#include "resolve.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activate.h"
#include "devices.h"
#include "hook.h"
#include "log.h"
#include "look_up.h"

extern void *vs_slots[VS_ENTRY_COUNT] __attribute__((visibility("hidden")));

__thread int vs_depth __attribute__((tls_model("initial-exec")));

static const struct {
    const char *stem;   /* file names of every copy begin so: torchvision ships libcudart.faf08d9a.so.13 */
    const char *soname; /* of the one without versioned symbols, else NULL */
    bool versioned;     /* symbols carry the version node STEM.so.MAJOR */
} libraries[] = {
    [VS_LIBRARY_CUDART] = {"libcudart", NULL, true},
    [VS_LIBRARY_CUBLAS] = {"libcublas", NULL, true},
    [VS_LIBRARY_CUBLASLT] = {"libcublasLt", NULL, true},
    [VS_LIBRARY_LIBCUDA] = {"libcuda", "libcuda.so.1", false},
    [VS_LIBRARY_LIBC] = {"libc", NULL, false},
};

static const int known_majors[] = {13, 12};

/* --- Loaded libraries --------------------------------------------------------------------------------------------- */

struct search {
    const char *stem;
    int major;
    char path[512];
};

/* Matches STEM.so.MAJOR and STEM.anything.so.MAJOR (copies renamed by auditwheel). */
static int match_library(struct dl_phdr_info *info, size_t bytes, void *data)
{
    (void)bytes;
    struct search *search = data;
    const char *name = strrchr(info->dlpi_name, '/');
    name = name ? name + 1 : info->dlpi_name;
    size_t stem_length = strlen(search->stem);
    if (strncmp(name, search->stem, stem_length) != 0 || (name[stem_length] != '.' && name[stem_length] != '-'))
        return 0;
    const char *so = strstr(name + stem_length, ".so");
    if (!so || (search->major && (so[3] != '.' || strtol(so + 4, NULL, 10) != search->major)))
        return 0;
    if (strlen(info->dlpi_name) >= sizeof search->path)
        return 0;
    strcpy(search->path, info->dlpi_name);
    return 1;
}

static void *handle_of_copy(const char *stem, int major)
{
    struct search search = {.stem = stem, .major = major};
    if (!dl_iterate_phdr(match_library, &search))
        return NULL;
    return dlopen(search.path, RTLD_LAZY | RTLD_NOLOAD);
}

void *vs_loaded_library(enum vs_library library, int major)
{
    if (libraries[library].soname)
        return dlopen(libraries[library].soname, RTLD_LAZY | RTLD_NOLOAD);
    for (size_t i = 0; i < sizeof known_majors / sizeof *known_majors; i++) {
        if (major && known_majors[i] != major)
            continue;
        char soname[64];
        snprintf(soname, sizeof soname, "%s.so.%d", libraries[library].stem, known_majors[i]);
        void *handle = dlopen(soname, RTLD_LAZY | RTLD_NOLOAD);
        if (!handle)
            handle = handle_of_copy(libraries[library].stem, known_majors[i]);
        if (handle)
            return handle;
    }
    return major ? NULL : handle_of_copy(libraries[library].stem, 0);
}

/* --- Real functions ----------------------------------------------------------------------------------------------- */

static void *find_real(const struct vs_entry *entry, void *handle)
{
    if (entry->library == VS_LIBRARY_LIBC)
        return vs_real_dlsym(RTLD_NEXT, entry->symbol);
    if (!handle)
        return NULL;
    if (!libraries[entry->library].versioned || !entry->major)
        return vs_real_dlsym(handle, entry->symbol);
    char version[64];
    snprintf(version, sizeof version, "%s.so.%d", libraries[entry->library].stem, entry->major);
    void *found = dlvsym(handle, entry->symbol, version);
    return found ? found : vs_real_dlsym(handle, entry->symbol); /* a copy built without version nodes */
}

/* What fill_real could not find. */
struct missing {
    bool library; /* all of it: not loaded */
    unsigned count;
    const char *first; /* symbol */
    const char *path;  /* of the library, or its name */
};

static const char *path_of(void *handle, enum vs_library library)
{
    struct link_map *map = NULL;
    if (handle && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map->l_name[0])
        return map->l_name;
    return libraries[library].stem;
}

/* Fills in the real functions of one library version that are not known yet. No lock of ours is held here, since the
 * look-ups take the loader's, under which constructors of other libraries may be waiting for us. Threads that race fill
 * in the same; the first store of a function stays, so that hooks can read it without care. */
static struct missing fill_real(enum vs_library library, int major)
{
    void *handle = library == VS_LIBRARY_LIBC ? NULL : vs_loaded_library(library, major);
    struct missing missing = {.library = library != VS_LIBRARY_LIBC && !handle, .path = path_of(handle, library)};
    for (unsigned i = 0; i < VS_ENTRY_COUNT; i++) {
        const struct vs_entry *entry = &vs_entries[i];
        if (entry->library != library || entry->major != major || __atomic_load_n(entry->real, __ATOMIC_ACQUIRE))
            continue;
        void *real = find_real(entry, handle), *none = NULL;
        if (real)
            __atomic_compare_exchange_n(entry->real, &none, real, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        else if (!entry->optional && missing.count++ == 0)
            missing.first = entry->symbol;
    }
    dlerror(); /* what was not found is nothing for the program to read */
    return missing;
}

/* Stands in for a function that is not there. 500 is "symbol not found" in the runtime and in the driver, and an error
 * to cuBLAS callers. */
static int missing_function(void)
{
    return 500;
}

/* Programs that ask whether CUDA is there find our symbols where it is not, and understand this answer: it is that of
 * a driver without devices, CUDA_ERROR_NO_DEVICE and cudaErrorNoDevice. */
static int no_device(void)
{
    return 100;
}

static int count_no_device(int *count)
{
    if (count)
        *count = 0;
    return no_device();
}

static void *pass_to(const struct vs_entry *entry)
{
    void *real = __atomic_load_n(entry->real, __ATOMIC_ACQUIRE);
    if (real)
        return real;
    if (strcmp(entry->symbol, "cuInit") == 0)
        return (void *)no_device;
    if (strcmp(entry->symbol, "cuDeviceGetCount") == 0 || strcmp(entry->symbol, "cudaGetDeviceCount") == 0)
        return (void *)count_no_device;
    return (void *)missing_function;
}

/* What hides devices needs none of the other functions, and must not end where those are missing. */
static bool leads_to_hook(const struct vs_entry *entry, bool act)
{
    bool as_acting = entry->when == VS_WHEN_ACTING || entry->when == VS_WHEN_EITHER;
    bool as_hiding = entry->when == VS_WHEN_HIDING || entry->when == VS_WHEN_EITHER;
    return (as_acting && act) || (as_hiding && vs_devices_hiding());
}

static void refuse_library(const struct missing *missing)
{
    char remedy[VS_REMEDY_BYTES];
    vs_policy_remedy(remedy);
    vs_give_up("%s lacks %s%s, which this version of vramspan takes over; use CUDA 12 or 13, or %s", missing->path,
        missing->first, missing->count > 1 ? " and other functions" : "", remedy);
}

void *vs_resolve(unsigned index)
{
    int saved_errno = errno;
    const struct vs_entry *entry = &vs_entries[index];
    vs_depth++; /* what activation itself opens and calls is not the program's */
    bool act = entry->library == VS_LIBRARY_LIBC ? vs_configured() : vs_acting();
    struct missing missing = fill_real(entry->library, entry->major);
    if (act && !missing.library && missing.count > 0) {
        if (vs_policy_in_force()) /* else it has been said, for this function or for another one */
            refuse_library(&missing);
        act = false;
    }
    if (entry->library != VS_LIBRARY_LIBC && vs_depth == 1) /* deeper, that itself may be under way */
        vs_devices_settle();
    vs_depth--;
    void *target = *entry->real && leads_to_hook(entry, act) ? entry->act : pass_to(entry);
    if (!missing.library) /* else it may be loaded later: someone looked our symbol up without having the library */
        __atomic_store_n(&vs_slots[index], target, __ATOMIC_RELEASE);
    errno = saved_errno;
    return target;
}

void *vs_resolve_real(unsigned index)
{
    const struct vs_entry *entry = &vs_entries[index];
    if (!__atomic_load_n(entry->real, __ATOMIC_ACQUIRE))
        fill_real(entry->library, entry->major);
    return __atomic_load_n(entry->real, __ATOMIC_ACQUIRE);
}

void *vs_resolve_look_up(unsigned index, void *real)
{
    const struct vs_entry *entry = &vs_entries[index];
    void *target = __atomic_load_n(&vs_slots[index], __ATOMIC_ACQUIRE);
    if (target != entry->act && target != __atomic_load_n(entry->real, __ATOMIC_ACQUIRE))
        target = vs_resolve(index);
    return target == entry->act ? vs_entry_points[index] : real;
}

void vs_resolve_pass_through(void)
{
    for (unsigned i = 0; i < VS_ENTRY_COUNT; i++)
        if (__atomic_load_n(vs_entries[i].real, __ATOMIC_ACQUIRE))
            __atomic_store_n(&vs_slots[i], pass_to(&vs_entries[i]), __ATOMIC_RELEASE);
}

/* The functions of libc are resolved here, where nobody else waits for the loader, and where a look-up cannot take a
 * message from the program's dlerror(). Only a constructor that ran before this one resolves them by its call. */
__attribute__((constructor)) static void resolve_libc(void)
{
    for (unsigned i = 0; i < VS_ENTRY_COUNT; i++)
        if (vs_entries[i].library == VS_LIBRARY_LIBC)
            vs_resolve(i);
    vs_look_up_start();
}
