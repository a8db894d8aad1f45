/* wide.h: loops that the compiler makes vectors of. */
#ifndef SIM_WIDE_H
#define SIM_WIDE_H

/* A loop that is worth wider vectors: compiled twice, chosen by the processor when the library is loaded. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SIM_WIDE __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define SIM_WIDE
#endif

#endif
