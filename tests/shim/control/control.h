/* control.h: what the test build of the library exports beside its hooks (control.c). Tests find the functions with
 * dlsym: the build that is installed has none of them. Locations are the simulator's: a device's number, or
 * SIMCUDA_LOCATION_HOST (-1). */
#ifndef TESTS_SHIM_CONTROL_H
#define TESTS_SHIM_CONTROL_H

#include <stddef.h>
#include <stdint.h>

struct vs_control_move {
    void *address;
    size_t bytes;
    int location;
};

/* vs_rehome: the driver's result. Whole pages. */
int vs_control_rehome(void *address, size_t bytes, int location);
/* All of them under one closing of the gate. */
int vs_control_rehome_all(const struct vs_control_move *moves, size_t count);

/* All that programs mapped themselves, each piece by itself, as far as it may move; returns how many pieces did, or
 * were there already, and in *refused how many did not. */
size_t vs_control_send_guests(int location, size_t *refused);

/* The whole pages that `address` lies in the middle of: those of the one piece of memory that was made for it. 0: not
 * ours. */
size_t vs_control_extent(void *address, void **base);

/* How many pieces of memory the library holds, and how many bytes. */
size_t vs_control_extents(size_t *bytes);

/* The library's own word of a page's home: -2 where it is not ours or nothing is there. To be compared, not believed.
 */
int vs_control_home(void *address);

/* How long moves wait for others; 0: for ever, on the thread that moves. */
void vs_control_set_limit(uint64_t ns);

#endif
