/* proof_spawn.c: see proof_spawn.h.
 *
 * A process whose end sends no SIGCHLD is found only by wait calls with __WCLONE or __WALL; but executing a file makes
 * it send SIGCHLD again (clone(2), execve(2)). So there are two: a *keeper*, which sends nothing and executes nothing,
 * and the child, which is the keeper's. The keeper shares the program's memory (CLONE_VM: no page is copied, however
 * large the program is; a fork would copy what is page-locked), sleeps until the child has ended, and leaves its status
 * there.
 *
 * Both call nothing but the system until then, by its own numbers where the C library would write errno: locks may be
 * held by other threads, and the thread-local memory is that of the thread that waits here.
 */
#include "proof_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)64 << 10)

/* How long a child is waited for that is about to end, and how long one that was killed; in thousandths of a second. */
#define END_TICKS 2000

/* How often the child's end is looked for while it writes nothing. */
#define LOOK_SECONDS 0.1

/* What the keeper and the child run on, in memory of its own: it stays where a child cannot be killed. */
struct vs_keeper {
    pid_t program, pid;
    const char *const *argv, *const *environment;
    int pipe, pipe_descriptor, stderr_from;
    _Atomic pid_t child; /* > 0: it has begun */
    atomic_int error;    /* an errno: it could not begin */
    atomic_int status;   /* its end, once the keeper has ended; -1: unknown */
    bool ended;          /* the keeper has been waited for */
    char child_stack[STACK_BYTES] __attribute__((aligned(16)));
    char stack[STACK_BYTES] __attribute__((aligned(16)));
};

/* No instrumentation: it would find the stack unknown, or another thread's memory used. */
#define BARE __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined"), noinline))

/* --- In the keeper and in the child ------------------------------------------------------------------------------- */

BARE static long system_call(long number, long a, long b, long c, long d)
{
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

/* A new process that runs `run` on a stack of its own. Not the C library's: sanitizers stand before that. Returns its
 * number, or a negative errno. */
BARE static long start(unsigned long flags, char *stack_end, int (*run)(void *data), void *data)
{
    void **top = (void **)stack_end;
    long result;
    register long fourth __asm__("r10") = 0;
    register long fifth __asm__("r8") = 0;
    *--top = data;
    *--top = (void *)run;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xorl %%ebp, %%ebp\n\t" /* in the new process */
                     "popq %%rax\n\t"
                     "popq %%rdi\n\t"
                     "call *%%rax\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(flags), "S"(top), "d"(0), "r"(fourth), "r"(fifth)
                     : "rcx", "r11", "memory");
    return result;
}

BARE static void close_between(int first, int last)
{
    struct rlimit limit = {.rlim_cur = 1024};
    if (first > last || system_call(SYS_close_range, first, last, 0, 0) == 0) /* Linux 5.9 */
        return;
    system_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit);
    for (int descriptor = first; descriptor <= last && descriptor < (int)limit.rlim_cur; descriptor++)
        system_call(SYS_close, descriptor, 0, 0, 0);
}

#define LAST_DESCRIPTOR 0x7FFFFFFF
#define OUT_OF_THE_WAY  64 /* of the descriptors that the child shall have */

BARE static long duplicate(int from)
{
    return system_call(SYS_fcntl, from, F_DUPFD, OUT_OF_THE_WAY, 0);
}

BARE static void reset_signal(int number)
{
    struct {
        void *handler;
        unsigned long flags, restorer, mask;
    } standard = {0}; /* the kernel's own struct sigaction */
    system_call(SYS_rt_sigaction, number, (long)&standard, 0, sizeof standard.mask);
}

/* Handlers must not run in the program's memory. What it ignores is not to stay ignored either. */
BARE static void reset_signals(void)
{
    unsigned long none = 0;
    for (int number = 1; number < NSIG; number++)
        reset_signal(number);
    system_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none);
}

BARE static int run_child(void *data)
{
    struct vs_keeper *keeper = data;
    system_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    system_call(SYS_setpgid, 0, 0, 0, 0); /* Ctrl-C is for the program */
    int nowhere = (int)system_call(SYS_open, (long)"/dev/null", O_RDWR, 0, 0);
    long pipe = duplicate(keeper->pipe), null = duplicate(nowhere);
    long errors = keeper->stderr_from >= 0 ? duplicate(keeper->stderr_from) : null;
    if (pipe >= 0 && null >= 0) {
        for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++)
            system_call(SYS_dup2, descriptor == STDERR_FILENO ? errors : null, descriptor, 0, 0);
        system_call(SYS_dup2, pipe, keeper->pipe_descriptor, 0, 0);
        close_between(keeper->pipe_descriptor + 1, LAST_DESCRIPTOR);
        reset_signals();
        long result = system_call(SYS_execve, (long)keeper->argv[0], (long)keeper->argv, (long)keeper->environment, 0);
        atomic_store(&keeper->error, (int)-result);
    } else {
        atomic_store(&keeper->error, EMFILE);
    }
    system_call(SYS_exit_group, 127, 0, 0, 0);
    return 127;
}

/* The program's descriptors are copied: those that it closes would stay open here. */
BARE static int keep(void *data)
{
    struct vs_keeper *keeper = data;
    int status = -1;
    long pid = -ESRCH;
    system_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    reset_signal(SIGCHLD); /* where the program ignores it, the kernel would keep no status (wait(2)) */
    if (system_call(SYS_getppid, 0, 0, 0, 0) == keeper->program) /* else nobody is left to end it */
        pid = start(CLONE_VM | CLONE_VFORK | SIGCHLD, keeper->child_stack + STACK_BYTES, run_child, keeper);
    close_between(0, LAST_DESCRIPTOR);
    if (pid <= 0)
        atomic_store(&keeper->error, EAGAIN);
    else
        atomic_store(&keeper->child, (pid_t)pid);
    while (pid > 0 && system_call(SYS_wait4, pid, (long)&status, __WALL, 0) == -EINTR)
        ;
    atomic_store(&keeper->status, status);
    system_call(SYS_exit_group, 0, 0, 0, 0);
    return 0;
}

/* --- In the program ----------------------------------------------------------------------------------------------- */

/* All signals are blocked meanwhile: the keeper has the thread's mask, for good, and its handlers. */
static int begin(struct vs_keeper *keeper)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    long pid = start(CLONE_VM, keeper->stack + STACK_BYTES, keep, keeper); /* and no signal at its end */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    keeper->pid = (pid_t)pid;
    return pid < 0 ? (int)-pid : 0;
}

/* Whether the keeper has ended, or is no more to be found: the program may wait for whatever it finds. */
static bool has_ended(struct vs_keeper *keeper)
{
    pid_t found;
    while (!keeper->ended && (found = waitpid(keeper->pid, NULL, __WALL | WNOHANG)) != 0)
        keeper->ended = found > 0 || errno != EINTR;
    return keeper->ended;
}

static bool ends_soon(struct vs_keeper *keeper, bool kill_it)
{
    static const struct timespec tick = {.tv_nsec = 1000000};
    for (int i = 0; i < END_TICKS && !has_ended(keeper); i++) {
        pid_t pid = atomic_load(&keeper->child); /* not there at once */
        if (kill_it && pid > 0) {
            kill(pid, SIGKILL);
            kill_it = false;
        }
        nanosleep(&tick, NULL);
    }
    return has_ended(keeper);
}

int vs_spawn(const char *const *argv, const char *const *environment, int pipe_descriptor, int stderr_from,
    struct vs_spawned *child)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    struct vs_keeper *keeper = mmap(NULL, sizeof *keeper, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int error = keeper == MAP_FAILED ? ENOMEM : 0;
    if (!error) {
        keeper->program = getpid();
        keeper->argv = argv;
        keeper->environment = environment;
        keeper->pipe = ends[1];
        keeper->pipe_descriptor = pipe_descriptor;
        keeper->stderr_from = stderr_from;
        keeper->status = -1;
        error = begin(keeper);
        if (error)
            munmap(keeper, sizeof *keeper);
    }
    close(ends[1]);
    if (error)
        close(ends[0]);
    *child = (struct vs_spawned){keeper, ends[0]};
    return error;
}

static bool is_end_from_outside(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGKILL || number == SIGQUIT;
}

ssize_t vs_spawn_read(struct vs_spawned *child, char *bytes, size_t count, double seconds)
{
    struct pollfd waited = {.fd = child->pipe, .events = POLLIN};
    bool ended;
    do {
        double part = seconds < LOOK_SECONDS ? seconds : LOOK_SECONDS;
        ended = has_ended(child->keeper); /* before it is looked for what it has written until then */
        if (poll(&waited, 1, ended || part <= 0 ? 0 : (int)(part * 1000) + 1) > 0) {
            ssize_t got = read(child->pipe, bytes, count);
            if (got >= 0)
                return got;
        }
        seconds -= part;
    } while (!ended && seconds > 0);
    return ended ? 0 : -1;
}

bool vs_spawn_end(struct vs_spawned *child, bool kill_it, char *how, size_t how_bytes)
{
    struct vs_keeper *keeper = child->keeper;
    bool ended = (!kill_it && ends_soon(keeper, false)) || ends_soon(keeper, true);
    close(child->pipe);
    if (!ended) {
        snprintf(how, how_bytes, "it cannot be killed");
        return false;
    }
    int status = atomic_load(&keeper->status), error = atomic_load(&keeper->error);
    munmap(keeper, sizeof *keeper);
    if (error)
        snprintf(how, how_bytes, "%s", strerror(error));
    else if (status == -1)
        snprintf(how, how_bytes, "in an unknown way");
    else if (WIFSIGNALED(status))
        snprintf(how, how_bytes, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, how_bytes, "status %d", WEXITSTATUS(status));
    return !error && (status == -1 || (WIFSIGNALED(status) && is_end_from_outside(WTERMSIG(status))));
}
