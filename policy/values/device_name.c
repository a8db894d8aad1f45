/*
 * Device names. See device_name.h.
 */
#include "device_name.h"

#include "../text/suggest.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    bool has_ordinal;
    bool served;
    const char *what; /* told where it is not served */
} families[] = {
    [VS_DEVICE_CPU] = {"cpu", false, true, NULL},
    [VS_DEVICE_CUDA] = {"cuda", true, true, NULL},
    [VS_DEVICE_XPU] = {"xpu", true, false, "an Intel GPU"},
    [VS_DEVICE_NPU] = {"npu", true, false, "a Huawei Ascend NPU"},
    [VS_DEVICE_MLU] = {"mlu", true, false, "a Cambricon MLU"},
    [VS_DEVICE_MPS] = {"mps", false, false, "the GPU of an Apple computer"},
    [VS_DEVICE_DIRECTML] = {"directml", true, false, "a DirectML device of Windows"},
    [VS_DEVICE_COREX] = {"corex", true, false, "an Iluvatar CoreX GPU"},
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

/* The family of a name up to its colon or its end, or FAMILY_COUNT. */
static size_t family_of(const char *text, size_t length, size_t *name_length)
{
    const char *colon = memchr(text, ':', length);
    size_t i = 0;
    *name_length = colon ? (size_t)(colon - text) : length;
    while (i < FAMILY_COUNT &&
           (strlen(families[i].name) != *name_length || memcmp(families[i].name, text, *name_length) != 0))
        i++;
    return i;
}

enum vs_device_error vs_device_parse(const char *text, size_t length, struct vs_device_id *device)
{
    size_t name_length, i = family_of(text, length, &name_length);
    const char *colon = name_length < length ? text + name_length : NULL;
    if (i < FAMILY_COUNT) {
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

const char *vs_device_family_what(const char *text, size_t length)
{
    size_t name_length, i = family_of(text, length, &name_length);
    return i < FAMILY_COUNT ? families[i].what : NULL;
}

bool vs_device_family_known(const char *text, size_t length)
{
    size_t name_length;
    return family_of(text, length, &name_length) < FAMILY_COUNT;
}

bool vs_device_family_counts(const char *text, size_t length)
{
    size_t name_length, i = family_of(text, length, &name_length);
    return i < FAMILY_COUNT && families[i].has_ordinal;
}

bool vs_device_suggest(const char *text, size_t length, struct vs_device_id *device)
{
    static const struct {
        const char *word;
        enum vs_device_family family;
    } meant[] = {{"cuda", VS_DEVICE_CUDA}, {"gpu", VS_DEVICE_CUDA}, {"nvidia", VS_DEVICE_CUDA}, {"cpu", VS_DEVICE_CPU},
        {"host", VS_DEVICE_CPU}, {"ram", VS_DEVICE_CPU}};
    const char *words[sizeof meant / sizeof *meant];
    size_t count = sizeof meant / sizeof *meant, name_length = 0;
    unsigned ordinal = 0;
    if (family_of(text, length, &name_length) < FAMILY_COUNT)
        return false;
    name_length = 0;
    while (name_length < length && text[name_length] != ':' && (text[name_length] < '0' || text[name_length] > '9'))
        name_length++;
    size_t number = name_length + (name_length < length && text[name_length] == ':'); /* `gpu0` has none */
    bool has_ordinal = parse_ordinal(text + number, length - number, &ordinal);
    if (number < length && !has_ordinal)
        return false;
    for (size_t i = 0; i < count; i++)
        words[i] = meant[i].word;
    const char *nearest = vs_suggest(text, name_length, words, count);
    for (size_t i = 0; nearest && i < count; i++) {
        if (nearest != words[i] || (meant[i].family == VS_DEVICE_CUDA) != has_ordinal)
            continue;
        *device = (struct vs_device_id){.family = meant[i].family, .ordinal = ordinal};
        return true;
    }
    return false;
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
