/* chain.c: one of two libraries that define the same name, built with NAME: what is the next one to each? */
#include <dlfcn.h>
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT const char *chain_name(void);
EXPORT const char *NEXT(void);

EXPORT const char *chain_name(void)
{
    return NAME;
}

EXPORT const char *NEXT(void)
{
    const char *(*next)(void) = (const char *(*)(void))dlsym(RTLD_NEXT, "chain_name");
    return next ? next() : "none";
}

#ifdef OF_DRIVER
/* A function of the driver's name, in another library. */
EXPORT int cuMemAlloc_v2(void);

EXPORT int cuMemAlloc_v2(void)
{
    return 42;
}
#endif
