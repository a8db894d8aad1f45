/* look_up.c: what it costs to ask whether an address is ours, and where its bytes are.
 *
 * `look_up` prints nanoseconds: the smallest of 400 short rounds each. `look_up foreign` and `look_up ours` ask a fixed
 * number of times in a function of that name and print nothing, for counting instructions with callgrind
 * (--toggle-collect). The records are the library's own source; ranges are as in a process with three compute devices.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../shim/pages.h"

#define LOOK_UPS  50000
#define ROUNDS    400
#define RANGES    3
#define ADDRESSES 1024

static CUdeviceptr foreign[ADDRESSES], ours[ADDRESSES];
static volatile size_t sink;

__attribute__((noinline)) void foreign_look_ups(void);
__attribute__((noinline)) void ours_look_ups(void);

/* What a hook asks of every pointer. */
void foreign_look_ups(void)
{
    size_t found = 0;
    for (size_t i = 0; i < LOOK_UPS; i++)
        found += vs_pages_may_own(foreign[i % ADDRESSES]);
    sink = found;
}

/* ... and of one of ours: its range, and its page's home. */
void ours_look_ups(void)
{
    size_t sum = 0;
    for (size_t i = 0; i < LOOK_UPS; i++) {
        CUdeviceptr address = ours[i % ADDRESSES];
        const struct vs_range *range = vs_range_of(address);
        sum += vs_page_home_of(range, vs_page_of(range, address)).kind;
    }
    sink = sum;
}

static void prepare(void)
{
    const size_t bytes = (size_t)64 << 30;
    struct vs_range *ranges[RANGES];
    for (size_t i = 0; i < RANGES; i++) {
        ranges[i] = vs_pages_add(((CUdeviceptr)i + 2) << 40, bytes, VS_RANGE_ARENA, NULL);
        if (!ranges[i])
            exit(1);
        vs_pages_mark(ranges[i], ranges[i]->base, bytes / 4, (struct vs_home){VS_HOME_PEER, 1});
    }
    srand(1);
    for (size_t i = 0; i < ADDRESSES; i++) {
        ours[i] = ranges[rand() % RANGES]->base + (size_t)rand() * 512 % (bytes / 4);
        foreign[i] = ((CUdeviceptr)1 << 46) + (size_t)rand() * 512;
    }
}

static double time_ns(void (*look_ups)(void))
{
    double least = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        look_ups();
        clock_gettime(CLOCK_MONOTONIC, &after);
        double taken = (double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
        least = taken / LOOK_UPS < least ? taken / LOOK_UPS : least;
    }
    return least;
}

int main(int count, char **arguments)
{
    prepare();
    if (count > 1) {
        strcmp(arguments[1], "foreign") == 0 ? foreign_look_ups() : ours_look_ups();
        return 0;
    }
    double of_foreign = time_ns(foreign_look_ups), of_ours = time_ns(ours_look_ups);
    printf("is it ours: %.2f ns for a foreign address, %.2f ns with its page's home for one of ours (at most 5; "
           "smallest of %d rounds)\n",
        of_foreign, of_ours, ROUNDS);
    return 0;
}
