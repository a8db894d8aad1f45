/* missing.c: a function for every name of one sub-library that no other file implements: it says its name once and
 * answers CUDNN_STATUS_NOT_SUPPORTED. They are weak: the linker takes the real one where there is one. Built once for
 * each sub-library, with SUBLIBRARY_<name> and LIBRARY. */
#define STUB_API __attribute__((visibility("default"), weak))
#include "../stubs/stub.h"

#define SKIP(name)
#define MISSING(name) STUB(name, 3000)
#if defined SUBLIBRARY_graph
#define OF_graph MISSING
#else
#define OF_graph SKIP
#endif
#if defined SUBLIBRARY_ops
#define OF_ops MISSING
#else
#define OF_ops SKIP
#endif
#if defined SUBLIBRARY_cnn
#define OF_cnn MISSING
#else
#define OF_cnn SKIP
#endif
#if defined SUBLIBRARY_adv
#define OF_adv MISSING
#else
#define OF_adv SKIP
#endif

#define X(library, name) OF_##library(name)
#include "cudnn_names.def"
