/*
 * What the readers of machine descriptions share. For policy/machine*.c only.
 */
#ifndef VRAMSPAN_POLICY_MACHINE_READ_H
#define VRAMSPAN_POLICY_MACHINE_READ_H

#include "machine.h"

#define VS_MACHINE_HOST_BYTES ((uint64_t)64 << 30) /* where nothing is said */

/* Reads a whole number of up to nine digits; false for anything else. */
bool vs_machine_read_number(const char *text, size_t length, unsigned *number);

/* A device at the device address 0 of this bus, without a name. */
struct vs_machine_device vs_machine_default_device(unsigned bus, uint64_t memory_bytes);
void vs_machine_name_device(struct vs_machine_device *device);
/* Peer access between all pairs. */
void vs_machine_connect_all(struct vs_machine *machine);

#endif
