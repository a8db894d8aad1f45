/* program_memory.c: see program_memory.h; /proc/self/maps tells (proc(5)), in the order of addresses. */
#include "program_memory.h"

#include <stdio.h>
#include <stdlib.h>

struct sim_permissions sim_program_permissions(uintptr_t start, size_t bytes)
{
    struct sim_permissions may = {.read = true, .write = true};
    uintptr_t at = start, first, end;
    FILE *maps = fopen("/proc/self/maps", "re");
    char *line = NULL, read, write;
    size_t room = 0;

    while (maps != NULL && at - start < bytes && getline(&line, &room, maps) > 0) {
        if (sscanf(line, "%lx-%lx %c%c", &first, &end, &read, &write) != 4 || end <= at)
            continue;
        if (first > at)
            break;
        may.read = may.read && read == 'r';
        may.write = may.write && write == 'w';
        at = end;
    }
    free(line);
    if (maps == NULL || at - start < bytes)
        may = (struct sim_permissions){false, false};
    if (maps != NULL)
        fclose(maps);
    return may;
}
