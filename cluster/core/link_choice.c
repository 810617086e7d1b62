/* Which link carries the records.  A machine under load makes now this link and now that one
 * slower, and a move sends again what was on the way: so only what lasts counts, but for a link
 * that fails.
 */
#include "parts.h"

enum { TIMES_BETTER = 4, SMOOTH = 8 };

#define MARGIN_NS 2000000ull
#define LASTS_NS  2000000000ull  /* So long it is better, at each look, before they move; */
#define STAYS_NS  10000000000ull /* so long they stay after a move, unless the link fails, */
#define FAILS_NS  1000000000ull  /* and so long even then, as both may be failing. */

/* One heartbeat that was late says little. */
void link_measured(struct cluster_link *l, uint64_t rtt_ns)
{
    l->rtt_ns = rtt_ns;
    l->usual_ns =
        l->usual_ns == 0 ? rtt_ns : (l->usual_ns * (SMOOTH - 1) + rtt_ns + SMOOTH / 2) / SMOOTH;
}

static uint64_t silent_ns(const struct cluster_link *l, uint64_t now_ns)
{
    return now_ns - l->heard_ns;
}

/* Nothing comes any more, and it is not that we or the peer stand still. */
static bool fails(const struct cluster *c, unsigned link, unsigned other, uint64_t now_ns)
{
    return silent_ns(&c->link[link], now_ns) > SILENT_HEARTBEATS * c->o.heartbeat_ns &&
           silent_ns(&c->link[other], now_ns) <= c->o.heartbeat_ns * 3 / 2;
}

static bool much_better(const struct cluster *c, unsigned link, unsigned other, uint64_t now_ns)
{
    uint64_t now = c->link[link].usual_ns, then = c->link[other].usual_ns;

    return silent_ns(&c->link[other], now_ns) <= c->o.heartbeat_ns * 3 / 2 &&
           then <= now / TIMES_BETTER && now - then >= MARGIN_NS;
}

static bool has_stayed(const struct cluster *c, uint64_t for_ns, uint64_t now_ns)
{
    return c->choice.moved_ns == 0 || now_ns - c->choice.moved_ns >= for_ns;
}

static unsigned move(struct cluster *c, unsigned to, uint64_t now_ns)
{
    c->choice.from = c->choice.to = to;
    c->choice.moved_ns = now_ns;
    return to;
}

/* For how long has it been the better one, without a break? */
static uint64_t better_for_ns(struct cluster *c, unsigned link, unsigned other, uint64_t now_ns)
{
    if (c->choice.from != link || c->choice.to != other) {
        c->choice.from = link;
        c->choice.to = other;
        c->choice.since_ns = now_ns;
    }
    return now_ns - c->choice.since_ns;
}

unsigned cluster_choose_link(struct cluster *c, unsigned link, uint64_t now_ns)
{
    unsigned other = 1 - link;

    if (c->o.link_count < 2 || link >= c->o.link_count || !c->link[link].up || !c->link[other].up ||
        (!fails(c, link, other, now_ns) && !much_better(c, link, other, now_ns))) {
        c->choice.from = c->choice.to = link;
        return link;
    }
    if (fails(c, link, other, now_ns) && has_stayed(c, FAILS_NS, now_ns))
        return move(c, other, now_ns);
    if (better_for_ns(c, link, other, now_ns) >= LASTS_NS && has_stayed(c, STAYS_NS, now_ns))
        return move(c, other, now_ns);
    return link;
}
