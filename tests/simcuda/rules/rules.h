/* rules.h: the rules of CUDA that the simulated libraries enforce, and how one of them is switched off.
 *
 * A test that something must fail proves itself when the simulator stops enforcing it: then the test must notice.
 * SIMCUDA_WEAK=name (several separated by commas) switches rules of rules.def off. A rule is asked for where it is
 * enforced, last in its condition:
 *
 *     if (offset != 0 && SIM_RULE(map_offset))
 *         return CUDA_ERROR_INVALID_VALUE;
 *
 * What happens to a program that breaks a rule which is switched off is no longer CUDA, only no crash of ours.
 * Each simulated library has its own copy of this file's state, set before its first call. */
#ifndef SIMCUDA_RULES_H
#define SIMCUDA_RULES_H

#include <stdbool.h>

enum sim_rule {
#define RULE(name, sentence) SIM_RULE_##name,
#include "rules.def"
#undef RULE
    SIM_RULE_COUNT
};

/* Set by the library's constructor, constant afterwards. */
extern bool sim_rule_off[SIM_RULE_COUNT];

#define SIM_RULE(name) __builtin_expect(!sim_rule_off[SIM_RULE_##name], 1)
/* The answer to a call that the rule refuses: the error, or success (with nothing done) where it is switched off. */
#define SIM_REFUSE(name, error) (SIM_RULE(name) ? (error) : CUDA_SUCCESS)

/* False, with the reason in `error`, where SIMCUDA_WEAK names what is no rule: the driver's cuInit asks it. */
bool sim_rules_understood(char *error, unsigned long error_bytes);

#endif
