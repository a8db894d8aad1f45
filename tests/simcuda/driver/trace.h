/* trace.h: SIMCUDA_TRACE=file: the simulator's own account of what happened, one JSON object a line.
 *
 *     {"call":"cuMemcpyHtoDAsync_v2","device":0,"stream":3,"bytes":64,"dst":"0x..","dst_location":"cuda:1",
 *      "src":"0x..","src_location":"host","hash":"<XXH3-64 of the bytes, where they come from ordinary host memory>"}
 *     {"call":..,"event":"alloc|free|map|unmap|register|unregister|create|release", ...}
 *     {"call":..,"launch":"<mangled name>", ...}   {"call":..,"gemm":{...}, ...}   {"call":..,"error":"CUDA_ERROR_..."}
 *     copies, fills, launches and GEMMs end with what they ask of the machine (work.h):
 *      ..,"flops":0,"legs":[{"from":"host","to":"cuda:1","link":"pinned","bytes":64}]}
 *     {"mark":"name","cuda:0":bytes,...,"host":bytes}
 *
 * Copies, fills, launches and GEMMs are written when they are executed, the rest at the call. Stream 0 stands for calls
 * without a stream. "%p" in the name becomes the process id; a forked child does not write. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "access.h"
#include "schedule.h"

extern int sim_trace_fd; /* -1: off */

static inline bool sim_trace_is_on(void)
{
    return sim_trace_fd >= 0;
}

/* Opens the file; false with a message when it cannot be opened. */
bool sim_trace_start(void);
void sim_trace_memory(const char *event, CUdeviceptr address, size_t bytes, int location, const uint64_t *handle_id);
void sim_trace_handle(const char *event, uint64_t id, size_t bytes, int location);
/* `rows` rows of `row_bytes`, `from_pitch` apart at the source; hashed when `hash` says so. */
void sim_trace_copy(const struct sim_op *op, struct sim_place to, struct sim_place from, size_t row_bytes, size_t rows,
    size_t from_pitch, bool hash);
void sim_trace_fill(const struct sim_op *op, CUdeviceptr address, size_t bytes, uint32_t value);
void sim_trace_launch(const struct sim_op *op, const char *name);
void sim_trace_gemm(
    const struct sim_op *op, const struct simcuda_gemm *gemm, bool computed, const uint64_t operand_hash[2]);
void sim_trace_error(const char *call, CUresult result);
void sim_trace_mark(const char *name);

#endif
