/* physical.c: sparse memory as memory chips; see physical.h. */
#include "physical.h"
#include "extents.h"
#include "fresh.h"
#include "host_files.h"
#include "rules.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct chip {
    int fd; /* the host's memfd; -1 for a device */
    char *alias;
    size_t used_bytes, capacity_bytes;
    struct sim_extents free;
};

static struct chip chips[VS_MACHINE_DEVICES_MAX + 1]; /* the last one is the host */

static struct chip *chip_of(int location)
{
    return &chips[location == SIM_HOST ? VS_MACHINE_DEVICES_MAX : location];
}

static bool start_chip(int location, size_t capacity_bytes)
{
    struct chip *chip = chip_of(location);
    /* Every byte of the capacity may be a page of its own, and more. */
    size_t bytes = 4 * ((capacity_bytes + SIM_PAGE_BYTES - 1) & ~(SIM_PAGE_BYTES - 1));
    char *start;

    if (location == SIM_HOST && !SIM_RULE(host_capacity))
        bytes = (size_t)8 << 40; /* so that what must not be given can be given */

    chip->capacity_bytes = capacity_bytes;
    chip->fd = -1;
    if (location == SIM_HOST) {
        chip->fd = memfd_create("simcuda-host", MFD_CLOEXEC);
        if (chip->fd < 0 || ftruncate(chip->fd, (off_t)bytes) != 0)
            return false;
        start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, chip->fd, 0);
    } else {
        start = mmap(
            NULL, bytes + SIM_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    if (start == MAP_FAILED)
        return false;
    if (location != SIM_HOST) {
        start = (char *)(((uintptr_t)start + SIM_PAGE_BYTES - 1) & ~(uintptr_t)(SIM_PAGE_BYTES - 1));
        /* Advice only: without large pages all is slower, and nothing else. */
        (void)madvise(start, bytes, MADV_HUGEPAGE);
        (void)madvise(start, bytes, MADV_DONTFORK);
    }
    (void)madvise(start, bytes, MADV_DONTDUMP);
    chip->alias = start;
    return sim_extents_give(&chip->free, 0, bytes);
}

/* Makes the range read as fresh memory again, and gives its memory back. Whole pages of 4 KiB, or of SIM_PAGE_BYTES on
 * a device. */
static bool drop(const struct chip *chip, size_t offset, size_t bytes)
{
    if (chip->fd < 0)
        return madvise(chip->alias + offset, bytes, MADV_DONTNEED) == 0;
    return fallocate(chip->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) == 0;
}

bool sim_physical_start(void)
{
    bool good = start_chip(SIM_HOST, vs_machine_host_capacity(&sim.machine));
    for (int i = 0; good && i < sim.machine.device_count; i++)
        good = start_chip(i, sim.machine.devices[i].memory_bytes);
    if (!good)
        sim_say("the simulated memory cannot be made: %m (it needs memfd_create and sparse address space)");
    return good;
}

CUresult sim_physical_charge(int location, size_t bytes)
{
    struct chip *chip = chip_of(location);
    bool limited = location == SIM_HOST ? SIM_RULE(host_capacity) : SIM_RULE(device_capacity);

    if (limited && bytes > chip->capacity_bytes - chip->used_bytes)
        return CUDA_ERROR_OUT_OF_MEMORY;
    chip->used_bytes += bytes;
    if (location == SIM_HOST)
        sim_host_files_update(chip->used_bytes);
    return CUDA_SUCCESS;
}

void sim_physical_refund(int location, size_t bytes)
{
    chip_of(location)->used_bytes -= bytes;
    if (location == SIM_HOST)
        sim_host_files_update(chip_of(location)->used_bytes);
}

CUresult sim_physical_take(int location, size_t bytes, struct sim_block *block)
{
    struct chip *chip = chip_of(location);
    uint64_t offset;
    CUresult result;

    if (bytes > SIZE_MAX / 2)
        return CUDA_ERROR_OUT_OF_MEMORY; /* rounding up would overflow */
    bytes = (bytes + SIM_PAGE_BYTES - 1) & ~(SIM_PAGE_BYTES - 1);
    result = sim_physical_charge(location, bytes);
    if (result != CUDA_SUCCESS)
        return result;
    if (!sim_extents_take(&chip->free, bytes, SIM_PAGE_BYTES, &offset)) {
        sim_physical_refund(location, bytes);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (location == SIM_HOST)
        sim_fresh_write(chip->alias + offset, bytes);
    else if (!sim_fresh_map(chip->alias + offset, bytes))
        sim_say("fresh memory of cuda:%d could not be poisoned: %m", location);
    *block = (struct sim_block){location, offset, bytes};
    return CUDA_SUCCESS;
}

void sim_physical_give(const struct sim_block *block)
{
    struct chip *chip = chip_of(block->location);
    if (!drop(chip, block->offset, block->bytes))
        sim_say("freed memory could not be cleared: %m");
    sim_physical_refund(block->location, block->bytes);
    /* Without book-keeping memory the extent is lost to the region, which is four times as large as needed. */
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
    struct chip *chip = chip_of(location);
    size_t start = (size_t)(alias - chip->alias), end = start + bytes;
    size_t first = (start + SIM_PAGE_BYTES - 1) & ~(SIM_PAGE_BYTES - 1), last = end & ~(SIM_PAGE_BYTES - 1);

    if (first >= last || !drop(chip, first, last - first)) {
        memset(alias, sim_fresh_byte(), bytes);
        return;
    }
    memset(alias, sim_fresh_byte(), first - start);
    memset(chip->alias + last, sim_fresh_byte(), end - last);
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
