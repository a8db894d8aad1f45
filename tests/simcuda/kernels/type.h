/* type.h: the element types of kernels, and the classes that they are computed in.
 *
 * A class is what values are held in while they are computed: float for all formats up to 32 bits (PyTorch's opmath
 * type), double, or 64-bit integers, whose low bits are the narrower integer's result. */
#ifndef SIM_TYPE_H
#define SIM_TYPE_H

#include <stddef.h>
#include <stdint.h>

#define SIM_MAX_DIMS 25 /* PyTorch's limit of a TensorIterator on the device (OffsetCalculator.cuh) */

enum sim_type {
#define TYPE(id, name, bytes, class, scalar) SIM_TYPE_##id,
#include "types.def"
    SIM_TYPES
};

enum sim_class { SIM_F32, SIM_F64, SIM_I64, SIM_RAW };

size_t sim_element_bytes(enum sim_type type);
enum sim_class sim_class_of(enum sim_type type);
/* The type of c10::ScalarType's number (ScalarType.h), or SIM_TYPES. */
enum sim_type sim_type_of_scalar(unsigned scalar);
/* The longest type name at the start of `text`, and its length; SIM_TYPES where there is none. */
enum sim_type sim_type_named(const char *text, size_t *length);
/* An unsigned integer of the same size, for moving bits unchanged; SIM_TYPES for other sizes. */
enum sim_type sim_type_raw(enum sim_type type);
/* What PyTorch computes the type in (OpMathType.h): float for 8- and 16-bit formats, else the type itself. */
enum sim_type sim_type_opmath(enum sim_type type);

/* Reads `count` elements that lie `stride` bytes apart into an array of the type's class, and back. Integers wrap,
 * floating-point formats round to nearest even, as the hardware does. */
void sim_load(enum sim_type type, const char *from, int64_t stride, size_t count, void *out);
void sim_store(enum sim_type type, const void *in, size_t count, char *to, int64_t stride);
/* From the array of one class to one of another. Floating point to integer truncates and saturates; NaN becomes 0. */
void sim_convert(enum sim_class from, const void *in, enum sim_class to, void *out, size_t count);
/* Whether each value differs from 0 (NaN does), as int64_t: what a cast to bool is. */
void sim_truth(enum sim_class from, const void *in, int64_t *out, size_t count);
/* Makes the values those that the type can hold, in place. */
void sim_narrow(enum sim_type type, void *values, size_t count);

#endif
