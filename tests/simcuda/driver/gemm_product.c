/* gemm_product.c: matrix product on the CPU (gemm_product.h): splits the columns of the result over threads. */
#include "gemm_product.h"
#include "threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Multiples of the tiles of both types (16 x 6 and 8 x 6). */
#define ROW_BLOCK        ((size_t)128)
#define DEPTH_BLOCK      ((size_t)256)
#define COLUMN_BLOCK     ((size_t)1008)
#define SCRATCH_ELEMENTS ((ROW_BLOCK + COLUMN_BLOCK) * DEPTH_BLOCK)

#define REAL     float
#define LANES    ((size_t)8)
#define NAMED(x) x##_float
#include "gemm_product_block.h"
#undef REAL
#undef LANES
#undef NAMED

#define REAL     double
#define LANES    ((size_t)4)
#define NAMED(x) x##_double
#include "gemm_product_block.h"
#undef REAL
#undef LANES
#undef NAMED

/* Below this many multiplications per thread starting one costs more than it saves. */
#define MULTIPLICATIONS_PER_THREAD 4e6

struct share {
    const struct sim_product *product;
    size_t first, last; /* columns */
    void *scratch;
};

static void *compute_share(void *argument)
{
    struct share *share = argument;
    if (share->product->doubles)
        columns_double(share->product, share->first, share->last, share->scratch);
    else
        columns_float(share->product, share->first, share->last, share->scratch);
    return NULL;
}

static size_t threads_for(const struct sim_product *product)
{
    size_t threads = sim_threads_wanted();
    double worth = (double)product->m * (double)product->n * (double)product->k / MULTIPLICATIONS_PER_THREAD;

    if (worth < (double)threads)
        threads = (size_t)worth;
    return threads > 1 ? threads : 1;
}

bool sim_multiply(const struct sim_product *product)
{
    const size_t real_bytes = product->doubles ? sizeof(double) : sizeof(float);
    const size_t threads = threads_for(product);
    struct share shares[SIM_MAX_THREADS];
    pthread_t handles[SIM_MAX_THREADS];
    bool started[SIM_MAX_THREADS] = {false};
    sigset_t all, before;

    if (product->k == 0) {
        memset(product->out, 0, product->m * product->n * real_bytes);
        return true;
    }
    char *scratch = malloc(threads * SCRATCH_ELEMENTS * real_bytes);
    if (!scratch)
        return false;

    /* The program's signals are not for our threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t t = threads; t-- > 0;) {
        shares[t] = (struct share){product, product->n * t / threads, product->n * (t + 1) / threads,
            scratch + t * SCRATCH_ELEMENTS * real_bytes};
        started[t] = t > 0 && pthread_create(&handles[t], NULL, compute_share, &shares[t]) == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);

    for (size_t t = 0; t < threads; t++) {
        if (started[t])
            pthread_join(handles[t], NULL);
        else
            compute_share(&shares[t]);
    }
    free(scratch);
    return true;
}
