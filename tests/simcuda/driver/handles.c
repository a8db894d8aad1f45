/* handles.c: see handles.h. */
#include "handles.h"
#include "adversary.h"

#include <stdlib.h>
#include <string.h>

static void *take(struct sim_handles *handles, size_t index)
{
    void *handle = handles->kept[index];

    handles->count--;
    memmove(&handles->kept[index], &handles->kept[index + 1], (handles->count - index) * sizeof handle);
    return handle;
}

void *sim_handle_new(struct sim_handles *handles, size_t bytes)
{
    void *handle;

    if (handles->count == 0 || !sim_adversary_choice(true, false))
        return calloc(1, bytes);
    /* An allocator hands out again what came back last; the seed may choose otherwise. */
    handle = take(handles, sim_adversary_choice(true, false) ? handles->count - 1 : sim_random(handles->count));
    return memset(handle, 0, bytes);
}

void sim_handle_retire(struct sim_handles *handles, void *handle)
{
    if (handles->count == SIM_HANDLES_KEPT)
        free(take(handles, 0));
    handles->kept[handles->count++] = handle;
}
