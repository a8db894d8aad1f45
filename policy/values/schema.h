/*
 * A mapping of a settings file read by a table: one line per key, with the function that reads its value.
 *
 * The walker finds unknown keys (with a guess at what was meant), keys given twice and keys that are missing; every
 * error of a mapping is reported, not the first alone. A new setting is a new line in a table.
 */
#ifndef VRAMSPAN_POLICY_SCHEMA_H
#define VRAMSPAN_POLICY_SCHEMA_H

#include "../text/yaml_tree.h"
#include "values.h"

enum { VS_SCHEMA_KEYS_MAX = 32 };

struct vs_schema {
    const struct vs_yaml_tree *tree;
    struct vs_diags *diags;
    const struct vs_yaml_node *key; /* whose value is being read */
};

struct vs_schema_key {
    const char *name;
    /* Reads the value into the thing being filled; what is wrong goes to the diagnostics. */
    void (*read)(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target);
    const char *missing_hint; /* NULL: the key may be left out */
};

/* Reads a mapping, which is called `what` in messages ("the policy"), into `target`. Returns whether all its keys were
 * known. */
bool vs_schema_read(const struct vs_schema *schema, const struct vs_yaml_node *node, const char *what,
    const struct vs_schema_key *keys, size_t key_count, void *target);

/* The node if it is a scalar that is not empty, else NULL with an error (or silently, where what stood there was
 * reported); `expected` and `hint` tell what should stand there. */
const struct vs_yaml_node *vs_schema_word(
    const struct vs_schema *schema, const struct vs_yaml_node *node, const char *expected, const char *hint);

/* The value of `key` is not the list that it must be. */
void vs_schema_no_list(
    const struct vs_schema *schema, const struct vs_yaml_node *value, const char *key, const char *hint);

/* The scalar as a word for the readers of values.h. */
struct vs_word vs_schema_text(const struct vs_schema *schema, const struct vs_yaml_node *scalar);

/* Steps through the children of a list (or the keys and values of a mapping): NULL at the end. */
const struct vs_yaml_node *vs_schema_first(const struct vs_schema *schema, const struct vs_yaml_node *parent);
const struct vs_yaml_node *vs_schema_next(const struct vs_schema *schema, const struct vs_yaml_node *child);

#endif
