/* main.c: runs the checks, each in a child process, and prints what they found as TAP (Test Anything Protocol); writes
 * a report where asked. */
#include "apart.h"
#include "conformance.h"
#include "expect.h"
#include "report.h"

#include <argp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_NO_REPORT 3

/* The linker names the ends of the section that CHECK fills. */
extern const struct conformance_check __start_conformance_checks[], __stop_conformance_checks[];

static size_t check_count(void)
{
    return ((uintptr_t)__stop_conformance_checks - (uintptr_t)__start_conformance_checks) /
           sizeof(struct conformance_check);
}

struct arguments {
    bool list, rules, require_rules, costs;
    const char *only[64];
    size_t only_count;
    const char *json;
};

static const struct arguments *asked; /* for the child */

static void run_check(const void *argument)
{
    const struct conformance_check *check = argument;
    expect_for(check, asked->require_rules);
    check->run();
}

/* Runs one check and prints its line. Returns whether it did not fail. */
static bool run(const struct conformance_check *check, int number, struct report *report)
{
    static struct apart_outcome outcome;
    apart_run(run_check, check, &outcome);
    printf("%s %d - %s: %s %s", outcome.result == APART_FAILED ? "not ok" : "ok", number, check->id, check->sentence,
        check->tag);
    if (outcome.result == APART_SKIPPED)
        printf(" # SKIP %s", outcome.text);
    putchar('\n');
    if (outcome.result == APART_FAILED && outcome.text[0])
        printf("# %s\n", outcome.text);
    if (report)
        report_check(report, check, &outcome);
    return outcome.result != APART_FAILED;
}

static const struct argp_option options[] = {
    {"list", 'l', NULL, 0, "Print the checks and run none", 0},
    {"rules", 'r', NULL, 0, "Print, a line each, a check and the rules (of the simulated CUDA) that it notices", 0},
    {"require-rules", 'R', NULL, 0, "Fail checks of something that must fail which name no rule", 0},
    {"only", 'o', "ID", 0, "Run this check only; may be given more than once", 0},
    {"json", 'j', "FILE", 0, "Write the machine and what the checks found to FILE", 0},
    {"costs", 'c', NULL, 0, "Measure what calls and copies cost, for --json", 0},
    {0},
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
        arguments->require_rules = true;
        return 0;
    case 'o':
        if (arguments->only_count == sizeof arguments->only / sizeof arguments->only[0])
            argp_error(state, "--only can be given at most %zu times", arguments->only_count);
        arguments->only[arguments->only_count++] = value;
        return 0;
    case 'j':
        arguments->json = value;
        return 0;
    case 'c':
        arguments->costs = true;
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

static void print_check(const struct arguments *arguments, const struct conformance_check *check)
{
    if (arguments->rules)
        print_rules(check);
    else
        printf("%-32s %s %s\n", check->id, check->sentence, check->tag);
}

static int run_all(const struct arguments *arguments, int count)
{
    const struct conformance_check *checks = __start_conformance_checks;
    int failed = 0, number = 0;
    struct report *report = arguments->json ? report_new() : NULL;
    if (arguments->json && !report)
        return EXIT_NO_REPORT;
    printf("1..%d\n", count);
    for (size_t i = 0; i < check_count(); i++)
        if (selected(arguments, checks[i].id))
            failed += !run(&checks[i], ++number, report);
    printf("# %d checks, %d failed\n", count, failed);
    if (report && arguments->costs)
        report_costs(report);
    if (report && !report_write(report, arguments->json))
        return EXIT_NO_REPORT;
    return failed ? EXIT_FAILURE : 0;
}

int main(int argc, char **argv)
{
    static const struct argp parser = {options, parse, NULL,
        "Checks what CUDA's driver and runtime do, on the simulated CUDA or on a GPU: whatever libcuda.so.1 and "
        "libcudart are found. Prints TAP; exits with 1 when a check failed.",
        NULL, NULL, NULL};
    struct arguments arguments = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    asked = &arguments;

    const struct conformance_check *checks = __start_conformance_checks;
    int count = 0;
    for (size_t i = 0; i < check_count(); i++)
        count += selected(&arguments, checks[i].id);
    if (!count) {
        fprintf(stderr, "conformance: no check has the given id; --list prints all of them\n");
        return 2;
    }
    if (!arguments.list && !arguments.rules)
        return run_all(&arguments, count);
    for (size_t i = 0; i < check_count(); i++)
        if (selected(&arguments, checks[i].id))
            print_check(&arguments, &checks[i]);
    return 0;
}
