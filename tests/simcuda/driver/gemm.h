/* gemm.h: matrix products on the CPU, for the simulated GEMM entry points. */
#ifndef SIM_GEMM_H
#define SIM_GEMM_H

#include "../internals.h"

/* What the executing scheduler offers to an operation. Implemented by memory.c.
 *
 * Reads or writes `bytes` at `address` as device `device` would. On an address that this device cannot reach the
 * functions raise the sticky illegal-address error themselves (naming `what`) and return false. */
bool sim_device_read(int device, CUdeviceptr address, void *out, size_t bytes, const char *what);
bool sim_device_write(int device, CUdeviceptr address, const void *in, size_t bytes, const char *what);
/* Checks reachability only: same errors, moves nothing. */
bool sim_device_check(int device, CUdeviceptr address, size_t bytes, const char *what);
/* Whether what the device writes does not arrive at some of the bytes (`peer-kernels: garbage`): they are no results.
 */
bool sim_device_writes_are_lost(int device, CUdeviceptr address, size_t bytes);

/* What is known of bytes in device memory (knowledge.c). Bytes are *known* when they were last written by a copy from
 * the host, a memset, or a computed operation over known bytes; a kernel that is not computed makes its outputs
 * unknown. */
bool sim_known(CUdeviceptr address, size_t bytes);
/* As above, and last written by copies from the host only: these are weights and inputs. */
bool sim_known_from_host(CUdeviceptr address, size_t bytes);
void sim_know_computed(CUdeviceptr address, size_t bytes); /* the operation wrote it from known bytes */
void sim_forget(CUdeviceptr address, size_t bytes);        /* unknown from now on */

/* Batch `batch` of a product whose matrices are named by arrays in device memory, as a product of its own. False after
 * an illegal address. `*known` tells whether the arrays' bytes are. */
bool sim_gemm_of_batch(
    int device, const struct simcuda_gemm *gemm, int64_t batch, struct simcuda_gemm *one, bool *known);

/* Executes one GEMM on `device`: checks that all operands are reachable (for writing: D), computes when all that it
 * reads is known, else skips and forgets D. Fills `operand_hash[2]` (A, B) with the XXH3-64 of the operand's stored
 * bytes where they are known from the host, else 0. Returns false after an illegal address. `*computed` tells. */
bool sim_gemm_execute(int device, const struct simcuda_gemm *gemm, uint64_t operand_hash[2], bool *computed);

#endif
