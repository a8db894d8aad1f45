/* below.c: allocates by a runtime of its own, which is linked into it: argv[1] MB in pieces of 16 MB, of which it keeps
 * one. */
#include <cuda_runtime_api.h>
#include <stdlib.h>

#define PIECE ((size_t)16 << 20)

int main(int count, char **arguments)
{
    void *pieces[64];
    size_t pieces_count = count > 1 ? strtoul(arguments[1], NULL, 10) / 16 : 0;
    for (size_t i = 0; i < pieces_count && i < 64; i++)
        if (cudaMalloc(&pieces[i], PIECE) != cudaSuccess)
            return 1;
    for (size_t i = 1; i < pieces_count && i < 64; i++)
        if (cudaFree(pieces[i]) != cudaSuccess)
            return 1;
    return 0;
}
