/* cost_links.c: how fast bytes travel: host and device, pageable and pinned, within a device, between devices. */
#include "cost.h"

#include <string.h>

#define BYTES  (128 * MIB)
#define ROUNDS 7
#define SMALL  200 /* copies of 4 KiB in a row */

static double gb_per_second(double us)
{
    return (double)BYTES / us / 1e3;
}

/* Times direction-less copies, synchronised; the first, which touches all pages for the first time, is not counted. */
static void time_copies(CUdeviceptr to, CUdeviceptr from)
{
    double samples[ROUNDS];
    for (int round = -1; round < ROUNDS; round++) {
        double before = now_us();
        OK(cuMemcpyAsync(to, from, BYTES, NULL));
        OK(cuStreamSynchronize(NULL));
        samples[round < 0 ? 0 : round] = gb_per_second(now_us() - before);
    }
    cost_samples(samples, ROUNDS);
}

static CUdeviceptr device_memory(size_t bytes)
{
    CUdeviceptr memory;
    SKIP_UNLESS(free_bytes() > bytes + 64 * MIB, "too little free memory");
    OK(cuMemAlloc(&memory, bytes));
    OK(cuMemsetD8(memory, 1, bytes));
    return memory;
}

static CUdeviceptr pinned_memory(size_t bytes)
{
    void *memory;
    OK(cuMemHostAlloc(&memory, bytes, CU_MEMHOSTALLOC_PORTABLE));
    memset(memory, 1, bytes);
    return (CUdeviceptr)memory;
}

COST(pageable_to_device, COST_EACH_DEVICE, "gb/s", "copying 128 MiB from pageable memory to the device")
{
    use_device(device);
    time_copies(device_memory(BYTES), (CUdeviceptr)host_pages(BYTES));
}

COST(device_to_pageable, COST_EACH_DEVICE, "gb/s", "copying 128 MiB from the device to pageable memory")
{
    use_device(device);
    time_copies((CUdeviceptr)host_pages(BYTES), device_memory(BYTES));
}

COST(pinned_to_device, COST_EACH_DEVICE, "gb/s", "copying 128 MiB from pinned memory to the device")
{
    use_device(device);
    time_copies(device_memory(BYTES), pinned_memory(BYTES));
}

COST(device_to_pinned, COST_EACH_DEVICE, "gb/s", "copying 128 MiB from the device to pinned memory")
{
    use_device(device);
    time_copies(pinned_memory(BYTES), device_memory(BYTES));
}

COST(within_device, COST_EACH_DEVICE, "gb/s", "copying 128 MiB within the device (each byte is read and written)")
{
    use_device(device);
    time_copies(device_memory(BYTES), device_memory(BYTES));
}

/* Times copies of 4 KiB from pinned memory by events, behind a copy of `before_bytes`. */
static void time_small_copies(int count, size_t before_bytes)
{
    CUevent begin, end;
    double samples[ROUNDS];
    CUdeviceptr to = device_memory(BYTES), from = pinned_memory(BYTES);
    OK(cuEventCreate(&begin, 0));
    OK(cuEventCreate(&end, 0));
    for (int round = -1; round < ROUNDS; round++) {
        float milliseconds;
        OK(cuMemcpyAsync(to, from, before_bytes, NULL));
        OK(cuEventRecord(begin, NULL));
        for (int i = 0; i < count; i++)
            OK(cuMemcpyAsync(to, from, 4096, NULL));
        OK(cuEventRecord(end, NULL));
        OK(cuEventSynchronize(end));
        OK(cuEventElapsedTime(&milliseconds, begin, end));
        samples[round < 0 ? 0 : round] = milliseconds * 1e3 / count;
    }
    cost_samples(samples, ROUNDS);
}

COST(copy_start_alone, COST_EACH_DEVICE, "us", "a copy of 4 KiB from pinned memory, alone on the link, by events")
{
    use_device(device);
    time_small_copies(1, 0);
}

COST(copy_start_queued, COST_EACH_DEVICE, "us",
    "a copy of 4 KiB from pinned memory when the next one already waits, by events")
{
    use_device(device);
    time_small_copies(SMALL, BYTES); /* a large one keeps the link busy while the small ones are queued */
}

/* Copies from `device` to `peer`, each with memory in its primary context. */
static void time_peer(int device, int peer)
{
    CUcontext contexts[2];
    double samples[ROUNDS];
    use_device(device);
    CUdeviceptr from = device_memory(BYTES);
    OK(cuCtxGetCurrent(&contexts[0]));
    use_device(peer);
    CUdeviceptr to = device_memory(BYTES);
    OK(cuCtxGetCurrent(&contexts[1]));
    for (int round = -1; round < ROUNDS; round++) {
        double before = now_us();
        OK(cuMemcpyPeerAsync(to, contexts[1], from, contexts[0], BYTES, NULL));
        OK(cuStreamSynchronize(NULL));
        samples[round < 0 ? 0 : round] = gb_per_second(now_us() - before);
    }
    cost_samples(samples, ROUNDS);
}

COST(peer_with_access, COST_EACH_PAIR, "gb/s", "copying 128 MiB to another device that has access to this one's memory")
{
    need_peers(peer, device, true);
    use_device(peer);
    OK(cudaDeviceEnablePeerAccess(device, 0));
    time_peer(device, peer);
}

COST(peer_without_access, COST_EACH_PAIR, "gb/s", "copying 128 MiB to another device without enabling peer access")
{
    need_devices(2);
    time_peer(device, peer);
}
