/* contexts.h: contexts that the program made itself (cuCtxCreate), beside the devices' primary ones. What is queued in
 * them reaches pages of ours as well: access to mapped memory belongs to a device, not to a context. */
#ifndef VS_CONTEXTS_H
#define VS_CONTEXTS_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

enum { VS_CONTEXTS_MAX = 256 };

/* Any thread. */
void vs_contexts_made(CUcontext context, int device);
void vs_contexts_destroyed(CUcontext context);

/* Adds those of a device to the list, of which `count` are taken; returns the new count. False in *all where there are
 * more than could be remembered, or than have room. They live as long as the gate is closed (destroying one passes it).
 */
size_t vs_contexts_of(int device, CUcontext list[VS_CONTEXTS_MAX], size_t count, bool *all);

#endif
