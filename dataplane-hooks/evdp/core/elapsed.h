/* Time that passed, in ns.  Each worker reads the clock once for a batch, so that what another
 * worker wrote may be of a later moment than its own now: that is no time at all, not 584 years. */
#ifndef EVDP_ELAPSED_H
#define EVDP_ELAPSED_H

#include <stdint.h>

static inline uint64_t elapsed_ns(uint64_t now_ns, uint64_t since_ns)
{
    return now_ns > since_ns ? now_ns - since_ns : 0;
}

#endif
