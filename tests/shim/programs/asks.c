/* asks.c: a program that is not linked against CUDA and asks whether it is there, by weak references and by dlsym. */
#include <dlfcn.h>
#include <stdio.h>

__attribute__((weak)) int cuInit(unsigned flags);
__attribute__((weak)) int cuDeviceGetCount(int *count);
__attribute__((weak)) int cudaGetDeviceCount(int *count);

int main(void)
{
    int by_driver = -1, by_runtime = -1;
    int (*looked_up)(unsigned) = (int (*)(unsigned))dlsym(RTLD_DEFAULT, "cuInit");
    if (!cuInit || !cuDeviceGetCount || !cudaGetDeviceCount || !looked_up) {
        puts("none");
        return 0;
    }
    printf("cuInit %d, looked up %d; ", cuInit(0), looked_up(0));
    printf("cuDeviceGetCount %d, ", cuDeviceGetCount(&by_driver));
    printf("cudaGetDeviceCount %d; ", cudaGetDeviceCount(&by_runtime));
    printf("counts %d and %d\n", by_driver, by_runtime);
    return 0;
}
