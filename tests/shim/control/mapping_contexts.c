/* mapping_contexts.c: a step of the program `mapping`: its memory goes, then its context, and both come again. */
#include "mapping.h"

static void tell_state(void)
{
    unsigned flags;
    int active = -1;
    SAY(cuDevicePrimaryCtxGetState(0, &flags, &active));
    printf("active: %d\n", active);
}

void contexts(void)
{
    for (int turn = 0; turn < 3; turn++) {
        CUcontext context;
        CUdeviceptr pages = reserve(BYTES);
        handle_t handle = place(pages, BYTES, (unsigned)turn);
        wander();
        tell_bytes("in this context", pages, BYTES);
        if (turn == 1) { /* memory that is left: its context goes all the same, at the second release at the latest */
            MUST(cuDevicePrimaryCtxRetain(&context, 0));
            SAY(cuDevicePrimaryCtxRelease(0));
            tell_state();
            tell_bytes("a reference less", pages, BYTES);
        }
        take_away(pages, BYTES);
        MUST(cuMemRelease(handle));
        MUST(cuMemAddressFree(pages, BYTES));
        SAY(cuDevicePrimaryCtxRelease(0));
        tell_state();
        printf("in use: %zu\n", simcudaBytesUsed(0));
        SAY(cuDevicePrimaryCtxRelease(0));
        MUST(cuDevicePrimaryCtxRetain(&context, 0));
        MUST(cuCtxSetCurrent(context));
        tell_state();
    }
}
