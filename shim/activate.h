/* activate.h: whether the library acts in this process, and what happens when it cannot.
 *
 * It acts when what the user says (VRAMSPAN_POLICY and its kin, or the user's own folder: settings.h) is a policy with
 * models in it. The policy is read at the first CUDA call, not at start: most processes that inherit LD_PRELOAD
 * (shells, compilers, nvidia-smi) never make one.
 */
#ifndef VS_ACTIVATE_H
#define VS_ACTIVATE_H

#include <stdbool.h>

struct vs_policy;

/* The user says something, or has policies of their own, as of the process's start. Costs some looks into the
 * environment, and one at a folder, once; reads nothing. */
bool vs_configured(void);

/* From here on the library takes no part in what this process does, whatever the user says: the process is its own.
 * Before the first call of anything else here. */
void vs_stay_out(void);

/* The library acts. The first call reads the policy; a policy with errors is reported and stops the process, unless it
 * says `on-error: passthrough`. Any thread. */
bool vs_acting(void);

/* vs_acting() has been true: some CUDA function was called. Lock-free. */
bool vs_cuda_seen(void);

/* The policy in force; NULL where nothing is placed (any more). Lives as long as the process. */
const struct vs_policy *vs_policy_in_force(void);

/* What may provide memory. Of use where the library acts. */
struct vs_backing_wish;
const struct vs_backing_wish *vs_backings_wished(void);

/* How the user gets rid of the policy: "unset VRAMSPAN_POLICY", or of whatever else it came from. */
enum { VS_REMEDY_BYTES = 512 };
void vs_policy_remedy(char remedy[VS_REMEDY_BYTES]);

/* False in a child made by fork or vfork of the process that activated: CUDA does not survive there, and a vfork child
 * shares its parent's memory. */
bool vs_in_own_process(void);

/* Says in one line why the policy cannot be honoured, then ends the process with status 78 (EX_CONFIG), or, where the
 * policy says `on-error: passthrough`, ends the placing of weights and returns; those that were placed stay good. */
void vs_give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
