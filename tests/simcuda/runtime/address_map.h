/* address_map.h: a hash map from addresses to pointers. Not locked; the owner locks. */
#ifndef SIMCUDA_RUNTIME_ADDRESS_MAP_H
#define SIMCUDA_RUNTIME_ADDRESS_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct rt_address_map {
    struct rt_address_slot {
        const void *key; /* NULL: free */
        void *value;     /* NULL: removed */
    } * slots;
    size_t capacity, used; /* a power of two; slots with a key */
};

/* The value of `key`, or NULL. */
void *rt_address_map_get(const struct rt_address_map *map, const void *key);

/* Sets the value of `key`; a NULL value removes it. False when out of memory. */
bool rt_address_map_set(struct rt_address_map *map, const void *key, void *value);

#endif
