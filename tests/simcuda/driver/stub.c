/* stub.c: what a driver function answers that is looked up and not simulated. */
#include "lookup.h"
#include "state.h"

int sim_stub_called(const char *name, _Bool *said)
{
    if (!*said)
        sim_say("%s was called and is not simulated", name);
    *said = true;
    return CUDA_ERROR_NOT_SUPPORTED;
}
