/*
 * Hostile descriptions of machines: the input as a file, and as a short form.
 */
#include "check.h"

#include "../../policy/machine/machine.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_device(const struct vs_machine_device *device)
{
    PROMISE(device->memory_bytes >= VS_MACHINE_MEMORY_MIN && device->memory_bytes < UINT64_C(1) << 56);
    PROMISE(device->name[0] && memchr(device->name, '\0', sizeof device->name));
    PROMISE(device->major >= 5 && device->major <= 12 && device->minor >= 0 && device->minor <= 9);
    PROMISE(device->pci.domain <= 0xFFFF && device->pci.bus <= 0xFF && device->pci.device <= 0x1F);
    PROMISE(device->link_bytes_per_second >= 0 && device->link_bytes_per_second <= 1e13);
}

static void check_machine(const struct vs_machine *machine)
{
    struct vs_plan_machine_device devices[VS_MACHINE_DEVICES_MAX + 1];
    PROMISE(machine->device_count >= 1 && machine->device_count <= VS_MACHINE_DEVICES_MAX);
    PROMISE(vs_machine_host_capacity(machine) && vs_machine_host_capacity(machine) <= machine->host_bytes);
    for (int i = 0; i < machine->device_count; i++) {
        check_device(&machine->devices[i]);
        PROMISE(!machine->peer_access[i][i]);
        struct vs_device_id compute = {VS_DEVICE_CUDA, (unsigned)i};
        struct vs_plan_machine plan = vs_machine_for_plan(machine, compute, devices);
        PROMISE(plan.count == (size_t)machine->device_count + 1 && !devices[i].unmappable);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct vs_diags diags = {0};
    struct vs_machine machine;
    char *text = malloc(bytes + 1);
    PROMISE(text);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    int result = vs_machine_parse("machine.yaml", text, bytes, &machine, &diags);
    check_diagnostics(result, &diags);
    if (!result)
        check_machine(&machine);
    if (vs_machine_parse_short(text, &machine))
        check_machine(&machine);
    free(text);
    return 0;
}
