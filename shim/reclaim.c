/* reclaim.c: see reclaim.h. */
#include "reclaim.h"

#include "capture.h"
#include "driver.h"
#include "log.h"
#include "proof.h"
#include "retire.h"

/* What the device's default pool has reserved; 0 where it does not tell. */
static size_t reserved_bytes(CUmemoryPool pool)
{
    cuuint64_t bytes = 0;
    if (vs_driver()->cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &bytes) != CUDA_SUCCESS)
        return 0;
    return bytes;
}

static size_t trim(const struct vs_compute *compute)
{
    CUmemoryPool pool;
    if (vs_driver()->cuDeviceGetDefaultMemPool(&pool, compute->device) != CUDA_SUCCESS)
        return 0;
    size_t before = reserved_bytes(pool);
    if (before == 0 || vs_driver()->cuMemPoolTrimTo(pool, 0) != CUDA_SUCCESS)
        return 0;
    size_t after = reserved_bytes(pool);
    return after < before ? before - after : 0;
}

bool vs_reclaim(const struct vs_compute *compute)
{
    struct vs_driver_scope scope;
    if (vs_capture_open())
        return false;
    bool settled = vs_retire_settle(compute);
    size_t trimmed = 0;
    if (vs_driver_enter(&scope, compute->context) == CUDA_SUCCESS) {
        trimmed = trim(compute);
        vs_driver_leave(&scope);
    }
    if (trimmed)
        vs_log(
            VS_LOG_DEBUG, "memory", "%.1f MB that the device's pool kept are given back", (double)trimmed / (1 << 20));
    if (settled || trimmed)
        vs_proof_ask_again();
    return settled || trimmed;
}
