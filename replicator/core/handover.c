/* T1, T2: records that go to the peer while both nodes live, with nothing in doubt.
 *
 * The owner hands nothing more out (DRAIN), cuts where all is confirmed, makes durable that the
 * rest is OFFERED, and says so.  The peer makes itself the owner, durably, and acts at once: what
 * the offer says is intended is durable at the giver.  Its answer ends the giver's ownership.  When
 * the session is lost in between, the giver cannot know: it holds what it offered, and T3 gives it
 * to whoever has the higher term. */
#include "rules.h"

#include <string.h>

static uint64_t drain_ns(const struct core *c)
{
    return c->o.drain_ns != 0 ? c->o.drain_ns : SECOND_NS;
}

static bool peer_takes(const struct core *c, size_t k)
{
    return c->session == SESSION_UP && c->version >= 2 && c->peer_has[k] && c->peer_up[k];
}

static const char *why_not(const struct core *c, uint8_t sink)
{
    bool known = false;

    if (!c->o.has_peer)
        return "there is no peer";
    if (c->session != SESSION_UP)
        return "there is no session with the peer";
    if (c->version < 2)
        return "the peer speaks wire version 1, which has no hand-over: drain, or upgrade it first";
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (sink != SINK_ALL && sink != k)
            continue;
        known = true;
        if (peer_takes(c, k))
            return NULL;
    }
    return known ? "the peer cannot reach the sink" : "there is no such sink";
}

static void give(struct core *c, size_t k)
{
    if (!c->sink[k].give)
        c->sink[k].give_ns = c->now_ns;
    c->sink[k].give = true;
}

void handover_start(struct core *c, uint8_t sink)
{
    const char *why = why_not(c, sink);

    c->handover.why = why;
    c->handover.state = why == NULL ? HANDOVER_RUNNING : HANDOVER_REFUSED;
    c->handover.started_ns = c->now_ns;
    c->handover.stayed = 0;
    for (size_t k = 0; why == NULL && k < c->o.sink_count; k++) {
        if ((sink == SINK_ALL || sink == k) && peer_takes(c, k))
            give(c, k);
    }
}

static void refuse(struct core *c, const char *why)
{
    if (c->handover.state != HANDOVER_RUNNING)
        return;
    c->handover.state = HANDOVER_REFUSED;
    c->handover.why = why;
}

/* However it ends: what was only drained goes on here. */
static void stop(struct core *c, size_t k)
{
    c->sink[k].give = false;
    for (uint16_t i = 0; i < c->count; i++) {
        struct delivery *d = &c->segment[c->order[i]].at[k];

        for (uint8_t n = 0; n < d->count; n++) {
            if (d->span[n].handing == HAND_DRAIN)
                d->span[n].handing = HAND_NONE;
        }
    }
}

void handover_lost(struct core *c)
{
    refuse(c, "the session was lost: what the peer has accepted is settled when it returns");
    c->hand_acks_len = 0;
    for (size_t k = 0; k < c->o.sink_count; k++)
        stop(c, k);
}

/* What was offered and not answered is offered again. */
void handover_rewind(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++)
                g->at[k].span[n].offer_told = false;
        }
    }
}

/* ---- at the giver ---- */

/* The last record that stays.  What only a local answer can tell of (D1a) stays with who can. */
static uint32_t cut_at(const struct core *c, size_t k, const struct span *s)
{
    const struct core_sink_options *o = &c->o.sink[k];

    return o->answers && o->local ? max_u32(s->handed, s->doubt) : s->handed;
}

/* The peer is its origin, and has lost it; or we are, and its sinks are asked of what we lost. */
static bool serves_none(const struct core *c, const struct segment *g, const struct span *s)
{
    return (g->lost && g->origin != c->o.node) ||
           (segment_lacks_tail(c, g) && s->to > g->journaled);
}

static bool has_rest(const struct core *c, const struct segment *g, const struct span *s, size_t k)
{
    if (serves_none(c, g, s))
        return false;
    return s->owner == c->o.node && cut_at(c, k, s) < s->to && s->handing != HAND_OFFERED;
}

/* A sink that refuses a second writer must have confirmed all of ours before another one writes. */
static bool may_cut(const struct core *c, size_t k, const struct span *s)
{
    if (s->asked == ASK_SKIPPING) /* The statement is on its way. */
        return false;
    if (s->handed == s->emitted)
        return true;
    return c->now_ns >= s->drain_end_ns && !c->o.sink[k].answers;
}

/* Done, and the peer has heard so: what it has answered was asked later. */
static void forget_told(const struct core *c, struct delivery *d)
{
    for (uint8_t n = d->count; n-- > 0;) {
        const struct span *s = &d->span[n];

        if (s->owner == c->o.node && s->emitted == s->to && !s->report && s->marks_ns != 0 &&
            s->marks_ns < c->heard_ns)
            delivery_remove(d, s);
    }
}

/* false: too ragged now; again when some of it is done. */
static bool offer(struct core *c, struct segment *g, size_t k, struct span *s)
{
    struct delivery *d = &g->at[k];
    uint32_t at = cut_at(c, k, s);

    if (d->count >= SPAN_MAX - 3 && at >= s->from)
        return false;
    s->handing = HAND_NONE;
    if (at >= s->from) {
        if (!delivery_split(d, s, at))
            return false;
        s++;
        s->apart = true;
    }
    delivery_raise_span(c, g, k, s); /* So that the peer can go on at once. */
    s->handing = HAND_OFFERED;
    s->offer_told = false;
    s->asked = ASK_NONE;
    d->dirty = c->durable = true;
    return true;
}

/* All of it was handed out before: it stays, and is waited for. */
static bool is_drained(const struct core *c, size_t k, const struct span *s)
{
    return s->owner != c->o.node || s->emitted == s->to ||
           c->now_ns - c->sink[k].give_ns >= drain_ns(c);
}

/* false: something of this sink is still ours to give. */
static bool give_span(struct core *c, struct segment *g, size_t k, struct span *s)
{
    if (s->owner == c->o.node && s->handing == HAND_OFFERED)
        return false;
    if (!has_rest(c, g, s, k))
        return is_drained(c, k, s);
    if (s->handing == HAND_NONE) {
        s->handing = HAND_DRAIN;
        s->drain_end_ns = c->now_ns + drain_ns(c);
    }
    if (may_cut(c, k, s) && offer(c, g, k, s))
        return false;
    if (c->now_ns >= s->drain_end_ns + drain_ns(c)) {
        stop(c, k);
        refuse(c, may_cut(c, k, s) ? "too many runs of its records wait"
                                   : "the sink did not confirm in time what it had been given");
    }
    return false;
}

static void count_stayed(struct core *c, size_t k)
{
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];
        const struct delivery *d = &g->at[k];

        for (uint8_t n = 0; n < d->count; n++) {
            const struct span *s = &d->span[n];

            if (s->owner == c->o.node)
                c->handover.stayed +=
                    (serves_none(c, g, s) ? s->to : min_u32(cut_at(c, k, s), s->to)) - s->emitted;
        }
    }
}

static void give_sink(struct core *c, size_t k)
{
    bool all = true;

    for (uint16_t i = 0; i < c->count && c->sink[k].give; i++) {
        struct segment *g = &c->segment[c->order[i]];

        forget_told(c, &g->at[k]);
        for (uint8_t n = 0; n < g->at[k].count && c->sink[k].give; n++)
            all &= give_span(c, g, k, &g->at[k].span[n]);
    }
    if (all && c->sink[k].give)
        stop(c, k);
    if (!c->sink[k].give)
        count_stayed(c, k);
}

/* T2 */
static void give_what_is_lost(struct core *c)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (c->o.give_ns == 0 || c->sink[k].up || !peer_takes(c, k))
            continue;
        if (c->now_ns - c->sink[k].since_ns >= c->o.give_ns)
            give(c, k);
    }
}

/* T1, T2 */
void handover_tick(struct core *c)
{
    bool running = false;

    if (c->session != SESSION_UP || c->version < 2)
        return;
    give_what_is_lost(c);
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (c->sink[k].give)
            give_sink(c, k);
        running |= c->sink[k].give;
    }
    if (!running && c->handover.state == HANDOVER_RUNNING)
        c->handover.state = HANDOVER_DONE;
}

/* E of what lies below the cut; 0: nothing that the peer could take it for. */
static uint32_t told_below(const struct delivery *d, const struct span *s)
{
    const struct span *below = s > d->span ? s - 1 : NULL;

    if (below == NULL || below->to != s->from - 1 || below->owner != s->owner)
        return s->from - 1;
    return span_is_apart(d, below) ? 0 : below->emitted;
}

static void put_offer(struct core *c, const struct segment *g, size_t k, struct span *s,
                      uint8_t *out)
{

    wire_put_handover(out, &(struct wire_handover){
                               .origin = g->origin,
                               .epoch = g->epoch,
                               .key = c->o.sink[k].key,
                               .at = s->from - 1,
                               .to = s->to,
                               .term = s->term + 1,
                               .emitted = told_below(&g->at[k], s),
                               .intent = s->intent,
                               .doubt = max_u32(s->doubt, s->from - 1),
                           });
    s->offer_told = true;
}

size_t handover_collect(struct core *c, uint8_t *out, size_t max)
{
    size_t len = 0;

    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++) {
                struct span *s = &g->at[k].span[n];

                if (s->handing != HAND_OFFERED || s->offer_told || s->owner != c->o.node)
                    continue;
                if (len + HANDOVER_ENTRY_SIZE > max)
                    return len;
                put_offer(c, g, k, s, out + len);
                len += HANDOVER_ENTRY_SIZE;
            }
        }
    }
    return len;
}

/* What stayed is done, and the peer has heard so: nothing has to keep it. */
static void forget_below(struct delivery *d, const struct span *s)
{
    const struct span *below = s > d->span ? s - 1 : NULL;

    if (below != NULL && below->owner != s->owner && below->emitted == below->to &&
        below->to + 1 == s->from)
        delivery_remove(d, below);
}

void handover_acked(struct core *c, const struct wire_handover *e)
{
    struct segment *g = segment_find(c, e->origin, e->epoch);
    int k = sink_index(c, e->key);
    struct span *s = g != NULL && k >= 0 ? delivery_find(&g->at[k], e->at + 1) : NULL;

    if (s == NULL || s->owner != c->o.node || s->handing != HAND_OFFERED || s->from != e->at + 1 ||
        s->term >= e->term)
        return;
    if (e->to == e->at) {
        if (s->term + 1 != e->term)
            return;
        s->handing = HAND_NONE;
        s->term = e->term; /* Its copies count as declined, too. */
        g->at[k].dirty = c->durable = true;
        stop(c, (size_t)k);
        c->sink[k].since_ns = c->now_ns;
        refuse(c, "the peer declined");
        return;
    }
    if (e->to < s->to && !delivery_split(&g->at[k], s, e->to)) {
        session_break(c, "a hand-over that cannot be cut");
        return;
    }
    s->owner = (uint8_t)(1 - c->o.node);
    s->asked = ASK_NONE; /* The answer is not for us any more; we may have it back. */
    s->term = e->term;
    s->handing = HAND_NONE;
    s->resumed = s->foreign = s->apart = false;
    s->granted = s->requested = s->from - 1;
    g->at[k].dirty = c->durable = true;
    c->handover.moved++;
    if (e->emitted == e->at)
        forget_below(&g->at[k], s);
    segment_show(c, g);
}

/* ---- at the taker ---- */

static void own(struct core *c, struct segment *g, size_t k, struct span *s,
                const struct wire_handover *e)
{
    uint32_t held = max_u32(g->journaled, g->replicated);

    s->owner = c->o.node;
    s->term = e->term;
    s->handing = HAND_NONE;
    s->handed = s->emitted;
    s->intent = max_u32(s->emitted, min_u32(min_u32(e->intent, held), s->to)); /* It knows. */
    s->begun = s->intent;
    g->seen.intended[k] = 0; /* What lay above was a bound of another life: the giver knows. */
    s->granted = s->requested = s->intent; /* N3: durable at the giver, which hands out no more. */
    s->doubt = max_u32(s->from - 1, min_u32(e->doubt, s->to));
    s->foreign = s->doubt > s->emitted;
    s->resumed = false;
    s->asked = ASK_NONE;
    delivery_unguard(s);
    s->report = true;
    g->at[k].dirty = c->durable = true;
    segment_show(c, g);
}

/* N5: the giver forgets what is done below the cut. */
static void hear_below(const struct core *c, struct delivery *d, const struct wire_handover *e)
{
    struct span *s = delivery_find(d, e->at);

    if (s == NULL || s->owner == c->o.node)
        return;
    s->emitted = max_u32(s->emitted, min_u32(e->emitted, s->to));
    s->handed = max_u32(s->handed, s->emitted);
    s->intent = max_u32(s->intent, s->emitted);
}

/* Both give at once: node 0 goes on, so that nothing goes to and fro. */
static bool yields(struct core *c, size_t k)
{
    if (!c->sink[k].give)
        return true;
    if (c->o.node == 0)
        return false;
    stop(c, k);
    refuse(c, "the peer hands over at the same time");
    return true;
}

/* An offer is said again until it is answered: one that was declined must not be accepted when its
 * copy comes, so that it gets its term and keeps its owner. */
static void decline(struct core *c, struct delivery *d, struct span *s,
                    const struct wire_handover *e)
{
    if (s->from <= e->at && delivery_split(d, s, e->at))
        s++; /* Else it is too ragged, and what lies below gets the term, too: its owner stays. */
    s->term = e->term;
    s->doubt = max_u32(s->doubt, min_u32(e->doubt, s->to));
    s->foreign |= s->doubt > s->emitted;
    d->dirty = c->durable = true;
}

/* How far we can serve it: an origin, what its journal has, and what is to come.  Of what its disk
 * has lost and the peer holds it has no more than stand-ins. */
static uint32_t serves(const struct core *c, const struct segment *g, uint32_t to)
{
    bool to_come = !g->closed && g->journaled >= g->replicated;

    if (g->origin != c->o.node)
        return to;
    return g->lost || g->hollow ? 0 : to_come ? to : min_u32(to, g->journaled);
}

/* Our answer went with a link; we may have offered it back since, in vain. */
static bool accepted_before(struct span *s, struct wire_handover *e)
{
    if (s->term < e->term)
        return false; /* Our own offer is accepted, and we do not know of it yet. */
    e->term = s->term;
    e->to = min_u32(e->to, s->to);
    s->report = true;
    return true;
}

/* Where what is done from the cut on ends. */
static uint32_t done_to(const struct delivery *d, const struct wire_handover *e)
{
    uint32_t to = e->to;

    for (uint8_t n = 0; n < d->count; n++) {
        if (d->span[n].from > e->at)
            to = min_u32(to, d->span[n].from - 1);
    }
    return to;
}

/* Makes the answer of the offer: how far it is taken; e->at: not.  false: there is none yet, and
 * the offer comes again. */
static bool answer(struct core *c, struct segment *g, struct wire_handover *e)
{
    int k = sink_index(c, e->key);
    struct span *s = k >= 0 ? delivery_find(&g->at[k], e->at + 1) : NULL;
    uint32_t to = s != NULL ? serves(c, g, min_u32(e->to, s->to)) : e->at;

    if (s != NULL && s->owner == c->o.node)
        return accepted_before(s, e);
    if (s == NULL && k >= 0) { /* Accepted before, too, and done since. */
        e->to = done_to(&g->at[k], e);
        return true;
    }
    e->to = e->at;
    if (s == NULL || s->term >= e->term)
        return true;
    if (to <= e->at || g->at[k].count >= SPAN_MAX - 2 || !yields(c, (size_t)k)) {
        decline(c, &g->at[k], s, e);
        return true;
    }
    e->to = to;
    hear_below(c, &g->at[k], e);
    if (s->from <= e->at) {
        delivery_split(&g->at[k], s, e->at);
        s++;
    }
    delivery_split(&g->at[k], s, to);
    own(c, g, (size_t)k, s, e);
    return true;
}

void handover_offered(struct core *c, const uint8_t *at, size_t len)
{
    struct wire_handover e;
    struct segment *g;

    for (size_t i = 0; i < len; i += HANDOVER_ENTRY_SIZE) {
        if (wire_get_handover(at + i, len - i, &e) != 0) {
            session_break(c, "a malformed hand-over");
            return;
        }
        if (c->hand_acks_len + HANDOVER_ENTRY_SIZE > (int)sizeof(c->hand_acks))
            return; /* Not acknowledged: it is offered again. */
        g = segment_find(c, e.origin, e.epoch);
        if (g == NULL)
            continue; /* Its first record is still on the way: so is the offer, again. */
        if (!answer(c, g, &e))
            continue;
        wire_put_handover(c->hand_acks + c->hand_acks_len, &e);
        c->hand_acks_len = (uint16_t)(c->hand_acks_len + HANDOVER_ENTRY_SIZE);
    }
}
