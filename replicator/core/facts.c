/* T3, T5: what the peer's hello tells of one segment. */
#include "rules.h"

#include <string.h>

/* T4a: an owner that fences may have gone on without its peer, above the intents that the peer
 * holds; in an earlier session, whatever the peer of now says. */
bool facts_bear_no_witness(const struct core *c)
{
    bool one_fences = c->o.fencing || c->peer_fences || c->must_fence;

    return one_fences || c->version < 2; /* Version 1 does not tell it. */
}

/* The replica has not had the sink all the time: it does not know all that was intended there. */
bool facts_are_blind(const struct core *c, const struct segment *g, const struct delivery *d)
{
    return g->origin == c->o.node ? d->blind : d->unheard;
}

/* What the origin cannot serve any more is the replica's, as far as that has it: (above, to]. */
static void give_tail(struct core *c, struct segment *g, uint32_t above, uint32_t to)
{
    uint8_t replica = (uint8_t)(1 - g->origin);

    for (size_t k = 0; k < c->o.sink_count; k++) {
        struct delivery *d = &g->at[k];

        for (uint8_t n = 0; c->peer_has[k] && n < d->count; n++) {
            struct span *s = &d->span[n];

            if (s->owner == replica || s->to <= above || s->from > to)
                continue;
            if (s->from <= above && delivery_split(d, s, above))
                continue;
            delivery_split(d, s, to); /* Too ragged: all that is to come goes with it. */
            s->doubt = span_perhaps(g, s);
            if (facts_are_blind(c, g, d) ||
                (s->owner != c->o.node && g->peer_unsure && facts_bear_no_witness(c)))
                s->doubt = span_end(g, s);
            /* T3: until the replica hears that, it may take it from us. */
            if (!g->lost && s->owner == c->o.node)
                s->doubt = min_u32(s->to, to);
            s->owner = replica;
            s->term++;
            s->foreign = s->doubt > s->emitted;
            s->intent = max_u32(s->intent, s->doubt);
            s->granted = s->requested = s->from - 1;
            s->handed = s->emitted;
            s->asked = ASK_NONE;
            delivery_unguard(s);
            d->dirty = true;
        }
    }
}

void facts_origin_lost(struct core *c, struct segment *g, uint32_t replicated)
{
    if (g->lost) { /* The process that heard it may have died before it was written whose it is. */
        give_tail(c, g, 0, min_u32(replicated, g->last));
        return;
    }
    g->lost = true;
    g->dirty = true;
    gap_came_back(c, g, replicated);
    if (g->origin != c->o.node)
        gap_note(c, g, GAP_LOST);
    g->closed = false;
    segment_close(c, g, replicated);
    give_tail(c, g, 0, replicated);
    segment_move(g, g->origin == c->o.node ? SEGMENT_HANDED_OVER : SEGMENT_TAKEN);
}

/* L4: of what its origin knows of, that says itself what is lost: it may have emitted some alone.
 */
static uint32_t origin_tells_to(const struct segment *fact)
{
    return fact->lost ? fact->last : max_u32(fact->last, fact->produced);
}

static void learn_marks(struct core *c, struct segment *g, const struct segment *fact)
{
    if (g->origin == c->o.node) {
        if (fact->closed && !g->closed && !g->lost) /* Its end may be from before our marks went. */
            segment_close(c, g, max_u32(fact->last, g->journaled));
        g->replicated = fact->journaled;
        g->cursor = fact->journaled;
        g->sent = max_u32(g->sent, fact->journaled);
        g->sent_bound = max_u32(g->sent_bound, g->sent);
        if (g->epoch != c->live_epoch && !g->closed && !g->lost)
            g->produced = max_u32(g->produced, fact->produced);
    } else {
        g->produced = max_u32(g->produced, fact->produced);
        g->peer_sent = fact->sent;
        g->sent = max_u32(g->sent, fact->sent);
        g->sent_bound = max_u32(g->sent_bound, fact->sent_bound);
        g->begun_before = fact->begun_before;
        if (fact->closed && !g->lost)
            gap_note_lost(c, g,
                          origin_tells_to(fact)); /* While the spans know what was confirmed. */
        if (fact->closed && !g->closed && !g->lost)
            segment_close(c, g, fact->last);
    }
    g->peer_done = fact->done; /* The power, or its journal's end, may have taken its word. */
    g->dirty = true;
}

/* Both have settled it, and the power has taken its origin's memory of that: all of it is done. */
void facts_settled_before(struct core *c, struct segment *g)
{
    g->journaled = max_u32(max_u32(g->journaled, g->produced), g->closed ? g->last : 0);
    g->base = g->journaled + 1;
    segment_done_below(c, g, g->base);
    segment_close(c, g, g->journaled);
    for (size_t k = 0; k < c->o.sink_count; k++)
        g->at[k].count = 0;
    g->done = true;
}

static uint32_t fact_end(const struct segment *fact)
{
    return max_u32(max_u32(fact->journaled, fact->produced), fact->closed ? fact->last : 0);
}

/* The power may have taken what its origin knew of its end, as it may have what this node did. */
static struct segment *add_settled(struct core *c, const struct segment *fact,
                                   const struct core_dropped *dropped)
{
    uint32_t told = fact_end(fact);
    struct segment *g = segment_add(c, fact->origin, fact->epoch);

    if (g == NULL)
        return NULL;
    g->journaled = dropped->at_least ? max_u32(told, dropped->to) : min_u32(told, dropped->to);
    facts_settled_before(c, g);
    return g;
}

/* The origin's host lost its last writes: they are the replica's, whoever owned them.  After the
 * spans are settled, so that both nodes raise the same term.  The segment may go on above them: its
 * ring has lived on; or its end is stated as lost, when that has nothing more (L4). */
static void learn_tail(struct core *c, struct segment *g, const struct segment *fact)
{
    bool own = g->origin == c->o.node;
    uint32_t told = c->hello_sent ? min_u32(g->told, g->journaled) : g->journaled;
    uint32_t origin_has = own ? told : fact->journaled;
    uint32_t replica_has = own ? fact->journaled : g->journaled;

    if (!g->lost && replica_has > origin_has)
        give_tail(c, g, origin_has, replica_has);
}

/* L3: we settled it up to there while the peer was not in our configuration, and the power had
 * taken from us what the peer has above; it drops that, as we are silent. */
static struct segment *add_left(struct core *c, const struct segment *fact, uint32_t to)
{
    struct segment *g;

    if (to >= fact_end(fact) || c->count + 4 > SEGMENT_MAX)
        return NULL;
    g = segment_add(c, fact->origin, fact->epoch);
    g->journaled = to;
    g->base = to + 1;
    segment_done_below(c, g, g->base);
    segment_close(c, g, fact_end(fact));
    return g;
}

static struct segment *segment_of_fact(struct core *c, const struct segment *fact)
{
    struct segment *g = segment_find(c, fact->origin, fact->epoch);
    const struct core_dropped *dropped = segment_dropped(c, fact->origin, fact->epoch);
    uint32_t settled = dropped != NULL ? dropped->to : SEQUENCE_MAX;

    if (fact->epoch > c->highest_epoch)
        c->highest_epoch = fact->epoch;
    if (g != NULL || fact->done)
        return g;
    /* T5: the peer takes the silence of an old copy for that of one that knows. */
    if (fact->origin == c->o.node && epoch_never_known(c, fact->epoch))
        settled = 0;
    if (fact->origin == c->o.node && c->first_epoch != 0 && fact->epoch >= c->first_epoch &&
        fact->epoch <= c->own_epoch)
        return add_left(c, fact, settled); /* Else settled here: our facts' silence says it. */
    if (c->count + 4 > SEGMENT_MAX)
        return NULL; /* What is left is the place of an epoch that was asked for. */
    if (fact->origin != c->o.node && dropped != NULL)
        return add_settled(c, fact, dropped);
    g = segment_add(c, fact->origin, fact->epoch);
    if (g != NULL && fact->origin == c->o.node) {
        g->journaled = 0;
        g->produced = fact->produced;
    }
    return g;
}

void facts_forgotten_by(const struct core *c, struct segment *g, uint8_t owner)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            struct span *s = &g->at[k].span[n];

            if (s->owner != owner)
                continue;
            if (s->asked == ASK_DONE && span_reach(g, s) > s->doubt) /* D1: of less than that. */
                s->asked = ASK_NONE;
            s->doubt = max_u32(s->doubt, span_reach(g, s));
            s->intent = max_u32(s->intent, s->doubt);
            g->at[k].dirty = true;
        }
    }
}

/* T3: one segment as the peer sees it. */
void facts_learn(struct core *c, const struct segment *fact, const uint8_t *at, size_t len,
                 uint8_t n)
{
    struct segment *g = segment_find(c, fact->origin, fact->epoch);
    struct delivery old[SINK_COUNT_MAX];
    bool known = g != NULL, left;

    if (known && fact->closed && !fact->lost && epoch_goes_on(c, g)) { /* L3: it ran alone. */
        session_break(c, "the peer has ended an epoch that the ring is in: soon the next is open");
        return;
    }
    g = segment_of_fact(c, fact);
    if (g == NULL)
        return;
    left = !known && g->origin == c->o.node && g->closed;
    g->fact_seen = true;
    g->peer_unsure = fact->unsure;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        g->at[k].blind = false;
        g->at[k].was_shared &= g->origin == c->o.node;
    }
    learn_marks(c, g, fact);
    memcpy(old, g->at, sizeof(old));
    while (n-- > 0) {
        struct delivery d;
        uint8_t origin;
        uint32_t epoch, key;
        int used = wire_get_delivery(at, len, &origin, &epoch, &key, &d);
        int k;

        if (used < 0 || origin != g->origin || epoch != g->epoch) {
            session_break(c, "a fact of another segment, or malformed");
            return;
        }
        at += used;
        len -= (size_t)used;
        k = sink_index(c, key);
        if (k < 0) {
            g->peer_keeps |= delivery_is_undone(&d);
            continue;
        }
        reconcile(c, g, (size_t)k, &d);
        g->at[k].blind = d.unheard;
        if (g->origin != c->o.node)
            g->at[k].was_shared = d.shared;
    }
    if (left) {
        gap_left(c, g);
        facts_settled_before(c, g);
        return;
    }
    learn_tail(c, g, fact);
    if (fact->lost || g->lost || (!known && g->origin == c->o.node))
        facts_origin_lost(c, g, g->origin == c->o.node ? fact->journaled : g->journaled); /* T5 */
    for (size_t k = 0; g->origin != c->o.node && k < c->o.sink_count; k++)
        reconcile_tail(c, g, k, &old[k]);
    if (!known && g->origin != c->o.node)
        facts_forgotten_by(c, g, c->o.node);
}

/* With our facts the peer's session may be up, also if ours never is: from now on it may take over
 * what it has, so that we do not go on alone any more (L2). */
void facts_told(struct core *c, struct segment *g)
{
    g->told = g->journaled;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (g->origin == c->o.node)
            g->at[k].was_shared = g->at[k].shared;
        if (c->peer_has[k] && !g->at[k].shared)
            g->at[k].shared = g->at[k].dirty = c->durable = true;
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            struct span *s = &g->at[k].span[n];

            s->told = s->emitted;
            if (!s->resumed)
                continue;
            s->resumed = false;
            g->at[k].dirty = true;
            c->durable = true;
        }
    }
}
