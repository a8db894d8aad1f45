/*
 * Device names, as PyTorch and ComfyUI-MultiGPU write them: `cuda:0`, `cpu`.
 *
 * Ordinals are the machine's, as the user's own CUDA_VISIBLE_DEVICES leaves it. Families that PyTorch knows and
 * this library cannot serve (xpu, npu, ...) are recognised, so that the user is told the reason instead of "unknown".
 */
#ifndef VRAMSPAN_POLICY_DEVICE_NAME_H
#define VRAMSPAN_POLICY_DEVICE_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { VS_DEVICE_ORDINAL_MAX = 255, VS_DEVICE_NAME_BYTES = 16 };

enum vs_device_family {
    VS_DEVICE_CPU,
    VS_DEVICE_CUDA,
    VS_DEVICE_XPU,
    VS_DEVICE_NPU,
    VS_DEVICE_MLU,
    VS_DEVICE_MPS,
    VS_DEVICE_DIRECTML,
    VS_DEVICE_COREX,
};

struct vs_device_id {
    enum vs_device_family family;
    unsigned ordinal; /* 0 for families without ordinals (cpu, mps) */
};

enum vs_device_error {
    VS_DEVICE_OK,
    VS_DEVICE_UNSERVED, /* a right name of a family that this library cannot serve */
    VS_DEVICE_UNKNOWN,  /* no family of that name */
    VS_DEVICE_NO_ORDINAL,
    VS_DEVICE_BAD_ORDINAL,
    VS_DEVICE_EXTRA_ORDINAL, /* `cpu:0` */
};

/* Reads the whole text. *device is filled for VS_DEVICE_OK and VS_DEVICE_UNSERVED. */
enum vs_device_error vs_device_parse(const char *text, size_t length, struct vs_device_id *device);
/* What is wrong, as the end of "`x` names no device that can be used: ..."; and what to do about it. */
const char *vs_device_error_text(enum vs_device_error error);
const char *vs_device_error_hint(enum vs_device_error error);

/* What a name's family is ("an Intel GPU"), or NULL for one that is served or not known. */
const char *vs_device_family_what(const char *text, size_t length);
/* Whether there is a family of this name (without colon), and whether its devices have numbers. */
bool vs_device_family_known(const char *text, size_t length);
bool vs_device_family_counts(const char *text, size_t length);
/* The device that a name of no family most probably means (`gpu:1`, `CUDA:1`, `cdua:1`); false: no guess. */
bool vs_device_suggest(const char *text, size_t length, struct vs_device_id *device);

bool vs_device_equal(struct vs_device_id a, struct vs_device_id b);
struct vs_device_name {
    char text[VS_DEVICE_NAME_BYTES];
};
struct vs_device_name vs_device_format(struct vs_device_id device);

#endif
