/* Properties that no collector can see, checked while the nodes run, from both nodes' states. */
#include "sim.h"

#include "segment.h"

static const struct span *span_of(const struct core *c, const struct core_range *r, unsigned sink)
{
    const struct segment *g = core_segment(c, r->origin, r->epoch);

    for (uint8_t m = 0; g != NULL && m < g->at[sink].count; m++) {
        const struct span *s = &g->at[sink].span[m];

        if (s->from <= r->from && r->from <= s->to)
            return s;
    }
    return NULL;
}

/* ---- T1, T2: hand-over ---- */

static bool anything_in_doubt(const struct world *w)
{
    for (int i = 0; i < NODE_COUNT; i++) {
        const struct core *c = &w->node[i]->core;

        for (uint16_t g = 0; g < c->count; g++) {
            const struct segment *s = &c->segment[c->order[g]];

            if (!s->gap_told && (s->gap == GAP_PENDING || s->gap == GAP_LOST))
                return true;
            if (s->origin == i && s->closed && s->journaled < s->last) /* L4: to be stated. */
                return true;
            for (size_t k = 0; k < w->sink_count; k++) {
                const struct delivery *d = &s->at[k];

                for (uint8_t m = 0; m < d->count; m++) {
                    if (d->span[m].doubt > d->span[m].emitted)
                        return true;
                }
            }
        }
    }
    return false;
}

/* Both nodes up and at one, every collector connected to both, no fault in force, and what one took
 * is stated: for that each has to have an epoch. */
static bool is_calm(const struct world *w)
{
    if (w->open > 0 || anything_in_doubt(w))
        return false;
    for (int i = 0; i < NODE_COUNT; i++) {
        const struct node *n = w->node[i];

        if (!n->running || n->frozen || n->note_count > 0 || n->fuse > 0 ||
            n->core.session != SESSION_UP || n->core.live_epoch == 0)
            return false;
        for (size_t k = 0; k < w->sink_count; k++) {
            if (!n->sink[k].up)
                return false;
        }
    }
    for (int i = 0; i < CONNS_MAX; i++) {
        if (w->flight[i]->used && !w->flight[i]->attached)
            return false;
    }
    return true;
}

/* Also what a refused hand-over goes on with at other sinks, and what it had offered before: its
 * answer may still be on the way. */
static bool gives(const struct world *w, const struct core *c)
{
    bool any = c->handover.state == HANDOVER_RUNNING;

    for (unsigned k = 0; k < w->sink_count; k++)
        any |= c->sink[k].give;
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        for (unsigned k = 0; k < w->sink_count; k++) {
            for (uint8_t m = 0; m < g->at[k].count; m++)
                any |= g->at[k].span[m].handing == HAND_OFFERED;
        }
    }
    return any;
}

/* A hand-over was asked for. */
void witness_handover(struct world *w, struct node *n, uint8_t sink)
{
    n->asked_handover = w->now;
    n->contested = gives(w, &w->node[1 - n->id]->core);
    n->giving = 0;
    for (unsigned k = 0; k < w->sink_count; k++) {
        if (n->core.sink[k].give && (sink == SINK_ALL || sink == k))
            n->giving |= (uint8_t)(1u << k);
    }
    w->stats.handovers += n->core.handover.state == HANDOVER_RUNNING;
    n->handover_seen = n->core.handover.state;
    if (w->calm && w->struck == w->calm_struck)
        return;
    w->calm = is_calm(w);
    w->calm_struck = w->struck;
}

/* T1: without a fault nothing is in doubt: nothing is marked, and nothing stated. */
static bool must_be_certain(const struct world *w)
{
    return w->calm && w->struck == w->calm_struck;
}

/* T1: what is done is done: none of it is this node's any more, but what stayed. */
static void check_done(struct world *w, struct node *n)
{
    const struct core *c = &n->core;
    uint64_t drain_ns = c->o.drain_ns != 0 ? c->o.drain_ns : SECOND_NS;

    if (n->handover_seen == c->handover.state)
        return;
    n->handover_seen = c->handover.state;
    TRACE(w, "node %u: hand-over: %s", n->id,
          c->handover.state == HANDOVER_DONE ? "done" : c->handover.why);
    if (c->handover.state != HANDOVER_DONE)
        return;
    w->stats.handovers_done++;
    if (w->options.give_ns != 0 || n->contested ||
        w->node[1 - n->id]->asked_handover >= n->asked_handover)
        return; /* The peer gives too: what this node had none of it may have now. */
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        for (unsigned k = 0; k < w->sink_count; k++) {
            /* The next epoch is its origin's. */
            if (g->epoch == c->live_epoch && c->epoch_opened_ns >= c->handover.started_ns)
                continue;
            for (uint8_t m = 0; n->giving & 1u << k && m < g->at[k].count; m++) {
                const struct span *s = &g->at[k].span[m];
                uint32_t stays =
                    w->options.sink[k].answers && s->doubt > s->handed ? s->doubt : s->handed;

                if (segment_lacks_tail(c, g) && s->to > g->journaled)
                    continue; /* Nobody has it: its sinks are asked, and it is stated. */
                if (s->owner == n->id && stays < s->to && (!g->lost || g->origin == n->id))
                    world_fail(w,
                               "node %u: the hand-over is done, and %u/%u %u-%u at sink %u is "
                               "still its own",
                               n->id, g->origin, g->epoch, stays + 1, s->to, k);
                if (s->owner == n->id && s->emitted < s->to &&
                    c->now_ns - c->sink[k].give_ns < drain_ns)
                    world_fail(w,
                               "node %u: the hand-over is done, and did not wait for %u/%u %u-%u "
                               "at sink %u",
                               n->id, g->origin, g->epoch, s->emitted + 1, s->to, k);
                if (s->owner == n->id && s->emitted < s->to && c->handover.stayed == 0)
                    world_fail(w,
                               "node %u: the hand-over is done, nothing stayed, and %u/%u %u-%u "
                               "at sink %u is not confirmed",
                               n->id, g->origin, g->epoch, s->emitted + 1, s->to, k);
            }
        }
    }
}

/* N6: its facts are out, so that the peer may have a session, lose it, and take over: what that one
 * may have does not go out without a lease. */
static void check_alone(struct world *w, const struct node *n, const struct core_give *give)
{
    const struct core *c = &n->core;
    const struct segment *g = core_segment(c, give->range.origin, give->range.epoch);

    if (c->session != SESSION_HELLO || !c->facts_out || core_lease_valid(c) || g == NULL ||
        c->both_fence)
        return;
    if (g->origin != n->id || give->range.from <= g->sent)
        world_fail(w, "node %u hands %u/%u %u-%u over after its facts, and alone", n->id,
                   give->range.origin, give->range.epoch, give->range.from, give->range.to);
}

static bool refuses_a_second(const struct world *w, unsigned sink)
{
    return w->sink_kind[sink] == SINK_STREAM || w->sink_kind[sink] == SINK_TABLE;
}

/* N4, L3, T6: while the clocks keep their bound, nobody hands over, as certain, what the other node
 * owns by a later takeover. */
void witness_hand(struct world *w, const struct node *n, unsigned sink,
                  const struct core_give *give)
{
    const struct node *other = w->node[1 - n->id];
    const struct span *mine = span_of(&n->core, &give->range, sink);
    const struct span *theirs = span_of(&other->core, &give->range, sink);

    check_alone(w, n, give);
    oracle_handed(w, &give->range);
    if (give->in_doubt && w->options.sink[sink].policy == IN_DOUBT_HOLD)
        world_fail(w, "node %u: %u/%u %u-%u is in doubt at sink %u, and is not held", n->id,
                   give->range.origin, give->range.epoch, give->range.from, give->range.to, sink);
    if (give->in_doubt && must_be_certain(w))
        world_fail(w, "node %u: %u/%u %u-%u is in doubt at sink %u, and there was no fault", n->id,
                   give->range.origin, give->range.epoch, give->range.from, give->range.to, sink);
    if (give->in_doubt || w->clock_lied || w->fence_lied || !other->running || mine == NULL ||
        theirs == NULL)
        return;
    if (mine->resumed) /* T4: it goes on without news of the peer; a sink that can be asked decides.
                        */
        return;
    /* It may remember what it owned before it was started without the sink. */
    if (sink == w->sink_count - 1 &&
        oracle_was_without(w, other->id, oracle_segment(w, give->range.origin, give->range.epoch)))
        return;
    /* L2: that one has the right to what is to come, and has none of it. */
    if (n->core.session != SESSION_UP &&
        core_segment(&other->core, give->range.origin, give->range.epoch)->journaled <
            give->range.from)
        return;
    /* So it is with what was resumed before its facts went. */
    if (n->core.session != SESSION_UP && n->core.both_fence && mine->asked == ASK_DONE &&
        refuses_a_second(w, sink))
        return;
    if (theirs->owner == other->id && theirs->term > mine->term)
        world_fail(w, "two owners: node %u hands %u/%u %u-%u to sink %u, which node %u took over",
                   n->id, give->range.origin, give->range.epoch, give->range.from, give->range.to,
                   sink, other->id);
}

/* L1: a session lost closes the epoch, as soon as N6 lets it. */
static void check_epoch(struct world *w, const struct node *n)
{
    const struct core *c = &n->core;

    if (c->session == SESSION_DOWN && c->live_epoch != 0 && c->lost_ns > c->epoch_opened_ns &&
        !c->epoch_wanted)
        world_fail(w, "node %u: the session is lost and epoch %u goes on", n->id, c->live_epoch);
}

/* In this outage, by this process. */
static bool taken_now(const struct world *w, const struct node *n, const struct segment *g)
{
    for (size_t k = 0;
         k < w->sink_count && n->core.session == SESSION_DOWN && n->core.taken_ns > n->core.lost_ns;
         k++) {
        for (uint8_t m = 0; m < g->at[k].count; m++) {
            if (g->at[k].span[m].owner == n->id && g->at[k].span[m].resumed)
                return true;
        }
    }
    return false;
}

/* It lost marks of it, or records. */
static bool forgot(struct world *w, const struct node *n, const struct segment *g)
{
    const struct seen_segment *s = oracle_segment(w, g->origin, g->epoch);

    return oracle_forgot(w, n->id, s) || (s != NULL && w->disk_lied_ns[n->id] >= s->opened_ns);
}

/* L4: what the taker knows to be produced, and does not have, it states. */
static void check_gaps(struct world *w, const struct node *n)
{
    for (uint16_t i = 0; i < n->core.count; i++) {
        const struct segment *g = &n->core.segment[n->core.order[i]];
        bool all = true;

        if (g->origin == n->id || g->gap != GAP_NONE || g->produced <= g->journaled ||
            !((g->lost && !forgot(w, n, g)) || taken_now(w, n, g)))
            continue;
        for (size_t k = 0; k < w->sink_count; k++) {
            for (uint8_t m = 0; m < g->at[k].count; m++) {
                const struct span *p = &g->at[k].span[m];

                all &= p->to <= g->journaled ||
                       p->emitted >= (p->to < g->produced ? p->to : g->produced);
            }
        }
        if (!all)
            world_fail(w, "node %u: took %u/%u over and says nothing of %u-%u", n->id, g->origin,
                       g->epoch, g->journaled + 1, g->produced);
    }
}

static bool is_lacking(const struct world *w, const struct segment *g)
{
    for (size_t k = 0; g->produced > g->journaled && k < w->sink_count; k++) {
        for (uint8_t m = 0; m < g->at[k].count; m++) {
            const struct span *p = &g->at[k].span[m];
            uint32_t done = p->emitted > g->journaled ? p->emitted : g->journaled;

            if (done < (p->to < g->produced ? p->to : g->produced))
                return true;
        }
    }
    return false;
}

/* L4, T5: what its origin has lost with its journal, and some sink lacks, is stated by the replica,
 * also where nobody took over before. */
static void check_lost(struct world *w, struct node *n)
{
    for (uint16_t i = 0; i < n->core.count; i++) {
        uint16_t at = n->core.order[i];
        const struct segment *g = &n->core.segment[at];
        bool other = g->origin != n->id;

        if (other && g->lost && !g->peer_done && g->gap == GAP_NONE && n->was[at].lacking &&
            n->was[at].epoch == g->epoch)
            world_fail(w, "node %u: %u/%u went with its journal, and nothing is said of it", n->id,
                       g->origin, g->epoch);
        n->was[at].epoch = g->epoch;
        n->was[at].lacking = other && !g->lost && is_lacking(w, g);
    }
}

/* It waits for a while to ask the sink of what may be there (A3), and not for one that is gone. */
static void note_unasked(struct world *w, const struct node *n)
{
    for (uint16_t i = 0; i < n->core.count; i++) {
        const struct segment *g = &n->core.segment[n->core.order[i]];

        for (unsigned k = 0; g->gap == GAP_LOST && !g->gap_told && k < w->sink_count; k++)
            oracle_segment(w, g->origin, g->epoch)->unasked |= n->has[k] && !n->sink[k].up;
    }
}

/* N3: no intent runs further ahead of what is confirmed than the window, but for what is in doubt.
 */
static void check_window(struct world *w, const struct node *n)
{
    if (w->edits_limits)
        return;
    for (uint16_t i = 0; i < n->core.count; i++) {
        const struct segment *g = &n->core.segment[n->core.order[i]];

        for (size_t k = 0; k < w->sink_count; k++) {
            for (uint8_t m = 0; m < g->at[k].count; m++) {
                const struct span *s = &g->at[k].span[m];
                uint64_t limit = (uint64_t)s->emitted + w->options.sink[k].window;

                if (!w->options.sink[k].answers && s->owner == n->id && s->intent > limit &&
                    s->intent > s->doubt)
                    world_fail(w, "node %u: %u/%u at sink %zu: I %u is too far above E %u", n->id,
                               g->origin, g->epoch, k, s->intent, s->emitted);
            }
        }
    }
}

/* Of what is stated the journal has some.  Not what the disk kept although its sync failed, which
 * may come back above a segment that ended meanwhile. */
static bool holds_some(const struct segment *g, const struct core_note *note)
{
    uint32_t to = g->closed && g->last < g->journaled ? g->last : g->journaled;

    return note->range.from <= to && note->range.to >= g->base;
}

static bool intended_by(const struct core *c, const struct core_range *r, uint32_t q)
{
    const struct segment *g = c != NULL ? core_segment(c, r->origin, r->epoch) : NULL;

    if (g != NULL && g->origin == c->o.node && q <= segment_may_be_sent(g))
        return true;
    for (size_t k = 0; g != NULL && k < c->o.sink_count; k++) {
        for (uint8_t m = 0; m < g->at[k].count; m++) {
            const struct span *s = &g->at[k].span[m];

            if (s->from <= q && q <= (s->resumed ? s->to : s->intent))
                return true; /* T4: or its peer may have taken it. */
        }
    }
    return false;
}

/* D2: what is said to be in doubt somebody handed over, or one of the nodes or the processes before
 * them had meant to. */
static void check_doubted(struct world *w, const struct core_range *r)
{
    const struct seen_segment *s = oracle_segment(w, r->origin, r->epoch);

    for (uint32_t q = r->from; q <= r->to && s != NULL && q <= s->last; q++) {
        bool was = s->record[q].handed;

        for (int i = 0; i < NODE_COUNT; i++)
            was |= intended_by(&w->node[i]->core, r, q) || intended_by(w->node[i]->before, r, q);
        if (!was)
            world_fail(w, "%u/%u/%u is said to be in doubt, and nobody meant to hand it over",
                       r->origin, r->epoch, q);
    }
}

/* L4: a statement names what its node does not have. */
void witness_note(struct world *w, const struct node *n, const struct core_note *note)
{
    const struct segment *g = core_segment(&n->core, note->range.origin, note->range.epoch);

    if (note->kind == RECORD_GAP_IN_DOUBT)
        check_doubted(w, &note->range);
    if (note->reason == REASON_JOURNAL_LIMIT) /* It has them, and gives them up. */
        return;
    if (collector_is_owed(w, &note->range))
        oracle_segment(w, note->range.origin, note->range.epoch)->unasked = true;
    if (must_be_certain(w))
        world_fail(w, "node %u: states %s of %u/%u %u-%u, and there was no fault", n->id,
                   statement_name(note->kind), note->range.origin, note->range.epoch,
                   note->range.from, note->range.to);
    if (note->kind == RECORD_GAP_PENDING && g != NULL && taken_now(w, n, g) &&
        note->range.to < g->produced)
        world_fail(w, "node %u: says that %u/%u up to %u waits, and knows of %u", n->id, g->origin,
                   g->epoch, note->range.to, g->produced);
    if (note->kind != RECORD_GAP_IN_DOUBT && g != NULL && holds_some(g, note))
        world_fail(w, "node %u: states %u/%u %u-%u, and holds %u-%u", n->id, g->origin, g->epoch,
                   note->range.from, note->range.to, g->base, g->journaled);
}

static uint32_t in_doubt(const struct span *s)
{
    return s->doubt > s->emitted ? s->doubt - s->emitted : 0;
}

/* Of what it may take at one sink: what was in doubt before, and for each run a window, and as much
 * again: marks that are on different links, or told after what they bound, can be lost between.
 * UINT32_MAX: of some it is the owner. */
static uint32_t may_doubt(const struct world *w, const struct node *n, const struct segment *g,
                          size_t k)
{
    uint32_t sum = 0;

    for (uint8_t m = 0; m < g->at[k].count; m++) {
        const struct span *s = &g->at[k].span[m];

        if (s->owner == n->id && s->emitted < s->to)
            return UINT32_MAX;
        sum += s->emitted < s->to ? in_doubt(s) + 2 * w->options.sink[k].window : 0;
    }
    return sum;
}

/* The first flush of an outage at which a takeover is allowed is the one that takes over. */
void witness_flushes(struct world *w, struct node *n)
{
    const struct core *c = &n->core;

    n->taking = c->session == SESSION_DOWN && n->taking_of != c->lost_ns + 1 &&
                c->now_ns >= c->grant_end_ns && (c->fenced || (c->peer_dead && c->may_take));
    if (!n->taking)
        return;
    n->taking_of = c->lost_ns + 1;
    for (uint16_t i = 0; i < c->count; i++) {
        for (size_t k = 0; k < w->sink_count; k++)
            n->may_doubt[c->order[i]][k] = may_doubt(w, n, &c->segment[c->order[i]], k);
    }
}

/* Section 5: how much a taker settles as in doubt is bounded by W, for each segment, run and sink.
 * Where it fences, all that it holds is (T4a); where its marks of it are gone, it cannot tell; and
 * who knows that the other's journal went doubts, and intends, all that it sends (T5). */
static void check_doubt(struct world *w, const struct node *n)
{
    const struct core *c = &n->core;

    if (w->edits_limits || w->edits_power || !n->taking || w->fencing[n->id] || c->must_fence ||
        w->journal_lost_ns[0] != 0 || w->journal_lost_ns[1] != 0)
        return;
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];
        const struct seen_segment *seen = oracle_segment(w, g->origin, g->epoch);

        if (oracle_forgot(w, n->id, seen))
            continue;
        for (size_t k = 0; k < w->sink_count; k++) {
            uint32_t sum = 0, may = n->may_doubt[c->order[i]][k];

            if (w->options.sink[k].answers) /* What an answer settles goes out without a window. */
                continue;
            if (k == w->sink_count - 1 && oracle_was_without(w, n->id, seen))
                continue; /* It knows no intents. */
            for (uint8_t m = 0; m < g->at[k].count; m++)
                sum += g->at[k].span[m].owner == n->id ? in_doubt(&g->at[k].span[m]) : 0;
            if (sum > may)
                world_fail(w, "node %u: took %u/%u over, %u of it in doubt at sink %zu, not %u",
                           n->id, g->origin, g->epoch, sum, k, may);
        }
    }
}

/* T1: only the primary takes over, and only from the dead, or at the operator's word. */
static void check_takeover(struct world *w, struct node *n)
{
    if (n->core.takeovers == n->takeovers)
        return;
    TRACE(w, "node %u: takes %u segments over%s", n->id,
          (unsigned)(n->core.takeovers - n->takeovers),
          n->fenced_said ? ", its peer is fenced" : "");
    w->stats.takeovers += n->core.takeovers - n->takeovers;
    n->takeovers = n->core.takeovers;
    w->stats.failovers += n->took_of != n->core.lost_ns + 1;
    n->took_of = n->core.lost_ns + 1;
    check_doubt(w, n);
    if (must_be_certain(w))
        world_fail(w, "node %u took over, and there was no fault", n->id);
    if (!n->fenced_said && w->fencing[n->id])
        world_fail(w, "node %u took over, and fenced nobody", n->id);
    if (!n->fenced_said && w->node[1 - n->id]->running && w->node[1 - n->id]->core.both_fence &&
        (w->marks_lost_ns[n->id] == 0 || w->marks_lost_ns[n->id] < w->met_ns))
        world_fail(w, "node %u took over from one that relies on fencing, and fenced nobody",
                   n->id);
    if (!n->fenced_said && !(cluster_peer_dead(&n->cluster) && cluster_is_primary(&n->cluster)))
        world_fail(w, "node %u took over without the cluster's leave", n->id);
    if (node_clock(w, n) < n->granted_ns + w->options.lease_ns) /* L3, by its own count. */
        world_fail(w, "node %u took over while a lease that it granted lasts", n->id);
}

/* N4 */
void witness_sent(struct world *w, struct node *n, const uint8_t *frame, size_t len)
{
    uint64_t lease_ns = w->options.lease_ns;
    uint64_t slowest_ns = lease_ns + lease_ns / 1000000 * w->options.drift_ppm;
    uint32_t nonce;
    uint8_t type;

    if (wire_get_header(frame, len, &type, &nonce) != 0 || type != FRAME_INTENT_ACK)
        return;
    n->granted_ns = node_clock(w, n);
    if (n->core.grant_end_ns < n->granted_ns + slowest_ns) /* The owner may have asked just now. */
        world_fail(w, "node %u counts a lease for %u us that its owner may count for longer", n->id,
                   (unsigned)((n->core.grant_end_ns - n->granted_ns) / 1000));
}

/* N5: will it tell its E above there? */
static bool says(const struct segment *g, size_t k, uint32_t from, unsigned owner)
{
    for (uint8_t i = 0; i < g->at[k].count; i++) {
        if (g->at[k].span[i].from > from)
            return g->at[k].span[i].owner == owner;
    }
    return g->closed; /* That all is done. */
}

/* L4: what nobody has of it its origin takes at once, to ask the sinks.  g is of `node`. */
static bool takes_tail(const struct world *w, unsigned node, const struct segment *g,
                       const struct segment *h, uint32_t from)
{
    return from > g->journaled && from > h->journaled &&
           segment_lacks_tail(&w->node[g->origin]->core, g->origin == node ? g : h);
}

static void same_owners(struct world *w, unsigned node, const struct segment *g,
                        const struct segment *h, size_t k)
{
    for (uint8_t m = 0; m < g->at[k].count; m++) {
        const struct span *s = &g->at[k].span[m];
        struct core_range r = {g->origin, g->epoch, s->emitted + 1, 0};
        const struct span *t = NULL;

        for (uint8_t i = 0; i < h->at[k].count && s->emitted < s->to; i++) {
            if (h->at[k].span[i].from <= r.from && r.from <= h->at[k].span[i].to)
                t = &h->at[k].span[i];
        }
        if (t == NULL && s->emitted < s->to && s->owner == 1 - node &&
            !says(h, k, r.from, s->owner))
            world_fail(w,
                       "node %u waits for %u/%u/%u at sink %zu, of which its owner can say nothing",
                       node, g->origin, g->epoch, r.from, k);
        if (t != NULL && t->emitted < r.from && (t->owner != s->owner || t->term != s->term) &&
            !takes_tail(w, node, g, h, r.from))
            world_fail(w, "the nodes settled %u/%u/%u at sink %zu as node %u's and as node %u's",
                       g->origin, g->epoch, r.from, k, s->owner, t->owner);
    }
}

/* T3: from the same facts both compute the same owners, of what each spoke of. */
static void check_settled(struct world *w, struct node *n)
{
    const struct core *a = &n->core, *b = &w->node[1 - n->id]->core;
    bool was_up = n->was_up;

    n->was_up = a->session == SESSION_UP;
    if (n->was_up && !was_up)
        w->met_ns = w->now;
    if (was_up || !n->was_up || b->session != SESSION_UP || a->peer_nonce != b->nonce ||
        b->peer_nonce != a->nonce)
        return;
    for (uint16_t i = 0; i < a->count; i++) {
        const struct segment *g = &a->segment[a->order[i]];
        const struct segment *h = core_segment(b, g->origin, g->epoch);

        for (size_t k = 0; h != NULL && g->fact_seen && h->fact_seen && k < w->sink_count; k++) {
            same_owners(w, n->id, g, h, k);
            same_owners(w, 1 - n->id, h, g, k);
        }
    }
}

/* Finding 4: what it has settled with its origin a node does not take up again. */
static void check_dropped(struct world *w, const struct node *n)
{
    for (uint16_t i = 0; i < n->core.count; i++) {
        const struct segment *g = &n->core.segment[n->core.order[i]];

        if (g->origin != n->id && !g->done &&
            segment_dropped(&n->core, g->origin, g->epoch) != NULL)
            world_fail(w, "node %u: takes up %u/%u again, which it had settled", n->id, g->origin,
                       g->epoch);
    }
}

void witness_flushed(struct world *w, struct node *n)
{
    w->stats.settlements += n->core.settlements - n->settlements;
    n->settlements = n->core.settlements;
    if (n->core.session == SESSION_UP && !n->was_up)
        check_dropped(w, n);
    check_settled(w, n);
    check_takeover(w, n);
    check_done(w, n);
    check_lost(w, n);
    note_unasked(w, n);
    if (n->core.session != SESSION_DOWN) /* It was started anew, or never was dead. */
        n->fenced_said = false;
}

/* T4a: a node that was not fenced holds nothing of its own, but what it offered. */
static void check_unfenced(struct world *w, const struct node *n)
{
    const struct core *c = &n->core;

    if (w->edits_limits || !w->fencing[n->id] || !c->both_fence || c->session != SESSION_DOWN)
        return;
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < w->sink_count; k++) {
            for (uint8_t m = 0; m < g->at[k].count; m++) {
                const struct span *s = &g->at[k].span[m];
                uint64_t limit = (uint64_t)s->emitted + w->options.sink[k].window;
                uint32_t end = s->to < g->journaled ? s->to : g->journaled;

                if (s->owner == n->id && s->handing != HAND_OFFERED && s->emitted < s->to &&
                    s->granted < end && s->granted < limit)
                    world_fail(w, "node %u was not fenced, and holds %u/%u %u-%u at sink %zu",
                               n->id, g->origin, g->epoch, s->granted + 1, end, k);
            }
        }
    }
}

void witness_tick(struct world *w, const struct node *n)
{
    check_epoch(w, n);
    check_gaps(w, n);
    check_window(w, n);
    check_unfenced(w, n);
}

/* N6 */
void witness_epoch(struct world *w, struct node *n)
{
    uint64_t now = node_clock(w, n);

    if (n->epoch_opened_ns != 0 && now - n->epoch_opened_ns < SECOND_NS)
        world_fail(w, "node %u opens two epochs within a second", n->id);
    n->epoch_opened_ns = now;
}
