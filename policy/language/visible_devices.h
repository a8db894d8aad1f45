/*
 * What the program sees of the machine's GPUs, and what the driver is to see on its behalf.
 *
 * Three numberings meet here:
 *     the user's       `cuda:N` of policies, VRAMSPAN_* and the command line: the N-th device of the user's own
 *                      CUDA_VISIBLE_DEVICES, or of the machine where that is not set
 *     the program's    what the program calls cuda:0, cuda:1, ...: the devices that it is to see, in its order
 *     the driver's     the program's devices first, then those that lend: a program's ordinal is the driver's, too
 *
 * CUDA_VISIBLE_DEVICES makes both orders: *narrowed* it names the program's devices, *widened* the lenders behind them.
 * What a number in it means is the driver's affair (CUDA_DEVICE_ORDER), and is never changed: both values are made of
 * entries of the user's own. A program's processes inherit the narrowed value; so the user's own is kept in
 * VRAMSPAN_USER_VISIBLE_DEVICES, and numbers go on referring to that one.
 *
 * Nothing here reads the environment, allocates or asks a device. Any thread.
 */
#ifndef VRAMSPAN_POLICY_VISIBLE_DEVICES_H
#define VRAMSPAN_POLICY_VISIBLE_DEVICES_H

#include "../values/device_name.h"
#include "../values/values.h"

#include <stdbool.h>
#include <stddef.h>

#define VS_VARIABLE_VISIBLE "CUDA_VISIBLE_DEVICES"
/* The user's own value; the word `unset` where there was none. */
#define VS_VARIABLE_USER_VISIBLE "VRAMSPAN_USER_VISIBLE_DEVICES"
/* The value that the library has put into CUDA_VISIBLE_DEVICES: another one that is found there is somebody else's. */
#define VS_VARIABLE_SET_VISIBLE "VRAMSPAN_SET_VISIBLE_DEVICES"

/* PyTorch counts up to as many; longer identifiers than a MIG instance's are no devices. */
enum { VS_VISIBLE_MAX = 64, VS_VISIBLE_ENTRY_BYTES = 64, VS_VISIBLE_VALUE_BYTES = 64 * 64 };

struct vs_visible_entry {
    char text[VS_VISIBLE_ENTRY_BYTES]; /* a number or a UUID, as it stands in the variable */
    int number;                        /* N of the user's cuda:N; -1: none of the user's devices */
};

struct vs_visible {
    size_t count;
    struct vs_visible_entry entries[VS_VISIBLE_MAX];
};

/*
 * The devices that a value of CUDA_VISIBLE_DEVICES names, numbered from 0, by the driver's rules: numbers, or UUIDs
 * (their beginnings suffice; `GPU-` or `MIG-`), as the first entry is; the list ends at the first entry that is
 * neither, or a number beyond the machine's; a device named twice leaves none. NULL: all devices of the machine.
 * `machine_count` is how many those are; 0: not known, VS_VISIBLE_MAX are assumed.
 */
void vs_visible_read(const char *value, size_t machine_count, struct vs_visible *visible);

/* Whether it names devices by UUID. The driver takes no list of both. */
bool vs_visible_is_by_uuid(const struct vs_visible *visible);
/* Names the same devices by whole UUIDs, of which `uuids` are the machine's in the order of its numbers. False where an
 * entry is none of those (a MIG instance). */
bool vs_visible_name_by_uuid(
    struct vs_visible *visible, const char (*uuids)[VS_VISIBLE_ENTRY_BYTES], size_t uuid_count);

/* The value to keep for a user's own (NULL: not set), and back. Both return their argument or a constant. */
const char *vs_visible_keep(const char *value);
const char *vs_visible_kept(const char *kept);

/* What the user says about devices. */
struct vs_device_wish {
    const struct vs_device_id *devices; /* that the program sees, in its order */
    size_t device_count;                /* 0: nothing is said: all but the donors that are hidden */
    const struct vs_donor *donors;      /* others than CUDA devices are passed over */
    size_t donor_count;
    bool hides_donors;
};

/* Whether it sets devices apart at all: names those that the program sees, or hides a GPU. */
bool vs_device_wish_is_apart(const struct vs_device_wish *wish);

struct vs_device_view {
    size_t seen_count; /* the first entries are the program's devices */
    struct vs_visible driver;
    int missing;  /* the first device of the wish that the user's list does not hold; -1: none is missing */
    int conflict; /* a donor to be hidden that `own` names; -1: none */
};

/* `own`: what the program, or whoever started it, has put into CUDA_VISIBLE_DEVICES itself after the library had set
 * it: that is what the program sees then, whatever the wish says. NULL: nobody has. It names devices as `user` does, by
 * number or by UUID. */
void vs_device_view_make(const struct vs_visible *user, const struct vs_visible *own, const struct vs_device_wish *wish,
    struct vs_device_view *view);

/* The value of CUDA_VISIBLE_DEVICES that names the first `count` devices of the view: all of them, or the program's. */
void vs_device_view_value(const struct vs_device_view *view, size_t count, char value[VS_VISIBLE_VALUE_BYTES]);

/* The driver's ordinal of the user's cuda:`number`, or -1. */
int vs_device_view_ordinal(const struct vs_device_view *view, unsigned number);

#endif
