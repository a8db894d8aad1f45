/* simcuda.h: what a test may ask the simulated CUDA. Exported by the simulated libcuda.so.1 only.
 *
 * These functions are the evidence in all tests: they tell where bytes physically are, whatever the program or a
 * library between it and the driver claims. They look through every address mapping, need no current context, never
 * change an error state, and may be called from any thread, also from Python through ctypes.
 *
 * A "location" is "cuda:N" for the memory of simulated device N, or "host" for the machine's own memory.
 */
#ifndef SIMCUDA_H
#define SIMCUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMCUDA_API           __attribute__((visibility("default")))
#define SIMCUDA_LOCATION_HOST (-1)

/* Bytes of physical memory in use at a location: a device ordinal or SIMCUDA_LOCATION_HOST (pinned, registered and
 * host-located memory). Contexts and modules are included for devices. */
SIMCUDA_API size_t simcudaBytesUsed(int location);

/* How many bytes of [address, address + bytes) lie at `location`. Unmapped or freed bytes lie nowhere. */
SIMCUDA_API size_t simcudaBytesAt(const void *address, size_t bytes, int location);

/* Copies the bytes that a device would read at `address` once all queued work is done; runs no queued work itself.
 * Returns false (and copies nothing) when a byte of the range is not mapped. */
SIMCUDA_API bool simcudaPeek(const void *address, void *out, size_t bytes);

/* XXH3-64 of those bytes; 0 when a byte of the range is not mapped. */
SIMCUDA_API uint64_t simcudaHash(const void *address, size_t bytes);

/* Writes a named line to the trace with the bytes in use at every location: {"mark": name, "cuda:0": n, ..., "host":
 * n}. */
SIMCUDA_API void simcudaMark(const char *name);

/* How often the driver function `symbol` (for example "cuMemCreate") was entered since the process began. */
SIMCUDA_API uint64_t simcudaCalls(const char *symbol);

/* The driver's own function of that symbol, whatever a library in front of it answers a look-up with; NULL where it has
 * none. */
SIMCUDA_API void *simcudaFunction(const char *symbol);

/* How many launches of kernels were executed whose demangled name contains `part` ("" for all), and how many of them
 * were computed. Names are without the namespaces at::native, c10 and their like (kernels/pattern.h). */
SIMCUDA_API uint64_t simcudaLaunches(const char *part);
SIMCUDA_API uint64_t simcudaLaunchesComputed(const char *part);
/* How many pointers there were among the arguments of those launches, and how many of them could be judged. */
SIMCUDA_API uint64_t simcudaPointers(bool judged);

/* Number of allocations of every kind that are live (VMM handles, pool blocks, device and host allocations). */
SIMCUDA_API size_t simcudaLiveAllocations(void);

/* Makes the n-th call from now of `symbol` fail with `result` (a CUresult); n = 1 is the next call. n = 0 cancels.
 * SIMCUDA_FAIL=symbol:n[:result][,symbol:n...] does the same from the start of the process. */
SIMCUDA_API void simcudaFail(const char *symbol, unsigned n, int result);

/* Threads take turns at their CUDA calls, in an order that SIMCUDA_SEED chooses: a run of a multi-threaded test replays
 * exactly. Each thread calls simcudaTurnsEnter with a number of its own, 0 to count - 1; the call returns when all
 * `count` (at most 64) have. False, and nothing is done, where the numbers do not fit. From one CUDA call to the next
 * the thread whose turn it is runs alone; the others wait in theirs.
 *
 * A thread that sleeps because of another one is passed over until it can go on, so that turns cause no deadlock. Where
 * threads wait for each other's mutexes and conditions, order/pthread_turns.c must be linked into the test for an exact
 * replay; joins replay without it. A thread that computes, spins, or sleeps for more than two seconds is passed over as
 * well, with a line on stderr: that may not replay. Turns end by simcudaTurnsLeave or with the thread. Threads that
 * make CUDA calls without having entered are free: what they do is not part of the order, and does not replay. */
SIMCUDA_API bool simcudaTurnsEnter(unsigned number, unsigned count);
SIMCUDA_API void simcudaTurnsLeave(void);
/* For pthread_turns.c, and tests with ways of waiting of their own. Whether this thread has entered; */
SIMCUDA_API bool simcudaTurnsEntered(void);
/* gives the turn on, and returns at the next one; */
SIMCUDA_API void simcudaTurnsYield(void);
/* says what the next simcudaTurnsSleep will wait for; `timed`: it may end without; */
SIMCUDA_API void simcudaTurnsAwait(const void *what, bool timed);
/* gives the turn on, and tells whether it was woken; */
SIMCUDA_API bool simcudaTurnsSleep(void);
/* wakes one, by the seed, or all of those that await `what`. Any thread may. */
SIMCUDA_API void simcudaTurnsWake(const void *what, bool all);

#endif
