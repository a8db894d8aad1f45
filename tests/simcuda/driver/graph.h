/* graph.h: recorded operations.
 *
 * A graph is a list in the order of submission, which always is a legal order; branches of a capture that could run
 * side by side run one after another here. Operations replay with the addresses that they were recorded with. */
#ifndef SIM_GRAPH_H
#define SIM_GRAPH_H

#include "schedule.h"

struct CUgraph_st {
    struct sim_op *first, *last;
    size_t count;
    bool being_captured;   /* belongs to the capture until that ends (cuda.h, cuStreamGetCaptureInfo) */
    struct sim_held *held; /* user objects, or NULL */
};

/* An empty graph, in the table of objects; NULL without memory. */
CUgraph sim_graph_new(void);
void sim_graph_append(CUgraph graph, struct sim_op *op);
void sim_graph_destroy(CUgraph graph);

#endif
