/* hazards.c: programs that forget to wait, and the same programs with the wait.
 *
 *     hazards --list               one line each: name, and the adversaries (SIMCUDA_ORDER) that must notice it
 *     hazards NAME right|wrong     exit status 0: the bytes are right; 1: they are not; 2: CUDA returned an error
 *
 * On a GPU the wrong ones may well give the right bytes: that is why they are written. Which adversary notices which is
 * no accident: `late` delays what nobody waits for, `early` does at once what the program believes to come later, and
 * some mistakes show only when one stream is far ahead of another, which neither extreme does. */
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES ((size_t)64 << 10)

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        cudaError_t got = (call);                                                                                      \
        if (got != cudaSuccess) {                                                                                      \
            fprintf(stderr, "hazards: %s gave %d (%s)\n", #call, (int)got, cudaGetErrorName(got));                     \
            exit(2);                                                                                                   \
        }                                                                                                              \
    } while (0)

static cudaStream_t new_stream(void)
{
    cudaStream_t stream;
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
}

static cudaEvent_t recorded_in(cudaStream_t stream)
{
    cudaEvent_t event;
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaEventRecord(event, stream));
    return event;
}

static void *device_memory(void)
{
    void *memory;
    OK(cudaMalloc(&memory, BYTES));
    return memory;
}

static unsigned char *pinned_memory(int value)
{
    void *memory;
    OK(cudaMallocHost(&memory, BYTES));
    return memset(memory, value, BYTES);
}

/* Each hazard returns whether all bytes are right, after all work is done. `right`: with the wait. */

static bool is_filled(const void *host, int value)
{
    const unsigned char *bytes = host;
    for (size_t i = 0; i < BYTES; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

static bool device_is_filled(const void *device, int value)
{
    static unsigned char host[BYTES];
    OK(cudaDeviceSynchronize());
    OK(cudaMemcpy(host, device, BYTES, cudaMemcpyDeviceToHost));
    return is_filled(host, value);
}

/* A loader fills its one pinned buffer again while the copy out of it may still be on its way. */
static bool source_reused(bool right)
{
    cudaStream_t stream = new_stream();
    void *first = device_memory(), *second = device_memory();
    unsigned char *buffer = pinned_memory(1);

    OK(cudaMemcpyAsync(first, buffer, BYTES, cudaMemcpyHostToDevice, stream));
    if (right)
        OK(cudaEventSynchronize(recorded_in(stream)));
    memset(buffer, 2, BYTES);
    OK(cudaMemcpyAsync(second, buffer, BYTES, cudaMemcpyHostToDevice, stream));
    return device_is_filled(first, 1) && device_is_filled(second, 2);
}

/* The next result is asked for while the last one is still being read out of the same pinned buffer. */
static bool destination_reused(bool right)
{
    cudaStream_t stream = new_stream();
    void *result = device_memory();
    unsigned char *buffer = pinned_memory(1); /* the last result, not read yet */
    bool last_was_right;

    OK(cudaMemsetAsync(result, 2, BYTES, stream));
    if (!right)
        OK(cudaMemcpyAsync(buffer, result, BYTES, cudaMemcpyDeviceToHost, stream));
    last_was_right = is_filled(buffer, 1);
    if (right)
        OK(cudaMemcpyAsync(buffer, result, BYTES, cudaMemcpyDeviceToHost, stream));
    OK(cudaStreamSynchronize(stream));
    return last_was_right && is_filled(buffer, 2);
}

/* A weight is uploaded in one stream and used in another that does not wait for it. */
static bool unordered_read(bool right)
{
    cudaStream_t copying = new_stream(), computing = new_stream();
    void *weight = device_memory(), *result = device_memory();

    OK(cudaMemcpyAsync(weight, pinned_memory(1), BYTES, cudaMemcpyHostToDevice, copying));
    if (right)
        OK(cudaStreamWaitEvent(computing, recorded_in(copying), 0));
    OK(cudaMemcpyAsync(result, weight, BYTES, cudaMemcpyDeviceToDevice, computing));
    OK(cudaStreamSynchronize(computing));
    return device_is_filled(result, 1);
}

/* A ring with one slot: each weight is fetched into it for one use. The fetch waits, or does not, for the use before.
 */
static bool slot_overwritten(bool right)
{
    enum { WEIGHTS = 4 };
    cudaStream_t fetching = new_stream(), computing = new_stream();
    void *slot = device_memory(), *results[WEIGHTS];
    bool all = true;

    for (int i = 0; i < WEIGHTS; i++)
        results[i] = device_memory();
    for (int i = 0; i < WEIGHTS; i++) {
        if (right)
            OK(cudaStreamWaitEvent(fetching, recorded_in(computing), 0));
        OK(cudaMemcpyAsync(slot, pinned_memory(i + 1), BYTES, cudaMemcpyHostToDevice, fetching));
        OK(cudaStreamWaitEvent(computing, recorded_in(fetching), 0));
        OK(cudaMemcpyAsync(results[i], slot, BYTES, cudaMemcpyDeviceToDevice, computing));
    }
    OK(cudaStreamSynchronize(computing));
    for (int i = 0; i < WEIGHTS; i++)
        all = device_is_filled(results[i], i + 1) && all;
    return all;
}

/* Pool memory is freed, and handed out again, in the order of one stream while another stream still reads it. */
static bool freed_in_use(bool right)
{
    cudaStream_t owning = new_stream(), reading = new_stream();
    void *result = device_memory(), *block, *next;

    OK(cudaMallocAsync(&block, BYTES, owning));
    OK(cudaMemsetAsync(block, 1, BYTES, owning));
    OK(cudaStreamWaitEvent(reading, recorded_in(owning), 0));
    OK(cudaMemcpyAsync(result, block, BYTES, cudaMemcpyDeviceToDevice, reading));
    if (right)
        OK(cudaStreamWaitEvent(owning, recorded_in(reading), 0));
    OK(cudaFreeAsync(block, owning));
    OK(cudaMallocAsync(&next, BYTES, owning));
    OK(cudaMemsetAsync(next, 2, BYTES, owning));
    OK(cudaStreamSynchronize(owning));
    return device_is_filled(result, 1) && device_is_filled(next, 2);
}

/* Pool memory is used in another stream that is not behind its allocation: refused also where the allocation happens to
 * be done. */
static bool used_before_allocated(bool right)
{
    cudaStream_t owning = new_stream(), writing = new_stream();
    void *block;

    OK(cudaMallocAsync(&block, BYTES, owning));
    if (right)
        OK(cudaStreamWaitEvent(writing, recorded_in(owning), 0));
    OK(cudaMemsetAsync(block, 1, BYTES, writing));
    OK(cudaStreamSynchronize(writing));
    return device_is_filled(block, 1);
}

/* The program believes that cudaFree waits for the whole device. */
static bool freed_to_wait(bool right)
{
    enum { RESULTS = 6 };
    cudaStream_t stream = new_stream();
    void *device = device_memory(), *other;
    bool all = true;

    for (int i = 0; i < RESULTS; i++) {
        unsigned char *result = pinned_memory(0);
        other = device_memory();
        OK(cudaMemsetAsync(device, i + 1, BYTES, stream));
        OK(cudaMemcpyAsync(result, device, BYTES, cudaMemcpyDeviceToHost, stream));
        OK(cudaFree(other));
        if (right)
            OK(cudaStreamSynchronize(stream));
        all = is_filled(result, i + 1) && all;
    }
    return all;
}

static const struct hazard {
    const char *name, *noticed_by;
    bool (*run)(bool right);
} hazards[] = {
    {"source_reused", "late random", source_reused},
    {"destination_reused", "early random", destination_reused},
    {"slot_overwritten", "random", slot_overwritten},
    {"unordered_read", "late random", unordered_read},
    {"freed_in_use", "late random", freed_in_use},
    {"used_before_allocated", "early late random", used_before_allocated},
    {"freed_to_wait", "late random", freed_to_wait},
};

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "", *which = argc > 2 ? argv[2] : "";

    for (size_t i = 0; i < sizeof hazards / sizeof *hazards; i++) {
        if (strcmp(name, "--list") == 0)
            printf("%s %s\n", hazards[i].name, hazards[i].noticed_by);
        else if (strcmp(name, hazards[i].name) == 0 && (strcmp(which, "right") == 0 || strcmp(which, "wrong") == 0))
            return hazards[i].run(strcmp(which, "right") == 0) ? 0 : 1;
    }
    if (strcmp(name, "--list") == 0)
        return 0;
    fprintf(stderr, "usage: hazards --list, or hazards NAME right|wrong\n");
    return 3;
}
