/* report.c: see report.h. */
#include "report.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../simcuda/simcuda.h"

/* --- Where bytes are ---------------------------------------------------------------------------------------------- */

static void tell_places(const char *address, size_t bytes)
{
    fprintf(stderr, "  the simulator's account:");
    for (int location = SIMCUDA_LOCATION_HOST; location < 4; location++) {
        size_t there = simcudaBytesAt(address, bytes, location);
        if (there == 0)
            continue;
        if (location < 0)
            fprintf(stderr, " %zu bytes in the host", there);
        else
            fprintf(stderr, " %zu bytes on cuda:%d", there, location);
        size_t first = 0;
        while (first < bytes && simcudaBytesAt(address + first, 1, location) == 0)
            first += 512;
        fprintf(stderr, " (the first at offset %zu)", first);
    }
    fprintf(stderr, "\n");
}

static void tell_allocation(const struct allocation *allocation)
{
    unsigned first = allocation->told > HISTORY_MAX ? allocation->told - HISTORY_MAX : 0;
    fprintf(stderr, "  allocation %llu: %zu bytes at %p of cuda:%d%s\n", (unsigned long long)allocation->number,
        allocation->bytes, (void *)allocation->address, allocation->device,
        allocation->in_order ? ", in stream order" : "");
    tell_places(allocation->address, allocation->bytes);
    for (unsigned i = first; i < allocation->told; i++)
        fprintf(stderr, "    %s\n", allocation->history[i % HISTORY_MAX]);
}

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static pthread_mutex_t failing = PTHREAD_MUTEX_INITIALIZER; /* never unlocked: one report is enough */

static void end_failed(void)
{
    fprintf(stderr, "  again: make stress SEED=%llu OPS=%llu THREADS=%u TURNS=%d FAULTS=%d MACHINE=%s ORDER=%s%s\n",
        (unsigned long long)settings.seed, (unsigned long long)settings.operations, settings.threads, settings.turns,
        settings.faults, environment("SIMCUDA_MACHINE", "2x24gb"), environment("SIMCUDA_ORDER", "early"),
        settings.turns ? "" : "   (threads ran freely: it may take several runs)");
    fflush(NULL);
    _exit(1);
}

void fail(struct worker *worker, const struct allocation *allocation, const char *format, ...)
{
    va_list arguments;
    pthread_mutex_lock(&failing);
    fprintf(stderr, "stress: operation %llu (%s, thread %u), seed %llu: ", (unsigned long long)worker->operation,
        worker->doing ? worker->doing : "start", worker->number, (unsigned long long)settings.seed);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    if (allocation)
        tell_allocation(allocation);
    end_failed();
    abort();
}

void note(struct worker *worker, struct allocation *allocation, const char *format, ...)
{
    char *line = allocation->history[allocation->told++ % HISTORY_MAX];
    va_list arguments;
    worker->subject = allocation;
    int used =
        snprintf(line, HISTORY_BYTES, "%llu, thread %u: ", (unsigned long long)worker->operation, worker->number);
    va_start(arguments, format);
    vsnprintf(line + used, HISTORY_BYTES - (size_t)used, format, arguments);
    va_end(arguments);
}

/* --- Bytes that differ -------------------------------------------------------------------------------------------- */

static void tell_bytes(const char *what, const unsigned char *bytes, size_t count)
{
    fprintf(stderr, "  %-9s", what);
    for (size_t i = 0; i < count && i < 24; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, "\n");
}

void expect_bytes(struct worker *worker, const struct allocation *allocation, size_t offset, const void *found,
    const void *expected, size_t bytes, uint64_t operation, const char *how)
{
    const unsigned char *is = found, *must = expected;
    size_t first = 0, last = bytes, wrong = 0;
    if (memcmp(found, expected, bytes) == 0)
        return;
    while (is[first] == must[first])
        first++;
    while (is[last - 1] == must[last - 1])
        last--;
    for (size_t i = first; i < last; i++)
        wrong += is[i] != must[i];
    pthread_mutex_lock(&failing);
    fprintf(stderr,
        "stress: 1 difference: operation %llu (seen in %llu, %s, thread %u), seed %llu: %zu bytes from byte %zu of "
        "what %s "
        "brought from offset %zu on\n",
        (unsigned long long)operation, (unsigned long long)worker->operation, worker->doing ? worker->doing : "end",
        worker->number, (unsigned long long)settings.seed, wrong, first, how, offset);
    tell_bytes("expected", must + first, last - first);
    tell_bytes("found", is + first, last - first);
    tell_allocation(allocation);
    end_failed();
}

/* --- Faults ------------------------------------------------------------------------------------------------------- */

/* Driver functions that the library calls for its own work, or may come to call; those that the program alone calls are
 * here as well: CUDA's own error must then reach it. */
static const struct {
    const char *name, *operation;
} functions[] = {
#define FUNCTION(name, operation) {name, operation},
#include "faults.def"
#undef FUNCTION
};
#define FUNCTION_COUNT (sizeof functions / sizeof *functions)

/* Errors of the moment: those that say that there is no such memory at all end a device's lending for the rest of the
 * run, as they shall. NOT_READY and the like are no failures where calls answer with them. */
static const CUresult injected[] = {CUDA_ERROR_OUT_OF_MEMORY, CUDA_ERROR_UNKNOWN, CUDA_ERROR_OPERATING_SYSTEM};
#define INJECTED_COUNT (sizeof injected / sizeof *injected)
enum { TURNS_MAX = 6, OPERATIONS_MAX = 20, TRIES_MAX = 6, KINDS_MAX = 64 };

/* The one that is on its way; whoever has `faults_lock` may look. */
static pthread_mutex_t faults_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool armed;
    size_t function;
    uint64_t fires_at;    /* when it was called so often */
    unsigned waiting_for; /* operations */
} fault;
static unsigned fault_number, fault_count[FUNCTION_COUNT];
static const char *kinds[FUNCTION_COUNT][KINDS_MAX]; /* operations that it hit */

static void note_hit(const char *operation)
{
    const char **kind = kinds[fault.function];
    fault_count[fault.function]++;
    while (*kind && *kind != operation)
        kind++;
    *kind = operation;
}

static size_t next_function(void)
{
    for (size_t tries = 0; tries < FUNCTION_COUNT; tries++)
        if (!settings.faults_of[0] || strcmp(functions[++fault_number % FUNCTION_COUNT].name, settings.faults_of) == 0)
            break;
    return settings.faults_of[0] ? fault_number % FUNCTION_COUNT : fault_number++ % FUNCTION_COUNT;
}

/* One at a time, each function in turn, at one of its next calls, whoever makes that. */
void arm_fault(struct worker *worker)
{
    if (!settings.faults)
        return;
    pthread_mutex_lock(&faults_lock);
    if (!fault.armed) {
        unsigned turn = 1 + (unsigned)below(worker, TURNS_MAX);
        fault.armed = true;
        fault.waiting_for = 0;
        fault.function = next_function();
        fault.fires_at = simcudaCalls(functions[fault.function].name) + turn;
        simcudaFail(functions[fault.function].name, turn, injected[below(worker, INJECTED_COUNT)]);
    }
    pthread_mutex_unlock(&faults_lock);
}

const char *operation_for_fault(struct worker *worker)
{
    if (!settings.faults || chance(worker, 50))
        return NULL;
    pthread_mutex_lock(&faults_lock);
    const char *operation = fault.armed ? functions[fault.function].operation : NULL;
    pthread_mutex_unlock(&faults_lock);
    return operation;
}

/* After an operation: was it hit, or is it never called? */
void look_for_fault(struct worker *worker)
{
    if (!settings.faults)
        return;
    pthread_mutex_lock(&faults_lock);
    if (fault.armed && simcudaCalls(functions[fault.function].name) >= fault.fires_at) {
        note_hit(worker->doing);
        fault.armed = false;
    } else if (fault.armed && ++fault.waiting_for == OPERATIONS_MAX) {
        simcudaFail(functions[fault.function].name, 0, 0);
        fault.armed = false;
    }
    pthread_mutex_unlock(&faults_lock);
}

void end_faults(void)
{
    for (size_t f = 0; settings.faults && f < FUNCTION_COUNT; f++)
        simcudaFail(functions[f].name, 0, 0);
}

void tell_faults(void)
{
    unsigned places = 0, faults = 0, called = 0;
    for (size_t f = 0; settings.faults && f < FUNCTION_COUNT; f++) {
        unsigned here = 0;
        while (kinds[f][here])
            here++;
        faults += fault_count[f];
        places += here;
        called += here > 0;
        if (settings.verbose)
            fprintf(stderr, "  %-36s %4u failed, in %u kinds of operations\n", functions[f].name, fault_count[f], here);
    }
    if (settings.faults)
        printf("%u calls failed: of %u functions, at %u places (function and kind of operation)\n", faults, called,
            places);
    if (settings.faults && settings.operations >= 10000 && !settings.faults_of[0] && called < FUNCTION_COUNT / 2) {
        fprintf(stderr, "stress: those are too few functions to prove anything\n");
        exit(1);
    }
}

bool is_injected(int result)
{
    for (size_t i = 0; (settings.faults || settings.start_fault) && i < INJECTED_COUNT; i++)
        if (result == (int)injected[i])
            return true;
    return false;
}

bool may_try_again(struct worker *worker, const char *call, int result, unsigned tries)
{
    bool runtime = strncmp(call, "cuda", 4) == 0;
    int last = (int)cudaPeekAtLastError();
    if (!is_injected(result) || tries > TRIES_MAX)
        fail(worker, worker->subject, "%s gave %d (%s)", call, result, cudaGetErrorName((cudaError_t)result));
    if (last != (runtime ? result : 0))
        fail(worker, NULL, "%s gave %d, and the thread's last error was %d", call, result, last);
    if (runtime && (int)cudaGetLastError() != result)
        fail(worker, NULL, "%s gave %d, and cudaGetLastError another error", call, result);
    return true;
}
