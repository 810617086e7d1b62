/* Which link is the better one: by the round trip of heartbeats, and by their silence. */
#include "cluster.h"

enum { TIMES_BETTER = 4 };

#define MARGIN_NS 2000000ull

/* What a record would wait on that link, as far as heartbeats tell. */
static uint64_t cost_ns(const struct cluster *c, unsigned link, uint64_t now_ns)
{
    const struct cluster_link *l = &c->link[link];
    uint64_t silent_ns = now_ns - l->heard_ns;

    return l->rtt_ns + (silent_ns > c->o.heartbeat_ns * 3 / 2 ? silent_ns : 0);
}

/* Much better, so that it does not move back and forth: each move sends again what was on the way.
 */
unsigned cluster_better_link(const struct cluster *c, unsigned link, uint64_t now_ns)
{
    unsigned best = link;
    uint64_t bound;

    if (link >= c->o.link_count || !c->link[link].up)
        return link;
    bound = cost_ns(c, link, now_ns);
    for (unsigned i = 0; i < c->o.link_count; i++) {
        uint64_t cost = c->link[i].up ? cost_ns(c, i, now_ns) : UINT64_MAX;

        if (i == link || cost > bound / TIMES_BETTER || bound - cost < MARGIN_NS)
            continue;
        best = i;
        bound = cost;
    }
    return best;
}

uint32_t cluster_loss_ppm(const struct cluster *c, unsigned link)
{
    const struct cluster_link *l = &c->link[link];

    return l->expected == 0 ? 0 : (uint32_t)(l->missed * 1000000 / l->expected);
}
