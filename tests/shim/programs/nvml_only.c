/* nvml_only.c: stands in for nvidia-smi, which ComfyUI starts as a child: loads the management library at run time,
 * asks it, prints, and never touches CUDA. The library is this file again, built with -DAS_LIBRARY. */
#include <dlfcn.h>
#include <stdio.h>

#ifdef AS_LIBRARY
__attribute__((visibility("default"))) int nvmlInit_v2(void);
int nvmlInit_v2(void)
{
    return 0;
}
#else
int main(void)
{
    void *library = dlopen("libnvidia-ml.so.1", RTLD_LAZY);
    int (*init)(void) = library ? (int (*)(void))dlsym(library, "nvmlInit_v2") : NULL;
    if (!init || init() != 0)
        return 1;
    puts("GPU 0: Simulated GPU");
    return 0;
}
#endif
