/* call.c: see call.h and kernel.h. */
#include "call.h"
#include "view.h"

#include <stdio.h>
#include <stdlib.h>

struct scratch {
    struct scratch *next;
    max_align_t bytes[];
};

const void *sim_argument(const struct sim_call *call, unsigned index, size_t bytes)
{
    const struct sim_layout *layout = &call->match->layout;

    if (index >= layout->parameter_count || layout->sizes[index] != bytes) {
        fprintf(stderr, "simcuda: %s: parameter %u has not %zu bytes: kernels.def and the family's file disagree\n",
            call->match->name, index, bytes);
        abort();
    }
    return call->arguments + layout->offsets[index];
}

bool sim_call_is_ready(const struct sim_call *call)
{
    return !call->failed && !call->unknown;
}

void sim_call_give_up(struct sim_call *call)
{
    call->gave_up = true;
    call->failed = true;
}

void *sim_call_scratch(struct sim_call *call, size_t bytes)
{
    struct scratch *scratch = malloc(sizeof *scratch + bytes);

    if (scratch == NULL) {
        call->failed = true;
        return NULL;
    }
    scratch->next = call->scratch;
    call->scratch = scratch;
    return scratch->bytes;
}

bool sim_call_run(struct sim_call *call)
{
    bool ready, touched;

    call->match->compute(call);
    ready = sim_call_is_ready(call);
    touched = call->views != NULL;
    while (call->views != NULL) {
        struct sim_view *view = call->views;
        call->views = view->next;
        sim_view_close(call, view, ready);
    }
    while (call->scratch != NULL) {
        struct scratch *next = call->scratch->next;
        free(call->scratch);
        call->scratch = next;
    }
    return ready || touched;
}
