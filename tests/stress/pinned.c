/* pinned.c: see pinned.h. */
#include "pinned.h"

#include <stdlib.h>
#include <string.h>

#include "order.h"
#include "report.h"
#include "shadow.h"

/* Half of the buffers are memory of CUDA's, half are the program's own, registered. */
#define HALF (BUFFERS_MAX / 2)

void open_buffers(struct worker *worker)
{
    TRY(worker, cudaHostAlloc((void **)&worker->pinned, HALF * WINDOW_BYTES, cudaHostAllocDefault));
    worker->registered = aligned_alloc(4096, HALF * WINDOW_BYTES);
    worker->scratch = malloc(WINDOW_BYTES);
    if (!worker->registered || !worker->scratch)
        fail(worker, NULL, "the test itself is out of memory");
    memset(worker->registered, 0, HALF * WINDOW_BYTES);
    TRY(worker, cudaHostRegister(worker->registered, HALF * WINDOW_BYTES, cudaHostRegisterDefault));
    for (int i = 0; i < BUFFERS_MAX; i++)
        worker->buffers[i] = (struct buffer){
            .bytes = i < HALF ? worker->pinned + i * WINDOW_BYTES : worker->registered + (i - HALF) * WINDOW_BYTES};
}

void close_buffers(struct worker *worker)
{
    TRY(worker, cudaFreeHost(worker->pinned));
    TRY(worker, cudaHostUnregister(worker->registered));
    free(worker->registered);
    free(worker->scratch);
}

struct buffer *take_buffer(struct worker *worker)
{
    struct buffer *buffer = &worker->buffers[below(worker, BUFFERS_MAX)];
    for (int i = 0; i < BUFFERS_MAX && buffer->busy; i++)
        buffer = &worker->buffers[(buffer - worker->buffers + 1) % BUFFERS_MAX];
    while (buffer->slot < 0 && buffer->busy) /* a graph's */
        buffer = &worker->buffers[(buffer - worker->buffers + 1) % BUFFERS_MAX];
    if (buffer->busy)
        wait_for(worker, buffer->slot);
    return buffer;
}

void buffer_is_source(struct buffer *buffer, int slot, size_t bytes)
{
    buffer->busy = true;
    buffer->slot = slot;
    buffer->expected = NULL;
    buffer->used_bytes = bytes;
}

void buffer_is_target(struct worker *worker, struct buffer *buffer, int slot, struct allocation *allocation,
    size_t offset, unsigned char *expected, size_t bytes)
{
    buffer_is_source(buffer, slot, bytes);
    buffer->expected = expected;
    buffer->allocation = allocation;
    buffer->offset = offset;
    buffer->operation = worker->operation;
    atomic_fetch_add(&allocation->references, 1);
}

void settle_buffers(struct worker *worker, int slot)
{
    for (int i = 0; i < BUFFERS_MAX; i++) {
        struct buffer *buffer = &worker->buffers[i];
        if (!buffer->busy || buffer->slot != slot)
            continue;
        buffer->busy = false;
        if (buffer->expected) {
            expect_bytes(worker, buffer->allocation, buffer->offset, buffer->bytes, buffer->expected,
                buffer->used_bytes, buffer->operation, "a copy into page-locked memory");
            drop(worker, buffer->allocation);
            free(buffer->expected);
        }
        memset(buffer->bytes, 0xA5, buffer->used_bytes); /* who reads it later shows */
    }
}

void move_buffers(struct worker *worker, int from, int to)
{
    for (int i = 0; i < BUFFERS_MAX; i++)
        if (worker->buffers[i].busy && worker->buffers[i].slot == from)
            worker->buffers[i].slot = to;
}
