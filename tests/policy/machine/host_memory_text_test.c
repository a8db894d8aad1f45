/*
 * What Linux tells of the host's memory: texts as kernels write them, and as none does.
 */
#include "../../../policy/machine/host_memory_text.h"
#include "../support.h"

#include <criterion/criterion.h>
#include <string.h>

#define KB ((uint64_t)1024)

TestSuite(host_memory_text, .fini = expect_no_leaks);

static struct vs_meminfo meminfo_of(const char *text, bool known)
{
    struct vs_meminfo meminfo;
    cr_expect_eq(vs_meminfo_parse(text, strlen(text), &meminfo), known, "%s", text);
    return meminfo;
}

Test(host_memory_text, meminfo_tells_what_is_there_and_what_is_available)
{
    struct vs_meminfo meminfo = meminfo_of("MemTotal:       24684096 kB\nMemFree:        21872348 kB\n"
                                           "MemAvailable:   22967768 kB\nBuffers:          138016 kB\n"
                                           "Cached:          1199740 kB\nSwapCached:            0 kB\n",
        true);
    cr_expect_eq(meminfo.total_bytes, 24684096 * KB);
    cr_expect_eq(meminfo.available_bytes, 22967768 * KB);
}

/* SwapCached and the like are other things; shared memory is counted in Cached and cannot be dropped. */
Test(host_memory_text, without_an_estimate_what_is_free_or_cached_counts)
{
    struct vs_meminfo meminfo = meminfo_of("MemTotal:  1000 kB\nMemFree:    100 kB\nSwapCached: 900 kB\n"
                                           "Cached:     300 kB\nShmem:       50 kB\nMemAvailableX: 7 kB\n",
        true);
    cr_expect_eq(meminfo.available_bytes, 350 * KB);
    cr_expect_eq(meminfo_of("MemFree: 100 kB\nShmem: 50 kB\n", true).available_bytes, 100 * KB);
}

Test(host_memory_text, what_meminfo_does_not_tell_is_unknown)
{
    static const char *const texts[] = {"", "\n\n\n", "MemAvailable", "MemAvailable:", "MemAvailable: kB\n",
        "MemAvailable: -5 kB\n", "MemAvailable: 5x\n", "memavailable: 5 kB\n", "MemAvailable:5 kB\n",
        " MemAvailable: 5 kB\n", "MemAvailable: 0x10 kB\n", "MemAvailable:\n 5 kB\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct vs_meminfo meminfo = meminfo_of(texts[i], false);
        cr_expect_eq(meminfo.available_bytes, VS_HOST_BYTES_UNKNOWN, "%s", texts[i]);
        cr_expect_eq(meminfo.total_bytes, VS_HOST_BYTES_UNKNOWN, "%s", texts[i]);
    }
    cr_expect_eq(meminfo_of("MemTotal: 0 kB\nMemAvailable: 0 kB\n", true).total_bytes, VS_HOST_BYTES_UNKNOWN);
    cr_expect_eq(meminfo_of("MemTotal: 0 kB\nMemAvailable: 0 kB\n", true).available_bytes, 0);
    cr_expect_eq(meminfo_of("MemTotal: 9\nMemAvailable: 7", true).available_bytes, 7 * KB);
}

Test(host_memory_text, numbers_beyond_64_bits_are_the_largest)
{
    cr_expect_eq(meminfo_of("MemAvailable: 18014398509481983 kB\n", true).available_bytes, UINT64_MAX - 1023);
    cr_expect_eq(meminfo_of("MemAvailable: 18014398509481984 kB\n", true).available_bytes, UINT64_MAX);
    cr_expect_eq(meminfo_of("MemAvailable: 99999999999999999999999 kB\n", true).available_bytes, UINT64_MAX);
    cr_expect_eq(
        meminfo_of("MemFree: 18014398509481983 kB\nCached: 4 kB\n", true).available_bytes, UINT64_MAX, "a sum, too");
}

/* --- Control groups ----------------------------------------------------------------------------------------------- */

static void expect_path(const char *text, enum vs_group_version version, const char *expected)
{
    struct vs_group_path path;
    if (!expected) {
        cr_expect_not(vs_group_path_parse(text, strlen(text), &path), "%s", text);
        return;
    }
    cr_assert(vs_group_path_parse(text, strlen(text), &path), "%s", text);
    cr_expect_eq(path.version, version, "%s", text);
    cr_expect(path.length == strlen(expected) && !memcmp(path.text, expected, path.length), "%s: %.*s", text,
        (int)path.length, path.text);
}

Test(host_memory_text, the_group_is_that_of_the_hierarchy_which_limits_memory)
{
    expect_path("0::/user.slice/user-1000.slice\n", VS_GROUP_VERSION_2, "/user.slice/user-1000.slice");
    expect_path("0::/\n", VS_GROUP_VERSION_2, "/");
    expect_path("0::/x", VS_GROUP_VERSION_2, "/x");
    expect_path("9:name=systemd:/a\n4:memory:/b/c\n1:cpu:/d\n0::/e\n", VS_GROUP_VERSION_1, "/b/c");
    expect_path("0::/e\n4:memory:/b/c\n", VS_GROUP_VERSION_1, "/b/c");
    expect_path("3:cpu,memory,pids:/b\n", VS_GROUP_VERSION_1, "/b");
    expect_path("3:cpu,memory2,xmemory:/b\n0::/e\n", VS_GROUP_VERSION_2, "/e");
    expect_path("5:name=memory:/b\n0::/e\n", VS_GROUP_VERSION_2, "/e");
    expect_path("0::/with:colons, and blanks\n", VS_GROUP_VERSION_2, "/with:colons, and blanks");
}

/* The group lies above what the process's namespace shows (cgroup_namespaces(7)). */
Test(host_memory_text, a_group_outside_of_what_can_be_seen_is_the_top)
{
    expect_path("0::/..\n", VS_GROUP_VERSION_2, "/");
    expect_path("0::/../../neighbour\n", VS_GROUP_VERSION_2, "/");
    expect_path("0::/a/../b\n", VS_GROUP_VERSION_2, "/");
    expect_path("0::/..a/b..\n", VS_GROUP_VERSION_2, "/..a/b..");
}

Test(host_memory_text, a_text_without_a_group_has_none)
{
    static const char *const texts[] = {"", "\n", ":", "::", "0::", "0:::", "0::relative\n", "00::/x\n", "1::/x\n",
        "memory:/x\n", "4:memory\n/x\n", "4:memory:\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_path(texts[i], VS_GROUP_VERSION_2, NULL);
    struct vs_group_path path;
    cr_expect_not(vs_group_path_parse("0::/a\0b\n", 8, &path));
}

Test(host_memory_text, a_size_is_a_number_or_max)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"8589934592\n", (uint64_t)8 << 30}, {"0\n", 0}, {"7", 7}, {"max\n", VS_HOST_BYTES_UNKNOWN},
        {"9223372036854771712\n", 9223372036854771712u}, {"99999999999999999999\n", UINT64_MAX}};
    static const char *const bad[] = {"", "\n", "maximum\n", "MAX\n", "-1\n", "8g\n", "8\n9\n", " 8\n", "1.5\n"};
    uint64_t bytes;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_expect(vs_group_size_parse(good[i].text, strlen(good[i].text), &bytes), "%s", good[i].text);
        cr_expect_eq(bytes, good[i].bytes, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(vs_group_size_parse(bad[i], strlen(bad[i]), &bytes), "%s", bad[i]);
}

/* Cache of both ages counts; shared memory is no cache; dirty pages have to be written first. */
Test(host_memory_text, reclaimable_is_the_file_cache_that_need_not_be_written)
{
    static const char second[] = "anon 900\nfile 800\nshmem 300\nfile_dirty 40\nfile_writeback 2\n"
                                 "inactive_anon 5\ninactive_file 400\nactive_file 100\n";
    static const char first[] = "cache 900\ninactive_file 1\nactive_file 2\ntotal_cache 800\ntotal_dirty 30\n"
                                "total_writeback 4\ntotal_inactive_file 200\ntotal_active_file 100\n";
    cr_expect_eq(vs_group_cache_parse(second, strlen(second), VS_GROUP_VERSION_2), 500 - 42);
    cr_expect_eq(vs_group_cache_parse(first, strlen(first), VS_GROUP_VERSION_1), 300 - 34);
    cr_expect_eq(vs_group_cache_parse("", 0, VS_GROUP_VERSION_2), 0);
    cr_expect_eq(vs_group_cache_parse("inactive_file 4\nfile_dirty 9\n", 29, VS_GROUP_VERSION_2), 0);
    static const char huge[] = "inactive_file 18446744073709551615\nactive_file 18446744073709551615\n";
    cr_expect_eq(vs_group_cache_parse(huge, strlen(huge), VS_GROUP_VERSION_2), UINT64_MAX);
}

/* What was cut off is not looked at: a byte behind the text must not be. */
Test(host_memory_text, no_byte_behind_the_text_is_read)
{
    struct vs_meminfo meminfo;
    cr_expect(vs_meminfo_parse("MemAvailable: 12345 kB\n", 16, &meminfo));
    cr_expect_eq(meminfo.available_bytes, 12 * KB);
    uint64_t bytes;
    cr_expect(vs_group_size_parse("123456", 2, &bytes));
    cr_expect_eq(bytes, 12);
}
