/* proof_child.h: trying whether memory can be used in a process of its own, which may hang or be killed by it.
 *
 * What is executed is the library itself (proof_main.c). The program does not notice: the process is nobody's that the
 * program waits for (no SIGCHLD, not found by wait), shares no descriptor with it, and ends when the program does.
 */
#ifndef VS_PROOF_CHILD_H
#define VS_PROOF_CHILD_H

#include "../policy/language/backing_wish.h"
#include "proof_try.h"

/* How long CUDA may take to start, with many GPUs in the machine, and how long the rest may take. */
#define VS_PROOF_START_SECONDS 60
#define VS_PROOF_SECONDS       20

/* Tries `subject`, and waits for it. Never hangs: a process that cannot even be killed is left behind. Any thread. */
void vs_proof_in_child(const struct vs_proof_subject *subject, struct vs_proof *proof);

/* --- For proof_main.c --------------------------------------------------------------------------------------------- */

/* The descriptor that the child tells what becomes of it: the word of each step when it begins, and at the end that of
 * the outcome, with the detail behind it; a line each. */
#define VS_PROOF_DESCRIPTOR 3

/* What a child says that does not see the devices which are meant. */
#define VS_PROOF_NO_DEVICES "its devices are not there in a process of its own"

/* argv[1] to argv[6]: what is to be tried, in the order of the arguments. */
#define VS_PROOF_OPTION "--prove"
enum { VS_PROOF_ARGC = 7 };
enum { VS_PROOF_ARG_BACKING = 2, VS_PROOF_ARG_PLACE, VS_PROOF_ARG_COMPUTE, VS_PROOF_ARG_PEER, VS_PROOF_ARG_DRIVER };

/* A device's UUID as CUDA_VISIBLE_DEVICES takes it: "GPU-...". Empty where the driver does not tell. */
enum { VS_PROOF_UUID_BYTES = 41 };
void vs_proof_uuid(CUdevice device, char text[VS_PROOF_UUID_BYTES]);

#endif
