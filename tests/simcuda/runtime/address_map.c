/* address_map.c: open addressing with linear probing; at most half of the slots hold a key. Removed keys keep their
 * slot. */
#include "address_map.h"

#include <stdint.h>
#include <stdlib.h>

static struct rt_address_slot *find(const struct rt_address_map *map, const void *key)
{
    /* Fibonacci hashing: addresses differ in their middle bits. */
    size_t at = ((uintptr_t)key * 0x9e3779b97f4a7c15u) >> 20;
    for (;; at++) {
        struct rt_address_slot *slot = &map->slots[at & (map->capacity - 1)];
        if (!slot->key || slot->key == key)
            return slot;
    }
}

void *rt_address_map_get(const struct rt_address_map *map, const void *key)
{
    return map->capacity && key ? find(map, key)->value : NULL;
}

static bool grow(struct rt_address_map *map)
{
    struct rt_address_map larger = {.capacity = map->capacity ? 2 * map->capacity : 1024};
    larger.slots = calloc(larger.capacity, sizeof larger.slots[0]);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < map->capacity; i++) {
        if (!map->slots[i].value)
            continue;
        *find(&larger, map->slots[i].key) = map->slots[i];
        larger.used++;
    }
    free(map->slots);
    *map = larger;
    return true;
}

bool rt_address_map_set(struct rt_address_map *map, const void *key, void *value)
{
    if (2 * map->used >= map->capacity && !grow(map))
        return false;
    struct rt_address_slot *slot = find(map, key);
    map->used += !slot->key;
    slot->key = key;
    slot->value = value;
    return true;
}
