/* gate.h: a stream that waits until the program lets it go on: what is queued behind the gate has not begun. */
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

#endif
