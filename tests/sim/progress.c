/* That a node does not wait for what will not come: what a rule lets it take, raise or hand over in
 * an outage, it does at its next flush.  Without this a core that does nothing until its peer is
 * back would pass: every outage here ends. */
#include "sim.h"

#include "segment.h"

#include <inttypes.h>
#include <string.h>

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool may_take(const struct world *w, const struct node *n)
{
    const struct core *c = &n->core;

    return c->session == SESSION_DOWN && c->now_ns >= c->grant_end_ns &&
           (c->fenced || (!w->fencing[n->id] && !c->must_fence && c->peer_dead && c->may_take));
}

static uint64_t in_doubt(const struct node *n, size_t k)
{
    const struct core *c = &n->core;
    uint64_t sum = 0;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct delivery *d = &c->segment[c->order[i]].at[k];

        for (uint8_t m = 0; m < d->count; m++)
            sum +=
                d->span[m].doubt > d->span[m].emitted ? d->span[m].doubt - d->span[m].emitted : 0;
    }
    return sum;
}

/* What a taker was handed over and does not hold yet, or has meant to hand over with a smaller
 * window than its giver, that one counts as intended: after a flap the taker takes that for what it
 * had forgotten. */
static uint64_t intended_for(const struct node *n, const struct node *peer, size_t k)
{
    const struct core *c = &n->core;
    uint64_t sum = 0;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];
        const struct segment *h = core_segment(&peer->core, g->origin, g->epoch);

        for (uint8_t m = 0; h != NULL && m < h->at[k].count; m++) {
            const struct span *s = &h->at[k].span[m];
            const struct span *own = oracle_span(&g->at[k], s->emitted + 1);
            uint32_t low = s->emitted > g->journaled ? s->emitted : g->journaled;

            if ((s->owner == n->id || s->handing == HAND_OFFERED) &&
                (s->intent > low || (own != NULL && s->intent > own->intent)))
                sum += s->intent - s->emitted;
        }
    }
    return sum;
}

static void flap_look(const struct world *w, struct flap *f)
{
    memset(f, 0, sizeof(*f));
    for (int i = 0; i < NODE_COUNT; i++) {
        const struct node *n = w->node[i];

        f->life[i] = n->running ? n->life : UINT32_MAX;
        f->takeovers[i] = n->core.takeovers;
        for (size_t k = 0; k < w->sink_count; k++)
            f->losses[i] += n->sink[k].losses;
    }
}

static bool any_resumed(const struct core *c, size_t sinks)
{
    for (uint16_t i = 0; i < c->count; i++) {
        for (size_t k = 0; k < sinks; k++) {
            const struct delivery *d = &c->segment[c->order[i]].at[k];

            for (uint8_t m = 0; m < d->count; m++) {
                if (d->span[m].resumed)
                    return true;
            }
        }
    }
    return false;
}

/* Finding 2: where both live on, nobody took anything and no sink lost what it was handed, what
 * each settles as in doubt was in doubt before. */
static void flap_ends(struct world *w, const struct node *n)
{
    const struct node *peer = w->node[1 - n->id];
    struct flap now;

    flap_look(w, &now);
    if (n->flap.resumed || peer->flap.resumed || memcmp(&now, &n->flap.lost, sizeof(now)) != 0 ||
        memcmp(&now, &peer->flap.lost, sizeof(now)) != 0)
        return;
    for (size_t k = 0; k < w->sink_count; k++) {
        /* A sink that one was started without it may have had before. */
        if (n->has[k] && peer->has[k] && in_doubt(n, k) > n->flap.doubt[k] + peer->flap.doubt[k])
            world_fail(
                w, "node %u: after a mere flap %" PRIu64 " are in doubt at sink %zu, not %" PRIu64,
                n->id, in_doubt(n, k), k, n->flap.doubt[k] + peer->flap.doubt[k]);
    }
}

static void flap(struct world *w, struct node *n)
{
    const struct node *peer = w->node[1 - n->id];

    if (n->core.session == SESSION_UP) {
        if (!n->flap.is_up)
            flap_ends(w, n);
        n->flap.is_up = true;
        /* When the loss is seen, either may be another process: as long as both are in this one. */
        if (n->core.peer_nonce == peer->core.nonce && peer->core.peer_nonce == n->core.nonce)
            flap_look(w, &n->flap.up);
    } else if (n->flap.is_up) {
        n->flap.is_up = n->flap.resumed = false;
        n->flap.lost = n->flap.up;
        n->parted_ns = n->core.now_ns; /* As it sees it, which may have been frozen. */
        for (size_t k = 0; k < w->sink_count; k++)
            n->flap.doubt[k] = in_doubt(n, k) + intended_for(n, w->node[1 - n->id], k);
    }
    n->flap.resumed |= any_resumed(&n->core, w->sink_count);
}

void progress_flushes(struct world *w, struct node *n)
{
    flap(w, n);
    n->alone = n->core.session == SESSION_DOWN && !n->core.ending;
    n->takes = may_take(w, n);
}

/* L3: what is here, undone and the peer's. */
static void check_taken(struct world *w, const struct node *n, const struct segment *g, size_t k)
{
    const struct delivery *d = &g->at[k];

    if (g->origin == n->id && g->hollow && !n->core.fenced) /* T3: the records are not here. */
        return;
    for (uint8_t m = 0; d->count < SPAN_MAX && m < d->count; m++) {
        const struct span *s = &d->span[m];

        if (s->owner != n->id && s->emitted < s->to && s->emitted < g->journaled &&
            s->from <= g->journaled)
            world_fail(w, "node %u may take over, and leaves %u/%u %u-%u at sink %zu", n->id,
                       g->origin, g->epoch, s->from, least(s->to, g->journaled), k);
    }
}

/* T4: the hold time is over, by the largest count of it. */
static bool is_held_enough(const struct world *w, const struct node *n, size_t k)
{
    const struct core_sink_options *o = &n->configured[k];
    bool asked = o->answers && !o->local && !o->may_fail; /* Finding 6. */
    uint64_t lease_ns = w->options.lease_ns, ns = o->hold_ns;

    if (asked && (ns == 0 || ns > lease_ns))
        ns = lease_ns;
    return n->core.fenced || (ns != 0 && n->core.now_ns > n->parted_ns + ns + 2 * lease_ns &&
                              n->core.now_ns > n->core.lost_ns + 2 * lease_ns);
}

/* L1, L2, T4: what the peer cannot have, or was held for long enough, waits for nobody. */
static void check_goes_on(struct world *w, const struct node *n, const struct segment *g, size_t k)
{
    bool held_enough = is_held_enough(w, n, k);

    for (uint8_t m = 0; m < g->at[k].count; m++) {
        const struct span *s = &g->at[k].span[m];
        bool unsent = g->origin == n->id && s->from > g->sent && s->handing == HAND_NONE;
        uint64_t limit = (uint64_t)s->emitted + n->configured[k].window;
        uint32_t end = least(s->to, g->journaled);

        if (s->owner == n->id && s->emitted < s->to && (unsent || held_enough) &&
            s->granted < end && s->granted < limit)
            world_fail(w, "node %u is alone, and holds %u/%u %u-%u at sink %zu%s", n->id, g->origin,
                       g->epoch, s->granted + 1, end, k, unsent ? ", which it never sent" : "");
    }
}

void progress_flushed(struct world *w, struct node *n)
{
    const struct core *c = &n->core;

    for (uint16_t i = 0; n->alone && c->session == SESSION_DOWN && i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (g->state == SEGMENT_SETTLED)
            continue;
        for (size_t k = 0; k < c->o.sink_count; k++) {
            if (n->takes)
                check_taken(w, n, g, k);
            check_goes_on(w, n, g, k);
        }
    }
}

/* L2, L3, N4: this node may hand it over now, as far as sessions and leases go. */
static bool is_its_own_to_hand(const struct node *n, const struct segment *g, const struct span *s)
{
    const struct core *c = &n->core;

    if (s->owner != n->id || s->handing != HAND_NONE)
        return false;
    if (c->session == SESSION_DOWN)
        return s->resumed || (g->origin == n->id && s->from > g->sent);
    return c->session == SESSION_UP && c->now_ns < c->lease_end_ns;
}

/* D1: of this run a question is on its way, or will be once what is in flight has arrived; or what
 * stands for it is (D2). */
static bool is_asked(const struct span *s, const struct core_sink_options *o)
{
    bool guarded = s->guarded || o->local || o->may_fail;

    return s->asked == ASK_WANTED || s->asked == ASK_SENT || s->asked == ASK_SKIPPING ||
           (s->asked != ASK_DONE && s->handed > s->emitted && (s->handed < s->doubt || !guarded));
}

static bool waits_for_something(const struct node *n, const struct segment *g, unsigned sink,
                                uint8_t m)
{
    const struct core_sink_options *o = &n->configured[sink];
    const struct span *s = &g->at[sink].span[m];

    if (s->handed < s->doubt && o->policy != IN_DOUBT_RESEND) /* D2 */
        return true;
    if (!o->answers)
        return false;
    for (uint8_t i = 0; i <= m; i++) {
        const struct span *t = &g->at[sink].span[i];

        /* What is held below is not asked about where others write too: its answer would hide what
         * goes on above. */
        if (t->owner == n->id && (is_asked(t, o) || (i < m && !o->local && t->handed < t->doubt)))
            return true;
    }
    return false;
}

/* The sink has room, and the core gave it nothing. */
void progress_pulled(struct world *w, const struct node *n, unsigned sink)
{
    const struct core *c = &n->core;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        for (uint8_t m = 0; m < g->at[sink].count; m++) {
            const struct span *s = &g->at[sink].span[m];

            if (s->handed < least(s->granted, g->journaled) && is_its_own_to_hand(n, g, s) &&
                !waits_for_something(n, g, sink, m))
                world_fail(w, "node %u: %u/%u %u-%u is granted at sink %u and waits for nothing",
                           n->id, g->origin, g->epoch, s->handed + 1, s->granted, sink);
        }
    }
}
