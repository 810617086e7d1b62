/* What happens to a segment when the session is lost: it waits, goes on alone, or is taken over. */
#include "rules.h"

static bool peer_may_have(const struct core *c, const struct segment *g)
{
    return c->o.has_peer && (g->origin != c->o.node || g->sent > 0);
}

/* L2, T1: handed over or offered, but never sent: the peer cannot have it.  If it has accepted the
 * offer, it counts as its owner, one term higher: ours has to be above that. */
static void keep_unsent(struct core *c, struct delivery *d, uint32_t sent)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];

        if (s->from <= sent || (s->handing == HAND_NONE && s->owner == c->o.node))
            continue;
        s->term += s->handing == HAND_OFFERED ? 2 : s->owner != c->o.node;
        s->owner = c->o.node;
        s->handing = HAND_NONE;
        c->durable = true;
        s->granted = s->requested = s->from - 1;
        d->dirty = true;
    }
}

/* L2: what lies above S is cut off, so that it can go on while (E, S] waits.  Of what the peer has
 * of an earlier process's records only a bound is known until a hello has ended. */
static void split_at_sent(struct core *c, struct segment *g)
{
    uint32_t bound = c->had_session ? g->sent : g->sent_bound;

    if (g->origin != c->o.node || g->lost) /* T5: what is lost here is the replica's. */
        return;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        struct delivery *d = &g->at[k];
        struct span *s = delivery_find(d, max_u32(g->sent, 1));
        uint32_t sent = s != NULL && s->owner != c->o.node ? bound : g->sent;

        s = delivery_find(d, sent);
        /* One place is kept for a cut at the settlement; without room all of the span waits. */
        if (s != NULL && d->count < SPAN_MAX - 2)
            delivery_split(d, s, sent);
        if (!g->unsure) /* The power may have taken the bound too. */
            keep_unsent(c, d, bound);
        delivery_tidy(d, g->closed, g->last, delivery_keeper(c));
    }
}

static void hold(struct core *c, struct segment *g)
{
    if (peer_may_have(c, g) && g->state != SEGMENT_TAKEN && g->state != SEGMENT_SETTLED)
        segment_move(g, SEGMENT_HELD);
}

/* L1, L2 */
void takeover_lost(struct core *c)
{
    c->epoch_wanted = true;
    handover_lost(c);
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        split_at_sent(c, g);
        hold(c, g);
    }
}

/* L3: from `s->from` to `limit` becomes ours; what may be at the sink already is in doubt. */
static void take_span(struct core *c, const struct segment *g, struct delivery *d, struct span *s,
                      uint32_t limit)
{
    if (s->owner == c->o.node || s->from > limit)
        return;
    if (limit < s->to && !delivery_split(d, s, limit))
        return;
    s->owner = c->o.node;
    s->term++;
    s->doubt = span_perhaps(g, s);
    /* T4a: it held nothing, and may have gone on until it was fenced. */
    if (c->o.fencing || c->must_fence || !c->o.has_peer)
        s->doubt = s->to;
    if (d->unheard)
        s->doubt = s->to;
    s->intent = max_u32(s->intent, s->doubt);
    s->handed = s->emitted;
    s->granted = s->intent;
    s->requested = s->from - 1;
    s->foreign = s->doubt > s->emitted;
    s->resumed = true; /* Nobody else may emit it: we go on without the peer. */
    s->asked = ASK_NONE;
    delivery_unguard(s);
    d->dirty = true;
}

/* L4: nobody can bring what is above `have`, so that no node's facts speak against it. */
void takeover_tail(struct core *c, struct segment *g, uint32_t have)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        struct delivery *d = &g->at[k];

        for (uint8_t n = 0; n < d->count; n++) {
            struct span *s = &d->span[n];

            if (s->owner == c->o.node || s->to <= have)
                continue;
            if (s->from > have) {
                take_span(c, g, d, s, g->last);
                c->durable = true;
            } else {
                delivery_split(d, s, have); /* Its upper part is the next one. */
            }
        }
    }
}

/* L3, L4: of ours also the lost tail: only its owner asks the sinks, before it is stated. */
static uint32_t take_to(const struct core *c, const struct segment *g)
{
    return segment_lacks_tail(c, g) ? g->last : g->journaled;
}

static void take_segment(struct core *c, struct segment *g)
{
    uint32_t to = take_to(c, g);
    bool taken = false;

    /* T3: the records are at the peer, unless it stays away: here are stand-ins. */
    if (g->origin == c->o.node && g->hollow && c->o.has_peer && !c->fenced)
        return;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        bool here = false;

        for (uint8_t n = 0; n < g->at[k].count; n++) {
            struct span *s = &g->at[k].span[n];

            if (s->owner == c->o.node || s->from > to)
                continue;
            take_span(c, g, &g->at[k], s, to);
            here |= s->owner == c->o.node;
        }
        if (g->origin != c->o.node)
            g->at[k].unheard &= !here; /* From now on its marks say it. */
        taken |= here;
    }
    if (taken) {
        c->durable = true;
        segment_move(g, SEGMENT_TAKEN);
        c->takeovers++;
        c->taken_ns = c->now_ns;
    }
}

/* T1, T4a: the cluster names us and nothing is to be fenced, or the peer was fenced. */
static bool may_take_over(const struct core *c)
{
    return c->fenced || (!c->o.fencing && !c->must_fence && c->peer_dead && c->may_take);
}

/* L3, L4: it left the configuration: nothing more will come, also of what it had closed. */
static void end_of_peers(struct core *c, struct segment *g)
{
    if (g->closed && g->journaled >= g->last)
        return;
    gap_note(c, g, GAP_LOST);
    g->closed = false;
    segment_close(c, g, g->journaled);
}

/* L3: our own count of the lease has run out. */
static void take_over(struct core *c)
{
    if (c->session != SESSION_DOWN || c->now_ns < c->grant_end_ns)
        return;
    if (c->o.has_peer && !may_take_over(c))
        return;
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->state == SEGMENT_SETTLED)
            continue;
        if (!c->o.has_peer && g->origin != c->o.node)
            end_of_peers(c, g);
        take_segment(c, g);
        if (!g->lost && c->o.has_peer)
            gap_note(c, g, GAP_PENDING);
    }
}

/* A replica goes on with what it knows that it holds: its file may have more, of a write that
 * failed, which the next process finds there.  Too ragged, it goes on with all of it.  false: there
 * is nothing of it. */
static bool cut_at_held(const struct core *c, const struct segment *g, struct delivery *d,
                        struct span *s)
{
    uint32_t held = max_u32(g->journaled, s->intent);

    if (g->origin == c->o.node || s->to <= held)
        return true;
    if (s->from > held)
        return false;
    delivery_split(d, s, held);
    return true;
}

/* T4, D2: its owner goes on; all that the peer may have taken is in doubt. */
static void resume(struct core *c, struct segment *g, size_t k)
{
    for (uint8_t n = 0; n < g->at[k].count; n++) {
        struct span *s = &g->at[k].span[n];
        bool offered = s->handing == HAND_OFFERED;
        uint32_t sent = offered ? segment_may_be_sent(g) : g->sent;

        if (s->owner != c->o.node || s->resumed || (!offered && span_may_go_solo(c, g, s)))
            continue;
        if (!cut_at_held(c, g, &g->at[k], s))
            continue;
        s->resumed = true;
        s->handing = HAND_NONE;
        s->doubt = min_u32(s->to, g->origin == c->o.node ? sent : g->journaled);
        s->doubt = max_u32(s->doubt, span_perhaps(g, s));
        s->foreign = s->doubt > s->emitted;
        s->asked = ASK_NONE;
        delivery_unguard(s);
        g->at[k].dirty = true;
        c->durable = true;
    }
}

/* D1 (finding 6): a sink that knows all, and refuses a second writer, is asked instead of waiting
 * for the peer: no longer than a taker waits. */
static uint64_t hold_ns(const struct core *c, size_t k)
{
    uint64_t ns = c->o.sink[k].hold_ns;

    return sink_knows_all(c, k) && (ns == 0 || ns > c->o.lease_ns) ? c->o.lease_ns : ns;
}

/* T4 */
static void hold_time(struct core *c)
{
    uint64_t since = c->parted_ns != 0 ? c->parted_ns : c->started_ns;
    bool perhaps_up = c->lost_ns != 0 && c->now_ns - c->lost_ns < c->o.lease_ns;

    if (c->session != SESSION_DOWN)
        return;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        uint64_t ns = hold_ns(c, k);

        if (!c->fenced && (ns == 0 || c->now_ns - since < ns || perhaps_up || core_lease_valid(c)))
            continue;
        for (uint16_t i = 0; i < c->count; i++)
            resume(c, &c->segment[c->order[i]], k);
    }
}

void takeover_tick(struct core *c)
{
    take_over(c);
    hold_time(c);
}

void takeover_fenced(struct core *c)
{
    if (c->session == SESSION_DOWN)
        c->fenced = true;
}
