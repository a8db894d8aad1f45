/* machine.c: the simulated machine, and what identifies a device; see machine.h. */
#include "machine.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CUDA 13.0, whatever headers this is built with. */
#define SIM_DRIVER_VERSION 13000

/* The folder `machines` lies beside this library, wherever that was put. */
static bool find_shipped_folder(char *folder, size_t folder_bytes)
{
    Dl_info info;
    const char *slash;

    if (dladdr((void *)find_shipped_folder, &info) == 0 || info.dli_fname == NULL)
        return false;
    slash = strrchr(info.dli_fname, '/');
    snprintf(folder, folder_bytes, "%.*smachines", slash ? (int)(slash - info.dli_fname + 1) : 0, info.dli_fname);
    return true;
}

/* The first error, in one line: a driver has no page for more. */
static void write_error(const struct vs_diags *diags, char *error, size_t error_bytes)
{
    const struct vs_diag *diag = diags->items;

    while (diag < diags->items + diags->count && diag->severity != VS_ERROR)
        diag++;
    if (diag == diags->items + diags->count) {
        snprintf(error, error_bytes, "no memory to read the machine's description");
        return;
    }
    int length = snprintf(error, error_bytes, "%s", diag->file);
    if (diag->line != 0 && length >= 0 && (size_t)length < error_bytes)
        length += snprintf(error + length, error_bytes - (size_t)length, ":%zu:%zu", diag->line, diag->column);
    if (length >= 0 && (size_t)length < error_bytes)
        snprintf(error + length, error_bytes - (size_t)length, ": %s%s%s%s", diag->message, diag->hint ? " (" : "",
            diag->hint ? diag->hint : "", diag->hint ? ")" : "");
}

/* Cards that differ in what they can are not the same cards: programs keep what they have found out about one. Of a
 * machine without flags it is 0. */
static uint32_t machine_mark;

static void mark_machine(const struct vs_machine *machine)
{
    uint32_t bits = machine->peer_kernels << 1 | (unsigned)machine->peer_copies << 3 | (unsigned)machine->hmm << 4 |
                    machine->access_not_ready << 5;

    for (int i = 0; i < machine->device_count; i++) {
        const struct vs_machine_device *device = &machine->devices[i];
        bits = bits * 31 + (device->bar1_bytes != 0) + (unsigned)!device->vmm * 2 + (unsigned)!device->host_vmm * 4;
    }
    machine_mark = bits;
}

bool sim_machine_load(struct vs_machine *machine, const char *text, char *error, size_t error_bytes)
{
    char folder[PATH_MAX];
    struct vs_diags diags = {0};
    bool good;

    if (text == NULL || text[0] == '\0')
        text = "2x24gb";
    good = vs_machine_load("SIMCUDA_MACHINE", text, find_shipped_folder(folder, sizeof folder) ? folder : NULL, machine,
               &diags) == 0;
    if (good)
        mark_machine(machine);
    else
        write_error(&diags, error, error_bytes);
    vs_diags_free(&diags);
    return good;
}

int sim_driver_version(void)
{
    const char *text = getenv("SIMCUDA_DRIVER_VERSION");
    long version = text != NULL ? strtol(text, NULL, 10) : 0;
    return version >= 11000 && version < 100000 ? (int)version : SIM_DRIVER_VERSION;
}

void sim_uuid_of(const struct vs_machine_device *device, unsigned char uuid[SIM_UUID_BYTES])
{
    memcpy(uuid, "....simulatedGPU", SIM_UUID_BYTES);
    uuid[0] = (unsigned char)(device->pci.domain >> 8);
    uuid[1] = (unsigned char)device->pci.domain;
    uuid[2] = (unsigned char)device->pci.bus;
    uuid[3] = (unsigned char)device->pci.device;
    for (size_t i = 0; i < sizeof machine_mark; i++)
        uuid[SIM_UUID_BYTES - 1 - i] ^= (unsigned char)(machine_mark >> 8 * i);
}

void sim_uuid_text_of(const struct vs_machine_device *device, char text[SIM_UUID_TEXT_BYTES])
{
    unsigned char uuid[SIM_UUID_BYTES];
    char *end = stpcpy(text, "GPU-");

    sim_uuid_of(device, uuid);
    for (size_t i = 0; i < sizeof uuid; i++)
        end += sprintf(end, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
}
