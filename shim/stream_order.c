/* stream_order.c: see stream_order.h. */
#include "stream_order.h"

#include "driver.h"

struct vs_stream_order vs_stream_order_of(CUstream stream)
{
    const struct vs_driver *driver = vs_driver();
    struct vs_stream_order order = {0};
    bool is_default = !stream || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD;
    CUresult result =
        is_default ? driver->cuCtxGetCurrent(&order.context) : driver->cuStreamGetCtx(stream, &order.context);
    order.known = result == CUDA_SUCCESS && driver->cuStreamGetId(stream, &order.stream) == CUDA_SUCCESS;
    return order;
}
