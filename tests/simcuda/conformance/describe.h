/* describe.h: the machine, for the report: operating system, driver, devices, who reaches whom. */
#ifndef CONFORMANCE_DESCRIBE_H
#define CONFORMANCE_DESCRIBE_H

#include <stdbool.h>

/* A body for apart_run: says a JSON object. It names no user and no host. Skips where CUDA finds no device. */
void describe_machine(const void *unused);

/* Whether libcuda.so.1 is the simulated one. */
bool cuda_is_simulated(void);

#endif
