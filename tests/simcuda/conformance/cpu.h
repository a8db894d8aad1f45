/* cpu.h: what the CPU reaches. */
#ifndef CONFORMANCE_CPU_H
#define CONFORMANCE_CPU_H

#include "conformance.h"

/* Whether the CPU can read the byte at an address, or write it (it keeps its value). They catch SIGSEGV and SIGBUS from
 * then on. */
bool cpu_can_read(CUdeviceptr address);
bool cpu_can_write(CUdeviceptr address);

#endif
