/* gemm_fake_device.h: what gemm.c needs of the simulated memory, over a plain buffer: device addresses are offsets into
 * `memory`, from BASE on. Parts of it can be out of reach, unknown, or not from the host. For one test file.
 */
#ifndef GEMM_FAKE_DEVICE_H
#define GEMM_FAKE_DEVICE_H

#include "../../kernels/choice.h"
#include "../gemm.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BASE = 4096, MEMORY_BYTES = 32 << 20 };

struct range {
    CUdeviceptr address;
    size_t bytes;
};
static char memory[MEMORY_BYTES];
static struct range unreachable, unknown, not_from_host;
static struct range told_computed, told_forgotten; /* the last one told */
static size_t computed_count, forgotten_count;
static char last_what[128];

static bool overlap(struct range range, CUdeviceptr address, size_t bytes)
{
    return range.bytes && address < range.address + range.bytes && range.address < address + bytes;
}

bool sim_device_check(int device, CUdeviceptr address, size_t bytes, const char *what)
{
    cr_assert_eq(device, 3, "the device is passed on");
    cr_assert(address >= BASE && address + bytes <= BASE + MEMORY_BYTES, "%s: outside of the test's memory", what);
    if (!overlap(unreachable, address, bytes))
        return true;
    snprintf(last_what, sizeof last_what, "%s", what);
    return false;
}

bool sim_device_read(int device, CUdeviceptr address, void *out, size_t bytes, const char *what)
{
    if (!sim_device_check(device, address, bytes, what))
        return false;
    memcpy(out, memory + (address - BASE), bytes);
    return true;
}

bool sim_device_write(int device, CUdeviceptr address, const void *in, size_t bytes, const char *what)
{
    if (!sim_device_check(device, address, bytes, what))
        return false;
    memcpy(memory + (address - BASE), in, bytes);
    return true;
}

static bool products_are_computed = true;

bool sim_computes_gemms(void)
{
    return products_are_computed;
}

bool sim_known(CUdeviceptr address, size_t bytes)
{
    return !overlap(unknown, address, bytes);
}

bool sim_known_from_host(CUdeviceptr address, size_t bytes)
{
    return sim_known(address, bytes) && !overlap(not_from_host, address, bytes);
}

bool sim_device_writes_are_lost(int device, CUdeviceptr address, size_t bytes)
{
    (void)device;
    (void)address;
    (void)bytes;
    return false;
}

void sim_know_computed(CUdeviceptr address, size_t bytes)
{
    told_computed = (struct range){address, bytes};
    computed_count++;
}

void sim_forget(CUdeviceptr address, size_t bytes)
{
    told_forgotten = (struct range){address, bytes};
    forgotten_count++;
}

static void reset(void)
{
    memset(memory, 0x5a, sizeof memory);
    unreachable = unknown = not_from_host = (struct range){0};
    computed_count = forgotten_count = 0;
    unsetenv("SIMCUDA_THREADS");
}

#endif
