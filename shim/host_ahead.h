/* host_ahead.h: host memory made before it is asked for, on a thread of its own.
 *
 * Making and pinning host memory takes about 0.4 s/GiB, in which a loader would only wait. Once it is known what pieces
 * a load will want, the thread makes them while the loader reads its file: as far ahead as 1 GiB, so that a load that
 * was predicted wrongly costs little, and only while the host has room (host_memory.h).
 *
 * The thread is made when something is wanted, and ends when nothing is wanted and nothing lies ready. It pauses
 * while the program captures a graph, and gives up what it could not make, for that size of that load only.
 * VRAMSPAN_HOST_AHEAD=off: nothing is made ahead. In a child of the process all of these do nothing, as they do once it
 * exits.
 */
#ifndef VS_HOST_AHEAD_H
#define VS_HOST_AHEAD_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

struct vs_backing;
struct vs_compute;

/* `count` pieces of `bytes` in the host will be wanted, by this backing, whose memory can be made before it is mapped.
 * `owner` names what wants them. Any thread; does not wait. */
void vs_host_ahead_want(
    const void *owner, const struct vs_backing *backing, const struct vs_compute *compute, size_t bytes, size_t count);

/* Memory in the host: what lies ready, or is just being made, for which it waits; else it is made here, if the host has
 * room: CUDA_ERROR_OUT_OF_MEMORY where it has none, and the driver is not asked. What lies ready in other sizes goes
 * back first. Belongs to the caller until vs_host_ahead_release. Inside vs_driver_enter; any thread; may block. */
CUresult vs_host_ahead_create(const struct vs_backing *backing, const struct vs_compute *compute, size_t bytes,
    CUmemGenericAllocationHandle *handle);

/* Gives host memory back that came from there. Inside vs_driver_enter where a context can be had. */
void vs_host_ahead_release(const struct vs_backing *backing, size_t bytes, CUmemGenericAllocationHandle handle);

/* A capture has ended: the thread may go on. Any thread, with no lock held; costs nothing where nothing is wanted. */
void vs_host_ahead_resume(void);

/* What this owner wanted is wanted no more; what lies ready of it goes back, by the thread, soon. */
void vs_host_ahead_drop(const void *owner);
/* The same for all owners, and for those whose compute device's context is about to go; these wait until it is back. */
void vs_host_ahead_flush(void);
void vs_host_ahead_drop_device(int ordinal);

#endif
