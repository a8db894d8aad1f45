/* choice.h: what is computed: SIMCUDA_COMPUTE, and the version of PyTorch in this process. */
#ifndef SIM_CHOICE_H
#define SIM_CHOICE_H

#include <stdbool.h>

/* SIMCUDA_COMPUTE=none|gemm|all; all where it is not set. */
bool sim_computes_gemms(void);
/* Also false where PyTorch is loaded in another version than that of kernels.def; that is told on stderr, once. */
bool sim_computes_kernels(void);
/* Whether PyTorch's kernels are in this process: then it is worth telling which one is not computed. */
bool sim_has_pytorch(void);
/* Reads SIMCUDA_COMPUTE; false with a message where it is not understood. */
bool sim_choice_start(void);

#endif
