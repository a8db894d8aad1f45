/* hook.h: what the files hooks_*.c share: the hooked functions and the depth of hooks on this thread.
 *
 * A program's call reaches an entry point (assembly, one jump through a slot). While the library acts, the slot leads
 * to a generated function that checks the depth: only the outermost hook on a thread acts. A call that a real function,
 * or this library itself, makes on the way passes straight to the real function.
 */
#ifndef VS_HOOK_H
#define VS_HOOK_H

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <stdio.h>

#include "hooks_generated.h"

/* > 0 while a hook or the library's own work is under way on this thread. Initial-exec: a preloaded library has its
 * thread-local storage in the static block, and the access is one instruction without a call. */
extern __thread int vs_depth __attribute__((tls_model("initial-exec")));

/* The jump through a slot follows the store that pointed it here (x86-64 loads acquire), which ThreadSanitizer cannot
 * see in assembly: for its sake a hook looks at its slot again. */
#ifdef __SANITIZE_THREAD__
extern void *vs_slots[VS_ENTRY_COUNT] __attribute__((visibility("hidden")));
#define VS_ENTERED(entry) ((void)__atomic_load_n(&vs_slots[entry], __ATOMIC_ACQUIRE))
#else
#define VS_ENTERED(entry) ((void)0)
#endif

#endif
