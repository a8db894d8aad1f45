/* overlap_test.c: models and devices that come in between: a model that is opened while another one is planned, and
 * allocations on devices that the policy does not compute on. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

#define COUNT 4
#define BYTES (4 * MIB)

static const char *model(void)
{
    const size_t sizes[COUNT] = {BYTES, BYTES, BYTES, BYTES};
    return make_model(sizes, COUNT);
}

/* --- A plan that is held up --------------------------------------------------------------------------------------- */

/* stderr becomes a pipe that is full: who has a warning to tell waits until it is emptied. Returns the end to read. */
static int stop_who_warns(void)
{
    int ends[2];
    char bytes[4096];
    memset(bytes, '.', sizeof bytes);
    cr_assert(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
    cr_assert(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    while (write(ends[1], bytes, sizeof bytes) > 0) {}
    cr_assert(fcntl(ends[1], F_SETFL, 0) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    return ends[0];
}

static void *empty(void *argument)
{
    char bytes[4096];
    while (read(*(const int *)argument, bytes, sizeof bytes) > 0) {}
    return NULL;
}

static void *load_first(void *argument)
{
    int *places = argument;
    for (int i = 0; i < COUNT; i++)
        places[i] = place_new(BYTES);
    return NULL;
}

/* The plan of the first model begins with a look at the machine and ends with a warning: the donor cannot be mapped. */
Test(overlap, a_model_that_is_opened_while_another_one_is_planned_goes_by_its_own_policy)
{
    int places[COUNT], reader;
    pthread_t loader, drain;
    const char *first = model(), *second = model();
    setenv("VRAMSPAN_LOG", "warn", 1);
    use_machine("2x24gb-no-peer");
    use_policy_text("version: 1\ncompute: cuda:0\ndonors: [cuda:1]\nmodels:\n"
                    "  - {match: \"model-0*\", virtual-vram: 100%}\n"
                    "  - {match: \"model-1*\", on: cuda:0}\n");
    CUDA_OK(cudaFree(NULL));
    open_model(first);
    reader = stop_who_warns();
    cr_assert(pthread_create(&loader, NULL, load_first, places) == 0);
    while (simcudaCalls("cuDeviceTotalMem_v2") == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    open_model(second);
    cr_assert(pthread_create(&drain, NULL, empty, &reader) == 0);
    pthread_join(loader, NULL);
    for (int i = 0; i < COUNT; i++) /* of models that miss the same size the newest one comes first */
        cr_expect_eq(places[i], 0, "tensor %d of the second model lies at %d", i, places[i]);
    for (int i = 0; i < COUNT; i++)
        cr_expect_eq(place_new(BYTES), HOST);
}

/* --- Other devices ------------------------------------------------------------------------------------------------ */

Test(overlap, what_is_allocated_on_another_device_makes_no_context_on_the_one_that_computes)
{
    void *pointer;
    CUcontext context;
    use_policy("cuda:0,8mb;cpu,*");
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaFree(NULL));
    open_model(model());
    for (int i = 0; i < 2; i++) {
        CUDA_OK(cudaMalloc(&pointer, i ? BYTES : BYTES / 2));
        cr_expect_eq(place_of(pointer, i ? BYTES : BYTES / 2), 1);
    }
    cr_expect_eq(simcudaBytesUsed(0), 0);
    CUDA_OK(cuCtxCreate(&context, NULL, 0, 0)); /* its own is not the primary one */
    CUDA_OK(cuMemAlloc((CUdeviceptr *)&pointer, BYTES));
    CUDA_OK(cuCtxDestroy(context));
    int active = -1;
    unsigned flags;
    CUDA_OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
    cr_expect_eq(active, 0);
    CUDA_OK(cudaSetDevice(0)); /* the load is still there */
    cr_expect_eq(place_new(BYTES), 0);
}
