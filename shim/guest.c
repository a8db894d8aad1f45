/* guest.c: see guest.h. A number is the tag, a generation and an index: one that was released is no handle any more,
 * also when its place in the table has another. */
#include "guest.h"

#include <pthread.h>
#include <stdlib.h>

#include "../policy/language/policy.h"
#include "activate.h"
#include "devices.h"
#include "driver.h"
#include "locks.h"

#define INDEX_BITS 24
#define INDEX_MASK (((CUmemGenericAllocationHandle)1 << INDEX_BITS) - 1)

struct slot {
    struct vs_guest *guest; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

pthread_mutex_t vs_guests_lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot *slots; /* the first one is never used */
static uint32_t slot_count, first_free;

/* --- Which memory becomes virtual --------------------------------------------------------------------------------- */

static bool computes(const struct vs_policy *policy, struct vs_device_id id)
{
    for (size_t i = 0; i < policy->section_count; i++)
        if (vs_device_equal(vs_section_compute(policy, &policy->sections[i], vs_devices_first()), id))
            return true;
    return false;
}

const struct vs_compute *vs_guest_wanted(size_t bytes, const CUmemAllocationProp *properties, unsigned long long flags)
{
    const struct vs_policy *policy = vs_policy_in_force();
    if (!policy || !properties || flags != 0 || bytes == 0 || bytes % VS_PAGE_BYTES != 0 ||
        properties->type != CU_MEM_ALLOCATION_TYPE_PINNED || properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
        properties->allocFlags.usage & CU_MEM_CREATE_USAGE_TILE_POOL) /* for sparse arrays, which map it in tiles */
        return NULL;
    int ordinal = properties->location.id;
    if (ordinal < 0 || vs_devices_hides(ordinal) || !computes(policy, vs_devices_id(ordinal)))
        return NULL;
    /* Pages move by work of the primary context: a program that does without one is not given one. */
    return vs_compute_has_primary(ordinal) ? vs_compute_device(ordinal) : NULL;
}

/* --- The table ---------------------------------------------------------------------------------------------------- */

static bool make_slots(void)
{
    uint32_t count = slot_count ? 2 * slot_count : 64;
    if (count > INDEX_MASK)
        return false;
    struct slot *grown = realloc(slots, count * sizeof *grown);
    if (!grown)
        return false;
    slots = grown;
    for (uint32_t i = slot_count ? slot_count : 1; i < count; i++) {
        slots[i] = (struct slot){.next_free = first_free};
        first_free = i;
    }
    slot_count = count;
    return true;
}

CUmemGenericAllocationHandle vs_guest_add(const struct vs_compute *compute, CUmemGenericAllocationHandle real,
    size_t bytes, const CUmemAllocationProp *properties)
{
    struct vs_guest *guest = calloc(1, sizeof *guest);
    struct vs_guest_part *part = calloc(1, sizeof *part);
    CUmemGenericAllocationHandle number = 0;
    pthread_mutex_lock(&vs_guests_lock);
    if (guest && part && (first_free || make_slots())) {
        uint32_t index = first_free;
        struct slot *slot = &slots[index];
        first_free = slot->next_free;
        number =
            VS_GUEST_TAG << 48 | (CUmemGenericAllocationHandle)(slot->generation & INDEX_MASK) << INDEX_BITS | index;
        *part = (struct vs_guest_part){real, {VS_HOME_LOCAL, compute->ordinal}, bytes};
        *guest = (struct vs_guest){.number = number,
            .compute = compute,
            .properties = *properties,
            .bytes = bytes,
            .references = 1,
            .parts = part,
            .part_count = 1};
        slot->guest = guest;
    }
    pthread_mutex_unlock(&vs_guests_lock);
    if (!number) {
        free(guest);
        free(part);
    }
    return number;
}

struct vs_guest *vs_guest_find(CUmemGenericAllocationHandle number)
{
    CUmemGenericAllocationHandle index = number & INDEX_MASK;
    struct vs_guest *guest = vs_guest_is(number) && index < slot_count ? slots[index].guest : NULL;
    return guest && guest->number == number && guest->references > 0 ? guest : NULL;
}

void vs_guest_drop_if_unused(struct vs_guest *guest)
{
    if (guest->references > 0 || guest->mapping_count > 0)
        return;
    for (size_t i = 0; i < guest->part_count; i++)
        vs_extents_release_physical(
            &vs_backing_vmm, guest->parts[i].home, guest->parts[i].bytes, guest->parts[i].handle);
    uint32_t index = (uint32_t)(guest->number & INDEX_MASK);
    slots[index] = (struct slot){.generation = slots[index].generation + 1, .next_free = first_free};
    first_free = index;
    free(guest->parts);
    free(guest);
}

CUresult vs_guest_release(CUmemGenericAllocationHandle number)
{
    pthread_mutex_lock(&vs_guests_lock);
    struct vs_guest *guest = vs_guest_find(number);
    if (guest) {
        guest->references--;
        vs_guest_drop_if_unused(guest);
    }
    pthread_mutex_unlock(&vs_guests_lock);
    return guest ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult vs_guest_properties(CUmemGenericAllocationHandle number, CUmemAllocationProp *properties)
{
    pthread_mutex_lock(&vs_guests_lock);
    const struct vs_guest *guest = vs_guest_find(number);
    if (guest && properties)
        *properties = guest->properties;
    pthread_mutex_unlock(&vs_guests_lock);
    return guest && properties ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
