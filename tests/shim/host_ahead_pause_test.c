/* host_ahead_pause_test.c: host memory that is made ahead, while the program captures graphs and where some of it
 * cannot be made: what can wait is made later, what cannot be made is nobody else's loss. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

#define LARGE (34 * MIB) /* a piece of its own */
#define OTHER (48 * MIB)

static size_t host_after(size_t bytes)
{
    for (int i = 0; i < 5000 && simcudaBytesUsed(HOST) != bytes; i++)
        sleep_ms(1);
    return simcudaBytesUsed(HOST);
}

/* What the host holds once that does not change for a while: the piece that is just being made may still come. */
static size_t resting_host(void)
{
    size_t before, now = simcudaBytesUsed(HOST);
    do {
        before = now;
        sleep_ms(50);
        now = simcudaBytesUsed(HOST);
    } while (now != before);
    return now;
}

static void open_model_of(const size_t *sizes, size_t count)
{
    struct model_tensor tensors[40];
    char names[40][32];
    cr_assert_leq(count, 40);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "layer.%zu.weight", i);
        tensors[i] = (struct model_tensor){names[i], "U8", sizes[i], sizes[i]};
    }
    open_model(make_hollow_model(tensors, count));
}

static void use_ahead(void)
{
    setenv("VRAMSPAN_HOST_AHEAD", "on", 1);
    use_policy_text("version: 1\nmodels: [{match: \"*.safetensors\", on: cpu}]\n");
}

Test(host_ahead_pause, a_capture_only_delays_what_is_made_ahead)
{
    enum { COUNT = 24 };
    size_t sizes[COUNT], delayed = 0;
    cudaStream_t stream;
    cudaGraph_t graph;
    void *weight;
    for (size_t i = 0; i < COUNT; i++)
        sizes[i] = LARGE;
    use_ahead();
    for (int round = 0; round < 10; round++) {
        CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
        open_model_of(sizes, COUNT);
        CUDA_OK(cudaMallocAsync(&weight, LARGE, 0));
        CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
        delayed += resting_host() < COUNT * LARGE;
        CUDA_OK(cudaStreamEndCapture(stream, &graph));
        CUDA_OK(cudaGraphDestroy(graph));
        cr_expect_eq(host_after(COUNT * LARGE), COUNT * LARGE, "round %d", round);
        CUDA_OK(cudaDeviceReset());
    }
    cr_expect_gt(delayed, 0, "nothing waits for a capture's end");
}

Test(host_ahead_pause, what_cannot_be_made_of_one_size_ends_that_size_only)
{
    const size_t sizes[] = {LARGE, OTHER, LARGE, OTHER, LARGE, OTHER};
    void *weight;
    use_ahead();
    open_model_of(sizes, 6);
    CUDA_OK(cudaFree(NULL));
    simcudaFail("cuMemCreate", 2, CUDA_ERROR_UNKNOWN); /* of the thread, or of who asks */
    CUDA_OK(cudaMallocAsync(&weight, LARGE, 0));
    size_t with_large = 3 * LARGE, with_other = LARGE + 3 * OTHER;
    sleep_ms(300);
    size_t held = simcudaBytesUsed(HOST);
    cr_expect(held == with_large || held == with_other, "%zu MiB", held / MIB);
    for (size_t i = 1; i < 6; i++)
        cr_expect_eq(place_new(sizes[i]), HOST, "weight %zu", i);
}
