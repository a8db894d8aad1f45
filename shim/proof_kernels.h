/* proof_kernels.h: the kernels that a proof runs (proof.h), as PTX text for the driver to compile, and what they
 * compute.
 *
 * Kernels, because copy engines prove little: broken peer-to-peer set-ups pass every copy and give kernels other bytes.
 * The names are mangled so that tools that look at kernels' names find the parameters in them.
 */
#ifndef VS_PROOF_KERNELS_H
#define VS_PROOF_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* PTX 6.0 for compute capability 5.0, the least that drivers for CUDA 12 take; they compile it for the device at hand.
 */
extern const char vs_proof_ptx[];

/* vs_proof_sum(const unsigned long long *words, unsigned long long count, unsigned long long *sum): adds the sum to
 * what is there. vs_proof_fill(unsigned long long *words, unsigned long long count, unsigned long long seed). Any grid
 * in one dimension. */
extern const char vs_proof_sum_name[], vs_proof_fill_name[];

/* The checksum of `words`: a word that differs, or is elsewhere, changes it. */
uint64_t vs_proof_sum(const uint64_t *words, size_t count);
/* What the kernel writes: words that depend on their place and on `seed`. */
void vs_proof_fill(uint64_t *words, size_t count, uint64_t seed);

#endif
