/*
 * Globs as sequences of items that each match one letter, or, `*`, any number of them. See glob.h.
 *
 * Letters are told apart as far as ASCII goes. What depends on the locale beyond that (classes, letters outside ASCII
 * in brackets) is kept as its text, and only covered by itself, `?` and `*`.
 */
#include "glob.h"

#include <fnmatch.h>
#include <stdint.h>
#include <string.h>

struct item {
    enum { STAR, SET, BYTE, OPAQUE } kind;
    uint64_t ascii[2];  /* SET: the ASCII letters that match */
    bool beyond;        /* SET: all letters outside ASCII match */
    unsigned char byte; /* BYTE: one byte of a letter outside ASCII */
    const char *text;   /* OPAQUE: the bracket */
    size_t length;
};

struct items {
    struct item list[VS_GLOB_BYTES_MAX];
    size_t count;
};

static void add_letter(struct item *item, unsigned char letter)
{
    item->ascii[letter / 64] |= UINT64_C(1) << letter % 64;
}

static bool has_letter(const struct item *item, unsigned char letter)
{
    return item->ascii[letter / 64] >> letter % 64 & 1;
}

static bool is_any(const struct item *item)
{
    return item->kind == SET && item->beyond && item->ascii[0] == ~UINT64_C(1) && item->ascii[1] == ~UINT64_C(0);
}

static const struct item any = {.kind = SET, .ascii = {~UINT64_C(1), ~UINT64_C(0)}, .beyond = true};

/* The bytes of the bracket that begins at `text`, 0 where it has no end. */
static size_t bracket_length(const char *text)
{
    size_t at = 1 + (text[1] == '!' || text[1] == '^');
    for (bool first = true; text[at] && (first || text[at] != ']'); first = false) {
        char kind = text[at + 1];
        if (text[at] == '[' && (kind == ':' || kind == '.' || kind == '=')) {
            const char *end = strstr(text + at + 2, (char[]){kind, ']', '\0'});
            at = end ? (size_t)(end - text) + 2 : at + 1;
        } else {
            at += text[at] == '\\' && text[at + 1] ? 2 : 1;
        }
    }
    return text[at] ? at + 1 : 0;
}

static struct item read_bracket(const char *text, size_t length)
{
    struct item item = {.kind = SET};
    bool negated = text[1] == '!' || text[1] == '^';
    for (size_t at = 1 + negated; at < length - 1;) {
        unsigned char ends[2];
        bool is_range = false;
        for (size_t end = 0; end < 1u + is_range; end++) {
            bool is_class = text[at] == '[' && strchr(":.=", text[at + 1]);
            at += text[at] == '\\' && at + 2 < length;
            ends[end] = (unsigned char)text[at++];
            if (is_class || ends[end] >= 0x80)
                return (struct item){.kind = OPAQUE, .text = text, .length = length};
            if (!end && text[at] == '-' && at + 2 < length) {
                is_range = true;
                at++;
            }
        }
        for (unsigned letter = ends[0]; letter <= ends[is_range]; letter++)
            add_letter(&item, (unsigned char)letter);
    }
    if (negated) {
        item.ascii[0] = ~item.ascii[0] & any.ascii[0];
        item.ascii[1] = ~item.ascii[1];
        item.beyond = true;
    }
    return item;
}

/* Reads the item that the text begins with; returns its bytes. */
static size_t read_item(const char *text, struct item *item)
{
    size_t length = text[0] == '[' ? bracket_length(text) : 0;
    if (length) {
        *item = read_bracket(text, length);
        return length;
    }
    if (text[0] == '?') {
        *item = any;
        return 1;
    }
    size_t escape = text[0] == '\\' && text[1];
    unsigned char letter = (unsigned char)text[escape];
    *item = (struct item){.kind = SET};
    if (text[0] == '*')
        item->kind = STAR;
    else if (letter >= 0x80)
        *item = (struct item){.kind = BYTE, .byte = letter};
    else
        add_letter(item, letter);
    return 1 + escape;
}

/* In a run of `*` and `?`, which mean the same in any order, the `?` come first and one `*` is left. */
static void read_items(const char *glob, struct items *items)
{
    bool in_star = false;
    items->count = 0;
    for (size_t at = 0; glob[at] && items->count < VS_GLOB_BYTES_MAX;) {
        struct item item;
        at += read_item(glob + at, &item);
        bool is_star = item.kind == STAR;
        if (is_star && in_star)
            continue;
        if (in_star && is_any(&item)) {
            items->list[items->count] = items->list[items->count - 1];
            items->list[items->count++ - 1] = item;
            continue;
        }
        items->list[items->count++] = item;
        in_star = is_star;
    }
}

bool vs_glob_matches(const char *glob, const char *text)
{
    return fnmatch(glob, text, 0) == 0;
}

static bool covers_item(const struct item *wider, const struct item *narrower)
{
    if (narrower->kind == STAR || wider->kind == STAR)
        return false;
    if (narrower->kind == OPAQUE)
        return is_any(wider) || (wider->kind == OPAQUE && wider->length == narrower->length &&
                                    !memcmp(wider->text, narrower->text, wider->length));
    if (narrower->kind == BYTE)
        return wider->kind == BYTE && wider->byte == narrower->byte;
    return wider->kind == SET && !(narrower->ascii[0] & ~wider->ascii[0]) && !(narrower->ascii[1] & ~wider->ascii[1]) &&
           (wider->beyond || !narrower->beyond);
}

/* The usual matching of a glob, with items instead of letters: a `*` that failed takes one item more. */
bool vs_glob_covers(const char *wider, const char *narrower, size_t *steps)
{
    struct items a, b;
    size_t cost = strlen(wider) + strlen(narrower);
    if (*steps < cost) {
        *steps = 0;
        return false;
    }
    *steps -= cost;
    read_items(wider, &a);
    read_items(narrower, &b);
    size_t i = 0, j = 0, star = SIZE_MAX, star_end = 0;
    while (j < b.count) {
        if (!*steps)
            return false;
        --*steps;
        if (i < a.count && a.list[i].kind == STAR) {
            star = i++;
            star_end = j;
        } else if (i < a.count && covers_item(&a.list[i], &b.list[j])) {
            i++;
            j++;
        } else if (star != SIZE_MAX) {
            i = star + 1;
            j = ++star_end;
        } else {
            return false;
        }
    }
    while (i < a.count && a.list[i].kind == STAR)
        i++;
    return i == a.count;
}

static bool item_takes(const struct item *item, char letter)
{
    bool is_lower = letter >= 'a' && letter <= 'z';
    return item->kind == OPAQUE || (item->kind == SET && (has_letter(item, (unsigned char)letter) ||
                                                             (is_lower && has_letter(item, letter - 'a' + 'A'))));
}

/* Walks back from the end: reach[k] tells whether the items behind the present one can be the suffix's last k letters.
 */
static bool can_end_in(const struct items *items, const char *suffix)
{
    enum { LONGEST = 31 };
    bool reach[LONGEST + 1] = {true};
    size_t length = strlen(suffix);
    for (size_t i = items->count; i-- > 0 && !reach[length];) {
        bool next[LONGEST + 1] = {false};
        for (size_t k = 0; k <= length; k++) {
            if (items->list[i].kind == STAR)
                next[k] = reach[k] || (k && next[k - 1]);
            else
                next[k] = k && reach[k - 1] && item_takes(&items->list[i], suffix[length - k]);
        }
        memcpy(reach, next, sizeof reach);
    }
    return reach[length];
}

bool vs_glob_can_end_in(const char *glob, const char *const *suffixes, size_t suffix_count)
{
    struct items items;
    read_items(glob, &items);
    for (size_t i = 0; i < suffix_count; i++)
        if (can_end_in(&items, suffixes[i]))
            return true;
    return false;
}

enum vs_glob_flaw vs_glob_flaw(const char *glob, size_t *offset)
{
    for (size_t at = 0; glob[at];) {
        struct item item;
        *offset = at;
        if (glob[at] == '[' && !bracket_length(glob + at))
            return VS_GLOB_UNCLOSED;
        if (glob[at] == '\\' && !glob[at + 1])
            return VS_GLOB_CUT_OFF;
        at += read_item(glob + at, &item);
        if (item.kind == SET && !item.ascii[0] && !item.ascii[1] && !item.beyond)
            return VS_GLOB_EMPTY_SET;
    }
    return VS_GLOB_SOUND;
}
