/* graph.c: captures, graphs and their launches. What a graph uses stays with its worker until the graph is gone. */
#include "graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operations.h"
#include "order.h"
#include "pinned.h"
#include "report.h"
#include "shadow.h"

enum { STEPS_MAX = 5, HELD_BY_GRAPH = -2 };

struct step {
    enum { STEP_FILL, STEP_COPY, STEP_UPLOAD, STEP_KERNEL, STEP_ADD, STEP_MEMORY, STEP_KINDS } kind;
    struct allocation *to, *from;
    struct region region; /* of `to` */
    size_t from_offset;
    unsigned char value;
};

struct graph {
    cudaGraphExec_t exec;
    struct step steps[STEPS_MAX];
    int count;
    int slot;              /* of the last launch */
    struct buffer *buffer; /* what uploads read, at each launch */
};

/* --- Steps -------------------------------------------------------------------------------------------------------- */

static bool choose_step(struct worker *worker, struct step *step)
{
    step->kind = (int)below(worker, STEP_KINDS);
    step->to = any_owned(worker, 0);
    step->from = any_owned(worker, 0);
    if (!step->to || !step->from || step->to->bytes < 8)
        return false;
    if (step->to == step->from && (step->kind == STEP_COPY || step->kind == STEP_ADD))
        step->kind = STEP_FILL;
    bool two = step->kind == STEP_COPY || step->kind == STEP_ADD;
    const struct allocation *smaller = two && step->from->bytes < step->to->bytes ? step->from : step->to;
    if (smaller->bytes < 8)
        return false;
    step->region = flat_region(worker, smaller, 16 * KIB, 4);
    struct region from = step->region;
    step->value = (unsigned char)below(worker, 256);
    if (!place_region(worker, step->to, &step->region, 4) || (two && !place_region(worker, step->from, &from, 4)))
        return false;
    step->from_offset = from.offset;
    if (!two)
        step->from = step->to;
    return true;
}

/* Memory of the graph's own, of a weight's size perhaps. */
static void capture_memory(struct worker *worker, const struct step *step, char *to, cudaStream_t stream)
{
    void *own;
    size_t bytes = chance(worker, 50) ? weight_bytes(worker) : step->region.width;
    bytes = bytes < step->region.width ? step->region.width : bytes;
    TRY(worker, cudaMallocAsync(&own, bytes, stream));
    TRY(worker, cudaMemsetAsync(own, step->value, bytes, stream));
    TRY(worker, cudaMemcpyAsync(to, own, step->region.width, cudaMemcpyDeviceToDevice, stream));
    TRY(worker, cudaFreeAsync(own, stream));
}

static void capture_step(struct worker *worker, const struct graph *graph, const struct step *step, cudaStream_t stream)
{
    char *to = step->to->address + step->region.offset;
    const char *from = step->from->address + step->from_offset;
    size_t bytes = step->region.width;
    switch (step->kind) {
    case STEP_FILL:
        TRY(worker, cudaMemsetAsync(to, step->value, bytes, stream));
        break;
    case STEP_COPY:
        TRY(worker, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream));
        break;
    case STEP_UPLOAD:
        TRY(worker, cudaMemcpyAsync(to, graph->buffer->bytes, bytes, cudaMemcpyHostToDevice, stream));
        break;
    case STEP_KERNEL:
        launch_fill(worker, to, step->value, bytes, 0, stream);
        break;
    case STEP_ADD:
        launch_add(worker, to, from, step->value, bytes / 4, 0, stream);
        break;
    default:
        capture_memory(worker, step, to, stream);
    }
}

static void apply_step(struct worker *worker, const struct graph *graph, const struct step *step)
{
    unsigned char *to = step->to->shadow + step->region.offset;
    size_t bytes = step->region.width;
    if (step->kind == STEP_COPY)
        memcpy(to, step->from->shadow + step->from_offset, bytes);
    else if (step->kind == STEP_UPLOAD)
        memcpy(to, graph->buffer->bytes, bytes);
    else if (step->kind == STEP_ADD)
        add_in_shadow(step->to, step->region.offset, step->from, step->from_offset, step->value, bytes / 4);
    else
        memset(to, step->value, bytes);
    note(worker, step->to, "a graph's step of kind %d writes %zu bytes at %zu in stream %d", step->kind, bytes,
        step->region.offset, graph->slot);
}

/* --- Operations --------------------------------------------------------------------------------------------------- */

/* Some steps may go through a second stream, which joins. */
static void capture(struct worker *worker, struct graph *graph, int origin)
{
    static const enum cudaStreamCaptureMode modes[] = {
        cudaStreamCaptureModeRelaxed, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeGlobal};
    int other = independent_slot(worker, 0);
    cudaStream_t stream = stream_of(worker, origin);
    cudaGraph_t captured;
    /* A global one forbids to other threads what they are about to do (cudaThreadExchangeStreamCaptureMode). */
    TRY(worker, cudaStreamBeginCapture(stream, modes[below(worker, settings.threads == 1 ? 3 : 2)]));
    for (int i = 0; i < graph->count; i++) {
        bool aside = other != DONE && other != origin && chance(worker, 30);
        cudaEvent_t there = worker->events[0][1], back = worker->events[0][3];
        if (aside) {
            TRY(worker, cudaEventRecord(there, stream));
            TRY(worker, cudaStreamWaitEvent(worker->slots[other].stream, there, 0));
        }
        capture_step(worker, graph, &graph->steps[i], aside ? worker->slots[other].stream : stream);
        if (aside) {
            TRY(worker, cudaEventRecord(back, worker->slots[other].stream));
            TRY(worker, cudaStreamWaitEvent(stream, back, 0));
        }
    }
    TRY(worker, cudaStreamEndCapture(stream, &captured));
    TRY(worker, cudaGraphInstantiate(&graph->exec, captured, 0));
    TRY(worker, cudaGraphDestroy(captured));
}

void do_make_graph(struct worker *worker)
{
    int origin = independent_slot(worker, 0), place = (int)below(worker, GRAPHS_MAX);
    if (origin == DONE || worker->graphs[place] || !begin_capture())
        return;
    struct graph *graph = calloc(1, sizeof *graph);
    if (!graph)
        fail(worker, NULL, "the test itself is out of memory");
    graph->slot = DONE;
    graph->buffer = take_buffer(worker);
    buffer_is_source(graph->buffer, HELD_BY_GRAPH, 0);
    for (size_t i = 0; i < WINDOW_BYTES; i += 8)
        memcpy(graph->buffer->bytes + i, &(uint64_t){(worker->operation + 1) * 0x9E3779B97F4A7C15u + i * i}, 8);
    while (graph->count < 1 + (int)below(worker, STEPS_MAX) && graph->count < STEPS_MAX)
        if (choose_step(worker, &graph->steps[graph->count]))
            graph->count++;
        else
            break;
    for (int i = 0; i < graph->count; i++) {
        graph->steps[i].to->graphs++;
        graph->steps[i].from->graphs++;
    }
    capture(worker, graph, origin);
    end_capture();
    worker->graphs[place] = graph;
}

void do_launch_graph(struct worker *worker)
{
    struct graph *graph = worker->graphs[below(worker, GRAPHS_MAX)];
    if (!graph)
        return;
    int slot = any_slot(worker, 0);
    for (int i = 0; i < graph->count; i++) {
        order_in(worker, graph->steps[i].from, slot);
        order_in(worker, graph->steps[i].to, slot);
    }
    cudaStream_t stream = stream_of(worker, slot);
    if (graph->slot != DONE && graph->slot != slot && graph->count == 0)
        wait_for(worker, graph->slot);
    graph->slot = slot;
    if (chance(worker, 50))
        TRY(worker, cudaGraphLaunch(graph->exec, stream));
    else
        TRY(worker, cuGraphLaunch(graph->exec, stream));
    for (int i = 0; i < graph->count; i++)
        apply_step(worker, graph, &graph->steps[i]);
}

static void drop_graph(struct worker *worker, int place)
{
    struct graph *graph = worker->graphs[place];
    if (graph->slot != DONE)
        wait_for(worker, graph->slot);
    TRY(worker, cudaGraphExecDestroy(graph->exec));
    graph->buffer->busy = false;
    memset(graph->buffer->bytes, 0xA5, WINDOW_BYTES);
    for (int i = 0; i < graph->count; i++) {
        graph->steps[i].to->graphs--;
        graph->steps[i].from->graphs--;
    }
    free(graph);
    worker->graphs[place] = NULL;
}

void do_drop_graph(struct worker *worker)
{
    int place = (int)below(worker, GRAPHS_MAX);
    if (worker->graphs[place])
        drop_graph(worker, place);
}

void drop_graphs(struct worker *worker)
{
    for (int place = 0; place < GRAPHS_MAX; place++)
        if (worker->graphs[place])
            drop_graph(worker, place);
}

void move_graphs(struct worker *worker, int from, int to)
{
    for (int place = 0; place < GRAPHS_MAX; place++)
        if (worker->graphs[place] && worker->graphs[place]->slot == from)
            worker->graphs[place]->slot = to;
}
