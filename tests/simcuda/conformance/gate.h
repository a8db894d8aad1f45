/* gate.h: host functions that take their time. A gate is a stream that waits until the program lets it go on: what is
 * queued behind it has not begun. */
#ifndef CONFORMANCE_GATE_H
#define CONFORMANCE_GATE_H

#include "conformance.h"

#include <stdatomic.h>

struct gate {
    atomic_int open, passed;
};

/* Puts a gate into the stream; after two seconds it opens by itself, and is passed. */
void gate_into(CUstream stream, struct gate *gate);
void gate_open(struct gate *gate);
/* A host function that sets an atomic_int to 1, some time after it is called. */
void CUDA_CB set_flag_late(void *flag);

#endif
