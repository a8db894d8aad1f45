/* operations.c: the table of operations, and their choice. */
#include "operations.h"

#include <stdio.h>
#include <string.h>

#include "../simcuda/simcuda.h"
#include "order.h"
#include "report.h"
#include "shadow.h"

static struct operation {
    const char *name;
    void (*perform)(struct worker *worker);
    unsigned share; /* how often, of all shares */
    atomic_ullong count;
} operations[] = {
    {"allocate", do_allocate, 90, 0},
    {"free", do_release, 60, 0},
    {"free and take again", do_take_again, 30, 0},
    {"free and take in another stream", do_take_elsewhere, 6, 0},
    {"copy in", do_copy_in, 150, 0},
    {"copy out", do_copy_out, 150, 0},
    {"copy across", do_copy_across, 120, 0},
    {"fill", do_fill, 110, 0},
    {"launch a kernel", do_kernel, 80, 0},
    {"compare all bytes", do_check_whole, 15, 0},
    {"give to another thread", do_give, 25, 0},
    {"go to another stream", do_change_stream, 30, 0},
    {"wait for a stream", do_wait, 20, 0},
    {"wait for a device", do_wait_for_device, 3, 0},
    {"replace a stream", do_replace_stream, 8, 0},
    {"capture a graph", do_make_graph, 8, 0},
    {"launch a graph", do_launch_graph, 25, 0},
    {"destroy a graph", do_drop_graph, 6, 0},
    {"open a model", do_open_model, 5, 0},
    {"load", do_load, 2, 0},
    {"unload", do_unload, 1, 0},
    {"flush", do_trim, 4, 0},
    {"ask", do_ask, 30, 0},
    {"make a wrong call", do_wrong_call, 10, 0},
    {"move pages", do_rehome, 50, 0},
};
#define COUNT (sizeof operations / sizeof *operations)

/* The last error and the current context must not change behind the program's back. */
static void check_thread(struct worker *worker)
{
    CUcontext current = NULL;
    CUdevice device = -1;
    int last = (int)cudaPeekAtLastError();
    if (last != 0)
        fail(worker, NULL, "all calls succeeded, and the last error is %d", last);
    if (cuCtxGetCurrent(&current) != CUDA_SUCCESS || !current || cuCtxGetDevice(&device) != CUDA_SUCCESS ||
        device != worker->device)
        fail(worker, NULL, "the current context is %p, of device %d, and not of %d", (void *)current, device,
            worker->device);
}

static struct operation *choose(struct worker *worker)
{
    const char *name = operation_for_fault(worker);
    struct operation *operation = operations;
    unsigned all = 0;
    while (name && strcmp(operation->name, name) != 0)
        operation++;
    if (name)
        return operation;
    for (size_t i = 0; i < COUNT; i++)
        all += operations[i].share;
    uint64_t choice = below(worker, all);
    while (choice >= operation->share)
        choice -= (operation++)->share;
    return operation;
}

void do_operation(struct worker *worker)
{
    arm_fault(worker);
    struct operation *operation = choose(worker);
    receive(worker);
    worker->doing = operation->name;
    atomic_fetch_add(&operation->count, 1);
    operation->perform(worker);
    look_for_fault(worker);
    if (chance(worker, 10))
        check_thread(worker);
}

void tell_operations(void)
{
    for (size_t i = 0; i < COUNT; i++)
        printf("%10llu %s\n", atomic_load(&operations[i].count), operations[i].name);
}
