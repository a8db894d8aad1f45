/* calls.c: what a call through an entry point of ours costs over a direct one.
 *
 * `calls` prints nanoseconds: the smallest of 30 rounds each, hooked and direct in turn, in one process. `calls direct`
 * and `calls hooked` make a fixed number of calls in a function of that name and print nothing, for counting
 * instructions with callgrind (--toggle-collect). */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CALLS  200000
#define ROUNDS 30

int cudaGetLastError(void);

static int (*direct)(void);
static volatile int sink;

__attribute__((noinline)) void direct_calls(void);
__attribute__((noinline)) void hooked_calls(void);

/* Both call through a pointer, as calls into a shared library do. */
static int (*volatile hooked)(void) = cudaGetLastError;
static int (*volatile real)(void);

void direct_calls(void)
{
    for (int i = 0; i < CALLS; i++)
        sink += real();
}

void hooked_calls(void)
{
    for (int i = 0; i < CALLS; i++)
        sink += hooked();
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
    void *library = dlopen("libcudart.so.13", RTLD_LAZY | RTLD_NOLOAD);
    direct = library ? (int (*)(void))dlsym(library, "cudaGetLastError") : NULL;
    if (!direct)
        return 1;
    real = direct;
    hooked(); /* resolves the entry point */
    if (count > 1) {
        strcmp(arguments[1], "direct") == 0 ? direct_calls() : hooked_calls();
        return 0;
    }
    if (real == hooked) {
        fprintf(stderr, "calls: libvramspan.so is not preloaded\n");
        return 1;
    }
    double least_direct = 1e9, least_hooked = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double a = time_ns(direct_calls), b = time_ns(hooked_calls);
        least_direct = a < least_direct ? a : least_direct;
        least_hooked = b < least_hooked ? b : least_hooked;
    }
    printf("pass-through: %.2f ns over a direct call (direct %.2f ns, hooked %.2f ns; smallest of %d rounds)\n",
        least_hooked - least_direct, least_direct, least_hooked, ROUNDS);
    return 0;
}
