/* graph_memory.c: see graph_memory.h. */
#include "graph_memory.h"
#include "alloc.h"
#include "api.h"
#include "knowledge.h"
#include "rules.h"
#include "trace.h"

#include <stdlib.h>
#include <string.h>

/* Shared by all nodes, of all copies of the graph, that allocate or free it. */
struct sim_graph_memory {
    struct sim_range *range;
    unsigned references;
    bool instantiated;
    bool unfreed; /* a launch allocated it, and neither the graph nor the program has freed it since */
};

/* What graphs have of each device, and the most that they had. */
static struct usage {
    uint64_t used, used_high, reserved, reserved_high;
} usage[VS_MACHINE_DEVICES_MAX];

static void add(uint64_t *now, uint64_t *high, size_t bytes)
{
    *now += bytes;
    if (*now > *high)
        *high = *now;
}

struct node_op {
    struct sim_op op;
    struct sim_graph_memory *memory;
};

/* Nobody can use it any more; fresh when it is used again. */
static void make_unusable(struct sim_range *range)
{
    sim_knowledge_set((uintptr_t)range->alias, range->bytes, SIM_UNKNOWN);
    sim_physical_clear(range->location, range->alias, range->bytes);
    if (!range->pending)
        usage[range->location].used -= range->bytes;
    range->pending = true;
    range->freeing = false;
}

static void execute_begin(struct sim_op *op)
{
    struct sim_range *range = ((struct node_op *)op)->memory->range;
    sim_trace_memory("alloc", range->start, range->bytes, range->location, NULL);
    if (range->pending)
        add(&usage[range->location].used, &usage[range->location].used_high, range->bytes);
    range->pending = false;
}

static void execute_end(struct sim_op *op)
{
    struct sim_range *range = ((struct node_op *)op)->memory->range;
    sim_trace_memory("free", range->start, range->bytes, range->location, NULL);
    make_unusable(range);
}

static struct sim_op *clone_node(const struct sim_op *op)
{
    struct node_op *clone = (struct node_op *)sim_op_copy(op, sizeof *clone);
    if (clone == NULL)
        return NULL;
    clone->memory->references++;
    return &clone->op;
}

static void destroy_node(struct sim_op *op)
{
    struct sim_graph_memory *memory = ((struct node_op *)op)->memory;

    if (--memory->references > 0)
        return;
    memory->range->graph_memory = NULL; /* what is in use is the program's to free now */
    usage[memory->range->location].reserved -= memory->range->bytes;
    if (memory->range->pending)
        sim_deallocate(memory->range);
    else
        usage[memory->range->location].used -= memory->range->bytes;
    free(memory);
}

static const struct sim_op_class begin_class = {.name = "graph alloc",
    .execute = execute_begin,
    .clone = clone_node,
    .destroy = destroy_node,
    .runs_after_error = true};
static const struct sim_op_class end_class = {.name = "graph free",
    .execute = execute_end,
    .clone = clone_node,
    .destroy = destroy_node,
    .runs_after_error = true};

static CUresult submit(CUstream stream, const struct sim_op_class *class, struct sim_graph_memory *memory)
{
    struct node_op *op = sim_op_new(class, sizeof *op);
    if (op == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    op->memory = memory;
    memory->references++;
    return sim_submit(stream, &op->op);
}

CUresult sim_graph_memory_allocate(CUdeviceptr *address, size_t bytes, CUstream stream)
{
    struct sim_graph_memory *memory = calloc(1, sizeof *memory);
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

    if (memory == NULL)
        return result;
    memory->range = sim_allocate(stream->context, bytes, &result);
    if (memory->range == NULL) {
        free(memory);
        return result;
    }
    memory->range->pending = true;
    memory->range->graph_memory = memory;
    add(&usage[memory->range->location].reserved, &usage[memory->range->location].reserved_high, memory->range->bytes);
    *address = memory->range->start;
    memory->references = 1; /* for this function, so that a failing submission cleans up below */
    result = submit(stream, &begin_class, memory);
    if (--memory->references == 0) {
        memory->range->graph_memory = NULL;
        usage[memory->range->location].reserved -= memory->range->bytes;
        sim_deallocate(memory->range);
        free(memory);
    }
    return result;
}

CUresult sim_graph_memory_free(struct sim_range *range, CUstream stream)
{
    return range->graph_memory != NULL ? submit(stream, &end_class, range->graph_memory) : CUDA_ERROR_INVALID_VALUE;
}

void sim_graph_memory_note_free(struct sim_range *range)
{
    if (range->graph_memory != NULL)
        range->graph_memory->unfreed = false;
}

/* The memory of a node; NULL where it is no node of memory. */
static struct sim_graph_memory *memory_of(const struct sim_op *op)
{
    return op->class == &begin_class || op->class == &end_class ? ((const struct node_op *)op)->memory : NULL;
}

bool sim_graph_memory_is_in(const struct sim_op *first)
{
    for (const struct sim_op *op = first; op != NULL; op = op->next)
        if (memory_of(op) != NULL)
            return true;
    return false;
}

bool sim_graph_memory_instantiate(const struct sim_op *first)
{
    for (const struct sim_op *op = first; op != NULL; op = op->next)
        if (op->class == &begin_class && memory_of(op)->instantiated && SIM_RULE(graph_memory_one_instance))
            return false;
    for (const struct sim_op *op = first; op != NULL; op = op->next)
        if (op->class == &begin_class)
            memory_of(op)->instantiated = true;
    return true;
}

void sim_graph_memory_end_instance(const struct sim_op *first)
{
    for (const struct sim_op *op = first; op != NULL; op = op->next)
        if (op->class == &begin_class)
            memory_of(op)->instantiated = false;
}

bool sim_graph_memory_launch(const struct sim_op *first, bool auto_free)
{
    for (const struct sim_op *op = first; op != NULL; op = op->next)
        if (op->class == &begin_class && memory_of(op)->unfreed && !auto_free && SIM_RULE(graph_memory_freed))
            return false;
    for (const struct sim_op *op = first; op != NULL; op = op->next)
        if (memory_of(op) != NULL)
            memory_of(op)->unfreed = op->class == &begin_class;
    return true;
}

void sim_graph_memory_release(struct sim_range *range)
{
    if (!range->freeing) /* else it was noted when the program asked */
        sim_graph_memory_note_free(range);
    make_unusable(range);
}

CUresult sim_cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attribute, void *value)
{
    const struct usage *of = &usage[sim_is_device(device) ? device : 0];
    const uint64_t values[] = {[CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT] = of->used,
        [CU_GRAPH_MEM_ATTR_USED_MEM_HIGH] = of->used_high,
        [CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT] = of->reserved,
        [CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH] = of->reserved_high};

    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (value == NULL || (unsigned)attribute >= sizeof values / sizeof *values)
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(value, &values[attribute], sizeof values[attribute]);
    return CUDA_SUCCESS;
}

/* Only high-water marks are set, and only to 0 (cuda.h, CUgraphMem_attribute); they start at what there is now. */
CUresult sim_cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attribute, void *value)
{
    uint64_t wanted;

    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (value == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    memcpy(&wanted, value, sizeof wanted);
    if (wanted != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (attribute == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH)
        usage[device].used_high = usage[device].used;
    else if (attribute == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)
        usage[device].reserved_high = usage[device].reserved;
    else
        return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

/* Nothing is kept that no graph holds. */
CUresult sim_cuDeviceGraphMemTrim(CUdevice device)
{
    return sim_is_device(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
