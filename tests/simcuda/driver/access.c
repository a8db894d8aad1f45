/* access.c: who reaches what, and the bytes themselves; see access.h and gemm.h. */
#include "access.h"
#include "address.h"
#include "knowledge.h"
#include "ordering.h"
#include "rules.h"
#include "threads.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

CUcontext sim_executing;
CUstream sim_executing_stream;

static uint32_t device_bit(int device)
{
    return (uint32_t)1 << device;
}

/* In one direction, from this context, to what that one allocated: what other contexts enabled says nothing, on
 * whichever device they are. */
static bool peer_is_enabled(CUcontext context, const struct sim_range *range)
{
    int device = range->location;
    CUcontext peer = context->peers[device];

    if (!SIM_RULE(peer_per_context) && peer == NULL)
        peer = sim.devices[context->device].primary->peers[device];
    if (!SIM_RULE(peer_one_direction) && peer == NULL)
        peer = sim.devices[device].primary->peers[context->device] != NULL ? range->context : NULL;
    return !SIM_RULE(peer_enabled_for_kernels) ||
           (peer != NULL && (peer == range->context || !SIM_RULE(peer_one_context)));
}

/* Allocated as far as the stream that executes is concerned: it is not enough that the allocation happened. */
static bool is_allocated(const struct sim_range *range)
{
    return (!range->pending &&
               sim_ordering_is_behind(sim_executing_stream, range->begin_slot, range->begin_sequence)) ||
           (range->kind == SIM_POOL_BLOCK && !SIM_RULE(pool_use_behind_allocation));
}

/* Of a mapping, by the rule that makes reading and writing two things for who asks. */
static uint32_t granted(const struct sim_range *range, bool write, bool rule)
{
    return write && rule ? range->writable : range->readable;
}

static bool pool_grants(CUcontext context, const struct sim_range *range, bool write)
{
    if (((write ? range->writable : range->readable) & device_bit(context->device)) != 0)
        return true;
    return !SIM_RULE(pool_access_kernels) ||
           (!SIM_RULE(pool_access_not_by_peers) && context->peers[range->location] != NULL);
}

/* Memory of another device, through a path that is worth less than what is reported of it. */
static bool crosses_broken_path(int device, const struct sim_range *range, enum vs_peer_kernels kind)
{
    return sim.machine.peer_kernels == kind && range->location != SIM_HOST && range->location != device;
}

bool sim_reads_garbage(int device, const struct sim_range *range)
{
    return crosses_broken_path(device, range, VS_PEER_GARBAGE);
}

/* As a device that waits for an answer which never comes: nobody's calls go on, and only the process's end helps. */
static void hang(int device)
{
    sim_say("a kernel on cuda:%d uses another device's memory: on this machine it hangs for ever", device);
    for (;;)
        pause();
}

bool sim_reaches(CUcontext context, const struct sim_range *range, bool write)
{
    if (crosses_broken_path(context->device, range, VS_PEER_HANGS))
        hang(context->device);
    if (crosses_broken_path(context->device, range, VS_PEER_FAULTS))
        return false;
    switch (range->kind) {
    case SIM_ALLOCATION:
        return !range->pending && (range->location == context->device || peer_is_enabled(context, range));
    case SIM_MAPPING:
        return (granted(range, write, SIM_RULE(kernel_read_only)) & device_bit(context->device)) != 0 ||
               !SIM_RULE(mapping_access);
    case SIM_POOL_BLOCK:
        return is_allocated(range) && pool_grants(context, range, write);
    case SIM_PINNED:
    case SIM_REGISTERED:
        return true; /* with unified addressing all host memory is portable (CUDA Driver API, "Unified Addressing") */
    }
    return false;
}

/* Copy engines reach other devices' memory without peer access, but mapped memory only with access: of this device, or,
 * on some machines, of the device that it lies on. */
static bool engine_reaches(CUcontext context, const struct sim_range *range, bool write)
{
    uint32_t devices = device_bit(context->device);

    if (sim.machine.peer_copies && range->location != SIM_HOST)
        devices |= device_bit(range->location);
    if (range->kind == SIM_MAPPING && SIM_RULE(peer_copy_needs_access))
        return (granted(range, write, SIM_RULE(copy_read_only)) & devices) != 0;
    return is_allocated(range);
}

static bool cpu_reaches(const struct sim_range *range, bool write)
{
    if (range->kind == SIM_MAPPING && SIM_RULE(copy_cpu_access))
        return (granted(range, write, SIM_RULE(cpu_read_only)) & SIM_ACCESS_CPU) != 0;
    return sim_range_is_host(range);
}

bool sim_agent_reaches(enum sim_agent agent, CUcontext context, const struct sim_range *range, bool write)
{
    switch (agent) {
    case SIM_KERNEL:
        return sim_reaches(context, range, write);
    case SIM_COPY_ENGINE:
        return engine_reaches(context, range, write);
    case SIM_CPU:
        return cpu_reaches(range, write);
    }
    return false;
}

const char *sim_unreachable_because(CUcontext context, CUdeviceptr address, bool write)
{
    const struct sim_range *range = sim_range_find(address);

    if (range == NULL)
        return sim_address_is_ours(address) ? "this memory was freed or unmapped, or never was"
                                            : "this is not memory that the device can reach";
    if (crosses_broken_path(context->device, range, VS_PEER_FAULTS))
        return "on this machine only copies reach another device, whatever is reported";
    if (range->pending)
        return "in the order of the streams it is not allocated yet, or freed already";
    if (range->kind == SIM_POOL_BLOCK && !is_allocated(range))
        return "it was allocated in another stream, and no event or wait puts this use behind the allocation";
    if (range->kind == SIM_MAPPING && write && (range->readable & device_bit(context->device)) != 0)
        return "the device has read access only";
    if (range->kind == SIM_MAPPING)
        return "the device has no access to this mapping (cuMemSetAccess)";
    if (range->kind == SIM_POOL_BLOCK)
        return "the device has no access to this pool (cuMemPoolSetAccess)";
    return "it is another device's memory, and the context has no peer access to it";
}

void sim_raise_illegal(CUcontext context, const char *what, CUdeviceptr address, size_t bytes, bool write)
{
    if (!SIM_RULE(illegal_address))
        return;
    sim_raise(context, CUDA_ERROR_ILLEGAL_ADDRESS, "illegal address: %s on cuda:%d %s %zu bytes at %#llx (%s): %s",
        what, context->device, write ? "writes" : "reads", bytes, address, sim_location_name(address),
        sim_unreachable_because(context, address, write));
}

const char *sim_location_name(CUdeviceptr address)
{
    static const char *const names[VS_MACHINE_DEVICES_MAX] = {"cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4",
        "cuda:5", "cuda:6", "cuda:7", "cuda:8", "cuda:9", "cuda:10", "cuda:11", "cuda:12", "cuda:13", "cuda:14",
        "cuda:15"};
    const struct sim_range *range = sim_range_find(address);

    if (range == NULL)
        return sim_address_is_ours(address) ? "nowhere" : "host";
    return range->location == SIM_HOST ? "host" : names[range->location];
}

char *sim_alias_of(CUdeviceptr address, size_t *bytes)
{
    struct sim_range *range = sim_range_find(address);
    if (range == NULL)
        return NULL;
    *bytes = range->start + range->bytes - address;
    return range->alias + (address - range->start);
}

/* How much of [address, address + bytes) lies in the range that begins it. */
static size_t bytes_in(const struct sim_range *range, CUdeviceptr address, size_t bytes)
{
    size_t left = range->start + range->bytes - address;
    return left < bytes ? left : bytes;
}

/* The range that begins [address, address + bytes), and how much of it; NULL, and the error raised, where that is out
 * of reach. */
static const struct sim_range *next_range(enum sim_agent agent, CUcontext context, CUdeviceptr address, size_t bytes,
    bool write, const char *what, size_t *piece_bytes)
{
    const struct sim_range *range = sim_range_find(address);

    if (range == NULL || !sim_agent_reaches(agent, context, range, write)) {
        sim_raise_illegal(context, what, address, bytes, write);
        return NULL;
    }
    *piece_bytes = bytes_in(range, address, bytes);
    return range;
}

/* The same, as the alias of the first byte. */
static char *next_piece(enum sim_agent agent, CUcontext context, CUdeviceptr address, size_t bytes, bool write,
    const char *what, size_t *piece_bytes)
{
    const struct sim_range *range = next_range(agent, context, address, bytes, write, what, piece_bytes);
    return range != NULL ? range->alias + (address - range->start) : NULL;
}

/* The executing context if it is one of `device`, else that device's primary context. */
static CUcontext context_of(int device)
{
    if (sim_executing != NULL && sim_executing->device == device)
        return sim_executing;
    return sim.devices[device].primary;
}

/* With heterogeneous memory management (HMM) kernels use the program's ordinary memory. */
static bool is_pageable(CUdeviceptr address)
{
    return sim.machine.hmm && address != 0 && sim_range_find(address) == NULL && !sim_address_is_ours(address);
}

/* Between a buffer of the simulator's and memory of the program's that may not be there: the kernel looks. */
static bool move_pageable(int device, CUdeviceptr address, void *inside, size_t bytes, bool write, const char *what)
{
    struct iovec here = {.iov_base = inside, .iov_len = bytes}, there = {.iov_base = (void *)address, .iov_len = bytes};
    ssize_t moved = write ? process_vm_writev(getpid(), &here, 1, &there, 1, 0)
                          : process_vm_readv(getpid(), &here, 1, &there, 1, 0);

    if (moved != (ssize_t)bytes)
        sim_raise_illegal(context_of(device), what, address, bytes, write);
    return moved == (ssize_t)bytes;
}

bool sim_device_check(int device, CUdeviceptr address, size_t bytes, const char *what)
{
    size_t piece;

    if (is_pageable(address))
        return true; /* it is looked at when it is used */
    for (; bytes > 0; address += piece, bytes -= piece)
        if (next_piece(SIM_KERNEL, context_of(device), address, bytes, false, what, &piece) == NULL)
            return false;
    return true;
}

bool sim_device_read(int device, CUdeviceptr address, void *out, size_t bytes, const char *what)
{
    size_t piece;

    if (is_pageable(address))
        return move_pageable(device, address, out, bytes, false, what);
    for (char *to = out; bytes > 0; address += piece, to += piece, bytes -= piece) {
        const struct sim_range *range = next_range(SIM_KERNEL, context_of(device), address, bytes, false, what, &piece);
        if (range == NULL)
            return false;
        memcpy(to, range->alias + (address - range->start), piece);
        if (sim_reads_garbage(device, range))
            for (size_t i = 0; i < piece; i++)
                to[i] ^= 0x55;
    }
    return true;
}

bool sim_device_write(int device, CUdeviceptr address, const void *in, size_t bytes, const char *what)
{
    size_t piece;

    if (is_pageable(address))
        return move_pageable(device, address, (void *)(uintptr_t)in, bytes, true, what);
    for (const char *from = in; bytes > 0; address += piece, from += piece, bytes -= piece) {
        const struct sim_range *range = next_range(SIM_KERNEL, context_of(device), address, bytes, true, what, &piece);
        if (range == NULL)
            return false;
        if (!sim_reads_garbage(device, range))
            memcpy(range->alias + (address - range->start), from, piece);
    }
    return true;
}

bool sim_device_writes_are_lost(int device, CUdeviceptr address, size_t bytes)
{
    const struct sim_range *range;

    if (sim.machine.peer_kernels != VS_PEER_GARBAGE)
        return false; /* asked for each column of a product */
    for (size_t piece; bytes > 0 && (range = sim_range_find(address)) != NULL; address += piece, bytes -= piece) {
        if (sim_reads_garbage(device, range))
            return true;
        piece = bytes_in(range, address, bytes);
    }
    return false;
}

static void advance(struct sim_place *place, size_t bytes)
{
    if (place->address != 0)
        place->address += bytes;
    else
        place->pointer += bytes;
}

/* The CPU writes pinned and registered memory unseen; what a program keeps there are its own values. */
static bool is_programs_own(struct sim_place place)
{
    const struct sim_range *range = place.address != 0 ? sim_range_find(place.address) : NULL;
    return range == NULL || range->kind == SIM_PINNED || range->kind == SIM_REGISTERED;
}

bool sim_copy_bytes(struct sim_place to, struct sim_place from, size_t bytes, enum sim_agent agent, const char *what)
{
    while (bytes > 0) {
        size_t to_bytes = bytes, from_bytes = bytes, piece;
        char *target = to.pointer;
        const char *source = from.pointer;

        if (to.address != 0)
            target = next_piece(agent, sim_executing, to.address, bytes, true, what, &to_bytes);
        if (target != NULL && from.address != 0)
            source = next_piece(agent, sim_executing, from.address, bytes, false, what, &from_bytes);
        if (target == NULL || source == NULL)
            return false;
        piece = to_bytes < from_bytes ? to_bytes : from_bytes;
        sim_move(target, source, piece);
        if (to.address != 0 && is_programs_own(from))
            sim_knowledge_set((uintptr_t)target, piece, SIM_FROM_HOST);
        else if (to.address != 0)
            sim_knowledge_copy((uintptr_t)target, (uintptr_t)source, piece);
        advance(&to, piece);
        advance(&from, piece);
        bytes -= piece;
    }
    return true;
}

static void fill(char *target, uint32_t value, size_t element_bytes, size_t bytes)
{
    if (element_bytes == 1) {
        memset(target, (int)value, bytes);
        return;
    }
    for (size_t i = 0; i + element_bytes <= bytes; i += element_bytes)
        memcpy(target + i, &value, element_bytes);
}

bool sim_fill_bytes(CUdeviceptr address, uint32_t value, size_t element_bytes, size_t count, const char *what)
{
    size_t bytes = count * element_bytes, piece;
    for (; bytes > 0; address += piece, bytes -= piece) {
        char *target = next_piece(SIM_COPY_ENGINE, sim_executing, address, bytes, true, what, &piece);
        if (target == NULL)
            return false;
        fill(target, value, element_bytes, piece);
        sim_knowledge_set((uintptr_t)target, piece, SIM_KNOWN);
    }
    return true;
}
