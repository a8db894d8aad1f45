/* stream_order.h: which work comes one after the other: that of one stream of one context, as long as it lives. */
#ifndef VS_STREAM_ORDER_H
#define VS_STREAM_ORDER_H

#include <cuda.h>
#include <stdbool.h>

/* A stream's handle may be given to the next stream; its number is never given again (CUDA Driver API, cuStreamGetId).
 */
struct vs_stream_order {
    bool known;
    CUcontext context;
    unsigned long long stream;
};

/* Of a stream of the program's, whose context is current where the stream is a default one. Not known where the driver
 * does not tell. Any thread. */
struct vs_stream_order vs_stream_order_of(CUstream stream);

static inline bool vs_stream_order_equal(const struct vs_stream_order *a, const struct vs_stream_order *b)
{
    return a->known && b->known && a->context == b->context && a->stream == b->stream;
}

#endif
