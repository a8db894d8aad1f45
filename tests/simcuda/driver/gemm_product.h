/* gemm_product.h: the product of two matrices in host memory, on the CPU, fast enough for real models.
 *
 * Column-major and packed; op(A) is m x k, op(B) is k x n, `out` is m x n. Blocked for the caches and spread over a few
 * threads where it is large. Every element is summed up in the same order whatever the number of threads, so that a
 * result depends on the operands and the kind of processor only.
 */
#ifndef SIM_GEMM_PRODUCT_H
#define SIM_GEMM_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

struct sim_product {
    bool doubles; /* elements are double, else float */
    size_t m, n, k;
    const void *a, *b;
    bool a_transposed, b_transposed; /* stored k x m, n x k */
    void *out;
};

/* False when memory is short. SIMCUDA_THREADS limits the number of threads. Safe from any thread; calls nothing of the
 * simulator. */
bool sim_multiply(const struct sim_product *product);

#endif
