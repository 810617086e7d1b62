/* One frame in, a verdict and events out.  Pure. */
#ifndef EVDP_DECIDE_H
#define EVDP_DECIDE_H

#include "rules.h"
#include "session.h"

enum verdict { VERDICT_DROP, VERDICT_FORWARD };

enum { EVENTS_MAX = 2, EVENT_BYTES = 136 };

struct decision {
    enum verdict verdict;
    bool malformed, screened, refused;
    size_t event_count;
    uint8_t event[EVENTS_MAX][EVENT_BYTES]; /* Contract section 4. */
};

struct where {
    uint16_t zone_in, zone_out;
    uint32_t ifindex;
};

void decide(const struct rules *r, struct sessions *s, const struct where *at, const uint8_t *frame,
            size_t len, uint64_t now_ns, struct decision *out);

#endif
