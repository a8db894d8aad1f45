/* backing.c: the table of backings, what each has refused, and which of them serve. */
#include "backing.h"

#include "activate.h"
#include "host_memory.h"
#include "log.h"
#include "proof.h"

#define MAX_DEVICES 64

static const struct vs_backing *const backings[VS_BACKING_KINDS] = {
    [VS_BACKING_VMM] = &vs_backing_vmm, [VS_BACKING_PINNED] = &vs_backing_pinned};

/* Why, by backing and home; the last home is the host. */
static _Atomic(const char *) refused[VS_BACKING_KINDS][MAX_DEVICES + 1];

static _Atomic(const char *) *refusal(enum vs_backing_kind backing, struct vs_home home)
{
    bool host = home.kind == VS_HOME_HOST || home.device >= MAX_DEVICES;
    return &refused[backing][host ? MAX_DEVICES : home.device];
}

/* Whether nothing speaks against it. */
static bool serves(
    const struct vs_backing *backing, const struct vs_compute *compute, struct vs_home home, const char **reason)
{
    const struct vs_proof_subject subject = {compute, backing, home};
    *reason = atomic_load(refusal(backing->kind, home));
    return !*reason && backing->serves(compute, home, reason) && vs_proof_known(&subject, reason) != VS_PROOF_BAD;
}

const struct vs_backing *vs_backing_for(const struct vs_compute *compute, struct vs_home home, const char **why)
{
    const struct vs_backing_wish *wish = vs_backings_wished();
    enum vs_backing_place place = vs_backing_place_of(home);
    const char *first_reason = NULL;
    for (unsigned i = 0; i < wish->places[place].count; i++) {
        const struct vs_backing *backing = backings[wish->places[place].kinds[i]];
        const char *reason;
        if (serves(backing, compute, home, &reason))
            return backing;
        if (!first_reason)
            first_reason = reason;
    }
    if (why)
        *why = first_reason ? first_reason : "VRAMSPAN_BACKENDS leaves nothing to provide it";
    return NULL;
}

const struct vs_backing *vs_backing_proved(
    const struct vs_compute *compute, struct vs_home home, const char **why, bool *full)
{
    const struct vs_backing *backing;
    const char *reason;
    while ((backing = vs_backing_for(compute, home, &reason))) {
        const struct vs_proof_subject subject = {compute, backing, home};
        enum vs_proof_verdict verdict = vs_proof_find_out(&subject, &reason);
        if (verdict == VS_PROOF_GOOD)
            return backing;
        if (verdict == VS_PROOF_NOT_NOW && vs_backing_runs_short(backing, compute, home, VS_PAGE_BYTES))
            continue;
        bool none_free = verdict == VS_PROOF_NOT_NOW || verdict == VS_PROOF_NO_ROOM;
        if (full)
            *full = none_free;
        if (none_free)
            break;
    }
    if (why)
        *why = reason;
    return NULL;
}

void vs_backing_refuse(const struct vs_backing *backing, struct vs_home home, const char *why)
{
    atomic_store(refusal(backing->kind, home), why);
    vs_log(VS_LOG_DEBUG, "backing", "%s is not used any more for this home: %s", backing->name, why);
}

/* Whether another one would serve in its place. */
static bool has_other(const struct vs_backing *backing, const struct vs_compute *compute, struct vs_home home)
{
    const struct vs_backing_wish *wish = vs_backings_wished();
    enum vs_backing_place place = vs_backing_place_of(home);
    const char *reason;
    for (unsigned i = 0; i < wish->places[place].count; i++) {
        const struct vs_backing *other = backings[wish->places[place].kinds[i]];
        if (other != backing && serves(other, compute, home, &reason))
            return true;
    }
    return false;
}

/* Only host memory is known to be there by another account than the driver's. */
bool vs_backing_runs_short(
    const struct vs_backing *backing, const struct vs_compute *compute, struct vs_home home, size_t bytes)
{
    const char *none = NULL;
    size_t least_bytes = bytes + 2 * VS_PAGE_BYTES; /* it comes in whole pages, and may begin and end within some */
    if (home.kind != VS_HOME_HOST || !vs_host_memory_has_room(least_bytes) || !has_other(backing, compute, home))
        return false;
    if (atomic_compare_exchange_strong(refusal(backing->kind, home), &none, "the driver gives no more host memory"))
        vs_log(VS_LOG_WARN, "backing",
            "%s: the driver gives no more host memory in this way (CUDA_ERROR_OUT_OF_MEMORY for %.1f MB), although the "
            "host has it; another one serves from here on (`pinned` works as well, but its memory cannot move)",
            backing->name, (double)bytes / (1 << 20));
    return true;
}
