/*
 * Allocations in bytes as whole bytes, for placing that counts allocations. See distorch.h.
 */
#include "distorch.h"

int vs_distorch_shares(const struct vs_distorch *allocation, struct vs_shares *shares)
{
    if (allocation->form != VS_DISTORCH_BYTES)
        return -1;
    shares->count = allocation->count;
    for (size_t i = 0; i < allocation->count; i++) {
        const struct vs_distorch_share *share = &allocation->shares[i];
        shares->items[i] = (struct vs_share){.device = share->device,
            .bytes = share->amount < 0x1p64 ? (uint64_t)share->amount : UINT64_MAX,
            .wildcard = share->wildcard};
    }
    return 0;
}

int vs_distorch_parse(const char *text, size_t length, struct vs_place place, bool exact, struct vs_shares *shares,
    struct vs_diags *diags)
{
    static const char *const forms[] = {[VS_DISTORCH_RATIO] = "parts of the model (`%`)",
        [VS_DISTORCH_FRACTION] = "fractions of the devices' memory",
        [VS_DISTORCH_VIRTUAL] = "virtual VRAM (`#`)"};
    struct vs_distorch allocation;
    shares->count = 0;
    if (vs_distorch_read(text, length, place, exact, &allocation, diags))
        return -1;
    if (!vs_distorch_shares(&allocation, shares))
        return 0;
    vs_diag_add(diags, VS_ERROR, place, "%s cannot be placed yet, only bytes can", forms[allocation.form]);
    vs_diag_hint(diags, "give each device its bytes, for example \"cuda:0,600mb;cuda:1,500mb;cpu,*\"");
    return -1;
}
