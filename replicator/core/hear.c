/* What the peer says: each frame, looked at before it counts (section 9). */
#include "rules.h"
#include "bytes.h"
#include "lie.h"

#include <string.h>

/* Overtaken on its link by a later one of the same session. */
static bool hello_is_old(const struct core *c, const struct wire_hello *h)
{
    return h->version >= 2 && session_version(c) >= 2 && h->nonce == c->peer_nonce &&
           (int16_t)(h->turn - c->peer_turn) < 0;
}

static void get_hello(struct core *c, int link, uint32_t word, const uint8_t *at, size_t len)
{
    struct wire_hello h;

    if (wire_get_hello(word, at, len, &h) != 0 || h.node == c->o.node) {
        session_break(c, "a malformed hello");
        return;
    }
    if (hello_is_old(c, &h) || session_lies(c, lie_in_hello(c, &h)))
        return;
    if (c->session == SESSION_UP) /* The peer began anew: so do we. */
        session_begin_anew(c, link);
    else if (c->peer_nonce != h.nonce)
        c->hello_sent = false; /* Ours may have gone to the end before. */
    session_forget_facts(c);
    c->hello_link = link;
    c->peer_turn = session_version(c) >= 2 ? h.turn : 0;
    c->fenced = false; /* T4: it lives, so that the word that it is dead and stays so is over. */
    c->peer_nonce = h.nonce;
    c->version = h.version < session_version(c) ? h.version : session_version(c);
    c->peer_fences = h.fences;
    c->both_fence &= h.fences;
    /* T4a: kept before our facts go, as by them the peer counts on it. */
    if (c->o.fencing && h.fences && c->version >= 2 && !c->must_fence)
        c->must_fence = c->node_dirty = true;
    c->hello_journal = h.journal;
    c->forgot = h.peer_journal != 0 && h.peer_journal != c->journal;
    if (c->forgot && c->earlier == EARLIER_UNHEARD) { /* T5: the next hello need not say it. */
        c->earlier = EARLIER_HEARD;
        c->node_dirty = true;
    }
    c->peer_first_epoch = h.first_epoch;
    c->peer_fresh = c->peer_journal != 0 && h.journal != c->peer_journal; /* T5 */
    c->hello_done = false;
    c->highest_epoch = max_u32(c->highest_epoch, h.highest_epoch);
    for (size_t k = 0; k < c->o.sink_count; k++) {
        c->peer_has[k] = c->peer_up[k] = false;
        for (uint8_t i = 0; i < h.sink_count; i++)
            c->peer_has[k] |= h.sink_key[i] == c->o.sink[k].key;
    }
}

static void get_fact(struct core *c, const uint8_t *at, size_t len)
{
    struct segment fact;
    int used = wire_get_segment(at, len, &fact);
    uint8_t n;

    if (used < 0 || len <= (size_t)used || at[used] > SINK_COUNT_MAX) {
        session_break(c, "a malformed fact");
        return;
    }
    n = at[used++];
    at += used;
    len -= (size_t)used;
    if (session_lies(c, lie_in_fact(c, &fact)) ||
        session_lies(c, lie_in_deliveries(c, &fact, at, len, n)))
        return;
    facts_learn(c, &fact, at, len, n);
    /* T5: what it says is known from here on, also when its hello does not come to the end: a
     * journal that replaces this one did not say it. */
    c->node_dirty |= c->peer_journal == 0;
    if (c->peer_journal == 0)
        c->peer_journal = c->hello_journal;
}

static void get_ack(struct core *c, const uint8_t *at, size_t len)
{
    struct segment *g;
    uint32_t r;

    if (len != 9 || at[0] != c->o.node) {
        session_break(c, "a malformed acknowledgement");
        return;
    }
    g = segment_find(c, at[0], get_le32(at + 1));
    r = get_le32(at + 5);
    if (g == NULL)
        return;
    if (r > g->sent) {
        session_break(c, "an acknowledgement above what was sent");
        return;
    }
    g->replicated = max_u32(g->replicated, r);
    g->cursor = max_u32(g->cursor, r);
}

/* What the owner of an intent can hold, as far as we know: of our own records also what our journal
 * has lost since. */
static uint32_t held_by_peer(const struct core *c, const struct segment *g)
{
    return g->origin == c->o.node ? max_u32(g->journaled, g->replicated) : g->journaled;
}

/* N3, at the peer of the owner: may this intent be held durably here? */
static bool accept_intent(struct core *c, const struct wire_entry *e)
{
    struct segment *g = segment_find(c, e->origin, e->epoch);
    int k = sink_index(c, e->key);
    struct span *s;

    if (g == NULL || k < 0)
        return false;
    s = delivery_find(&g->at[k], e->sequence);
    if (s == NULL)
        return true; /* Done already. */
    if (s->owner == c->o.node || e->sequence > held_by_peer(c, g))
        return false;
    if (e->sequence > s->intent) {
        s->intent = e->sequence;
        g->at[k].dirty = true;
    }
    return true;
}

static void get_intent(struct core *c, const uint8_t *at, size_t len)
{
    if (len < 8 || (len - 8) % ENTRY_SIZE != 0) {
        session_break(c, "a malformed intent");
        return;
    }
    c->grant_time = get_le64(at);
    c->grant_owed = true;
    for (size_t i = 8; i < len; i += ENTRY_SIZE) {
        struct wire_entry e;

        if (wire_get_entry(at + i, ENTRY_SIZE, &e) != 0) {
            session_break(c, "a malformed intent");
            return;
        }
        if (!accept_intent(c, &e) || c->grants_len + ENTRY_SIZE > (int)sizeof(c->grants))
            continue; /* Not acknowledged: it is asked for again. */
        memcpy(c->grants + c->grants_len, at + i, ENTRY_SIZE);
        c->grants_len = (uint16_t)(c->grants_len + ENTRY_SIZE);
    }
}

static void get_intent_ack(struct core *c, const uint8_t *at, size_t len)
{
    uint64_t asked_ns;

    if (len < 8 || (len - 8) % ENTRY_SIZE != 0 || get_le64(at) > c->now_ns) {
        session_break(c, "a malformed acknowledgement of an intent");
        return;
    }
    asked_ns = get_le64(at);
    c->heard_ns = asked_ns > c->heard_ns ? asked_ns : c->heard_ns;
    if (asked_ns + c->o.lease_ns > c->lease_end_ns)
        c->lease_end_ns = asked_ns + c->o.lease_ns; /* N4: from when we asked. */
    for (size_t i = 8; i < len; i += ENTRY_SIZE) {
        struct wire_entry e;
        struct segment *g;
        struct span *s;
        int k;

        if (wire_get_entry(at + i, ENTRY_SIZE, &e) != 0)
            return;
        g = segment_find(c, e.origin, e.epoch);
        k = sink_index(c, e.key);
        if (g == NULL || k < 0)
            continue;
        s = delivery_find(&g->at[k], e.sequence);
        if (s != NULL && s->owner == c->o.node)
            s->granted = max_u32(s->granted, min_u32(e.sequence, s->intent));
    }
}

static void get_mark(struct core *c, const struct wire_entry *e)
{
    struct segment *g = segment_find(c, e->origin, e->epoch);
    int k = sink_index(c, e->key);
    struct span *s;

    if (g == NULL || k < 0)
        return;
    s = delivery_find(&g->at[k], e->sequence);
    if (s == NULL || e->sequence <= s->emitted ||
        session_lies(c, lie_in_mark(c, g, s, e->sequence)))
        return; /* Of what we took over, too: what was in flight there has been confirmed. */
    if (g->origin != c->o.node && !g->closed)
        g->produced = max_u32(g->produced, e->sequence);
    s->emitted = e->sequence;
    s->handed = max_u32(s->handed, e->sequence);
    s->intent = max_u32(s->intent, e->sequence);
    g->at[k].dirty = true;
}

/* N5: P of a segment of the peer's.  false: the session is broken. */
static bool get_produced(struct core *c, const uint8_t *at)
{
    struct segment *g = segment_find(c, (uint8_t)(1 - c->o.node), get_le32(at));

    if (session_lies(c, lie_in_produced(get_le32(at + 4))))
        return false;
    if (g != NULL && !g->closed && get_le32(at + 4) > g->produced)
        g->produced = get_le32(at + 4);
    return true;
}

/* T5: where that ended whose journal is gone, as its ring says.  Others are of a session that is up
 * at the peer and not here, and come again. */
static void get_forgotten(struct core *c, const uint8_t *at, size_t len)
{
    if (len == 8 && c->peer_fresh)
        get_produced(c, at);
}

static void get_marks(struct core *c, const uint8_t *at, size_t len)
{
    if (len < 8 || (len - 8) % ENTRY_SIZE != 0) {
        session_break(c, "malformed marks");
        return;
    }
    if (!get_produced(c, at))
        return;
    for (size_t i = 8; i < len; i += ENTRY_SIZE) {
        struct wire_entry e;

        if (wire_get_entry(at + i, ENTRY_SIZE, &e) != 0) {
            session_break(c, "malformed marks");
            return;
        }
        get_mark(c, &e);
    }
}

/* What its origin has lost of the tail, and stated as lost, does not come. */
static void hear_close(struct core *c, struct segment *g, uint32_t last)
{
    segment_close(c, g, last);
    if (last >= g->last || last < g->journaled || g->lost)
        return;
    g->last = last;
    g->dirty = true;
    for (size_t k = 0; k < c->o.sink_count; k++)
        delivery_tidy(&g->at[k], true, last, delivery_keeper(c));
}

/* L4: the power took what we knew of its end, and of what we did up to there at a sink of our own,
 * which is asked before that is stated as lost (A3). */
static void learn_end(struct core *c, struct segment *g, uint32_t last)
{
    if (g->closed)
        return;
    segment_close(c, g, max_u32(last, g->journaled));
    if (g->unsure)
        facts_forgotten_by(c, g, c->o.node);
}

/* A close or the peer's word that all of a segment is done: origin, epoch, last. */
static void get_done(struct core *c, const uint8_t *at, size_t len)
{
    struct segment *g;

    if (len != 10 || at[9] > DONE_GONE) {
        session_break(c, "a malformed end of a segment");
        return;
    }
    if (session_lies(c, lie_in_produced(get_le32(at + 5))))
        return;
    g = segment_find(c, at[0], get_le32(at + 1));
    if (g == NULL) { /* Settled here; our word on it went with a link. */
        if (at[9] == DONE_SAID && c->gone_count < GONE_MAX) {
            c->gone[c->gone_count].origin = at[0];
            c->gone[c->gone_count++].epoch = get_le32(at + 1);
        }
        return;
    }
    if (epoch_goes_on(c, g)) { /* L3: it ran alone. */
        session_break(c, "the peer has ended an epoch that the ring is in: soon the next is open");
        return;
    }
    if (g->origin != c->o.node && at[9] == DONE_GONE) /* It knows of no end any more. */
        segment_close(c, g, g->produced);
    else if (g->origin != c->o.node)
        hear_close(c, g, get_le32(at + 5));
    if (at[9] == DONE_CLOSED || session_lies(c, lie_in_done(c, g)))
        return;
    gap_came_back(c, g, get_le32(at + 5));
    if (g->origin == c->o.node)
        learn_end(c, g, get_le32(at + 5));
    g->peer_done = true;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (!c->peer_has[k])
            continue;
        g->at[k].count = 0;
        g->at[k].dirty = true;
    }
}

static void get_handover(struct core *c, const uint8_t *at, size_t len, bool answer)
{
    if (len % HANDOVER_ENTRY_SIZE != 0) {
        session_break(c, "a malformed hand-over");
        return;
    }
    if (!answer) {
        handover_offered(c, at, len);
        return;
    }
    for (size_t i = 0; i < len; i += HANDOVER_ENTRY_SIZE) {
        struct wire_handover e;

        if (wire_get_handover(at + i, HANDOVER_ENTRY_SIZE, &e) != 0) {
            session_break(c, "a malformed answer to a hand-over");
            return;
        }
        handover_acked(c, &e);
    }
}

/* T2 */
static void get_sinks(struct core *c, const uint8_t *at, size_t len)
{
    if (len < 1 || at[0] > SINK_COUNT_MAX || len != 1 + 5 * (size_t)at[0]) {
        session_break(c, "a malformed state of the sinks");
        return;
    }
    for (const uint8_t *p = at + 1; p < at + len; p += 5) {
        int k = sink_index(c, get_le32(p));

        if (k >= 0)
            c->peer_up[k] = p[4] != 0;
    }
}

static void get_version_2(struct core *c, uint8_t type, const uint8_t *at, size_t len)
{
    if (c->version < 2 || type > FRAME_SINKS)
        session_break(c, "a frame of unknown type");
    else if (type == FRAME_SINKS)
        get_sinks(c, at, len);
    else
        get_handover(c, at, len, type == FRAME_HANDOVER_ACK);
}

/* Of another session (section 9, finding 10), also one with an earlier life of the peer, or
 * overtaken by what was told again on the other link: what is old could bring back what is settled
 * meanwhile. */
bool core_hears(struct core *c, const uint8_t *frame, size_t len)
{
    uint16_t turn;
    uint32_t session;
    uint8_t type;

    if (wire_get_header(frame, len, &type, &session) != 0 || c->session == SESSION_DOWN ||
        c->peer_nonce == 0 || session != wire_session(c->version, c->nonce, c->peer_nonce))
        return false;
    turn = wire_get_turn(frame);
    if ((int16_t)(turn - c->peer_turn) < 0)
        return false;
    c->peer_turn = turn;
    return true;
}

void core_stamp(const struct core *c, uint8_t *frame)
{
    wire_put_stamp(frame, c->version >= 2 ? c->turn : 0,
                   wire_session(c->version, c->peer_nonce, c->nonce));
}

void session_frame(struct core *c, int link, const uint8_t *at, size_t len)
{
    uint32_t word;
    uint8_t type;

    if (wire_get_header(at, len, &type, &word) != 0) {
        session_break(c, "a malformed frame, or of another version");
        return;
    }
    if (c->session == SESSION_DOWN)
        return;
    at += FRAME_HEADER_SIZE;
    len -= FRAME_HEADER_SIZE;
    if (type == FRAME_HELLO) {
        get_hello(c, link, word, at, len);
        return;
    }
    if (!core_hears(c, at - FRAME_HEADER_SIZE, len + FRAME_HEADER_SIZE))
        return;
    if (c->session == SESSION_HELLO) {
        if (link != c->hello_link) /* Of an earlier hello: version 1 has nothing else to tell. */
            return;
        if (type == FRAME_FACT) {
            get_fact(c, at, len);
        } else if (type == FRAME_MARKS) {
            get_forgotten(c, at, len);
        } else if (type == FRAME_HELLO_END) {
            c->hello_done = true;
            session_establish(c);
        }
        return;
    }
    if (!c->peer_heard)
        settled_peer_heard(c);
    c->peer_heard = true;
    c->ends_heard |= type != FRAME_DONE;
    switch (type) {
    case FRAME_ACK:
        get_ack(c, at, len);
        break;
    case FRAME_INTENT:
        get_intent(c, at, len);
        break;
    case FRAME_INTENT_ACK:
        get_intent_ack(c, at, len);
        break;
    case FRAME_MARKS:
        get_marks(c, at, len);
        break;
    case FRAME_DONE:
        get_done(c, at, len);
        break;
    default:
        get_version_2(c, type, at, len);
    }
}
