/* program_memory.h: what the program itself has mapped. */
#ifndef SIM_PROGRAM_MEMORY_H
#define SIM_PROGRAM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the program may do with all of [start, start + bytes): nothing where a part of it is not mapped. */
struct sim_permissions {
    bool read, write;
};
struct sim_permissions sim_program_permissions(uintptr_t start, size_t bytes);

#endif
