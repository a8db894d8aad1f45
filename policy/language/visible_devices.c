/*
 * Values of CUDA_VISIBLE_DEVICES. See visible_devices.h.
 */
#include "visible_devices.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Reading ------------------------------------------------------------------------------------------------------ */

/* A number, with whatever follows it up to the comma: to the driver `1gpu` is 1 (PyTorch's torch/cuda/__init__.py says
 * so, and reads it alike). */
static bool read_number(const char *entry, size_t length, size_t machine_count, char *text)
{
    char word[VS_VISIBLE_ENTRY_BYTES], *end;
    if (length >= sizeof word)
        return false;
    memcpy(word, entry, length);
    word[length] = '\0';
    long number = strtol(word, &end, 10);
    if (end == word || number < 0 || number >= (long)machine_count)
        return false;
    snprintf(text, VS_VISIBLE_ENTRY_BYTES, "%ld", number);
    return true;
}

static bool read_uuid(const char *entry, size_t length, const char *prefix, char *text)
{
    size_t prefix_length = strlen(prefix);
    while (length && isspace((unsigned char)entry[length - 1]))
        length--;
    if (length <= prefix_length || length >= VS_VISIBLE_ENTRY_BYTES || strncmp(entry, prefix, prefix_length) != 0)
        return false;
    memcpy(text, entry, length);
    text[length] = '\0';
    return true;
}

static bool is_uuid(const char *text)
{
    return !isdigit((unsigned char)text[0]);
}

/* Of two UUIDs one may be the beginning of the other. */
static bool are_same(const char *a, const char *b)
{
    size_t a_length = strlen(a), b_length = strlen(b);
    if (!is_uuid(a) || !is_uuid(b))
        return strcmp(a, b) == 0;
    return strncmp(a, b, a_length < b_length ? a_length : b_length) == 0;
}

static const struct vs_visible_entry *find_text(const struct vs_visible *visible, const char *text)
{
    for (size_t i = 0; i < visible->count; i++)
        if (strcmp(visible->entries[i].text, text) == 0)
            return &visible->entries[i];
    return NULL;
}

static const struct vs_visible_entry *find_device(const struct vs_visible *visible, const char *text)
{
    const struct vs_visible_entry *exact = find_text(visible, text);
    for (size_t i = 0; i < visible->count && !exact; i++)
        if (are_same(visible->entries[i].text, text))
            return &visible->entries[i];
    return exact;
}

static void read_all(size_t machine_count, struct vs_visible *visible)
{
    visible->count = machine_count;
    for (size_t i = 0; i < machine_count; i++) {
        snprintf(visible->entries[i].text, sizeof visible->entries[i].text, "%zu", i);
        visible->entries[i].number = (int)i;
    }
}

void vs_visible_read(const char *value, size_t machine_count, struct vs_visible *visible)
{
    static const char *const prefixes[] = {"GPU-", "MIG-"};
    const char *prefix = NULL;
    *visible = (struct vs_visible){0};
    if (machine_count == 0 || machine_count > VS_VISIBLE_MAX)
        machine_count = VS_VISIBLE_MAX;
    if (!value) {
        read_all(machine_count, visible);
        return;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(value, prefixes[i], strlen(prefixes[i])) == 0)
            prefix = prefixes[i];
    for (const char *entry = value; visible->count < VS_VISIBLE_MAX;) {
        size_t length = strcspn(entry, ",");
        struct vs_visible_entry read = {.number = (int)visible->count};
        if (prefix ? !read_uuid(entry, length, prefix, read.text)
                   : !read_number(entry, length, machine_count, read.text))
            return;
        if (find_text(visible, read.text)) {
            visible->count = 0;
            return;
        }
        visible->entries[visible->count++] = read;
        if (!entry[length])
            return;
        entry += length + 1;
    }
}

bool vs_visible_is_by_uuid(const struct vs_visible *visible)
{
    return visible->count && is_uuid(visible->entries[0].text);
}

bool vs_visible_name_by_uuid(struct vs_visible *visible, const char (*uuids)[VS_VISIBLE_ENTRY_BYTES], size_t uuid_count)
{
    bool all_known = true;
    for (size_t i = 0; i < visible->count; i++) {
        char *text = visible->entries[i].text;
        size_t k = is_uuid(text) ? 0 : strtoul(text, NULL, 10);
        while (is_uuid(text) && k < uuid_count && !are_same(text, uuids[k]))
            k++;
        if (k < uuid_count)
            memcpy(text, uuids[k], VS_VISIBLE_ENTRY_BYTES);
        else
            all_known = false;
    }
    return all_known;
}

/* --- Keeping ------------------------------------------------------------------------------------------------------ */

#define UNSET "unset"

const char *vs_visible_keep(const char *value)
{
    if (!value)
        return UNSET;
    return strcmp(value, UNSET) == 0 ? "-1" : value; /* both name no device to the driver */
}

const char *vs_visible_kept(const char *kept)
{
    return strcmp(kept, UNSET) == 0 ? NULL : kept;
}

/* --- The view ----------------------------------------------------------------------------------------------------- */

static bool is_hidden(const struct vs_device_wish *wish, int number)
{
    for (size_t i = 0; wish->hides_donors && i < wish->donor_count; i++)
        if (wish->donors[i].device.family == VS_DEVICE_CUDA && (int)wish->donors[i].device.ordinal == number)
            return true;
    return false;
}

bool vs_device_wish_is_apart(const struct vs_device_wish *wish)
{
    for (size_t i = 0; wish->hides_donors && i < wish->donor_count; i++)
        if (wish->donors[i].device.family == VS_DEVICE_CUDA)
            return true;
    return wish->device_count > 0;
}

static void append(struct vs_visible *driver, const struct vs_visible_entry *entry)
{
    if (driver->count < VS_VISIBLE_MAX)
        driver->entries[driver->count++] = *entry;
}

/* The user's entry of a device of the wish, or NULL and the device is noted as missing. */
static const struct vs_visible_entry *wished(
    const struct vs_visible *user, struct vs_device_id device, struct vs_device_view *view)
{
    if (device.ordinal < user->count)
        return &user->entries[device.ordinal];
    if (view->missing < 0)
        view->missing = (int)device.ordinal;
    return NULL;
}

static void add_own(const struct vs_visible *user, const struct vs_visible *own, const struct vs_device_wish *wish,
    struct vs_device_view *view)
{
    for (size_t i = 0; i < own->count; i++) {
        struct vs_visible_entry entry = own->entries[i];
        const struct vs_visible_entry *known = find_device(user, entry.text);
        entry.number = known ? known->number : -1;
        if (view->conflict < 0 && is_hidden(wish, entry.number))
            view->conflict = entry.number;
        append(&view->driver, &entry);
    }
}

static void add_seen(const struct vs_visible *user, const struct vs_device_wish *wish, struct vs_device_view *view)
{
    for (size_t i = 0; i < wish->device_count; i++) {
        const struct vs_visible_entry *entry = wished(user, wish->devices[i], view);
        if (entry)
            append(&view->driver, entry);
    }
    for (size_t i = 0; !wish->device_count && i < user->count; i++)
        if (!is_hidden(wish, (int)i))
            append(&view->driver, &user->entries[i]);
}

void vs_device_view_make(const struct vs_visible *user, const struct vs_visible *own, const struct vs_device_wish *wish,
    struct vs_device_view *view)
{
    *view = (struct vs_device_view){.missing = -1, .conflict = -1};
    if (own)
        add_own(user, own, wish, view);
    else
        add_seen(user, wish, view);
    view->seen_count = view->driver.count;
    for (size_t i = 0; i < wish->donor_count; i++) {
        if (wish->donors[i].device.family != VS_DEVICE_CUDA)
            continue;
        const struct vs_visible_entry *entry = wished(user, wish->donors[i].device, view);
        if (entry && !find_device(&view->driver, entry->text))
            append(&view->driver, entry);
    }
}

void vs_device_view_value(const struct vs_device_view *view, size_t count, char value[VS_VISIBLE_VALUE_BYTES])
{
    size_t used = 0;
    value[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(
            value + used, VS_VISIBLE_VALUE_BYTES - used, "%s%s", i ? "," : "", view->driver.entries[i].text);
}

int vs_device_view_ordinal(const struct vs_device_view *view, unsigned number)
{
    for (size_t i = 0; i < view->driver.count; i++)
        if (view->driver.entries[i].number == (int)number)
            return (int)i;
    return -1;
}
