/* look_ups.c: what dlsym costs behind ours. As calls.c: nanoseconds of the smallest of 30 rounds each, with and
 * without, in turn; `look_ups direct NAME` and `look_ups hooked NAME` make a fixed number for counting instructions. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CALLS  20000
#define ROUNDS 30

typedef void *look_up(void *library, const char *name);

__attribute__((noinline)) void direct_calls(void);
__attribute__((noinline)) void hooked_calls(void);

static look_up *volatile hooked = dlsym, *volatile real;
static void *volatile library;
static const char *volatile name = "cudaMemcpyAsync";
static void *volatile sink;

void direct_calls(void)
{
    for (int i = 0; i < CALLS; i++)
        sink = real(library, name);
}

void hooked_calls(void)
{
    for (int i = 0; i < CALLS; i++)
        sink = hooked(library, name);
}

static double time_ns(void (*calls)(void))
{
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    calls();
    clock_gettime(CLOCK_MONOTONIC, &after);
    return ((double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec)) / CALLS;
}

int main(int count, char **arguments)
{
    library = dlopen("libcudart.so.13", RTLD_LAZY);
    real = (look_up *)dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (!library || !real)
        return 1;
    if (count > 2)
        name = arguments[2];
    hooked(library, name);
    real(library, name);
    if (count > 1) {
        strcmp(arguments[1], "direct") == 0 ? direct_calls() : hooked_calls();
        return 0;
    }
    if (real == hooked) {
        fprintf(stderr, "look_ups: libvramspan.so is not preloaded\n");
        return 1;
    }
    double least_direct = 1e9, least_hooked = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double a = time_ns(direct_calls), b = time_ns(hooked_calls);
        least_direct = a < least_direct ? a : least_direct;
        least_hooked = b < least_hooked ? b : least_hooked;
    }
    printf("dlsym of another name: %.2f ns more (%.2f ns without, %.2f ns with; smallest of %d rounds)\n",
        least_hooked - least_direct, least_direct, least_hooked, ROUNDS);
    return 0;
}
