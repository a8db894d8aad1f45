/* typedefs_test.c: the signature of each driver function of the table is the one that its version stands for, as
 * cudaTypedefs.h has it: PFN_NAME_vVERSION. A version that introduced nothing does not compile. */
#include <criterion/criterion.h>

#include "../../shim/hook.h"

#include <cudaTypedefs.h>

/* What came with CUDA 13.1, for headers that are older. */
#if CUDA_VERSION < 13010
typedef CUresult (*PFN_cuMulticastBindMem_v13010)(CUmemGenericAllocationHandle, CUdevice_v1, size_t,
    CUmemGenericAllocationHandle, size_t, size_t, unsigned long long);
typedef CUresult (*PFN_cuMulticastBindAddr_v13010)(
    CUmemGenericAllocationHandle, CUdevice_v1, size_t, CUdeviceptr_v2, size_t, unsigned long long);
#endif

#define ROW(symbol, name, since, per_thread, kind, pfn)                                                                \
    {#symbol, #pfn, __builtin_types_compatible_p(pfn, __typeof__(((struct vs_libcuda *)0)->symbol))},
static const struct {
    const char *symbol, *pfn;
    bool compatible;
} rows[] = {
#include "rows.h"
};

Test(typedefs, each_signature_of_the_driver_is_that_of_its_version)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect(rows[i].compatible, "%s is not %s", rows[i].symbol, rows[i].pfn);
    cr_expect_geq(sizeof rows / sizeof *rows, 50);
}
