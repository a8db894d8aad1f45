/* backing.c: the table of backings, best first, and what each has refused. */
#include "backing.h"

#include <stdatomic.h>

#include "driver.h"
#include "host_memory.h"
#include "log.h"

#define MAX_DEVICES 64

static const struct vs_backing *const backings[] = {&vs_backing_vmm, &vs_backing_pinned};
#define BACKING_COUNT (sizeof backings / sizeof *backings)

/* By backing and home; the last home is the host. */
static atomic_bool refused[BACKING_COUNT][MAX_DEVICES + 1];

static atomic_bool *refusal(size_t backing, struct vs_home home)
{
    bool host = home.kind == VS_HOME_HOST || home.device >= MAX_DEVICES;
    return &refused[backing][host ? MAX_DEVICES : home.device];
}

bool vs_backing_serves(const struct vs_compute *compute, struct vs_home home, const char **why)
{
    for (size_t i = BACKING_COUNT; i-- > 0;) {
        if (atomic_load(refusal(i, home)))
            *why = "the driver refused it before";
        else if (backings[i]->serves(compute, home, why))
            return true;
    }
    return false;
}

CUresult vs_backing_create(
    const struct vs_compute *compute, struct vs_home home, size_t bytes, struct vs_memory *memory)
{
    CUresult result = CUDA_ERROR_NOT_SUPPORTED;
    if (home.kind == VS_HOME_HOST && !vs_host_memory_has_room(bytes))
        return CUDA_ERROR_OUT_OF_MEMORY; /* the driver would give it, and the kernel end a process */
    for (size_t i = 0; i < BACKING_COUNT; i++) {
        const char *why;
        if (atomic_load(refusal(i, home)) || !backings[i]->serves(compute, home, &why))
            continue;
        result = backings[i]->create(compute, home, bytes, memory);
        if (result == CUDA_SUCCESS || result == CUDA_ERROR_OUT_OF_MEMORY)
            return result;
        atomic_store(refusal(i, home), true);
        vs_log(VS_LOG_DEBUG, "backing", "%s is not used any more for this home: %s", backings[i]->name,
            vs_driver_error(result));
    }
    return result;
}

bool vs_home_equal(struct vs_home a, struct vs_home b)
{
    return a.kind == b.kind && (a.kind == VS_HOME_HOST || a.device == b.device);
}
