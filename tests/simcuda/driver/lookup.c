/* lookup.c: cuGetProcAddress, from driver_api.def and the list of stubs.
 *
 * A name may have several binary interfaces; the newest that is not newer than what was asked for is the answer. Names
 * that the real runtime looks up and that are not simulated have stubs (generated, lookup_stubs.c), so that these
 * look-ups succeed as on a real machine; a stub that is called says its name and fails. */
#include "lookup.h"
#include "../simcuda.h"
#include "api.h"
#include "rules.h"

#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#define DRIVER_API(version, name, symbol, rules, parameters, arguments) CUresult symbol parameters;
#define DRIVER_API_STREAM(version, name, symbol, twin, rules, parameters, arguments)                                   \
    CUresult symbol parameters;                                                                                        \
    CUresult twin parameters;
#include "driver_api.def"
#undef DRIVER_API
#undef DRIVER_API_STREAM

static const struct sim_lookup table[] = {
#define DRIVER_API(version, name, symbol, rules, parameters, arguments)                                                \
    {#name, version, (void (*)(void))symbol, (void (*)(void))symbol},
#define DRIVER_API_STREAM(version, name, symbol, twin, rules, parameters, arguments)                                   \
    {#name, version, (void (*)(void))symbol, (void (*)(void))twin},
#include "driver_api.def"
#undef DRIVER_API
#undef DRIVER_API_STREAM
};

/* The same by symbol, as tests ask (../simcuda.h). */
static const struct {
    const char *symbol;
    void (*function)(void);
} functions[] = {
#define DRIVER_API(version, name, symbol, rules, parameters, arguments) {#symbol, (void (*)(void))symbol},
#define DRIVER_API_STREAM(version, name, symbol, twin, rules, parameters, arguments)                                   \
    {#symbol, (void (*)(void))symbol}, {#twin, (void (*)(void))twin},
#include "driver_api.def"
#undef DRIVER_API
#undef DRIVER_API_STREAM
};

void *simcudaFunction(const char *symbol)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].symbol, symbol) == 0)
            return (void *)functions[i].function;
    for (size_t i = 0; i < sim_stub_count; i++)
        if (strcmp(sim_stubs[i].name, symbol) == 0)
            return (void *)sim_stubs[i].function;
    return NULL;
}

/* Per-thread default streams came with CUDA 7 (cudaTypedefs.h: PFN_cuMemcpy_v7000_ptds). */
#define TWINS_SINCE 7000

/* Both lists, by name and version. */
#define ENTRY_LIMIT 2048
static const struct sim_lookup *sorted[ENTRY_LIMIT];
static size_t sorted_count;

static int compare(const void *a, const void *b)
{
    const struct sim_lookup *first = *(const struct sim_lookup *const *)a;
    const struct sim_lookup *second = *(const struct sim_lookup *const *)b;
    int order = strcmp(first->name, second->name);
    return order != 0 ? order : first->version - second->version;
}

static void sort_once(void)
{
    if (sorted_count > 0)
        return;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        sorted[sorted_count++] = &table[i];
    for (size_t i = 0; i < sim_stub_count && sorted_count < ENTRY_LIMIT; i++)
        sorted[sorted_count++] = &sim_stubs[i];
    qsort(sorted, sorted_count, sizeof *sorted, compare);
}

/* The first entry of the name, or NULL. */
static const struct sim_lookup *const *find(const char *name)
{
    size_t low = 0, high = sorted_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(sorted[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sorted_count && strcmp(sorted[low]->name, name) == 0 ? &sorted[low] : NULL;
}

CUresult sim_cuGetProcAddress_v2(
    const char *name, void **function, int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status)
{
    const struct sim_lookup *const *entry, *const *end = sorted, *best = NULL;
    bool per_thread = (flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0;

    if (status != NULL)
        *status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    if (name == NULL || function == NULL || version > sim_driver_version() ||
        (flags & ~(cuuint64_t)(CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)))
        return CUDA_ERROR_INVALID_VALUE;
    *function = NULL;
    sort_once();
    end = sorted + sorted_count;
    entry = find(name);
    if (entry == NULL && SIM_RULE(entry_point_known))
        return CUDA_SUCCESS; /* cuda.h: no error, no function, and the status tells why */
    if (entry == NULL)
        entry = sorted;
    name = (*entry)->name;
    for (; entry < end && strcmp((*entry)->name, name) == 0; entry++)
        if ((*entry)->version <= version || !SIM_RULE(entry_point_version))
            best = *entry;
    if (best == NULL) {
        if (status != NULL)
            *status = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
        return CUDA_SUCCESS;
    }
    *function = (void *)(per_thread && version >= TWINS_SINCE ? best->per_thread : best->function);
    if (status != NULL)
        *status = CU_GET_PROC_ADDRESS_SUCCESS;
    return CUDA_SUCCESS;
}

CUresult sim_cuGetProcAddress(const char *name, void **function, int version, cuuint64_t flags)
{
    CUresult result = sim_cuGetProcAddress_v2(name, function, version, flags, NULL);
    /* The first form has no status, and an error instead (cuda.h of CUDA 11.3). */
    return result == CUDA_SUCCESS && *function == NULL ? CUDA_ERROR_NOT_FOUND : result;
}
