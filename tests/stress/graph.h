/* graph.h: graphs that a worker has captured. */
#ifndef STRESS_GRAPH_H
#define STRESS_GRAPH_H

#include "stress.h"

/* What was last launched in one slot counts as launched in another one, which is behind it. */
void move_graphs(struct worker *worker, int from, int to);

#endif
