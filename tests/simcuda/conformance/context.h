/* context.h: contexts beside the primary ones, and streams and events of a device. */
#ifndef CONFORMANCE_CONTEXT_H
#define CONFORMANCE_CONTEXT_H

#include "conformance.h"

/* A new context of a device, which is current afterwards. */
CUcontext new_context(int device);
/* A non-blocking stream, and an event, of a device; its primary context is current afterwards. */
CUstream stream_of(int device);
CUevent event_of(int device);

#endif
