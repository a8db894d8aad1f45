/* proof_process_test.c: the process in which memory proves itself: what it has of the program's, and how both end. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "proof_support.h"

#define BYTES (4 * MIB)

/* Stands between the words of a file of /proc, which ends each by a zero. */
#define SEPARATOR "\x1f"

/* A file of /proc; zeros become separators. Empty where it is gone. */
static void read_proc(pid_t pid, const char *name, char text[16384])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, 16383) : 0;
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = '\0';
    for (ssize_t i = 0; i < length; i++)
        if (text[i] == '\0')
            text[i] = *SEPARATOR;
}

static pid_t parent_of(pid_t pid)
{
    char text[16384];
    int parent = 0;
    read_proc(pid, "stat", text);
    const char *name_end = strrchr(text, ')');
    return name_end && sscanf(name_end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* The process that tries memory of a peer for `program`, by way of one that keeps it; waits for it. -1: there is none.
 */
static pid_t trying(pid_t program)
{
    for (int tick = 0; tick < 500; tick++) {
        pid_t found = -1;
        DIR *listing = opendir("/proc");
        for (const struct dirent *entry; found < 0 && (entry = readdir(listing));) {
            char text[16384];
            pid_t pid = (pid_t)atoi(entry->d_name);
            if (pid <= 0 || parent_of(parent_of(pid)) != program)
                continue;
            read_proc(pid, "cmdline", text);
            if (strstr(text, "--prove") && strstr(text, SEPARATOR "peer" SEPARATOR))
                found = pid;
        }
        closedir(listing);
        if (found > 0)
            return found;
        sleep_ms(10);
    }
    return -1;
}

static void *load(void *unused)
{
    const size_t sizes[] = {BYTES};
    void *weight;
    (void)unused;
    open_model(make_model(sizes, 1));
    CUDA_OK(cudaMalloc(&weight, BYTES));
    return (void *)(intptr_t)place_of(weight, BYTES);
}

/* Begins a load on a machine on which a kernel that reads cuda:1 hangs. */
static pthread_t begin_to_hang(const char *seconds)
{
    pthread_t thread;
    use_machine("2x24gb-peer-hangs");
    use_policy_text("version: 1\ncompute: cuda:0\ndonors: [cuda:1, cpu]\nmodels:\n  - match: \"*.safetensors\"\n"
                    "    virtual-vram: 100%\n");
    use_new_proof_cache();
    setenv("VRAMSPAN_PROOF_SECONDS", seconds, 1);
    listen();
    cr_assert_eq(pthread_create(&thread, NULL, load, NULL), 0);
    return thread;
}

static int end_of(pthread_t thread)
{
    void *place;
    pthread_join(thread, &place);
    return (int)(intptr_t)place;
}

Test(proof_process, it_has_no_descriptor_of_the_program_nor_the_library_or_its_settings_and_sees_two_devices,
    .timeout = 30)
{
    char text[16384], folder[64];
    sigset_t signals;
    cr_assert(open("/dev/null", O_RDONLY) >= 0); /* inherited by who does not look */
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGUSR2, SIG_IGN);
    pthread_t thread = begin_to_hang("3");
    pid_t pid = trying(getpid());
    cr_assert_gt(pid, 0, "%s", heard());
    sleep_ms(300);
    for (int descriptor = 0; descriptor <= 2; descriptor++) {
        char target[64] = "";
        snprintf(folder, sizeof folder, "/proc/%d/fd/%d", (int)pid, descriptor);
        cr_assert_gt(readlink(folder, target, sizeof target - 1), 0);
        cr_expect_str_eq(target, "/dev/null");
    }
    snprintf(folder, sizeof folder, "/proc/%d/fd", (int)pid);
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        char path[80], target[128] = "";
        snprintf(path, sizeof path, "%s/%d", folder, descriptor);
        if (readlink(path, target, sizeof target - 1) > 0)
            cr_expect(descriptor <= 2 || (descriptor == 3 && strncmp(target, "pipe:", 5) == 0) ||
                          strstr(target, "memfd:"), /* the simulated machine's memory */
                "%d is %s", descriptor, target);
    }
    read_proc(pid, "environ", text);
    cr_expect(strstr(text, "CUDA_VISIBLE_DEVICES=GPU-00000100-"), "%s", text);
    cr_expect(!strstr(text, SEPARATOR "LD_PRELOAD=") && !strstr(text, SEPARATOR "VRAMSPAN_"), "%s", text);
    read_proc(pid, "status", text);
    cr_expect(strstr(text, "SigBlk:\t0000000000000000") && strstr(text, "SigIgn:\t0000000000000000"), "%s", text);
    cr_expect_eq(getpgid(pid), pid); /* Ctrl-C is for the program */
    snprintf(folder, sizeof folder, "/proc/%d/fd", (int)parent_of(pid));
    cr_expect_eq(files_in(folder), 0, "who keeps it holds what the program may close");
    cr_expect_eq(end_of(thread), HOST);
    cr_expect_eq(kill(pid, 0), -1, "it is still there");
}

static atomic_int children_ended;

static void count_child(int number)
{
    (void)number;
    atomic_fetch_add(&children_ended, 1);
}

static void *wait_for_any(void *found)
{
    *(pid_t *)found = waitpid(-1, NULL, 0);
    return NULL;
}

Test(proof_process, the_program_neither_waits_for_it_nor_hears_of_its_end, .timeout = 30)
{
    pid_t found = -1, own;
    pthread_t waiting, thread;
    signal(SIGCHLD, count_child);
    thread = begin_to_hang("1");
    pid_t pid = trying(getpid());
    cr_assert_gt(pid, 0);
    errno = 0;
    cr_expect(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "the program has a child");
    own = fork();
    if (own == 0) {
        sleep_ms(2500);
        _exit(0);
    }
    pthread_create(&waiting, NULL, wait_for_any, &found);
    cr_expect_eq(end_of(thread), HOST);
    cr_expect_eq(atomic_load(&children_ended), 0);
    pthread_join(waiting, NULL);
    cr_expect_eq(found, own);
    cr_expect_eq(atomic_load(&children_ended), 1);
}

Test(proof_process, its_end_by_a_crash_is_a_reason_not_to_use_the_memory, .timeout = 30)
{
    pthread_t thread = begin_to_hang("20");
    pid_t pid = trying(getpid());
    cr_assert_gt(pid, 0);
    sleep_ms(500);
    cr_assert_eq(kill(pid, SIGTRAP), 0);
    cr_expect_eq(end_of(thread), HOST);
    char *text = heard();
    cr_expect(
        strstr(text, "vmm on cuda:1 is not used for cuda:0: a kernel that reads it ends the process: "), "%s", text);
    free(text);
}

Test(proof_process, who_ends_it_from_outside_proves_nothing_for_later, .timeout = 30)
{
    char folder[512];
    pthread_t thread = begin_to_hang("20");
    pid_t pid = trying(getpid());
    cr_assert_gt(pid, 0);
    sleep_ms(500);
    cr_assert_eq(kill(pid, SIGTERM), 0);
    cr_expect_eq(end_of(thread), HOST);
    char *text = heard();
    cr_expect(strstr(text, "it could not be tried: the process that tried it was ended from outside"), "%s", text);
    cr_expect(!strstr(text, "exclusive mode"), "%s", text);
    snprintf(folder, sizeof folder, "%s/proofs", proof_cache());
    cr_expect_eq(files_in(folder), 1, "only that of the host is kept");
    free(text);
}

Test(proof_process, it_ends_with_the_program, .timeout = 30)
{
    pid_t program = fork();
    if (program == 0) {
        end_of(begin_to_hang("20"));
        _exit(0);
    }
    pid_t pid = trying(program);
    cr_assert_gt(pid, 0);
    kill(program, SIGKILL);
    waitpid(program, NULL, 0);
    for (int tick = 0; tick < 200 && kill(pid, 0) == 0; tick++)
        sleep_ms(10);
    cr_expect_eq(kill(pid, 0), -1, "it is left behind");
}
