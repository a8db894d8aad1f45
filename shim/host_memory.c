/* host_memory.c: see host_memory.h. Texts are read by policy/machine/host_memory_text.h. */
#include "host_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../policy/machine/host_memory_text.h"
#include "log.h"

/* meminfo has 1.5 KB, memory.stat 2 to 5 KB, cgroup of version 1 a dozen lines, each with a path. */
enum { TEXT_BYTES = 8192, PATH_BYTES = 2048 };

/* Version 1 says "no limit" with the largest number of pages that it can count. */
#define NO_LIMIT_BYTES ((uint64_t)1 << 60)

static _Atomic uint64_t kept_bytes;

/* What the driver made for us, and whether the control group is charged for it: as far as the first pieces tell. */
static _Atomic uint64_t lent_bytes;
static atomic_bool is_charged;
static atomic_uint uncharged_pieces;
#define TELLING_PIECES 3

/* --- Files -------------------------------------------------------------------------------------------------------- */

static char root[PATH_BYTES / 2]; /* of all files: "" but in tests and on simulated machines */

static void find_root(void)
{
    const char *name = getenv("VRAMSPAN_PROC_ROOT"), *mark = name ? strstr(name, "%p") : NULL;
    int length = 0;
    if (mark)
        length = snprintf(root, sizeof root, "%.*s%d%s", (int)(mark - name), name, (int)getpid(), mark + 2);
    else if (name)
        length = snprintf(root, sizeof root, "%s", name);
    if (length >= 0 && (size_t)length < sizeof root)
        return;
    root[0] = '\0';
    vs_log(VS_LOG_WARN, "host", "VRAMSPAN_PROC_ROOT is longer than a path can be, and is not followed");
}

/* A path below the root, as long as there is room for it. */
struct path {
    char text[PATH_BYTES];
    size_t length;
};

static bool append(struct path *path, const char *text, size_t length)
{
    if (path->length + length >= sizeof path->text)
        return false;
    memcpy(path->text + path->length, text, length);
    path->length += length;
    path->text[path->length] = '\0';
    return true;
}

static void cut(struct path *path, size_t length)
{
    path->length = length;
    path->text[length] = '\0';
}

static void begin(struct path *path, const char *inside)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_root);
    cut(path, 0);
    append(path, root, strlen(root));
    append(path, inside, strlen(inside));
}

bool vs_host_file_path(const char *inside, char *path, size_t bytes)
{
    struct path whole;
    begin(&whole, inside);
    return whole.length < bytes && strcpy(path, whole.text);
}

struct text {
    char bytes[TEXT_BYTES];
    size_t length;
};

/* Reads a file whole, or as many lines of it as there is room for. False, and errno, where it cannot be read. */
static bool read_text(const char *path, struct text *text)
{
    ssize_t count = 0;
    int file;
    text->length = 0;
    do
        file = open(path, O_RDONLY | O_CLOEXEC);
    while (file < 0 && errno == EINTR);
    if (file < 0)
        return false;
    do {
        count = read(file, text->bytes + text->length, sizeof text->bytes - text->length);
        if (count > 0)
            text->length += (size_t)count;
    } while (text->length < sizeof text->bytes && (count > 0 || (count < 0 && errno == EINTR)));
    int error = errno;
    close(file);
    errno = error;
    if (text->length == sizeof text->bytes) /* perhaps cut within a line, whose number would be another one */
        while (text->length > 0 && text->bytes[text->length - 1] != '\n')
            text->length--;
    return count >= 0;
}

/* Once a process: the same files are asked hundreds of times in a load. */
static void tell_odd(atomic_bool *told, const char *path, const char *consequence)
{
    if (!atomic_exchange(told, true))
        vs_log(VS_LOG_WARN, "host", "%s cannot be read, or says nothing that is understood: %s", path, consequence);
}

/* --- What limits -------------------------------------------------------------------------------------------------- */

static void name_file(struct vs_host_memory *memory, const char *path)
{
    size_t length = strlen(path), room = sizeof memory->limited_by;
    memcpy(memory->limited_by, length < room ? path : path + length + 1 - room, length < room ? length + 1 : room);
}

/* One of the things that end the host's memory; `path` says it. */
static void limit(struct vs_host_memory *memory, uint64_t capacity_bytes, uint64_t left_bytes, const char *path)
{
    if (capacity_bytes < memory->capacity_bytes)
        memory->capacity_bytes = capacity_bytes;
    if (left_bytes >= memory->left_bytes)
        return;
    memory->left_bytes = left_bytes;
    name_file(memory, path);
}

static void look_at_machine(struct vs_host_memory *memory)
{
    static atomic_bool told;
    struct path path;
    struct text text;
    struct vs_meminfo meminfo = {VS_HOST_BYTES_UNKNOWN, VS_HOST_BYTES_UNKNOWN};
    begin(&path, "/proc/meminfo");
    if (!read_text(path.text, &text) || !vs_meminfo_parse(text.bytes, text.length, &meminfo))
        tell_odd(&told, path.text,
            "how much memory the host has left is not known, so `cpu` lends until the driver refuses; let the policy "
            "limit it (`donors: [\"cpu:16gb\"]`), or mount /proc");
    limit(memory, meminfo.total_bytes, meminfo.available_bytes, path.text);
}

/* The files of both versions of control groups; memory.stat is another one in each. */
static const struct hierarchy {
    const char *mount;
    const char *limits[2]; /* where one of them is reached, the group's processes wait or are ended */
    const char *used;
} hierarchies[] = {
    [VS_GROUP_VERSION_1] = {"/sys/fs/cgroup/memory", {"/memory.limit_in_bytes"}, "/memory.usage_in_bytes"},
    [VS_GROUP_VERSION_2] = {"/sys/fs/cgroup", {"/memory.max", "/memory.high"}, "/memory.current"},
};

enum reading { READ, ABSENT, ODD };

/* The size in a file of the group in `folder`. */
static enum reading read_size(struct path *folder, const char *file, struct text *text, uint64_t *bytes)
{
    size_t length = folder->length;
    bool there = append(folder, file, strlen(file)) && read_text(folder->text, text);
    bool absent = !there && (errno == ENOENT || errno == ENOTDIR);
    bool good = there && vs_group_size_parse(text->bytes, text->length, bytes);
    cut(folder, length);
    return good ? READ : absent ? ABSENT : ODD;
}

static void tell_odd_file(atomic_bool *told, struct path *folder, const char *file, const char *consequence)
{
    size_t length = folder->length;
    append(folder, file, strlen(file));
    tell_odd(told, folder->text, consequence);
    cut(folder, length);
}

static uint64_t read_cache(struct path *folder, enum vs_group_version version, struct text *text)
{
    static const char file[] = "/memory.stat";
    size_t length = folder->length;
    uint64_t bytes = 0;
    if (append(folder, file, sizeof file - 1) && read_text(folder->text, text))
        bytes = vs_group_cache_parse(text->bytes, text->length, version);
    cut(folder, length);
    return bytes;
}

/* What counts against a limit there: not what the kernel would drop. False where it is not told. */
static bool read_used(struct path *folder, enum vs_group_version version, struct text *text, uint64_t *used_bytes)
{
    if (read_size(folder, hierarchies[version].used, text, used_bytes) != READ)
        return false;
    uint64_t cache_bytes = read_cache(folder, version, text);
    *used_bytes = *used_bytes > cache_bytes ? *used_bytes - cache_bytes : 0;
    return true;
}

/* One level. What is used counts only where there is a limit: most groups have none, and are done with one look.
 * Returns whether there is anything that could limit. */
static bool look_at_group(struct vs_host_memory *memory, struct path *folder, enum vs_group_version version)
{
    static atomic_bool told_limit, told_used;
    const struct hierarchy *hierarchy = &hierarchies[version];
    const char *file = NULL;
    uint64_t limit_bytes = NO_LIMIT_BYTES, bytes, used_bytes = 0;
    bool any = false;
    struct text text;
    for (size_t i = 0; i < 2 && hierarchy->limits[i]; i++) {
        enum reading reading = read_size(folder, hierarchy->limits[i], &text, &bytes);
        any |= reading != ABSENT;
        if (reading == ODD)
            tell_odd_file(&told_limit, folder, hierarchy->limits[i], "this limit of the control group is not followed");
        if (reading != READ || bytes >= limit_bytes)
            continue;
        limit_bytes = bytes;
        file = hierarchy->limits[i];
    }
    if (!file)
        return any;
    bool is_known = read_used(folder, version, &text, &used_bytes);
    if (!is_known)
        tell_odd_file(&told_used, folder, hierarchy->used,
            "how much the control group has left is not known, so `cpu` lends up to all of its limit; let the policy "
            "limit it (`donors: [\"cpu:16gb\"]`)");
    if (!is_known || (!atomic_load(&is_charged) && atomic_load(&uncharged_pieces) > 0))
        used_bytes += atomic_load(&lent_bytes);
    size_t length = folder->length;
    append(folder, file, strlen(file));
    limit(memory, limit_bytes, limit_bytes > used_bytes ? limit_bytes - used_bytes : 0, folder->text);
    cut(folder, length);
    return true;
}

/* The folder of a group: below the mount as /proc/self/cgroup has it; where the mount shows a part of the hierarchy
 * only (containers), as much of the path's end as is there, which may be nothing: then the mount is the group. */
static void find_folder(struct path *folder, struct vs_group_path group)
{
    size_t mount_length = folder->length;
    while (group.length > 1) {
        if (append(folder, group.text, group.length) && access(folder->text, F_OK) == 0)
            return;
        cut(folder, mount_length);
        const char *next = memchr(group.text + 1, '/', group.length - 1);
        size_t skipped = next ? (size_t)(next - group.text) : group.length;
        group.text += skipped;
        group.length -= skipped;
    }
}

/* /proc/self/cgroup. False where there is none. */
static bool read_groups(struct text *text)
{
    static atomic_bool told;
    struct path path;
    struct vs_group_path group;
    begin(&path, "/proc/self/cgroup");
    bool read = read_text(path.text, text);
    if (!read && errno == ENOENT)
        return false; /* a kernel without control groups */
    if (read && vs_group_path_parse(text->bytes, text->length, &group))
        return true;
    if (text->length > 0)
        tell_odd(&told, path.text, "limits of a control group are not followed");
    return false;
}

/* The folder of this process's group; false where it is in none of that version. */
static bool find_group(const struct text *groups, enum vs_group_version version, struct path *path, size_t *mount)
{
    struct vs_group_path group;
    if (!vs_group_path_of(groups->bytes, groups->length, version, &group))
        return false;
    begin(path, hierarchies[version].mount);
    *mount = path->length;
    find_folder(path, group);
    return true;
}

/* Memory is limited by version 1 where that lists it; but a container may be shown version 2 only. */
static void look_at_groups(struct vs_host_memory *memory)
{
    static atomic_bool told;
    bool any = false, is_first = false;
    struct path path;
    struct text groups;
    size_t mount;
    if (!read_groups(&groups))
        return;
    for (enum vs_group_version version = VS_GROUP_VERSION_1; version <= VS_GROUP_VERSION_2 && !any; version++) {
        if (!find_group(&groups, version, &path, &mount))
            continue;
        is_first |= version == VS_GROUP_VERSION_1;
        any = look_at_group(memory, &path, version);
        while (path.length > mount) {
            while (path.text[path.length - 1] != '/')
                path.length--;
            cut(&path, path.length - 1);
            any |= look_at_group(memory, &path, version);
        }
    }
    if (any || !is_first) /* a group of version 2 has no such files where nothing limits memory */
        return;
    begin(&path, hierarchies[VS_GROUP_VERSION_1].mount);
    tell_odd(&told, path.text, "limits of a control group are not followed; mount it, or let the policy limit `cpu`");
}

void vs_host_memory_look(struct vs_host_memory *memory)
{
    *memory = (struct vs_host_memory){VS_HOST_BYTES_UNKNOWN, VS_HOST_BYTES_UNKNOWN, ""};
    look_at_machine(memory);
    look_at_groups(memory);
}

/* --- Lending ------------------------------------------------------------------------------------------------------ */

uint64_t vs_host_memory_before_lending(void)
{
    struct path path;
    struct text groups, text;
    size_t mount;
    uint64_t used_bytes;
    if (atomic_load(&is_charged) || atomic_load(&uncharged_pieces) >= TELLING_PIECES || !read_groups(&groups))
        return VS_HOST_BYTES_UNKNOWN;
    for (enum vs_group_version version = VS_GROUP_VERSION_1; version <= VS_GROUP_VERSION_2; version++)
        if (find_group(&groups, version, &path, &mount) && read_used(&path, version, &text, &used_bytes))
            return used_bytes;
    return VS_HOST_BYTES_UNKNOWN;
}

void vs_host_memory_lent(size_t bytes, uint64_t before_bytes)
{
    uint64_t after_bytes = before_bytes == VS_HOST_BYTES_UNKNOWN ? before_bytes : vs_host_memory_before_lending();
    atomic_fetch_add(&lent_bytes, bytes);
    if (after_bytes == VS_HOST_BYTES_UNKNOWN)
        return;
    if (after_bytes >= before_bytes + bytes / 2)
        atomic_store(&is_charged, true);
    else
        atomic_fetch_add(&uncharged_pieces, 1);
}

void vs_host_memory_returned(size_t bytes)
{
    atomic_fetch_sub(&lent_bytes, bytes);
}

void vs_host_memory_keep(uint64_t reserve_bytes)
{
    atomic_store(&kept_bytes, reserve_bytes);
}

static bool has_room(const struct vs_host_memory *memory, size_t bytes)
{
    uint64_t reserve_bytes = atomic_load(&kept_bytes);
    return memory->left_bytes == VS_HOST_BYTES_UNKNOWN ||
           (memory->left_bytes >= reserve_bytes && memory->left_bytes - reserve_bytes >= bytes);
}

bool vs_host_memory_has_room(size_t bytes)
{
    struct vs_host_memory memory;
    vs_host_memory_look(&memory);
    return has_room(&memory, bytes);
}

void vs_host_memory_tell_full(size_t bytes)
{
    static atomic_bool told;
    struct vs_host_memory memory;
    vs_host_memory_look(&memory);
    if (has_room(&memory, bytes) || atomic_exchange(&told, true))
        return;
    bool is_machine = strstr(memory.limited_by, "/proc/meminfo") != NULL;
    vs_log(VS_LOG_WARN, "host",
        "host memory is full: %.0f MB are left, says %s%s, and `host-reserve` keeps %.0f MB of them; let less go to "
        "`cpu`, %s, or lower `host-reserve`",
        (double)memory.left_bytes / (1 << 20), memory.limited_by, is_machine ? " (MemAvailable)" : "",
        (double)atomic_load(&kept_bytes) / (1 << 20),
        is_machine ? "end what else runs on the machine" : "raise that limit of the control group or container");
}
