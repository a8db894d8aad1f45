/* main.c: runs the checks and prints what they found as TAP (Test Anything Protocol).
 *
 * Each check runs in a child process; the parent never calls CUDA, which does not survive a fork. The child writes why
 * it failed or was skipped into a pipe. A check that runs longer than TIME_LIMIT_SECONDS has failed. */
#include "conformance.h"

#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIME_LIMIT_SECONDS 60
#define EXIT_SKIPPED       77
#define EXIT_FAILED        1

/* The linker names the ends of the section that CHECK fills. */
extern const struct conformance_check __start_conformance_checks[], __stop_conformance_checks[];

static size_t check_count(void)
{
    return ((uintptr_t)__stop_conformance_checks - (uintptr_t)__start_conformance_checks) /
           sizeof(struct conformance_check);
}

static int report_fd = -1; /* in the child: where its reason goes */

static void report(const char *text)
{
    size_t length = strlen(text);
    if (write(report_fd, text, length) != (ssize_t)length)
        _exit(EXIT_FAILED);
}

static bool rules_required;                     /* --require-rules */
static const struct conformance_check *running; /* in the child: its check */

/* What must fail can be proved to be noticed only where the check names a rule. */
static void require_rules(const char *call)
{
    char text[512];
    if (!rules_required || running->rules[0] != NULL)
        return;
    snprintf(text, sizeof text, "%s must fail, and the check names no rule of rules.def that it would miss", call);
    report(text);
    _exit(EXIT_FAILED);
}

static const char *error_name(int error)
{
    const char *name;
    return cuGetErrorName((CUresult)error, &name) == CUDA_SUCCESS ? name : cudaGetErrorName((cudaError_t)error);
}

void conformance_expect(int result, int expected, const char *call, const char *file, int line)
{
    if (expected != 0)
        require_rules(call);
    if (result == expected)
        return;
    char text[512];
    snprintf(text, sizeof text, "%s:%d: %s gave %d (%s), not %d (%s)",
        strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, call, result, error_name(result), expected,
        error_name(expected));
    report(text);
    _exit(EXIT_FAILED);
}

void conformance_expect_failure(int result, const char *call, const char *file, int line)
{
    require_rules(call);
    if (result)
        return;
    char text[512];
    snprintf(text, sizeof text, "%s:%d: %s succeeded and must not", strrchr(file, '/') ? strrchr(file, '/') + 1 : file,
        line, call);
    report(text);
    _exit(EXIT_FAILED);
}

void conformance_require(bool condition, const char *text, const char *file, int line)
{
    if (condition)
        return;
    char reason[512];
    snprintf(
        reason, sizeof reason, "%s:%d: not true: %s", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, text);
    report(reason);
    _exit(EXIT_FAILED);
}

void conformance_skip(const char *reason)
{
    report(reason);
    _exit(EXIT_SKIPPED);
}

/* Reads the child's reason until its end closes, or the time is over. Returns false in the latter case. */
static bool read_reason(int fd, char *reason, size_t capacity)
{
    size_t length = 0;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    for (;;) {
        int ready = poll(&waiting, 1, TIME_LIMIT_SECONDS * 1000);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t got = read(fd, reason + length, capacity - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
        reason[length] = 0;
    }
    return true;
}

/* Runs one check and prints its line. Returns whether it did not fail. */
static bool run(const struct conformance_check *check, int number)
{
    int ends[2];
    char reason[1024] = "";
    if (pipe(ends)) {
        perror("conformance: pipe");
        exit(EXIT_FAILED);
    }
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        perror("conformance: fork");
        exit(EXIT_FAILED);
    }
    if (child == 0) {
        close(ends[0]);
        report_fd = ends[1];
        running = check;
        check->run();
        _exit(0);
    }
    close(ends[1]);
    bool in_time = read_reason(ends[0], reason, sizeof reason);
    close(ends[0]);
    if (!in_time) {
        kill(child, SIGKILL);
        snprintf(reason, sizeof reason, "no end after %d seconds", TIME_LIMIT_SECONDS);
    }
    int status;
    if (waitpid(child, &status, 0) != child) {
        perror("conformance: waitpid");
        exit(EXIT_FAILED);
    }
    bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED;
    bool passed = in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    printf("%s %d - %s: %s %s", passed || skipped ? "ok" : "not ok", number, check->id, check->sentence, check->tag);
    if (skipped)
        printf(" # SKIP %s", reason);
    putchar('\n');
    if (!passed && !skipped) {
        if (in_time && WIFSIGNALED(status))
            printf("# ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
        if (reason[0])
            printf("# %s\n", reason);
    }
    return passed || skipped;
}

static const struct argp_option options[] = {
    {"list", 'l', NULL, 0, "Print the checks and run none", 0},
    {"rules", 'r', NULL, 0, "Print, a line each, a check and the rules (of the simulated CUDA) that it notices", 0},
    {"require-rules", 'R', NULL, 0, "Fail checks of something that must fail which name no rule", 0},
    {"only", 'o', "ID", 0, "Run this check only; may be given more than once", 0},
    {0},
};

struct arguments {
    bool list, rules;
    const char *only[64];
    size_t only_count;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'l':
        arguments->list = true;
        return 0;
    case 'r':
        arguments->rules = true;
        return 0;
    case 'R':
        rules_required = true;
        return 0;
    case 'o':
        if (arguments->only_count == sizeof arguments->only / sizeof arguments->only[0])
            argp_error(state, "--only can be given at most %zu times", arguments->only_count);
        arguments->only[arguments->only_count++] = value;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static bool selected(const struct arguments *arguments, const char *id)
{
    for (size_t i = 0; i < arguments->only_count; i++)
        if (!strcmp(arguments->only[i], id))
            return true;
    return arguments->only_count == 0;
}

static void print_rules(const struct conformance_check *check)
{
    for (size_t i = 0; check->rules[i] != NULL; i++)
        printf("%s %s\n", check->id, check->rules[i]);
}

int main(int argc, char **argv)
{
    static const struct argp parser = {options, parse, NULL,
        "Checks what CUDA's driver and runtime do, on the simulated CUDA or on a GPU: whatever libcuda.so.1 and "
        "libcudart are found. Prints TAP; exits with 1 when a check failed.",
        NULL, NULL, NULL};
    struct arguments arguments = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);

    const struct conformance_check *checks = __start_conformance_checks;
    int count = 0, failed = 0, number = 0;
    for (size_t i = 0; i < check_count(); i++)
        count += selected(&arguments, checks[i].id);
    if (!count) {
        fprintf(stderr, "conformance: no check has the given id; --list prints all of them\n");
        return 2;
    }
    bool runs = !arguments.list && !arguments.rules;
    if (runs)
        printf("1..%d\n", count);
    for (size_t i = 0; i < check_count(); i++) {
        if (!selected(&arguments, checks[i].id))
            continue;
        if (arguments.rules)
            print_rules(&checks[i]);
        else if (arguments.list)
            printf("%-32s %s %s\n", checks[i].id, checks[i].sentence, checks[i].tag);
        else
            failed += !run(&checks[i], ++number);
    }
    if (runs)
        printf("# %d checks, %d failed\n", count, failed);
    return failed ? EXIT_FAILED : 0;
}
