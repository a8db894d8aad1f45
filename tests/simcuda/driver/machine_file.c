/* machine_file.c: reads a machine description in YAML.
 *
 *     host: 64gb                      # memory of the machine itself
 *     host-limit: 32gb                # of the program's control group; absent: none
 *     hmm: false                      # whether kernels can use pageable memory
 *     peer-access: all                # what is reported: all | none | a list of directed pairs: [[0, 1], [1, 0]]
 *     peer-kernels: work              # what kernels get where access is reported: work | garbage | fault
 *     peer-copies: false              # whether copy engines reach mapped memory where no access is reported
 *     set-access-not-ready: 8         # cuMemSetAccess answers "not ready" once in so many calls; absent: never
 *     devices:
 *       - name: Simulated 24 GB GPU
 *         memory: 24gb
 *         capability: 8.6
 *         vmm: true                   # virtual memory management
 *         host-vmm: true              # ... with memory of the host
 *         pci: 0000:01:00.0           # default: bus 1 for the first device, 2 for the second, ...
 *         bar1: 256mb                 # how much of its memory other devices can have mapped; absent: all
 *
 * Only `memory` is required. Whatever is not understood is an error: a misspelt flag must not give another machine. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_document_t document;
    const char *path;
    char *error;
    size_t error_bytes;
};

static bool complain(struct reader *reader, const yaml_node_t *node, const char *message, const char *detail)
{
    snprintf(reader->error, reader->error_bytes, "%s:%zu: %s%s%s", reader->path,
        node ? node->start_mark.line + 1 : (size_t)1, message, detail ? ": " : "", detail ? detail : "");
    return false;
}

static const char *scalar(const yaml_node_t *node)
{
    return node != NULL && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static bool read_size(struct reader *reader, const yaml_node_t *node, size_t *bytes)
{
    if (scalar(node) == NULL || !sim_parse_size(scalar(node), bytes))
        return complain(reader, node, "a size such as 24gb is expected", scalar(node));
    return true;
}

static bool read_flag(struct reader *reader, const yaml_node_t *node, bool *flag)
{
    const char *text = scalar(node);
    if (text == NULL || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
        return complain(reader, node, "true or false is expected", text);
    *flag = strcmp(text, "true") == 0;
    return true;
}

static bool read_capability(struct reader *reader, const yaml_node_t *node, struct sim_device_description *device)
{
    const char *text = scalar(node);
    char rest;
    if (text == NULL || sscanf(text, "%d.%d%c", &device->major, &device->minor, &rest) != 2 || device->major < 5 ||
        device->major > 12 || device->minor < 0 || device->minor > 9)
        return complain(reader, node, "a compute capability such as 8.6 is expected", text);
    return true;
}

static bool read_pci(struct reader *reader, const yaml_node_t *node, struct sim_device_description *device)
{
    const char *text = scalar(node);
    if (text == NULL || !sim_parse_pci(text, &device->pci.domain, &device->pci.bus, &device->pci.device))
        return complain(reader, node, "a PCI address such as 0000:01:00.0 is expected", text);
    return true;
}

static bool read_device(
    struct reader *reader, const yaml_node_t *node, struct sim_device_description *device, unsigned default_bus)
{
    *device =
        (struct sim_device_description){.major = 8, .minor = 6, .vmm = true, .host_vmm = true, .pci.bus = default_bus};
    if (node->type != YAML_MAPPING_NODE)
        return complain(
            reader, node, "a device is a mapping with name, memory, capability, vmm, host-vmm, bar1, pci", NULL);
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key_node = yaml_document_get_node(&reader->document, pair->key);
        yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        const char *key = scalar(key_node);
        bool good;
        if (key == NULL)
            return complain(reader, key_node, "a key of a device must be a word", NULL);
        if (strcmp(key, "name") == 0) {
            good = scalar(value) != NULL && strlen(scalar(value)) < sizeof device->name;
            if (!good)
                return complain(reader, value, "a name of at most 95 characters is expected", NULL);
            strcpy(device->name, scalar(value));
        } else if (strcmp(key, "memory") == 0) {
            good = read_size(reader, value, &device->memory_bytes);
        } else if (strcmp(key, "capability") == 0) {
            good = read_capability(reader, value, device);
        } else if (strcmp(key, "vmm") == 0) {
            good = read_flag(reader, value, &device->vmm);
        } else if (strcmp(key, "host-vmm") == 0) {
            good = read_flag(reader, value, &device->host_vmm);
        } else if (strcmp(key, "bar1") == 0) {
            good = read_size(reader, value, &device->bar1_bytes);
        } else if (strcmp(key, "pci") == 0) {
            good = read_pci(reader, value, device);
        } else {
            good = complain(
                reader, key_node, "unknown key of a device (name, memory, capability, vmm, host-vmm, bar1, pci)", key);
        }
        if (!good)
            return false;
    }
    if (device->memory_bytes < (size_t)64 << 20)
        return complain(reader, node, "a device needs `memory:` of at least 64mb", NULL);
    if (device->name[0] == '\0')
        snprintf(device->name, sizeof device->name, "Simulated GPU %zu GB", device->memory_bytes >> 30);
    return true;
}

/* Whether the last device sits where one before it does. */
static bool has_address_of_another(const struct sim_machine *machine)
{
    const struct sim_device_description *last = &machine->devices[machine->device_count - 1];

    for (const struct sim_device_description *other = machine->devices; other < last; other++)
        if (other->pci.domain == last->pci.domain && other->pci.bus == last->pci.bus &&
            other->pci.device == last->pci.device)
            return true;
    return false;
}

static bool read_devices(struct reader *reader, const yaml_node_t *node, struct sim_machine *machine)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return complain(reader, node, "`devices` is a list", NULL);
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
        yaml_node_t *device = yaml_document_get_node(&reader->document, *item);
        if (machine->device_count == SIM_MAX_DEVICES)
            return complain(reader, device, "a simulated machine has at most 16 devices", NULL);
        machine->device_count++;
        if (!read_device(reader, device, &machine->devices[machine->device_count - 1], (unsigned)machine->device_count))
            return false;
        if (has_address_of_another(machine))
            return complain(reader, device, "another device has the same PCI address", NULL);
    }
    return true;
}

static bool read_pair(struct reader *reader, const yaml_node_t *node, struct sim_machine *machine)
{
    long ordinal[2] = {-1, -1};

    if (node->type == YAML_SEQUENCE_NODE && node->data.sequence.items.top - node->data.sequence.items.start == 2) {
        for (int i = 0; i < 2; i++) {
            const char *text = scalar(yaml_document_get_node(&reader->document, node->data.sequence.items.start[i]));
            char *end = NULL;
            if (text != NULL)
                ordinal[i] = strtol(text, &end, 10);
            if (text == NULL || end == text || *end != '\0')
                ordinal[i] = -1;
        }
    }
    for (int i = 0; i < 2; i++)
        if (ordinal[i] < 0 || ordinal[i] >= machine->device_count || ordinal[0] == ordinal[1])
            return complain(reader, node, "peer access is a list of pairs of two different device numbers", NULL);
    machine->peer_access[ordinal[0]][ordinal[1]] = true;
    return true;
}

static bool read_peers(struct reader *reader, const yaml_node_t *node, struct sim_machine *machine)
{
    const char *text = node != NULL ? scalar(node) : "all";

    if (text != NULL && (strcmp(text, "all") == 0 || strcmp(text, "none") == 0)) {
        for (int from = 0; from < machine->device_count; from++)
            for (int to = 0; to < machine->device_count; to++)
                machine->peer_access[from][to] = from != to && text[0] == 'a';
        return true;
    }
    if (node->type != YAML_SEQUENCE_NODE)
        return complain(reader, node, "`peer-access` is all, none or a list of pairs", text);
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
        if (!read_pair(reader, yaml_document_get_node(&reader->document, *item), machine))
            return false;
    return true;
}

static bool read_peer_kernels(struct reader *reader, const yaml_node_t *node, enum sim_peer_kernels *kernels)
{
    static const char *const names[] = {
        [SIM_PEER_WORKS] = "work", [SIM_PEER_GARBAGE] = "garbage", [SIM_PEER_FAULTS] = "fault"};
    const char *text = scalar(node);

    for (size_t i = 0; text != NULL && i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *kernels = (enum sim_peer_kernels)i;
            return true;
        }
    return complain(reader, node, "work, garbage or fault is expected", text);
}

static bool read_number(struct reader *reader, const yaml_node_t *node, unsigned *number)
{
    const char *text = scalar(node);
    char rest;
    if (text == NULL || sscanf(text, "%u%c", number, &rest) != 1 || *number < 2 || *number > 1000000)
        return complain(reader, node, "a number from 2 to 1000000 is expected", text);
    return true;
}

/* The keys of a machine but `devices` and `peer-access`. */
static bool read_value(
    struct reader *reader, const yaml_node_t *key_node, const yaml_node_t *value, struct sim_machine *machine)
{
    const char *key = scalar(key_node);

    if (key != NULL && strcmp(key, "host") == 0)
        return read_size(reader, value, &machine->host_bytes);
    if (key != NULL && strcmp(key, "host-limit") == 0)
        return read_size(reader, value, &machine->host_limit_bytes);
    if (key != NULL && strcmp(key, "hmm") == 0)
        return read_flag(reader, value, &machine->hmm);
    if (key != NULL && strcmp(key, "peer-kernels") == 0)
        return read_peer_kernels(reader, value, &machine->peer_kernels);
    if (key != NULL && strcmp(key, "peer-copies") == 0)
        return read_flag(reader, value, &machine->peer_copies);
    if (key != NULL && strcmp(key, "set-access-not-ready") == 0)
        return read_number(reader, value, &machine->access_not_ready);
    return complain(reader, key_node,
        "unknown key (host, host-limit, hmm, devices, peer-access, peer-kernels, peer-copies, set-access-not-ready)",
        key);
}

static bool read_machine(struct reader *reader, const yaml_node_t *root, struct sim_machine *machine)
{
    const yaml_node_t *peers = NULL;

    if (root == NULL || root->type != YAML_MAPPING_NODE)
        return complain(reader, root, "a machine file is a mapping with host, devices, peer-access, ...", NULL);
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
        yaml_node_t *key_node = yaml_document_get_node(&reader->document, pair->key);
        yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        const char *key = scalar(key_node);
        bool good = true;
        if (key != NULL && strcmp(key, "devices") == 0)
            good = read_devices(reader, value, machine);
        else if (key != NULL && strcmp(key, "peer-access") == 0)
            peers = value; /* needs the number of devices */
        else
            good = read_value(reader, key_node, value, machine);
        if (!good)
            return false;
    }
    if (machine->device_count == 0)
        return complain(reader, root, "a machine needs `devices:` with at least one entry", NULL);
    return read_peers(reader, peers, machine);
}

bool sim_machine_parse_file(struct sim_machine *machine, const char *path, char *error, size_t error_bytes)
{
    struct reader reader = {.path = path, .error = error, .error_bytes = error_bytes};
    yaml_parser_t parser;
    FILE *file = fopen(path, "re");
    bool good = false;

    if (file == NULL) {
        snprintf(error, error_bytes, "the machine file %s cannot be opened: %m", path);
        return false;
    }
    *machine = (struct sim_machine){.host_bytes = (size_t)64 << 30};
    if (!yaml_parser_initialize(&parser)) {
        snprintf(error, error_bytes, "no memory to read the machine file %s", path);
        fclose(file);
        return false;
    }
    yaml_parser_set_input_file(&parser, file);
    if (yaml_parser_load(&parser, &reader.document)) {
        good = read_machine(&reader, yaml_document_get_root_node(&reader.document), machine);
        yaml_document_delete(&reader.document);
    } else {
        snprintf(error, error_bytes, "%s:%zu: %s", path, parser.problem_mark.line + 1,
            parser.problem ? parser.problem : "this is not YAML");
    }
    yaml_parser_delete(&parser);
    fclose(file);
    return good;
}
