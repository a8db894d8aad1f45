/* tally.c: counts in shared memory; see tally.h. */
#include "tally.h"

#include <cuda_runtime_api.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RESULTS       1000 /* results are smaller */
#define LEAST_PERCENT 30
#define LEAST_CALLS   300 /* a function that was called less often is not judged */
#define LAST_CALLS    8

static struct shared {
    size_t last[LAST_CALLS]; /* the newest first */
    char failure[256];
    unsigned long total;
    unsigned counts[][RESULTS];
} * shared;

void tally_start(size_t call_count)
{
    size_t bytes = sizeof *shared + call_count * sizeof shared->counts[0];
    shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("fuzz");
        exit(1);
    }
}

void tally_begin(size_t call)
{
    memmove(&shared->last[1], &shared->last[0], sizeof shared->last - sizeof shared->last[0]);
    shared->last[0] = call;
}

void tally_end(size_t call, int result)
{
    shared->counts[call][result >= 0 && result < RESULTS ? result : RESULTS - 1]++;
    shared->total++;
}

void tally_failure(const char *sentence)
{
    snprintf(shared->failure, sizeof shared->failure, "%s", sentence);
}

unsigned long tally_total(void)
{
    return shared->total;
}

const char *tally_name(int result)
{
    const char *name = NULL;
    if (cuGetErrorName((CUresult)result, &name) == CUDA_SUCCESS && name)
        return name;
    name = cudaGetErrorName((cudaError_t)result);
    return strncmp(name, "cuda", 4) ? NULL : name;
}

void tally_print_failure(const struct call *calls, size_t count)
{
    printf(" %s\n   last calls, the newest first:", shared->failure);
    for (size_t i = 0; i < LAST_CALLS; i++)
        if (shared->last[i] < count)
            printf(" %s", calls[shared->last[i]].name);
    printf("\n");
    shared->failure[0] = 0;
}

/* Functions whose only result with a live context, whatever the arguments, is success; and those that this machine can
 * only refuse, or that are called with wrong arguments only. */
static const char *const always_succeed[] = {"cuProfilerStart", "cuProfilerStop", "cuCtxResetPersistingL2Cache",
    "cuCtxGetStreamPriorityRange", "cuCtxPopCurrent_v2", "cudaGetLastError", "cudaPeekAtLastError"};
static const char *const always_fail[] = {"cuIpcOpenMemHandle_v2", "cuIpcOpenEventHandle", "cuIpcCloseMemHandle",
    "cuDeviceGetLuid", "cuGetExportTable", "cuDevicePrimaryCtxRelease_v2", "cuModuleLoadFatBinary", "cudaLaunchKernel"};

static bool is_in(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static bool print_call(const struct call *call, const unsigned *counts, bool both)
{
    unsigned total = 0;
    bool good = true;
    for (int i = 0; i < RESULTS; i++)
        total += counts[i];
    printf("%-56s %8u %8u succeeded", call->name, total, counts[0]);
    for (int i = 1; i < RESULTS; i++)
        if (counts[i])
            printf("  %s %u", tally_name(i) ? tally_name(i) : "(no result)", counts[i]);
    if (both && total >= LEAST_CALLS) {
        bool no_success = counts[0] == 0 && !is_in(always_fail, sizeof always_fail / sizeof *always_fail, call->name);
        bool no_failure = counts[0] == total && strncmp(call->name, "shadow_", strlen("shadow_")) != 0 &&
                          !is_in(always_succeed, sizeof always_succeed / sizeof *always_succeed, call->name);
        good = !no_success && !no_failure;
        printf("%s", no_success ? "  NEVER SUCCEEDED" : no_failure ? "  NEVER FAILED" : "");
    }
    printf("\n");
    return good;
}

bool tally_print(const struct call *calls, size_t count, bool both)
{
    unsigned long succeeded = 0;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good = print_call(&calls[i], shared->counts[i], both) && good;
        succeeded += shared->counts[i][0];
    }
    unsigned long percent = shared->total ? succeeded * 100 / shared->total : 0;
    printf("%zu functions, %lu calls, %lu %% succeeded\n", count, shared->total, percent);
    return good && percent >= LEAST_PERCENT;
}
