/* proof.c: see proof.h. Verdicts in a table: by backing, compute device and place, where the last place is the host.
 * Threads that race find out the same; the first one's verdict stays, and is told. */
#include "proof.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "driver.h"
#include "log.h"
#include "proof_cache.h"
#include "proof_child.h"

#define MAX_DEVICES 64

/* NULL: not known; `good`; or the reason why not. */
static _Atomic(const char *) verdicts[VS_BACKING_KINDS][MAX_DEVICES][MAX_DEVICES + 1];
static const char good[] = "it works", nameless[] = "it did not prove itself";

/* Where nothing was free: the verdict, and at which turn. A turn ends with vs_proof_ask_again; the first is 1. */
static struct full {
    atomic_uint turn;
    atomic_int verdict;
} fulls[VS_BACKING_KINDS][MAX_DEVICES][MAX_DEVICES + 1];
static atomic_uint turn = 1;

static int place_of(const struct vs_proof_subject *subject)
{
    return subject->home.kind == VS_HOME_HOST ? MAX_DEVICES : subject->home.device;
}

static _Atomic(const char *) *verdict_of(const struct vs_proof_subject *subject)
{
    return &verdicts[subject->backing->kind][subject->compute->ordinal][place_of(subject)];
}

static struct full *full_of(const struct vs_proof_subject *subject)
{
    return &fulls[subject->backing->kind][subject->compute->ordinal][place_of(subject)];
}

void vs_proof_ask_again(void)
{
    atomic_fetch_add(&turn, 1);
}

static enum vs_proof_verdict answer(const char *verdict, const char **why)
{
    if (!verdict || verdict == good)
        return verdict ? VS_PROOF_GOOD : VS_PROOF_UNKNOWN;
    *why = verdict;
    return VS_PROOF_BAD;
}

static enum vs_proof_verdict answer_full(enum vs_proof_verdict verdict, const char **why)
{
    *why = verdict == VS_PROOF_NO_ROOM ? "the compute device is too full to try it" : "nothing is free there";
    return verdict;
}

enum vs_proof_verdict vs_proof_known(const struct vs_proof_subject *subject, const char **why)
{
    return answer(atomic_load_explicit(verdict_of(subject), memory_order_acquire), why);
}

/* --- Telling ------------------------------------------------------------------------------------------------------ */

/* "vmm on cuda:1" */
static void name_subject(const struct vs_proof_subject *subject, char text[64])
{
    if (subject->home.kind == VS_HOME_HOST)
        snprintf(text, 64, "%s in host memory", subject->backing->name);
    else
        snprintf(
            text, 64, "%s on %s", subject->backing->name, vs_device_format(vs_devices_id(subject->home.device)).text);
}

/* What the user can do about it. */
static const char *remedy_of(const struct vs_proof_subject *subject, const struct vs_proof *proof)
{
    if (proof->outcome == VS_PROOF_UNTRIED)
        return strstr(proof->detail, "CUDA_ERROR_DEVICE_UNAVAILABLE")
                   ? "a GPU in exclusive mode lets no second process in, nvidia-smi -c 0 ends that"
                   : "it is tried again at the next start";
    switch (subject->home.kind) {
    case VS_HOME_PEER:
        return "peer-to-peer is broken on this machine, whatever the driver reports: often an IOMMU (iommu=off or pt), "
               "PCIe ACS, or a driver patched for cards without support";
    case VS_HOME_HOST:
        return subject->backing->kind == VS_BACKING_VMM ? "in a container, --cap-add SYS_NICE lets the driver place "
                                                          "memory there; pinned memory serves instead"
                                                        : "see ulimit -l, and what the driver says in the kernel's log";
    default:
        return "weights that stay there are allocated as without vramspan, and cannot move";
    }
}

static void tell(const struct vs_proof_subject *subject, const struct vs_proof *proof, const char *reason,
    const struct vs_proof_file *file, bool kept)
{
    char name[64], again[sizeof file->path + 64] = "";
    name_subject(subject, name);
    if (kept)
        snprintf(again, sizeof again, "; once that is repaired, remove %s to have it tried again", file->path);
    vs_log(VS_LOG_WARN, "proof", "%s is not used for %s: %s (%s%s)", name,
        vs_device_format(vs_devices_id(subject->compute->ordinal)).text, reason, remedy_of(subject, proof), again);
}

/* --- Finding out -------------------------------------------------------------------------------------------------- */

/* Whether it ended before it came to the memory. */
static bool says_nothing(const struct vs_proof *proof)
{
    return proof->outcome == VS_PROOF_UNTRIED || (proof->outcome == VS_PROOF_FULL && proof->step == VS_PROOF_START);
}

/* Where no second process can be had, or none has room: in this one. Other devices are left alone then: what is broken
 * between two would take the program's own context with it. */
static void try_here(const struct vs_proof_subject *subject, struct vs_proof *proof)
{
    char name[64];
    if (subject->home.kind == VS_HOME_PEER)
        return;
    name_subject(subject, name);
    vs_log(VS_LOG_DEBUG, "proof", "%s is tried in this process: %s", name, proof->detail);
    vs_proof_try(subject, NULL, proof);
}

static void try_out(const struct vs_proof_subject *subject, struct vs_proof *proof)
{
    char name[64], reason[256];
    name_subject(subject, name);
    vs_log(VS_LOG_INFO, "proof", "%s is tried for %s, once with this driver and these GPUs", name,
        vs_device_format(vs_devices_id(subject->compute->ordinal)).text);
    vs_proof_in_child(subject, proof);
    if (says_nothing(proof))
        try_here(subject, proof);
    vs_proof_reason(proof, reason, sizeof reason);
    vs_log(VS_LOG_DEBUG, "proof", "%s: %s", name, reason);
}

enum vs_proof_verdict vs_proof_find_out(const struct vs_proof_subject *subject, const char **why)
{
    struct vs_proof_file file;
    struct vs_proof proof;
    char reason[256];
    enum vs_proof_verdict known = vs_proof_known(subject, why);
    if (known != VS_PROOF_UNKNOWN)
        return known;
    unsigned now = atomic_load(&turn);
    struct full *full = full_of(subject);
    if (atomic_load(&full->turn) == now) {
        return answer_full((enum vs_proof_verdict)atomic_load(&full->verdict), why);
    }
    vs_proof_file_of(subject, &file);
    bool kept = vs_proof_load(&file, &proof);
    if (!kept) {
        try_out(subject, &proof);
        kept = vs_proof_is_lasting(&proof) && vs_proof_keep(&file, &proof);
    }
    vs_proof_reason(&proof, reason, sizeof reason);
    if (proof.outcome == VS_PROOF_FULL) {
        enum vs_proof_verdict verdict = says_nothing(&proof) ? VS_PROOF_NO_ROOM : VS_PROOF_NOT_NOW;
        atomic_store(&full->verdict, verdict);
        atomic_store(&full->turn, now);
        return answer_full(verdict, why);
    }
    const char *none = NULL, *verdict = proof.outcome == VS_PROOF_WORKS ? good : strdup(reason);
    if (!verdict)
        verdict = nameless;
    if (!atomic_compare_exchange_strong(verdict_of(subject), &none, verdict)) {
        if (verdict != good && verdict != nameless)
            free((void *)verdict);
        return answer(none, why);
    }
    if (verdict != good)
        tell(subject, &proof, reason, &file, kept);
    return answer(verdict, why);
}
