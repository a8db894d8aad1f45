/*
 * Module tables: what no model file records of a model, namely its modules in the order of their definition, whether
 * each has a bias attribute, and how much is computed with each. DisTorch2 works on these.
 *
 * A table is JSON, as examples/models/ has them and examples/export_modules.py writes them:
 *
 *     {"model": "flux_dev", "modules": [
 *         {"name": "img_in", "type": "Linear", "has_bias_attr": true, "rows": 4096,
 *          "tensors": [["weight", [3072, 64]], ["bias", [3072]]]},
 *         {"name": "double_blocks", "repeat": 19, "modules": [ ... of double_blocks.0 and so on ... ]}]}
 *
 * `rows` (may be missing) is how many rows of activations one step multiplies with the weights, at the model's usual
 * size of picture; 0 for tables that are looked up. Of the whole, `attention_operations` (may be missing) is how many
 * operations the same step takes without weights, in attention, and `unused` lists tensors that files hold and no
 * program loads. Other keys are left alone.
 */
#ifndef VRAMSPAN_POLICY_MODULE_TABLE_H
#define VRAMSPAN_POLICY_MODULE_TABLE_H

#include "../text/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VS_ROWS_UNKNOWN UINT64_MAX

struct vs_table_tensor {
    const char *name; /* within its module: "weight" */
    const uint64_t *shape;
    size_t rank;
};

struct vs_table_module {
    const char *name; /* "double_blocks.0.img_attn.qkv" */
    const char *type; /* "Linear" */
    bool has_bias_attribute;
    uint64_t rows;
    const struct vs_table_tensor *tensors; /* may be none: a LayerNorm without weights is a module all the same */
    size_t tensor_count;
};

struct vs_module_table {
    const char *model;
    struct vs_table_module *modules; /* in the order of their definition */
    size_t module_count;
    double attention_operations; /* of a step; 0: not known */
    uint32_t *by_name;           /* the modules' indices in the order of strcmp */
    const char **unused;         /* tensors' names */
    size_t unused_count;
    void *storage; /* owns everything */
};

/* Reads a table; `name` is its path in messages. Returns 0, or -1 with an error added and *table empty. Any thread. */
int vs_module_table_parse(
    const char *name, const char *text, size_t bytes, struct vs_module_table *table, struct vs_diags *diags);
int vs_module_table_load(const char *path, struct vs_module_table *table, struct vs_diags *diags);
void vs_module_table_free(struct vs_module_table *table);

/* The first module, in the order of by_name, whose name is not before the `length` bytes at `name`: an index of
 * by_name, module_count where all are before. */
size_t vs_module_table_find(const struct vs_module_table *table, const char *name, size_t length);

/* The tables inside the library; ends where `text` is NULL. */
struct vs_builtin_table {
    const char *anchor; /* a tensor of this table that no earlier one has */
    const char *text;
    size_t bytes;
};
extern const struct vs_builtin_table vs_builtin_tables[];

#endif
