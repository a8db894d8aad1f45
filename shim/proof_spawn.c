/* proof_spawn.c: see proof_spawn.h.
 *
 * The child shares the program's memory until it executes its file (CLONE_VM, CLONE_VFORK: no page is copied, however
 * large the program is, and the calling thread waits), and sends no signal at its end: a child whose signal is not
 * SIGCHLD is found only by wait calls with __WCLONE or __WALL (clone(2), "waiting on children"). Until then it calls
 * nothing but the system: locks may be held by other threads. */
#include "proof_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Of the child, until it executes its file. */
#define STACK_BYTES ((size_t)64 << 10)

/* How long a killed child is waited for, in hundredths of a second. */
#define END_TICKS 200

struct plan {
    const char *const *argv, *const *environment;
    int pipe, pipe_descriptor, stderr_from;
    pid_t parent;
    volatile int error; /* of execve; the child writes it into the memory that is shared */
};

/* --- In the child --------------------------------------------------------------------------------------------------*/

/* Handlers must not run on our stack, in the program's memory. Ignored signals are not to stay ignored either. */
static void reset_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &standard, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void place(int from, int descriptor)
{
    if (from == descriptor)
        fcntl(descriptor, F_SETFD, 0); /* dup2 would leave it to be closed */
    else
        dup2(from, descriptor);
}

static void close_from(unsigned first)
{
    struct rlimit limit;
    if (syscall(SYS_close_range, first, ~0U, 0) == 0) /* Linux 5.9 */
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned descriptor = first; descriptor < limit.rlim_cur && descriptor < 65536; descriptor++)
        close((int)descriptor);
}

static int in_child(void *data)
{
    struct plan *plan = data;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* Ctrl-C is for the program */
    int nowhere = open("/dev/null", O_RDWR);
    if (nowhere < 0)
        _exit(126);
    /* Out of the way of 0 to 3 first. */
    int pipe = fcntl(plan->pipe, F_DUPFD, 64), null = fcntl(nowhere, F_DUPFD, 64),
        error = plan->stderr_from >= 0 ? fcntl(plan->stderr_from, F_DUPFD, 64) : -1;
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++)
        place(descriptor == STDERR_FILENO && error >= 0 ? error : null, descriptor);
    place(pipe, plan->pipe_descriptor);
    close_from((unsigned)plan->pipe_descriptor + 1);
    reset_signals();
    if (getppid() == plan->parent) { /* else nobody is left to kill it */
        execve(plan->argv[0], (char *const *)plan->argv, (char *const *)plan->environment);
        plan->error = errno;
    }
    _exit(127);
}

/* --- In the program ----------------------------------------------------------------------------------------------- */

/* All signals are blocked meanwhile: the child has the thread's mask, and its handlers. */
static pid_t make(struct plan *plan)
{
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    sigset_t all, before;
    if (stack == MAP_FAILED)
        return -1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int flags = CLONE_VM | CLONE_VFORK; /* and no signal at its end */
    pid_t pid = clone(in_child, stack + STACK_BYTES, flags, plan);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_BYTES);
    errno = error;
    return pid;
}

int vs_spawn(const char *const *argv, const char *const *environment, int pipe_descriptor, int stderr_from,
    struct vs_spawned *child)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    struct plan plan = {.argv = argv,
        .environment = environment,
        .pipe = ends[1],
        .pipe_descriptor = pipe_descriptor,
        .stderr_from = stderr_from,
        .parent = getpid()};
    pid_t pid = make(&plan);
    int error = pid < 0 ? errno : plan.error;
    close(ends[1]);
    *child = (struct vs_spawned){pid, ends[0]};
    if (!error)
        return 0;
    if (pid < 0)
        close(ends[0]);
    else
        vs_spawn_end(child, false, (char[1]){0}, 1);
    return error;
}

/* Whether the child has ended, or is no more to be found: the program may wait for whatever it finds. */
static bool has_ended(pid_t pid, int options, int *status)
{
    pid_t found;
    *status = -1;
    while ((found = waitpid(pid, status, __WALL | options)) < 0 && errno == EINTR)
        ;
    return found != 0;
}

static bool is_end_from_outside(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGKILL || number == SIGQUIT;
}

bool vs_spawn_end(struct vs_spawned *child, bool kill_it, char *how, size_t how_bytes)
{
    static const struct timespec tick = {.tv_nsec = 10000000};
    int status = -1;
    if (kill_it)
        kill(child->pid, SIGKILL);
    bool ended = has_ended(child->pid, kill_it ? WNOHANG : 0, &status);
    for (int i = 0; !ended && i < END_TICKS; i++) {
        nanosleep(&tick, NULL);
        ended = has_ended(child->pid, WNOHANG, &status);
    }
    close(child->pipe);
    if (!ended || status == -1)
        snprintf(how, how_bytes, "%s", ended ? "in an unknown way" : "it cannot be killed");
    else if (WIFSIGNALED(status))
        snprintf(how, how_bytes, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, how_bytes, "status %d", WEXITSTATUS(status));
    return ended && status != -1 && WIFSIGNALED(status) && is_end_from_outside(WTERMSIG(status));
}
