/* apart.c: child processes; see apart.h. */
#include "apart.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_FAILED  1
#define EXIT_SKIPPED 77
/* The dynamic loader ends a process so when a function that is called for the first time is missing. */
#define EXIT_LACKS_SYMBOLS 127

static int say_fd = -1; /* in the child: where its text goes */

void apart_say(const char *text)
{
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t written = write(say_fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            _exit(EXIT_FAILED);
        text += written;
        length -= (size_t)written;
    }
}

static __attribute__((noreturn)) void end(const char *text, int status)
{
    apart_say(text);
    _exit(status);
}

void apart_fail(const char *text)
{
    end(text, EXIT_FAILED);
}

void apart_skip(const char *text)
{
    end(text, EXIT_SKIPPED);
}

void apart_pass(const char *text)
{
    end(text, 0);
}

static __attribute__((noreturn)) void give_up(const char *what)
{
    perror(what);
    exit(EXIT_FAILED);
}

/* Reads what the child says until its end closes, or the time is over. Returns false in the latter case. */
static bool listen_to(int fd, char *text, size_t capacity)
{
    size_t length = 0;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    for (;;) {
        int ready = poll(&waiting, 1, APART_SECONDS * 1000);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t got = read(fd, text + length, capacity - 1 - length);
        if (got <= 0)
            return true;
        length += (size_t)got;
        text[length] = 0;
    }
}

static void judge(int status, bool in_time, struct apart_outcome *outcome)
{
    size_t bytes = sizeof outcome->text;
    outcome->result = APART_FAILED;
    if (!in_time) {
        snprintf(outcome->text, bytes, "no end after %d seconds", APART_SECONDS);
    } else if (WIFSIGNALED(status)) {
        snprintf(outcome->text, bytes, "ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) == EXIT_LACKS_SYMBOLS) {
        outcome->result = APART_SKIPPED;
        snprintf(outcome->text, bytes, "the driver or the runtime is older than a function that is called");
    } else if (WEXITSTATUS(status) == EXIT_SKIPPED) {
        outcome->result = APART_SKIPPED;
    } else if (WEXITSTATUS(status) == 0) {
        outcome->result = APART_PASSED;
    }
}

void apart_run(void (*body)(const void *argument), const void *argument, struct apart_outcome *outcome)
{
    int ends[2], status;
    outcome->text[0] = 0;
    if (pipe(ends))
        give_up("conformance: pipe");
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        give_up("conformance: fork");
    if (child == 0) {
        close(ends[0]);
        say_fd = ends[1];
        body(argument);
        _exit(0);
    }
    close(ends[1]);
    bool in_time = listen_to(ends[0], outcome->text, sizeof outcome->text);
    close(ends[0]);
    if (!in_time)
        kill(child, SIGKILL);
    if (waitpid(child, &status, 0) != child)
        give_up("conformance: waitpid");
    judge(status, in_time, outcome);
}
