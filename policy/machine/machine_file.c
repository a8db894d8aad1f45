/*
 * Reads the description of a machine from YAML. See machine.h, which has the keys.
 */
#include "machine_read.h"

#include "../values/schema.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct reader {
    struct vs_machine *machine;
    const struct vs_yaml_node *peers; /* read last: needs the number of devices */
};

static void refuse(const struct vs_schema *schema, const struct vs_yaml_node *value, const char *expected)
{
    struct vs_place place = vs_yaml_place(schema->tree, value);
    if (value->refused)
        return;
    if (value->kind == VS_YAML_SCALAR && value->length)
        vs_diag_add(schema->diags, VS_ERROR, place, "%s is expected for `%s`, not `%s`", expected, schema->key->text,
            vs_quote(value->text, value->length).text);
    else
        vs_diag_add(schema->diags, VS_ERROR, place, "%s is expected for `%s`, not %s", expected, schema->key->text,
            value->kind == VS_YAML_SCALAR ? "nothing" : vs_yaml_kind_name(value->kind));
}

static void read_size(const struct vs_schema *schema, const struct vs_yaml_node *value, uint64_t *bytes)
{
    static const char hint[] = "write a number with a unit: `24gb`, `512mb`";
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a size", hint);
    uint64_t read;
    if (!word || !vs_read_size(vs_schema_text(schema, word), &read, schema->diags))
        return;
    if (read && read < UINT64_C(1) << 56) {
        *bytes = read;
        return;
    }
    vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value), "no machine has `%s` of memory",
        vs_quote(word->text, word->length).text);
    vs_diag_hint(schema->diags, "%s", hint);
}

static void read_flag(const struct vs_schema *schema, const struct vs_yaml_node *value, bool *flag)
{
    static const char *const names[] = {"false", "true"};
    for (int i = 0; i < 2; i++)
        if (value->kind == VS_YAML_SCALAR && !value->quoted && !strcmp(value->text, names[i])) {
            *flag = i;
            return;
        }
    refuse(schema, value, "true or false");
}

/* --- A device ----------------------------------------------------------------------------------------------------- */

static void read_name(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_machine_device *device = target;
    if (value->kind == VS_YAML_SCALAR && value->length && value->length < sizeof device->name)
        memcpy(device->name, value->text, value->length + 1);
    else
        refuse(schema, value, "a name of at most 95 characters");
}

static void read_memory(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_machine_device *device = target;
    size_t errors_before = schema->diags->error_count;
    read_size(schema, value, &device->memory_bytes);
    if (schema->diags->error_count != errors_before || device->memory_bytes >= VS_MACHINE_MEMORY_MIN)
        return;
    vs_diag_add(
        schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value), "a device needs `memory:` of at least 64mb");
}

static void read_capability(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_machine_device *device = target;
    unsigned major, minor;
    const char *point = value->kind == VS_YAML_SCALAR ? strchr(value->text, '.') : NULL;
    if (point && vs_machine_read_number(value->text, (size_t)(point - value->text), &major) &&
        vs_machine_read_number(point + 1, strlen(point + 1), &minor) && major >= 5 && major <= 12 && minor <= 9) {
        device->major = (int)major;
        device->minor = (int)minor;
        return;
    }
    refuse(schema, value, "a compute capability such as 8.6");
}

static void read_vmm(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    read_flag(schema, value, &((struct vs_machine_device *)target)->vmm);
}

static void read_host_vmm(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    read_flag(schema, value, &((struct vs_machine_device *)target)->host_vmm);
}

static void read_bar1(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    read_size(schema, value, &((struct vs_machine_device *)target)->bar1_bytes);
}

static void read_pci(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_machine_device *device = target;
    if (value->kind != VS_YAML_SCALAR ||
        !vs_pci_parse(value->text, &device->pci.domain, &device->pci.bus, &device->pci.device))
        refuse(schema, value, "a PCI address such as 0000:01:00.0");
}

static void read_link(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a link", "write `pcie4-x16`, or a rate: `25gb/s`");
    if (word)
        ((struct vs_machine_device *)target)->link_bytes_per_second =
            vs_read_link(vs_schema_text(schema, word), schema->diags);
}

static void read_card(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a class of cards", "name it by memory: `24gb`");
    if (word)
        ((struct vs_machine_device *)target)->card = vs_read_card(vs_schema_text(schema, word), schema->diags);
}

static const struct vs_schema_key device_keys[] = {
    {"memory", read_memory, "a device needs `memory:` of at least 64mb"},
    {"name", read_name, NULL},
    {"capability", read_capability, NULL},
    {"vmm", read_vmm, NULL},
    {"host-vmm", read_host_vmm, NULL},
    {"pci", read_pci, NULL},
    {"bar1", read_bar1, NULL},
    {"link", read_link, NULL},
    {"card", read_card, NULL},
};

/* Whether the last device sits where one before it does. */
static bool has_address_of_another(const struct vs_machine *machine)
{
    const struct vs_machine_device *last = &machine->devices[machine->device_count - 1];
    for (const struct vs_machine_device *other = machine->devices; other < last; other++)
        if (other->pci.domain == last->pci.domain && other->pci.bus == last->pci.bus &&
            other->pci.device == last->pci.device)
            return true;
    return false;
}

static void read_devices(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_machine *machine = ((struct reader *)target)->machine;
    if (value->kind != VS_YAML_LIST) {
        vs_schema_no_list(schema, value, "devices", "write each device behind a dash: `- memory: 24gb`");
        return;
    }
    if (!value->first_child) {
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value),
            "a machine needs `devices:` with at least one entry");
        vs_diag_hint(schema->diags, "write each device behind a dash: `- memory: 24gb`");
    }
    for (const struct vs_yaml_node *item = vs_schema_first(schema, value); item; item = vs_schema_next(schema, item)) {
        if (machine->device_count == VS_MACHINE_DEVICES_MAX) {
            vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, item),
                "a machine of more than %d devices cannot be described", VS_MACHINE_DEVICES_MAX);
            return;
        }
        struct vs_machine_device *device = &machine->devices[machine->device_count++];
        *device = vs_machine_default_device((unsigned)machine->device_count, 0);
        vs_schema_read(schema, item, "a device", device_keys, COUNT(device_keys), device);
        if (!device->name[0])
            vs_machine_name_device(device);
        if (has_address_of_another(machine))
            vs_diag_add(
                schema->diags, VS_ERROR, vs_yaml_place(schema->tree, item), "another device has the same PCI address");
    }
}

/* --- The machine -------------------------------------------------------------------------------------------------- */

static void read_host(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_machine *machine = ((struct reader *)target)->machine;
    read_size(schema, value, &machine->host_bytes);
    machine->host_is_assumed = false;
}

static void read_host_limit(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    read_size(schema, value, &((struct reader *)target)->machine->host_limit_bytes);
}

static void read_host_charged(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    bool charged = true;
    read_flag(schema, value, &charged);
    ((struct reader *)target)->machine->host_uncharged = !charged;
}

static void read_hmm(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    read_flag(schema, value, &((struct reader *)target)->machine->hmm);
}

static void read_peer_copies(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    read_flag(schema, value, &((struct reader *)target)->machine->peer_copies);
}

static void read_peer_kernels(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    static const char *const names[] = {
        [VS_PEER_WORKS] = "work", [VS_PEER_GARBAGE] = "garbage", [VS_PEER_FAULTS] = "fault", [VS_PEER_HANGS] = "hang"};
    for (size_t i = 0; value->kind == VS_YAML_SCALAR && i < COUNT(names); i++)
        if (!strcmp(value->text, names[i])) {
            ((struct reader *)target)->machine->peer_kernels = (enum vs_peer_kernels)i;
            return;
        }
    refuse(schema, value, "work, garbage, fault or hang");
}

static void read_not_ready(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    unsigned number;
    if (value->kind == VS_YAML_SCALAR && vs_machine_read_number(value->text, value->length, &number) && number >= 2 &&
        number <= 1000000)
        ((struct reader *)target)->machine->access_not_ready = number;
    else
        refuse(schema, value, "a number from 2 to 1000000");
}

static void keep_peers(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    (void)schema;
    ((struct reader *)target)->peers = value;
}

static const struct vs_schema_key machine_keys[] = {
    {"devices", read_devices, "a machine needs `devices:` with at least one entry"},
    {"host", read_host, NULL},
    {"host-limit", read_host_limit, NULL},
    {"host-charged", read_host_charged, NULL},
    {"hmm", read_hmm, NULL},
    {"peer-access", keep_peers, NULL},
    {"peer-kernels", read_peer_kernels, NULL},
    {"peer-copies", read_peer_copies, NULL},
    {"set-access-not-ready", read_not_ready, NULL},
};

/* The number of a device, or -1. */
static int read_ordinal(const struct vs_yaml_node *node, const struct vs_machine *machine)
{
    unsigned ordinal;
    if (node->kind != VS_YAML_SCALAR || !vs_machine_read_number(node->text, node->length, &ordinal))
        return -1;
    return ordinal < (unsigned)machine->device_count ? (int)ordinal : -1;
}

static bool read_pair(const struct vs_schema *schema, const struct vs_yaml_node *pair, struct vs_machine *machine)
{
    const struct vs_yaml_node *first = pair->kind == VS_YAML_LIST ? vs_schema_first(schema, pair) : NULL;
    const struct vs_yaml_node *second = first ? vs_schema_next(schema, first) : NULL;
    if (!second || vs_schema_next(schema, second))
        return false;
    int from = read_ordinal(first, machine), to = read_ordinal(second, machine);
    if (from < 0 || to < 0 || from == to)
        return false;
    machine->peer_access[from][to] = true;
    return true;
}

static void read_peers(const struct vs_schema *schema, const struct vs_yaml_node *value, struct vs_machine *machine)
{
    if (!value || (value->kind == VS_YAML_SCALAR && !strcmp(value->text, "all"))) {
        vs_machine_connect_all(machine);
        return;
    }
    if (value->kind == VS_YAML_SCALAR && !strcmp(value->text, "none"))
        return;
    if (value->kind != VS_YAML_LIST) {
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value),
            "`peer-access` is all, none or a list of pairs");
        vs_diag_hint(schema->diags, "write who may use whose memory: `[[0, 1], [1, 0]]`");
        return;
    }
    for (const struct vs_yaml_node *pair = vs_schema_first(schema, value); pair; pair = vs_schema_next(schema, pair)) {
        if (read_pair(schema, pair, machine))
            continue;
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, pair),
            "peer access is a list of pairs of two different device numbers");
        vs_diag_hint(schema->diags, "write who may use whose memory: `[[0, 1], [1, 0]]`");
    }
}

int vs_machine_parse(
    const char *name, const char *text, size_t bytes, struct vs_machine *machine, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count, first = diags->count;
    struct vs_yaml_tree tree;
    struct reader reader = {.machine = machine};
    *machine = (struct vs_machine){.host_bytes = VS_MACHINE_HOST_BYTES, .host_is_assumed = true};
    if (vs_yaml_read(name, text, bytes, &tree, diags))
        return -1;
    struct vs_schema schema = {.tree = &tree, .diags = diags};
    if (!tree.count) {
        vs_diag_add(diags, VS_ERROR, vs_place_of_file(&tree.source), "the description of a machine is empty");
        vs_diag_hint(diags, "a machine needs `devices:` with at least one entry");
    } else if (vs_schema_read(&schema, &tree.nodes[0], "a machine", machine_keys, COUNT(machine_keys), &reader) &&
               diags->error_count == errors_before) {
        read_peers(&schema, reader.peers, machine);
    }
    vs_diags_sort(diags, first);
    vs_yaml_free(&tree);
    return diags->error_count == errors_before ? 0 : -1;
}
