/* proof_spawn_test.c: what becomes of a child process that the program knows nothing of, and how long it is waited for.
 */
#include "../../shim/proof_spawn.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct vs_spawned begin(const char *script)
{
    static const char *argv[] = {"/bin/sh", "-c", NULL, NULL};
    struct vs_spawned child;
    argv[2] = script;
    cr_assert_eq(vs_spawn(argv, (const char *const *)environ, 3, -1, &child), 0);
    return child;
}

/* All that it writes, until its end. */
static double read_all(struct vs_spawned *child, char text[64])
{
    double began = now();
    size_t length = 0;
    ssize_t got;
    while ((got = vs_spawn_read(child, text + length, 63 - length, 20)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    cr_expect_eq(got, 0);
    return now() - began;
}

Test(proof_spawn, what_it_writes_is_read_and_its_end_is_told)
{
    char text[64], how[64];
    struct vs_spawned child = begin("echo one >&3; echo two >&3; exit 7");
    read_all(&child, text);
    cr_expect_str_eq(text, "one\ntwo\n");
    cr_expect(!vs_spawn_end(&child, false, how, sizeof how));
    cr_expect_str_eq(how, "status 7");
    child = begin("kill -SEGV $$");
    cr_expect(!vs_spawn_end(&child, false, how, sizeof how));
    cr_expect_str_eq(how, "signal 11 (Segmentation fault)");
    child = begin("kill -TERM $$");
    cr_expect(vs_spawn_end(&child, false, how, sizeof how), "%s", how);
}

Test(proof_spawn, one_that_writes_nothing_is_waited_for_as_long_as_was_said)
{
    char text[64], how[64];
    struct vs_spawned child = begin("exec sleep 20");
    double began = now();
    cr_expect_eq(vs_spawn_read(&child, text, sizeof text, 0.5), -1);
    cr_expect(now() - began > 0.4 && now() - began < 5, "%g s", now() - began);
    vs_spawn_end(&child, true, how, sizeof how);
    cr_expect(now() - began < 10, "%g s", now() - began);
}

/* As one does that hangs in the driver on its way out, with the pipe closed before. */
Test(proof_spawn, one_that_has_closed_its_pipe_and_does_not_end_is_killed)
{
    char text[64], how[64];
    struct vs_spawned child = begin("exec 3>&-; exec sleep 20");
    double began = now();
    read_all(&child, text);
    vs_spawn_end(&child, false, how, sizeof how);
    cr_expect(now() - began < 10, "%g s", now() - began);
    cr_expect_str_eq(how, "signal 9 (Killed)");
}

Test(proof_spawn, who_else_holds_the_pipe_is_not_waited_for)
{
    char text[64], how[64];
    struct vs_spawned child = begin("echo here >&3; sleep 8 & exit 3");
    double took = read_all(&child, text);
    cr_expect(took < 5, "%g s", took);
    cr_expect_str_eq(text, "here\n");
    vs_spawn_end(&child, false, how, sizeof how);
    cr_expect_str_eq(how, "status 3");
}

/* Systems reap what nobody waits for then; the program may set it before it starts threads, or by another library. */
Test(proof_spawn, its_end_is_known_where_the_program_ignores_the_end_of_its_children)
{
    char text[64], how[64];
    signal(SIGCHLD, SIG_IGN);
    struct vs_spawned child = begin("exit 5");
    read_all(&child, text);
    cr_expect(!vs_spawn_end(&child, false, how, sizeof how));
    cr_expect_str_eq(how, "status 5");
    child = begin("exec sleep 20");
    cr_expect(vs_spawn_end(&child, true, how, sizeof how), "that it was killed says nothing about memory: %s", how);
    cr_expect_str_eq(how, "signal 9 (Killed)");
    signal(SIGCHLD, SIG_DFL);
}
