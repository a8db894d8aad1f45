/*
 * Element types by name, as the safetensors format writes them. See dtype.h.
 */
#include "dtype.h"

#include <stddef.h>
#include <string.h>

unsigned vs_dtype_bits(const char *name)
{
    static const struct {
        const char *name;
        unsigned bits;
    } dtypes[] = {
        {"F16", 16},
        {"BF16", 16},
        {"F32", 32},
        {"F8_E4M3", 8},
        {"F8_E5M2", 8},
        {"F8_E8M0", 8},
        {"F8_E4M3FNUZ", 8},
        {"F8_E5M2FNUZ", 8},
        {"F6_E2M3", 6},
        {"F6_E3M2", 6},
        {"F4", 4},
        {"I8", 8},
        {"U8", 8},
        {"BOOL", 8},
        {"I16", 16},
        {"U16", 16},
        {"I32", 32},
        {"U32", 32},
        {"I64", 64},
        {"U64", 64},
        {"F64", 64},
        {"C64", 64},
    };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (!strcmp(dtypes[i].name, name))
            return dtypes[i].bits;
    return 0;
}
