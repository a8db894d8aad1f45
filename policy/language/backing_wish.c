/*
 * See backing_wish.h.
 */
#include "backing_wish.h"

#include "../text/suggest.h"

#include <string.h>

#define HINT                                                                                                           \
    "name them in order (`vmm,pinned`), or what is not to be used behind a `-` (`-vmm:peer`); places are local, peer " \
    "and host"

static const char *const kind_names[] = {[VS_BACKING_VMM] = "vmm", [VS_BACKING_PINNED] = "pinned"};
static const char *const place_names[] = {
    [VS_PLACE_LOCAL] = "local", [VS_PLACE_PEER] = "peer", [VS_PLACE_HOST] = "host"};

/* What each can serve at all. */
static const bool serves[VS_BACKING_KINDS][VS_BACKING_PLACES] = {
    [VS_BACKING_VMM] = {true, true, true},
    [VS_BACKING_PINNED] = {[VS_PLACE_HOST] = true},
};

const char *vs_backing_kind_name(enum vs_backing_kind kind)
{
    return kind_names[kind];
}

const char *vs_backing_place_name(enum vs_backing_place place)
{
    return place_names[place];
}

void vs_backing_wish_usual(struct vs_backing_wish *wish)
{
    *wish = (struct vs_backing_wish){0};
    for (int kind = 0; kind < VS_BACKING_KINDS; kind++)
        for (int place = 0; place < VS_BACKING_PLACES; place++)
            if (serves[kind][place])
                wish->places[place].kinds[wish->places[place].count++] = (enum vs_backing_kind)kind;
}

/* --- Entries ------------------------------------------------------------------------------------------------------ */

struct entry {
    struct vs_word word; /* as it was written */
    bool forbids;
    int kind;
    int place; /* -1: all that the backing can serve */
};

enum { MOST_ENTRIES = 2 * VS_BACKING_KINDS * (VS_BACKING_PLACES + 1) }; /* more repeat something */

static int refuse(struct vs_word word, const char *what, const char *const *names, size_t count, struct vs_diags *diags)
{
    const char *near = vs_suggest(word.text, word.length, names, count);
    vs_diag_add(diags, VS_ERROR, word.place, "`%s` is no %s", vs_quote(word.text, word.length).text, what);
    if (near)
        vs_diag_hint(diags, "did you mean `%s`?", near);
    else
        vs_diag_hint(diags, HINT);
    return -1;
}

static int find(struct vs_word word, const char *what, const char *const *names, size_t count, struct vs_diags *diags)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == word.length && memcmp(names[i], word.text, word.length) == 0)
            return (int)i;
    return refuse(word, what, names, count, diags);
}

static bool read_entry(struct vs_word word, struct entry *entry, struct vs_diags *diags)
{
    *entry = (struct entry){.word = word, .place = -1};
    if (!word.length) {
        vs_diag_add(diags, VS_ERROR, word.place, "a backing is missing here");
        vs_diag_hint(diags, HINT);
        return false;
    }
    entry->forbids = word.text[0] == '-';
    const char *colon = memchr(word.text, ':', word.length);
    size_t end = colon ? (size_t)(colon - word.text) : word.length;
    entry->kind = find(vs_word_part(word, entry->forbids, end), "backing", kind_names, VS_BACKING_KINDS, diags);
    if (entry->kind < 0)
        return false;
    if (!colon)
        return true;
    entry->place =
        find(vs_word_part(word, end + 1, word.length), "place of a backing", place_names, VS_BACKING_PLACES, diags);
    if (entry->place < 0)
        return false;
    if (serves[entry->kind][entry->place])
        return true;
    vs_diag_add(diags, VS_ERROR, word.place, "`%s` cannot serve `%s`: it is memory of the host",
        kind_names[entry->kind], place_names[entry->place]);
    vs_diag_hint(diags, "write `pinned`, or `vmm:%s`", place_names[entry->place]);
    return false;
}

/* Whether an earlier entry says the same, or the contrary. */
static bool is_new(const struct entry *entries, size_t count, const struct entry *entry, struct vs_diags *diags)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i].kind != entry->kind || entries[i].place != entry->place)
            continue;
        bool contrary = entries[i].forbids != entry->forbids;
        vs_diag_add(diags, VS_ERROR, entry->word.place,
            contrary ? "`%s` contradicts what stands before it" : "`%s` is named twice",
            vs_quote(entry->word.text, entry->word.length).text);
        vs_diag_hint(diags, "leave one of the two out");
        return false;
    }
    return true;
}

static size_t read_entries(struct vs_word list, struct entry entries[MOST_ENTRIES], struct vs_diags *diags)
{
    size_t count = 0;
    for (size_t at = 0; at <= list.length && count < MOST_ENTRIES;) {
        const char *comma = memchr(list.text + at, ',', list.length - at);
        size_t end = comma ? (size_t)(comma - list.text) : list.length;
        if (!read_entry(vs_word_part(list, at, end), &entries[count], diags) ||
            !is_new(entries, count, &entries[count], diags))
            return 0;
        count++;
        at = end + 1;
    }
    return count;
}

/* --- Working them in ---------------------------------------------------------------------------------------------- */

static void apply_at(const struct entry *entry, int place, struct vs_backing_wish *wish)
{
    unsigned *count = &wish->places[place].count, at = 0;
    enum vs_backing_kind *kinds = wish->places[place].kinds;
    while (at < *count && (int)kinds[at] != entry->kind)
        at++;
    if (!entry->forbids && at == *count)
        kinds[(*count)++] = (enum vs_backing_kind)entry->kind;
    if (!entry->forbids || at == *count)
        return;
    (*count)--;
    memmove(kinds + at, kinds + at + 1, (*count - at) * sizeof *kinds);
}

static void apply(const struct entry *entries, size_t count, bool forbids, struct vs_backing_wish *wish)
{
    for (size_t i = 0; i < count; i++)
        for (int place = 0; place < VS_BACKING_PLACES; place++)
            if (entries[i].forbids == forbids && serves[entries[i].kind][place] &&
                (entries[i].place < 0 || entries[i].place == place))
                apply_at(&entries[i], place, wish);
}

bool vs_read_backing_wish(struct vs_word word, struct vs_backing_wish *wish, struct vs_diags *diags)
{
    struct entry entries[MOST_ENTRIES];
    size_t count = read_entries(word, entries, diags);
    unsigned left = 0;
    if (count == 0)
        return false;
    vs_backing_wish_usual(wish);
    for (size_t i = 0; i < count; i++)
        if (!entries[i].forbids)
            *wish = (struct vs_backing_wish){0}; /* only what is named */
    apply(entries, count, false, wish);
    apply(entries, count, true, wish);
    for (int place = 0; place < VS_BACKING_PLACES; place++)
        left += wish->places[place].count;
    if (left > 0)
        return true;
    vs_diag_add(diags, VS_ERROR, word.place, "this leaves nothing that could provide memory");
    vs_diag_hint(diags, HINT);
    return false;
}
