/* proof.h: whether a backing's memory at a place has proved that it can be used.
 *
 * What the driver reports is no proof: peer-to-peer set-ups that are broken report access, pass copies, and then hang
 * or give kernels other bytes. So each backing is tried at a place before it serves there first: in a child process
 * (proof_child.h), the first time with this driver and these GPUs, then as the user's cache tells (proof_cache.h). A
 * place that gets nothing is not tried, and its device not touched.
 */
#ifndef VS_PROOF_H
#define VS_PROOF_H

#include "proof_try.h"

enum vs_proof_verdict {
    VS_PROOF_UNKNOWN, /* not tried yet in this process */
    VS_PROOF_GOOD,
    VS_PROOF_BAD,
    /* Cannot be tried at the moment; asked again after vs_proof_ask_again: */
    VS_PROOF_NOT_NOW, /* nothing is free there */
    VS_PROOF_NO_ROOM, /* the compute device has no room for who tries it */
};

/* What is known so far; *why, where it is BAD, is a part of a sentence that lives as long as the process. Lock-free. */
enum vs_proof_verdict vs_proof_known(const struct vs_proof_subject *subject, const char **why);

/* Finds it out, once in this process, and tells what cannot be used. Never UNKNOWN. May take as long as a process takes
 * to start CUDA, at the worst about a minute. Any thread, with no lock held, outside of vs_driver_enter. */
enum vs_proof_verdict vs_proof_find_out(const struct vs_proof_subject *subject, const char **why);

/* What was NOT_NOW or NO_ROOM may be found out anew: a plan is made, or something was made free. Until then it stays
 * so, since each weight would start a process for it. Lock-free. */
void vs_proof_ask_again(void);

#endif
