/*
 * What Linux tells of the host's memory: the texts of /proc/meminfo and of the files of control groups, of both
 * versions. Pure: opens nothing, allocates nothing, takes any bytes. Sizes are bytes.
 *
 * A text need not end in NUL. One that was cut off in the middle of a line loses that line before it is given here.
 */
#ifndef VRAMSPAN_POLICY_HOST_MEMORY_TEXT_H
#define VRAMSPAN_POLICY_HOST_MEMORY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No limit, or not known: more than any host has. */
#define VS_HOST_BYTES_UNKNOWN UINT64_MAX

struct vs_meminfo {
    uint64_t total_bytes;
    uint64_t available_bytes; /* without swapping, as the kernel estimates; else what is free or cached */
};

/* False where the text tells nothing of what is available (*meminfo has the unknown then, total_bytes apart). */
bool vs_meminfo_parse(const char *text, size_t length, struct vs_meminfo *meminfo);

enum vs_group_version { VS_GROUP_VERSION_1, VS_GROUP_VERSION_2 };

/* A process's control group for memory, by /proc/self/cgroup. */
struct vs_group_path {
    enum vs_group_version version;
    const char *text; /* in the text: "/user.slice/x", at least "/"; not NUL-terminated */
    size_t length;
};

/* False where the text names none. Of a group outside of what the process can see (`/../x`), the path is "/". */
bool vs_group_path_parse(const char *text, size_t length, struct vs_group_path *path);
/* The same for one version; version 1 may be named and not be there to look at. */
bool vs_group_path_of(const char *text, size_t length, enum vs_group_version version, struct vs_group_path *path);

/* memory.max, memory.current and their kin: a number, or `max`, which is the unknown. False for anything else. */
bool vs_group_size_parse(const char *text, size_t length, uint64_t *bytes);

/* memory.stat: file cache of the group and those below it that the kernel can drop at once; 0 where it is not told. */
uint64_t vs_group_cache_parse(const char *text, size_t length, enum vs_group_version version);

#endif
