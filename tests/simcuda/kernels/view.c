/* view.c: see view.h; and what kernel.h says about inputs and outputs.
 *
 * What is known of a strided tensor is asked and kept run by run, a run being elements that lie side by side. */
#include "view.h"
#include "access.h"
#include "knowledge.h"

#include <stdlib.h>
#include <string.h>

size_t sim_shape_count(const struct sim_shape *shape)
{
    size_t count = 1;

    for (unsigned i = 0; i < shape->dims; i++)
        count *= shape->sizes[i];
    return count;
}

size_t sim_shape_extent_bytes(const struct sim_shape *shape)
{
    size_t bytes = shape->element_bytes;

    if (sim_shape_count(shape) == 0)
        return 0;
    for (unsigned i = 0; i < shape->dims; i++)
        bytes += (shape->sizes[i] - 1) * shape->strides[i];
    return bytes;
}

/* The same elements with the dimensions in the order of their strides, those that continue each other joined, and those
 * of stride 0 left out. */
static struct sim_shape in_memory_order(const struct sim_shape *shape)
{
    struct sim_shape sorted = {.element_bytes = shape->element_bytes};

    for (unsigned i = 0; i < shape->dims; i++) {
        unsigned at = sorted.dims;
        if (shape->sizes[i] == 1 || shape->strides[i] == 0)
            continue;
        for (; at > 0 && sorted.strides[at - 1] > shape->strides[i]; at--) {
            sorted.sizes[at] = sorted.sizes[at - 1];
            sorted.strides[at] = sorted.strides[at - 1];
        }
        sorted.sizes[at] = shape->sizes[i];
        sorted.strides[at] = shape->strides[i];
        sorted.dims++;
    }
    while (sorted.dims > 0 && sorted.strides[0] == sorted.element_bytes) {
        sorted.element_bytes *= sorted.sizes[0];
        sorted.dims--;
        memmove(sorted.sizes, sorted.sizes + 1, sorted.dims * sizeof *sorted.sizes);
        memmove(sorted.strides, sorted.strides + 1, sorted.dims * sizeof *sorted.strides);
    }
    return sorted;
}

/* Calls `visit` with the offset of each run; stops where it says false. */
static bool for_each_run(
    const struct sim_shape *runs, bool (*visit)(CUdeviceptr address, size_t bytes), CUdeviceptr address)
{
    uint64_t index[SIM_MAX_DIMS] = {0};

    for (;;) {
        unsigned dim = 0;
        if (!visit(address, runs->element_bytes))
            return false;
        for (; dim < runs->dims; dim++) {
            address += runs->strides[dim];
            if (++index[dim] < runs->sizes[dim])
                break;
            address -= runs->sizes[dim] * runs->strides[dim];
            index[dim] = 0;
        }
        if (dim == runs->dims)
            return true;
    }
}

static bool is_known(const struct sim_view *view)
{
    struct sim_shape runs;

    if (view->bytes == 0 || sim_known(view->address, view->bytes))
        return true;
    if (view->shape == NULL)
        return false;
    runs = in_memory_order(view->shape);
    return for_each_run(&runs, sim_known, view->address);
}

static bool know(CUdeviceptr address, size_t bytes)
{
    sim_know_computed(address, bytes);
    return true;
}

static bool forget(CUdeviceptr address, size_t bytes)
{
    sim_forget(address, bytes);
    return true;
}

static void set_known(const struct sim_view *view, bool known)
{
    struct sim_shape runs;

    if (view->bytes == 0)
        return;
    /* Where the gaps are known too, one record for all is true, and cheap. */
    if (view->shape == NULL || (known && sim_known(view->address, view->bytes))) {
        (known ? know : forget)(view->address, view->bytes);
        return;
    }
    runs = in_memory_order(view->shape);
    for_each_run(&runs, known ? know : forget, view->address);
}

/* The alias of the whole view where it is in one piece. Raises the error where a byte is out of reach. */
static bool find_alias(struct sim_call *call, struct sim_view *view)
{
    CUdeviceptr address = view->address;

    for (size_t left = view->bytes, piece; left > 0; left -= piece, address += piece) {
        const struct sim_range *range = sim_range_find(address);
        char *alias;
        if (range == NULL || !sim_reaches(call->context, range, view->writes)) {
            sim_raise_illegal(call->context, call->what, address, left, view->writes);
            return false;
        }
        piece = range->start + range->bytes - address;
        if (piece > left)
            piece = left;
        alias = range->alias + (address - range->start);
        if (sim_reads_garbage(call->context->device, range))
            view->lost = true;
        if (view->lost)
            view->flat = NULL; /* not what is there */
        else if (address == view->address)
            view->flat = alias;
        else if (view->flat != NULL && alias != view->flat + (address - view->address))
            view->flat = NULL;
    }
    return true;
}

void sim_view_close(const struct sim_call *call, struct sim_view *view, bool known)
{
    if (view->writes && view->gathered != NULL && known)
        sim_device_write(call->context->device, view->address, view->gathered, view->bytes, call->what);
    if (view->writes)
        set_known(view, known && !view->lost);
    free(view->gathered);
    free((void *)view->shape);
    free(view);
}

static void *open_view(
    struct sim_call *call, CUdeviceptr address, size_t bytes, const struct sim_shape *shape, bool reads, bool writes)
{
    static char nothing[16];
    struct sim_view *view;

    if (call->failed || bytes == 0)
        return call->failed ? NULL : nothing;
    view = calloc(1, sizeof *view);
    if (view == NULL) {
        call->failed = true;
        return NULL;
    }
    *view =
        (struct sim_view){.next = call->views, .address = address, .bytes = bytes, .reads = reads, .writes = writes};
    call->views = view;
    if (shape != NULL) {
        struct sim_shape *copy = malloc(sizeof *copy);
        call->failed = copy == NULL;
        if (copy != NULL)
            *copy = *shape;
        view->shape = copy;
    }
    if (call->failed || !find_alias(call, view)) {
        call->failed = true;
        view->writes = false; /* nothing was written */
        return NULL;
    }
    if (reads && !is_known(view))
        call->unknown = true;
    if (view->flat == NULL && !call->unknown) {
        view->gathered = malloc(bytes);
        if (view->gathered == NULL ||
            !sim_device_read(call->context->device, address, view->gathered, bytes, call->what)) {
            call->failed = true;
            return NULL;
        }
        view->flat = view->gathered;
    }
    return view->flat;
}

const void *sim_input(struct sim_call *call, CUdeviceptr address, size_t bytes)
{
    return open_view(call, address, bytes, NULL, true, false);
}

void *sim_output(struct sim_call *call, CUdeviceptr address, size_t bytes)
{
    return open_view(call, address, bytes, NULL, false, true);
}

void *sim_in_out(struct sim_call *call, CUdeviceptr address, size_t bytes)
{
    return open_view(call, address, bytes, NULL, true, true);
}

static bool is_dense(const struct sim_shape *shape)
{
    return in_memory_order(shape).dims == 0;
}

const void *sim_input_strided(struct sim_call *call, CUdeviceptr address, const struct sim_shape *shape)
{
    return open_view(call, address, sim_shape_extent_bytes(shape), is_dense(shape) ? NULL : shape, true, false);
}

void *sim_output_strided(struct sim_call *call, CUdeviceptr address, const struct sim_shape *shape)
{
    return open_view(call, address, sim_shape_extent_bytes(shape), is_dense(shape) ? NULL : shape, false, true);
}
