/* bitwise.c: bits of integers: what dequantisation is made of. */
#include "elementwise.h"
#include "implementations.h"
#include "layout.h"

SIM_LOOP(sim_bitwise_and_i64, int64_t, int64_t, a[i] & b[i])
SIM_LOOP(sim_bitwise_or_i64, int64_t, int64_t, a[i] | b[i])
SIM_LOOP(sim_bitwise_xor_i64, int64_t, int64_t, a[i] ^ b[i])
SIM_LOOP(sim_bitwise_not_i64, int64_t, int64_t, ~a[i])
SIM_LOOP(sim_bitwise_not_bool_i64, int64_t, int64_t, a[i] == 0)

/* Shifts by less than nothing, or by the width and more, shift everything out (BinaryShiftOpsKernels.cu). */
void sim_lshift_i64(const struct sim_block *block, void *result, const void *const *in)
{
    const int64_t *a = in[0], *b = in[1];
    int64_t *out = result, width = 8 * (int64_t)sim_element_bytes(block->functor->operands[0]);

    for (size_t i = 0; i < block->count; i++)
        out[i] = b[i] < 0 || b[i] >= width ? 0 : (int64_t)((uint64_t)a[i] << b[i]);
}

void sim_rshift_i64(const struct sim_block *block, void *result, const void *const *in)
{
    const int64_t *a = in[0], *b = in[1];
    enum sim_type type = block->functor->operands[0];
    int64_t *out = result, most = 8 * (int64_t)sim_element_bytes(type) - (type != SIM_TYPE_U8);

    /* The value has its sign in all 64 bits, so a shift of the wider type is that of the narrower one. */
    for (size_t i = 0; i < block->count; i++)
        out[i] = a[i] >> (b[i] < 0 || b[i] >= most ? most : b[i]);
}
