/* graph_memory.h: stream-ordered allocations inside a capture: they belong to the graph, not to a pool.
 *
 * The memory and its address are taken when the allocation is captured and kept while a graph or an executable graph
 * holds the node; a launch makes it usable at the allocation's place in the order, and unusable at the free's. What is
 * allocated and not freed in the graph stays after the launch until the program frees it (cuda.h,
 * cuGraphAddMemAllocNode). */
#ifndef SIM_GRAPH_MEMORY_H
#define SIM_GRAPH_MEMORY_H

#include "range.h"
#include "schedule.h"

/* Captures an allocation into the stream's capture. */
CUresult sim_graph_memory_allocate(CUdeviceptr *address, size_t bytes, CUstream stream);
/* Captures a free; CUDA_ERROR_INVALID_VALUE for memory that no graph owns. */
CUresult sim_graph_memory_free(struct sim_range *range, CUstream stream);
/* Frees such memory outside of a graph: a later launch allocates it again. */
void sim_graph_memory_release(struct sim_range *range);

#endif
