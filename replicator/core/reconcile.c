/* T3: one segment at one sink, as both nodes see it, and what this process did there meanwhile. */
#include "rules.h"
#include "settle.h"

/* An answer, or a noted statement, that is under way is of the range of then; one that came is of
 * what was in doubt then. */
static void keep_asked(const struct span *o, struct span *s)
{
    bool under_way = o->asked == ASK_SENT || o->asked == ASK_SKIPPING;
    bool outdated = o->asked == ASK_DONE && s->doubt > max_u32(o->doubt, o->handed);

    s->asked = outdated || (under_way && o->from != s->from) ? ASK_NONE : o->asked;
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
            s->doubt = max_u32(s->doubt, s->intent);
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

void reconcile_tail(const struct core *c, struct segment *g, size_t k, struct delivery *old)
{
    delivery_tidy(old, g->closed, g->last, -1);
    keep_handed(c, old, &g->at[k]);
    if (sink_knows_all(c, k))
        keep_guard(c, g, old, &g->at[k]);
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
        s->came = s->owner != c->o.node;
        s->emitted = e;
        s->handed = max_u32(s->handed, e);
        s->intent = max_u32(s->intent, e);
    }
}

/* L3: its origin has the sink again.  While it was without, the replica had nothing more to expect
 * there: that is not done.  Of a journal that is gone (T5) nothing is to come.  What it had been
 * sent, and holds no more, it may have taken there before, and forgotten with its origin's sink. */
static void expect_again(struct delivery *replica, const struct segment *g, uint32_t held,
                         uint32_t sent)
{
    uint32_t above = held;
    struct span *s;

    if (replica->count > 0)
        above = max_u32(above, replica->span[replica->count - 1].to);
    if (above == SEQUENCE_MAX || replica->count == SPAN_MAX)
        return;
    s = &replica->span[replica->count++];
    *s = (struct span){.from = above + 1, .to = SEQUENCE_MAX, .owner = g->origin};
    s->emitted = s->handed = s->requested = s->granted = above;
    s->intent = s->doubt = max_u32(above, sent);
    replica->unheard |= sent > above;
}

/* The replica's journal may be younger than the segment. */
static bool may_have_forgotten(const struct core *c, const struct segment *g)
{
    uint32_t first = g->origin == c->o.node ? c->peer_first_epoch : c->first_epoch;

    return first == 0 || g->epoch < first;
}

/* T5: the replica lost its journal while its origin was without the sink, so that nobody said so
 * there.  What the origin has to be the replica's, and that one does not know, it has forgotten. */
static void forgotten_meanwhile(const struct segment *g, const struct delivery *replica,
                                struct delivery *d)
{
    for (uint8_t n = 0; n < d->count; n++) {
        struct span *s = &d->span[n];

        if (s->owner == g->origin ||
            delivery_find((struct delivery *)replica, s->emitted + 1) != NULL)
            continue;
        s->doubt = max_u32(s->doubt, span_reach(g, s));
        s->intent = max_u32(s->intent, s->doubt);
        s->foreign = s->doubt > s->emitted;
    }
}

/* L3: a peer of version 1 cannot be told that the sink came back, so that its silence is no word
 * that all is done; but of what our disk has lost, which it cannot bring there. */
static bool is_deaf(const struct core *c, const struct segment *g, const struct delivery *replica)
{
    return c->version < 2 && g->origin == c->o.node && replica->count == 0 &&
           g->journaled >= g->replicated;
}

/* T3 for one segment at one sink. */
void reconcile(struct core *c, struct segment *g, size_t k, const struct delivery *theirs)
{
    struct delivery now = g->at[k];
    struct delivery mine = as_told(c, &now);
    struct delivery other = *theirs;
    bool ours = g->origin == c->o.node;
    bool came_back = (ours ? now.unheard : theirs->unheard) && !g->lost;
    struct delivery replica = ours ? other : mine;
    uint32_t last = g->closed ? g->last : SEQUENCE_MAX;

    /* T3: a replica that has heard of the end now expects no more than what its origin heard of it.
     * What an owner has done is looked at: it is not to come. */
    delivery_tidy(&mine, g->closed, g->last, c->o.node);
    delivery_tidy(&other, g->closed, g->last, 1 - c->o.node);
    if (came_back && is_deaf(c, g, &other)) {
        /* It has done all that it took, or lost it. */
        settled_take_back(c, g, &mine, g->journaled);
        other = mine;
    } else if (came_back)
        expect_again(ours ? &other : &mine, g, ours ? g->replicated : g->journaled,
                     c->version < 2 ? 0
                     : ours         ? g->sent
                                    : g->peer_sent);
    if (came_back && !ours) {
        c->durable = true; /* Its origin says it no more once it hears us. */
        g->seen.done[k] = 0;
    }

    delivery_tidy(&mine, g->closed, g->last, -1);
    delivery_tidy(&other, g->closed, g->last, -1);
    if (ours)
        settle_delivery(&mine, &other, last, &g->at[k]);
    else
        settle_delivery(&other, &mine, last, &g->at[k]);
    g->at[k].unheard = now.unheard;
    g->at[k].shared = now.shared;
    g->at[k].was_shared = now.was_shared;
    if (g->at[k].count ==
        SPAN_MAX) /* Too ragged: what is done in between goes out again, marked. */
        g->seen.done[k] = 0;
    if (came_back && may_have_forgotten(c, g))
        forgotten_meanwhile(g, &replica, &g->at[k]);
    confirmed_since(c, &now, &g->at[k]);
    delivery_tidy(&now, g->closed, g->last, -1);
    keep_handed(c, &now, &g->at[k]);
    keep_resumed(c, &now, &g->at[k]);
    if (sink_knows_all(c, k))
        keep_guard(c, g, &now, &g->at[k]);
    for (uint8_t n = 0; n < g->at[k].count; n++)
        g->at[k].span[n].begun = g->at[k].span[n].intent;
}
