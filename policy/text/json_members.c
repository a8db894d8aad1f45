/*
 * Walking an object's text. See json_members.h.
 */
#include "json_members.h"

#include <string.h>

static int next_character(struct vs_json_members *members) /* after white space; -1 at the end */
{
    while (members->offset < members->bytes && memchr(" \t\r\n", members->text[members->offset], 4))
        members->offset++;
    return members->offset < members->bytes ? (unsigned char)members->text[members->offset] : -1;
}

/* From a quote to behind the next one that no backslash protects. */
static bool pass_string(struct vs_json_members *members)
{
    for (size_t i = members->offset + 1; i < members->bytes; i++) {
        if (members->text[i] == '\\') {
            i++;
        } else if (members->text[i] == '"') {
            members->offset = i + 1;
            return true;
        }
    }
    members->offset = members->bytes;
    return false;
}

/* From a bracket to behind the one that closes it. */
static enum vs_json_step pass_brackets(struct vs_json_members *members)
{
    unsigned depth = 0;
    while (members->offset < members->bytes) {
        char c = members->text[members->offset];
        if (c == '"') {
            if (!pass_string(members))
                return VS_JSON_WRONG;
            continue;
        }
        if ((c == '[' || c == '{') && ++depth > members->depth_max)
            return VS_JSON_TOO_DEEP;
        members->offset++;
        if ((c == ']' || c == '}') && --depth == 0)
            return VS_JSON_MEMBER;
    }
    return VS_JSON_WRONG;
}

static enum vs_json_step pass_value(struct vs_json_members *members, int first)
{
    size_t start = members->offset;
    if (first == '"')
        return pass_string(members) ? VS_JSON_MEMBER : VS_JSON_WRONG;
    if (first == '[' || first == '{')
        return pass_brackets(members);
    while (members->offset < members->bytes && !memchr(",]} \t\r\n", members->text[members->offset], 7))
        members->offset++;
    return members->offset > start ? VS_JSON_MEMBER : VS_JSON_WRONG;
}

enum vs_json_step vs_json_members_next(struct vs_json_members *members, struct vs_json_member *member)
{
    int c = next_character(members);
    bool first = !members->begun;
    if (first) {
        if (c != '{')
            return VS_JSON_WRONG;
        members->begun = true;
        members->offset++;
        c = next_character(members);
    }
    if (c == '}') {
        members->offset++;
        return next_character(members) < 0 ? VS_JSON_END : VS_JSON_WRONG;
    }
    if (!first) {
        if (c != ',')
            return VS_JSON_WRONG;
        members->offset++;
        c = next_character(members);
    }
    member->key = members->text + members->offset;
    if (c != '"' || !pass_string(members))
        return VS_JSON_WRONG;
    member->key_bytes = (size_t)(members->text + members->offset - member->key);
    if (next_character(members) != ':')
        return VS_JSON_WRONG;
    members->offset++;
    c = next_character(members);
    member->value = members->text + members->offset;
    if (c < 0)
        return VS_JSON_WRONG;
    enum vs_json_step step = pass_value(members, c);
    member->value_bytes = (size_t)(members->text + members->offset - member->value);
    return step;
}
