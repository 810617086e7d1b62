/* The 136-byte event of the reference contract, section 4, of what a packet alone decides: like the
 * userspace producer, mended where section 12 of the contract shows a defect.  Both backends
 * compile it.  Pure. */
#ifndef EVDP_EVENT_PACKET_H
#define EVDP_EVENT_PACKET_H

#include "rules.h"

enum { EVENT_BYTES = 136 };
enum event_kind {
    EVENT_OPEN = 1,
    EVENT_CLOSE = 2,
    EVENT_DENY = 3,
    EVENT_SCREEN = 4,
    EVENT_FILTER = 6
};

struct event_where {
    uint16_t zone_in, zone_out;
    uint32_t ifindex;
    uint8_t group;
};

/* All zero but for the kind, what was done, and when. */
BOTH_BACKENDS void event_begin(uint8_t *e, uint8_t kind, uint8_t action, uint64_t now_ns);
BOTH_BACKENDS void event_screen(uint8_t *e, const struct event_where *at, const struct packet *p,
                                uint32_t flag, uint64_t now_ns);
/* source: enum filter_place. */
BOTH_BACKENDS void event_filter(uint8_t *e, const struct event_where *at, const struct packet *p,
                                const struct term *t, uint8_t source, uint64_t now_ns);
/* q NULL: the default. */
BOTH_BACKENDS void event_deny(uint8_t *e, const struct event_where *at, const struct packet *p,
                              const struct policy *q, uint16_t application, uint64_t now_ns);

#endif
