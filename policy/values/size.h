/*
 * Sizes as people write them: `600mb`, `8gb`, `8GiB`, `500m`, `2.5g`, `1073741824`.
 *
 * A number, a point and further digits if wanted, blanks if wanted, and a unit: b, k, m, g or t, alone or followed by
 * `b` or `ib`, in any case. All units are powers of 1024 (as in ComfyUI-MultiGPU); no unit means bytes. A part of a
 * byte that results from a decimal point is dropped. Independent of the locale.
 *
 * Where a model's bytes are what is spoken of, a percentage may stand instead of a size: `40%`, `12.5%`.
 */
#ifndef VRAMSPAN_POLICY_SIZE_H
#define VRAMSPAN_POLICY_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vs_size {
    uint64_t bytes;
    bool has_unit;
};

enum vs_size_error {
    VS_SIZE_OK,
    VS_SIZE_EMPTY,
    VS_SIZE_NEGATIVE,
    VS_SIZE_NO_NUMBER,
    VS_SIZE_UNKNOWN_UNIT,
    VS_SIZE_PART_OF_BYTE,
    VS_SIZE_TOO_LARGE,
    VS_SIZE_PERCENT,    /* a percentage where only a size will do */
    VS_SIZE_OVER_WHOLE, /* more than 100 % */
};

/* Reads the whole text. On error *error_offset is the byte at which reading stopped, and *size is untouched. */
enum vs_size_error vs_size_parse(const char *text, size_t length, struct vs_size *size, size_t *error_offset);

/* A size, or a part of something whose size is known later. */
struct vs_amount {
    bool is_part;
    struct vs_size size;      /* unless is_part */
    uint32_t part_billionths; /* where is_part: at most 10^9, which is 100 % */
};

/* As vs_size_parse, and percentages from 0 to 100; digits behind the seventh after the point are dropped. */
enum vs_size_error vs_amount_parse(const char *text, size_t length, struct vs_amount *amount, size_t *error_offset);
/* What the amount is of a whole of this many bytes, rounded down. A size may be more than the whole. */
uint64_t vs_amount_bytes(const struct vs_amount *amount, uint64_t whole_bytes);

/* What the error means, as the end of "`12x` is no size: ...". */
const char *vs_size_error_text(enum vs_size_error error);

/* Bytes as people write them in a policy, to four digits: `1.5gb`. */
struct vs_size_text {
    char text[32];
};
struct vs_size_text vs_size_text(double bytes);

#endif
