/* main.c: stress [options] FOLDER: random operations on a simulated CUDA under the preloaded library, each byte known
 * beforehand; see stress.h. FOLDER, empty, is for models. VRAMSPAN_POLICY names the file that the policy is written to.
 * The last line is `stress: OPS operations, seed SEED, 0 differences`, and the exit status 0, where all was right. */
#include <argp.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../simcuda/simcuda.h"
#include "operations.h"
#include "order.h"
#include "report.h"
#include "shadow.h"
#include "stress.h"
#include "world.h"

struct settings settings = {.seed = 1, .operations = 1000000, .threads = 4, .turns = true, .faults_of = ""};

/* --- Options ------------------------------------------------------------------------------------------------------ */

enum { FREE = 1000, FAULTS, START_FAULT, PLAIN };

static const struct argp_option options[] = {
    {"seed", 's', "N", 0, "of all choices; with SIMCUDA_SEED and turns, the run replays", 0},
    {"operations", 'n', "N", 0, "how many (1,000,000)", 0},
    {"threads", 't', "N", 0, "how many threads (4)", 0},
    {"free", FREE, NULL, 0, "threads run freely, and do not take turns", 0},
    {"faults", FAULTS, "FUNCTION", OPTION_ARG_OPTIONAL,
        "calls of the driver, or of one function of it, fail now and then", 0},
    {"start-fault", START_FAULT, NULL, 0, "one call of the driver fails by SIMCUDA_FAIL", 0},
    {"plain", PLAIN, NULL, 0, "without the library: is what the program expects what CUDA does?", 0},
    {"verbose", 'v', NULL, 0, "tell what was done", 0},
    {0},
};

static error_t take_option(int key, char *argument, struct argp_state *state)
{
    switch (key) {
    case 's':
        settings.seed = strtoull(argument, NULL, 0);
        return 0;
    case 'n':
        settings.operations = strtoull(argument, NULL, 0);
        return 0;
    case 't':
        settings.threads = (unsigned)atoi(argument);
        if (settings.threads < 1 || settings.threads > 64)
            argp_error(state, "1 to 64 threads are possible");
        return 0;
    case FREE:
        settings.turns = false;
        return 0;
    case FAULTS:
        settings.faults = true;
        settings.faults_of = argument ? argument : "";
        return 0;
    case START_FAULT:
        settings.start_fault = true;
        return 0;
    case PLAIN:
        settings.plain = true;
        return 0;
    case 'v':
        settings.verbose = true;
        return 0;
    case ARGP_KEY_ARG:
        settings.folder = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* --- Threads ------------------------------------------------------------------------------------------------------ */

static atomic_ullong next_operation;
static bool shows_progress;

/* Whatever is written next begins at the start of the line, over it. */
static void show_progress(uint64_t operation)
{
    if (shows_progress && operation % 1000 == 0)
        fprintf(stderr, "\033[K%llu of %llu operations\r", (unsigned long long)operation,
            (unsigned long long)settings.operations);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    unsigned number = worker->number;
    uint64_t operation;
    if (settings.turns && !simcudaTurnsEnter(number, settings.threads))
        fail(worker, NULL, "no turns can be taken");
    open_worker(worker, number);
    while ((operation = atomic_fetch_add(&next_operation, 1)) < settings.operations) {
        show_progress(operation);
        worker->operation = operation;
        do_operation(worker);
    }
    empty_worker(worker);
    close_worker(worker);
    if (settings.turns)
        simcudaTurnsLeave();
    return NULL;
}

int main(int count, char **arguments)
{
    static const struct argp parser = {.options = options,
        .parser = take_option,
        .args_doc = "FOLDER",
        .doc = "Random operations on the simulated CUDA, each byte known beforehand."};
    static struct worker workers[64], own;
    pthread_t threads[64];
    argp_parse(&parser, count, arguments, 0, NULL, NULL);
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* shadows come and go: their pages shall stay */
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    shows_progress = isatty(STDERR_FILENO);
    own.random = settings.seed;
    open_world(&own);
    for (unsigned i = 0; i < settings.threads; i++) {
        workers[i].number = i;
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            fail(&own, NULL, "a thread cannot be started");
    }
    for (unsigned i = 0; i < settings.threads; i++)
        pthread_join(threads[i], NULL);
    if (shows_progress)
        fputs("\033[K", stderr);
    end_faults();
    for (unsigned i = 0; i < settings.threads; i++) { /* gifts that came too late */
        open_worker(&own, i);
        empty_worker(&own);
        close_worker(&own);
    }
    close_world(&own);
    if (settings.verbose) {
        tell_operations();
        tell_models();
    }
    tell_faults();
    if (!settings.plain && !weights_were_elsewhere()) {
        fprintf(stderr, "stress: no weight was placed elsewhere: the run proves nothing\n");
        return 1;
    }
    printf("stress: %llu operations, seed %llu, 0 differences\n", (unsigned long long)settings.operations,
        (unsigned long long)settings.seed);
    return 0;
}
