/* blas.c: the helpers of blas.h. */
#include "blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *open_library(const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "lib%s.so.%d", name, CUDART_VERSION / 1000);
    void *library = dlopen(file, RTLD_NOW);
    SKIP_UNLESS(library != NULL, "needs cuBLAS");
    return library;
}

void *blas_function(const char *name)
{
    void *function = dlsym(open_library(strncmp(name, "cublasLt", 8) == 0 ? "cublasLt" : "cublas"), name);
    SKIP_UNLESS(function != NULL, "needs a cuBLAS with this function");
    return function;
}

cublasHandle_t blas_handle(void)
{
    cublasHandle_t handle;
    BLAS_OK(cublasCreate_v2, &handle);
    return handle;
}

float *device_floats(const float *values, size_t count)
{
    void *memory;
    OK(cudaMalloc(&memory, count * sizeof *values));
    OK(cudaMemcpy(memory, values, count * sizeof *values, cudaMemcpyHostToDevice));
    return memory;
}

void expect_floats(const float *memory, const float *expected, size_t count)
{
    float *found = malloc(count * sizeof *found);
    EXPECT(found != NULL);
    OK(cudaMemcpy(found, memory, count * sizeof *found, cudaMemcpyDeviceToHost));
    for (size_t i = 0; i < count; i++)
        EXPECT(found[i] == expected[i]);
    free(found);
}
