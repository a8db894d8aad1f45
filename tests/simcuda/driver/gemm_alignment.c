/* gemm_alignment.c: see gemm_alignment.h. */
#include "gemm_alignment.h"
#include "rules.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 256

size_t sim_gemm_first_term(const struct simcuda_gemm *gemm, size_t depth)
{
    uint64_t residues = gemm->a.address % ALIGNMENT + gemm->b.address % ALIGNMENT * ALIGNMENT +
                        gemm->d.address % ALIGNMENT * ALIGNMENT * ALIGNMENT;

    if (residues == 0 || depth < 2 || !SIM_RULE(blas_alignment))
        return 0;
    return 1 + (size_t)((residues * 0x9E3779B97F4A7C15U >> 32) % (depth - 1)); /* spread evenly, the same everywhere */
}

bool sim_gemm_rotate(void *matrix, size_t elements, size_t element_bytes, size_t depth, size_t run, size_t first)
{
    size_t group_bytes = depth * run * element_bytes, head_bytes = first * run * element_bytes;
    char *head = malloc(head_bytes), *at = matrix;

    if (head == NULL)
        return false;
    for (size_t group = 0; group < elements / (depth * run); group++, at += group_bytes) {
        memcpy(head, at, head_bytes);
        memmove(at, at + head_bytes, group_bytes - head_bytes);
        memcpy(at + group_bytes - head_bytes, head, head_bytes);
    }
    free(head);
    return true;
}
