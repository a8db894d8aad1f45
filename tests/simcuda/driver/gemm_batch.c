/* gemm_batch.c: products of a batch whose matrices are named by arrays of addresses in device memory (gemm.h). */
#include "gemm.h"

#include <stdio.h>

static bool read_address(int device, CUdeviceptr array, int64_t batch, const char *matrix, const char *symbol,
    CUdeviceptr *address, bool *known)
{
    CUdeviceptr entry = array + (CUdeviceptr)batch * sizeof *address;
    char what[96];

    snprintf(what, sizeof what, "the array of %s of %s", matrix, symbol);
    if (!sim_device_read(device, entry, address, sizeof *address, what))
        return false;
    *known = *known && sim_known(entry, sizeof *address);
    return true;
}

bool sim_gemm_of_batch(
    int device, const struct simcuda_gemm *gemm, int64_t batch, struct simcuda_gemm *one, bool *known)
{
    *one = *gemm;
    *known = true;
    one->batch_count = 1;
    one->a_array = one->b_array = one->c_array = 0;
    if (!read_address(device, gemm->a_array, batch, "A", gemm->symbol, &one->a.address, known) ||
        !read_address(device, gemm->b_array, batch, "B", gemm->symbol, &one->b.address, known) ||
        !read_address(device, gemm->c_array, batch, "C", gemm->symbol, &one->c.address, known))
        return false;
    one->d.address = one->c.address;
    return true;
}
