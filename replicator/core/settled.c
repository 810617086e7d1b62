/* T3, T5: all facts of the peer are known, and what it did not speak of counts, too. */
#include "rules.h"

void settled_take_back(struct core *c, const struct segment *g, struct delivery *d, uint32_t to)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];

        if (s->owner == c->o.node || s->from > to || (s->to > to && !delivery_split(d, s, to)))
            continue;
        s->owner = c->o.node;
        s->term++;
        s->doubt = max_u32(s->doubt, span_reach(g, s));
        s->foreign = true;
        s->intent = max_u32(s->intent, s->doubt);
        s->handed = s->emitted;
        s->granted = s->requested = s->from - 1;
        s->asked = ASK_NONE;
        delivery_unguard(s);
        d->dirty = c->durable = true;
    }
}

/* T3: a replica that had the sink may have taken over there what it had, and emitted it; and
 * forgotten that, where it was started without the sink since. */
static void had_it_before(const struct segment *g, struct delivery *d, uint32_t held, bool forgot)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];
        uint32_t high = min_u32(s->to, held);

        if ((s->owner != g->origin && !forgot) || s->resumed || high <= s->emitted)
            continue;
        s->doubt = max_u32(s->doubt, high);
        s->foreign = true;
        s->intent = max_u32(s->intent, s->doubt);
        s->asked = ASK_NONE;
        delivery_unguard(s);
        d->dirty = true;
    }
}

static void settle_sink(const struct core *c, struct segment *g, size_t k)
{
    struct delivery *d = &g->at[k];
    bool ours = g->origin == c->o.node;
    bool forgot = c->peer_has[k] && g->fact_seen && d->was_shared && facts_are_blind(c, g, d);
    /* Its file may have lost some of what it had then. */
    uint32_t sent = ours ? g->sent : max_u32(g->peer_sent, min_u32(g->told, g->journaled));

    d->dirty |= d->shared != c->peer_has[k];
    if (forgot)
        had_it_before(g, d, sent, true);
    else if (ours && !c->peer_has[k] && (d->shared || g->unsure))
        had_it_before(g, d, segment_may_be_sent(g), false);
    d->shared = c->peer_has[k];
}

/* L3: what waits at a sink that its owner was started without waits for nobody there.  As after a
 * death it is this node's, which holds it and has had the sink all the time. */
static void take_from_owner(struct core *c, const struct segment *g, struct delivery *d, uint8_t n)
{
    struct span *s = &d->span[n];

    if (s->to > g->journaled && delivery_split(d, s, g->journaled))
        delivery_remove(d, &d->span[n + 1]); /* What is to come is not for that sink. */
    s->doubt = span_perhaps(g, s);
    if (g->peer_unsure || c->o.fencing || c->must_fence)
        s->doubt = span_end(g, s);
    s->owner = c->o.node;
    s->term++;
    s->foreign = s->doubt > s->emitted;
    s->intent = max_u32(s->intent, s->doubt);
    s->handed = s->emitted;
    s->granted = s->requested = s->from - 1;
    s->asked = ASK_NONE;
    delivery_unguard(s);
    c->durable = true;
}

/* What is ours of a peer's stream, and here, stays ours at a sink that the peer does not have any
 * more: it may have taken it back there, and emitted it. */
static void keep_ours(struct core *c, struct segment *g, struct delivery *d)
{
    for (uint8_t n = d->count; n-- > 0;) {
        struct span *s = &d->span[n];
        uint32_t high = min_u32(s->to, g->journaled);

        if (high < s->from || (s->owner != c->o.node && d->unheard)) {
            delivery_remove(d, s);
            continue;
        }
        if (s->owner != c->o.node) {
            take_from_owner(c, g, d, n);
            continue;
        }
        s->doubt = max_u32(s->doubt, high);
        s->foreign |= s->doubt > s->emitted;
        s->intent = max_u32(s->intent, s->doubt);
        s->asked = ASK_NONE;
        delivery_unguard(s);
    }
    delivery_tidy(d, true, g->journaled, delivery_keeper(c));
}

static void forget_peer_sinks(struct core *c, struct segment *g)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        settle_sink(c, g, k);
        if (c->peer_has[k])
            continue;
        if (g->origin == c->o.node && !g->lost) {
            settled_take_back(c, g, &g->at[k], SEQUENCE_MAX);
            continue;
        }
        /* Nothing of its stream goes there, and nothing of ours that our journal lost (T5) can
         * come from it. */
        if (g->origin == c->o.node) {
            gap_gone_at(c, &g->at[k], g);
            g->at[k].count = 0;
        } else {
            keep_ours(c, g, &g->at[k]);
        }
        g->at[k].dirty = true;
    }
}

static void settled_state(struct core *c, struct segment *g)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            struct span *s = &g->at[k].span[n];

            s->resumed = false;
            s->handing = HAND_NONE;
            s->granted = s->requested = s->from - 1;
            s->begun = s->intent; /* N6 */
            s->report |= s->owner == c->o.node;
        }
    }
    segment_show(c, g);
}

/* What a span's owner may have handed over beyond its marks, as both nodes can tell from the same
 * facts: up to the replica's R the replica held the intents, above it nobody did. */
static void unsure_span(const struct core *c, struct segment *g, size_t k, struct span *s)
{
    struct delivery *d = &g->at[k];
    bool ours = s->owner == c->o.node;
    bool origin_owns = s->owner == g->origin;
    bool other_unsure = ours ? g->peer_unsure : g->unsure;
    bool blind = facts_are_blind(c, g, d);
    bool witness = c->peer_has[k] && g->fact_seen && origin_owns && !other_unsure && !blind &&
                   !facts_bear_no_witness(c);
    uint32_t held = g->origin == c->o.node ? g->replicated : g->journaled;
    uint32_t known = witness ? held : 0;

    if (!(ours ? g->unsure : g->peer_unsure) || s->to <= known)
        return;
    if (s->from <= known && delivery_split(d, s, known))
        return;                         /* The upper part is next. */
    if (ours && s->handed > s->emitted) /* Of this process, which knew what it did. */
        return;
    s->doubt = max_u32(s->doubt, span_reach(g, s));
    /* A replica that holds nothing may have taken it over, emitted all of it, and forgotten it; so
     * may its origin have, when its journal is gone. */
    s->foreign |= held < g->base || other_unsure || g->lost;
    s->intent = max_u32(s->intent, s->doubt);
    s->asked = ASK_NONE;
    d->dirty = true;
}

static void unsure_settled(const struct core *c, struct segment *g)
{
    for (size_t k = 0; (g->unsure || g->peer_unsure) && k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++)
            unsure_span(c, g, k, &g->at[k].span[n]);
    }
    /* Of ours that the peer has not spoken of it may still know more. */
    g->unsure = g->unsure && g->origin == c->o.node && !g->fact_seen;
    g->peer_unsure = false;
}

/* Its origin's journal is older than this segment and does not have it: it has settled it.  What an
 * earlier journal had may have the higher number (T5). */
static bool was_settled_there(const struct core *c, const struct segment *g)
{
    return !g->lost && c->peer_first_epoch != 0 && g->epoch >= c->peer_first_epoch;
}

/* The peer's hello did not speak of this segment: it has settled and forgotten it, or lost it. */
static void forgotten_by_peer(struct core *c, struct segment *g)
{
    bool ours = g->origin == c->o.node;

    if (g->done) { /* Where our fact told of it, undone, the peer has it from there. */
        g->peer_done |= !g->fact_undone;
    } else if (!ours &&
               (g->journaled < g->base ||
                was_settled_there(c, g))) { /* Never sent here: its origin emitted it alone. */
        g->peer_done = true;
        segment_close(c, g, g->produced);
        for (size_t k = 0; k < c->o.sink_count; k++) {
            if (!c->peer_has[k]) /* L3: what is left there is ours. */
                continue;
            g->at[k].count = 0;
            g->at[k].dirty = true;
        }
        if (g->gap == GAP_PENDING)
            gap_filled(c, g);
    } else if (ours) { /* Until it says that all is done. */
        facts_forgotten_by(c, g, 1 - c->o.node);
    }
}

/* T5: nor has it settled it: it forgets what was sent only once we have said that it is done. */
static bool went_with_its_journal(const struct core *c, const struct segment *g)
{
    if (g->origin == c->o.node || g->fact_seen)
        return false;
    return c->peer_fresh || (!g->done && g->journaled >= g->base && !was_settled_there(c, g));
}

/* T5: a node's journal is gone.  What it had it may have taken over, or back, and emitted; what it
 * owned it may have emitted to the end; and nobody knows. */
static void memory_lost(const struct core *c, struct segment *g)
{
    uint8_t forgetful = c->forgot ? c->o.node : (uint8_t)(1 - c->o.node);
    uint32_t first = c->forgot ? c->first_epoch : c->peer_first_epoch;

    if (!c->forgot && !c->peer_fresh)
        return;
    if (g->origin == forgetful && !g->lost && first != 0 && g->epoch >= first)
        return; /* Of the new journal: it remembers. */
    for (size_t k = 0; k < c->o.sink_count; k++) {
        struct delivery *d = &g->at[k];

        for (uint8_t n = 0; n < d->count; n++) {
            struct span *s = &d->span[n];
            bool had_all = s->owner == forgetful || g->origin == forgetful;
            uint32_t high = had_all ? span_reach(g, s) : min_u32(s->to, segment_may_be_sent(g));

            if (s->resumed || high <= s->emitted)
                continue;
            s->doubt = max_u32(s->doubt, high);
            s->foreign = true;
            s->intent = max_u32(s->intent, s->doubt);
            s->asked = ASK_NONE;
            d->dirty = true;
        }
    }
}

static void heard(const struct core *c, struct segment *g)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        g->at[k].dirty |= g->at[k].unheard;
        g->at[k].unheard = false;
    }
}

/* L3: the peer has what we told of our own, durably: it speaks behind its settlement.  Until then
 * it may die, and forget that it has to expect again what comes at a sink that we have anew. */
void settled_peer_heard(struct core *c)
{
    if (c->version < 2) /* It does not know of that, and never will. */
        return;
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->origin == c->o.node && g->fact_told)
            heard(c, g);
    }
}

/* T5: this journal has begun without what the peer tells it only now: an earlier one of ours had
 * got as far as that, and may have opened more alone. */
static void leap_late(struct core *c)
{
    if (c->earlier != EARLIER_HEARD || c->own_epoch == 0)
        return;
    if (c->highest_epoch > c->own_epoch)
        epoch_leap(c);
    c->earlier = EARLIER_PASSED;
    c->node_dirty = true;
}

/* T3: all facts of the peer are known. */
void settled_hello_done(struct core *c)
{
    leap_late(c);
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (went_with_its_journal(c, g)) /* While the spans know what was to come. */
            facts_origin_lost(c, g, g->journaled);
        forget_peer_sinks(c, g);
        if (!g->fact_seen && c->peer_fresh)
            g->peer_done = false; /* Said by the process before: this one has our fact. */
        if (!g->fact_seen)
            forgotten_by_peer(c, g);
        memory_lost(c, g);
        unsure_settled(c, g);
        if (g->origin != c->o.node)
            heard(c, g); /* From now on it knows what the peer hands over at each sink. */
        if (g->gap == GAP_PENDING && g->lost)
            gap_note(c, g, GAP_LOST);
        g->told_done = false;
        if (g->state != SEGMENT_SETTLED)
            settled_state(c, g);
        g->dirty = true;
    }
    c->settled_due = true;
    c->fenced = false;
    c->node_dirty |= c->peer_journal != c->hello_journal;
    c->peer_journal = c->hello_journal;
    c->settlements++;
    c->had_session = true;
    c->both_fence = c->version >= 2 && c->o.fencing && c->peer_fences;
    c->node_dirty |= c->must_fence != c->both_fence;
    c->must_fence = c->both_fence;
}
