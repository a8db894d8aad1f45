/*
 * MODEL of `vramspan plan`: a model file of any kind that policy/ reads (header.h), or a module table
 * (of examples/models), for which no file is needed: its tensors are taken as 16 bits an element.
 */
#ifndef VRAMSPAN_TOOLS_PLAN_MODEL_H
#define VRAMSPAN_TOOLS_PLAN_MODEL_H

#include "../policy/model/model.h"
#include "../policy/model/module_table.h"

#include <stdbool.h>

struct vs_plan_model {
    const char *path;
    struct vs_model model;
    bool is_table;
    struct vs_module_table table; /* where is_table */
};

/* Returns 0 and a model to be freed, or -1 with an error added. */
int vs_plan_model_load(const char *path, struct vs_plan_model *model, struct vs_diags *diags);
void vs_plan_model_free(struct vs_plan_model *model);

/* The parts that the file holds, as "diffusion, vae". */
void vs_plan_model_name_parts(const struct vs_plan_model *model, struct vs_text *text);

/* The order in which a run used the tensors: a name a line; empty lines and those that begin with `#` count for
 * nothing. */
struct vs_learned_order {
    char *text;
    const char **names;
    size_t count;
};
int vs_learned_order_load(const char *path, struct vs_learned_order *order, struct vs_diags *diags);
void vs_learned_order_free(struct vs_learned_order *order);

#endif
