/* turns.c: see turns.h.
 *
 * Each enrolled thread has a seat. At a CUDA call it waits at the gate. When every enrolled thread is at the gate, or
 * asleep because the program itself made it wait (a mutex, a condition, a join: all of them futexes), the seed chooses
 * one of those at the gate. Nothing depends on how fast a thread comes, so the order of calls replays; and since
 * sleepers are not waited for, whatever threads do with each other cannot make turns the cause of a deadlock.
 *
 * Whether a thread sleeps is asked of the system (/proc/self/task/<id>/syscall). A futex wakes its sleepers before the
 * call that wakes returns: a thread that can go on is never taken for a sleeper. A thread that computes, or sleeps by
 * the clock, is waited for, but for TIME_LIMIT_MS only; then the turn goes on without it, and a line says so. */
#include "turns.h"
#include "../simcuda.h"
#include "splitmix64.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SEAT_COUNT    64
#define TIME_LIMIT_MS 2000
#define POLL_NS       20000

/* PASSING: in this file, where it may sleep for the table's lock. */
enum seat_state { EMPTY, PASSING, RUNNING, AT_GATE, LEFT };

static struct seat {
    pid_t tid;
    _Atomic enum seat_state state;
    bool ignored;        /* it did not come in time */
    const void *awaited; /* not to be chosen before it is woken, unless `timed` */
    bool timed;
} seats[SEAT_COUNT];

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER; /* for all below */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned enrolled, wanted;
static bool begun;            /* all that are wanted have enrolled */
static struct seat *turn;     /* was chosen, and has not noticed yet */
static bool polled;           /* a thread at the gate looks at the others now and then */
static uint64_t random_state; /* apart from the scheduler's: who comes next does not depend on what is queued */
static pthread_key_t at_exit;
static bool at_exit_made;

/* --- who is where ------------------------------------------------------------------------------------------------- */

enum activity { BUSY, ASLEEP, GONE };

/* The first bytes of /proc/self/task/<tid>/<name>; false where there is no such thread. */
static bool read_of_thread(pid_t tid, const char *name, char text[128])
{
    char path[64];
    ssize_t length;
    int file;

    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)tid, name);
    file = open(path, O_RDONLY | O_CLOEXEC);
    text[0] = '\0';
    if (file < 0)
        return errno != ENOENT;
    length = read(file, text, 127);
    close(file);
    if (length > 0)
        text[length] = '\0';
    return length > 0;
}

/* A thread sleeps when its system call is a futex and its state, looked at afterwards, is S: between being woken and
 * running it still has its call, but no longer that state. */
static enum activity activity_of(pid_t tid)
{
    char text[128], *state;

    if (!read_of_thread(tid, "syscall", text))
        return GONE;
    if (strtol(text, NULL, 10) != SYS_futex) /* "running" is no number */
        return BUSY;
    if (!read_of_thread(tid, "stat", text))
        return GONE;
    state = strrchr(text, ')'); /* behind the name */
    return state != NULL && strncmp(state, ") S", 3) == 0 ? ASLEEP : BUSY;
}

static bool is_quiet(struct seat *seat)
{
    enum seat_state state = atomic_load(&seat->state);

    if (state == EMPTY || state == AT_GATE || seat->ignored)
        return true;
    if (state == PASSING)
        return false;
    switch (activity_of(seat->tid)) {
    case GONE:
        atomic_store(&seat->state, EMPTY);
        return true;
    case ASLEEP: /* it may have come to the gate in between, and sleep for the table's lock */
        return atomic_load(&seat->state) == state;
    default:
        return false;
    }
}

/* The first seat that must be waited for, or NULL. */
static struct seat *busy_seat(void)
{
    for (int look = 0; look < 2; look++) /* twice: a sleeper may have been woken by one that was looked at later */
        for (unsigned i = 0; i < wanted; i++)
            if (!is_quiet(&seats[i]))
                return &seats[i];
    return NULL;
}

static bool is_candidate(struct seat *seat)
{
    return atomic_load(&seat->state) == AT_GATE && (seat->awaited == NULL || seat->timed);
}

/* --- choosing ----------------------------------------------------------------------------------------------------- */

/* One of the seats that `fit`, by the seed; NULL where none does. */
static struct seat *choose(bool (*fits)(struct seat *))
{
    unsigned count = 0, chosen;

    for (unsigned i = 0; i < wanted; i++)
        count += fits(&seats[i]);
    if (count == 0)
        return NULL;
    chosen = (unsigned)(splitmix64(&random_state) % count);
    for (unsigned i = 0;; i++)
        if (fits(&seats[i]) && chosen-- == 0)
            return &seats[i];
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Looks until all are quiet and one can be chosen. The table is locked before and after, not while it sleeps. */
static void poll_and_choose(void)
{
    uint64_t until = now_ms() + TIME_LIMIT_MS;
    const struct timespec pause = {.tv_nsec = POLL_NS};
    struct seat *busy;

    polled = true;
    while ((busy = busy_seat()) != NULL || (turn = choose(is_candidate)) == NULL) {
        if (busy != NULL && now_ms() > until) {
            char line[160];
            int length = snprintf(line, sizeof line,
                "simcuda: turns: thread %d computes or sleeps for %d ms without a CUDA call; the turn goes on, and "
                "this run "
                "may not replay\n",
                (int)(busy - seats), TIME_LIMIT_MS);
            if (write(STDERR_FILENO, line, (size_t)length) < 0)
                return; /* nobody listens */
            busy->ignored = true;
            until = now_ms() + TIME_LIMIT_MS;
        }
        pthread_mutex_unlock(&table);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&table);
    }
    polled = false;
    pthread_cond_broadcast(&changed);
}

/* Waits at the gate until it is this thread's turn. */
static void wait_at_gate(void)
{
    struct seat *seat = &seats[sim_thread.seat - 1];

    atomic_store(&seat->state, AT_GATE);
    pthread_mutex_lock(&table);
    seat->ignored = false;
    while (turn != seat) {
        if (turn == NULL && !polled)
            poll_and_choose();
        else
            pthread_cond_wait(&changed, &table);
    }
    turn = NULL;
    atomic_store(&seat->state, RUNNING);
    pthread_cond_broadcast(&changed); /* one of those at the gate looks after this thread now */
    pthread_mutex_unlock(&table);
}

/* This file's own lock is none for pthread_turns.c to care about. */
#define APART(statement)                                                                                               \
    do {                                                                                                               \
        sim_thread.in_turns = true;                                                                                    \
        statement;                                                                                                     \
        sim_thread.in_turns = false;                                                                                   \
    } while (0)

void sim_turns_wait(void)
{
    APART(wait_at_gate());
}

bool simcudaTurnsEntered(void)
{
    return sim_thread.seat != 0 && !sim_thread.in_turns;
}

void simcudaTurnsYield(void)
{
    if (simcudaTurnsEntered())
        sim_turns_wait();
}

/* From within a turn: a thread that sleeps for the table's lock must not be taken for one that waits for another. */
static void lock_table(void)
{
    if (sim_thread.seat != 0)
        atomic_store(&seats[sim_thread.seat - 1].state, PASSING);
    pthread_mutex_lock(&table);
    if (sim_thread.seat != 0)
        atomic_store(&seats[sim_thread.seat - 1].state, RUNNING);
}

static void set_awaited(const void *what, bool timed)
{
    struct seat *seat = &seats[sim_thread.seat - 1];

    lock_table();
    seat->awaited = what;
    seat->timed = timed;
    pthread_mutex_unlock(&table);
}

void simcudaTurnsAwait(const void *what, bool timed)
{
    if (simcudaTurnsEntered())
        APART(set_awaited(what, timed));
}

static bool take_awaited(void)
{
    struct seat *seat = &seats[sim_thread.seat - 1];
    bool woken;

    lock_table();
    woken = seat->awaited == NULL;
    seat->awaited = NULL;
    pthread_mutex_unlock(&table);
    return woken;
}

bool simcudaTurnsSleep(void)
{
    bool woken;

    sim_turns_wait();
    APART(woken = take_awaited());
    return woken;
}

static const void *wake_for; /* guarded by the table's lock */

static bool awaits(struct seat *seat)
{
    return seat->awaited == wake_for;
}

static void wake(const void *what, bool all)
{
    struct seat *seat;

    lock_table();
    wake_for = what;
    do {
        seat = choose(awaits);
        if (seat != NULL)
            seat->awaited = NULL;
    } while (all && seat != NULL);
    pthread_mutex_unlock(&table);
}

void simcudaTurnsWake(const void *what, bool all)
{
    if (!sim_thread.in_turns)
        APART(wake(what, all));
}

/* --- enrolment ---------------------------------------------------------------------------------------------------- */

static void leave(void)
{
    struct seat *seat = &seats[sim_thread.seat - 1];

    sim_thread.seat = 0;
    atomic_store(&seat->state, PASSING);
    pthread_mutex_lock(&table);
    begun = --enrolled > 0;
    atomic_store(&seat->state, LEFT); /* waited for until it has ended, or sleeps */
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&table);
}

void simcudaTurnsLeave(void)
{
    if (sim_thread.seat != 0)
        APART(leave());
}

static void leave_at_exit(void *unused)
{
    (void)unused;
    simcudaTurnsLeave();
}

static bool take_seat(unsigned number, unsigned count)
{
    const char *seed = getenv("SIMCUDA_SEED");
    struct seat *seat = &seats[number % SEAT_COUNT];
    bool fits;

    pthread_mutex_lock(&table);
    fits = sim_thread.seat == 0 && count <= SEAT_COUNT && number < count && !begun &&
           (enrolled == 0 || (wanted == count && atomic_load(&seat->state) == EMPTY)) &&
           (at_exit_made || pthread_key_create(&at_exit, leave_at_exit) == 0);
    if (!fits) {
        pthread_mutex_unlock(&table);
        return false;
    }
    at_exit_made = true;
    if (enrolled++ == 0) {
        memset(seats, 0, sizeof seats);
        wanted = count;
        random_state = seed != NULL ? strtoull(seed, NULL, 0) : 1;
    }
    seat->tid = (pid_t)syscall(SYS_gettid);
    atomic_store(&seat->state, PASSING);
    sim_thread.seat = number + 1;
    pthread_setspecific(at_exit, seat);
    begun = enrolled == wanted;
    pthread_cond_broadcast(&changed);
    while (!begun)
        pthread_cond_wait(&changed, &table);
    atomic_store(&seat->state, RUNNING);
    pthread_mutex_unlock(&table);
    return true;
}

bool simcudaTurnsEnter(unsigned number, unsigned count)
{
    bool entered;
    APART(entered = take_seat(number, count));
    if (entered)
        sim_turns_wait(); /* else all would run at once until their first calls */
    return entered;
}
