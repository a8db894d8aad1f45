/* cublaslt.h: the functions of the simulated cuBLASLt that the simulated cuBLAS calls, through the PLT as the real one
 * does: whoever hooks cublasLtMatmul sees these calls nested in cuBLAS's own.
 */
#ifndef SIMCUDA_CUBLASLT_H
#define SIMCUDA_CUBLASLT_H

#include "cublas_types.h"

#include <cuda.h>
#include <stddef.h>

struct blas_handle;
struct lt_object;

CUBLAS_API cublas_status cublasLtMatrixLayoutCreate(
    struct lt_object **layout, int type, uint64_t rows, uint64_t columns, int64_t leading_dimension);
CUBLAS_API cublas_status cublasLtMatrixLayoutSetAttribute(
    struct lt_object *layout, int attribute, const void *value, size_t bytes);
CUBLAS_API cublas_status cublasLtMatrixLayoutDestroy(struct lt_object *layout);

CUBLAS_API cublas_status cublasLtMatmulDescCreate(struct lt_object **operation, int compute_type, int scale_type);
CUBLAS_API cublas_status cublasLtMatmulDescSetAttribute(
    struct lt_object *operation, int attribute, const void *value, size_t bytes);
CUBLAS_API cublas_status cublasLtMatmulDescDestroy(struct lt_object *operation);

CUBLAS_API cublas_status cublasLtMatmulPreferenceCreate(struct lt_object **preference);

/* D = epilogue(alpha op(A) op(B) + beta C) on `stream`. `algorithm` may be NULL: no alignment is demanded then. */
CUBLAS_API cublas_status cublasLtMatmul(struct blas_handle *handle, const struct lt_object *operation,
    const void *alpha, const void *a, const struct lt_object *a_layout, const void *b, const struct lt_object *b_layout,
    const void *beta, const void *c, const struct lt_object *c_layout, void *d, const struct lt_object *d_layout,
    const struct cublaslt_algorithm *algorithm, void *workspace, size_t workspace_bytes, CUstream stream);

CUBLAS_API cublas_status cublasLtMatmulAlgoGetHeuristic(struct blas_handle *handle, const struct lt_object *operation,
    const struct lt_object *a_layout, const struct lt_object *b_layout, const struct lt_object *c_layout,
    const struct lt_object *d_layout, const struct lt_object *preference, int requested,
    struct cublaslt_heuristic_result results[], int *returned);

/* Not of NVIDIA's: names the public function on whose behalf this thread's next cublasLtMatmul is called, for messages
 * and the trace. The string must stay. */
CUBLAS_API void cublasLtSimcudaCaller(const char *symbol);

#endif
