/* nvml_missing.c: a function for every name of NVML that no other file here implements: it says its name once and
 * answers NVML_ERROR_NOT_SUPPORTED. They are weak: the linker takes the real one where there is one. */
#define LIBRARY  "libnvidia-ml.so.1"
#define STUB_API __attribute__((visibility("default"), weak))
#include "../stubs/stub.h"

#define X(name) STUB(name, 3)
#include "nvml_names.def"
