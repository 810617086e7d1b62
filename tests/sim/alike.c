/* T3: two nodes compute an outcome from the same facts, whatever the order in which they learned
 * them.  A node that settles is compared with what its peer settled, if both heard each other. */
#include "sim.h"

#include "segment.h"

#include <string.h>

static const struct settled_segment *kept(const struct settled *p, const struct segment *g)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->segment[i].origin == g->origin && p->segment[i].epoch == g->epoch)
            return &p->segment[i];
    }
    return NULL;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t end_of(const struct segment *g)
{
    return g->closed ? g->last : SEQUENCE_MAX;
}

static void keep(const struct node *n, struct settled *s)
{
    const struct core *c = &n->core;

    s->nonce = c->nonce;
    s->peer_nonce = c->peer_nonce;
    s->count = 0;
    for (uint16_t i = 0; i < c->count && s->count < SETTLED_MAX; i++) {
        const struct segment *g = &c->segment[c->order[i]];
        struct settled_segment *to = &s->segment[s->count++];

        to->origin = g->origin;
        to->epoch = g->epoch;
        to->end = end_of(g);
        memcpy(to->at, g->at, sizeof(to->at));
    }
}

static uint32_t held_by(const struct world *w, unsigned node, const struct segment *of)
{
    const struct segment *g = core_segment(&w->node[node]->core, of->origin, of->epoch);

    return g != NULL ? g->journaled : 0;
}

/* It told that it doubts it, and then a sink that knows all has told it more: the owner asks too.
 */
static bool asked_since(const struct node *n, const struct segment *g, size_t k, uint32_t q)
{
    const struct core_sink_options *o = &n->configured[k];
    const struct settled_segment *met = kept(&n->met, g);
    const struct span *s = met != NULL ? oracle_span(&met->at[k], q) : NULL;

    return o->answers && !o->local && !o->may_fail && s != NULL && s->doubt >= q;
}

/* What the owner doubts somebody may have emitted: as a taker the other one would not mark it.  It
 * may doubt more itself, as it does not know all that the owner does; and where the nodes began to
 * fence, or ended it, one heard of that alone: before it holds more, the owner's intents come. */
static void compare(struct world *w, const struct node *n, const struct segment *g, size_t k,
                    const struct settled_segment *theirs)
{
    uint32_t end = least(end_of(g), theirs->end);

    for (uint8_t m = 0; m < g->at[k].count; m++) {
        const struct span *s = &g->at[k].span[m];
        const struct span *t = oracle_span(&theirs->at[k], s->emitted + 1);
        const struct span *own = s->owner == n->id ? s : t, *other = s->owner == n->id ? t : s;
        const struct span *longer = t != NULL && t->to > s->to ? t : s;

        if (s->emitted == s->to || t == NULL)
            continue;
        if (s->owner != t->owner || s->term != t->term)
            world_fail(w, "as they settle, the nodes differ over the owner of %u/%u/%u at sink %zu",
                       g->origin, g->epoch, s->emitted + 1, k);
        /* Where it ended one may know alone; or what is left of it, when its origin has lost it.
         * Who has heard last of a peer that fences (T4a) doubts all that the other cuts. */
        if (least(s->to, end) != least(t->to, end) && s->to != SEQUENCE_MAX &&
            t->to != SEQUENCE_MAX && !g->lost && longer->doubt < least(longer->to, end))
            world_fail(w,
                       "as they settle, the nodes differ over where the run of %u/%u/%u ends at "
                       "sink %zu: %u and %u",
                       g->origin, g->epoch, s->emitted + 1, k, s->to, t->to);
        if (own->doubt > own->emitted && own->doubt > other->emitted && own->doubt > other->doubt &&
            own->doubt > other->intent && !asked_since(w->node[1 - s->owner], g, k, own->doubt) &&
            (!w->refences || other->doubt < held_by(w, 1 - s->owner, g)))
            world_fail(w,
                       "as they settle, %u/%u is in doubt up to %u at sink %zu, and node %u "
                       "doubts it up to %u",
                       g->origin, g->epoch, own->doubt, k, 1 - s->owner, other->doubt);
    }
}

/* Of what is here, what is above E, I and what is in doubt nobody has handed over, but marked: it
 * would go out as certain.  A sink that knows all is asked. */
static void check_certain(struct world *w, const struct node *n, const struct segment *g, size_t k)
{
    const struct seen_segment *seen = oracle_segment(w, g->origin, g->epoch);
    const struct core_sink_options *o = &n->configured[k];

    if (seen == NULL || seen->last < g->journaled || (o->answers && !o->local && !o->may_fail))
        return;
    for (uint8_t m = 0; m < g->at[k].count; m++) {
        const struct span *s = &g->at[k].span[m];
        uint32_t high = span_perhaps(g, s);
        uint32_t end = s->to < g->journaled ? s->to : g->journaled;

        for (uint32_t q = high + 1; q > 0 && q <= end; q++) {
            if (seen->record[q].once[k] > 0)
                world_fail(w,
                           "node %u settles %u/%u/%u as handed over by nobody at sink %zu, which "
                           "has it",
                           n->id, g->origin, g->epoch, q, k);
        }
    }
}

/* What a node doubts of its own as it meets its peer it doubts as they have settled: what that one
 * knows can only add to it. */
static void check_doubts(struct world *w, const struct node *n, const struct segment *g, size_t k)
{
    const struct settled_segment *met = kept(&n->met, g);

    for (uint8_t m = 0; met != NULL && m < met->at[k].count; m++) {
        const struct span *o = &met->at[k].span[m];

        for (uint8_t i = 0; o->owner == n->id && i < g->at[k].count; i++) {
            const struct span *s = &g->at[k].span[i];
            uint32_t low = s->emitted > o->emitted ? s->emitted : o->emitted;
            uint32_t high = least(least(o->doubt, o->to), least(s->to, g->journaled));

            if (s->owner == n->id && s->term == o->term && s->to > low && high > low &&
                high >= s->from && s->doubt < high)
                world_fail(w,
                           "node %u doubted %u/%u up to %u at sink %zu, and as it settles up to %u",
                           n->id, g->origin, g->epoch, high, k, s->doubt);
        }
    }
}

/* What this node handed over alone, marked, may be the peer's by now, which may hand it back. */
static void cede(struct world *w, const struct node *n, const struct segment *g, size_t k)
{
    struct seen_segment *seen = oracle_segment(w, g->origin, g->epoch);

    for (uint8_t m = 0; seen != NULL && m < g->at[k].count; m++) {
        const struct span *s = &g->at[k].span[m];

        for (uint32_t q = s->emitted + 1; s->owner != n->id && q <= s->to && q <= seen->last; q++)
            seen->record[q].again[n->id] |= (uint8_t)(1u << k);
    }
}

void alike_look(struct world *w, struct node *n)
{
    const struct core *c = &n->core;
    const struct node *peer = w->node[1 - n->id];

    if (c->session == SESSION_HELLO && !n->meets)
        keep(n, &n->met);
    n->meets = c->session == SESSION_HELLO;
    if (c->settlements == n->settled.of)
        return;
    n->settled.of = c->settlements;
    keep(n, &n->settled);
    for (uint16_t i = 0; i < c->count; i++) {
        for (size_t k = 0; k < w->sink_count; k++) {
            if (!n->configured[k].answers && !n->configured[k].local)
                check_doubts(w, n, &c->segment[c->order[i]], k);
        }
    }
    for (uint16_t i = 0; i < c->count; i++) {
        for (size_t k = 0; k < w->sink_count; k++) {
            if (n->configured[k].local)
                cede(w, n, &c->segment[c->order[i]], k);
        }
    }
    /* A peer that has left this hello may have taken over: no lease comes from it any more (N4). */
    for (uint16_t i = 0; i < c->count && peer->core.nonce == c->peer_nonce; i++) {
        for (size_t k = 0; k < w->sink_count; k++) {
            if (n->has[k] && peer->has[k])
                check_certain(w, n, &c->segment[c->order[i]], k);
        }
    }
    if (peer->settled.nonce != c->peer_nonce || peer->settled.peer_nonce != c->nonce)
        return;
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];
        const struct settled_segment *other = kept(&peer->settled, g);

        for (size_t k = 0; other != NULL && k < w->sink_count; k++) {
            if (n->has[k] && peer->has[k])
                compare(w, n, g, k, other);
        }
    }
}
