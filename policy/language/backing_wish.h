/*
 * Which mechanisms may provide memory, and where: VRAMSPAN_BACKENDS, --backends.
 *
 *     vmm,pinned     only these, in this order
 *     pinned         only this one: what it cannot serve is not lent
 *     -vmm:peer      all but this one
 *     vmm,-vmm:host  these, without that one
 *
 * The places: `local` is the compute device, `peer` another GPU, `host` the machine's memory. `vmm` maps memory of any
 * of them; `pinned` is page-locked memory of the host.
 */
#ifndef VRAMSPAN_POLICY_BACKING_WISH_H
#define VRAMSPAN_POLICY_BACKING_WISH_H

#include "../text/diag.h"
#include "../values/values.h"

#include <stdbool.h>

enum vs_backing_kind { VS_BACKING_VMM, VS_BACKING_PINNED, VS_BACKING_KINDS };
enum vs_backing_place { VS_PLACE_LOCAL, VS_PLACE_PEER, VS_PLACE_HOST, VS_BACKING_PLACES };

/* By place: the backings that may serve it, best first. */
struct vs_backing_wish {
    struct {
        enum vs_backing_kind kinds[VS_BACKING_KINDS];
        unsigned count;
    } places[VS_BACKING_PLACES];
};

/* "vmm", "pinned"; "local", "peer", "host". */
const char *vs_backing_kind_name(enum vs_backing_kind kind);
const char *vs_backing_place_name(enum vs_backing_place place);

/* What holds where nothing is said. */
void vs_backing_wish_usual(struct vs_backing_wish *wish);
/* Reads a list; false, with an error added and *wish of no meaning, where it is wrong. */
bool vs_read_backing_wish(struct vs_word word, struct vs_backing_wish *wish, struct vs_diags *diags);

#endif
