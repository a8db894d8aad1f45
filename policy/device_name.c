/*
 * Device names. See device_name.h.
 */
#include "device_name.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    bool has_ordinal;
    bool served;
} families[] = {
    [VS_DEVICE_CPU] = {"cpu", false, true},
    [VS_DEVICE_CUDA] = {"cuda", true, true},
    [VS_DEVICE_XPU] = {"xpu", true, false},
    [VS_DEVICE_NPU] = {"npu", true, false},
    [VS_DEVICE_MLU] = {"mlu", true, false},
    [VS_DEVICE_MPS] = {"mps", false, false},
    [VS_DEVICE_DIRECTML] = {"directml", true, false},
    [VS_DEVICE_COREX] = {"corex", true, false},
};
enum { FAMILY_COUNT = sizeof families / sizeof *families };

static const struct {
    const char *text;
    const char *hint;
} errors[] = {
    [VS_DEVICE_OK] = {"it is right", ""},
    [VS_DEVICE_UNSERVED] = {"this build places memory on CUDA devices and in host memory only",
        "use `cuda:N` or `cpu`; other families cannot be mapped into a CUDA device's addresses"},
    [VS_DEVICE_UNKNOWN] = {"there is no device family of that name",
        "write `cuda:0`, `cuda:1`, ... for GPUs and `cpu` for host memory"},
    [VS_DEVICE_NO_ORDINAL] = {"its number is missing", "write `cuda:0` for the first GPU, `cuda:1` for the second"},
    [VS_DEVICE_BAD_ORDINAL] = {"its number must be from 0 to 255, in plain digits",
        "write `cuda:0` for the first GPU, `cuda:1` for the second"},
    [VS_DEVICE_EXTRA_ORDINAL] = {"there is only one of it, so it takes no number", "write the name without the number"},
};

static bool parse_ordinal(const char *text, size_t length, unsigned *ordinal)
{
    unsigned value = 0;
    if (!length || length > 3 || (length > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *ordinal = value;
    return value <= VS_DEVICE_ORDINAL_MAX;
}

enum vs_device_error vs_device_parse(const char *text, size_t length, struct vs_device_id *device)
{
    const char *colon = memchr(text, ':', length);
    size_t name_length = colon ? (size_t)(colon - text) : length;
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        if (strlen(families[i].name) != name_length || memcmp(families[i].name, text, name_length) != 0)
            continue;
        unsigned ordinal = 0;
        if (!families[i].has_ordinal && colon)
            return families[i].served ? VS_DEVICE_EXTRA_ORDINAL : VS_DEVICE_UNSERVED;
        if (families[i].has_ordinal && !colon)
            return families[i].served ? VS_DEVICE_NO_ORDINAL : VS_DEVICE_UNSERVED;
        if (families[i].has_ordinal && !parse_ordinal(colon + 1, length - name_length - 1, &ordinal))
            return VS_DEVICE_BAD_ORDINAL;
        *device = (struct vs_device_id){.family = (enum vs_device_family)i, .ordinal = ordinal};
        return families[i].served ? VS_DEVICE_OK : VS_DEVICE_UNSERVED;
    }
    return VS_DEVICE_UNKNOWN;
}

const char *vs_device_error_text(enum vs_device_error error)
{
    return errors[error].text;
}

const char *vs_device_error_hint(enum vs_device_error error)
{
    return errors[error].hint;
}

bool vs_device_equal(struct vs_device_id a, struct vs_device_id b)
{
    return a.family == b.family && a.ordinal == b.ordinal;
}

struct vs_device_name vs_device_format(struct vs_device_id device)
{
    struct vs_device_name name;
    snprintf(name.text, sizeof name.text, families[device.family].has_ordinal ? "%s:%u" : "%s",
        families[device.family].name, device.ordinal);
    return name;
}
