/*
 * Hostile module tables.
 */
#include "check.h"

#include "../../policy/model/module_table.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The index is a permutation in the order of names, and finds the first of each name. */
static void check_index(const struct vs_module_table *table)
{
    for (size_t i = 0; i < table->module_count; i++) {
        PROMISE(table->by_name[i] < table->module_count);
        const char *name = table->modules[table->by_name[i]].name;
        PROMISE(!i || strcmp(table->modules[table->by_name[i - 1]].name, name) <= 0);
        size_t found = vs_module_table_find(table, name, strlen(name));
        PROMISE(found <= i && !strcmp(table->modules[table->by_name[found]].name, name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct vs_diags diags = {0};
    struct vs_module_table table;
    int result = vs_module_table_parse("m.json", (const char *)data, bytes, &table, &diags);
    check_diagnostics(result, &diags);
    if (result) {
        PROMISE(!table.module_count && !table.storage);
        return 0;
    }
    PROMISE(table.model);
    for (size_t i = 0; i < table.module_count; i++) {
        PROMISE(table.modules[i].name && table.modules[i].type);
        for (size_t k = 0; k < table.modules[i].tensor_count; k++)
            PROMISE(table.modules[i].tensors[k].name);
    }
    check_index(&table);
    vs_module_table_free(&table);
    return 0;
}
