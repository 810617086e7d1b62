/* Section 9: what no honest peer says.  One that has the key may still be mistaken, or taken over:
 * what cannot be true breaks the session, before anything is done because of it.  What could be
 * true is believed.  Pure; each returns what is wrong, or NULL. */
#ifndef EVREP_LIE_H
#define EVREP_LIE_H

#include "core.h"
#include "wire.h"

const char *lie_in_hello(const struct core *c, const struct wire_hello *h);
/* A fact, before it is taken in. */
const char *lie_in_fact(const struct core *c, const struct segment *fact);
/* Its `n` deliveries: what of them is malformed is found as they are taken in. */
const char *lie_in_deliveries(const struct core *c, const struct segment *fact, const uint8_t *at,
                              size_t len, uint8_t n);
/* Records up to `last`, before they are journaled. */
const char *lie_in_records(const struct core *c, uint32_t epoch, uint32_t last);
/* E of a span, as the peer's marks say. */
const char *lie_in_mark(const struct core *c, const struct segment *g, const struct span *s,
                        uint32_t emitted);
const char *lie_in_produced(uint32_t produced);
/* That all of the segment is done. */
const char *lie_in_done(const struct core *c, const struct segment *g);

#endif
