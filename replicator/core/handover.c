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

void handover_start(struct core *c, uint8_t sink)
{
    const char *why = why_not(c, sink);

    c->handover.why = why;
    c->handover.state = why == NULL ? HANDOVER_RUNNING : HANDOVER_REFUSED;
    c->handover.started_ns = c->now_ns;
    c->handover.stayed = 0;
    for (size_t k = 0; why == NULL && k < c->o.sink_count; k++)
        c->sink[k].give |= (sink == SINK_ALL || sink == k) && peer_takes(c, k);
}

static void refuse(struct core *c, const char *why)
{
    if (c->handover.state != HANDOVER_RUNNING)
        return;
    c->handover.state = HANDOVER_REFUSED;
    c->handover.why = why;
}

void handover_lost(struct core *c)
{
    refuse(c, "the session was lost: what the peer has accepted is settled when it returns");
    c->hand_acks_len = 0;
    for (size_t k = 0; k < c->o.sink_count; k++)
        c->sink[k].give = false;
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++) {
                if (g->at[k].span[n].handing == HAND_DRAIN)
                    g->at[k].span[n].handing = HAND_NONE;
            }
        }
    }
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

static bool has_rest(const struct core *c, const struct span *s, size_t k)
{
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

static void offer(struct core *c, struct segment *g, size_t k, struct span *s)
{
    struct delivery *d = &g->at[k];
    uint32_t at = cut_at(c, k, s);

    if (d->count >= SPAN_MAX - 2 && at >= s->from)
        return; /* Too ragged now: again when some of it is done. */
    c->handover.stayed += at - s->emitted;
    s->handing = HAND_NONE;
    if (at >= s->from) {
        if (!delivery_split(d, s, at))
            return;
        s++;
    }
    delivery_raise_span(c, g, k, s); /* So that the peer can go on at once. */
    s->handing = HAND_OFFERED;
    s->offer_told = false;
    s->asked = ASK_NONE;
    d->dirty = c->durable = true;
}

/* false: something of this sink is still ours to give. */
static bool give_span(struct core *c, struct segment *g, size_t k, struct span *s)
{
    if (s->owner == c->o.node && s->handing == HAND_OFFERED)
        return false;
    if (!has_rest(c, s, k))
        return true;
    if (s->handing == HAND_NONE) {
        s->handing = HAND_DRAIN;
        s->drain_end_ns = c->now_ns + drain_ns(c);
    }
    if (may_cut(c, k, s)) {
        offer(c, g, k, s);
    } else if (c->now_ns >= s->drain_end_ns + drain_ns(c)) {
        s->handing = HAND_NONE;
        c->handover.stayed += s->handed - s->emitted;
        c->sink[k].give = false;
        refuse(c, "the sink did not confirm in time what it had been given");
    }
    return false;
}

static void give_sink(struct core *c, size_t k)
{
    bool all = true;

    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (uint8_t n = 0; n < g->at[k].count; n++)
            all &= give_span(c, g, k, &g->at[k].span[n]);
    }
    if (all)
        c->sink[k].give = false;
}

/* T2 */
static void give_what_is_lost(struct core *c)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (c->o.give_ns == 0 || c->sink[k].up || !peer_takes(c, k))
            continue;
        c->sink[k].give |= c->now_ns - c->sink[k].since_ns >= c->o.give_ns;
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

static void put_offer(struct core *c, const struct segment *g, size_t k, struct span *s,
                      uint8_t *out)
{
    const struct span *below = s > g->at[k].span ? s - 1 : NULL;
    bool follows = below != NULL && below->to == s->from - 1 && below->owner == s->owner;

    wire_put_handover(out, &(struct wire_handover){
                               .origin = g->origin,
                               .epoch = g->epoch,
                               .key = c->o.sink[k].key,
                               .at = s->from - 1,
                               .to = s->to,
                               .term = s->term + 1,
                               .emitted = follows ? below->emitted : s->from - 1,
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
        s->term + 1 != e->term)
        return;
    if (e->to == e->at) {
        s->handing = HAND_NONE;
        g->at[k].dirty = true;
        c->sink[k].give = false;
        c->sink[k].since_ns = c->now_ns;
        refuse(c, "the peer declined");
        return;
    }
    if (e->to < s->to && !delivery_split(&g->at[k], s, e->to)) {
        session_break(c, "a hand-over that cannot be cut");
        return;
    }
    s->owner = (uint8_t)(1 - c->o.node);
    s->term = e->term;
    s->handing = HAND_NONE;
    s->resumed = s->foreign = false;
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
    s->intent = max_u32(s->intent, min_u32(min_u32(e->intent, held), s->to));
    s->granted = s->requested = s->intent; /* N3: durable at the giver, which hands out no more. */
    s->doubt = max_u32(s->from - 1, min_u32(e->doubt, s->to));
    s->foreign = s->doubt > s->emitted;
    s->resumed = false;
    s->asked = ASK_NONE;
    s->report = true;
    if (sink_knows_all(c, k)) { /* D1: our next write has to follow the giver's last one. */
        s->foreign = true;
        s->doubt = max_u32(s->doubt, min_u32(s->to, g->journaled));
    }
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
    c->sink[k].give = false;
    refuse(c, "the peer hands over at the same time");
    return true;
}

/* How far it is taken; e->at: not. */
static uint32_t accept(struct core *c, const struct wire_handover *e)
{
    struct segment *g = segment_find(c, e->origin, e->epoch);
    int k = sink_index(c, e->key);
    struct span *s = g != NULL && k >= 0 ? delivery_find(&g->at[k], e->at + 1) : NULL;
    uint32_t to = s != NULL ? min_u32(e->to, s->to) : e->at;

    if (s == NULL)
        return e->at;
    if (s->owner == c->o.node && s->term == e->term) { /* Our answer went with a link. */
        s->report = true;
        return to;
    }
    if (s->owner == c->o.node || s->term + 1 != e->term || g->at[k].count >= SPAN_MAX - 2)
        return e->at;
    if (!yields(c, (size_t)k))
        return e->at;
    hear_below(c, &g->at[k], e);
    if (s->from <= e->at) {
        delivery_split(&g->at[k], s, e->at);
        s++;
    }
    delivery_split(&g->at[k], s, to);
    own(c, g, (size_t)k, s, e);
    return to;
}

void handover_offered(struct core *c, const uint8_t *at, size_t len)
{
    struct wire_handover e;

    for (size_t i = 0; i < len; i += HANDOVER_ENTRY_SIZE) {
        if (wire_get_handover(at + i, len - i, &e) != 0) {
            session_break(c, "a malformed hand-over");
            return;
        }
        if (c->hand_acks_len + HANDOVER_ENTRY_SIZE > (int)sizeof(c->hand_acks))
            return; /* Not acknowledged: it is offered again. */
        e.to = accept(c, &e);
        wire_put_handover(c->hand_acks + c->hand_acks_len, &e);
        c->hand_acks_len = (uint16_t)(c->hand_acks_len + HANDOVER_ENTRY_SIZE);
    }
}
