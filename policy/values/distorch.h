/*
 * DisTorch allocation strings, in all forms that ComfyUI-MultiGPU reads:
 *
 *     cuda:0,600mb;cuda:1,500mb;cpu,*     bytes: devices in the order written, then `*` takes the rest of the model
 *     cuda:0,8%;cuda:1,8%;cpu,4%          ratio: parts of the model, by their sum
 *     cuda:0,0.1;cpu,0.5                  fraction: of each device's whole memory
 *     #cuda:0;4.0;cuda:1,cpu              virtual VRAM: gigabytes that leave cuda:0, to donors in order
 *     cuda:0,2.5gb;cpu,*#cuda:0           an allocation and the compute device, as its log shows them
 *
 * Read as there: a value with a `*` anywhere in it makes its device the wildcard, and the number beside it counts for
 * nothing (`cpu,5gb*` is `cpu,*`); in bytes, without a wildcard, `cpu` takes the rest; where one value has a unit, a
 * value without one is in bytes. Before a `#`, an allocation wins over the virtual VRAM behind it.
 *
 * Unlike there: letters of a device's name (`mlu:0,50%`) make no bytes, and a warning says what would have happened;
 * `tb` is a unit; a device named twice, a second wildcard, and text that is no number are errors.
 */
#ifndef VRAMSPAN_POLICY_DISTORCH_H
#define VRAMSPAN_POLICY_DISTORCH_H

#include "../text/diag.h"
#include "device_name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VS_SHARES_MAX = 32 };

enum vs_distorch_form {
    VS_DISTORCH_BYTES,
    VS_DISTORCH_RATIO,
    VS_DISTORCH_FRACTION,
    VS_DISTORCH_VIRTUAL, /* shares are the donors, in order */
};

struct vs_distorch_share {
    struct vs_device_id device;
    /* Bytes, parts or fraction, as the form says, with the digits behind the point that a double keeps; of a donor the
     * most bytes that it lends, INFINITY for all it has. 0 for a device written with `*`. */
    double amount;
    bool wildcard; /* form in bytes: takes the rest of the model as well; exactly one share has it */
};

struct vs_distorch {
    enum vs_distorch_form form;
    struct vs_distorch_share shares[VS_SHARES_MAX + 1]; /* one more for the cpu that is implied */
    size_t count;
    double virtual_gb; /* of 2^30 bytes; VS_DISTORCH_VIRTUAL only */
    bool has_compute;  /* the text named the compute device, behind a `#` */
    struct vs_device_id compute;
};

/*
 * Reads the whole text. `place` is where its first character stands; errors point into the text from there (or at
 * `place` itself where `exact` is false: a text that escapes or folding have changed). Returns 0, or -1 with at least
 * one error added; warnings do not fail. Any thread.
 */
int vs_distorch_read(const char *text, size_t length, struct vs_place place, bool exact, struct vs_distorch *allocation,
    struct vs_diags *diags);

/* Virtual VRAM without donors, to which they are added with vs_distorch_lend; without any, `cpu` lends. */
struct vs_distorch vs_distorch_virtual(double virtual_gb);
/* Adds a donor that lends at most so many bytes (INFINITY: all it has). False where VS_SHARES_MAX have been named. */
bool vs_distorch_lend(struct vs_distorch *allocation, struct vs_device_id donor, double most_bytes);

#endif
