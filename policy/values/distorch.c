/*
 * DisTorch allocation strings. See distorch.h. One pass cuts the string into entries `device,value`; what form they are
 * in (bytes, ratio, fraction) depends on all of them, so it is found before any value is read.
 */
#include "distorch.h"

#include "../text/number.h"
#include "size.h"

#include <math.h>
#include <string.h>

#define EXAMPLE "for example \"cuda:0,600mb;cuda:1,500mb;cpu,*\""

static const struct vs_device_id cpu = {.family = VS_DEVICE_CPU};

struct reader {
    const char *text;
    struct vs_place place;
    bool exact;
    struct vs_distorch *allocation;
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

/* The part that begins at *at and ends before `separator`, without the blanks around it; moves *at behind it. */
static struct part next_part(const char *text, size_t length, char separator, size_t *at)
{
    const char *found = memchr(text + *at, separator, length - *at);
    size_t end = found ? (size_t)(found - text) : length;
    struct part part = trim(text, *at, end);
    *at = end + 1;
    return part;
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

static bool has(const char *text, struct part part, const char *characters)
{
    for (size_t i = part.start; i < part.start + part.length; i++)
        if (text[i] && strchr(characters, text[i]))
            return true;
    return false;
}

#define UNIT_LETTERS_DISTORCH2 "gmkbGMKB"
#define UNIT_LETTERS           UNIT_LETTERS_DISTORCH2 "tT"

/* DisTorch2 looks for a unit's letter in the whole string, and finds those of device names. */
static void warn_of_letters_in_names(struct reader *reader, size_t length)
{
    for (size_t at = 0; at < length;) {
        struct part entry = next_part(reader->text, length, ';', &at), device, value;
        if (!cut_entry(reader->text, entry, &device, &value) || !has(reader->text, device, UNIT_LETTERS_DISTORCH2))
            continue;
        vs_diag_add(reader->diags, VS_WARNING, place_of(reader, device.start),
            "DisTorch2 would have taken the string for bytes, since the name `%s` has a letter of a unit in it; here "
            "the values are %s",
            quote(reader, device).text,
            reader->allocation->form == VS_DISTORCH_RATIO ? "parts of the model" : "fractions of the devices' memory");
        return;
    }
}

/* Finds the form by the values: a unit in any of them, else a `%` in any of them. Wildcards alone are bytes. */
static void find_form(struct reader *reader, size_t length)
{
    bool units = false, parts = false, numbers = false;
    for (size_t at = 0; at < length;) {
        struct part entry = next_part(reader->text, length, ';', &at), device, value;
        if (!entry.length || !cut_entry(reader->text, entry, &device, &value))
            continue;
        units |= has(reader->text, value, UNIT_LETTERS);
        parts |= has(reader->text, value, "%");
        numbers |= !has(reader->text, value, "*");
    }
    reader->allocation->form = units || !numbers ? VS_DISTORCH_BYTES : parts ? VS_DISTORCH_RATIO : VS_DISTORCH_FRACTION;
    if (reader->allocation->form != VS_DISTORCH_BYTES)
        warn_of_letters_in_names(reader, length);
}

/* Reads a device name that is new in this list. */
static bool read_device(struct reader *reader, struct part part, struct vs_device_id *device)
{
    struct vs_place place = place_of(reader, part.start);
    if (!part.length) {
        vs_diag_add(reader->diags, VS_ERROR, place, "a device name is missing here");
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
    for (size_t i = 0; i < reader->allocation->count; i++) {
        if (!vs_device_equal(reader->allocation->shares[i].device, *device))
            continue;
        vs_diag_add(reader->diags, VS_ERROR, place, "`%s` is named twice", quote(reader, part).text);
        vs_diag_hint(reader->diags, "name each device once, with the sum of its bytes");
        return false;
    }
    return true;
}

static void read_wildcard(struct reader *reader, struct part part, struct vs_distorch_share *share)
{
    struct vs_place place = place_of(reader, part.start);
    if (reader->allocation->form != VS_DISTORCH_BYTES) {
        vs_diag_add(reader->diags, VS_ERROR, place, "a `*` takes the rest of bytes; it cannot stand beside %s",
            reader->allocation->form == VS_DISTORCH_RATIO ? "parts (`%`)" : "fractions");
        vs_diag_hint(reader->diags, "give every device its number, or all of them bytes, " EXAMPLE);
        return;
    }
    for (size_t i = 0; i < reader->allocation->count; i++) {
        if (!reader->allocation->shares[i].wildcard)
            continue;
        vs_diag_add(reader->diags, VS_ERROR, place, "two devices take the rest of the model: `%s` and `%s`",
            vs_device_format(reader->allocation->shares[i].device).text, vs_device_format(share->device).text);
        vs_diag_hint(reader->diags, "leave the `*` with one of them and give the other its bytes");
        return;
    }
    share->wildcard = true;
}

/* A number alone, as DisTorch2 reads it where the string is not in bytes; of a ratio the `%` is for people. */
static void read_number(struct reader *reader, struct part part, struct vs_distorch_share *share)
{
    bool ratio = reader->allocation->form == VS_DISTORCH_RATIO;
    struct part digits = part;
    if (ratio && part.length && reader->text[part.start + part.length - 1] == '%')
        digits = trim(reader->text, part.start, part.start + part.length - 1);
    if (!vs_number_parse(reader->text + digits.start, digits.length, &share->amount)) {
        vs_diag_add(reader->diags, VS_ERROR, place_of(reader, part.start), "`%s` is no number%s",
            quote(reader, part).text, ratio ? ", which a part of the model is" : ", nor a size");
        vs_diag_hint(reader->diags, ratio ? "write the device's part: `cuda:0,40%%`"
                                          : "write bytes with a unit (`600mb`, `8gb`), parts of the model (`40%%`), or "
                                            "fractions of the device's memory "
                                            "(`0.25`)");
    } else if (!ratio && share->amount > 1) {
        vs_diag_add(reader->diags, VS_WARNING, place_of(reader, part.start),
            "`%s` means %s times the whole memory of `%s`", quote(reader, part).text, quote(reader, part).text,
            vs_device_format(share->device).text);
        vs_diag_hint(reader->diags, "write `%sgb` if gigabytes are meant", quote(reader, part).text);
    }
}

/* The number before the unit with the digits that a double keeps, and the unit's first letter (NUL without one). */
static double exact_bytes(const char *text, size_t length, char *letter)
{
    static const char letters[] = "bkmgt";
    double number = 0;
    size_t digits = 0, unit;
    while (digits < length && strchr("0123456789.", text[digits]))
        digits++;
    for (unit = digits; unit < length && is_blank(text[unit]); unit++)
        ;
    vs_number_parse(text, digits, &number); /* what vs_size_parse has read, or 0 for hundreds of digits */
    *letter = unit < length ? (char)(text[unit] | ('a' - 'A')) : '\0';
    return ldexp(number, *letter ? 10 * (int)(strchr(letters, *letter) - letters) : 0);
}

/* DisTorch2 reads a number and the first letter behind it; where it would read another number, a warning says so. */
static void read_bytes(struct reader *reader, struct part part, struct vs_distorch_share *share)
{
    struct vs_place place = place_of(reader, part.start);
    struct part number = part;
    struct vs_size size;
    size_t offset;
    char letter;
    if (part.length && reader->text[part.start + part.length - 1] == '%')
        number = trim(reader->text, part.start, part.start + part.length - 1);
    enum vs_size_error error = vs_size_parse(reader->text + number.start, number.length, &size, &offset);
    if (error != VS_SIZE_OK) {
        vs_diag_add(reader->diags, VS_ERROR, place_of(reader, part.start + offset), "`%s` is no size: %s",
            quote(reader, part).text, vs_size_error_text(error));
        vs_diag_hint(reader->diags, "write a number with a unit (`600mb`, `8gb`), or `*` for the rest of the model");
        return;
    }
    share->amount = exact_bytes(reader->text + number.start, number.length, &letter);
    if (number.length != part.length) {
        vs_diag_add(reader->diags, VS_WARNING, place, "`%s` beside bytes means %.0f bytes, as in DisTorch2",
            quote(reader, part).text, share->amount);
        vs_diag_hint(reader->diags, "give all devices bytes, or all of them parts");
    } else if (letter == 't') {
        vs_diag_add(reader->diags, VS_WARNING, place, "DisTorch2 would have taken `%s` for that many bytes",
            quote(reader, part).text);
        vs_diag_hint(reader->diags, "it knows gb, mb and kb: write `%.0fgb`", ldexp(share->amount, -30));
    } else if (!size.has_unit && size.bytes && size.bytes < 1u << 20) {
        vs_diag_add(reader->diags, VS_WARNING, place, "`%s` has no unit and means %s bytes", quote(reader, part).text,
            quote(reader, part).text);
        vs_diag_hint(reader->diags, "write `%smb` if megabytes are meant", quote(reader, part).text);
    }
}

/* False where the list is full; an error is added. */
static bool add_share(struct reader *reader, struct part part, struct vs_distorch_share share)
{
    if (reader->allocation->count < VS_SHARES_MAX) {
        reader->allocation->shares[reader->allocation->count++] = share;
        return true;
    }
    vs_diag_add(reader->diags, VS_ERROR, place_of(reader, part.start), "more than %d devices are named", VS_SHARES_MAX);
    vs_diag_hint(reader->diags, "name the devices that matter; `cpu` takes the rest");
    return false;
}

static void read_entry(struct reader *reader, struct part entry)
{
    struct part device, value;
    struct vs_distorch_share share = {0};
    if (!cut_entry(reader->text, entry, &device, &value)) {
        vs_diag_add(reader->diags, VS_ERROR, place_of(reader, entry.start),
            "`%s` has no comma between device and bytes", quote(reader, entry).text);
        vs_diag_hint(reader->diags, "write `device,bytes`, " EXAMPLE);
        return;
    }
    if (!read_device(reader, device, &share.device))
        return;
    /* A share whose value is wrong is kept all the same: later entries are judged as if it were right. */
    if (memchr(reader->text + value.start, '*', value.length))
        read_wildcard(reader, value, &share);
    else if (reader->allocation->form == VS_DISTORCH_BYTES)
        read_bytes(reader, value, &share);
    else
        read_number(reader, value, &share);
    add_share(reader, entry, share);
}

/* Without a wildcard, what is left goes to cpu, beside the bytes that it may have been given. */
static void imply_wildcard(struct vs_distorch *allocation)
{
    struct vs_distorch_share *of_cpu = NULL;
    for (size_t i = 0; i < allocation->count; i++) {
        if (allocation->shares[i].wildcard)
            return;
        if (vs_device_equal(allocation->shares[i].device, cpu))
            of_cpu = &allocation->shares[i];
    }
    if (!of_cpu) {
        of_cpu = &allocation->shares[allocation->count++];
        *of_cpu = (struct vs_distorch_share){.device = cpu};
    }
    of_cpu->wildcard = true;
}

static void check_parts(struct reader *reader)
{
    double sum = 0;
    for (size_t i = 0; i < reader->allocation->count; i++)
        sum += reader->allocation->shares[i].amount;
    if (sum > 0)
        return;
    vs_diag_add(reader->diags, VS_ERROR, reader->place, "no device has a part of the model");
    vs_diag_hint(reader->diags, "give at least one device a part: \"cuda:0,40%%;cpu,60%%\"");
}

/* Reads the entries before a `#`; false where there are none. */
static bool read_entries(struct reader *reader, size_t length)
{
    size_t errors_before = reader->diags->error_count;
    bool any = false;
    find_form(reader, length);
    /* Counting errors keeps a hostile string, of which entries miss the list, from filling memory or time. */
    for (size_t at = 0; at < length && reader->diags->error_count < errors_before + VS_SHARES_MAX;) {
        struct part entry = next_part(reader->text, length, ';', &at);
        any |= entry.length > 0; /* none as after the last `;`, which people leave there */
        if (entry.length)
            read_entry(reader, entry);
    }
    if (!any || reader->diags->error_count != errors_before)
        return any;
    if (reader->allocation->form == VS_DISTORCH_RATIO)
        check_parts(reader);
    if (reader->allocation->form == VS_DISTORCH_BYTES)
        imply_wildcard(reader->allocation);
    return any;
}

/* Who computes does not lend; an error is added. */
static bool is_compute(struct reader *reader, struct part part, struct vs_device_id device)
{
    if (!reader->allocation->has_compute || !vs_device_equal(device, reader->allocation->compute))
        return false;
    vs_diag_add(reader->diags, VS_ERROR, place_of(reader, part.start), "`%s` is named as compute device and as donor",
        vs_device_format(device).text);
    vs_diag_hint(reader->diags, "take it out of the donors: what the compute device has is used anyway");
    return true;
}

/* Reads what stands behind a `#`: `compute;virtual VRAM in gigabytes;donor,donor`, or the compute device alone. */
static void read_virtual(struct reader *reader, size_t at, size_t length, bool has_entries)
{
    struct vs_distorch *allocation = reader->allocation;
    struct vs_distorch expert = *allocation;
    size_t compute_at = at;
    struct part compute = next_part(reader->text, length, ';', &at);
    *allocation = (struct vs_distorch){.form = VS_DISTORCH_VIRTUAL};
    if (compute.length)
        expert.has_compute = allocation->has_compute = read_device(reader, compute, &allocation->compute);
    expert.compute = allocation->compute;
    if (at > length && !has_entries) {
        vs_diag_add(reader->diags, VS_ERROR, place_of(reader, compute_at < length ? compute.start : length),
            "neither an allocation nor virtual VRAM is given");
        vs_diag_hint(reader->diags, "write `#compute device;gigabytes;donors`, for example \"#cuda:0;4.0;cpu\"");
        return;
    }
    if (at <= length) {
        struct part number = next_part(reader->text, length, ';', &at);
        if (!vs_number_parse(reader->text + number.start, number.length, &allocation->virtual_gb)) {
            vs_diag_add(reader->diags, VS_ERROR, place_of(reader, number.start), "`%s` is no number of gigabytes",
                quote(reader, number).text);
            vs_diag_hint(reader->diags, "write a plain number, for example \"#cuda:0;4.0;cpu\"");
        }
    }
    size_t errors_before = reader->diags->error_count;
    while (at < length && reader->diags->error_count < errors_before + VS_SHARES_MAX) {
        struct part donor = next_part(reader->text, length, ',', &at);
        struct vs_distorch_share share = {.amount = INFINITY};
        if ((donor.length || at <= length) && read_device(reader, donor, &share.device) &&
            (has_entries || !is_compute(reader, donor, share.device)))
            add_share(reader, donor, share);
    }
    if (has_entries) /* the allocation wins */
        *allocation = expert;
    else if (!allocation->count)
        vs_distorch_lend(allocation, cpu, INFINITY);
}

int vs_distorch_read(const char *text, size_t length, struct vs_place place, bool exact, struct vs_distorch *allocation,
    struct vs_diags *diags)
{
    struct reader reader = {.text = text, .place = place, .exact = exact, .allocation = allocation, .diags = diags};
    size_t errors_before = diags->error_count;
    *allocation = (struct vs_distorch){.form = VS_DISTORCH_BYTES};
    const char *hash = memchr(text, '#', length);
    size_t entries_end = hash ? (size_t)(hash - text) : length;
    bool any = read_entries(&reader, entries_end);
    if (hash) {
        read_virtual(&reader, entries_end + 1, length, any);
    } else if (!any) {
        vs_diag_add(diags, VS_ERROR, place, "the allocation is empty");
        vs_diag_hint(diags, "give each device its bytes, " EXAMPLE);
    }
    return diags->error_count == errors_before ? 0 : -1;
}

struct vs_distorch vs_distorch_virtual(double virtual_gb)
{
    return (struct vs_distorch){.form = VS_DISTORCH_VIRTUAL, .virtual_gb = virtual_gb};
}

bool vs_distorch_lend(struct vs_distorch *allocation, struct vs_device_id donor, double most_bytes)
{
    if (allocation->count == VS_SHARES_MAX)
        return false;
    allocation->shares[allocation->count++] = (struct vs_distorch_share){.device = donor, .amount = most_bytes};
    return true;
}
