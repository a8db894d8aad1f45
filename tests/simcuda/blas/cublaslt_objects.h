/* cublaslt_objects.h: cuBLASLt's descriptors: matrix layouts, operations, preferences.
 *
 * All three are sets of numbered attributes of at most eight bytes, so all three are this one thing, told apart by the
 * table that says which attributes exist, how wide they are, and which of them the simulation acts upon.
 */
#ifndef SIMCUDA_CUBLASLT_OBJECTS_H
#define SIMCUDA_CUBLASLT_OBJECTS_H

#include "cublas_types.h"

#include <stdbool.h>
#include <stddef.h>

enum { LT_MAX_ATTRIBUTES = 40 };

struct lt_attribute {
    const char *name; /* NULL: no such attribute */
    uint8_t bytes;
    bool is_signed;
    bool unsimulated; /* any other value than the initial one makes a product not supported */
    int64_t initial;
};

struct lt_family {
    const char *name;
    struct lt_attribute attributes[LT_MAX_ATTRIBUTES];
};

extern const struct lt_family lt_layouts, lt_operations, lt_preferences;

struct lt_object {
    const struct lt_family *family;
    int64_t values[LT_MAX_ATTRIBUTES]; /* sign-extended where the attribute is signed */
};

/* The attribute's value. The object must be of the family that has it. */
int64_t lt_get(const struct lt_object *object, int attribute);

bool lt_is(const struct lt_object *object, const struct lt_family *family);

/* The name of an attribute that was set to something that is not simulated, or NULL. */
const char *lt_unsimulated(const struct lt_object *object);

#endif
