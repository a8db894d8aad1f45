/* main.c: makes a number of random calls in episodes, each in a process of its own, and prints what was called how
 * often and with which results. Ends with 1 when a call crashed, gave a result that is none, or broke a rule of the
 * model. */
#include "fuzz.h"

#include "tally.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_AFTER_STICKY 60

struct arguments {
    unsigned long calls, per_episode, seed;
    long episode; /* the only one, or -1 */
    unsigned seconds;
    bool verbose, demand_both;
};

static const struct argp_option options[] = {
    {"calls", 'n', "N", 0, "How many calls to make (20000)", 0},
    {"per-episode", 'p', "N", 0, "How many of them in one process (1000)", 0},
    {"seed", 's', "N", 0, "The seed (1)", 0},
    {"episode", 'e', "N", 0, "Run this episode only, as a failure's message says", 0},
    {"seconds", 't', "N", 0, "An episode that runs longer has failed (120)", 0},
    {"both", 'b', NULL, 0, "Demand that every function was seen to succeed and to fail", 0},
    {"verbose", 'v', NULL, 0, "Print each call before it is made, and its result", 0},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'n':
        arguments->calls = strtoul(value, NULL, 0);
        return 0;
    case 'p':
        arguments->per_episode = strtoul(value, NULL, 0);
        return 0;
    case 's':
        arguments->seed = strtoul(value, NULL, 0);
        return 0;
    case 'e':
        arguments->episode = strtol(value, NULL, 0);
        return 0;
    case 't':
        arguments->seconds = (unsigned)strtoul(value, NULL, 0);
        return 0;
    case 'b':
        arguments->demand_both = true;
        return 0;
    case 'v':
        arguments->verbose = true;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static size_t call_count(void)
{
    return ((uintptr_t)__stop_fuzz_calls - (uintptr_t)__start_fuzz_calls) / sizeof(struct call);
}

static size_t any_call(void)
{
    static uint64_t total;
    if (!total)
        for (size_t i = 0; i < call_count(); i++)
            total += __start_fuzz_calls[i].weight;
    uint64_t at = below(total);
    for (size_t i = 0;; i++) {
        if (at < __start_fuzz_calls[i].weight)
            return i;
        at -= __start_fuzz_calls[i].weight;
    }
}

/* Errors that stay: whatever breaks a running kernel (cuda.h at these enumerators: only a new process helps). */
static bool is_sticky(int result)
{
    return result == CUDA_ERROR_ILLEGAL_ADDRESS || result == CUDA_ERROR_LAUNCH_FAILED ||
           result == CUDA_ERROR_MISALIGNED_ADDRESS || result == CUDA_ERROR_ILLEGAL_INSTRUCTION ||
           result == CUDA_ERROR_ASSERT || result == CUDA_ERROR_INVALID_ADDRESS_SPACE || result == CUDA_ERROR_INVALID_PC;
}

static void judge(int result)
{
    if (!tally_name(result) || result == CUDA_ERROR_UNKNOWN)
        fail("a call gave a result that is none");
    if (is_sticky(result)) {
        world.sticky = true;
        if (world.careful)
            fail("an error that stays, where nothing could break a context");
    }
}

static void run_calls(const struct arguments *arguments, unsigned long count)
{
    unsigned long sticky_for = 0, captured_for = 0;
    for (unsigned long made = 0; made < count && !world.failure && sticky_for < CALLS_AFTER_STICKY;) {
        size_t index = any_call();
        const struct call *call = &__start_fuzz_calls[index];
        if (arguments->verbose)
            fprintf(stderr, "%lu %s", made, call->name);
        tally_begin(index);
        int result = call->make();
        if (arguments->verbose)
            fprintf(stderr, " -> %d%s\n", result, world.failure ? " FAILED" : "");
        if (result == NOT_MADE)
            continue;
        tally_end(index, result);
        judge(result);
        made++;
        sticky_for += world.sticky;
        captured_for = world.captures ? captured_for + 1 : 0;
        if (captured_for > 30)
            end_captures();
    }
}

/* One process. Does not return. */
static void episode(const struct arguments *arguments, unsigned long number, unsigned long count)
{
    alarm(arguments->seconds);
    chance_seed(arguments->seed * 1000003 + number);
    world.careful = number % 3 != 2;
    world_begin();
    if (!world.failure)
        shadow_begin();
    if (!world.failure)
        run_calls(arguments, count);
    tally_begin(TALLY_ENDING);
    if (!world.failure)
        world_end();
    if (world.failure)
        tally_failure(world.failure);
    exit(world.failure ? 1 : 0);
}

static bool run_episode(const struct arguments *arguments, unsigned long number, unsigned long count)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        episode(arguments, number, count);
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fuzz");
        exit(1);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    printf("episode %lu (--seed %lu --episode %lu --per-episode %lu): ", number, arguments->seed, number,
        arguments->per_episode);
    if (WIFSIGNALED(status))
        printf("%s", WTERMSIG(status) == SIGALRM ? "takes too long" : strsignal(WTERMSIG(status)));
    else
        printf("exit status %d", WEXITSTATUS(status));
    tally_print_failure(__start_fuzz_calls, call_count());
    return false;
}

int main(int argc, char **argv)
{
    static const struct argp parser = {options, parse, NULL, "Random calls of the simulated CUDA.", NULL, NULL, NULL};
    struct arguments arguments = {.calls = 20000, .per_episode = 1000, .seed = 1, .episode = -1, .seconds = 120};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    tally_start(call_count());

    unsigned long failed = 0;
    if (arguments.episode >= 0) {
        failed += !run_episode(&arguments, (unsigned long)arguments.episode, arguments.per_episode);
    } else {
        for (unsigned long number = 0; tally_total() < arguments.calls && failed < 5; number++) {
            unsigned long left = arguments.calls - tally_total();
            failed += !run_episode(&arguments, number, left < arguments.per_episode ? left : arguments.per_episode);
        }
    }
    bool good = tally_print(__start_fuzz_calls, call_count(), arguments.demand_both);
    printf("%d passed, %d failed (%lu calls)\n", (good && !failed) ? 1 : 0, (good && !failed) ? 0 : 1, tally_total());
    return good && !failed ? 0 : 1;
}
