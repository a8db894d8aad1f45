/* machine.c: short forms, file look-up, and what identifies a device; see machine.h. */
#include "machine.h"

#include <ctype.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* CUDA 13.0, whatever headers this is built with. */
#define SIM_DRIVER_VERSION 13000

bool sim_parse_size(const char *text, size_t *bytes)
{
    static const struct {
        const char *suffix;
        unsigned shift;
    } units[] = {
        {"", 0}, {"b", 0}, {"kb", 10}, {"kib", 10}, {"mb", 20}, {"mib", 20}, {"gb", 30}, {"gib", 30}, {"tb", 40}};
    char *end;
    double value;

    if (!isdigit((unsigned char)text[0]))
        return false;
    value = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcasecmp(end, units[i].suffix) == 0 && value * (double)(1ULL << units[i].shift) < 0x1p56) {
            *bytes = (size_t)(value * (double)(1ULL << units[i].shift));
            return *bytes > 0;
        }
    }
    return false;
}

static void add_default_device(struct sim_machine *machine, size_t memory_bytes)
{
    struct sim_device_description *device = &machine->devices[machine->device_count++];

    *device = (struct sim_device_description){.memory_bytes = memory_bytes,
        .major = 8,
        .minor = 6,
        .vmm = true,
        .host_vmm = true,
        .pci.bus = (unsigned)machine->device_count};
    snprintf(device->name, sizeof device->name, "Simulated GPU %zu GB", memory_bytes >> 30);
}

/* "2x24gb+8gb": counts and sizes joined by '+'. All pairs have peer access. */
static bool parse_short_form(struct sim_machine *machine, const char *text)
{
    char copy[256];
    char *save = NULL;

    if (strlen(text) >= sizeof copy || text[0] == '+' || strstr(text, "++") != NULL || text[strlen(text) - 1] == '+')
        return false;
    strcpy(copy, text);
    *machine = (struct sim_machine){.host_bytes = (size_t)64 << 30};
    for (char *part = strtok_r(copy, "+", &save); part != NULL; part = strtok_r(NULL, "+", &save)) {
        char *times = strchr(part, 'x');
        char *end = NULL;
        unsigned long count = times ? strtoul(part, &end, 10) : 1;
        size_t bytes;
        if (times != NULL && end != times)
            return false;
        if (!sim_parse_size(times ? times + 1 : part, &bytes) || bytes < (size_t)64 << 20 || count < 1 ||
            count > (unsigned long)(SIM_MAX_DEVICES - machine->device_count))
            return false;
        while (count-- > 0)
            add_default_device(machine, bytes);
    }
    for (int from = 0; from < machine->device_count; from++)
        for (int to = 0; to < machine->device_count; to++)
            machine->peer_access[from][to] = from != to;
    return machine->device_count > 0;
}

/* The folder `machines` lies beside this library, wherever that was put. */
static bool find_shipped_file(const char *name, char *path, size_t path_bytes)
{
    Dl_info info;
    const char *slash;

    if (dladdr((void *)find_shipped_file, &info) == 0 || info.dli_fname == NULL)
        return false;
    slash = strrchr(info.dli_fname, '/');
    snprintf(
        path, path_bytes, "%.*smachines/%s.yaml", slash ? (int)(slash - info.dli_fname + 1) : 0, info.dli_fname, name);
    return access(path, R_OK) == 0;
}

bool sim_machine_load(struct sim_machine *machine, const char *text, char *error, size_t error_bytes)
{
    char path[PATH_MAX];

    if (text == NULL || text[0] == '\0')
        text = "2x24gb";
    if (strchr(text, '/') != NULL)
        return sim_machine_parse_file(machine, text, error, error_bytes);
    if (find_shipped_file(text, path, sizeof path))
        return sim_machine_parse_file(machine, path, error, error_bytes);
    if (parse_short_form(machine, text))
        return true;
    if (access(text, R_OK) == 0)
        return sim_machine_parse_file(machine, text, error, error_bytes);
    snprintf(error, error_bytes,
        "SIMCUDA_MACHINE=%s is neither a short form such as 2x24gb or 8gb+24gb (at most %d devices of at least 64mb), "
        "nor a machine file shipped with the simulator, nor the path of one",
        text, SIM_MAX_DEVICES);
    return false;
}

int sim_driver_version(void)
{
    const char *text = getenv("SIMCUDA_DRIVER_VERSION");
    long version = text != NULL ? strtol(text, NULL, 10) : 0;
    return version >= 11000 && version < 100000 ? (int)version : SIM_DRIVER_VERSION;
}

void sim_uuid_of(const struct sim_device_description *device, unsigned char uuid[SIM_UUID_BYTES])
{
    memcpy(uuid, "....simulatedGPU", SIM_UUID_BYTES);
    uuid[0] = (unsigned char)(device->pci.domain >> 8);
    uuid[1] = (unsigned char)device->pci.domain;
    uuid[2] = (unsigned char)device->pci.bus;
    uuid[3] = (unsigned char)device->pci.device;
}

void sim_uuid_text_of(const struct sim_device_description *device, char text[SIM_UUID_TEXT_BYTES])
{
    unsigned char uuid[SIM_UUID_BYTES];
    char *end = stpcpy(text, "GPU-");

    sim_uuid_of(device, uuid);
    for (size_t i = 0; i < sizeof uuid; i++)
        end += sprintf(end, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
}

bool sim_parse_pci(const char *text, unsigned *domain, unsigned *bus, unsigned *device)
{
    unsigned long part[3] = {0}; /* domain, bus, device */
    const char *colon = strchr(text, ':');
    char *end = NULL;

    for (int i = colon != NULL && strchr(colon + 1, ':') != NULL ? 0 : 1; i < 3; i++) {
        if (!isxdigit((unsigned char)text[0]))
            return false;
        part[i] = strtoul(text, &end, 16);
        if (i < 2 && *end != ':')
            return false;
        text = end + 1;
    }
    *domain = (unsigned)part[0];
    *bus = (unsigned)part[1];
    *device = (unsigned)part[2];
    return (*end == '\0' || strcmp(end, ".0") == 0) && part[0] <= 0xFFFF && part[1] <= 0xFF && part[2] <= 0x1F;
}
