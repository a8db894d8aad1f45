/* lookup.h: what cuGetProcAddress hands out. */
#ifndef SIM_LOOKUP_H
#define SIM_LOOKUP_H

#include <stddef.h>

struct sim_lookup {
    const char *name;
    int version;              /* first CUDA version with this interface */
    void (*function)(void);   /* the ordinary function */
    void (*per_thread)(void); /* the one for the per-thread default stream, or the same */
};

/* Generated from the golden look-ups by make_stubs.sh: names that are not simulated. */
extern const struct sim_lookup sim_stubs[];
extern const size_t sim_stub_count;
/* Says once that the function was called; returns CUDA_ERROR_NOT_SUPPORTED. */
int sim_stub_called(const char *name, _Bool *said);

#endif
