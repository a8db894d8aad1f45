/* signature.h: what a kernel's mangled name tells about its parameters. */
#ifndef SIM_SIGNATURE_H
#define SIM_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_UNPLACED SIZE_MAX

/* One parameter that holds pointers. Of others only the size matters. */
struct sim_parameter {
    unsigned index;    /* among the kernel's parameters */
    unsigned pointers; /* how many: 1, or N for std::array<char*, N> */
    bool writes;       /* the first of them is written: a non-const T*, or an array's element 0 */
    size_t offset;     /* where all parameters lie in one buffer; SIM_UNPLACED behind one whose size is not known */
};

struct sim_signature {
    unsigned parameter_count;
    size_t packed_bytes; /* of such a buffer, up to the last parameter whose place is known */
    size_t count;
    struct sim_parameter *parameters;
};

/* The C++ name of a mangled one, or NULL; the caller frees it. */
char *sim_demangle(const char *mangled_name);
/* NULL for names that are not mangled or not understood: then nothing is known of the arguments. The caller frees it
 * with sim_signature_free. */
struct sim_signature *sim_signature_of(const char *mangled_name);
/* The same from the demangled form "void f<...>(int, float*, float const*)". */
struct sim_signature *sim_signature_parse(const char *demangled);
void sim_signature_free(struct sim_signature *signature);

#endif
