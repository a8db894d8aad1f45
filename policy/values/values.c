/*
 * Readers of single words. See values.h.
 */
#include "values.h"

#include "../text/suggest.h"
#include "../text/text.h"

#include <string.h>

#define COMPUTE       "compute"
#define SMALLEST_SIZE (UINT64_C(1) << 20) /* a number below it without a unit was hardly meant in bytes */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct vs_word vs_word_part(struct vs_word word, size_t start, size_t end)
{
    while (start < end && is_blank(word.text[start]))
        start++;
    while (end > start && is_blank(word.text[end - 1]))
        end--;
    if (word.exact)
        word.place = vs_place_advance(word.place, word.text, start);
    word.text += start;
    word.length = end - start;
    return word;
}

static struct vs_quoted shown(struct vs_word word)
{
    return vs_quote(word.text, word.length);
}

static bool refuse_size(
    struct vs_word word, enum vs_size_error error, size_t offset, bool may_be_part, struct vs_diags *diags)
{
    struct vs_place place = word.exact ? vs_place_advance(word.place, word.text, offset) : word.place;
    if (error == VS_SIZE_EMPTY)
        vs_diag_add(diags, VS_ERROR, place, "a size is expected here, and nothing is written");
    else
        vs_diag_add(diags, VS_ERROR, place, "`%s` is no size: %s", shown(word).text, vs_size_error_text(error));
    if (error == VS_SIZE_PART_OF_BYTE)
        vs_diag_hint(diags, "write `%sgb` if gigabytes are meant", vs_quote(word.text, offset).text);
    else
        vs_diag_hint(diags, may_be_part ? "write a number with a unit (`8gb`, `500mb`), or a part of the model (`40%%`)"
                                        : "write a number with a unit: `8gb`, `500mb`");
    return false;
}

static void warn_of_few_bytes(struct vs_word word, const struct vs_size *size, struct vs_diags *diags)
{
    if (size->has_unit || !size->bytes || size->bytes >= SMALLEST_SIZE)
        return;
    vs_diag_add(
        diags, VS_WARNING, word.place, "`%s` has no unit and means %s bytes", shown(word).text, shown(word).text);
    vs_diag_hint(diags, "write `%s%s` if %s are meant", shown(word).text, size->bytes < 512 ? "gb" : "mb",
        size->bytes < 512 ? "gigabytes" : "megabytes");
}

bool vs_read_size(struct vs_word word, uint64_t *bytes, struct vs_diags *diags)
{
    struct vs_size size;
    size_t offset;
    enum vs_size_error error = vs_size_parse(word.text, word.length, &size, &offset);
    if (error != VS_SIZE_OK)
        return refuse_size(word, error, offset, false, diags);
    warn_of_few_bytes(word, &size, diags);
    *bytes = size.bytes;
    return true;
}

bool vs_read_amount(struct vs_word word, struct vs_amount *amount, struct vs_diags *diags)
{
    size_t offset;
    enum vs_size_error error = vs_amount_parse(word.text, word.length, amount, &offset);
    if (error != VS_SIZE_OK)
        return refuse_size(word, error, offset, true, diags);
    if (!amount->is_part)
        warn_of_few_bytes(word, &amount->size, diags);
    return true;
}

/* Gives the diagnostic of a word that is no device its hint: what was probably meant, else `hint`. */
static void hint_at_device(struct vs_word word, bool may_be_compute, const char *hint, struct vs_diags *diags)
{
    static const char *const compute[] = {COMPUTE};
    struct vs_device_id device;
    if (may_be_compute && vs_suggest(word.text, word.length, compute, 1))
        vs_diag_hint(diags, "did you mean `%s`?", COMPUTE);
    else if (vs_device_suggest(word.text, word.length, &device))
        vs_diag_hint(diags, "did you mean `%s`?", vs_device_format(device).text);
    else
        vs_diag_hint(diags, "%s", hint);
}

/* Says why a word is no device that can do what `role` says ("cannot lend memory"). */
static void refuse_device(struct vs_word word, enum vs_device_error error, const char *role, bool may_be_compute,
    const char *hint, struct vs_diags *diags)
{
    const char *what = vs_device_family_what(word.text, word.length);
    vs_diag_add(diags, VS_ERROR, word.place, "`%s`%s%s%s %s: %s", shown(word).text, what ? " (" : "", what ? what : "",
        what ? ")" : "", role, vs_device_error_text(error));
    hint_at_device(word, may_be_compute, hint, diags);
}

bool vs_read_compute(struct vs_word word, struct vs_device_id *device, struct vs_diags *diags)
{
    static const char role[] = "cannot be the compute device",
                      hint[] = "name the GPU that the program computes on, like `cuda:0`";
    struct vs_device_id read;
    enum vs_device_error error = vs_device_parse(word.text, word.length, &read);
    if (error != VS_DEVICE_OK) {
        refuse_device(word, error, role, false, hint, diags);
        return false;
    }
    if (read.family != VS_DEVICE_CUDA) {
        vs_diag_add(diags, VS_ERROR, word.place, "`%s` %s: it is no GPU", shown(word).text, role);
        vs_diag_hint(diags, "%s", hint);
        return false;
    }
    *device = read;
    return true;
}

/* Where the limit of a donor begins, behind its colon: of `cpu:48gb` at the 4, of `cuda:1:20gb` at the 2; the length
 * where there is none. */
static size_t limit_of(struct vs_word word)
{
    const char *colon = memchr(word.text, ':', word.length);
    if (!colon)
        return word.length;
    size_t at = (size_t)(colon - word.text) + 1, end = at;
    while (end < word.length && word.text[end] >= '0' && word.text[end] <= '9')
        end++;
    bool is_mistyped = !vs_device_family_known(word.text, at - 1) && (end == word.length || word.text[end] == ':');
    if (vs_device_family_counts(word.text, at - 1) || is_mistyped) {
        colon = memchr(word.text + at, ':', word.length - at);
        at = colon ? (size_t)(colon - word.text) + 1 : word.length;
    }
    return at;
}

/* Several devices in one word, as the other place has them: an error is added. In a file commas stand within the word,
 * where VRAMSPAN_DONORS was cut at them; `;` is what DisTorch2's strings have. */
static bool is_list(struct vs_word word, struct vs_diags *diags)
{
    struct vs_text names = {0};
    bool has_comma = false;
    for (size_t at = 0, end; at <= word.length; at = end + 1) {
        for (end = at; end < word.length && word.text[end] != ',' && word.text[end] != ';'; end++)
            ;
        has_comma |= end < word.length && word.text[end] == ',';
        struct vs_word part = vs_word_part((struct vs_word){.text = word.text, .length = word.length}, at, end);
        if ((!at && end == word.length) || !vs_device_family_known(part.text, part.length)) {
            vs_text_free(&names);
            return false;
        }
        vs_text_printf(&names, "%s%s", at ? ", " : "", shown(part).text);
    }
    vs_diag_add(diags, VS_ERROR, word.place, "`%s` are several devices in one word", shown(word).text);
    vs_diag_hint(diags,
        has_comma ? "write a list: `donors: [%s]`" : "put commas between them: `%s` (in a file: `donors: [%s]`)",
        names.data ? names.data : "", names.data ? names.data : "");
    vs_text_free(&names);
    return true;
}

bool vs_read_donor(struct vs_word word, struct vs_donor *donor, struct vs_diags *diags)
{
    if (is_list(word, diags))
        return false;
    struct vs_donor read = {.at = vs_said_at(word.place)};
    size_t limit = limit_of(word);
    struct vs_word name = vs_word_part(word, 0, limit == word.length ? limit : limit - 1);
    if (name.length && name.length == word.length && word.text[word.length - 1] == ':')
        name.length--;
    enum vs_device_error error = vs_device_parse(name.text, name.length, &read.device);
    if (error != VS_DEVICE_OK) {
        refuse_device(name, error, "cannot lend memory", false, vs_device_error_hint(error), diags);
        return false;
    }
    if (limit < word.length || word.text[word.length - 1] == ':') {
        read.is_limited = true;
        if (!vs_read_size(vs_word_part(word, limit, word.length), &read.limit_bytes, diags))
            return false;
    }
    *donor = read;
    return true;
}

bool vs_read_target(struct vs_word word, bool cpu_for_unknown, struct vs_target *target, struct vs_diags *diags)
{
    struct vs_target read = {0};
    if (word.length == sizeof COMPUTE - 1 && !memcmp(word.text, COMPUTE, word.length)) {
        *target = (struct vs_target){.is_compute = true};
        return true;
    }
    enum vs_device_error error = vs_device_parse(word.text, word.length, &read.device);
    if (error == VS_DEVICE_OK) {
        *target = read;
        return true;
    }
    if (!cpu_for_unknown) {
        refuse_device(
            word, error, "cannot hold weights", error == VS_DEVICE_UNKNOWN, vs_device_error_hint(error), diags);
        return false;
    }
    vs_diag_add(diags, VS_WARNING, word.place, "`%s` cannot hold weights: %s; the text encoder goes to `cpu`",
        shown(word).text, vs_device_error_text(error));
    hint_at_device(word, error == VS_DEVICE_UNKNOWN, "write `cpu`, or a device that this machine has", diags);
    *target = (struct vs_target){.device = {.family = VS_DEVICE_CPU}};
    return true;
}

int vs_read_choice(struct vs_word word, const char *const *names, size_t count, const char *what, const char *hint,
    struct vs_diags *diags)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == word.length && !memcmp(names[i], word.text, word.length))
            return (int)i;
    vs_diag_add(diags, VS_ERROR, word.place, "`%s` is no %s", shown(word).text, what);
    const char *meant = vs_suggest(word.text, word.length, names, count);
    vs_diag_hint(diags, meant ? "did you mean `%s`?" : "%s", meant ? meant : hint);
    return -1;
}
