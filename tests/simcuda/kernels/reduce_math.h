/* reduce_math.h: one result of a reduction from the elements that belong to it, wherever they lie.
 *
 * Formats up to 32 bits are summed up in short runs of fp32, and the runs in double: at least as exact as the tree of a
 * real device, and in an order that follows from the shape alone. */
#ifndef SIM_REDUCE_MATH_H
#define SIM_REDUCE_MATH_H

#include "places.h"

enum sim_reduction_kind {
    SIM_SUM,
    SIM_MEAN, /* sum * parameter */
    SIM_MAX,  /* NaN where one is NaN, as all of the extremes here */
    SIM_MIN,
    SIM_ARGMAX, /* the index of the first of the largest */
    SIM_ARGMIN,
    SIM_MAX_AT, /* the value, and its index as second result */
    SIM_MIN_AT,
    SIM_MINMAX, /* the smallest, and the largest as second result */
    SIM_AND,
    SIM_OR,
    SIM_NORM_ZERO, /* how many are not 0 */
    SIM_NORM_ONE,
    SIM_NORM_TWO,
    SIM_NORM, /* (sum of |x|^parameter)^(1 / parameter) */
    SIM_LARGEST_MAGNITUDE,
    SIM_SMALLEST_MAGNITUDE,
    SIM_VARIANCE /* sum of squared differences over (count - parameter), its root where `root`; second: the mean */
};

struct sim_reduction {
    enum sim_reduction_kind kind;
    enum sim_type in, out, second_out;
    struct sim_shape elements; /* of one result; dimension 0 varies fastest, that is also the order of indices */
    double parameter;
    bool root;
};

/* `second` may be NULL. There is at least one element. */
void sim_reduce(const struct sim_reduction *reduction, const char *in, char *out, char *second);

#endif
