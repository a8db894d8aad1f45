/* gemm_types.h: the element types of matrices, and their conversion to and from the types that products are computed
 * in.
 *
 * fp16 and bf16 are converted on their bits with integer arithmetic only: the result does not depend on the thread's
 * floating-point mode (PyTorch can switch flushing of denormals on). Rounding is to nearest, ties to even; too large
 * values become infinite; a NaN stays a NaN, quiet.
 */
#ifndef SIM_GEMM_TYPES_H
#define SIM_GEMM_TYPES_H

#include "../internals.h"

size_t sim_type_bytes(enum simcuda_type type);

float sim_half_to_float(uint16_t half);
uint16_t sim_float_to_half(float value);
float sim_bfloat16_to_float(uint16_t bfloat16);
uint16_t sim_float_to_bfloat16(float value);

/* `count` packed elements of `type` at `in` become floats (doubles) at `out`, and back. No alignment is assumed of the
 * typed side. A double that becomes fp16 or bf16 is rounded to float first. */
void sim_load_floats(enum simcuda_type type, const void *in, float *out, size_t count);
void sim_load_doubles(enum simcuda_type type, const void *in, double *out, size_t count);
void sim_store_floats(enum simcuda_type type, const float *in, void *out, size_t count);
void sim_store_doubles(enum simcuda_type type, const double *in, void *out, size_t count);

#endif
