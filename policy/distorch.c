/*
 * DisTorch allocation strings. See distorch.h. One pass cuts the string into entries `device,value`; what form they are
 * in (bytes, ratio, fraction) depends on all of them, so it is found before any value is read.
 */
#include "distorch.h"

#include "size.h"

#include <string.h>

#define EXAMPLE "for example \"cuda:0,600mb;cuda:1,500mb;cpu,*\""

struct reader {
    const char *text;
    struct vs_place place;
    bool exact;
    bool has_units; /* some value has a unit letter: the form in bytes */
    struct vs_shares *shares;
    struct vs_diags *diags;
};

/* A part of the string, by offset, so that messages can point at it. */
struct part {
    size_t start;
    size_t length;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct part trim(const char *text, size_t start, size_t end)
{
    while (start < end && is_blank(text[start]))
        start++;
    while (end > start && is_blank(text[end - 1]))
        end--;
    return (struct part){start, end - start};
}

static struct vs_place place_of(const struct reader *reader, size_t offset)
{
    return reader->exact ? vs_place_advance(reader->place, reader->text, offset) : reader->place;
}

static struct vs_quoted quote(const struct reader *reader, struct part part)
{
    return vs_quote(reader->text + part.start, part.length);
}

/* The entry that begins at *at, without the blanks around it; moves *at behind its `;`. */
static struct part next_entry(const char *text, size_t length, size_t *at)
{
    const char *semicolon = memchr(text + *at, ';', length - *at);
    size_t end = semicolon ? (size_t)(semicolon - text) : length;
    struct part entry = trim(text, *at, end);
    *at = end + 1;
    return entry;
}

/* Cuts `device,value`; false where there is no comma. */
static bool cut_entry(const char *text, struct part entry, struct part *device, struct part *value)
{
    const char *comma = memchr(text + entry.start, ',', entry.length);
    if (!comma)
        return false;
    size_t at = (size_t)(comma - text);
    *device = trim(text, entry.start, at);
    *value = trim(text, at + 1, entry.start + entry.length);
    return true;
}

static bool has_letter(const char *text, struct part part)
{
    for (size_t i = part.start; i < part.start + part.length; i++)
        if ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z'))
            return true;
    return false;
}

/* Refuses what is known and not served yet; finds whether the string is in bytes. */
static bool find_form(struct reader *reader, size_t length)
{
    const char *hash = memchr(reader->text, '#', length);
    if (hash) {
        vs_diag_add(reader->diags, VS_ERROR, place_of(reader, (size_t)(hash - reader->text)),
            "the combined DisTorch form with `#` (expert string, virtual VRAM, donors) is not supported yet");
        vs_diag_hint(reader->diags, "write the allocation alone, in bytes, " EXAMPLE);
        return false;
    }
    for (size_t at = 0; at < length;) {
        struct part entry = next_entry(reader->text, length, &at), device, value;
        if (!entry.length || !cut_entry(reader->text, entry, &device, &value))
            continue;
        if (memchr(reader->text + value.start, '%', value.length)) {
            vs_diag_add(reader->diags, VS_ERROR, place_of(reader, value.start),
                "ratios (`%s`) are not supported yet, only bytes are", quote(reader, value).text);
            vs_diag_hint(reader->diags, "give each device its bytes, " EXAMPLE);
            return false;
        }
        reader->has_units |= has_letter(reader->text, value);
    }
    return true;
}

/* Reads a device name and checks that it is new here. */
static bool read_device(struct reader *reader, struct part part, struct vs_device_id *device)
{
    struct vs_place place = place_of(reader, part.start);
    if (!part.length) {
        vs_diag_add(reader->diags, VS_ERROR, place, "a device name is missing before the comma");
        vs_diag_hint(reader->diags, "write `device,bytes`, " EXAMPLE);
        return false;
    }
    enum vs_device_error error = vs_device_parse(reader->text + part.start, part.length, device);
    if (error != VS_DEVICE_OK) {
        vs_diag_add(reader->diags, VS_ERROR, place, "`%s` cannot be given memory: %s", quote(reader, part).text,
            vs_device_error_text(error));
        vs_diag_hint(reader->diags, "%s", vs_device_error_hint(error));
        return false;
    }
    for (size_t i = 0; i < reader->shares->count; i++) {
        if (!vs_device_equal(reader->shares->items[i].device, *device))
            continue;
        vs_diag_add(reader->diags, VS_ERROR, place, "`%s` is named twice", quote(reader, part).text);
        vs_diag_hint(reader->diags, "name each device once, with the sum of its bytes");
        return false;
    }
    return true;
}

/* Reads the value of an entry into share->bytes and share->wildcard. */
static bool read_value(struct reader *reader, struct part part, struct vs_share *share)
{
    struct vs_place place = place_of(reader, part.start);
    struct vs_size size;
    size_t offset;
    if (memchr(reader->text + part.start, '*', part.length)) {
        for (size_t i = 0; i < reader->shares->count; i++) {
            if (!reader->shares->items[i].wildcard)
                continue;
            vs_diag_add(reader->diags, VS_ERROR, place, "two devices take the rest of the model: `%s` and `%s`",
                vs_device_format(reader->shares->items[i].device).text, vs_device_format(share->device).text);
            vs_diag_hint(reader->diags, "leave the `*` with one of them and give the other its bytes");
            return false;
        }
        share->wildcard = true;
        return true;
    }
    enum vs_size_error error = vs_size_parse(reader->text + part.start, part.length, &size, &offset);
    if (!reader->has_units && (error == VS_SIZE_OK || error == VS_SIZE_PART_OF_BYTE)) {
        vs_diag_add(reader->diags, VS_ERROR, place,
            "`%s` without a unit is a fraction of the device's memory; fractions are not supported yet, only bytes are",
            quote(reader, part).text);
        vs_diag_hint(reader->diags, "give each device its bytes with a unit, " EXAMPLE);
        return false;
    }
    if (error != VS_SIZE_OK) {
        vs_diag_add(reader->diags, VS_ERROR, place_of(reader, part.start + offset), "`%s` is no size: %s",
            quote(reader, part).text, vs_size_error_text(error));
        vs_diag_hint(reader->diags, "write a number with a unit (`600mb`, `8gb`), or `*` for the rest of the model");
        return false;
    }
    if (!size.has_unit && size.bytes && size.bytes < 1u << 20) {
        vs_diag_add(reader->diags, VS_WARNING, place, "`%s` has no unit and means %s bytes", quote(reader, part).text,
            quote(reader, part).text);
        vs_diag_hint(reader->diags, "write `%smb` if megabytes are meant", quote(reader, part).text);
    }
    share->bytes = size.bytes;
    return true;
}

static void read_entry(struct reader *reader, struct part entry)
{
    struct part device, value;
    struct vs_share share = {0};
    if (!cut_entry(reader->text, entry, &device, &value)) {
        vs_diag_add(reader->diags, VS_ERROR, place_of(reader, entry.start),
            "`%s` has no comma between device and bytes", quote(reader, entry).text);
        vs_diag_hint(reader->diags, "write `device,bytes`, " EXAMPLE);
        return;
    }
    if (!read_device(reader, device, &share.device))
        return;
    /* A share whose value is wrong is kept all the same: later entries are judged as if it were right. */
    read_value(reader, value, &share);
    if (reader->shares->count == VS_SHARES_MAX) {
        vs_diag_add(
            reader->diags, VS_ERROR, place_of(reader, entry.start), "more than %d devices are named", VS_SHARES_MAX);
        vs_diag_hint(reader->diags, "name the devices that matter; `cpu` takes the rest");
        return;
    }
    reader->shares->items[reader->shares->count++] = share;
}

/* Without a wildcard, what is left goes to cpu, beside the bytes that it may have been given. */
static void imply_wildcard(struct vs_shares *shares)
{
    const struct vs_device_id cpu = {.family = VS_DEVICE_CPU};
    struct vs_share *of_cpu = NULL;
    for (size_t i = 0; i < shares->count; i++) {
        if (shares->items[i].wildcard)
            return;
        if (vs_device_equal(shares->items[i].device, cpu))
            of_cpu = &shares->items[i];
    }
    if (!of_cpu) {
        of_cpu = &shares->items[shares->count++];
        *of_cpu = (struct vs_share){.device = cpu};
    }
    of_cpu->wildcard = true;
}

int vs_distorch_parse(const char *text, size_t length, struct vs_place place, bool exact, struct vs_shares *shares,
    struct vs_diags *diags)
{
    struct reader reader = {.text = text, .place = place, .exact = exact, .shares = shares, .diags = diags};
    size_t errors_before = diags->error_count;
    shares->count = 0;
    if (!find_form(&reader, length))
        return -1;
    bool empty = true;
    /* An error may keep an entry out of the list; counting errors keeps a hostile string from filling memory or time.
     */
    for (size_t at = 0; at < length && reader.diags->error_count < errors_before + VS_SHARES_MAX;) {
        struct part entry = next_entry(text, length, &at);
        if (!entry.length) /* as after the last `;`, which people leave there */
            continue;
        empty = false;
        read_entry(&reader, entry);
    }
    if (empty) {
        vs_diag_add(diags, VS_ERROR, place, "the allocation is empty");
        vs_diag_hint(diags, "give each device its bytes, " EXAMPLE);
    }
    if (diags->error_count != errors_before)
        return -1;
    imply_wildcard(shares);
    return 0;
}
