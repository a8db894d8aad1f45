/* account.c: see account.h, and simcuda.h for what tests ask. */
#include "account.h"
#include "../simcuda.h"
#include "choice.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void sim_account_launch(struct sim_match *match, bool computed, bool unknown)
{
    match->launches++;
    match->computed += computed;
    match->unknown += unknown;
    if (computed || unknown || match->named || !sim_computes_kernels() || !sim_has_pytorch())
        return;
    match->named = true;
    sim_say("kernel %.1500s is not computed", match->name);
}

static void sum(const char *part, uint64_t *launches, uint64_t *computed)
{
    *launches = *computed = 0;
    sim_lock();
    for (const struct sim_match *match = sim_matches(); match != NULL; match = match->hh.next)
        if (strstr(match->name, part) != NULL) {
            *launches += match->launches;
            *computed += match->computed;
        }
    sim_unlock();
}

uint64_t simcudaLaunches(const char *part)
{
    uint64_t launches, computed;
    sum(part, &launches, &computed);
    return launches;
}

uint64_t simcudaLaunchesComputed(const char *part)
{
    uint64_t launches, computed;
    sum(part, &launches, &computed);
    return computed;
}

uint64_t simcudaPointers(bool judged)
{
    uint64_t count;
    sim_lock();
    count = judged ? sim.pointers_judged : sim.pointers_judged + sim.pointers_unknown;
    sim_unlock();
    return count;
}

static int by_launches(const void *a, const void *b)
{
    const struct sim_match *first = *(struct sim_match *const *)a, *second = *(struct sim_match *const *)b;
    return (first->launches < second->launches) - (first->launches > second->launches);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 100.0;
}

__attribute__((destructor)) static void report(void)
{
    const char *text = getenv("SIMCUDA_REPORT");
    size_t count = HASH_COUNT(sim_matches()), used = 0;
    uint64_t launches = 0, computed = 0, pointers = sim.pointers_judged + sim.pointers_unknown;
    struct sim_match **sorted;

    if (text == NULL || strcmp(text, "1") != 0 || !sim.initialised || getpid() != sim.pid)
        return;
    sorted = malloc((count + 1) * sizeof *sorted);
    if (sorted == NULL)
        return;
    for (struct sim_match *match = sim_matches(); match != NULL; match = match->hh.next) {
        launches += match->launches;
        computed += match->computed;
        if (match->launches > 0)
            sorted[used++] = match;
    }
    qsort(sorted, used, sizeof *sorted, by_launches);
    fprintf(stderr,
        "simcuda: kernels: %llu launched, %llu computed (%.1f %%); pointers: %llu seen, %llu judged (%.1f %%)\n",
        (unsigned long long)launches, (unsigned long long)computed, percent(computed, launches),
        (unsigned long long)pointers, (unsigned long long)sim.pointers_judged, percent(sim.pointers_judged, pointers));
    fprintf(stderr, "%10s %10s %10s  kernel\n", "launches", "computed", "unknown");
    for (size_t i = 0; i < used; i++)
        fprintf(stderr, "%10llu %10llu %10llu  %.150s\n", (unsigned long long)sorted[i]->launches,
            (unsigned long long)sorted[i]->computed, (unsigned long long)sorted[i]->unknown, sorted[i]->name);
    free(sorted);
}
