/* idle_cudart.c: a runtime whose functions do nothing, for measuring what stands in front of them. */
int cudaGetLastError(void);
int cudaMemcpyAsync(void *dst, const void *src, unsigned long bytes, int kind, void *stream);

__attribute__((visibility("default"))) int cudaGetLastError(void)
{
    return 0;
}

__attribute__((visibility("default"))) int cudaMemcpyAsync(
    void *dst, const void *src, unsigned long bytes, int kind, void *stream)
{
    return dst == src && bytes && kind && stream;
}
