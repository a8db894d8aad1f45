/*
 * /proc/meminfo, /proc/self/cgroup and the files of control groups. See host_memory_text.h.
 *
 * Formats: proc(5); Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
 */
#include "host_memory_text.h"

#include <string.h>

/* A stretch of a text. */
struct piece {
    const char *text;
    size_t length;
};

/* Takes the first line, without its end, off `rest`; false where nothing is left. */
static bool next_line(struct piece *rest, struct piece *line)
{
    if (rest->length == 0)
        return false;
    const char *end = memchr(rest->text, '\n', rest->length);
    size_t length = end ? (size_t)(end - rest->text) : rest->length;
    *line = (struct piece){rest->text, length};
    rest->text += length + (end != NULL);
    rest->length -= length + (end != NULL);
    return true;
}

static bool begins(struct piece piece, const char *word)
{
    size_t length = strlen(word);
    return piece.length >= length && memcmp(piece.text, word, length) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t subtract(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* A number that ends with the piece or with a blank; what 64 bits cannot hold is the most that they can. */
static bool read_number(struct piece piece, uint64_t *number)
{
    size_t i = 0;
    *number = 0;
    for (; i < piece.length && piece.text[i] >= '0' && piece.text[i] <= '9'; i++) {
        unsigned digit = (unsigned)(piece.text[i] - '0');
        *number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
    }
    return i > 0 && (i == piece.length || is_blank(piece.text[i]));
}

/* The number behind a key, of the first line that has one. False, and 0, where there is none. */
static bool find(const char *text, size_t length, const char *key, uint64_t *number)
{
    struct piece rest = {text, length}, line;
    while (next_line(&rest, &line)) {
        if (!begins(line, key))
            continue;
        size_t at = strlen(key), begin = at;
        while (at < line.length && is_blank(line.text[at]))
            at++;
        if (at > begin && read_number((struct piece){line.text + at, line.length - at}, number))
            return true;
    }
    *number = 0;
    return false;
}

/* meminfo counts in units of 1024 bytes, which it calls kB. */
static bool find_kilobytes(const char *text, size_t length, const char *key, uint64_t *bytes)
{
    bool found = find(text, length, key, bytes);
    *bytes = *bytes > UINT64_MAX / 1024 ? UINT64_MAX : *bytes * 1024;
    return found;
}

bool vs_meminfo_parse(const char *text, size_t length, struct vs_meminfo *meminfo)
{
    uint64_t free_bytes, cached_bytes, shared_bytes;
    *meminfo = (struct vs_meminfo){VS_HOST_BYTES_UNKNOWN, VS_HOST_BYTES_UNKNOWN};
    if (!find_kilobytes(text, length, "MemTotal:", &meminfo->total_bytes) || meminfo->total_bytes == 0)
        meminfo->total_bytes = VS_HOST_BYTES_UNKNOWN;
    if (find_kilobytes(text, length, "MemAvailable:", &meminfo->available_bytes))
        return true;
    /* Before Linux 3.14, and of what imitates /proc. Cached includes shared memory, which cannot be dropped. */
    meminfo->available_bytes = VS_HOST_BYTES_UNKNOWN;
    if (!find_kilobytes(text, length, "MemFree:", &free_bytes))
        return false;
    find_kilobytes(text, length, "Cached:", &cached_bytes);
    find_kilobytes(text, length, "Shmem:", &shared_bytes);
    meminfo->available_bytes = add(free_bytes, subtract(cached_bytes, shared_bytes));
    return true;
}

/* Whether the list, with commas in between, has the word. */
static bool lists(struct piece list, const char *word)
{
    size_t length = strlen(word);
    while (list.length > 0) {
        const char *comma = memchr(list.text, ',', list.length);
        size_t item = comma ? (size_t)(comma - list.text) : list.length;
        if (item == length && memcmp(list.text, word, length) == 0)
            return true;
        list.text += item + (comma != NULL);
        list.length -= item + (comma != NULL);
    }
    return false;
}

static bool leads_outside(struct piece path)
{
    for (size_t i = 0; i + 3 <= path.length; i++)
        if (memcmp(path.text + i, "/..", 3) == 0 && (i + 3 == path.length || path.text[i + 3] == '/'))
            return true;
    return false;
}

/* A line is number:controllers:path; that of version 2 has the number 0 and no controllers. */
bool vs_group_path_of(const char *text, size_t length, enum vs_group_version version, struct vs_group_path *path)
{
    struct piece rest = {text, length}, line;
    while (next_line(&rest, &line)) {
        const char *first = memchr(line.text, ':', line.length), *end = line.text + line.length;
        const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;
        if (!second || second + 1 == end || second[1] != '/' || memchr(second, '\0', (size_t)(end - second)))
            continue;
        bool is_first = lists((struct piece){first + 1, (size_t)(second - first - 1)}, "memory");
        if (version == VS_GROUP_VERSION_1 ? !is_first : !begins(line, "0::"))
            continue;
        *path = (struct vs_group_path){version, second + 1, (size_t)(end - second - 1)};
        if (leads_outside((struct piece){path->text, path->length}))
            path->length = 1;
        return true;
    }
    return false;
}

/* Where both versions are mounted, memory is limited by that which lists it. */
bool vs_group_path_parse(const char *text, size_t length, struct vs_group_path *path)
{
    return vs_group_path_of(text, length, VS_GROUP_VERSION_1, path) ||
           vs_group_path_of(text, length, VS_GROUP_VERSION_2, path);
}

bool vs_group_size_parse(const char *text, size_t length, uint64_t *bytes)
{
    struct piece rest = {text, length}, line;
    if (!next_line(&rest, &line) || rest.length > 0)
        return false;
    if (line.length == 3 && memcmp(line.text, "max", 3) == 0) {
        *bytes = VS_HOST_BYTES_UNKNOWN;
        return true;
    }
    return read_number(line, bytes);
}

uint64_t vs_group_cache_parse(const char *text, size_t length, enum vs_group_version version)
{
    static const struct {
        const char *cached[2];  /* file pages, used lately and not; none of shared memory, and none that is locked */
        const char *written[2]; /* of those, what has to be written first */
    } keys[] = {
        [VS_GROUP_VERSION_1] = {{"total_inactive_file", "total_active_file"}, {"total_dirty", "total_writeback"}},
        [VS_GROUP_VERSION_2] = {{"inactive_file", "active_file"}, {"file_dirty", "file_writeback"}},
    };
    uint64_t bytes = 0, part_bytes;
    for (size_t i = 0; i < 2; i++) {
        find(text, length, keys[version].cached[i], &part_bytes);
        bytes = add(bytes, part_bytes);
    }
    for (size_t i = 0; i < 2; i++) {
        find(text, length, keys[version].written[i], &part_bytes);
        bytes = subtract(bytes, part_bytes);
    }
    return bytes;
}
