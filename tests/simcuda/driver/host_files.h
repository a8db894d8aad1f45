/* host_files.h: what the simulated machine's /proc and /sys would say about its memory.
 *
 * Where SIMCUDA_PROC_ROOT names a folder, these files are in it from cuInit on, and follow what is charged to the host:
 *
 *     proc/meminfo                              the machine: MemTotal, MemFree, MemAvailable, ...
 *     proc/pressure/memory                      the machine's pressure stall information
 *     proc/self/cgroup                          "0::/simcuda": a control group of version 2
 *     sys/fs/cgroup/cgroup.controllers          "memory"
 *     sys/fs/cgroup/simcuda/memory.max          `host-limit` of the machine file, or "max"; memory.high is "max"
 *     sys/fs/cgroup/simcuda/memory.current      what is charged
 *     sys/fs/cgroup/simcuda/memory.swap.max     "0"
 *     sys/fs/cgroup/simcuda/memory.pressure     the control group's pressure stall information
 *
 * Each file is replaced as a whole. Where several processes have the same folder, the first one writes. `%p` in the
 * name becomes the process number. A folder that did not exist is removed when the process exits. */
#ifndef SIM_HOST_FILES_H
#define SIM_HOST_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* Reads SIMCUDA_PROC_ROOT and writes the files; false, with a message, where that is impossible. */
bool sim_host_files_start(void);
/* The host was charged, or got something back: `used_bytes` are in use now. */
void sim_host_files_update(size_t used_bytes);
/* At the end of the process. */
void sim_host_files_end(void);

#endif
