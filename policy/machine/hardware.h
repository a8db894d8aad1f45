/*
 * Cards and links, with the figures that forecasts use where a machine tells none: what a class of cards computes in a
 * second, and what a link carries. Usable figures, as measured by people, not those of data sheets.
 *
 * A class is named by its memory (`24gb`), a link by its PCI Express generation and width (`pcie4-x16`) or by its rate
 * (`25gb/s`; here a GB is 10^9 bytes, as everywhere where rates are told).
 */
#ifndef VRAMSPAN_POLICY_HARDWARE_H
#define VRAMSPAN_POLICY_HARDWARE_H

#include "../values/values.h"

struct vs_link {
    const char *name;
    double bytes_per_second; /* in one direction */
};

struct vs_card {
    const char *name;
    uint64_t memory_bytes;
    double
        operations_per_second; /* dense products in bf16 that sum in fp32; a multiplication and an addition are two */
    const char *link;          /* that such cards mostly sit at: an assumption, told as one */
};

/* The class of cards with so much memory, or NULL where the table has none like it. */
const struct vs_card *vs_card_of_memory(uint64_t memory_bytes);
/* The class of this name; NULL with an error added. */
const struct vs_card *vs_read_card(struct vs_word word, struct vs_diags *diags);

/* The link of this name, which must be in the table. */
const struct vs_link *vs_link_named(const char *name);
/* The rate of a link by its name, or written as one. Returns 0 with an error added. */
double vs_read_link(struct vs_word word, struct vs_diags *diags);

#endif
