/* backing.c: the table of backings, best first. */
#include "backing.h"

static const struct vs_backing *const backings[] = {&vs_backing_vmm, &vs_backing_pinned};

const struct vs_backing *vs_backing_for(const struct vs_compute *compute, struct vs_home home, const char **why)
{
    for (size_t i = 0; i < sizeof backings / sizeof *backings; i++) {
        const char *reason = NULL;
        if (backings[i]->serves(compute, home, &reason))
            return backings[i];
        if (i == 0)
            *why = reason;
    }
    return NULL;
}

bool vs_home_equal(struct vs_home a, struct vs_home b)
{
    return a.kind == b.kind && (a.kind == VS_HOME_HOST || a.device == b.device);
}
