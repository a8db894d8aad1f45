/* pattern.c: see pattern.h. */
#include "pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const noise[] = {
    "at::native::", "(anonymous namespace)::", "binary_internal::", "at::", "c10::", "memory::", "detail::"};

static bool is_name_character(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* How much of the text at `at` is left out. */
static size_t noise_length(const char *start, const char *at)
{
    if (at > start && is_name_character(at[-1]))
        return 0;
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
        if (strncmp(at, noise[i], strlen(noise[i])) == 0)
            return strlen(noise[i]);
    return 0;
}

char *sim_pattern_shorten(const char *demangled)
{
    char *shortened = malloc(strlen(demangled) + 1), *out = shortened;

    if (shortened == NULL)
        return NULL;
    for (const char *at = demangled; *at != '\0';) {
        size_t skipped = noise_length(demangled, at);
        if (skipped > 0) {
            at += skipped;
        } else if (isdigit((unsigned char)*at) && (at == demangled || !is_name_character(at[-1]))) {
            while (isdigit((unsigned char)*at))
                *out++ = *at++;
            skipped = strspn(at, "ul");
            if (!is_name_character(at[skipped]))
                at += skipped;
        } else if (at[0] == ' ' && at[1] == '>' && out > shortened && out[-1] == '>') {
            at++;
        } else {
            *out++ = *at++;
        }
    }
    *out = '\0';
    return shortened;
}

static int depth_change(const char *start, const char *at)
{
    if (strchr("<([{", *at) != NULL)
        return 1;
    if (*at == '>' && at > start && at[-1] == '-')
        return 0; /* "->" */
    return strchr(">)]}", *at) != NULL ? -1 : 0;
}

static bool match(const char *pattern, const char *text, const char *end, struct sim_holes *holes);

static bool match_functor(const char *pattern, const char *text, const char *end, struct sim_holes *holes)
{
    int depth = 0;

    for (const char *at = text; at < end; at++) {
        depth += depth_change(text, at);
        if (depth < 0)
            return false;
        if (depth == 0 && match(pattern + 1, at + 1, end, holes)) {
            holes->functor = text;
            holes->functor_length = (size_t)(at + 1 - text);
            return true;
        }
    }
    return false;
}

static bool match_type(const char *pattern, const char *text, const char *end, struct sim_holes *holes)
{
    size_t length;
    enum sim_type type = sim_type_named(text, &length);
    unsigned index = holes->type_count;

    if (type == SIM_TYPES || text + length > end || index == SIM_MAX_HOLES)
        return false;
    holes->types[holes->type_count++] = type;
    if (match(pattern + 1, text + length, end, holes))
        return true;
    holes->type_count = index;
    return false;
}

static bool match_number(const char *pattern, const char *text, const char *end, struct sim_holes *holes)
{
    char *after;
    unsigned index = holes->number_count;

    if (text == end || !(isdigit((unsigned char)*text) || *text == '-') || index == SIM_MAX_HOLES)
        return false;
    holes->numbers[holes->number_count++] = strtol(text, &after, 10);
    if (after <= end && match(pattern + 1, after, end, holes))
        return true;
    holes->number_count = index;
    return false;
}

static bool match(const char *pattern, const char *text, const char *end, struct sim_holes *holes)
{
    for (;; pattern++, text++) {
        switch (*pattern) {
        case '\0':
            return text == end;
        case '*':
            for (; text <= end; text++)
                if (match(pattern + 1, text, end, holes))
                    return true;
            return false;
        case '$':
            return match_type(pattern, text, end, holes);
        case '%':
            return match_number(pattern, text, end, holes);
        case '@':
            return match_functor(pattern, text, end, holes);
        default:
            if (text == end || *text != *pattern)
                return false;
        }
    }
}

bool sim_pattern_matches(const char *pattern, const char *text, size_t length, struct sim_holes *holes)
{
    *holes = (struct sim_holes){0};
    return match(pattern, text, text + length, holes);
}
