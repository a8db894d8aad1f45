/* internals.h: what the simulated NVIDIA libraries (cuBLAS, cuBLASLt, cuDNN, NVML) reach in the simulated driver beyond
 * its public API.
 *
 * The real libraries carry their own kernels and launch them through the driver; they fetch undocumented tables with
 * cuGetExportTable. Ours do the same: the table below is returned for SIMCUDA_INTERNALS_UUID. Nothing but the
 * simulated NVIDIA libraries may use it.
 */
#ifndef SIMCUDA_INTERNALS_H
#define SIMCUDA_INTERNALS_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMCUDA_INTERNALS_UUID                                                                                         \
    {                                                                                                                  \
        {                                                                                                              \
            's', 'i', 'm', 'c', 'u', 'd', 'a', '-', 'g', 'e', 'm', 'm', '-', '0', '0', '1'                             \
        }                                                                                                              \
    }

enum simcuda_type { SIMCUDA_F16, SIMCUDA_BF16, SIMCUDA_F32, SIMCUDA_F64 };

/* One matrix operand, column-major as in BLAS. `rows` x `columns` are the stored shape, before `transposed` applies. */
struct simcuda_matrix {
    CUdeviceptr address;
    enum simcuda_type type;
    bool transposed;
    int64_t rows, columns;
    int64_t leading_dimension; /* elements */
    int64_t batch_stride;      /* elements */
};

/* D = epilogue(alpha * op(A) * op(B) + beta * C), `batch_count` times. */
struct simcuda_gemm {
    const char *symbol;               /* the public function that was called: for the trace */
    struct simcuda_matrix a, b, c, d; /* c is read only when beta != 0 */
    int64_t batch_count;
    /* Where not 0: arrays in device memory with the address of each batch's A, B, and C and D, instead of strides. They
     * are read when the stream reaches the product. */
    CUdeviceptr a_array, b_array, c_array;
    bool scalars_on_device;        /* alpha and beta are device addresses (pointer mode DEVICE) */
    enum simcuda_type scalar_type; /* of the device scalars */
    double alpha, beta;            /* where scalars_on_device is false */
    CUdeviceptr alpha_address, beta_address;
    CUdeviceptr bias; /* 0: none; else one value per row of D */
    enum simcuda_type bias_type;
    enum { SIMCUDA_EPILOGUE_NONE, SIMCUDA_EPILOGUE_RELU, SIMCUDA_EPILOGUE_GELU } activation;
};

/* What a library's kernel does with [address, address + bytes): flags. */
enum simcuda_use {
    SIMCUDA_READS = 1,
    SIMCUDA_WRITES = 2,  /* `compute` fills it */
    SIMCUDA_DENSE = 4,   /* ... all of it; else it has gaps, which keep their bytes */
    SIMCUDA_SCRATCH = 8, /* a workspace: written with values that nobody may rely on */
};

struct simcuda_operand {
    CUdeviceptr address;
    size_t bytes;
    unsigned use;
};

/* A kernel that a library computes itself, when the stream reaches it. */
struct simcuda_kernel {
    const char *symbol; /* a literal: the public function that was called */
    size_t operand_count;
    const struct simcuda_operand *operands; /* copied */
    uint64_t flops;
    const void *arguments; /* copied, `argument_bytes` */
    size_t argument_bytes;
    /* Gets a buffer with the bytes of each operand (NULL for scratch); what it leaves in those with SIMCUDA_WRITES goes
     * back. False where memory is short: then nothing does. Must not call CUDA. */
    bool (*compute)(const void *arguments, void *const *buffers);
};

struct simcuda_internals {
    size_t struct_bytes;
    /* Queues a GEMM on `stream` of the current context. The description is copied. The operands are checked and read
     * when the stream reaches it. CUDA_ERROR_INVALID_VALUE for a null or negative shape. */
    CUresult (*launch_gemm)(CUstream stream, const struct simcuda_gemm *gemm);
    /* Charges `bytes` of the current context's device for a library's kernels and workspace, once per `owner` string
     * and device. CUDA_ERROR_OUT_OF_MEMORY where the device has no room. */
    CUresult (*charge_library)(const char *owner, size_t bytes);
    /* Bytes in use on the device with this UUID, as cuMemGetInfo counts them; 0 where this process does not use that
     * device. For NVML: needs no cuInit and no context, and changes nothing. */
    size_t (*bytes_used)(const CUuuid *device);
    /* Queues a library's own kernel; else as launch_gemm. */
    CUresult (*launch_kernel)(CUstream stream, const struct simcuda_kernel *kernel);
    /* The last error that a call of this thread returned. For a runtime that takes it for its own, as no real one does
     * (SIMCUDA_WEAK=last_error_not_of_driver). */
    CUresult (*last_refused)(void);
};

#endif
