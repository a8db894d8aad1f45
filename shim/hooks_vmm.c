/* hooks_vmm.c: memory that the program makes and maps itself. What the library knows nothing of goes to the driver as
 * it is; what it has made of the program's handles and addresses: guest.h.
 *
 * cuMemMapArrayAsync is not here: it takes memory that was made for tiles, and such memory is the driver's. */
#include "guest_home.h"
#include "guest_map.h"
#include "guest_ranges.h"
#include "hook.h"
#include "reclaim.h"

/* Memory of a weight's may lie at the address: to the program that is no mapping, as if cudaMalloc had given it. */
static bool is_ours_alone(CUdeviceptr address)
{
    const struct vs_range *range = vs_range_of(address);
    return range && range->kind != VS_RANGE_GUEST;
}

/* --- Addresses ---------------------------------------------------------------------------------------------------- */

CUresult vs_cuMemAddressReserve(const struct vs_libcuda *real, CUdeviceptr *address, size_t bytes, size_t alignment,
    CUdeviceptr hint, unsigned long long flags)
{
    CUresult result = real->cuMemAddressReserve(address, bytes, alignment, hint, flags);
    if (result == CUDA_SUCCESS)
        vs_guest_reserved(*address, bytes);
    return result;
}

CUresult vs_cuMemAddressFree(const struct vs_libcuda *real, CUdeviceptr address, size_t bytes)
{
    if (is_ours_alone(address))
        return CUDA_ERROR_INVALID_VALUE;
    bool forgotten = vs_guest_unreserve(address, bytes);
    CUresult result = real->cuMemAddressFree(address, bytes);
    if (result != CUDA_SUCCESS && forgotten)
        vs_guest_reserved(address, bytes);
    return result;
}

/* --- Handles ------------------------------------------------------------------------------------------------------ */

CUresult vs_cuMemCreate(const struct vs_libcuda *real, CUmemGenericAllocationHandle *handle, size_t bytes,
    const CUmemAllocationProp *properties, unsigned long long flags)
{
    const struct vs_compute *compute = handle ? vs_guest_wanted(bytes, properties, flags) : NULL;
    CUresult result = real->cuMemCreate(handle, bytes, properties, flags);
    if (!compute)
        return result;
    if (result == CUDA_ERROR_OUT_OF_MEMORY && vs_reclaim(compute))
        result = real->cuMemCreate(handle, bytes, properties, flags);
    if (result != CUDA_SUCCESS)
        return result;
    CUmemAllocationProp told = *properties;
    if (real->cuMemGetAllocationPropertiesFromHandle(&told, *handle) != CUDA_SUCCESS)
        told = *properties;
    CUmemGenericAllocationHandle number = vs_guest_add(compute, *handle, bytes, &told);
    if (number)
        *handle = number;
    return CUDA_SUCCESS; /* without memory for a virtual one, the real one does */
}

CUresult vs_cuMemRelease(const struct vs_libcuda *real, CUmemGenericAllocationHandle handle)
{
    return vs_guest_is(handle) ? vs_guest_release(handle) : real->cuMemRelease(handle);
}

CUresult vs_cuMemRetainAllocationHandle(
    const struct vs_libcuda *real, CUmemGenericAllocationHandle *handle, void *address)
{
    if (handle && is_ours_alone((CUdeviceptr)address))
        return CUDA_ERROR_INVALID_VALUE;
    if (handle && vs_guest_retain((CUdeviceptr)address, handle))
        return CUDA_SUCCESS;
    return real->cuMemRetainAllocationHandle(handle, address);
}

CUresult vs_cuMemGetAllocationPropertiesFromHandle(
    const struct vs_libcuda *real, CUmemAllocationProp *properties, CUmemGenericAllocationHandle handle)
{
    if (vs_guest_is(handle))
        return vs_guest_properties(handle, properties);
    return real->cuMemGetAllocationPropertiesFromHandle(properties, handle);
}

CUresult vs_cuMemExportToShareableHandle(const struct vs_libcuda *real, void *shareable,
    CUmemGenericAllocationHandle handle, CUmemAllocationHandleType type, unsigned long long flags)
{
    if (vs_guest_is(handle)) {
        CUmemAllocationProp properties;
        CUresult result = vs_guest_properties(handle, &properties);
        /* Nothing comes home for a call that cannot succeed. */
        if (result == CUDA_SUCCESS && (!shareable || flags != 0 || !(properties.requestedHandleTypes & type)))
            result = CUDA_ERROR_INVALID_VALUE;
        if (result == CUDA_SUCCESS)
            result = vs_guest_settle(handle, &handle);
        if (result != CUDA_SUCCESS)
            return result;
    }
    return real->cuMemExportToShareableHandle(shareable, handle, type, flags);
}

/* --- Mappings ----------------------------------------------------------------------------------------------------- */

CUresult vs_cuMemMap(const struct vs_libcuda *real, CUdeviceptr address, size_t bytes, size_t offset,
    CUmemGenericAllocationHandle handle, unsigned long long flags)
{
    if (vs_guest_is(handle))
        return vs_guest_map(real, address, bytes, offset, handle, flags);
    return real->cuMemMap(address, bytes, offset, handle, flags);
}

CUresult vs_cuMemUnmap(const struct vs_libcuda *real, CUdeviceptr address, size_t bytes)
{
    if (is_ours_alone(address))
        return CUDA_ERROR_INVALID_VALUE;
    return vs_guest_touches(address, bytes) ? vs_guest_unmap(real, address, bytes) : real->cuMemUnmap(address, bytes);
}

CUresult vs_cuMemSetAccess(
    const struct vs_libcuda *real, CUdeviceptr address, size_t bytes, const CUmemAccessDesc *descriptors, size_t count)
{
    if (is_ours_alone(address))
        return CUDA_ERROR_INVALID_VALUE;
    if (descriptors && vs_guest_touches(address, bytes))
        return vs_guest_set_access(real, address, bytes, descriptors, count);
    return real->cuMemSetAccess(address, bytes, descriptors, count);
}

/* What the program gave is what the driver has, but for the CPU's access where the memory is the host's. */
CUresult vs_cuMemGetAccess(
    const struct vs_libcuda *real, unsigned long long *flags, const CUmemLocation *location, CUdeviceptr address)
{
    struct vs_guest_held held = vs_guest_hold(address);
    CUresult result = real->cuMemGetAccess(flags, location, address);
    if (held.extent && result == CUDA_SUCCESS && location->type != CU_MEM_LOCATION_TYPE_DEVICE)
        *flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
    vs_guest_let_go(held);
    return result;
}

/* --- Others that hold the memory ---------------------------------------------------------------------------------- */

CUresult vs_cuMulticastBindMem(const struct vs_libcuda *real, CUmemGenericAllocationHandle multicast,
    size_t multicast_offset, CUmemGenericAllocationHandle handle, size_t offset, size_t bytes, unsigned long long flags)
{
    if (vs_guest_is(handle)) {
        CUresult result = vs_guest_settle(handle, &handle);
        if (result != CUDA_SUCCESS)
            return result;
    }
    return real->cuMulticastBindMem(multicast, multicast_offset, handle, offset, bytes, flags);
}

CUresult vs_cuMulticastBindMem_v2(const struct vs_libcuda *real, CUmemGenericAllocationHandle multicast,
    CUdevice device, size_t multicast_offset, CUmemGenericAllocationHandle handle, size_t offset, size_t bytes,
    unsigned long long flags)
{
    CUresult result = vs_guest_is(handle) ? vs_guest_settle(handle, &handle) : CUDA_SUCCESS;
    if (result != CUDA_SUCCESS)
        return result;
    return real->cuMulticastBindMem_v2(multicast, device, multicast_offset, handle, offset, bytes, flags);
}

CUresult vs_cuMulticastBindAddr_v2(const struct vs_libcuda *real, CUmemGenericAllocationHandle multicast,
    CUdevice device, size_t multicast_offset, CUdeviceptr address, size_t bytes, unsigned long long flags)
{
    CUresult result = vs_guest_touches(address, bytes) ? vs_guest_settle_at(address, bytes) : CUDA_SUCCESS;
    if (result != CUDA_SUCCESS)
        return result;
    return real->cuMulticastBindAddr_v2(multicast, device, multicast_offset, address, bytes, flags);
}

CUresult vs_cuMulticastBindAddr(const struct vs_libcuda *real, CUmemGenericAllocationHandle multicast,
    size_t multicast_offset, CUdeviceptr address, size_t bytes, unsigned long long flags)
{
    CUresult result = vs_guest_touches(address, bytes) ? vs_guest_settle_at(address, bytes) : CUDA_SUCCESS;
    if (result != CUDA_SUCCESS)
        return result;
    return real->cuMulticastBindAddr(multicast, multicast_offset, address, bytes, flags);
}

CUresult vs_cuMemGetHandleForAddressRange(const struct vs_libcuda *real, void *handle, CUdeviceptr address,
    size_t bytes, CUmemRangeHandleType type, unsigned long long flags)
{
    CUresult result = vs_guest_touches(address, bytes) ? vs_guest_settle_at(address, bytes) : CUDA_SUCCESS;
    return result == CUDA_SUCCESS ? real->cuMemGetHandleForAddressRange(handle, address, bytes, type, flags) : result;
}
