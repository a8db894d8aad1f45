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
/* The program freed the memory outside of a graph, with a stream or without. */
void sim_graph_memory_note_free(struct sim_range *range);
/* Whether operations allocate or free memory of a graph: such a graph cannot be cloned. */
bool sim_graph_memory_is_in(const struct sim_op *first);
/* The graph with these operations is instantiated: false where another instance of it exists. And the instance goes. */
bool sim_graph_memory_instantiate(const struct sim_op *first);
void sim_graph_memory_end_instance(const struct sim_op *first);
/* An instance is launched: false while memory of its launch before is not freed, unless each launch frees it. */
bool sim_graph_memory_launch(const struct sim_op *first, bool auto_free);
/* Frees such memory outside of a graph: a later launch allocates it again. */
void sim_graph_memory_release(struct sim_range *range);

#endif
