/* observe.c: what tests may ask; see ../simcuda.h. Nothing here changes an error state or runs queued work. */
#include "../simcuda.h"
#include "access.h"
#include "address.h"
#include "api.h"
#include "failures.h"
#include "objects.h"
#include "trace.h"
#include "vmm.h"

#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static bool is_ready(void)
{
    return sim.initialised && getpid() == sim.pid;
}

size_t simcudaBytesUsed(int location)
{
    size_t bytes;

    if (!is_ready() || (location != SIMCUDA_LOCATION_HOST && !sim_is_device(location)))
        return 0;
    sim_lock();
    sim_exports_settle();
    bytes = sim_physical_used(location);
    sim_unlock();
    return bytes;
}

size_t simcudaBytesAt(const void *address, size_t bytes, int location)
{
    CUdeviceptr start = (CUdeviceptr)address, end = start + bytes;
    size_t found = 0;

    if (!is_ready())
        return 0;
    sim_lock();
    for (const struct sim_range *range = sim_range_from(start); range != NULL && range->start < end;
         range = sim_range_after(range)) {
        CUdeviceptr from = range->start > start ? range->start : start;
        CUdeviceptr to = range->start + range->bytes < end ? range->start + range->bytes : end;
        if (range->location == location)
            found += to - from;
    }
    sim_unlock();
    return found;
}

/* Calls `visit` for each piece of live memory in the range; false when a byte is not there. */
static bool visit_bytes(CUdeviceptr address, size_t bytes, void (*visit)(void *, const char *, size_t), void *state)
{
    for (size_t piece; bytes > 0; address += piece, bytes -= piece) {
        const char *alias = sim_alias_of(address, &piece);
        if (alias == NULL)
            return false;
        if (piece > bytes)
            piece = bytes;
        if (visit != NULL)
            visit(state, alias, piece);
    }
    return true;
}

static void copy_out(void *state, const char *bytes, size_t count)
{
    char **out = state;
    memcpy(*out, bytes, count);
    *out += count;
}

static void hash_in(void *state, const char *bytes, size_t count)
{
    XXH3_64bits_update(state, bytes, count);
}

bool simcudaPeek(const void *address, void *out, size_t bytes)
{
    char *to = out;
    bool there;

    if (!is_ready())
        return false;
    sim_lock();
    there = visit_bytes((CUdeviceptr)address, bytes, NULL, NULL);
    if (there)
        visit_bytes((CUdeviceptr)address, bytes, copy_out, &to);
    sim_unlock();
    return there;
}

uint64_t simcudaHash(const void *address, size_t bytes)
{
    XXH3_state_t *state = XXH3_createState();
    uint64_t hash = 0;

    if (is_ready() && state != NULL) {
        sim_lock();
        XXH3_64bits_reset(state);
        if (visit_bytes((CUdeviceptr)address, bytes, hash_in, state))
            hash = XXH3_64bits_digest(state);
        sim_unlock();
    }
    XXH3_freeState(state);
    return hash;
}

void simcudaMark(const char *name)
{
    if (!is_ready() || name == NULL)
        return;
    sim_lock();
    sim_trace_mark(name);
    sim_unlock();
}

uint64_t simcudaCalls(const char *symbol)
{
    return symbol != NULL ? sim_api_calls(symbol) : 0;
}

size_t simcudaLiveAllocations(void)
{
    size_t count = 0;

    if (!is_ready())
        return 0;
    sim_lock();
    for (const struct sim_range *range = sim_range_from(0); range != NULL; range = sim_range_after(range))
        count += range->kind != SIM_MAPPING;
    count += sim_object_count(SIM_OBJECT_HANDLE);
    sim_unlock();
    return count;
}

void simcudaFail(const char *symbol, unsigned n, int result)
{
    if (symbol == NULL || (sim.initialised && getpid() != sim.pid))
        return;
    sim_lock();
    if (!sim_failure_set(symbol, n, (CUresult)result))
        sim_say("simcudaFail: %s is no simulated driver function, or too many failures are waiting", symbol);
    sim_unlock();
}
