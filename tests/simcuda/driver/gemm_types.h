/* gemm_types.h: the element types of matrices, and their conversion to and from the types that products are computed
 * in.
 */
#ifndef SIM_GEMM_TYPES_H
#define SIM_GEMM_TYPES_H

#include "../internals.h"

size_t sim_type_bytes(enum simcuda_type type);

/* `count` packed elements of `type` at `in` become floats (doubles) at `out`, and back. No alignment is assumed of the
 * typed side. A double that becomes fp16 or bf16 is rounded to float first. */
void sim_load_floats(enum simcuda_type type, const void *in, float *out, size_t count);
void sim_load_doubles(enum simcuda_type type, const void *in, double *out, size_t count);
void sim_store_floats(enum simcuda_type type, const float *in, void *out, size_t count);
void sim_store_doubles(enum simcuda_type type, const double *in, void *out, size_t count);

#endif
