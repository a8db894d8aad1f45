/* graph_print.c: a graph as a text for the program dot. Which lines a real driver writes is not specified. */
#include "api.h"
#include "graph.h"
#include "objects.h"

#include <stdio.h>

CUresult sim_cuGraphDebugDotPrint(CUgraph graph, const char *path, unsigned flags)
{
    size_t index = 0;
    FILE *file;

    (void)flags; /* how much is told of each node */
    if (!sim_object_is(graph, SIM_OBJECT_GRAPH) || path == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    file = fopen(path, "w");
    if (file == NULL)
        return CUDA_ERROR_OPERATING_SYSTEM;
    fputs("digraph dot {\n", file);
    for (const struct sim_op *op = graph->first; op != NULL; op = op->next, index++) {
        fprintf(file, "    node_%zu [label=\"%s\"];\n", index, op->class->name);
        if (index > 0)
            fprintf(file, "    node_%zu -> node_%zu;\n", index - 1, index);
    }
    fputs("}\n", file);
    return fclose(file) == 0 ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}
