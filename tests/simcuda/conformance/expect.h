/* expect.h: whose expectations the ones of this process are. */
#ifndef CONFORMANCE_EXPECT_H
#define CONFORMANCE_EXPECT_H

#include "conformance.h"

/* In the child, before anything is expected. With `require_rules`, expecting that a call fails is itself a failure
 * where the check names no rule. `check` may be NULL without it. */
void expect_for(const struct conformance_check *check, bool require_rules);

#endif
