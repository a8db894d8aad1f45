/*
 * The tables of cards and links. See hardware.h.
 */
#include "hardware.h"

#include "../text/number.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define GB           (UINT64_C(1) << 30)

/* PCI Express, usable in one direction: about four fifths of what the lanes carry. */
static const struct vs_link links[] = {
    {"pcie3-x8", 6.2e9},
    {"pcie3-x16", 12e9},
    {"pcie4-x8", 12.5e9},
    {"pcie4-x16", 25e9},
    {"pcie5-x16", 50e9},
};

/* Of each size of memory the cards that are common today: the 24 GB class is of 2022, the 32 GB class of 2025. */
static const struct vs_card cards[] = {
    {"8gb", 8 * GB, 35e12, "pcie4-x8"},
    {"12gb", 12 * GB, 48e12, "pcie4-x16"},
    {"16gb", 16 * GB, 60e12, "pcie4-x8"},
    {"24gb", 24 * GB, 150e12, "pcie4-x16"},
    {"32gb", 32 * GB, 200e12, "pcie5-x16"},
};

const struct vs_card *vs_card_of_memory(uint64_t memory_bytes)
{
    /* A card reports somewhat less than it is sold with, and 10 GB cards are nearer to the 8 GB class than to none. */
    const struct vs_card *found = NULL;
    for (size_t i = 0; i < COUNT(cards); i++)
        if (memory_bytes >= cards[i].memory_bytes / 16 * 15)
            found = &cards[i];
    const struct vs_card *largest = &cards[COUNT(cards) - 1];
    return found == largest && memory_bytes > largest->memory_bytes / 16 * 17 ? NULL : found;
}

static bool is_name(struct vs_word word, const char *name)
{
    return strlen(name) == word.length && !memcmp(name, word.text, word.length);
}

/* No name fits; says so, with all of them. */
static void refuse(struct vs_word word, const char *const *names, size_t count, const char *what, const char *more,
    struct vs_diags *diags)
{
    struct vs_text hint = {0};
    for (size_t i = 0; i < count; i++)
        vs_text_printf(&hint, "%s`%s`", i ? ", " : "known: ", names[i]);
    vs_text_printf(&hint, "%s", more);
    vs_read_choice(word, names, count, what, hint.failed ? "see vramspan-plan(1)" : hint.data, diags);
    vs_text_free(&hint);
}

const struct vs_card *vs_read_card(struct vs_word word, struct vs_diags *diags)
{
    const char *names[COUNT(cards)];
    for (size_t i = 0; i < COUNT(cards); i++) {
        names[i] = cards[i].name;
        if (is_name(word, names[i]))
            return &cards[i];
    }
    refuse(word, names, COUNT(names), "class of cards", "", diags);
    return NULL;
}

const struct vs_link *vs_link_named(const char *name)
{
    size_t i = 0;
    while (strcmp(links[i].name, name) != 0)
        i++;
    return &links[i];
}

double vs_read_link(struct vs_word word, struct vs_diags *diags)
{
    static const char rate[] = "gb/s";
    const size_t rate_length = sizeof rate - 1;
    const char *names[COUNT(links)];
    double number;
    if (word.length > rate_length && !strncasecmp(word.text + word.length - rate_length, rate, rate_length)) {
        struct vs_word digits = vs_word_part(word, 0, word.length - rate_length);
        if (vs_number_parse(digits.text, digits.length, &number) && number >= 0.001 && number <= 10000)
            return number * 1e9;
    }
    for (size_t i = 0; i < COUNT(links); i++) {
        names[i] = links[i].name;
        if (is_name(word, names[i]))
            return links[i].bytes_per_second;
    }
    refuse(word, names, COUNT(names), "link", ", or a rate like `25gb/s`", diags);
    return 0;
}
