/* gate_pass.c: loops over the gate (shim/gate.h), built as a part of a shared library, as the hooks are. */
#include "../../shim/gate.h"

#define EXPORT __attribute__((visibility("default"), noinline))

void empty_calls(unsigned count);
void gate_calls(unsigned count);

EXPORT void empty_calls(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        __asm__ volatile("" ::: "memory");
}

/* What a hook of kind `launch` does around the real call. */
EXPORT void gate_calls(unsigned count)
{
    vs_gate_arm();
    for (unsigned i = 0; i < count; i++) {
        if (!vs_gate_is_needed())
            continue;
        vs_gate_enter();
        __asm__ volatile("" ::: "memory"); /* the real call: the compiler moves nothing across it */
        vs_gate_leave();
    }
}
