/* gate.c: the gate alone (shim/gate.h), without CUDA: threads pass it as hooks do, and movers close it. What a mover
 * writes while it is closed must never be seen half done by who is inside. A plain program, so that it can run under
 * ThreadSanitizer, to which a gap in the gate is a race on plain variables. Prints TAP.
 *
 * gate [ROUNDS [without]]: how often the gate is closed, in each test that counts (default 2000); as on a kernel
 * without membarrier. */
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../shim/gate.h"

#define SECOND  1000000000u
#define PASSERS 3

static int number, failures;
static unsigned rounds = 2000;
static atomic_bool ended;
static atomic_ulong passes;
static bool without_membarrier;

/* Stands before libc's: a kernel without membarrier. */
long syscall(long call, ...)
{
    long arguments[3];
    va_list list;
    va_start(list, call);
    for (int i = 0; i < 3; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    if (call != SYS_membarrier || without_membarrier) {
        errno = ENOSYS;
        return -1;
    }
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(call), "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2])
                     : "rcx", "r11", "memory");
    return result;
}

static void tell(bool good, const char *sentence)
{
    printf("%sok %d - %s\n", good ? "" : "not ", ++number, sentence);
    failures += !good;
}

static void sleep_ns(long ns)
{
    nanosleep(&(struct timespec){ns / SECOND, ns % SECOND}, NULL);
}

/* --- What movers write and passers read ------------------------------------------------------------ */

static unsigned first_half, second_half; /* plain on purpose; equal whenever the gate is open */
static atomic_uint torn;

static void pass_once(void)
{
    vs_gate_enter();
    unsigned a = first_half;
    __asm__ volatile("" ::: "memory");
    if (second_half != a)
        atomic_fetch_add(&torn, 1);
    vs_gate_leave();
}

static void *pass_until_end(void *unused)
{
    while (!atomic_load(&ended)) {
        pass_once();
        atomic_fetch_add_explicit(&passes, 1, memory_order_relaxed);
    }
    return unused;
}

static bool move_once(void)
{
    if (!vs_gate_close(10ull * SECOND))
        return false;
    first_half++;
    for (volatile int i = 0; i < 20; i++)
        ;
    second_half++;
    vs_gate_open();
    return true;
}

static void *move_many(void *from_inside)
{
    for (unsigned i = 0; i < rounds; i++) {
        if (from_inside)
            vs_gate_enter();
        if (!move_once())
            atomic_fetch_add(&torn, 1);
        if (from_inside)
            vs_gate_leave();
    }
    return NULL;
}

static bool all_whole(unsigned moves, unsigned before)
{
    return atomic_load(&torn) == 0 && first_half - before == moves && second_half == first_half;
}

/* Movers against threads that pass all the time. */
static void movers_and_passers(unsigned movers, bool from_inside, const char *sentence)
{
    pthread_t passing[PASSERS], moving[4];
    unsigned before = first_half;
    atomic_store(&ended, false);
    atomic_store(&torn, 0);
    atomic_store(&passes, 0);
    for (int i = 0; i < PASSERS; i++)
        pthread_create(&passing[i], NULL, pass_until_end, NULL);
    for (unsigned i = 0; i < movers; i++)
        pthread_create(&moving[i], NULL, move_many, from_inside ? &ended : NULL);
    for (unsigned i = 0; i < movers; i++)
        pthread_join(moving[i], NULL);
    atomic_store(&ended, true);
    for (int i = 0; i < PASSERS; i++)
        pthread_join(passing[i], NULL);
    tell(all_whole(movers * rounds, before) && (movers > 1 || atomic_load(&passes) > 0), sentence);
}

/* --- Threads that come and go ------------------------------------------------------------------------------------- */

static void *pass_some(void *unused)
{
    for (int i = 0; i < 50; i++)
        pass_once();
    return unused;
}

static void *start_and_end_threads(void *unused)
{
    while (!atomic_load(&ended)) {
        pthread_t short_lived[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&short_lived[i], NULL, pass_some, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join(short_lived[i], NULL);
    }
    return unused;
}

static void threads_that_end(void)
{
    pthread_t starter;
    unsigned before = first_half;
    atomic_store(&ended, false);
    atomic_store(&torn, 0);
    pthread_create(&starter, NULL, start_and_end_threads, NULL);
    move_many(NULL);
    atomic_store(&ended, true);
    pthread_join(starter, NULL);
    tell(all_whole(rounds, before), "threads that start and end while pages move are waited for as others are");
}

/* A thread's record goes back when it ends, also where a destructor of the program's passes after ours ran. */
static pthread_key_t late_key;

static void pass_late(void *unused)
{
    (void)unused;
    pass_once();
}

static void *pass_at_the_end(void *unused)
{
    pass_once();
    pthread_setspecific(late_key, &late_key);
    return unused;
}

static void destructors_that_pass(void)
{
    unsigned before = first_half;
    pthread_key_create(&late_key, pass_late); /* made after the gate's own key: runs behind its destructor */
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, pass_at_the_end, NULL);
        pthread_join(thread, NULL);
    }
    tell(move_once() && first_half == before + 1,
        "a destructor may pass when the thread's record is given back already");
}

/* --- A call that does not return ---------------------------------------------------------------------------------- */

static atomic_bool is_in, may_leave;

static void *stay_inside(void *unused)
{
    vs_gate_enter();
    atomic_store(&is_in, true);
    while (!atomic_load(&may_leave))
        sleep_ns(SECOND / 1000);
    vs_gate_leave();
    return unused;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void a_mover_gives_up(void)
{
    pthread_t thread;
    atomic_store(&is_in, false);
    atomic_store(&may_leave, false);
    pthread_create(&thread, NULL, stay_inside, NULL);
    while (!atomic_load(&is_in))
        sleep_ns(SECOND / 1000);
    double begun = now();
    bool closed = vs_gate_close(SECOND / 10);
    double taken = now() - begun;
    tell(!closed && taken > 0.09 && taken < 5, "a mover gives up where a call does not return within its limit");
    pass_once(); /* or stands here for ever */
    tell(true, "and leaves the gate open");
    atomic_store(&may_leave, true);
    pthread_join(thread, NULL);
    tell(move_once(), "once the call returned, the gate closes again");
}

static void *leave_soon(void *unused)
{
    vs_gate_enter();
    atomic_store(&is_in, true);
    sleep_ns(SECOND / 5);
    first_half += 7, second_half += 7;
    vs_gate_leave();
    return unused;
}

static void a_mover_waits(void)
{
    pthread_t thread;
    atomic_store(&is_in, false);
    pthread_create(&thread, NULL, leave_soon, NULL);
    while (!atomic_load(&is_in))
        sleep_ns(SECOND / 1000);
    bool closed = vs_gate_close(10ull * SECOND);
    unsigned seen = first_half, other = second_half;
    vs_gate_open();
    pthread_join(thread, NULL);
    tell(closed && seen == other, "a call in flight is waited for");
}

/* --- Another mover -------------------------------------------------------------------------------------------------
 */

static atomic_bool has_closed;

static void *hold_closed(void *nanoseconds)
{
    if (vs_gate_close(SECOND)) {
        atomic_store(&has_closed, true);
        sleep_ns(*(const unsigned *)nanoseconds);
        vs_gate_open();
    }
    return NULL;
}

static void begin_to_hold(pthread_t *thread, unsigned *nanoseconds)
{
    atomic_store(&has_closed, false);
    pthread_create(thread, NULL, hold_closed, nanoseconds);
    while (!atomic_load(&has_closed))
        sleep_ns(SECOND / 1000);
}

static void a_mover_waits_for_another(void)
{
    pthread_t mover, caller;
    unsigned nanoseconds = SECOND;
    begin_to_hold(&mover, &nanoseconds);
    double begun = now();
    bool closed = vs_gate_close(SECOND / 10);
    double taken = now() - begun;
    tell(!closed && taken > 0.09 && taken < 0.9,
        "a mover gives up where another one has the gate longer than its limit");
    pthread_join(mover, NULL);
    tell(move_once(), "once that one is done, the gate closes again");

    /* It waits for the other one most of its limit, and most of it again for the call that is under way then. */
    nanoseconds = SECOND / 4;
    begin_to_hold(&mover, &nanoseconds);
    atomic_store(&is_in, false);
    pthread_create(&caller, NULL, leave_soon, NULL); /* stands at the gate, then is inside for a fifth */
    closed = vs_gate_close(SECOND * 2 / 5);
    tell(closed, "what it waits for another one is not counted for calls");
    if (closed)
        vs_gate_open();
    pthread_join(mover, NULL);
    pthread_join(caller, NULL);
}

/* --- A child ------------------------------------------------------------------------------------------------------ */

static void *pass_in_child(void *unused)
{
    pass_once();
    return unused;
}

static void a_forked_child(void)
{
    int status = -1;
    vs_gate_arm();
    if (!vs_gate_close(SECOND)) {
        tell(false, "the gate could not be closed");
        return;
    }
    pid_t child = fork();
    if (child == 0) { /* with the gate closed by a thread that is this one here, and in another program none */
        alarm(20);
        vs_gate_forget();
        bool needed = vs_gate_is_needed();
        vs_gate_arm();
        needed = needed || vs_gate_is_needed();
        pthread_t thread;
        pthread_create(&thread, NULL, pass_in_child, NULL);
        pthread_detach(thread);
        _exit(needed ? 1 : 0);
    }
    vs_gate_open();
    waitpid(child, &status, 0);
    tell(WIFEXITED(status) && WEXITSTATUS(status) == 0 && vs_gate_is_needed(), "a forked child does not pass the gate");
}

static void once_through(const char *form)
{
    char sentence[128];
    snprintf(sentence, sizeof sentence, "%s: one mover, threads that pass all the time", form);
    movers_and_passers(1, false, sentence);
    snprintf(sentence, sizeof sentence, "%s: several movers take turns", form);
    movers_and_passers(3, false, sentence);
    snprintf(sentence, sizeof sentence,
        "%s: movers that are inside themselves wait neither for themselves nor for each other", form);
    movers_and_passers(3, true, sentence);
}

int main(int count, char **arguments)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count > 1)
        rounds = (unsigned)atoi(arguments[1]);
    without_membarrier = count > 2;
    once_through(without_membarrier ? "without membarrier" : "with membarrier");
    threads_that_end();
    destructors_that_pass();
    a_mover_waits();
    a_mover_gives_up();
    a_mover_waits_for_another();
    a_forked_child();
    return failures != 0;
}
