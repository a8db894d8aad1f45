/* resolve.h: entry points and the real functions behind them.
 *
 * Every hooked symbol has a slot. It begins at a thunk; the first call through it asks vs_resolve, which finds the real
 * function and decides where the slot leads from then on: to the hook while the library acts, else straight to the real
 * function, so that a program without a policy pays one indirect jump. Works before any constructor ran, since
 * PyTorch's libraries are initialised before a preloaded one (glibc initialises preloaded objects last).
 *
 * The symbols are there in every program, CUDA or not: weak references to them and dlsym(RTLD_DEFAULT, ...) are never
 * NULL, which cannot be helped. Where the library behind them is not loaded, the calls by which programs ask for CUDA
 * answer that there is no device (100), all others that the symbol is missing (500).
 */
#ifndef VS_RESOLVE_H
#define VS_RESOLVE_H

#include <stdbool.h>

enum vs_library {
    VS_LIBRARY_CUDART,
    VS_LIBRARY_CUBLAS,
    VS_LIBRARY_CUBLASLT,
    VS_LIBRARY_LIBCUDA,
    VS_LIBRARY_LIBC,
};

enum vs_when {
    VS_WHEN_ACTING, /* the library acts */
    VS_WHEN_HIDING, /* ... and hides devices from the program, among those that the driver shows */
    VS_WHEN_EITHER, /* one or the other */
};

struct vs_entry {
    enum vs_library library;
    int major; /* 0: called without a version, or the library has none */
    const char *symbol;
    bool optional; /* a real library may lack it: then nobody can call it, and nothing depends on it */
    enum vs_when when;
    void *act;   /* the function that the slot leads to then */
    void **real; /* where the hooks look up the real function */
    /* Of the driver's: what cuGetProcAddress knows it by. */
    const char *name;
    int since;       /* CUDA version */
    bool per_thread; /* the twin for per-thread default streams */
    bool accounted;  /* allocates or frees */
};

extern const struct vs_entry vs_entries[];
/* Of each, the address that callers reach it at. */
extern void *const vs_entry_points[] __attribute__((visibility("hidden")));

/* Called by the thunks (resolve_enter.S): the address that the call through entry `index` continues at. Any thread. */
void *vs_resolve(unsigned index) __attribute__((visibility("hidden")));

/* The real function of entry `index`, looked for where it is not known yet; NULL where its library is not loaded, or
 * lacks it. Any thread. */
void *vs_resolve_real(unsigned index);

/* What a look-up of entry `index` is answered with: the entry point where it leads to a hook, else `real`, its real
 * function. */
void *vs_resolve_look_up(unsigned index, void *real);

/* Makes every slot that was used lead to its real function: in a forked child, where CUDA does not survive. */
void vs_resolve_pass_through(void);

/* Handle of a loaded library (as from dlopen) that the program uses, also where it was loaded with RTLD_LOCAL; NULL if
 * none is loaded. `major` 0 means any. The handle is never closed. */
void *vs_loaded_library(enum vs_library library, int major);

#endif
