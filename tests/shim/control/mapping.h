/* mapping.h: what the steps of the program `mapping` share (mapping.c). */
#ifndef TESTS_SHIM_CONTROL_MAPPING_H
#define TESTS_SHIM_CONTROL_MAPPING_H

#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../simcuda/simcuda.h"

#define PAGE  ((size_t)2 << 20)
#define BYTES (6 * PAGE)

/* Writes down the call and its answer, which it returns. */
#define SAY(call) say(#call, (int)(call))
int say(const char *call, int result);

/* Calls that only prepare for what a step is about. */
#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        int must_result = (int)(call);                                                                                 \
        if (must_result != 0) {                                                                                        \
            printf("%s: %d, which it must not\n", #call, must_result);                                                 \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

typedef CUmemGenericAllocationHandle handle_t;

/* What is mapped, so that it can be sent around. */
void mapped(CUdeviceptr address, size_t bytes);
void unmapped(CUdeviceptr address, size_t bytes);
/* Sends all of it to where AWAY says. */
void wander(void);
extern size_t seen_known, seen_away;

CUmemAllocationProp device_memory(int device);
handle_t create(int device, size_t bytes);
CUdeviceptr reserve(size_t bytes);
CUresult allow(CUdeviceptr address, size_t bytes, int device, CUmemAccess_flags flags);
/* Created on the first device, mapped and accessible, with words in it that depend on `seed`. */
handle_t place(CUdeviceptr address, size_t bytes, unsigned seed);
void take_away(CUdeviceptr address, size_t bytes);

/* Write down a checksum of the bytes; what is asked about an address, as offsets from `base`; and a handle's
 * properties. */
void tell_bytes(const char *what, CUdeviceptr address, size_t bytes);
void tell_about(const char *what, CUdeviceptr address, CUdeviceptr base);
void tell_properties(const char *what, handle_t handle);

/* The steps. */
void life(void);
void misuse(void);
void references(void);
void aliases(void);
void neighbours(void);
void exports(void);
void two_devices(void);
void full(void);
void faults(void);
void capture(void);
void forked(void);
void threads(void);

#endif
