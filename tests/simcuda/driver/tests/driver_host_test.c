/* driver_host_test.c: the machine's own memory: what is charged to it, where it ends, and the files that tell. */
#include "simulated.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A machine with one device of 1 GB, and these lines about its host. */
static void start_with(const char *lines)
{
    char path[] = "/tmp/simcuda-machine-XXXXXX";
    CUcontext context;
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    cr_assert_gt(dprintf(fd, "%s\ndevices:\n  - memory: 1gb\n", lines), 0);
    close(fd);
    setenv("SIMCUDA_MACHINE", path, 1);
    setenv("SIMCUDA_FRESH", "poison", 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    SUCCEEDS(cuInit(0));
    unlink(path);
    SUCCEEDS(cuDevicePrimaryCtxRetain(&context, 0));
    SUCCEEDS(cuCtxSetCurrent(context));
}

static CUresult create_on_host(CUmemGenericAllocationHandle *handle, size_t bytes)
{
    CUmemAllocationProp properties = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_HOST_NUMA}};
    return cuMemCreate(handle, bytes, &properties, 0);
}

static size_t host_used(void)
{
    return simcudaBytesUsed(SIMCUDA_LOCATION_HOST);
}

Test(host, pinned_registered_and_host_located_bytes_share_the_machines_memory)
{
    CUmemGenericAllocationHandle handle, more;
    void *pinned, *own = aligned_alloc(4096, 4 * MIB), *small = aligned_alloc(4096, 4096);

    start_with("host: 16mb");
    SUCCEEDS(cuMemHostAlloc(&pinned, 8 * MIB, 0));
    cr_assert_eq(host_used(), 8 * MIB);
    SUCCEEDS(cuMemHostRegister(own, 4 * MIB, 0));
    cr_assert_eq(host_used(), 12 * MIB);
    SUCCEEDS(create_on_host(&handle, 4 * MIB));
    cr_assert_eq(host_used(), 16 * MIB);

    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuMemHostAlloc(&pinned, 1, 0));
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuMemHostRegister(small, 4096, 0));
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, create_on_host(&more, 2 * MIB));
    cr_assert_eq(host_used(), 16 * MIB, "what was refused is not charged");

    SUCCEEDS(cuMemHostUnregister(own));
    SUCCEEDS(create_on_host(&more, 4 * MIB));
    SUCCEEDS(cuMemRelease(handle));
    SUCCEEDS(cuMemRelease(more));
    SUCCEEDS(cuMemFreeHost(pinned));
    cr_assert_eq(host_used(), 0);
}

Test(host, registered_bytes_are_charged_by_the_page)
{
    char *own = aligned_alloc(4096, 3 * 4096);

    start_with("host: 16mb");
    SUCCEEDS(cuMemHostRegister(own + 4000, 200, 0)); /* 96 bytes of one page, 104 of the next */
    cr_assert_eq(host_used(), 2 * 4096);
}

Test(host, a_control_group_ends_before_the_machine_does)
{
    void *pinned;

    start_with("host: 64mb\nhost-limit: 8mb");
    SUCCEEDS(cuMemHostAlloc(&pinned, 8 * MIB, 0));
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuMemHostAlloc(&pinned, 1, 0));
}

/* --- the files ---------------------------------------------------------------------------------------------------- */

static char folder[64];

static void want_files(void)
{
    strcpy(folder, "/tmp/simcuda-host-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    setenv("SIMCUDA_PROC_ROOT", folder, 1);
}

static void remove_files(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

static const char *content(const char *path)
{
    static char text[2048];
    char whole[256];
    FILE *file;

    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    file = fopen(whole, "r");
    cr_assert_not_null(file, "%s", whole);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* A line of meminfo, in kB. */
static size_t meminfo(const char *name)
{
    const char *line = strstr(content("proc/meminfo"), name);
    size_t kib;
    cr_assert_not_null(line, "%s", name);
    cr_assert_eq(sscanf(line + strlen(name), ": %zu kB\n", &kib), 1);
    return kib;
}

static double pressure(const char *path)
{
    double some;
    cr_assert_eq(sscanf(content(path), "some avg10=%lf", &some), 1);
    cr_assert_not_null(strstr(content(path), "\nfull avg10="));
    return some;
}

#define GROUP "sys/fs/cgroup/simcuda/"

Test(host, files_tell_the_machines_memory_and_follow_what_is_charged)
{
    void *pinned;

    want_files();
    start_with("host: 64mb\nhost-limit: 32mb");
    cr_assert_eq(meminfo("MemTotal"), 64 * 1024);
    cr_assert_eq(meminfo("MemAvailable"), 64 * 1024);
    cr_assert_str_eq(content("proc/self/cgroup"), "0::/simcuda\n");
    cr_assert_str_eq(content("sys/fs/cgroup/cgroup.controllers"), "memory\n");
    cr_assert_str_eq(content(GROUP "memory.max"), "33554432\n");
    cr_assert_str_eq(content(GROUP "memory.high"), "max\n");
    cr_assert_str_eq(content(GROUP "memory.current"), "0\n");
    cr_assert_eq(pressure("proc/pressure/memory"), 0);

    SUCCEEDS(cuMemHostAlloc(&pinned, 30 * MIB, 0));
    cr_assert_eq(meminfo("MemTotal"), 64 * 1024);
    cr_assert_eq(meminfo("MemFree"), 34 * 1024);
    cr_assert_eq(meminfo("MemAvailable"), 34 * 1024);
    cr_assert_str_eq(content(GROUP "memory.current"), "31457280\n");
    cr_assert_eq(pressure("proc/pressure/memory"), 0, "the machine has more than half left");
    cr_assert_eq(pressure(GROUP "memory.pressure"), 37.5, "the group has 2 of 32 left: 6.25 %%");

    SUCCEEDS(cuMemFreeHost(pinned));
    cr_assert_eq(meminfo("MemAvailable"), 64 * 1024);
    cr_assert_str_eq(content(GROUP "memory.current"), "0\n");
    cr_assert_eq(pressure(GROUP "memory.pressure"), 0);
    remove_files();
}

Test(host, the_files_follow_the_first_of_several_processes)
{
    int begin[2], status;
    char byte;
    void *pinned;
    want_files();
    cr_assert_eq(pipe(begin), 0);
    pid_t other = fork();
    if (other == 0) { /* a machine of its own, in the same folder */
        bool waited = read(begin[0], &byte, 1) == 1;
        start_with("host: 64mb");
        _exit(waited && cuMemHostAlloc(&pinned, 30 * MIB, 0) == CUDA_SUCCESS ? 0 : 1);
    }
    start_with("host: 64mb");
    SUCCEEDS(cuMemHostAlloc(&pinned, 8 * MIB, 0));
    cr_assert_eq(write(begin[1], "b", 1), 1);
    cr_assert_eq(waitpid(other, &status, 0), other);
    cr_assert_eq(status, 0);
    cr_assert_eq(meminfo("MemAvailable"), 56 * 1024);
    SUCCEEDS(cuMemFreeHost(pinned));
    cr_assert_eq(meminfo("MemAvailable"), 64 * 1024);
    remove_files();
}

Test(host, without_a_limit_the_group_says_so)
{
    want_files();
    start_with("host: 64mb");
    cr_assert_str_eq(content(GROUP "memory.max"), "max\n");
    remove_files();
}

/* cuInit in a child, with this folder. */
static int init_with(const char *name)
{
    int status;
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        setenv("SIMCUDA_PROC_ROOT", name, 1);
        exit(cuInit(0) == CUDA_SUCCESS && access(name, F_OK) == 0 ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

Test(host, a_folder_of_the_simulators_own_goes_with_the_process_and_another_stays)
{
    char own[128];

    want_files();
    snprintf(own, sizeof own, "%s/made", folder);
    cr_assert_eq(init_with(own), 0);
    cr_assert_neq(access(own, F_OK), 0, "removed");
    cr_assert_eq(init_with(folder), 0);
    cr_assert_eq(access(folder, F_OK), 0);
    cr_assert_str_eq(content("proc/self/cgroup"), "0::/simcuda\n");
    remove_files();
}

Test(host, a_folder_that_cannot_be_written_is_told_at_cuInit)
{
    cr_assert_eq(init_with("/proc/no/such/folder"), 1);
}
