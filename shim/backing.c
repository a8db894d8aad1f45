/* backing.c: the table of backings, best first, and what each has refused. */
#include "backing.h"

#include "log.h"

#define MAX_DEVICES 64

static const struct vs_backing *const backings[] = {&vs_backing_vmm, &vs_backing_pinned};
#define BACKING_COUNT (sizeof backings / sizeof *backings)

/* Why, by backing and home; the last home is the host. */
static _Atomic(const char *) refused[BACKING_COUNT][MAX_DEVICES + 1];

static _Atomic(const char *) *refusal(size_t backing, struct vs_home home)
{
    bool host = home.kind == VS_HOME_HOST || home.device >= MAX_DEVICES;
    return &refused[backing][host ? MAX_DEVICES : home.device];
}

const struct vs_backing *vs_backing_for(const struct vs_compute *compute, struct vs_home home, const char **why)
{
    const char *first_reason = NULL;
    for (size_t i = 0; i < BACKING_COUNT; i++) {
        const char *reason = atomic_load(refusal(i, home));
        if (!reason && backings[i]->serves(compute, home, &reason))
            return backings[i];
        if (!first_reason)
            first_reason = reason;
    }
    if (why)
        *why = first_reason;
    return NULL;
}

void vs_backing_refuse(const struct vs_backing *backing, struct vs_home home, const char *why)
{
    for (size_t i = 0; i < BACKING_COUNT; i++)
        if (backings[i] == backing)
            atomic_store(refusal(i, home), why);
    vs_log(VS_LOG_DEBUG, "backing", "%s is not used any more for this home: %s", backing->name, why);
}
