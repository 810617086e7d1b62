/* That a word between the nodes does what it is said for: a hello, an intent, a lease; and that
 * what is waited for counts as come only when it has. */
#include "sim.h"

#include "segment.h"

enum {
    CLOCK_STEP_NS = 2000, /* By so much node_clock() is coarse, of both nodes. */
    INTENTS_MAX = 256,    /* Of one frame. */
};

/* Section 9: not one that was overtaken on its link. */
static bool is_newest(const struct core *c, const struct wire_hello *h)
{
    return c->session == SESSION_HELLO && c->peer_nonce == h->nonce &&
           (c->version < 2 || c->peer_turn == h->turn);
}

/* T3, T4, T5 */
static void check_hello(struct world *w, const struct node *n, const struct wire_hello *h)
{
    const struct core *c = &n->core;

    if (c->session == SESSION_DOWN || c->peer_nonce != h->nonce)
        return;
    if (c->fenced)
        world_fail(w, "node %u has heard its peer's hello, and counts it as fenced", n->id);
    if (c->highest_epoch < h->highest_epoch)
        world_fail(w, "node %u has heard that epoch %u is used, and knows of none above %u", n->id,
                   h->highest_epoch, c->highest_epoch);
    for (uint16_t i = 0; is_newest(c, h) && i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (g->fact_seen)
            world_fail(w, "node %u: what an earlier hello told of %u/%u counts in this one", n->id,
                       g->origin, g->epoch);
    }
}

static uint64_t true_ns(const struct node *n, uint64_t end_ns, uint64_t now_ns)
{
    return end_ns > now_ns ? (end_ns - now_ns) * 1000000 / (1000000 + n->clock_ppm) : 0;
}

/* N4: by true time it ends at its owner before it does where it was granted. */
static void check_lease(struct world *w, const struct node *n)
{
    const struct node *peer = w->node[1 - n->id];
    uint64_t owner_ns = true_ns(n, n->core.lease_end_ns, node_clock(w, n));
    uint64_t granted_ns = true_ns(peer, peer->core.grant_end_ns, node_clock(w, peer));

    if (w->clock_lied || !peer->running || n->core.peer_nonce != peer->core.nonce)
        return;
    if (owner_ns > granted_ns + CLOCK_STEP_NS)
        world_fail(w, "node %u: its lease ends %u us after its peer counts it as over", n->id,
                   (unsigned)((owner_ns - granted_ns) / 1000));
}

void words_heard(struct world *w, const struct node *n, const uint8_t *frame, size_t len)
{
    struct wire_hello h;
    uint32_t word;
    uint8_t type;

    if (wire_get_header(frame, len, &type, &word) != 0)
        return;
    if (type == FRAME_HELLO &&
        wire_get_hello(word, frame + FRAME_HEADER_SIZE, len - FRAME_HEADER_SIZE, &h) == 0)
        check_hello(w, n, &h);
    if (type == FRAME_INTENT_ACK && n->core.session == SESSION_UP)
        check_lease(w, n);
}

void words_flushes(struct node *n)
{
    const struct core *c = &n->core;

    n->says = c->session == SESSION_UP;
    for (uint16_t i = 0; i < c->count; i++)
        n->was[c->order[i]].pending = c->segment[c->order[i]].gap == GAP_PENDING;
}

/* N3: what is intended and not granted the peer is asked for at once; no intent waits for another.
 */
static void check_asked(struct world *w, const struct node *n)
{
    const struct core *c = &n->core;
    const struct segment *late = NULL;
    unsigned runs = 0;
    size_t sink = 0;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t m = 0; c->peer_has[k] && m < g->at[k].count; m++) {
                const struct span *s = &g->at[k].span[m];

                runs++;
                if (s->owner != n->id || s->intent <= s->requested || s->intent <= s->granted)
                    continue;
                late = g;
                sink = k;
            }
        }
    }
    if (late != NULL && runs <= INTENTS_MAX)
        world_fail(w, "node %u keeps to itself what it intends of %u/%u at sink %zu", n->id,
                   late->origin, late->epoch, sink);
}

/* L4: what was said to wait has come to its end, or no sink lacks any of it. */
static void check_filled(struct world *w, const struct node *n)
{
    const struct core *c = &n->core;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (n->was[c->order[i]].pending && g->gap == GAP_FILLED && g->journaled < g->gap_to &&
            !segment_is_done(c, g))
            world_fail(w, "node %u: %u/%u %u-%u counts as come, and it has %u", n->id, g->origin,
                       g->epoch, g->gap_from, g->gap_to, g->journaled);
    }
}

/* T1, T3: of what its disk has lost, and its peer holds, an origin owns nothing. */
static void check_served(struct world *w, const struct node *n)
{
    const struct core *c = &n->core;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (g->origin != n->id || g->lost || g->journaled >= g->replicated)
            continue;
        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t m = 0; c->peer_has[k] && m < g->at[k].count; m++) {
                const struct span *s = &g->at[k].span[m];
                uint32_t to = s->to < g->replicated ? s->to : g->replicated;

                if (s->owner == n->id && s->emitted < to && to > g->journaled)
                    world_fail(w, "node %u owns %u/%u %u-%u at sink %zu, and has lost it", n->id,
                               g->origin, g->epoch, s->from, to, k);
            }
        }
    }
}

void words_flushed(struct world *w, const struct node *n)
{
    if (n->says && n->core.session == SESSION_UP)
        check_served(w, n);
    if (n->says && n->core.session == SESSION_UP && !n->out.more)
        check_asked(w, n);
    check_filled(w, n);
}
