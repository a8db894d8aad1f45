/* gate.c: what passing the gate costs: from the question whether it must be passed to the leave.
 *
 * `gate` prints nanoseconds: the smallest of 30 rounds. `gate gate` and `gate empty` go round the loops of these names
 * and print nothing, for counting instructions with callgrind (--toggle-collect). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CALLS  200000
#define ROUNDS 30

void empty_calls(unsigned count);
void gate_calls(unsigned count);

static double time_ns(void (*calls)(unsigned))
{
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    calls(CALLS);
    clock_gettime(CLOCK_MONOTONIC, &after);
    return ((double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec)) / CALLS;
}

int main(int count, char **arguments)
{
    if (count > 1) {
        strcmp(arguments[1], "empty") == 0 ? empty_calls(CALLS) : gate_calls(CALLS);
        return 0;
    }
    double least_empty = 1e9, least_gate = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double a = time_ns(empty_calls), b = time_ns(gate_calls);
        least_empty = a < least_empty ? a : least_empty;
        least_gate = b < least_gate ? b : least_gate;
    }
    printf("gate: %.2f ns to pass it (goal 3; smallest of %d rounds)\n", least_gate - least_empty, ROUNDS);
    return 0;
}
