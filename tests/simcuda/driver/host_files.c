/* host_files.c: the simulated machine's meminfo, control group and pressure; see host_files.h.
 *
 * Only what CUDA pinned, registered or placed on the host is charged to the machine: the program's ordinary memory and
 * the page cache are the testing machine's. Pressure begins where less than a tenth of the memory is left, and rises to
 * 100 % of the time ("some", half of that "full") when nothing is. */
#include "host_files.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct text {
    char bytes[1024];
};

static char root[PATH_MAX - 128]; /* empty: no files are wanted */
static bool root_is_ours, failed;
static size_t used;
static unsigned long long stalled_us;

static size_t left_of(size_t capacity)
{
    return used < capacity ? capacity - used : 0;
}

static void write_meminfo(struct text *text)
{
    size_t total = sim.machine.host_bytes / 1024, left = left_of(sim.machine.host_bytes) / 1024;
    snprintf(text->bytes, sizeof text->bytes,
        "MemTotal:       %8zu kB\nMemFree:        %8zu kB\nMemAvailable:   %8zu kB\nBuffers:        %8d kB\n"
        "Cached:         %8d kB\nSwapCached:     %8d kB\nUnevictable:    %8zu kB\nSwapTotal:      %8d kB\n"
        "SwapFree:       %8d kB\n",
        total, left, left, 0, 0, 0, used / 1024, 0, 0);
}

static double pressure_percent(size_t capacity)
{
    double left = (double)left_of(capacity) / (double)capacity;
    return left < 0.1 ? (0.1 - left) * 1000 : 0;
}

static void write_pressure_of(struct text *text, size_t capacity)
{
    double some = pressure_percent(capacity), full = some / 2;
    snprintf(text->bytes, sizeof text->bytes,
        "some avg10=%.2f avg60=%.2f avg300=%.2f total=%llu\nfull avg10=%.2f avg60=%.2f avg300=%.2f total=%llu\n", some,
        some, some, stalled_us, full, full, full, stalled_us / 2);
}

static void write_machine_pressure(struct text *text)
{
    write_pressure_of(text, sim.machine.host_bytes);
}

static void write_group_pressure(struct text *text)
{
    write_pressure_of(text, vs_machine_host_capacity(&sim.machine));
}

static void write_max(struct text *text)
{
    if (sim.machine.host_limit_bytes != 0)
        snprintf(text->bytes, sizeof text->bytes, "%zu\n", sim.machine.host_limit_bytes);
    else
        strcpy(text->bytes, "max\n");
}

static void write_current(struct text *text)
{
    snprintf(text->bytes, sizeof text->bytes, "%zu\n", sim.machine.host_uncharged ? 0 : used);
}

#define GROUP "/sys/fs/cgroup/simcuda"
static const struct {
    const char *path;
    void (*write)(struct text *text); /* NULL: `constant`, written once */
    const char *constant;
} files[] = {
    {"/proc/meminfo", write_meminfo, NULL},
    {"/proc/pressure/memory", write_machine_pressure, NULL},
    {"/proc/self/cgroup", NULL, "0::/simcuda\n"},
    {"/sys/fs/cgroup/cgroup.controllers", NULL, "memory\n"},
    {GROUP "/memory.max", write_max, NULL},
    {GROUP "/memory.high", NULL, "max\n"},
    {GROUP "/memory.swap.max", NULL, "0\n"},
    {GROUP "/memory.current", write_current, NULL},
    {GROUP "/memory.pressure", write_group_pressure, NULL},
};
#define FILE_COUNT (sizeof files / sizeof *files)

/* In the order in which they are made. */
static const char *const folders[] = {
    "", "/proc", "/proc/pressure", "/proc/self", "/sys", "/sys/fs", "/sys/fs/cgroup", GROUP};
#define FOLDER_COUNT (sizeof folders / sizeof *folders)

/* Readers see the old file or the new one, never a half. */
static bool replace(const char *path, const char *content)
{
    char whole[PATH_MAX], fresh[PATH_MAX];
    size_t length = strlen(content);
    int fd;
    bool good;

    snprintf(whole, sizeof whole, "%s%s", root, path);
    snprintf(fresh, sizeof fresh, "%s%s.new", root, path);
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    good = write(fd, content, length) == (ssize_t)length;
    close(fd);
    return good && rename(fresh, whole) == 0;
}

static bool write_all(bool constants)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        struct text text;
        if (files[i].write != NULL)
            files[i].write(&text);
        else if (!constants)
            continue;
        if (!replace(files[i].path, files[i].write != NULL ? text.bytes : files[i].constant))
            return false;
    }
    return true;
}

static bool make_folders(void)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < FOLDER_COUNT; i++) {
        snprintf(path, sizeof path, "%s%s", root, folders[i]);
        if (mkdir(path, 0755) == 0)
            root_is_ours = root_is_ours || i == 0;
        else if (errno != EEXIST)
            return false;
    }
    return true;
}

/* The files follow one process; a machine has others, each with a simulation of its own, which must not write over
 * them. The lock ends with the process. */
static bool is_first(void)
{
    int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 || flock(folder, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

bool sim_host_files_start(void)
{
    const char *name = getenv("SIMCUDA_PROC_ROOT"), *mark;

    if (name == NULL || name[0] == '\0')
        return true;
    mark = strstr(name, "%p");
    if (strlen(name) >= sizeof root - 16) {
        sim_say("SIMCUDA_PROC_ROOT is longer than a path can be");
        return false;
    }
    if (mark != NULL)
        snprintf(root, sizeof root, "%.*s%d%s", (int)(mark - name), name, (int)getpid(), mark + 2);
    else
        strcpy(root, name);
    bool made = make_folders();
    if (made && !is_first()) {
        root[0] = '\0';
        return true;
    }
    if (made && write_all(true))
        return true;
    sim_say("SIMCUDA_PROC_ROOT=%s: the simulated machine's files cannot be written there: %m", root);
    return false;
}

void sim_host_files_update(size_t used_bytes)
{
    if (root[0] == '\0' || failed || used_bytes == used)
        return;
    used = used_bytes;
    if (pressure_percent(vs_machine_host_capacity(&sim.machine)) > 0)
        stalled_us += 10000;
    failed = !write_all(false);
    if (failed)
        sim_say("%s: the simulated machine's files cannot be written any more: %m; they stay as they are", root);
}

void sim_host_files_end(void)
{
    char path[PATH_MAX];

    if (root[0] == '\0' || !root_is_ours)
        return;
    for (size_t i = 0; i < FILE_COUNT; i++) {
        snprintf(path, sizeof path, "%s%s", root, files[i].path);
        (void)unlink(path);
    }
    for (size_t i = FOLDER_COUNT; i-- > 0;) {
        snprintf(path, sizeof path, "%s%s", root, folders[i]);
        (void)rmdir(path); /* what others put there stays */
    }
}
