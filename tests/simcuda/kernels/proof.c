/* proof.c: the kernels by which the library proves that memory can be used (shim/proof_kernels.h). Written from the PTX
 * text, not from the library's C, so that one of them can find the other wrong. */
#include "implementations.h"

static uint64_t folded(uint64_t value)
{
    return value ^ (value >> 33);
}

void sim_compute_proof_sum(struct sim_call *call)
{
    uint64_t count = SIM_ARGUMENT(call, 1, uint64_t);
    const uint64_t *words = sim_input(call, SIM_ARGUMENT(call, 0, CUdeviceptr), count * sizeof *words);
    uint64_t *sum = sim_in_out(call, SIM_ARGUMENT(call, 2, CUdeviceptr), sizeof *sum);

    if (!sim_call_is_ready(call))
        return;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t mixed = i * 0xFF51AFD7ED558CCD;
        mixed ^= words[i];
        mixed *= 0xC4CEB9FE1A85EC53;
        *sum += folded(mixed);
    }
}

void sim_compute_proof_fill(struct sim_call *call)
{
    uint64_t count = SIM_ARGUMENT(call, 1, uint64_t), seed = SIM_ARGUMENT(call, 2, uint64_t);
    uint64_t *words = sim_output(call, SIM_ARGUMENT(call, 0, CUdeviceptr), count * sizeof *words);

    if (!sim_call_is_ready(call))
        return;
    for (uint64_t i = 0; i < count; i++)
        words[i] = folded((i + seed) * 0xFF51AFD7ED558CCD);
}
