/* host_memory_test.c: how much the host can lend, by files that the tests write: the unit itself, which is linked into
 * the tests, and loads on the simulated CUDA, whose machine writes such files too. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../policy/machine/host_memory_text.h"
#include "../../shim/host_memory.h"
#include "../../shim/log.h"
#include "fixture.h"

#define GIB ((uint64_t)1 << 30)

/* --- Files -------------------------------------------------------------------------------------------------------- */

static char root[] = "/tmp/vramspan-host-XXXXXX";

static void remove_root(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_expect_eq(system(command), 0);
}

/* Below the root, which from here on is that of the library, too. */
static void write_file(const char *path, const char *text)
{
    char whole[512];
    if (strstr(root, "XXXXXX")) {
        cr_assert(mkdtemp(root) && setenv("VRAMSPAN_PROC_ROOT", root, 1) == 0);
        atexit(remove_root);
    }
    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(whole, 0755);
    }
    FILE *file = fopen(whole, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s", whole);
}

static void write_meminfo(uint64_t total_bytes, uint64_t available_bytes)
{
    char text[128];
    snprintf(text, sizeof text, "MemTotal: %zu kB\nMemFree: 1 kB\nMemAvailable: %zu kB\n", (size_t)(total_bytes / 1024),
        (size_t)(available_bytes / 1024));
    write_file("/proc/meminfo", text);
}

/* A group of version 2 below /sys/fs/cgroup; NULL: no such file. */
static void write_group(const char *folder, const char *max, const char *high, const char *current, const char *stat)
{
    const char *const files[][2] = {
        {"memory.max", max}, {"memory.high", high}, {"memory.current", current}, {"memory.stat", stat}};
    char path[256];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", folder, files[i][0]);
        if (files[i][1])
            write_file(path, files[i][1]);
    }
}

/* --- What the unit says ------------------------------------------------------------------------------------------- */

static char said[4096];
static size_t said_count;

/* Of the unit that is linked into the tests; the library under test has its own. */
void vs_log(enum vs_log_level level, const char *component, const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(said);
    (void)component;
    cr_expect_eq(level, VS_LOG_WARN);
    va_start(arguments, format);
    vsnprintf(said + used, sizeof said - used, format, arguments);
    va_end(arguments);
    said_count++;
}

static struct vs_host_memory look(void)
{
    struct vs_host_memory memory;
    vs_host_memory_look(&memory);
    return memory;
}

/* `file` is below the root. */
static void expect_left(uint64_t capacity_bytes, uint64_t left_bytes, const char *file)
{
    struct vs_host_memory memory = look();
    cr_expect_eq(memory.capacity_bytes, capacity_bytes, "capacity: %zu MiB", (size_t)(memory.capacity_bytes >> 20));
    cr_expect_eq(memory.left_bytes, left_bytes, "left: %zu MiB", (size_t)(memory.left_bytes >> 20));
    cr_expect(
        strncmp(memory.limited_by, root, strlen(root)) == 0 && strcmp(memory.limited_by + strlen(root), file) == 0,
        "limited by %s", memory.limited_by);
}

Test(host_memory, without_groups_what_the_machine_has_available_counts)
{
    write_meminfo(64 * GIB, 20 * GIB);
    expect_left(64 * GIB, 20 * GIB, "/proc/meminfo");
    write_file("/proc/self/cgroup", "0::/user.slice/me\n");
    write_group("/user.slice/me", "max\n", "max\n", "5000000000\n", "inactive_file 1\n");
    write_group("/user.slice", "max\n", "max\n", "6000000000\n", "inactive_file 1\n");
    expect_left(64 * GIB, 20 * GIB, "/proc/meminfo");
    cr_expect_eq(said_count, 0, "%s", said);
}

Test(host_memory, a_groups_limit_counts_less_what_the_group_uses)
{
    write_meminfo(64 * GIB, 20 * GIB);
    write_file("/proc/self/cgroup", "0::/app\n");
    write_group("/app", "8589934592\n", "max\n", "3221225472\n", "anon 1\n");
    expect_left(8 * GIB, 5 * GIB, "/sys/fs/cgroup/app/memory.max");
    write_group("/app", NULL, "6442450944\n", NULL, NULL); /* from there on its processes are slowed down */
    expect_left(6 * GIB, 3 * GIB, "/sys/fs/cgroup/app/memory.high");
    write_group("/app", NULL, NULL, "7516192768\n", NULL); /* above it */
    expect_left(6 * GIB, 0, "/sys/fs/cgroup/app/memory.high");
    write_meminfo(4 * GIB, GIB / 2); /* a limit above what the machine has */
    write_group("/app", NULL, NULL, "0\n", NULL);
    expect_left(4 * GIB, GIB / 2, "/proc/meminfo");
}

/* Reading a model of 7 GiB fills the group with cache, which the kernel drops as soon as memory is wanted. */
Test(host_memory, file_cache_of_the_group_can_be_had)
{
    write_meminfo(64 * GIB, 20 * GIB);
    write_file("/proc/self/cgroup", "0::/app\n");
    write_group("/app", "8589934592\n", "max\n", "8589934592\n",
        "anon 1073741824\nfile 7516192768\ninactive_file 6442450944\nactive_file 1073741824\nfile_dirty 0\n");
    expect_left(8 * GIB, 7 * GIB, "/sys/fs/cgroup/app/memory.max");
    write_group("/app", NULL, NULL, "1048576\n", NULL); /* between two looks the files may contradict each other */
    expect_left(8 * GIB, 8 * GIB, "/sys/fs/cgroup/app/memory.max");
}

/* The tightest level is that with the least left, wherever it is; levels without the files are passed over. */
Test(host_memory, of_nested_groups_the_tightest_counts)
{
    static const char *const levels[] = {"/a/b/c", "/a/b", "/a", ""};
    char file[64];
    for (size_t tight = 0; tight < 4; tight++) {
        write_meminfo(64 * GIB, 60 * GIB);
        write_file("/proc/self/cgroup", "0::/a/b/c/without-memory\n");
        write_file("/sys/fs/cgroup/a/b/c/without-memory/cgroup.procs", "");
        for (size_t i = 0; i < 4; i++)
            write_group(levels[i], i == tight ? "17179869184\n" : "12884901888\n", "max\n",
                i == tight ? "15032385536\n" : "1073741824\n", NULL);
        snprintf(file, sizeof file, "/sys/fs/cgroup%s/memory.max", levels[tight]);
        expect_left(12 * GIB, 2 * GIB, file);
    }
}

/* A container without a namespace of its own sees its path on the machine, and its group where all groups would be; or
 * a part of the hierarchy that begins in between. */
Test(host_memory, a_containers_folder_is_the_group_itself_or_begins_above_it)
{
    write_meminfo(64 * GIB, 60 * GIB);
    write_group("", "17179869184\n", "max\n", "1073741824\n", NULL);
    write_file("/proc/self/cgroup", "0::/docker/0123\n");
    expect_left(16 * GIB, 15 * GIB, "/sys/fs/cgroup/memory.max");
    write_file("/proc/self/cgroup", "0::/\n");
    expect_left(16 * GIB, 15 * GIB, "/sys/fs/cgroup/memory.max");
    write_file("/proc/self/cgroup", "0::/../elsewhere\n");
    expect_left(16 * GIB, 15 * GIB, "/sys/fs/cgroup/memory.max");
    write_file("/proc/self/cgroup", "0::/pods/0123/app\n");
    write_group("/app", "8589934592\n", "max\n", "1073741824\n", NULL);
    expect_left(8 * GIB, 7 * GIB, "/sys/fs/cgroup/app/memory.max");
}

Test(host_memory, version_1_has_other_files)
{
    write_meminfo(64 * GIB, 20 * GIB);
    write_file("/proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/0123\n0::/\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "60000000000\n");
    expect_left(64 * GIB, 20 * GIB, "/proc/meminfo");
    write_file("/sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes", "8589934592\n");
    write_file("/sys/fs/cgroup/memory/docker/0123/memory.usage_in_bytes", "4294967296\n");
    write_file("/sys/fs/cgroup/memory/docker/0123/memory.stat",
        "inactive_file 9\nactive_file 9\ntotal_inactive_file 1073741824\ntotal_active_file 0\n");
    expect_left(8 * GIB, 5 * GIB, "/sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes");
    cr_expect_eq(said_count, 0, "%s", said);
}

/* Hybrid hosts list memory in version 1, of which a container may see nothing. */
Test(host_memory, where_version_1_is_named_and_not_there_version_2_is_followed)
{
    write_meminfo(64 * GIB, 20 * GIB);
    write_file("/proc/self/cgroup", "4:memory:/docker/0123\n0::/app\n");
    write_group("/app", "8589934592\n", "max\n", "3221225472\n", "anon 1\n");
    expect_left(8 * GIB, 5 * GIB, "/sys/fs/cgroup/app/memory.max");
    cr_expect_eq(said_count, 0, "%s", said);
    write_file("/proc/self/cgroup", "4:memory:/docker/0123\n0::/nowhere\n");
    for (int i = 0; i < 3; i++)
        expect_left(64 * GIB, 20 * GIB, "/proc/meminfo");
    cr_expect_eq(said_count, 1, "%s", said);
    cr_expect(strstr(said, "/sys/fs/cgroup/memory cannot be read"), "%s", said);
}

Test(host_memory, what_a_group_uses_is_not_taken_for_nothing_where_it_cannot_be_read)
{
    write_meminfo(64 * GIB, 20 * GIB);
    write_file("/proc/self/cgroup", "0::/app\n");
    write_group("/app", "8589934592\n", "max\n", NULL, NULL);
    for (int i = 0; i < 3; i++)
        expect_left(8 * GIB, 8 * GIB, "/sys/fs/cgroup/app/memory.max");
    cr_expect_eq(said_count, 1, "%s", said);
    cr_expect(strstr(said, "/app/memory.current cannot be read") && strstr(said, "cpu:16gb"), "%s", said);
    vs_host_memory_lent(3 * GIB, VS_HOST_BYTES_UNKNOWN);
    expect_left(8 * GIB, 5 * GIB, "/sys/fs/cgroup/app/memory.max"); /* what is known of it */
}

Test(host_memory, what_is_missing_or_odd_is_told_once_and_limits_nothing)
{
    write_file("/proc/nothing", "");
    for (int i = 0; i < 3; i++) {
        struct vs_host_memory memory = look();
        cr_expect_eq(memory.capacity_bytes, VS_HOST_BYTES_UNKNOWN);
        cr_expect_eq(memory.left_bytes, VS_HOST_BYTES_UNKNOWN);
        cr_expect_str_eq(memory.limited_by, "");
        cr_expect(vs_host_memory_has_room((size_t)1 << 60));
    }
    cr_expect_eq(said_count, 1, "%s", said);
    cr_expect(strstr(said, "/proc/meminfo cannot be read") && strstr(said, "cpu:16gb"), "%s", said);

    write_meminfo(64 * GIB, 20 * GIB);
    write_file("/proc/self/cgroup", "0::/app\n");
    write_group("/app", "a lot\n", "8589934592\n", "nothing\n", "rubbish");
    for (int i = 0; i < 3; i++)
        expect_left(8 * GIB, 8 * GIB, "/sys/fs/cgroup/app/memory.high");
    cr_expect_eq(said_count, 3, "%s", said);
    cr_expect(strstr(said, "/app/memory.max cannot be read"), "%s", said);
    cr_expect(strstr(said, "/app/memory.current cannot be read"), "%s", said);

    write_file("/proc/self/cgroup", "nonsense\n");
    for (int i = 0; i < 3; i++)
        expect_left(64 * GIB, 20 * GIB, "/proc/meminfo");
    cr_expect_eq(said_count, 4, "%s", said);
}

/* A number that is cut in two is another number. */
Test(host_memory, of_a_file_that_is_too_long_whole_lines_count)
{
    char *text = calloc(1, 32768);
    size_t used = 0;
    cr_assert(text);
    write_meminfo(64 * GIB, 20 * GIB);
    write_file("/proc/self/cgroup", "0::/app\n");
    while (used < 8192 - 22)
        used += (size_t)sprintf(text + used, "other%zu 1\n", used % 7);
    sprintf(text + used, "inactive_file 8589934592\n"); /* the 8192nd byte is one of its digits */
    write_group("/app", "17179869184\n", "max\n", "8589934592\n", text);
    expect_left(16 * GIB, 8 * GIB, "/sys/fs/cgroup/app/memory.max");
    memset(text, 'x', 32000); /* no line at all */
    write_group("/app", NULL, NULL, NULL, text);
    write_file("/proc/self/cgroup", text);
    expect_left(64 * GIB, 20 * GIB, "/proc/meminfo");
    free(text);
}

Test(host_memory, paths_too_long_for_a_folder_are_no_group)
{
    char text[6000] = "0::";
    write_meminfo(64 * GIB, 20 * GIB);
    for (size_t i = 3; i < 5003; i++)
        text[i] = i % 2 ? '/' : 'a';
    text[5002] = '\n';
    write_group("", "8589934592\n", "max\n", "0\n", NULL);
    write_file("/proc/self/cgroup", text);
    expect_left(8 * GIB, 8 * GIB, "/sys/fs/cgroup/memory.max");
}

Test(host_memory, the_reserve_is_not_lent_and_what_is_full_is_told_once)
{
    write_meminfo(64 * GIB, 20 * GIB);
    write_file("/proc/self/cgroup", "0::/app\n");
    write_group("/app", "8589934592\n", "max\n", "5368709120\n", NULL); /* 3 GiB are left */
    cr_expect(vs_host_memory_has_room(3 * GIB));
    vs_host_memory_keep(2 * GIB);
    cr_expect(vs_host_memory_has_room(GIB));
    cr_expect_not(vs_host_memory_has_room(GIB + 1));
    vs_host_memory_tell_full(GIB);
    cr_expect_eq(said_count, 0, "%s", said);
    for (int i = 0; i < 3; i++)
        vs_host_memory_tell_full(2 * GIB);
    cr_expect_eq(said_count, 1, "%s", said);
    cr_expect(strstr(said, "3072 MB are left") && strstr(said, "/app/memory.max,") && strstr(said, "keeps 2048 MB") &&
                  strstr(said, "raise that limit"),
        "%s", said);
    vs_host_memory_keep(4 * GIB); /* more than there is */
    cr_expect_not(vs_host_memory_has_room(0));
}

/* Asked before each piece of 32 MiB, whose making takes 12 ms. The least of many, since the machine does other things,
 * too. */
static void expect_quick_look(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 200; i++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        look();
        clock_gettime(CLOCK_MONOTONIC, &end);
        uint64_t ns = (uint64_t)(end.tv_sec - begin.tv_sec) * 1000000000 + (uint64_t)(end.tv_nsec - begin.tv_nsec);
        least = ns < least ? ns : least;
    }
    cr_log_info("a look takes %zu us", (size_t)(least / 1000));
    cr_expect_lt(least, 100000, "%zu us", (size_t)(least / 1000));
}

Test(host_memory, a_look_at_this_machine_takes_less_than_100_microseconds)
{
    expect_quick_look();
}

Test(host_memory, a_look_at_five_levels_with_limits_takes_less_than_100_microseconds)
{
    static const char *const levels[] = {"", "/a", "/a/b", "/a/b/c", "/a/b/c/d"};
    write_meminfo(64 * GIB, 20 * GIB);
    write_file("/proc/self/cgroup", "0::/a/b/c/d\n");
    for (size_t i = 0; i < 5; i++)
        write_group(levels[i], "8589934592\n", "max\n", "0\n", "inactive_file 1\nactive_file 2\n");
    expect_quick_look();
}
