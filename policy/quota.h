/*
 * The placing rule: which device the next allocation of a model's weights goes to. Pure arithmetic.
 *
 * A vs_quota is made for one load of one model. Each device has an allowance: in the order of the policy its bytes, at
 * most what is left of the model. An allocation goes to the first device in that order whose
 * remaining allowance holds it; if none does, to the wildcard, which holds anything. (A wildcard written first,
 * `cuda:1,*;cuda:0,1gb`, still takes the rest only.) Where there is no wildcard any more, since its device and all
 * others could not be mapped, everything left goes to the compute device.
 *
 * No allocation, no failure. The caller serialises calls on one quota.
 */
#ifndef VRAMSPAN_POLICY_QUOTA_H
#define VRAMSPAN_POLICY_QUOTA_H

#include "distorch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VS_QUOTA_NOWHERE ((size_t)-1)

struct vs_quota_entry {
    struct vs_device_id device;
    uint64_t planned_bytes;   /* of the model's bytes, by the policy, the wildcard's rest included; does not change */
    uint64_t allowance_bytes; /* to be taken in turn, without the wildcard's rest; changes when shares are passed on */
    uint64_t taken_bytes;     /* by allocations; beyond the allowance only at the wildcard and the compute device */
    uint64_t taken_count;
    bool wildcard; /* holds what no allowance holds */
    bool dropped;  /* cannot be mapped; takes nothing */
};

struct vs_quota {
    struct vs_quota_entry entries[VS_SHARES_MAX + 3]; /* the shares, and compute device and cpu if not among them */
    size_t count;
    size_t compute; /* the compute device's entry; there always is one */
    uint64_t total_bytes;
};

/* Begins a load: the section's shares for a model of this many bytes that counts on `compute`. */
void vs_quota_init(
    struct vs_quota *quota, const struct vs_shares *shares, uint64_t total_bytes, struct vs_device_id compute);
/* The entry that an allocation of this size goes to; its bytes are taken there. Always an index of an entry. */
size_t vs_quota_take(struct vs_quota *quota, uint64_t bytes);
/* Undoes a take: the allocation failed there, or was freed while its model still loads. */
void vs_quota_give_back(struct vs_quota *quota, size_t entry, uint64_t bytes);
/*
 * The entry's device cannot be mapped: it takes nothing from now on, and its remaining allowance (and the wildcard, if
 * it has that) goes to the next donor in order, never to the compute device, at last to cpu, which is added if need be.
 * Returns the entry that got it, or VS_QUOTA_NOWHERE (no donor is left, or the entry is the compute device's, which is
 * not dropped). A second call for the same entry passes on what was given back to it meanwhile.
 */
size_t vs_quota_pass_on(struct vs_quota *quota, size_t entry);
#endif
