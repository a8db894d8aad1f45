/*
 * A small YAML text as a tree of scalars, lists and mappings that remember where they stand.
 *
 * Only what a settings file needs: one document, plain or quoted words, lists, mappings. Anchors, aliases, tags and
 * several documents are errors, so that what is written is what is meant and nothing can be folded up to explode.
 * Bounded: VS_YAML_BYTES_MAX of text, VS_YAML_NODES_MAX nodes, VS_YAML_DEPTH_MAX levels.
 */
#ifndef VRAMSPAN_POLICY_YAML_TREE_H
#define VRAMSPAN_POLICY_YAML_TREE_H

#include "diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VS_YAML_BYTES_MAX = 1 << 20, VS_YAML_NODES_MAX = 5000, VS_YAML_DEPTH_MAX = 16 };

enum vs_yaml_kind { VS_YAML_SCALAR, VS_YAML_LIST, VS_YAML_MAPPING };

struct vs_yaml_node {
    enum vs_yaml_kind kind;
    size_t line, column; /* of its first character, from 1 */
    char *text;          /* a scalar's value, NUL-terminated, without NULs in it; else NULL */
    size_t length;
    bool quoted;        /* a scalar in quotes or a block: a word, never a number */
    bool refused;       /* a scalar in whose place something stood that was reported already (an alias) */
    bool exact;         /* the value stands in the source letter by letter, from text_column on */
    size_t text_column; /* the column of the value's first letter, behind a quote */
    uint32_t
        first_child; /* index into the tree's nodes; 0: none. A mapping's children are key, value, key, value ... */
    uint32_t next;   /* the next child of the same parent; 0: the last one */
};

struct vs_yaml_tree {
    struct vs_source source; /* points at the caller's text and name */
    struct vs_yaml_node *nodes;
    uint32_t count; /* 0: the text is empty; else nodes[0] is the root */
    uint32_t capacity;
};

/*
 * Reads a text (UTF-8) that must stay valid as long as the tree. Returns 0, or -1 with an error added and nothing to
 * free. What is YAML but not used in settings is an error, too, but the tree is made, so that the other errors of the
 * file can be told at once: whoever reads counts errors. An empty text is an empty tree. Any thread.
 */
int vs_yaml_read(const char *name, const char *text, size_t bytes, struct vs_yaml_tree *tree, struct vs_diags *diags);
void vs_yaml_free(struct vs_yaml_tree *tree);

struct vs_place vs_yaml_place(const struct vs_yaml_tree *tree, const struct vs_yaml_node *node);
/* Where a scalar's value begins. */
struct vs_place vs_yaml_text_place(const struct vs_yaml_tree *tree, const struct vs_yaml_node *node);
/* Whether a scalar is a text for every reader of YAML 1.2: quoted, or no null, truth value or number. */
bool vs_yaml_is_text(const struct vs_yaml_node *scalar);
/* "a word", "a list", "a mapping", for messages. */
const char *vs_yaml_kind_name(enum vs_yaml_kind kind);

#endif
