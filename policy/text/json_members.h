/*
 * The members of a JSON object, one at a time, as places in its text.
 *
 * A parser's tree takes hundreds of bytes for a value of two letters, so that 100 MB of hostile text would take
 * gigabytes. This finds where keys and values begin and end, in one pass without memory; each is then given to the
 * parser by itself. That a key or a value is right inside is for the parser to say: here only quotes, brackets and what
 * stands between members are looked at.
 */
#ifndef VRAMSPAN_POLICY_JSON_MEMBERS_H
#define VRAMSPAN_POLICY_JSON_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

struct vs_json_members {
    const char *text;
    size_t bytes;
    size_t offset;      /* where reading goes on, or what is wrong */
    unsigned depth_max; /* of brackets in a value */
    bool begun;
};

struct vs_json_member {
    const char *key; /* with its quotes */
    size_t key_bytes;
    const char *value;
    size_t value_bytes; /* at least 1 */
};

enum vs_json_step {
    VS_JSON_MEMBER,
    VS_JSON_END,
    VS_JSON_WRONG, /* not an object's text */
    VS_JSON_TOO_DEEP,
};

/* Begin with {.text, .bytes, .depth_max}. After anything but VS_JSON_MEMBER it is over. */
enum vs_json_step vs_json_members_next(struct vs_json_members *members, struct vs_json_member *member);

#endif
