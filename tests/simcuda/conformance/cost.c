/* cost.c: what all measurements share. */
#include "cost.h"

#include "apart.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 31

double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

void cost_samples(double *samples, int count)
{
    char text[128];
    qsort(samples, (size_t)count, sizeof *samples, by_value);
    snprintf(text, sizeof text, "{\"median\": %.6g, \"smallest\": %.6g, \"samples\": %d}", samples[count / 2],
        samples[0], count);
    apart_pass(text);
}

void cost_of_call(void (*call)(void *state), void (*settle)(void *state), void *state, int batch)
{
    double samples[ROUNDS];
    call(state); /* whatever the first call sets up */
    settle(state);
    for (int round = 0; round < ROUNDS; round++) {
        double before = now_us();
        for (int i = 0; i < batch; i++)
            call(state);
        samples[round] = (now_us() - before) / batch;
        settle(state);
    }
    cost_samples(samples, ROUNDS);
}
