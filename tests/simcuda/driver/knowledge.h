/* knowledge.h: which bytes hold values that a computation may rely on.
 *
 * Kernels are not computed here, so the bytes that they should have written are unknown; a GEMM is computed only over
 * known bytes. Records are kept by the simulator's alias address, thus by physical memory: two mappings of one handle
 * agree, and a page that is mapped elsewhere keeps what is known of it.
 *
 * Records of neighbours are never joined: a kernel that writes somewhere makes the record under its pointer unknown,
 * and that must not take the neighbour's along. */
#ifndef SIM_KNOWLEDGE_H
#define SIM_KNOWLEDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_knowledge {
    SIM_UNKNOWN,
    SIM_KNOWN,    /* memset, or computed from known bytes */
    SIM_FROM_HOST /* last written by a copy from the host */
};

void sim_knowledge_set(uintptr_t alias, size_t bytes, enum sim_knowledge what);
/* What is known of the source becomes known of the target, record by record. */
void sim_knowledge_copy(uintptr_t to, uintptr_t from, size_t bytes);
/* The least that is known of any byte of the range. */
enum sim_knowledge sim_knowledge_of(uintptr_t alias, size_t bytes);
/* A kernel wrote at `alias`, nobody knows how far: forgets the whole record that contains it. */
void sim_knowledge_forget_record(uintptr_t alias);

#endif
