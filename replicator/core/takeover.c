/* What happens to a segment when the session is lost, and when it comes back. */
#include "rules.h"
#include "record.h"
#include "settle.h"

#include <assert.h>

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

static void take_segment(struct core *c, struct segment *g)
{
    bool taken = false;

    /* T3: the records are at the peer, unless it stays away: here are stand-ins. */
    if (g->origin == c->o.node && g->hollow && c->o.has_peer && !c->fenced)
        return;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        bool here = false;

        for (uint8_t n = 0; n < g->at[k].count; n++) {
            struct span *s = &g->at[k].span[n];

            if (s->owner == c->o.node || s->from > g->journaled)
                continue;
            take_span(c, g, &g->at[k], s, g->journaled);
            here |= s->owner == c->o.node;
        }
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

static void note_range(struct segment *g, enum gap_state gap, uint32_t from, uint32_t to)
{
    if (g->gap == gap && g->gap_from == from && g->gap_to == to)
        return;
    g->gap_from = from;
    g->gap_to = to;
    g->gap = (uint8_t)gap;
    g->gap_told = g->gap_asked = false;
    g->dirty = true;
}

/* In have + 1 .. end, from the first to the last that some sink lacks; from > to: none. */
struct undone {
    uint32_t from, to;
};

static void undone_at(const struct delivery *d, uint32_t have, uint32_t end, struct undone *u)
{
    for (uint8_t n = 0; n < d->count; n++) {
        const struct span *s = &d->span[n];

        if (s->to <= have || s->emitted >= min_u32(s->to, end))
            continue;
        u->from = min_u32(u->from, max_u32(s->emitted, have) + 1);
        u->to = max_u32(u->to, min_u32(s->to, end));
    }
}

/* At every sink, or, once the peer has them, only where it cannot bring them. */
static bool concerns(const struct core *c, size_t k, bool peer_has_them)
{
    return !peer_has_them || !c->peer_has[k];
}

static struct undone undone_in(const struct core *c, const struct segment *g, uint32_t have,
                               uint32_t end, bool peer_has_them)
{
    struct undone u = {SEQUENCE_MAX, 0};

    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (concerns(c, k, peer_has_them))
            undone_at(&g->at[k], have, end, &u);
    }
    return u;
}

/* Of a closed segment no node has more than `have`: what some sink lacks of the rest is stated. */
static void note_tail_lost(const struct core *c, struct segment *g, uint32_t have)
{
    struct undone u = undone_in(c, g, have, g->last, false);

    if (g->gap != GAP_NONE && !g->gap_told)
        u.to = max_u32(u.to, g->gap_to);
    if (u.from <= u.to)
        note_range(g, GAP_LOST, u.from, u.to);
}

static void end_at(struct core *c, struct segment *g, uint32_t last)
{
    g->last = last;
    g->dirty = true;
    if (g->origin == c->o.node)
        g->ack = false; /* The close is told again. */
    for (size_t k = 0; k < c->o.sink_count; k++)
        delivery_tidy(&g->at[k], true, g->last, delivery_keeper(c));
}

void takeover_tail_lost(struct core *c, struct segment *g)
{
    uint32_t have = max_u32(g->journaled, c->session == SESSION_UP ? g->replicated : 0);

    note_tail_lost(c, g, have);
    end_at(c, g, have);
}

/* From its end on downwards: joins what of a sink lies at or above `from`. */
static bool undone_joins(const struct delivery *d, uint32_t have, struct undone *u)
{
    for (uint8_t n = 0; n < d->count; n++) {
        const struct span *s = &d->span[n];
        uint32_t from = max_u32(s->emitted, have) + 1;

        if (s->to <= have || s->emitted >= s->to || from >= u->from || s->to < u->from - 1)
            continue;
        u->from = from;
        return true;
    }
    return false;
}

/* The last run of it: what lies between two was handed over, and a statement names no such record.
 */
static struct undone undone_last(const struct core *c, const struct segment *g, uint32_t have,
                                 bool peer_has_them)
{
    struct undone u = undone_in(c, g, have, g->last, peer_has_them);
    bool more = u.from <= u.to;

    u.from = u.to + 1;
    while (more) {
        more = false;
        for (size_t k = 0; k < c->o.sink_count; k++)
            more |= concerns(c, k, peer_has_them) && undone_joins(&g->at[k], have, &u);
    }
    return u;
}

/* One run at a time, from the top: each ends the segment below it. */
void takeover_runs_lost(struct core *c, struct segment *g)
{
    uint32_t have = max_u32(g->journaled, c->session == SESSION_UP ? g->replicated : 0);
    struct undone u = undone_last(c, g, have, false), below;

    if (g->gap == GAP_LOST && !g->gap_told)
        return;
    below = undone_in(c, g, have, u.from - 1, false);
    if (u.from > u.to || below.from > below.to) {
        takeover_tail_lost(c, g);
        return;
    }
    note_range(g, GAP_LOST, u.from, u.to);
    end_at(c, g, u.from - 1);
}

/* The peer has it, and not this sink: nobody can bring what lies above J there.  One run at a time,
 * from the top, as well. */
void takeover_tail_ours(struct core *c, struct segment *g)
{
    struct undone u = undone_last(c, g, g->journaled, true);

    if (u.from > u.to || (g->gap == GAP_LOST && !g->gap_told))
        return;
    note_range(g, GAP_LOST, u.from, u.to);
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (!c->peer_has[k])
            delivery_tidy(&g->at[k], true, u.from - 1, delivery_keeper(c));
    }
}

/* L4: its origin has closed it, and knows of nothing above `last`: that will never come. */
static void note_lost(const struct core *c, struct segment *g, uint32_t last)
{
    struct undone u = undone_in(c, g, max_u32(last, g->journaled), g->produced, false);

    if (u.from <= u.to)
        note_range(g, GAP_LOST, u.from, u.to);
}

/* L4: what the peer produced and we do not have. */
static void note_gap(const struct core *c, struct segment *g, enum gap_state gap)
{
    uint32_t from = g->produced + 1, to = g->produced;
    bool stated = g->gap == GAP_LOST && g->gap_told && g->gap_to >= to;

    if (g->origin == c->o.node)
        return;
    if (gap == GAP_PENDING && g->gap == gap && g->gap_to >= to) /* More may be known since. */
        return;
    from = min_u32(from, segment_undone(c, g)); /* Its origin may have emitted some alone. */
    from = max_u32(from, g->journaled + 1);
    if (stated)
        to = g->gap_from - 1;
    if (gap == GAP_LOST) { /* A3: what its origin has emitted alone above is not lost. */
        struct undone u = undone_in(c, g, g->journaled, to, false);
        bool untold = g->gap == GAP_LOST && !g->gap_told;

        from = max_u32(from, u.from);
        to = untold ? max_u32(u.to, g->gap_to) : u.to;
    }
    if (from <= to)
        note_range(g, gap, from, to);
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
    note_gap(c, g, GAP_LOST);
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
            note_gap(c, g, GAP_PENDING);
    }
}

/* T4, D2: its owner goes on; all that the peer may have taken is in doubt. */
static void resume(struct core *c, struct segment *g, size_t k)
{
    for (uint8_t n = 0; n < g->at[k].count; n++) {
        struct span *s = &g->at[k].span[n];

        if (g->origin == c->o.node && s->owner == c->o.node && s->handing == HAND_OFFERED &&
            s->from > g->sent) { /* L2: the peer cannot have what was never sent. */
            s->term += 2;
            s->handing = HAND_NONE;
            g->at[k].dirty = c->durable = true;
        }
        if (s->owner != c->o.node || s->resumed || span_may_go_solo(c, g, s))
            continue;
        s->resumed = true;
        s->handing = HAND_NONE;
        s->doubt = g->origin == c->o.node ? min_u32(s->to, g->sent) : min_u32(s->to, g->journaled);
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

/* An answer, or a noted statement, that is under way is of the range of then. */
static void keep_asked(const struct span *o, struct span *s)
{
    bool under_way = o->asked == ASK_SENT || o->asked == ASK_SKIPPING;

    s->asked = under_way && o->from != s->from ? ASK_NONE : o->asked;
}

/* What this process had handed over under an old span it must not hand over again: its confirmation
 * is on the way.  Where the settled span begins before it, it becomes a span of its own. */
static void keep_in_flight(const struct span *o, struct delivery *d)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];
        uint32_t low = max_u32(o->emitted, s->from - 1);
        uint32_t high = min_u32(o->handed, s->to);

        if (s->owner != o->owner || low >= high || s->emitted >= high)
            continue;
        if (s->emitted < low) {
            if (delivery_split(d, s, low))
                continue;                       /* The upper part is next. */
            s->doubt = max_u32(s->doubt, high); /* Too ragged: again, but marked. */
            s->intent = max_u32(s->intent, high);
            continue;
        }
        s->intent = max_u32(s->intent, high); /* N6 */
        s->handed = max_u32(s->handed, high);
        keep_asked(o, s);
    }
}

static void keep_handed(const struct core *c, const struct delivery *old, struct delivery *d)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];
        const struct span *o = delivery_find((struct delivery *)old, s->emitted + 1);

        /* The peer knows of a higher intent of ours than we do, or that we took it over: what we
         * did is forgotten. */
        if (s->owner == c->o.node && o != NULL && s->intent > s->emitted &&
            (o->owner != s->owner || o->intent < s->intent))
            s->doubt = s->intent;
    }
    for (uint8_t m = 0; m < old->count; m++) {
        const struct span *o = &old->span[m];
        struct span *s = delivery_find(d, o->emitted + 1);

        if (o->owner != c->o.node)
            continue;
        if (o->handed > o->emitted)
            keep_in_flight(o, d);
        else if (s != NULL && s->owner == o->owner && s->handed < s->doubt)
            keep_asked(o, s);
    }
}

/* L3, T4: what this node goes on with alone stays so until its own facts are out: without them
 * nobody can have taken it back, and this hello may not come to its end. */
static void keep_resumed(const struct core *c, const struct delivery *old, struct delivery *d)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];
        const struct span *o = delivery_find((struct delivery *)old, s->emitted + 1);

        s->resumed = s->owner == c->o.node && o != NULL && o->resumed && o->owner == s->owner &&
                     o->term == s->term;
    }
}

/* D1: of its own records an origin knows that nobody took them.  What it emitted alone of others
 * the taker has to ask for, now that it hears how far that may go. */
static void keep_guard(const struct core *c, const struct segment *g, const struct delivery *old,
                       struct delivery *d)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];
        const struct span *o = delivery_find((struct delivery *)old, s->emitted + 1);

        s->guarded = o != NULL && o->guarded && o->term == s->term && g->origin == c->o.node;
        if (!s->guarded)
            delivery_unguard(s);
    }
}

/* As the peer knows it, where it has our facts: a confirmation since then changes no outcome. */
static struct delivery as_told(const struct core *c, const struct delivery *d)
{
    struct delivery told = *d;

    for (uint8_t n = 0; c->hello_sent && n < told.count; n++) {
        struct span *s = &told.span[n];

        if (s->owner == c->o.node)
            s->emitted = min_u32(s->emitted, max_u32(s->told, s->from - 1));
    }
    return told;
}

/* What was confirmed since then: the marks tell it to the peer. */
static void confirmed_since(const struct core *c, const struct delivery *now, struct delivery *d)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];
        const struct span *o = delivery_find((struct delivery *)now, s->emitted + 1);
        uint32_t e = o != NULL ? min_u32(o->emitted, s->to) : 0;

        if (o == NULL || o->owner != c->o.node || e <= s->emitted)
            continue;
        s->report = true; /* Also to the node that took it over from us. */
        s->emitted = e;
        s->handed = max_u32(s->handed, e);
        s->intent = max_u32(s->intent, e);
    }
}

/* T3 for one segment at one sink. */
static void settle(struct core *c, struct segment *g, size_t k, const struct delivery *theirs)
{
    struct delivery now = g->at[k];
    struct delivery mine = as_told(c, &now);
    struct delivery other = *theirs;
    uint32_t last = g->closed ? g->last : SEQUENCE_MAX;

    delivery_tidy(&mine, g->closed, g->last, -1);
    delivery_tidy(&other, g->closed, g->last, -1);
    if (g->origin == c->o.node)
        settle_delivery(&mine, &other, last, &g->at[k]);
    else
        settle_delivery(&other, &mine, last, &g->at[k]);
    g->at[k].unheard = now.unheard;
    g->at[k].shared = now.shared;
    if (g->at[k].count ==
        SPAN_MAX) /* Too ragged: what is done in between goes out again, marked. */
        g->seen.done[k] = 0;
    confirmed_since(c, &now, &g->at[k]);
    delivery_tidy(&now, g->closed, g->last, -1);
    keep_handed(c, &now, &g->at[k]);
    keep_resumed(c, &now, &g->at[k]);
    if (sink_knows_all(c, k))
        keep_guard(c, g, &now, &g->at[k]);
    for (uint8_t n = 0; n < g->at[k].count; n++)
        g->at[k].span[n].begun = g->at[k].span[n].intent;
}

/* T4a: an owner that fences may have gone on without its peer, above the intents that the peer
 * holds; in an earlier session, whatever the peer of now says. */
static bool peer_is_no_witness(const struct core *c)
{
    bool one_fences = c->o.fencing || c->peer_fences || c->must_fence;

    return one_fences || c->version < 2; /* Version 1 does not tell it. */
}

/* The replica has not had the sink all the time: it does not know all that was intended there. */
static bool is_blind(const struct core *c, const struct segment *g, const struct delivery *d)
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
            if (is_blind(c, g, d) ||
                (s->owner != c->o.node && g->peer_unsure && peer_is_no_witness(c)))
                s->doubt = span_end(g, s);
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

/* A3: a file that began at `from` went, and its marks are whole: none of it was done. */
void takeover_file_lost(struct segment *g, uint32_t from)
{
    if (g->gap == GAP_NONE)
        note_range(g, GAP_LOST, from, g->base - 1);
}

/* T5: a journal has come back that its peer had taken for lost, and closed with less than that has:
 * the rest went out nowhere, and will not. */
void takeover_came_back(struct core *c, struct segment *g, uint32_t last)
{
    uint32_t from = max_u32(last + 1, segment_undone(c, g));

    if (g->origin == c->o.node && g->gap == GAP_NONE && from <= g->journaled)
        note_range(g, GAP_LOST, from, g->journaled);
}

static void origin_lost(struct core *c, struct segment *g, uint32_t replicated)
{
    if (g->lost) { /* The process that heard it may have died before it was written whose it is. */
        give_tail(c, g, 0, min_u32(replicated, g->last));
        return;
    }
    g->lost = true;
    g->dirty = true;
    takeover_came_back(c, g, replicated);
    if (g->origin != c->o.node)
        note_gap(c, g, GAP_LOST);
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
        if (fact->closed && !g->lost)
            note_lost(c, g, origin_tells_to(fact)); /* While the spans know what was confirmed. */
        if (fact->closed && !g->closed && !g->lost)
            segment_close(c, g, fact->last);
    }
    g->peer_done = fact->done; /* The power, or its journal's end, may have taken its word. */
    g->dirty = true;
}

/* Both have settled it, and the power has taken its origin's memory of that: all of it is done. */
void takeover_settled_before(struct core *c, struct segment *g)
{
    g->journaled = max_u32(max_u32(g->journaled, g->produced), g->closed ? g->last : 0);
    g->base = g->journaled + 1;
    segment_done_below(c, g, g->base);
    segment_close(c, g, g->journaled);
    for (size_t k = 0; k < c->o.sink_count; k++)
        g->at[k].count = 0;
    g->done = true;
}

static struct segment *add_settled(struct core *c, const struct segment *fact)
{
    struct segment *g = segment_add(c, fact->origin, fact->epoch);

    if (g == NULL)
        return NULL;
    g->journaled = max_u32(max_u32(fact->journaled, fact->produced), fact->closed ? fact->last : 0);
    g->journaled = min_u32(g->journaled, segment_dropped_to(c, fact->origin, fact->epoch));
    takeover_settled_before(c, g);
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

static struct segment *segment_of_fact(struct core *c, const struct segment *fact)
{
    struct segment *g = segment_find(c, fact->origin, fact->epoch);

    if (fact->epoch > c->highest_epoch)
        c->highest_epoch = fact->epoch;
    if (g != NULL || fact->done)
        return g;
    if (fact->origin == c->o.node && c->first_epoch != 0 && fact->epoch >= c->first_epoch &&
        fact->epoch <= c->own_epoch)
        return NULL; /* Settled here: the peer learns it from our facts' silence. */
    if (c->count + 4 > SEGMENT_MAX)
        return NULL; /* What is left is the place of an epoch that was asked for. */
    if (fact->origin != c->o.node && segment_was_dropped(c, fact->origin, fact->epoch))
        return add_settled(c, fact);
    g = segment_add(c, fact->origin, fact->epoch);
    if (g != NULL && fact->origin == c->o.node) {
        g->journaled = 0;
        g->produced = fact->produced;
    }
    return g;
}

/* A span of an open segment may end where its records do not reach yet (what may have been sent is
 * marked ahead): of what is to come nothing is in doubt. */
static uint32_t span_reach(const struct segment *g, const struct span *s)
{
    uint32_t there = max_u32(max_u32(g->journaled, g->replicated), g->produced);

    return g->closed ? span_end(g, s) : min_u32(span_end(g, s), max_u32(there, s->intent));
}

/* The peer says that this node had taken it over; this node remembers nothing of it: what it had
 * emitted before it forgot cannot be told. */
static void forgotten_here(const struct core *c, struct segment *g)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            struct span *s = &g->at[k].span[n];

            if (s->owner != c->o.node)
                continue;
            s->doubt = max_u32(s->doubt, span_reach(g, s));
            s->intent = max_u32(s->intent, s->doubt);
            g->at[k].dirty = true;
        }
    }
}

/* T3: one segment as the peer sees it. */
void takeover_fact(struct core *c, const struct segment *fact, const uint8_t *at, size_t len,
                   uint8_t n)
{
    bool known = segment_find(c, fact->origin, fact->epoch) != NULL;
    struct segment *g = segment_of_fact(c, fact);

    if (g == NULL)
        return;
    g->fact_seen = true;
    g->peer_unsure = fact->unsure;
    for (size_t k = 0; k < c->o.sink_count; k++)
        g->at[k].blind = false;
    learn_marks(c, g, fact);
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
        if (k < 0)
            continue;
        settle(c, g, (size_t)k, &d);
        g->at[k].blind = d.unheard;
    }
    learn_tail(c, g, fact);
    if (fact->lost || g->lost || (!known && g->origin == c->o.node))
        origin_lost(c, g, g->origin == c->o.node ? fact->journaled : g->journaled); /* T5 */
    if (!known && g->origin != c->o.node)
        forgotten_here(c, g);
}

/* What the peer owned at a sink that it does not have any more: it may have emitted it before. */
static void take_back(struct core *c, const struct segment *g, struct delivery *d)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];

        if (s->owner == c->o.node)
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

/* With our facts the peer's session may be up, also if ours never is: from now on it may take over
 * what it has, so that we do not go on alone any more (L2). */
void takeover_told(struct core *c, struct segment *g)
{
    g->told = g->journaled;
    for (size_t k = 0; k < c->o.sink_count; k++) {
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

/* What of its own records the peer may have had. */
static uint32_t may_be_sent(const struct segment *g)
{
    uint32_t there = g->closed ? g->last : SEQUENCE_MAX;

    return g->begun_before ? max_u32(g->sent, min_u32(there, g->sent_bound)) : g->sent;
}

/* T3: a peer that had the sink may have taken over there what it had of ours, and emitted it. */
static void had_it_before(const struct core *c, const struct segment *g, struct delivery *d)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];
        uint32_t high = min_u32(s->to, may_be_sent(g));

        if (s->owner != c->o.node || s->resumed || high <= s->emitted)
            continue;
        s->doubt = max_u32(s->doubt, high);
        s->foreign = true;
        s->intent = max_u32(s->intent, s->doubt);
        s->asked = ASK_NONE;
        delivery_unguard(s);
    }
}

static void settle_sink(const struct core *c, struct segment *g, size_t k)
{
    struct delivery *d = &g->at[k];

    d->dirty |= d->shared != c->peer_has[k];
    if (d->shared && !c->peer_has[k] && g->origin == c->o.node)
        had_it_before(c, g, d);
    d->shared = c->peer_has[k];
}

/* What is ours of a peer's stream, and here, stays ours at a sink that the peer does not have any
 * more: it may have taken it back there, and emitted it. */
static void keep_ours(const struct core *c, struct segment *g, struct delivery *d)
{
    for (uint8_t n = d->count; n-- > 0;) {
        struct span *s = &d->span[n];
        uint32_t high = min_u32(s->to, g->journaled);

        if (s->owner != c->o.node || high < s->from) {
            delivery_remove(d, s);
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
            take_back(c, g, &g->at[k]);
            continue;
        }
        /* Nothing of its stream goes there, and nothing of ours that our journal lost (T5) can
         * come from it. */
        if (g->origin == c->o.node)
            g->at[k].count = 0;
        else
            keep_ours(c, g, &g->at[k]);
        g->at[k].dirty = true;
    }
}

void segment_show(struct core *c, struct segment *g)
{
    bool ours = false, theirs = false;
    enum segment_state kept = g->closed ? SEGMENT_DRAINING : SEGMENT_LIVE;

    for (size_t k = 0; k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            const struct span *s = &g->at[k].span[n];

            if (s->emitted < s->to)
                *(s->owner == c->o.node ? &ours : &theirs) = true;
        }
    }
    if (g->origin == c->o.node)
        segment_move(g, theirs && !ours ? SEGMENT_HANDED_OVER : kept);
    else
        segment_move(g, ours && !theirs ? SEGMENT_TAKEN : kept);
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
    bool blind = is_blind(c, g, d);
    bool witness = c->peer_has[k] && g->fact_seen && origin_owns && !other_unsure && !blind &&
                   !peer_is_no_witness(c);
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
    s->foreign |= held == 0 || other_unsure || g->lost;
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

static void gap_filled(struct core *c, struct segment *g)
{
    c->filled[g->origin] += g->gap_to - g->gap_from + 1;
    g->gap = GAP_FILLED;
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
            g->at[k].count = 0;
            g->at[k].dirty = true;
        }
        if (g->gap == GAP_PENDING)
            gap_filled(c, g);
    } else if (!ours) { /* It forgets what was sent only once we have said that it is done. */
        origin_lost(c, g, g->journaled);
    }
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
            uint32_t high = had_all ? span_reach(g, s) : min_u32(s->to, may_be_sent(g));

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

/* From now on it knows what the peer hands over at each sink. */
static void heard(const struct core *c, struct segment *g)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        g->at[k].dirty |= g->at[k].unheard;
        g->at[k].unheard = false;
    }
}

/* T5: this journal has begun without what the peer tells it only now: an earlier one of ours had
 * got as far as that, and may have opened more alone. */
static void leap_late(struct core *c)
{
    if (c->forgot && c->own_epoch != 0 && c->highest_epoch > c->own_epoch)
        epoch_leap(c);
}

/* T3: all facts of the peer are known. */
void takeover_hello_done(struct core *c)
{
    leap_late(c);
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (c->peer_fresh && g->origin != c->o.node && !g->fact_seen)
            origin_lost(c, g, g->journaled);
        forget_peer_sinks(c, g);
        if (!g->fact_seen && c->peer_fresh)
            g->peer_done = false; /* Said by the process before: this one has our fact. */
        if (!g->fact_seen)
            forgotten_by_peer(c, g);
        memory_lost(c, g);
        unsure_settled(c, g);
        heard(c, g);
        if (g->gap == GAP_PENDING && g->lost)
            note_gap(c, g, GAP_LOST);
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

/* L4 */
void takeover_notes(struct core *c, struct core_output *out)
{
    for (uint16_t i = 0; i < c->count && out->note_count < OUT_NOTE_MAX; i++) {
        struct segment *g = &c->segment[c->order[i]];

        /* Its origin may have emitted them alone, so that they never came here. */
        if (g->gap == GAP_PENDING && (g->journaled >= g->gap_to || segment_is_done(c, g))) {
            gap_filled(c, g);
            g->dirty = true;
        }
        if (g->gap_told || g->gap_asked || c->live_epoch == 0)
            continue;
        if (g->gap == GAP_PENDING && g->journaled >= g->gap_from) /* Some came meanwhile. */
            note_range(g, GAP_PENDING, g->journaled + 1, g->gap_to);
        if (g->gap != GAP_PENDING && g->gap != GAP_LOST)
            continue;
        g->gap_asked = true;
        out->note[out->note_count++] = (struct core_note){
            .kind = g->gap == GAP_PENDING ? RECORD_GAP_PENDING : RECORD_GAP_LOST,
            .reason = g->gap == GAP_PENDING ? REASON_PEER_LOST : REASON_JOURNAL_LOST,
            .range = {g->origin, g->epoch, g->gap_from, g->gap_to},
        };
    }
}

/* The journal holds the statement: it need not be made again after a restart. */
void takeover_noted(struct core *c, const struct core_input *in)
{
    const struct core_range *r = &in->records;
    struct segment *g = segment_find(c, r->origin, r->epoch);

    if ((in->note == RECORD_GAP_LOST && shed_noted(c, r)) || g == NULL)
        return;
    if (in->note == RECORD_GAP_IN_DOUBT) {
        delivery_skipped(c, g, r);
    } else if (in->note == (g->gap == GAP_PENDING ? RECORD_GAP_PENDING : RECORD_GAP_LOST) &&
               g->gap_from == r->from && g->gap_to == r->to) {
        g->gap_told = true;
        g->dirty = true;
    }
}
