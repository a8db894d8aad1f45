/* gemm_operand.h: one operand of a GEMM as it lies in device memory.
 *
 * An operand is a set of equally long contiguous runs of bytes: the columns of each matrix of the batch, joined where
 * they lie side by side. What is between the runs (a leading dimension larger than the rows) belongs to somebody else
 * and is neither checked nor touched.
 */
#ifndef SIM_GEMM_OPERAND_H
#define SIM_GEMM_OPERAND_H

#include "../internals.h"

struct sim_operand {
    const struct simcuda_matrix *matrix;
    int64_t batch_count;
    const char *what; /* for messages: "operand A of cublasGemmEx" */
};

/* Checks that `device` reaches every run. False after the first that it does not reach (which is then reported). */
bool sim_operand_check(int device, const struct sim_operand *operand);

/* What is known of all its bytes (gemm.h). */
bool sim_operand_known(const struct sim_operand *operand);
bool sim_operand_known_from_host(const struct sim_operand *operand);
/* `device` has written it. */
void sim_operand_know_computed(int device, const struct sim_operand *operand);
void sim_operand_forget(const struct sim_operand *operand);

/* XXH3-64 of the runs' bytes in the order of their addresses: for an operand without gaps, that of the whole range.
 * 0 when memory is short or a run cannot be read. */
uint64_t sim_operand_hash(int device, const struct sim_operand *operand);

/* Reads matrix `batch` into `out`, packed column by column and converted to double (`doubles`) or float. */
bool sim_operand_load(int device, const struct sim_operand *operand, int64_t batch, bool doubles, void *out);
/* The reverse, rounding to the operand's type. */
bool sim_operand_store(int device, const struct sim_operand *operand, int64_t batch, bool doubles, const void *in);

#endif
