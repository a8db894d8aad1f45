/* layout.c: see layout.h. */
#include "layout.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PyTorch's structures (OffsetCalculator.cuh, IntegerDivider.cuh, MemoryAccess.cuh). */
#define DIVIDER_BYTES 12u
#define POINTER_BYTES 8u

static uint32_t align(uint32_t offset, uint32_t alignment)
{
    return (offset + alignment - 1) / alignment * alignment;
}

static bool complain(const char *text)
{
    fprintf(stderr, "simcuda: kernels.def: \"%s\" is not understood\n", text);
    return false;
}

static const char *skip_blanks(const char *at)
{
    while (*at == ' ')
        at++;
    return at;
}

/* "$0", "o$0" (the opmath type of it), "a$0" (the type it is accumulated in) or a type's name. NULL where it is
 * neither. */
static const char *read_type(const char *at, const enum sim_type *types, enum sim_type *type)
{
    char prefix = at[1] == '$' ? *at : '\0';
    size_t length;

    if (prefix != '\0')
        at++;
    if (*at == '$' && isdigit((unsigned char)at[1])) {
        *type = types[at[1] - '0'];
        if (prefix == 'o' || prefix == 'a')
            *type = sim_type_opmath(*type);
        if (prefix == 'a' && sim_class_of(*type) == SIM_I64)
            *type = SIM_TYPE_I64;
        return at + 2;
    }
    *type = sim_type_named(at, &length);
    return *type != SIM_TYPES ? at + length : NULL;
}

static bool read_signature(const char *signature, const enum sim_type *types, struct sim_functor_layout *out)
{
    for (const char *at = skip_blanks(signature); *at != '\0'; at = skip_blanks(at)) {
        struct sim_functor_input input = {.is_member = at[0] == 'm' && isdigit((unsigned char)at[1])};
        if (*at == '=') {
            at++;
            continue;
        }
        if (input.is_member) {
            input.index = (unsigned)(at[1] - '0');
            at += 2;
        } else {
            if (out->operand_count == SIM_MAX_OPERANDS)
                return false;
            input.index = out->operand_count;
            at = read_type(at, types, &out->operands[out->operand_count++]);
            if (at == NULL)
                return false;
            if (input.index == 0)
                continue; /* the result */
        }
        if (out->input_count == SIM_MAX_INPUTS)
            return false;
        out->inputs[out->input_count++] = input;
    }
    return out->operand_count > 0;
}

static bool read_members(const char *members, const enum sim_type *types, struct sim_functor_layout *out)
{
    for (const char *at = skip_blanks(members); *at != '\0'; at = skip_blanks(at)) {
        enum sim_type type = SIM_TYPES;
        uint32_t bytes;
        if (out->member_count == SIM_MAX_MEMBERS)
            return false;
        if (isdigit((unsigned char)*at)) {
            char *after;
            bytes = (uint32_t)strtoul(at, &after, 10);
            at = after;
        } else {
            at = read_type(at, types, &type);
            if (at == NULL)
                return false;
            bytes = (uint32_t)sim_element_bytes(type);
        }
        if (bytes == 0 || bytes > 8)
            return false;
        if (bytes > out->alignment)
            out->alignment = bytes;
        out->bytes = align(out->bytes, bytes);
        out->members[out->member_count] = type;
        out->member_offsets[out->member_count++] = out->bytes;
        out->bytes += bytes;
    }
    out->bytes = align(out->bytes, out->alignment);
    if (out->bytes == 0)
        out->bytes = 1; /* an empty class */
    return true;
}

/* The last input that is no bool decides, else the last input, else the result. */
static enum sim_class class_of(const struct sim_functor_layout *functor)
{
    unsigned last = functor->operand_count - 1;

    while (last > 1 && functor->operands[last] == SIM_TYPE_BOOL)
        last--;
    if (functor->operands[last] == SIM_TYPE_BOOL)
        last = functor->operand_count - 1;
    return sim_class_of(functor->operands[last]);
}

bool sim_functor_layout_read(
    const char *signature, const char *members, const enum sim_type *types, struct sim_functor_layout *out)
{
    *out = (struct sim_functor_layout){.alignment = 1};
    if (!read_signature(signature, types, out))
        return complain(signature);
    if (!read_members(members, types, out))
        return complain(members);
    for (unsigned i = 0; i < out->input_count; i++)
        if (out->inputs[i].is_member && out->inputs[i].index >= out->member_count)
            return complain(signature);
    out->class = class_of(out);
    return true;
}

/* --- parameters --------------------------------------------------------------------------------------------------- */

static bool add_pointer(struct sim_layout *layout, uint32_t offset, char kind)
{
    struct sim_pointer_place *grown = realloc(layout->pointers, (layout->pointer_count + 1) * sizeof *layout->pointers);
    if (grown == NULL)
        return false;
    layout->pointers = grown;
    grown[layout->pointer_count++] = (struct sim_pointer_place){offset, kind == 'w' || kind == 'u', kind == 'm'};
    return true;
}

/* One part of an element-wise kernel at `offset` or behind it; moves `offset` behind the part. */
static bool add_part(
    struct sim_layout *layout, char part, const struct sim_functor_layout *functor, uint32_t base, uint32_t *offset)
{
    uint32_t operands = functor->operand_count, inputs = operands > 1 ? operands - 1 : 1;

    switch (part) {
    case 'F':
        *offset = align(*offset, functor->alignment);
        layout->functor = base + *offset;
        *offset += functor->bytes;
        return true;
    case 'A':
        *offset = align(*offset, POINTER_BYTES);
        layout->data = base + *offset;
        for (uint32_t i = 0; i < operands; i++, *offset += POINTER_BYTES)
            if (!add_pointer(layout, base + *offset, i == 0 ? 'w' : 'r'))
                return false;
        return true;
    case 'O':
        *offset = align(*offset, 4);
        layout->calculator = base + *offset;
        *offset += 4 + SIM_MAX_DIMS * (DIVIDER_BYTES + 4 * operands);
        return true;
    case 'D':
        layout->dtypes = base + *offset;
        *offset += operands;
        return true;
    case 'L': /* c10::ScalarType, a byte, and uint32_t, of each input */
        layout->loader = base + *offset;
        *offset += align(inputs, 4) + 4 * inputs;
        return true;
    case 'S':
        layout->storer = base + *offset;
        *offset += 8;
        return true;
    default:
        return false;
    }
}

/* "{r0 w8 m16*4}" behind a size. */
static const char *add_struct_pointers(struct sim_layout *layout, const char *at, uint32_t base)
{
    for (at = skip_blanks(at + 1); *at != '}'; at = skip_blanks(at)) {
        char kind = *at, *after;
        unsigned long offset, count = 1;
        if (kind == '\0' || strchr("rwum", kind) == NULL)
            return NULL;
        offset = strtoul(at + 1, &after, 10);
        if (*after == '*')
            count = strtoul(after + 1, &after, 10);
        for (unsigned long i = 0; i < count; i++)
            if (!add_pointer(layout, base + (uint32_t)(offset + i * POINTER_BYTES), kind))
                return NULL;
        at = after;
    }
    return at + 1;
}

/* Reads one parameter, which begins at layout->bytes, and gives its size. */
static const char *read_parameter(
    struct sim_layout *layout, const char *at, const struct sim_functor_layout *functor, uint32_t *bytes)
{
    uint32_t base = layout->bytes;

    *bytes = 0;
    if (isdigit((unsigned char)*at)) {
        char *after;
        *bytes = (uint32_t)strtoul(at, &after, 10);
        return *after == '{' ? add_struct_pointers(layout, after, base) : after;
    }
    if (*at == '{') {
        for (at = skip_blanks(at + 1); *at != '}'; at = skip_blanks(at + 1))
            if (functor == NULL || !add_part(layout, *at, functor, base, bytes))
                return NULL;
        return at + 1;
    }
    if (strchr("rwum", *at) != NULL) {
        *bytes = POINTER_BYTES;
        return add_pointer(layout, base, *at) ? at + 1 : NULL;
    }
    return functor != NULL && add_part(layout, *at, functor, base, bytes) ? at + 1 : NULL;
}

bool sim_layout_read(const char *text, const struct sim_functor_layout *functor, struct sim_layout *out)
{
    *out = (struct sim_layout){.functor = SIM_ABSENT,
        .data = SIM_ABSENT,
        .calculator = SIM_ABSENT,
        .dtypes = SIM_ABSENT,
        .loader = SIM_ABSENT,
        .storer = SIM_ABSENT};
    for (const char *at = skip_blanks(text); *at != '\0'; at = skip_blanks(at)) {
        unsigned index = out->parameter_count++;
        at = index < SIM_MAX_PARAMETERS ? read_parameter(out, at, functor, &out->sizes[index]) : NULL;
        if (at == NULL) {
            free(out->pointers);
            out->pointers = NULL;
            return complain(text);
        }
        out->offsets[index] = out->bytes;
        out->bytes = align(out->bytes + out->sizes[index], 16);
    }
    return true;
}
