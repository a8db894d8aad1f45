/*
 * Descriptions of machines: short forms, files by their names, and what a plan needs to know. See machine.h.
 */
#include "machine.h"

#include "../language/policy_files.h"
#include "../text/file.h"
#include "../text/suggest.h"
#include "../text/yaml_tree.h"
#include "machine_read.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void vs_machine_name_device(struct vs_machine_device *device)
{
    snprintf(
        device->name, sizeof device->name, "Simulated GPU %llu GB", (unsigned long long)(device->memory_bytes >> 30));
}

struct vs_machine_device vs_machine_default_device(unsigned bus, uint64_t memory_bytes)
{
    return (struct vs_machine_device){
        .memory_bytes = memory_bytes, .major = 8, .minor = 6, .vmm = true, .host_vmm = true, .pci.bus = bus};
}

void vs_machine_connect_all(struct vs_machine *machine)
{
    for (int from = 0; from < machine->device_count; from++)
        for (int to = 0; to < machine->device_count; to++)
            machine->peer_access[from][to] = from != to;
}

bool vs_machine_read_number(const char *text, size_t length, unsigned *number)
{
    unsigned read = 0;
    if (!length || length > 9)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        read = read * 10 + (unsigned)(text[i] - '0');
    }
    *number = read;
    return true;
}

/* The host's memory in a short form, said once: `host:32gb`. */
static bool read_host(struct vs_machine *machine, const char *size_text, size_t length)
{
    struct vs_size size;
    size_t offset;
    if (!machine->host_is_assumed || vs_size_parse(size_text, length, &size, &offset) != VS_SIZE_OK || !size.bytes ||
        size.bytes >= UINT64_C(1) << 56)
        return false;
    machine->host_bytes = size.bytes;
    machine->host_is_assumed = false;
    return true;
}

/* One term of a short form: `24gb`, `2x24gb`, `host:32gb`. */
static bool add_term(struct vs_machine *machine, const char *term, size_t length)
{
    static const char host[] = "host:";
    const char *times = memchr(term, 'x', length);
    unsigned count = 1;
    size_t offset;
    struct vs_size size;
    if (!strncmp(term, host, sizeof host - 1))
        return read_host(machine, term + sizeof host - 1, length - (sizeof host - 1));
    if (times) {
        size_t digits = (size_t)(times - term);
        if (!vs_machine_read_number(term, digits, &count))
            return false;
        length -= digits + 1;
        term = times + 1;
    }
    if (vs_size_parse(term, length, &size, &offset) != VS_SIZE_OK || size.bytes < VS_MACHINE_MEMORY_MIN ||
        size.bytes >= UINT64_C(1) << 56 || !count || count > (unsigned)(VS_MACHINE_DEVICES_MAX - machine->device_count))
        return false;
    while (count-- > 0) {
        struct vs_machine_device *device = &machine->devices[machine->device_count++];
        *device = vs_machine_default_device((unsigned)machine->device_count, size.bytes);
        vs_machine_name_device(device);
    }
    return true;
}

bool vs_machine_parse_short(const char *text, struct vs_machine *machine)
{
    *machine = (struct vs_machine){.host_bytes = VS_MACHINE_HOST_BYTES, .host_is_assumed = true};
    for (const char *term = text;; term++) {
        size_t length = strcspn(term, "+");
        if (!add_term(machine, term, length))
            return false;
        term += length;
        if (!*term)
            break;
    }
    vs_machine_connect_all(machine);
    return machine->device_count > 0;
}

static int load_file(const char *path, struct vs_machine *machine, struct vs_diags *diags)
{
    char *text;
    size_t bytes;
    if (vs_file_read(path, "machine", VS_YAML_BYTES_MAX, &text, &bytes, diags))
        return -1;
    int result = vs_machine_parse(path, text, bytes, machine, diags);
    free(text);
    return result;
}

/* Appends the names of the machines in the folder; returns the one that was probably meant, which is in `files`. */
static const char *list_names(const char *folder, const char *text, struct vs_policy_files *files, struct vs_text *list)
{
    struct vs_diags unheard = {0};
    const char *meant = NULL;
    if (folder && !vs_policy_files_find(folder, files, &unheard)) {
        for (size_t i = 0; i < files->count; i++) {
            char *slash = strrchr(files->paths[i], '/'), *name = slash ? slash + 1 : files->paths[i];
            name[strlen(name) - strlen(".yaml")] = '\0';
            memmove(files->paths[i], name, strlen(name) + 1);
            vs_text_printf(list, "%s`%s`", i ? ", " : "", files->paths[i]);
        }
        meant = vs_suggest(text, strlen(text), (const char *const *)files->paths, files->count);
    }
    vs_diags_free(&unheard);
    return meant;
}

static int refuse(const char *origin, const char *text, const char *folder, struct vs_diags *diags)
{
    struct vs_source source = {.name = origin, .text = text, .bytes = strlen(text)};
    struct vs_policy_files files = {0};
    struct vs_text list = {0};
    const char *meant = list_names(folder, text, &files, &list);
    vs_diag_add(diags, VS_ERROR, vs_place_at(&source, 0),
        "`%s` is neither a short form such as 2x24gb or 8gb+24gb+host:32gb (at most %d devices of at least 64mb), nor "
        "the name "
        "or "
        "the path of a machine file",
        vs_quote_string(text).text, VS_MACHINE_DEVICES_MAX);
    if (meant)
        vs_diag_hint(diags, "did you mean `%s`?", meant);
    else if (list.length)
        vs_diag_hint(diags, "known by name: %s", list.data);
    else
        vs_diag_hint(diags, "write the GPUs' memory: `2x24gb`");
    vs_text_free(&list);
    vs_policy_files_free(&files);
    return -1;
}

int vs_machine_load(
    const char *origin, const char *text, const char *folder, struct vs_machine *machine, struct vs_diags *diags)
{
    char path[PATH_MAX];
    if (strchr(text, '/'))
        return load_file(text, machine, diags);
    int length = folder ? snprintf(path, sizeof path, "%s/%s.yaml", folder, text) : -1;
    if (length >= 0 && (size_t)length < sizeof path && access(path, R_OK) == 0)
        return load_file(path, machine, diags);
    if (vs_machine_parse_short(text, machine))
        return 0;
    if (*text && access(text, R_OK) == 0)
        return load_file(text, machine, diags);
    return refuse(origin, text, folder, diags);
}

bool vs_pci_parse(const char *text, unsigned *domain, unsigned *bus, unsigned *device)
{
    unsigned long part[3] = {0}; /* domain, bus, device */
    const char *colon = strchr(text, ':');
    char *end = (char *)text;
    for (int i = colon && strchr(colon + 1, ':') ? 0 : 1; i < 3; i++) {
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

uint64_t vs_machine_host_capacity(const struct vs_machine *machine)
{
    uint64_t limit_bytes = machine->host_limit_bytes;
    return limit_bytes && limit_bytes < machine->host_bytes ? limit_bytes : machine->host_bytes;
}

bool vs_machine_can_map(const struct vs_machine *machine, size_t from, size_t to)
{
    if (from == to)
        return true;
    return machine->peer_access[from][to] && machine->peer_kernels == VS_PEER_WORKS && machine->devices[from].vmm &&
           machine->devices[to].vmm;
}

struct vs_plan_machine vs_machine_for_plan(
    const struct vs_machine *machine, struct vs_device_id compute, struct vs_plan_machine_device *devices)
{
    size_t count = (size_t)machine->device_count;
    bool is_here = compute.family == VS_DEVICE_CUDA && compute.ordinal < count;
    for (size_t i = 0; i < count; i++) {
        const struct vs_machine_device *device = &machine->devices[i];
        bool is_compute = is_here && compute.ordinal == i;
        bool is_mapped_in_part = !is_compute && device->bar1_bytes < device->memory_bytes;
        devices[i] = (struct vs_plan_machine_device){
            .id = {VS_DEVICE_CUDA, (unsigned)i},
            .total_bytes = device->memory_bytes,
            .lendable_bytes = is_mapped_in_part ? device->bar1_bytes : 0,
            .unmappable = is_here && !vs_machine_can_map(machine, compute.ordinal, i),
        };
    }
    devices[count] = (struct vs_plan_machine_device){
        .id = {.family = VS_DEVICE_CPU}, .total_bytes = vs_machine_host_capacity(machine)};
    return (struct vs_plan_machine){devices, count + 1};
}
