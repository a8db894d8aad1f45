/* visible.c: which devices of the machine have which number: CUDA_DEVICE_ORDER and CUDA_VISIBLE_DEVICES (CUDA C++
 * Programming Guide, "CUDA Environment Variables"); see machine.h. */
#include "machine.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The machine's devices are now those at chosen[0], chosen[1], ... of before. */
static void renumber(struct vs_machine *machine, const int *chosen, int count)
{
    const struct vs_machine before = *machine;

    machine->device_count = count;
    for (int i = 0; i < count; i++) {
        machine->devices[i] = before.devices[chosen[i]];
        for (int j = 0; j < count; j++)
            machine->peer_access[i][j] = before.peer_access[chosen[i]][chosen[j]];
    }
}

typedef bool comes_before(const struct vs_machine_device *a, const struct vs_machine_device *b);

static bool has_lower_address(const struct vs_machine_device *a, const struct vs_machine_device *b)
{
    if (a->pci.domain != b->pci.domain)
        return a->pci.domain < b->pci.domain;
    return a->pci.bus != b->pci.bus ? a->pci.bus < b->pci.bus : a->pci.device < b->pci.device;
}

/* How the real driver guesses speed is not documented. Here a newer generation is faster, and within one generation the
 * description lists the faster device first. */
static bool is_faster(const struct vs_machine_device *a, const struct vs_machine_device *b)
{
    return a->major != b->major ? a->major > b->major : a->minor > b->minor;
}

/* Equal devices keep their order. */
static void sort(struct vs_machine *machine, comes_before *before)
{
    int chosen[VS_MACHINE_DEVICES_MAX];

    for (int i = 0; i < machine->device_count; i++) {
        int at = i;
        for (; at > 0 && before(&machine->devices[i], &machine->devices[chosen[at - 1]]); at--)
            chosen[at] = chosen[at - 1];
        chosen[at] = i;
    }
    renumber(machine, chosen, machine->device_count);
}

void sim_machine_sort_by_pci(struct vs_machine *machine)
{
    sort(machine, has_lower_address);
}

/* A number, with whatever follows it up to the next comma ("1gpu" is 1, as PyTorch's torch/cuda/__init__.py reports of
 * the driver); -1 where there is none. */
static int find_number(const struct vs_machine *machine, const char *entry)
{
    char *end;
    long number = strtol(entry, &end, 10);

    return end != entry && number >= 0 && number < machine->device_count ? (int)number : -1;
}

/* The one device whose UUID begins with the entry. */
static int find_uuid(const struct vs_machine *machine, const char *entry)
{
    size_t length = strcspn(entry, ",");
    int found = -1;

    while (length > 0 && isspace((unsigned char)entry[length - 1]))
        length--;
    if (length <= strlen("GPU-"))
        return -1;
    for (int i = 0; i < machine->device_count; i++) {
        char text[SIM_UUID_TEXT_BYTES];
        sim_uuid_text_of(&machine->devices[i], text);
        if (strncmp(text, entry, length) != 0)
            continue;
        if (found >= 0)
            return -1; /* not enough digits to tell them apart */
        found = i;
    }
    return found;
}

/* The list is of numbers or of UUIDs, as its first entry is; it ends at the first entry that is no device. A device
 * named twice makes the driver report none at all. */
static int choose(const struct vs_machine *machine, const char *visible, int chosen[VS_MACHINE_DEVICES_MAX])
{
    bool by_uuid = strncmp(visible, "GPU-", 4) == 0;
    int count = 0;

    for (const char *entry = visible;; entry = strchr(entry, ',') + 1) {
        int device = by_uuid ? find_uuid(machine, entry) : find_number(machine, entry);
        if (device < 0)
            return count;
        for (int i = 0; i < count; i++)
            if (chosen[i] == device)
                return 0;
        chosen[count++] = device;
        if (strchr(entry, ',') == NULL)
            return count;
    }
}

void sim_machine_narrow(struct vs_machine *machine, const char *order, const char *visible)
{
    int chosen[VS_MACHINE_DEVICES_MAX];

    sort(machine, order != NULL && strcmp(order, "PCI_BUS_ID") == 0 ? has_lower_address : is_faster);
    if (visible != NULL)
        renumber(machine, chosen, choose(machine, visible, chosen));
}
