/* host_ahead_support.c: see host_ahead_support.h. */
#include "host_ahead_support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cublasCreate_v2(void **handle);
int cublasSgemm_v2(void *handle, int trans_a, int trans_b, int m, int n, int k, const float *alpha, const float *a,
    int lda, const float *b, int ldb, const float *beta, float *c, int ldc);

void expect_host(size_t bytes)
{
    for (int i = 0; i < WAIT_MS && simcudaBytesUsed(HOST) != bytes; i++)
        sleep_ms(1);
    sleep_ms(20);
    cr_expect_eq(
        simcudaBytesUsed(HOST), bytes, "the host holds %zu MiB, not %zu", simcudaBytesUsed(HOST) / MIB, bytes / MIB);
}

void use_ahead(const char *models)
{
    char text[256];
    setenv("VRAMSPAN_HOST_AHEAD", "on", 1);
    snprintf(text, sizeof text, "version: 1\nmodels: [{match: \"*.safetensors\", %s}]\n", models);
    use_policy_text(text);
}

const char *hollow_model(const size_t *sizes, size_t count)
{
    struct model_tensor tensors[200];
    char names[200][32];
    cr_assert_leq(count, 200);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "layer.%zu.weight", i);
        tensors[i] = (struct model_tensor){names[i], "U8", sizes[i], sizes[i]};
    }
    return make_hollow_model(tensors, count);
}

const char *model_of(size_t bytes, size_t count)
{
    size_t sizes[64];
    for (size_t i = 0; i < count; i++)
        sizes[i] = bytes;
    return hollow_model(sizes, count);
}

void *allocate(size_t bytes)
{
    void *pointer;
    CUDA_OK(cudaMallocAsync(&pointer, bytes, 0));
    return pointer;
}

void multiply(void)
{
    float *matrix, one = 1, zero = 0;
    void *handle;
    CUDA_OK(cudaMalloc((void **)&matrix, 4096));
    CUDA_OK(cudaMemset(matrix, 0, 4096));
    CUDA_OK(cublasCreate_v2(&handle));
    CUDA_OK(cublasSgemm_v2(handle, 0, 0, 2, 2, 2, &one, matrix, 2, matrix + 4, 2, &zero, matrix + 8, 2));
    CUDA_OK(cudaDeviceSynchronize());
}

long thread_with(const char *word, char value[64])
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    long found = 0;
    cr_assert(folder);
    while (!found && (entry = readdir(folder))) {
        char path[300], line[256];
        bool ours = false;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (file && fgets(line, sizeof line, file)) {
            ours |= strcmp(line, "Name:\tvramspan-host\n") == 0;
            if (ours && strncmp(line, word, strlen(word)) == 0) {
                snprintf(value, 64, "%.60s", line + strlen(word));
                found = atol(entry->d_name);
            }
        }
        if (file)
            fclose(file);
    }
    closedir(folder);
    return found;
}

bool has_thread(void)
{
    char value[64];
    return thread_with("Name:", value) != 0;
}

void expect_no_thread(void)
{
    for (int i = 0; i < WAIT_MS && has_thread(); i++)
        sleep_ms(1);
    cr_expect_not(has_thread());
}
