/* The 136-byte event of the reference contract, section 4, as evdp fills it: like the userspace
 * producer, mended where section 12 of the contract shows a defect.  Pure. */
#ifndef EVDP_EVENT_H
#define EVDP_EVENT_H

#include "rules.h"
#include "session.h"

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

void event_screen(uint8_t *e, const struct event_where *at, const struct packet *p, uint32_t flag,
                  uint64_t now_ns);
/* source: enum filter_place. */
void event_filter(uint8_t *e, const struct event_where *at, const struct packet *p,
                  const struct term *t, uint8_t source, uint64_t now_ns);
/* q NULL: the default. */
void event_deny(uint8_t *e, const struct event_where *at, const struct packet *p,
                const struct policy *q, uint16_t application, uint64_t now_ns);
void event_open(uint8_t *e, const struct session *s, uint64_t now_ns);
void event_close(uint8_t *e, const struct session *s, uint8_t reason, uint64_t now_ns);

#endif
