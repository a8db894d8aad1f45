/* gate.c: see gate.h. A host function may wait for the program (cuda.h, cuLaunchHostFunc: not for CUDA's work). */
#include "gate.h"

#include <unistd.h>

enum { STEPS = 2000, STEP_US = 1000, LATE_US = 50000 };

static void CUDA_CB wait_at(void *data)
{
    struct gate *gate = data;
    for (int i = 0; i < STEPS && !atomic_load(&gate->open); i++)
        usleep(STEP_US);
    atomic_store(&gate->passed, 1);
}

void gate_into(CUstream stream, struct gate *gate)
{
    OK(cuLaunchHostFunc(stream, wait_at, gate));
}

void gate_open(struct gate *gate)
{
    atomic_store(&gate->open, 1);
}

void CUDA_CB set_flag_late(void *flag)
{
    usleep(LATE_US);
    atomic_store((atomic_int *)flag, 1);
}
