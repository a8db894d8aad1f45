/* access.h: reading and writing device addresses as a device, a copy engine or the CPU would.
 *
 * gemm.h declares what operations get (sim_device_read and its kin); here is what copies, fills and launches need. */
#ifndef SIM_ACCESS_H
#define SIM_ACCESS_H

#include "gemm.h"
#include "range.h"

/* The context whose operation is being executed: peer access is judged by it. Set by the scheduler. */
extern CUcontext sim_executing;
/* Its stream: what it may use of pools depends on what it is ordered behind. */
extern CUstream sim_executing_stream;

/* Whether kernels of `context` can use the range. */
bool sim_reaches(CUcontext context, const struct sim_range *range, bool write);
/* Whether kernels of the device, which can use the range, load other bytes than are there and store nothing
 * (`peer-kernels: garbage` in the machine file). */
bool sim_reads_garbage(int device, const struct sim_range *range);
/* Why they cannot, as the end of a sentence. */
const char *sim_unreachable_because(CUcontext context, CUdeviceptr address, bool write);
/* Raises the sticky illegal-address error: "`what` on cuda:0 reads 4 bytes at 0x...: the memory was freed". */
void sim_raise_illegal(CUcontext context, const char *what, CUdeviceptr address, size_t bytes, bool write);

/* A place that bytes are copied from or to: device address space, or a plain pointer of the program. */
struct sim_place {
    CUdeviceptr address; /* 0 where `pointer` is used */
    char *pointer;
};

/* Who touches the bytes: rules differ. */
enum sim_agent { SIM_KERNEL, SIM_COPY_ENGINE, SIM_CPU };

/* Whether `agent` of the context can use the range. */
bool sim_agent_reaches(enum sim_agent agent, CUcontext context, const struct sim_range *range, bool write);
/* Moves bytes from place to place for copy operation `what` of sim_executing, and moves the knowledge of them along.
 * False after an illegal address. */
bool sim_copy_bytes(struct sim_place to, struct sim_place from, size_t bytes, enum sim_agent agent, const char *what);
/* Fills `count` elements of 1, 2 or 4 bytes. False after an illegal address. */
bool sim_fill_bytes(CUdeviceptr address, uint32_t value, size_t element_bytes, size_t count, const char *what);
/* The simulator's alias of `address` and how many bytes follow it in the same range; NULL where nothing is live. */
char *sim_alias_of(CUdeviceptr address, size_t *bytes);
/* "cuda:1", "host", or "nowhere". */
const char *sim_location_name(CUdeviceptr address);

#endif
