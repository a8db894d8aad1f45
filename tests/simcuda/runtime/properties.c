/* properties.c: cudaDeviceProp, filled from the driver's attributes by a table. */
#include "context.h"
#include "runtime.h"

#include <string.h>

/* Where each member gets its value from. */
static const struct property {
    CUdevice_attribute attribute;
    size_t offset;
    bool is_size; /* size_t, not int */
} properties[] = {
#define INT(member, attribute)  {CU_DEVICE_ATTRIBUTE_##attribute, offsetof(struct cudaDeviceProp, member), false},
#define SIZE(member, attribute) {CU_DEVICE_ATTRIBUTE_##attribute, offsetof(struct cudaDeviceProp, member), true},
#include "properties.def"
#undef INT
#undef SIZE
};

/* In CUDA 12 the headers rename this function to cudaGetDeviceProperties_v2. Creates no context. */
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *result, int device)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    if (!result)
        return rt_fail(cudaErrorInvalidValue);
    memset(result, 0, sizeof *result);
    CUdevice handle;
    CUresult error = RT_DRIVER(cuDeviceGet)(&handle, device);
    if (!error)
        error = RT_DRIVER(cuDeviceGetName)(result->name, sizeof result->name, handle);
    if (!error)
        error = RT_DRIVER(cuDeviceTotalMem)(&result->totalGlobalMem, handle);
    if (!error)
        error = RT_DRIVER(cuDeviceGetUuid)((CUuuid *)&result->uuid, handle);
    for (size_t i = 0; i < sizeof properties / sizeof properties[0] && !error; i++) {
        const struct property *property = &properties[i];
        void *member = (char *)result + property->offset;
        int value;
        if (RT_DRIVER(cuDeviceGetAttribute)(&value, property->attribute, handle))
            continue; /* an attribute that the driver does not know: the member stays 0, as with an older driver */
        if (property->is_size)
            *(size_t *)member = (size_t)value;
        else
            *(int *)member = value;
    }
    return rt_leave(error);
}
