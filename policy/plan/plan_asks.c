/*
 * What the allocation asks of each device, before anyone has passed on what it cannot hold. See plan_internal.h.
 */
#include "plan_internal.h"

#include "../text/number.h"
#include "../values/size.h"

#include <math.h>

/* DisTorch2 writes each share as a fraction of the device's memory, with four digits, and reads that again. */
static double rounded(const struct vs_planner *planner, size_t device, double bytes)
{
    double total = (double)planner->plan->devices[device].total_bytes;
    if (planner->plan->order != VS_ORDER_DISTORCH || total == 0)
        return bytes;
    return total * ((double)vs_number_round4(bytes / total) / 10000);
}

static void ask_bytes(struct vs_planner *planner, double total)
{
    const struct vs_distorch *allocation = planner->wish->allocation;
    double left = total, bytes[VS_SHARES_MAX + 1];
    for (size_t i = 0; i < allocation->count; i++) {
        bytes[i] = allocation->shares[i].amount < left ? allocation->shares[i].amount : left;
        left -= bytes[i];
    }
    for (size_t i = 0; i < allocation->count; i++) {
        size_t device = vs_planner_device(planner, allocation->shares[i].device);
        double asked = bytes[i] + (allocation->shares[i].wildcard ? left : 0);
        planner->devices[device].asked_bytes = rounded(planner, device, asked);
    }
}

static void ask_parts(struct vs_planner *planner, double total)
{
    const struct vs_distorch *allocation = planner->wish->allocation;
    double parts = 0;
    for (size_t i = 0; i < allocation->count; i++)
        parts += allocation->shares[i].amount;
    for (size_t i = 0; i < allocation->count; i++) {
        size_t device = vs_planner_device(planner, allocation->shares[i].device);
        planner->devices[device].asked_bytes = rounded(planner, device, allocation->shares[i].amount / parts * total);
    }
}

static int ask_fractions(struct vs_planner *planner)
{
    const struct vs_distorch *allocation = planner->wish->allocation;
    for (size_t i = 0; i < allocation->count; i++) {
        size_t device = vs_planner_device(planner, allocation->shares[i].device);
        uint64_t memory_bytes = planner->plan->devices[device].total_bytes;
        if (!memory_bytes && allocation->shares[i].amount > 0) {
            vs_diag_add(planner->diags, VS_ERROR, vs_planner_place_of(planner, planner->wish->line),
                "a fraction of the memory of `%s` is asked for, and how much that is is not known",
                vs_device_format(allocation->shares[i].device).text);
            vs_diag_hint(planner->diags, "describe the machine, or give the device bytes");
            return -1;
        }
        planner->devices[device].asked_bytes = (double)memory_bytes * allocation->shares[i].amount;
    }
    return 0;
}

static void ask_virtual(struct vs_planner *planner, double total)
{
    const struct vs_distorch *allocation = planner->wish->allocation;
    double needed = ldexp(allocation->virtual_gb, 30), asked = needed < total ? needed : total;
    if (planner->plan->order != VS_ORDER_DISTORCH && needed > total) /* DisTorch2 asks its donors for more than all */
        needed = total;
    planner->devices[0].asked_bytes = rounded(planner, 0, total > needed ? total - needed : 0);
    for (size_t i = 0; i < allocation->count; i++) {
        size_t device = vs_planner_device(planner, allocation->shares[i].device);
        if (!device) { /* of a string that leaves open who computes */
            vs_diag_add(planner->diags, VS_WARNING, vs_planner_place_of(planner, planner->wish->line),
                "`%s` computes, and lends nothing to itself", vs_device_format(allocation->shares[i].device).text);
            vs_diag_hint(planner->diags, "take it out of the donors: what the compute device has is used anyway");
            continue;
        }
        double lends = (double)vs_planner_capacity(planner, allocation->shares[i].device);
        if (allocation->shares[i].amount < lends)
            lends = allocation->shares[i].amount;
        double bytes = needed < lends ? needed : lends;
        needed -= bytes;
        asked -= bytes;
        planner->devices[device].asked_bytes = rounded(planner, device, bytes);
    }
    planner->plan->short_bytes = asked >= 0x1p20 ? (uint64_t)asked : 0;
}

int vs_planner_ask(struct vs_planner *planner, double total)
{
    switch (planner->wish->allocation->form) {
    case VS_DISTORCH_BYTES:
        ask_bytes(planner, total);
        break;
    case VS_DISTORCH_RATIO:
        ask_parts(planner, total);
        break;
    case VS_DISTORCH_FRACTION:
        return ask_fractions(planner);
    case VS_DISTORCH_VIRTUAL:
        ask_virtual(planner, total);
        break;
    }
    return 0;
}

void vs_planner_warn_of_short_donors(const struct vs_planner *planner, double total)
{
    double asked = ldexp(planner->wish->allocation->virtual_gb, 30), missing = (double)planner->plan->short_bytes;
    asked = asked < total ? asked : total;
    if (missing == 0)
        return;
    vs_diag_add(planner->diags, VS_WARNING, vs_planner_place_of(planner, planner->wish->line),
        "%s of virtual VRAM are asked for, and the donors lend %s", vs_size_text(asked).text,
        vs_size_text(asked - missing).text);
    vs_diag_hint(planner->diags, "`%s` keeps what it can of the rest; ask for less, or name more donors",
        vs_device_format(planner->wish->compute).text);
}
