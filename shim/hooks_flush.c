/* hooks_flush.c: the program empties its caches; what is freed and done goes back with them. */
#include "arena.h"
#include "hook.h"
#include "host_ahead.h"
#include "retire.h"

static void flush(void)
{
    vs_retire_collect();
    vs_host_ahead_flush();
    vs_arena_tell();
}

cudaError_t vs_cudaMemPoolTrimTo(const struct vs_cudart *real, cudaMemPool_t pool, size_t keep_bytes)
{
    cudaError_t result = real->cudaMemPoolTrimTo(pool, keep_bytes);
    flush();
    return result;
}

CUresult vs_cuMemPoolTrimTo(const struct vs_libcuda *real, CUmemoryPool pool, size_t keep_bytes)
{
    CUresult result = real->cuMemPoolTrimTo(pool, keep_bytes);
    flush();
    return result;
}
