/* gemm_alignment.h: where the sums of a product begin.
 *
 * A GPU's library chooses among kernels by how its operands are aligned, and these add up in different orders: the same
 * product at other addresses may differ in the last bits. Here the sums begin at a place that follows from the
 * addresses modulo 256, so that who moves an operand to another alignment sees it in the bits. */
#ifndef SIM_GEMM_ALIGNMENT_H
#define SIM_GEMM_ALIGNMENT_H

#include "../internals.h"

/* The first of the `depth` products that is added up: 0 where A, B and D are aligned to 256 bytes. */
size_t sim_gemm_first_term(const struct simcuda_gemm *gemm, size_t depth);

/* Moves the first `first` of `depth` terms of each sum to the end, in a packed matrix of `elements` of `element_bytes`:
 * `run` elements belong to the same term (1 where the terms lie side by side). False without memory. */
bool sim_gemm_rotate(void *matrix, size_t elements, size_t element_bytes, size_t depth, size_t run, size_t first);

#endif
