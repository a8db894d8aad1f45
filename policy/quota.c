/*
 * Allowances and what was taken of them. See quota.h. Allowances sum up to the model's bytes, so nothing overflows
 * there.
 */
#include "quota.h"

static const struct vs_device_id cpu = {.family = VS_DEVICE_CPU};

/* The device's entry, made with nothing allowed if there is none. */
static size_t entry_of(struct vs_quota *quota, struct vs_device_id device)
{
    for (size_t i = 0; i < quota->count; i++)
        if (vs_device_equal(quota->entries[i].device, device))
            return i;
    quota->entries[quota->count] = (struct vs_quota_entry){.device = device};
    return quota->count++;
}

void vs_quota_init(
    struct vs_quota *quota, const struct vs_shares *shares, uint64_t total_bytes, struct vs_device_id compute)
{
    uint64_t left = total_bytes;
    *quota = (struct vs_quota){.total_bytes = total_bytes};
    for (size_t i = 0; i < shares->count; i++) {
        const struct vs_share *share = &shares->items[i];
        uint64_t bytes = share->bytes < left ? share->bytes : left;
        left -= bytes;
        quota->entries[quota->count++] = (struct vs_quota_entry){
            .device = share->device, .planned_bytes = bytes, .allowance_bytes = bytes, .wildcard = share->wildcard};
    }
    for (size_t i = 0; i < quota->count; i++)
        if (quota->entries[i].wildcard)
            quota->entries[i].planned_bytes += left;
    quota->compute = entry_of(quota, compute);
}

static uint64_t remaining(const struct vs_quota_entry *entry)
{
    return entry->taken_bytes >= entry->allowance_bytes ? 0 : entry->allowance_bytes - entry->taken_bytes;
}

size_t vs_quota_take(struct vs_quota *quota, uint64_t bytes)
{
    size_t chosen = quota->compute;
    for (size_t i = 0; i < quota->count; i++)
        if (quota->entries[i].wildcard)
            chosen = i;
    for (size_t i = 0; i < quota->count; i++) {
        if (!quota->entries[i].dropped && quota->entries[i].allowance_bytes && remaining(&quota->entries[i]) >= bytes) {
            chosen = i;
            break;
        }
    }
    quota->entries[chosen].taken_bytes += bytes;
    quota->entries[chosen].taken_count++;
    return chosen;
}

void vs_quota_give_back(struct vs_quota *quota, size_t entry, uint64_t bytes)
{
    quota->entries[entry].taken_bytes -= bytes;
    quota->entries[entry].taken_count--;
}

/* The donor that inherits from an entry, or VS_QUOTA_NOWHERE. */
static size_t heir_of(struct vs_quota *quota, size_t entry)
{
    for (size_t i = entry + 1; i < quota->count; i++)
        if (i != quota->compute && !quota->entries[i].dropped)
            return i;
    size_t last = entry_of(quota, cpu);
    return quota->entries[last].dropped ? VS_QUOTA_NOWHERE : last;
}

size_t vs_quota_pass_on(struct vs_quota *quota, size_t entry)
{
    struct vs_quota_entry *from = &quota->entries[entry];
    if (entry == quota->compute)
        return VS_QUOTA_NOWHERE;
    uint64_t bytes = remaining(from);
    bool wildcard = from->wildcard;
    from->dropped = true;
    from->wildcard = false;
    from->allowance_bytes -= bytes;
    size_t heir = heir_of(quota, entry);
    if (heir == VS_QUOTA_NOWHERE)
        return VS_QUOTA_NOWHERE;
    quota->entries[heir].allowance_bytes += bytes;
    quota->entries[heir].wildcard |= wildcard;
    return heir;
}
