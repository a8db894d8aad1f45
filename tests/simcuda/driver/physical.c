/* physical.c: sparse files as memory chips; see physical.h. */
#include "physical.h"
#include "extents.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct chip {
    int fd;
    char *alias;
    size_t used_bytes, capacity_bytes;
    struct sim_extents free;
};

static struct chip chips[SIM_MAX_DEVICES + 1]; /* the last one is the host */

static struct chip *chip_of(int location)
{
    return &chips[location == SIM_HOST ? SIM_MAX_DEVICES : location];
}

static bool start_chip(int location, size_t capacity_bytes)
{
    struct chip *chip = chip_of(location);
    /* Every byte of the capacity may be a page of its own, and more. */
    size_t file_bytes = 4 * ((capacity_bytes + SIM_PAGE_BYTES - 1) & ~(SIM_PAGE_BYTES - 1));
    char name[32];

    snprintf(name, sizeof name, location == SIM_HOST ? "simcuda-host" : "simcuda-cuda%d", location);
    chip->capacity_bytes = capacity_bytes;
    chip->fd = memfd_create(name, MFD_CLOEXEC);
    if (chip->fd < 0 || ftruncate(chip->fd, (off_t)file_bytes) != 0)
        return false;
    chip->alias = mmap(NULL, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, chip->fd, 0);
    if (chip->alias == MAP_FAILED)
        return false;
    return sim_extents_give(&chip->free, 0, file_bytes);
}

bool sim_physical_start(void)
{
    bool good = start_chip(SIM_HOST, sim.machine.host_bytes);
    for (int i = 0; good && i < sim.machine.device_count; i++)
        good = start_chip(i, sim.machine.devices[i].memory_bytes);
    if (!good)
        sim_say("the simulated memory cannot be made: %m (it needs memfd_create and sparse address space)");
    return good;
}

CUresult sim_physical_charge(int location, size_t bytes)
{
    struct chip *chip = chip_of(location);
    if (bytes > chip->capacity_bytes - chip->used_bytes)
        return CUDA_ERROR_OUT_OF_MEMORY;
    chip->used_bytes += bytes;
    return CUDA_SUCCESS;
}

void sim_physical_refund(int location, size_t bytes)
{
    chip_of(location)->used_bytes -= bytes;
}

CUresult sim_physical_take(int location, size_t bytes, struct sim_block *block)
{
    struct chip *chip = chip_of(location);
    uint64_t offset;
    CUresult result;

    if (bytes > chip->capacity_bytes)
        return CUDA_ERROR_OUT_OF_MEMORY;
    bytes = (bytes + SIM_PAGE_BYTES - 1) & ~(SIM_PAGE_BYTES - 1);
    result = sim_physical_charge(location, bytes);
    if (result != CUDA_SUCCESS)
        return result;
    if (!sim_extents_take(&chip->free, bytes, SIM_PAGE_BYTES, &offset)) {
        chip->used_bytes -= bytes;
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *block = (struct sim_block){location, offset, bytes};
    return CUDA_SUCCESS;
}

void sim_physical_give(const struct sim_block *block)
{
    struct chip *chip = chip_of(block->location);
    if (fallocate(chip->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)block->offset, (off_t)block->bytes) != 0)
        sim_say("freed memory could not be cleared: %m");
    chip->used_bytes -= block->bytes;
    /* Without book-keeping memory the extent is lost to the file, which is four times as large as needed. */
    (void)sim_extents_give(&chip->free, block->offset, block->bytes);
}

size_t sim_physical_used(int location)
{
    return chip_of(location)->used_bytes;
}

size_t sim_physical_capacity(int location)
{
    return chip_of(location)->capacity_bytes;
}

char *sim_physical_alias(const struct sim_block *block)
{
    return chip_of(block->location)->alias + block->offset;
}

void sim_physical_clear(int location, char *alias, size_t bytes)
{
    const size_t unit = 4096;
    struct chip *chip = chip_of(location);
    size_t start = (size_t)(alias - chip->alias), end = start + bytes;
    size_t first = (start + unit - 1) & ~(unit - 1), last = end & ~(unit - 1);

    /* Writing zeros into a page that was never touched would make it real; a hole costs nothing. */
    if (bytes < 16 * unit ||
        fallocate(chip->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)first, (off_t)(last - first)) != 0) {
        memset(alias, 0, bytes);
        return;
    }
    memset(alias, 0, first - start);
    memset(chip->alias + last, 0, end - last);
}

bool sim_physical_expose(const struct sim_block *block, CUdeviceptr address, bool writable)
{
    void *wanted = (void *)address;
    return mmap(wanted, block->bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ,
               MAP_SHARED | MAP_NORESERVE | MAP_FIXED, chip_of(block->location)->fd, (off_t)block->offset) == wanted;
}

bool sim_physical_hide(CUdeviceptr address, size_t bytes)
{
    void *wanted = (void *)address;
    return mmap(wanted, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == wanted;
}
