/*
 * A look over a JSON text before a parser builds it: how many values it can hold and how deep it goes.
 *
 * A parser needs some hundred bytes of memory for a value of two letters, so 100 MB of hostile text would take
 * gigabytes. This counts brackets, braces, commas and colons outside strings, which bound the values, in one pass
 * without memory.
 */
#ifndef VRAMSPAN_POLICY_JSON_GUARD_H
#define VRAMSPAN_POLICY_JSON_GUARD_H

#include <stddef.h>

enum vs_json_guard { VS_JSON_OK, VS_JSON_TOO_DEEP, VS_JSON_TOO_MANY };

/* *offset is where the limit was passed. That the text is JSON is for the parser to say. */
enum vs_json_guard vs_json_guard(const char *text, size_t bytes, unsigned depth_max, size_t marks_max, size_t *offset);

#endif
