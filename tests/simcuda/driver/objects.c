/* objects.c: an open-addressing hash table of live handles; see objects.h. */
#include "objects.h"

#include <stdint.h>
#include <stdlib.h>

struct slot {
    const void *object; /* NULL: free, TOMBSTONE: was used */
    enum sim_object_type type;
};

static const char tombstone;
static struct slot *slots;
static size_t slot_count, used, tombstones;
static size_t counts[SIM_OBJECT_LOG_CALLBACK + 1];

static size_t hash_of(const void *object)
{
    return ((uintptr_t)object >> 4) * 0x9E3779B97F4A7C15ULL >> 20;
}

/* The slot of the object, or the free one where it would go. */
static struct slot *slot_of(const void *object)
{
    size_t index = hash_of(object) & (slot_count - 1);
    while (slots[index].object != NULL && slots[index].object != object)
        index = (index + 1) & (slot_count - 1);
    return &slots[index];
}

static bool rehash(void)
{
    struct slot *old = slots;
    size_t old_count = slot_count, wanted = 256;

    while (wanted < used * 4)
        wanted *= 2;
    slots = calloc(wanted, sizeof *slots);
    if (slots == NULL) {
        slots = old;
        return false;
    }
    slot_count = wanted;
    tombstones = 0;
    for (size_t i = 0; i < old_count; i++)
        if (old[i].object != NULL && old[i].object != &tombstone)
            *slot_of(old[i].object) = old[i];
    free(old);
    return true;
}

bool sim_object_add(const void *object, enum sim_object_type type)
{
    struct slot *slot;

    if ((used + tombstones + 1) * 2 > slot_count && !rehash())
        return false;
    slot = slot_of(object);
    slot->object = object;
    slot->type = type;
    used++;
    counts[type]++;
    return true;
}

void sim_object_remove(const void *object)
{
    struct slot *slot = slot_of(object);
    if (slot->object == NULL)
        return;
    counts[slot->type]--;
    slot->object = &tombstone;
    used--;
    tombstones++;
}

bool sim_object_is(const void *object, enum sim_object_type type)
{
    struct slot *slot;
    if (object == NULL || slot_count == 0)
        return false;
    slot = slot_of(object);
    return slot->object == object && slot->type == type;
}

size_t sim_object_count(enum sim_object_type type)
{
    return counts[type];
}
