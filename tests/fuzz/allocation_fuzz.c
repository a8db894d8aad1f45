/*
 * Hostile DisTorch allocation strings.
 */
#include "check.h"

#include "../../policy/values/distorch.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_allocation(const struct vs_distorch *allocation)
{
    size_t wildcards = 0;
    PROMISE(allocation->count >= 1 && allocation->count <= VS_SHARES_MAX + 1);
    for (size_t i = 0; i < allocation->count; i++) {
        const struct vs_distorch_share *share = &allocation->shares[i];
        PROMISE(share->amount >= 0 && !isnan(share->amount));
        PROMISE(allocation->form == VS_DISTORCH_VIRTUAL || isfinite(share->amount));
        wildcards += share->wildcard;
        for (size_t k = 0; k < i; k++)
            PROMISE(!vs_device_equal(share->device, allocation->shares[k].device));
    }
    PROMISE(wildcards == (allocation->form == VS_DISTORCH_BYTES));
    PROMISE(isfinite(allocation->virtual_gb) && allocation->virtual_gb >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct vs_diags diags = {0};
    struct vs_distorch allocation;
    const struct vs_source source = {"command line", (const char *)data, bytes};
    int result = vs_distorch_read((const char *)data, bytes, vs_place_at(&source, 0), true, &allocation, &diags);
    check_diagnostics(result, &diags);
    if (!result)
        check_allocation(&allocation);
    return 0;
}
