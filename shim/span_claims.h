/* span_claims.h: the list of all spans, who has claimed one, and what becomes of free memory when a claim ends.
 *
 * Getting memory and giving it back takes long, and is done without the lock: whoever does it has claimed the span, and
 * others who want something of that span wait. Memory behind free blocks goes back at the end of each claim. Where it
 * is being moved just then, which may take as long as the work of a device, nobody waits for that: the span stays
 * claimed, and who moves ends the claim.
 *
 * With vs_arena_lock held, but for vs_span_settle_left.
 */
#ifndef VS_SPAN_CLAIMS_H
#define VS_SPAN_CLAIMS_H

#include "spans.h"

extern struct vs_span *vs_span_list;

/* Waits until some claim has ended: the lock is left meanwhile, and spans may have come and gone. */
void vs_span_await_claims(void);

/* Ends the caller's claim: memory behind free blocks goes back, and a span that holds nothing goes with it. Leaves the
 * lock meanwhile. The span is not the caller's any more. */
void vs_span_unclaim(struct vs_span *span);

/* A move has ended: ends the claims that were left because of it. With no lock held. */
void vs_span_settle_left(void);

#endif
