/* home.h: where bytes live. */
#ifndef VS_HOME_H
#define VS_HOME_H

#include <stdbool.h>
#include <stdint.h>

enum vs_home_kind { VS_HOME_LOCAL, VS_HOME_PEER, VS_HOME_HOST, VS_HOME_NONE };

/* `device` is the peer's ordinal (the compute device's for LOCAL; of no meaning for HOST and NONE). */
struct vs_home {
    enum vs_home_kind kind;
    int device;
};

static inline bool vs_home_equal(struct vs_home a, struct vs_home b)
{
    return a.kind == b.kind && (a.kind >= VS_HOME_HOST || a.device == b.device);
}

/* In 16 bits, as a page's record keeps it: 0 for VS_HOME_NONE. Ordinals are below 2^13. */
static inline uint16_t vs_home_code(struct vs_home home)
{
    if (home.kind == VS_HOME_NONE)
        return 0;
    return (uint16_t)(home.kind + 1 + 4 * (home.kind == VS_HOME_HOST ? 0 : home.device));
}

static inline struct vs_home vs_home_of_code(uint16_t code)
{
    if (code == 0)
        return (struct vs_home){VS_HOME_NONE, 0};
    return (struct vs_home){(enum vs_home_kind)(code % 4 - 1), code / 4};
}

#endif
