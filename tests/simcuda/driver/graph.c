/* graph.c: graphs made by capture, their executable copies and launches; see graph.h. */
#include "graph.h"
#include "api.h"
#include "capture.h"
#include "graph_memory.h"
#include "objects.h"
#include "rules.h"
#include "stream.h"
#include "user_object.h"

#include <stdlib.h>

struct CUgraphExec_st {
    struct sim_op *first;
    size_t count;
    unsigned long long flags;
    struct sim_held *held;
};

CUgraph sim_graph_new(void)
{
    CUgraph graph = calloc(1, sizeof *graph);
    if (graph == NULL || !sim_object_add(graph, SIM_OBJECT_GRAPH)) {
        free(graph);
        return NULL;
    }
    return graph;
}

void sim_graph_append(CUgraph graph, struct sim_op *op)
{
    op->next = NULL;
    if (graph->last != NULL)
        graph->last->next = op;
    else
        graph->first = op;
    graph->last = op;
    graph->count++;
}

static void destroy_list(struct sim_op *op)
{
    while (op != NULL) {
        struct sim_op *next = op->next;
        sim_op_destroy(op);
        op = next;
    }
}

void sim_graph_destroy(CUgraph graph)
{
    sim_object_remove(graph);
    destroy_list(graph->first);
    sim_held_release(graph->held);
    free(graph);
}

/* A copy of a list of operations; false without memory (the part that was copied is in *copy). */
static bool clone_list(const struct sim_op *op, struct sim_op **copy)
{
    for (; op != NULL; op = op->next) {
        struct sim_op *twin = op->class->clone(op);
        if (twin == NULL)
            return false;
        twin->next = NULL;
        *copy = twin;
        copy = &twin->next;
    }
    return true;
}

CUresult sim_cuGraphCreate(CUgraph *graph, unsigned flags)
{
    if (graph == NULL || flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    *graph = sim_graph_new();
    return *graph != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult sim_cuGraphDestroy(CUgraph graph)
{
    if (!sim_object_is(graph, SIM_OBJECT_GRAPH) || graph->being_captured)
        return CUDA_ERROR_INVALID_VALUE;
    sim_graph_destroy(graph);
    return CUDA_SUCCESS;
}

CUresult sim_cuGraphClone(CUgraph *clone, CUgraph original)
{
    if (clone == NULL || !sim_object_is(original, SIM_OBJECT_GRAPH))
        return CUDA_ERROR_INVALID_VALUE;
    if (sim_graph_memory_is_in(original->first) && SIM_RULE(graph_memory_not_cloned))
        return CUDA_ERROR_NOT_SUPPORTED;
    *clone = sim_graph_new();
    if (*clone == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    if (!sim_held_copy(original->held, &(*clone)->held)) {
        sim_graph_destroy(*clone);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    for (const struct sim_op *op = original->first; op != NULL; op = op->next) {
        struct sim_op *twin = op->class->clone(op);
        if (twin == NULL) {
            sim_graph_destroy(*clone);
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
        sim_graph_append(*clone, twin);
    }
    return CUDA_SUCCESS;
}

/* Nodes are the operations themselves; their handles serve for counting and telling apart only. */
CUresult sim_cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *node_count)
{
    const struct sim_op *op;
    size_t index = 0;

    if (node_count == NULL || !sim_object_is(graph, SIM_OBJECT_GRAPH))
        return CUDA_ERROR_INVALID_VALUE;
    if (nodes != NULL) {
        for (op = graph->first; op != NULL && index < *node_count; op = op->next)
            nodes[index++] = (CUgraphNode)op;
        for (size_t rest = index; rest < *node_count; rest++)
            nodes[rest] = NULL;
        *node_count = index;
    } else {
        *node_count = graph->count;
    }
    return CUDA_SUCCESS;
}

CUresult sim_cuGraphGetRootNodes(CUgraph graph, CUgraphNode *nodes, size_t *node_count)
{
    if (node_count == NULL || !sim_object_is(graph, SIM_OBJECT_GRAPH))
        return CUDA_ERROR_INVALID_VALUE;
    if (nodes != NULL && *node_count > 0)
        nodes[0] = (CUgraphNode)graph->first;
    *node_count = graph->first != NULL;
    return CUDA_SUCCESS;
}

CUresult sim_cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags)
{
    if (exec == NULL || !sim_object_is(graph, SIM_OBJECT_GRAPH) || !sim_graph_memory_instantiate(graph->first))
        return CUDA_ERROR_INVALID_VALUE;
    *exec = calloc(1, sizeof **exec);
    if (*exec == NULL || !clone_list(graph->first, &(*exec)->first) || !sim_held_copy(graph->held, &(*exec)->held) ||
        !sim_object_add(*exec, SIM_OBJECT_GRAPH_EXEC)) {
        if (*exec != NULL) {
            destroy_list((*exec)->first);
            sim_held_release((*exec)->held);
        }
        free(*exec);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    (*exec)->count = graph->count;
    (*exec)->flags = flags; /* others choose where and when a real device prepares; nothing of that shows here */
    return CUDA_SUCCESS;
}

CUresult sim_cuGraphExecGetFlags(CUgraphExec exec, cuuint64_t *flags)
{
    if (flags == NULL || !sim_object_is(exec, SIM_OBJECT_GRAPH_EXEC))
        return CUDA_ERROR_INVALID_VALUE;
    *flags = exec->flags & ~(unsigned long long)CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD; /* it leaves no trace (cuda.h) */
    return CUDA_SUCCESS;
}

CUresult sim_cuGraphInstantiateWithParams(CUgraphExec *exec, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *parameters)
{
    CUresult result;
    if (parameters == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    result = sim_cuGraphInstantiateWithFlags(exec, graph, parameters->flags);
    parameters->hErrNode_out = NULL;
    parameters->result_out = result == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS : CUDA_GRAPH_INSTANTIATE_ERROR;
    return result;
}

/* The two older forms report a failing node and a log; there never is one here. */
CUresult sim_cuGraphInstantiate(CUgraphExec *exec, CUgraph graph, CUgraphNode *error_node, char *log, size_t log_bytes)
{
    if (error_node != NULL)
        *error_node = NULL;
    if (log != NULL && log_bytes > 0)
        log[0] = '\0';
    return sim_cuGraphInstantiateWithFlags(exec, graph, 0);
}

CUresult sim_cuGraphInstantiate_v2(
    CUgraphExec *exec, CUgraph graph, CUgraphNode *error_node, char *log, size_t log_bytes)
{
    return sim_cuGraphInstantiate(exec, graph, error_node, log, log_bytes);
}

CUresult sim_cuGraphExecDestroy(CUgraphExec exec)
{
    if (!sim_object_is(exec, SIM_OBJECT_GRAPH_EXEC))
        return CUDA_ERROR_INVALID_VALUE;
    sim_object_remove(exec);
    sim_graph_memory_end_instance(exec->first);
    destroy_list(exec->first);
    sim_held_release(exec->held);
    free(exec);
    return CUDA_SUCCESS;
}

CUresult sim_cuGraphUpload(CUgraphExec exec, CUstream stream)
{
    (void)stream;
    return sim_object_is(exec, SIM_OBJECT_GRAPH_EXEC) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* What the graph keeps alive, its launch keeps alive until it is done. */
static bool append_held(CUgraphExec exec, struct sim_op **copies)
{
    struct sim_op *op = sim_held_op(exec->held);

    if (op == NULL)
        return false;
    op->next = NULL;
    while (*copies != NULL)
        copies = &(*copies)->next;
    *copies = op;
    return true;
}

CUresult sim_cuGraphLaunch(CUgraphExec exec, CUstream handle)
{
    struct sim_op *copies = NULL, *op;
    CUstream stream;
    CUresult result;

    if (!sim_object_is(exec, SIM_OBJECT_GRAPH_EXEC))
        return CUDA_ERROR_INVALID_VALUE;
    result = sim_stream_for_work(handle, &stream);
    if (result != CUDA_SUCCESS)
        return result;
    if (!sim_graph_memory_launch(exec->first, (exec->flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH) != 0))
        return CUDA_ERROR_INVALID_VALUE;
    if (!clone_list(exec->first, &copies) || (exec->held != NULL && !append_held(exec, &copies))) {
        destroy_list(copies);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    while ((op = copies) != NULL) {
        copies = op->next;
        result = sim_submit(stream, op);
        if (result != CUDA_SUCCESS) {
            destroy_list(copies);
            break;
        }
    }
    return result;
}
