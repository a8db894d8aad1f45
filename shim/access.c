/* access.c: see access.h. */
#include "access.h"

#include <stdatomic.h>

#include "capture.h"
#include "driver.h"

static _Atomic(uint64_t) peers[VS_ACCESS_DEVICES];

uint64_t vs_access_peers(int ordinal)
{
    return ordinal >= 0 && ordinal < VS_ACCESS_DEVICES ? atomic_load(&peers[ordinal]) : 0;
}

bool vs_access_enable(int ordinal, int peer)
{
    if (ordinal < 0 || ordinal >= VS_ACCESS_DEVICES || peer < 0 || peer >= VS_ACCESS_DEVICES || ordinal == peer)
        return false;
    uint64_t bit = (uint64_t)1 << peer;
    return !(atomic_fetch_or(&peers[ordinal], bit) & bit);
}

static size_t add_cpu(
    const struct vs_compute *compute, struct vs_home home, CUmemAccessDesc list[VS_ACCESS_MAX], size_t count)
{
    if (home.kind == VS_HOME_HOST)
        list[count++] = (CUmemAccessDesc){
            {.type = CU_MEM_LOCATION_TYPE_HOST_NUMA, .id = compute->host_node}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    return count;
}

size_t vs_access_list(const struct vs_compute *compute, struct vs_home home, CUmemAccessDesc list[VS_ACCESS_MAX])
{
    const CUmemAccess_flags all = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    uint64_t others = vs_access_peers(compute->ordinal);
    size_t count = 0;
    list[count++] = (CUmemAccessDesc){{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = compute->ordinal}, all};
    for (int peer = 0; others; peer++, others >>= 1)
        if (others & 1)
            list[count++] = (CUmemAccessDesc){{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = peer}, all};
    return add_cpu(compute, home, list, count);
}

size_t vs_access_list_asked(const struct vs_compute *compute, struct vs_home home, uint64_t readable, uint64_t writable,
    CUmemAccessDesc list[VS_ACCESS_MAX])
{
    size_t count = 0;
    for (int device = 0; readable; device++, readable >>= 1, writable >>= 1)
        if (readable & 1)
            list[count++] = (CUmemAccessDesc){{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
                writable & 1 ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_READ};
    return add_cpu(compute, home, list, count);
}

CUresult vs_access_give(CUdeviceptr address, size_t bytes, const CUmemAccessDesc *list, size_t count)
{
    CUresult result = vs_driver()->cuMemSetAccess(address, bytes, list, count);
    if (result == CUDA_ERROR_NOT_READY) { /* seen now and then in normal use (comfy-aimdo 100, ComfyUI 12943) */
        if (vs_capture_held_off()) {      /* else that would spoil a capture: tried again at once */
            vs_driver()->cuCtxSynchronize();
            vs_capture_released();
        }
        result = vs_driver()->cuMemSetAccess(address, bytes, list, count);
    }
    return result;
}

CUresult vs_access_synchronize(const struct vs_compute *compute)
{
    uint64_t others = vs_access_peers(compute->ordinal);
    CUresult result = vs_compute_synchronize(compute);
    for (int peer = 0; others; peer++, others >>= 1) {
        const struct vs_compute *device = others & 1 ? vs_compute_device(peer) : NULL;
        CUresult waited = device ? vs_compute_synchronize(device) : CUDA_SUCCESS;
        if (waited == CUDA_ERROR_NOT_READY && result == CUDA_SUCCESS)
            result = waited;
    }
    return result;
}
