/* T3: who emits what of one segment at one sink, from what both nodes say.  A function of the facts
 * alone, so both nodes compute the same. */
#ifndef EVREP_SETTLE_H
#define EVREP_SETTLE_H

#include "core.h"

/* origin, replica: the spans as the origin and as its peer see them; both clipped to `last` when
 * the segment is closed (else SEQUENCE_MAX).  out: the outcome, with H = E and nothing granted. */
void settle_delivery(const struct delivery *origin, const struct delivery *replica, uint32_t last,
                     struct delivery *out);

#endif
