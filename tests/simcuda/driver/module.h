/* module.h: modules, libraries, functions and kernels. Images are opaque: every function name is found in them. */
#ifndef SIM_MODULE_H
#define SIM_MODULE_H

#include "signature.h"
#include "state.h"

#include <uthash.h>

struct CUfunc_st {
    CUmodule module;
    CUkernel kernel; /* whose instance it is, or NULL */
    char *name;      /* mangled */
    int max_dynamic_shared_bytes, shared_carveout;
    bool signature_known;
    struct sim_signature *signature;
    struct sim_match *match; /* what kernels/ knows of it, or NULL; read with the signature */
    UT_hash_handle hh;
};

struct sim_global {
    char *name;
    CUdeviceptr address;
    UT_hash_handle hh;
};

struct CUmod_st {
    CUcontext context;
    uint64_t context_id;
    CUlibrary library; /* whose instance it is, or NULL */
    bool charged;      /* its code is on the device: the first launch brings it there */
    struct CUfunc_st *functions;
    struct sim_global *globals;
    CUmodule next;
};

struct CUkern_st {
    CUlibrary library;
    char *name;
    UT_hash_handle hh;
};

struct CUlib_st {
    struct CUkern_st *kernels;
    CUmodule modules[VS_MACHINE_DEVICES_MAX]; /* its instance in each primary context */
};

/* A CUfunction, or a CUkernel cast to one: the function in the current context. */
CUresult sim_function_resolve(CUfunction handle, CUfunction *function);
/* Charges the module's memory at its first use. */
CUresult sim_module_charge(CUmodule module);
/* What its name tells, read at the first launch, together with function->match; may be NULL. */
const struct sim_signature *sim_function_signature(CUfunction function);

#endif
