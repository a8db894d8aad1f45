/*
 * The walker over a mapping. See schema.h.
 */
#include "schema.h"

#include "../text/suggest.h"

#include <string.h>

const struct vs_yaml_node *vs_schema_first(const struct vs_schema *schema, const struct vs_yaml_node *parent)
{
    return parent->first_child ? &schema->tree->nodes[parent->first_child] : NULL;
}

const struct vs_yaml_node *vs_schema_next(const struct vs_schema *schema, const struct vs_yaml_node *child)
{
    return child->next ? &schema->tree->nodes[child->next] : NULL;
}

/* Returns the index of the key that was probably meant, or key_count. */
static size_t report_unknown(const struct vs_schema *schema, const struct vs_yaml_node *name, const char *what,
    const struct vs_schema_key *keys, size_t key_count)
{
    const char *names[VS_SCHEMA_KEYS_MAX];
    struct vs_text list = {0};
    for (size_t i = 0; i < key_count; i++) {
        names[i] = keys[i].name;
        vs_text_printf(&list, "%s`%s`", i ? ", " : "", keys[i].name);
    }
    vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, name), "unknown key `%s` in %s",
        vs_quote(name->text, name->length).text, what);
    const char *meant = vs_suggest(name->text, name->length, names, key_count);
    if (meant)
        vs_diag_hint(schema->diags, "did you mean `%s`?", meant);
    else if (!list.failed)
        vs_diag_hint(schema->diags, "known here: %s", list.data);
    vs_text_free(&list);
    size_t key = 0;
    while (key < key_count && keys[key].name != meant)
        key++;
    return key;
}

static void report_no_mapping(const struct vs_schema *schema, const struct vs_yaml_node *node, const char *what,
    const struct vs_schema_key *keys, size_t key_count)
{
    if (node->refused)
        return;
    vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, node), "%s must be a mapping, not %s", what,
        node->kind == VS_YAML_SCALAR && !node->length ? "nothing" : vs_yaml_kind_name(node->kind));
    for (size_t i = 0; node->kind == VS_YAML_SCALAR && i < key_count; i++) {
        size_t length = strlen(keys[i].name);
        if (strncmp(node->text, keys[i].name, length) != 0 || node->text[length] != ':')
            continue;
        vs_diag_hint(schema->diags, "put a blank behind the colon: `%s: ...`", keys[i].name);
        return;
    }
    vs_diag_hint(schema->diags, "write `key: value` lines, beginning with `%s:`", keys[0].name);
}

bool vs_schema_read(const struct vs_schema *schema, const struct vs_yaml_node *node, const char *what,
    const struct vs_schema_key *keys, size_t key_count, void *target)
{
    const struct vs_yaml_node *seen[VS_SCHEMA_KEYS_MAX] = {NULL};
    bool excused[VS_SCHEMA_KEYS_MAX + 1] = {false}; /* a mistyped key stands for it */
    bool all_known = true;
    if (node->kind != VS_YAML_MAPPING) {
        report_no_mapping(schema, node, what, keys, key_count);
        return false;
    }
    for (const struct vs_yaml_node *name = vs_schema_first(schema, node), *value; name;
         name = vs_schema_next(schema, value)) {
        value = vs_schema_next(schema, name);
        size_t key = 0;
        while (key < key_count && strcmp(keys[key].name, name->text) != 0)
            key++;
        if (name->refused) {
            continue;
        } else if (key == key_count) {
            excused[report_unknown(schema, name, what, keys, key_count)] = true;
            all_known = false;
        } else if (seen[key]) {
            vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, name),
                "`%s` is given twice in %s, first in line %zu", keys[key].name, what, seen[key]->line);
            vs_diag_hint(schema->diags, "keep one of the two");
        } else {
            struct vs_schema inner = *schema;
            inner.key = seen[key] = name;
            keys[key].read(&inner, value, target);
        }
    }
    for (size_t key = 0; key < key_count; key++) {
        if (seen[key] || excused[key] || !keys[key].missing_hint)
            continue;
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, node), "%s has no `%s`", what, keys[key].name);
        vs_diag_hint(schema->diags, "%s", keys[key].missing_hint);
    }
    return all_known;
}

const struct vs_yaml_node *vs_schema_word(
    const struct vs_schema *schema, const struct vs_yaml_node *node, const char *expected, const char *hint)
{
    if (node->kind == VS_YAML_SCALAR && node->length)
        return node;
    if (node->refused)
        return NULL;
    vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, node), "%s is expected here, not %s", expected,
        node->kind == VS_YAML_SCALAR ? "nothing" : vs_yaml_kind_name(node->kind));
    vs_diag_hint(schema->diags, "%s", hint);
    return NULL;
}

struct vs_word vs_schema_text(const struct vs_schema *schema, const struct vs_yaml_node *scalar)
{
    return (struct vs_word){scalar->text, scalar->length, vs_yaml_text_place(schema->tree, scalar), scalar->exact};
}

void vs_schema_no_list(
    const struct vs_schema *schema, const struct vs_yaml_node *value, const char *key, const char *hint)
{
    if (value->refused)
        return;
    vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value), "`%s` must be a list, not %s", key,
        value->kind == VS_YAML_SCALAR && !value->length ? "nothing" : vs_yaml_kind_name(value->kind));
    vs_diag_hint(schema->diags, "%s", hint);
}
