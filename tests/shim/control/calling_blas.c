/* calling_blas.c: stands in for a BLAS library that takes its workspace from the program: within one of its calls the
 * program's own code runs. Of the others only the names are needed. */
#define EXPORT __attribute__((visibility("default")))

EXPORT extern void (*blas_takes_a_workspace)(void);
void (*blas_takes_a_workspace)(void);

int cublasSgemm_v2(void);
int cublasGemmEx(void);
int cublasGemmStridedBatchedEx(void);
int cublasSgemmStridedBatched(void);

EXPORT int cublasSgemm_v2(void)
{
    blas_takes_a_workspace();
    return 0;
}

EXPORT int cublasGemmEx(void)
{
    return 0;
}

EXPORT int cublasGemmStridedBatchedEx(void)
{
    return 0;
}

EXPORT int cublasSgemmStridedBatched(void)
{
    return 0;
}
