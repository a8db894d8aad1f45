/* vmm.h: reserved addresses, memory handles, and the mappings that join them (cuda.h, CUDA_VA). */
#ifndef SIM_VMM_H
#define SIM_VMM_H

#include "range.h"

struct sim_reservation {
    CUdeviceptr start;
    size_t bytes;
};

/* The reservation that contains the address, or NULL. */
struct sim_reservation *sim_reservation_find(CUdeviceptr address);

/* Physical memory. It lives as long as a reference, a mapping or an exported descriptor does. */
struct sim_handle {
    CUmemAllocationProp properties;
    struct sim_block block;
    size_t bytes;
    uint64_t id;
    unsigned references, mappings, exports;
};

uint64_t sim_handle_id(const struct sim_handle *handle);
unsigned long long sim_handle_types(const struct sim_handle *handle);
/* The live handle of that number, or NULL. */
struct sim_handle *sim_handle_of(CUmemGenericAllocationHandle number);
/* Frees the memory once nothing refers to it. */
void sim_handle_settle(struct sim_handle *handle);
/* Notices which exported descriptors were closed, and frees what only they kept. In vmm_export.c. */
void sim_exports_settle(void);
/* A handle goes whose descriptors are open, as no real driver's does (SIMCUDA_WEAK=export_keeps_memory). */
void sim_exports_forget(const struct sim_handle *handle);
/* Takes all its mappings away, as no real driver does (SIMCUDA_WEAK=mapping_keeps_memory). In vmm_map.c. */
void sim_handle_unmap(struct sim_handle *handle);

#endif
