/* check_ptx.c: kernels from PTX text that compute: those that the library proves memory with. */
#include "../../../shim/proof_kernels.h"
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

#define WORDS ((size_t)2 * MIB / sizeof(uint64_t))

static CUfunction proof_kernel(const char *name)
{
    CUmodule module;
    CUfunction kernel;
    OK(cuModuleLoadData(&module, vs_proof_ptx));
    OK(cuModuleGetFunction(&kernel, module, name));
    return kernel;
}

/* What the kernel adds up of device memory. */
static uint64_t sum_of(CUfunction kernel, CUdeviceptr words, uint64_t count)
{
    CUdeviceptr result;
    uint64_t sum;
    OK(cuMemAlloc(&result, sizeof sum));
    OK(cuMemsetD8(result, 0, sizeof sum));
    void *arguments[] = {&words, &count, &result};
    OK(cuLaunchKernel(kernel, 30, 1, 1, 256, 1, 1, 0, NULL, arguments, NULL));
    OK(cuMemcpy((CUdeviceptr)&sum, result, sizeof sum));
    OK(cuMemFree(result));
    return sum;
}

CHECK(ptx_kernel_reads, "[doc: CUDA Driver API, cuModuleLoadData]",
    "a kernel from PTX text sums the words of a buffer, and notices one that differs or has another place")
{
    uint64_t *words = malloc(WORDS * sizeof *words);
    CUdeviceptr memory;
    EXPECT(words != NULL);
    use_device(0);
    CUfunction kernel = proof_kernel(vs_proof_sum_name);
    for (size_t i = 0; i < WORDS; i++)
        words[i] = i * i + 0x123456789;
    OK(cuMemAlloc(&memory, WORDS * sizeof *words));
    OK(cuMemcpy(memory, (CUdeviceptr)words, WORDS * sizeof *words));
    uint64_t sum = sum_of(kernel, memory, WORDS);
    EXPECT(sum == vs_proof_sum(words, WORDS));
    words[WORDS - 1] ^= 1;
    OK(cuMemcpy(memory, (CUdeviceptr)words, WORDS * sizeof *words));
    EXPECT(sum_of(kernel, memory, WORDS) == vs_proof_sum(words, WORDS));
    EXPECT(sum != vs_proof_sum(words, WORDS));
    EXPECT(sum_of(kernel, memory + sizeof *words, WORDS - 1) == vs_proof_sum(words + 1, WORDS - 1));
    EXPECT(sum_of(kernel, memory, 0) == 0);
    free(words);
}

CHECK(ptx_kernel_writes, "[doc: CUDA Driver API, cuModuleLoadData]",
    "a kernel from PTX text fills a buffer with words, and nothing beside it")
{
    uint64_t *words = malloc(WORDS * sizeof *words), *expected = malloc(WORDS * sizeof *expected);
    uint64_t count = WORDS - 2, seed = 77;
    CUdeviceptr memory, first;
    EXPECT(words != NULL && expected != NULL);
    use_device(0);
    CUfunction kernel = proof_kernel(vs_proof_fill_name);
    OK(cuMemAlloc(&memory, WORDS * sizeof *words));
    fill(memory, 0xAB, WORDS * sizeof *words);
    first = memory + sizeof *words;
    void *arguments[] = {&first, &count, &seed};
    OK(cuLaunchKernel(kernel, 64, 1, 1, 128, 1, 1, 0, NULL, arguments, NULL));
    OK(cuMemcpy((CUdeviceptr)words, memory, WORDS * sizeof *words));
    vs_proof_fill(expected, count, seed);
    EXPECT(memcmp(words + 1, expected, count * sizeof *words) == 0);
    EXPECT(words[0] == 0xABABABABABABABAB && words[WORDS - 1] == 0xABABABABABABABAB);
    free(words);
    free(expected);
}
