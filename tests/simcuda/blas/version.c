/* version.c: version parts and names of status values (version.h). */
#include "version.h"

#include <stddef.h>

cublas_status blas_property(int property, int *value)
{
    static const int parts[] = {BLAS_VERSION_MAJOR, BLAS_VERSION_MINOR, BLAS_VERSION_PATCH};
    if (!value || property < 0 || (size_t)property >= sizeof parts / sizeof *parts)
        return CUBLAS_STATUS_INVALID_VALUE;
    *value = parts[property];
    return CUBLAS_STATUS_SUCCESS;
}

const char *blas_status_name(cublas_status status)
{
#define STATUS(name) [name] = #name
    static const char *const names[] = {
        STATUS(CUBLAS_STATUS_SUCCESS),
        STATUS(CUBLAS_STATUS_NOT_INITIALIZED),
        STATUS(CUBLAS_STATUS_ALLOC_FAILED),
        STATUS(CUBLAS_STATUS_INVALID_VALUE),
        STATUS(CUBLAS_STATUS_ARCH_MISMATCH),
        STATUS(CUBLAS_STATUS_MAPPING_ERROR),
        STATUS(CUBLAS_STATUS_EXECUTION_FAILED),
        STATUS(CUBLAS_STATUS_INTERNAL_ERROR),
        STATUS(CUBLAS_STATUS_NOT_SUPPORTED),
        STATUS(CUBLAS_STATUS_LICENSE_ERROR),
    };
    if (status < 0 || (size_t)status >= sizeof names / sizeof *names || !names[status])
        return "CUBLAS_STATUS_UNKNOWN";
    return names[status];
}
