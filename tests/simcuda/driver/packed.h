/* packed.h: arguments of a launch that come in one buffer (cuda.h, cuLaunchKernel, `extra`). */
#ifndef SIM_PACKED_H
#define SIM_PACKED_H

#include "../kernels/layout.h"
#include "signature.h"
#include "state.h"

struct sim_packed {
    const unsigned char *buffer; /* NULL: the list names none */
    size_t bytes;
};

/* Reads the list; INVALID_VALUE where it is malformed. */
CUresult sim_packed_read(void *const *extra, struct sim_packed *packed);
/* Whether a buffer of so many bytes holds all parameters that the kernel's name tells; true where it does not tell. */
bool sim_packed_is_complete(const struct sim_packed *packed, const struct sim_signature *signature);
/* The same array of pointers that `kernelParams` would be, for the caller to free; NULL without memory. A parameter
 * whose place in the buffer is not certain is NULL. `*all`: none is. `layout` may be NULL. */
void **sim_packed_unpack(
    const struct sim_packed *packed, const struct sim_signature *signature, const struct sim_layout *layout, bool *all);

#endif
