/* places.c: see places.h. */
#include "places.h"

#include <string.h>

#define DIVIDER_BYTES 12u /* IntDivider<unsigned>: divisor, magic number, shift */

static uint32_t word(const void *from, size_t offset)
{
    uint32_t value;
    memcpy(&value, (const char *)from + offset, sizeof value);
    return value;
}

void sim_places_of_calculator(
    const void *calculator, unsigned operands, unsigned operand, size_t element_bytes, struct sim_shape *shape)
{
    const size_t strides = 4 + SIM_MAX_DIMS * DIVIDER_BYTES;

    shape->dims = word(calculator, 0);
    shape->element_bytes = element_bytes;
    if (shape->dims > SIM_MAX_DIMS)
        shape->dims = 0; /* cannot be: then it is no calculator */
    for (unsigned i = 0; i < shape->dims; i++) {
        shape->sizes[i] = word(calculator, 4 + i * DIVIDER_BYTES);
        shape->strides[i] = word(calculator, strides + 4 * ((size_t)i * operands + operand));
    }
}

void sim_places_of_tensor(const void *tensor_info, size_t element_bytes, struct sim_tensor_info *info)
{
    struct sim_shape *shape = &info->shape;

    memcpy(&info->data, tensor_info, sizeof info->data);
    shape->dims = word(tensor_info, 8 + 2 * 4 * SIM_MAX_DIMS);
    shape->element_bytes = element_bytes;
    if (shape->dims > SIM_MAX_DIMS)
        shape->dims = 0;
    for (unsigned i = 0; i < shape->dims; i++) {
        const unsigned from = shape->dims - 1 - i;
        shape->sizes[i] = word(tensor_info, 8 + 4 * (size_t)from);
        shape->strides[i] = word(tensor_info, 8 + 4 * (SIM_MAX_DIMS + (size_t)from)) * element_bytes;
    }
}

uint64_t sim_place(const struct sim_shape *shape, uint64_t number)
{
    uint64_t offset = 0;

    for (unsigned i = 0; i < shape->dims && number > 0; i++) {
        offset += number % shape->sizes[i] * shape->strides[i];
        number /= shape->sizes[i];
    }
    return offset;
}

struct sim_shape sim_places_of_rows(size_t element_bytes, uint64_t count, uint64_t rows, uint64_t step_bytes)
{
    return (struct sim_shape){
        .dims = 2, .element_bytes = element_bytes, .sizes = {count, rows}, .strides = {element_bytes, step_bytes}};
}
