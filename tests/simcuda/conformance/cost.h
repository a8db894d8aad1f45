/* cost.h: how a cost of CUDA calls is measured, for the report of a GPU (`make gpu-check`).
 *
 *   COST(event_record, COST_DEVICE_0, "us", "recording an event, host side")
 *   {
 *       double samples[ROUNDS];
 *       ...
 *       cost_samples(samples, ROUNDS);
 *   }
 *
 * Each runs in a process of its own, with the helpers and expectations of conformance.h. Nothing is judged: a number is
 * what the machine says. Units: us (microseconds), gb/s (10^9 bytes a second), s/gib (seconds for 2^30 bytes), mib. */
#ifndef CONFORMANCE_COST_H
#define CONFORMANCE_COST_H

#include "conformance.h"

enum cost_scope { COST_DEVICE_0, COST_EACH_DEVICE, COST_EACH_PAIR };

struct cost {
    const char *id;
    enum cost_scope scope;
    const char *unit, *sentence;
    void (*measure)(int device, int peer);
};

#define COST(name, scope, unit, sentence)                                                                              \
    static void cost_##name(int device, int peer);                                                                     \
    static const struct cost entry_##name __attribute__((                                                              \
        used, no_reorder, section("conformance_costs"), aligned(8))) = {#name, scope, unit, sentence, cost_##name};    \
    static void cost_##name(__attribute__((unused)) int device, __attribute__((unused)) int peer)

extern const struct cost __start_conformance_costs[], __stop_conformance_costs[];

/* Says median and smallest of the samples, which it sorts, and ends the process. */
__attribute__((noreturn)) void cost_samples(double *samples, int count);

double now_us(void);

/* Median microseconds a call of `call`, host side: ROUNDS batches of `batch` calls, `settle` in between. */
__attribute__((noreturn)) void cost_of_call(
    void (*call)(void *state), void (*settle)(void *state), void *state, int batch);

#endif
