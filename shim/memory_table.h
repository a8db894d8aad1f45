/* memory_table.h: what lies where, for people whose program has run out of memory. */
#ifndef VS_MEMORY_TABLE_H
#define VS_MEMORY_TABLE_H

#include <cuda.h>
#include <stddef.h>

/* An allocation of so many bytes on the current device ended with this result, which goes to the program as it is, and
 * is returned. Where memory was lacking on a compute device, a table tells in the log what its memory and that of the
 * donors holds: once, and from then on at the level debug, since allocators that keep caches run into this often, empty
 * them and try again. Asks nothing of a donor's device. Any thread. */
CUresult vs_memory_table_tell_lack(size_t bytes);

static inline CUresult vs_memory_table_tell(CUresult result, size_t bytes)
{
    return __builtin_expect(result == CUDA_ERROR_OUT_OF_MEMORY, 0) ? vs_memory_table_tell_lack(bytes) : result;
}

#endif
