/* places.h: where elements lie: PyTorch's two descriptions of a strided tensor, read from kernel parameters.
 *
 * Both become a sim_shape whose dimension 0 varies fastest, with strides in bytes. */
#ifndef SIM_PLACES_H
#define SIM_PLACES_H

#include "kernel.h"

/* OffsetCalculator<operands, unsigned> (ATen/cuda/detail/OffsetCalculator.cuh): one operand's strides of it. */
#define SIM_CALCULATOR_BYTES(operands) (4 + SIM_MAX_DIMS * (12 + 4 * (operands)))
void sim_places_of_calculator(
    const void *calculator, unsigned operands, unsigned operand, size_t element_bytes, struct sim_shape *shape);

/* TensorInfo<T, unsigned or int> (ATen/cuda/detail/TensorInfo.cuh). */
#define SIM_TENSOR_INFO_BYTES 216
struct sim_tensor_info {
    CUdeviceptr data;
    struct sim_shape shape;
};
void sim_places_of_tensor(const void *tensor_info, size_t element_bytes, struct sim_tensor_info *info);

/* Byte offset of the element with this number, dimension 0 counting fastest. */
uint64_t sim_place(const struct sim_shape *shape, uint64_t number);

/* The shape of `rows` rows of `count` packed elements, `step_bytes` from row to row. */
struct sim_shape sim_places_of_rows(size_t element_bytes, uint64_t count, uint64_t rows, uint64_t step_bytes);

#endif
