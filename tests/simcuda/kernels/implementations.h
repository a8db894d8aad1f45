/* implementations.h: the functions that kernels_cpu.def names, declared. Each family's file includes it. */
#ifndef SIM_IMPLEMENTATIONS_H
#define SIM_IMPLEMENTATIONS_H

#include "kernel.h"

#define COMPUTES(key, function)         void function(struct sim_call *call);
#define ELEMENTWISE_FLOATS(key, name)   sim_block_function name##_f32, name##_f64;
#define ELEMENTWISE_INTEGERS(key, name) sim_block_function name##_i64;
#define ELEMENTWISE_ALL(key, name)      sim_block_function name##_f32, name##_f64, name##_i64;
#define ELEMENTWISE_COPY(key)
#include "kernels_cpu.def"
#undef COMPUTES
#undef ELEMENTWISE_FLOATS
#undef ELEMENTWISE_INTEGERS
#undef ELEMENTWISE_ALL
#undef ELEMENTWISE_COPY

#endif
