/* stream.h: from the program's stream handle to the stream. */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H

#include "schedule.h"

/* Resolves a handle in the current context: NULL and CU_STREAM_LEGACY are the legacy default stream,
 * CU_STREAM_PER_THREAD (and NULL in a _ptsz call) the thread's own. CUDA_ERROR_INVALID_HANDLE for a stale or foreign
 * one. */
CUresult sim_stream_resolve(CUstream handle, CUstream *stream);
/* The same for a call that submits work: refuses what a capture forbids (906 for the legacy stream while a blocking
 * stream of the context is being captured). */
CUresult sim_stream_for_work(CUstream handle, CUstream *stream);
/* A new stream in the context's list; NULL without memory. */
CUstream sim_stream_new(CUcontext context, unsigned flags, int priority);
/* Takes it out of its context; memory goes when its last operation is done. */
void sim_stream_retire(CUstream stream);

#endif
