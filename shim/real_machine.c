/* real_machine.c: see real_machine.h. */
#include "real_machine.h"

#include <stdatomic.h>

#include "../policy/machine/host_memory_text.h"
#include "backing.h"
#include "devices.h"
#include "driver.h"
#include "host_memory.h"

static const struct vs_device_id cpu = {.family = VS_DEVICE_CPU};

/* Why a device failed first, so that the same is said of it from then on. The last: cpu. */
static _Atomic(const char *) first_reasons[VS_REAL_DEVICES_MAX];

static _Atomic(const char *) *first_reason(struct vs_device_id id)
{
    return &first_reasons[id.family == VS_DEVICE_CPU ? VS_REAL_DEVICES_MAX - 1 : id.ordinal];
}

struct vs_home vs_real_home(struct vs_device_id id, const struct vs_compute *compute)
{
    if (id.family == VS_DEVICE_CPU)
        return (struct vs_home){VS_HOME_HOST, 0};
    int ordinal = vs_devices_ordinal(id.ordinal);
    return (struct vs_home){ordinal == compute->ordinal ? VS_HOME_LOCAL : VS_HOME_PEER, ordinal};
}

static void add(struct vs_real_machine *machine, const struct vs_compute *compute, struct vs_device_id id, size_t bytes)
{
    struct vs_home home = vs_real_home(id, compute);
    const char *why = NULL;
    bool usable = home.kind == VS_HOME_LOCAL || vs_backing_for(compute, home, &why);
    const char *first = atomic_load(first_reason(id));
    machine->devices[machine->count++] = (struct vs_plan_machine_device){
        .id = id, .total_bytes = bytes, .unmappable = !usable, .why = usable || !first ? why : first};
}

/* What the host has, or may use of it; 0: not known. */
static size_t host_bytes(void)
{
    struct vs_host_memory memory;
    vs_host_memory_look(&memory);
    return memory.capacity_bytes == VS_HOST_BYTES_UNKNOWN ? 0 : memory.capacity_bytes;
}

void vs_real_machine_describe(const struct vs_compute *compute, struct vs_real_machine *machine)
{
    const struct vs_driver *driver = vs_driver();
    int count = 0;
    machine->count = 0;
    driver->cuDeviceGetCount(&count);
    for (int ordinal = 0; ordinal < count && ordinal <= VS_DEVICE_ORDINAL_MAX; ordinal++) {
        struct vs_device_id id = vs_devices_id(ordinal);
        CUdevice device;
        size_t bytes = 0;
        if (id.ordinal == VS_DEVICES_NONE)
            continue; /* no policy can name it */
        if (driver->cuDeviceGet(&device, ordinal) == CUDA_SUCCESS)
            driver->cuDeviceTotalMem(&bytes, device);
        add(machine, compute, id, bytes);
    }
    add(machine, compute, cpu, host_bytes());
}

void vs_real_machine_exclude(struct vs_real_machine *machine, struct vs_device_id id, const char *why, bool lasting)
{
    const char *none = NULL;
    if (lasting && !atomic_compare_exchange_strong(first_reason(id), &none, why))
        why = none;
    for (size_t i = 0; i < machine->count; i++) {
        if (!vs_device_equal(machine->devices[i].id, id))
            continue;
        machine->devices[i].unmappable = true;
        machine->devices[i].why = why;
    }
}
