/* One session with the peer: hello, records, intents, marks. */
#include "rules.h"
#include "bytes.h"
#include "lie.h"
#include "record.h"

#include <assert.h>
#include <string.h>

void session_break(struct core *c, const char *why)
{
    if (!c->broken) {
        c->broken = true;
        c->broken_why = why;
    }
}

/* Section 9. */
static bool lies(struct core *c, const char *why)
{
    if (why == NULL)
        return false;
    c->lies++;
    session_break(c, why);
    return true;
}

static void lost(struct core *c)
{
    bool was_up = c->session == SESSION_UP || c->facts_out; /* It may be up at the peer. */

    if (c->session == SESSION_UP)
        c->parted_ns = c->now_ns;
    c->session = SESSION_DOWN;
    c->nonce = c->peer_nonce = 0;
    c->hello_told = c->hello_sent = c->hello_done = c->facts_out = false;
    c->grant_owed = false;
    c->grants_len = 0;
    c->hand_acks_len = 0;
    c->gone_count = 0;
    if (!was_up)
        return;
    c->lost_ns = c->now_ns;
    takeover_lost(c);
}

/* What was on the other link may be gone: ask and tell again. */
static void rewind_link(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        g->cursor = g->replicated;
        g->ack = g->origin != c->o.node;
        g->told_done = false;
        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++) {
                g->at[k].span[n].requested = g->at[k].span[n].granted;
                g->at[k].span[n].report |= g->at[k].span[n].owner == c->o.node;
            }
        }
    }
    c->renew = c->marks_due = c->sinks_due = true;
    handover_rewind(c);
}

static int first_link(uint8_t up)
{
    for (int i = 0; i < 8; i++) {
        if (up & (1u << i))
            return i;
    }
    return -1;
}

/* Those of an earlier hello: it tells all of them again, and may leave some out. */
static void forget_facts(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        g->replicated = g->base - 1;
        g->cursor = g->base - 1;
        g->fact_seen = false;
    }
}

static void begin_hello(struct core *c, int link, uint32_t nonce)
{
    c->session = SESSION_HELLO;
    c->peer_heard = false;
    c->turn = c->peer_turn = 0;
    c->peer_nonce = 0;
    c->hello_link = -1;
    c->link = link;
    c->nonce = nonce != 0 ? nonce : 1;
    c->hello_ns = c->now_ns;
    forget_facts(c);
}

static void begin_anew(struct core *c, int link)
{
    uint32_t nonce = c->nonce;

    lost(c);
    begin_hello(c, link, nonce + 1);
}

void session_link_up(struct core *c, int link, uint32_t random)
{
    assert(link >= 0 && link < 8);
    c->links_up |= (uint8_t)(1u << link);
    if (c->session != SESSION_DOWN)
        return;
    begin_hello(c, link, random);
}

void session_link_down(struct core *c, int link)
{
    c->links_up &= (uint8_t) ~(1u << link);
    if (c->links_up == 0) {
        c->link = -1;
        lost(c);
        return;
    }
    if (c->link != link)
        return;
    if (c->session == SESSION_UP && c->version < 2) { /* Nor may what the lost link still brings. */
        begin_anew(c, first_link(c->links_up));
        return;
    }
    c->link = first_link(c->links_up);
    c->turn++;
    if (c->session == SESSION_UP) {
        rewind_link(c);
    } else {
        c->hello_told = c->hello_sent = c->hello_done = false;
        c->hello_ns = c->now_ns;
    }
}

/* What is on its way on the other link may come later than what goes on this one: so everything is
 * told again, and all of it may be heard twice and out of order. */
void session_link_prefer(struct core *c, int link)
{
    if (c->session != SESSION_UP || !c->peer_heard || c->link == link ||
        !(c->links_up & (1u << link)))
        return; /* What overtakes the end of our hello would not be heard. */
    if (c->version < 2)
        return; /* It has no turn: what is overtaken would be heard. */
    c->link = link;
    c->turn++;
    rewind_link(c);
}

/* The peer's word may have gone with the link that carried it, and the peer forgets a segment once
 * it has said that it is done: ask until it answers. */
static void ask_done_again(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->done && !g->peer_done)
            g->told_done = false;
    }
}

/* N2: a replica whose table of segments is full takes nothing of a new one, and cannot say so. */
static void send_again(struct core *c)
{
    if (c->now_ns - c->again_ns < SECOND_NS)
        return;
    c->again_ns = c->now_ns;
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->origin == c->o.node && g->replicated < g->base)
            g->cursor = g->replicated;
    }
}

void session_tick(struct core *c)
{
    if (c->session == SESSION_HELLO && c->now_ns - c->hello_ns > c->o.hello_ns)
        session_break(c, "the peer did not finish its hello in time");
    if (c->session != SESSION_UP || c->now_ns - c->renew_ns < c->o.lease_ns / 4)
        return;
    c->renew = c->marks_due = true;
    ask_done_again(c);
    handover_rewind(c);
    send_again(c);
}

/* ---- frames in ---- */

static uint8_t own_version(const struct core *c)
{
    return c->o.wire_version != 0 ? c->o.wire_version : WIRE_VERSION;
}

/* Overtaken on its link by a later one of the same session. */
static bool hello_is_old(const struct core *c, const struct wire_hello *h)
{
    return h->version >= 2 && own_version(c) >= 2 && h->nonce == c->peer_nonce &&
           (int16_t)(h->turn - c->peer_turn) < 0;
}

static void get_hello(struct core *c, int link, uint32_t word, const uint8_t *at, size_t len)
{
    struct wire_hello h;

    if (wire_get_hello(word, at, len, &h) != 0 || h.node == c->o.node) {
        session_break(c, "a malformed hello");
        return;
    }
    if (hello_is_old(c, &h) || lies(c, lie_in_hello(c, &h)))
        return;
    if (c->session == SESSION_UP) /* The peer began anew: so do we. */
        begin_anew(c, link);
    else if (c->peer_nonce != h.nonce)
        c->hello_sent = false; /* Ours may have gone to the end before. */
    forget_facts(c);
    c->hello_link = link;
    c->peer_turn = own_version(c) >= 2 ? h.turn : 0;
    c->fenced = false; /* T4: it lives, so that the word that it is dead and stays so is over. */
    c->peer_nonce = h.nonce;
    c->version = h.version < own_version(c) ? h.version : own_version(c);
    c->peer_fences = h.fences;
    c->both_fence &= h.fences;
    /* T4a: kept before our facts go, as by them the peer counts on it. */
    if (c->o.fencing && h.fences && c->version >= 2 && !c->must_fence)
        c->must_fence = c->node_dirty = true;
    c->hello_journal = h.journal;
    c->forgot = h.peer_journal != 0 && h.peer_journal != c->journal;
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

    if (used < 0 || len <= (size_t)used || at[used] > SINK_COUNT_MAX) {
        session_break(c, "a malformed fact");
        return;
    }
    if (lies(c, lie_in_fact(c, &fact)))
        return;
    facts_learn(c, &fact, at + used + 1, len - (size_t)used - 1, at[used]);
    /* T5: what it says is known from here on, also when its hello does not come to the end: a
     * journal that replaces this one did not say it. */
    c->node_dirty |= c->peer_journal == 0;
    if (c->peer_journal == 0)
        c->peer_journal = c->hello_journal;
}

static void establish(struct core *c)
{
    if (c->session != SESSION_HELLO || !c->hello_sent || !c->hello_done)
        return;
    c->session = SESSION_UP;
    c->lease_end_ns = 0;
    settled_hello_done(c);
    rewind_link(c);
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
    if (s == NULL || e->sequence <= s->emitted || lies(c, lie_in_mark(c, g, s, e->sequence)))
        return; /* Of what we took over, too: what was in flight there has been confirmed. */
    if (g->origin != c->o.node && !g->closed)
        g->produced = max_u32(g->produced, e->sequence);
    s->emitted = e->sequence;
    s->handed = max_u32(s->handed, e->sequence);
    s->intent = max_u32(s->intent, e->sequence);
    g->at[k].dirty = true;
}

static void get_marks(struct core *c, const uint8_t *at, size_t len)
{
    struct segment *g;

    if (len < 8 || (len - 8) % ENTRY_SIZE != 0) {
        session_break(c, "malformed marks");
        return;
    }
    g = segment_find(c, (uint8_t)(1 - c->o.node), get_le32(at));
    if (lies(c, lie_in_produced(get_le32(at + 4))))
        return;
    if (g != NULL && !g->closed && get_le32(at + 4) > g->produced)
        g->produced = get_le32(at + 4);
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

/* A close or the peer's word that all of a segment is done: origin, epoch, last. */
static void get_done(struct core *c, const uint8_t *at, size_t len)
{
    struct segment *g;

    if (len != 10 || at[9] > DONE_GONE) {
        session_break(c, "a malformed end of a segment");
        return;
    }
    g = segment_find(c, at[0], get_le32(at + 1));
    if (g == NULL) { /* Settled here; our word on it went with a link. */
        if (at[9] == DONE_SAID && c->gone_count < GONE_MAX) {
            c->gone[c->gone_count].origin = at[0];
            c->gone[c->gone_count++].epoch = get_le32(at + 1);
        }
        return;
    }
    if (g->origin != c->o.node && at[9] == DONE_GONE) /* It knows of no end any more. */
        segment_close(c, g, g->produced);
    else if (g->origin != c->o.node)
        hear_close(c, g, get_le32(at + 5));
    if (at[9] == DONE_CLOSED || lies(c, lie_in_done(c, g)))
        return;
    gap_came_back(c, g, get_le32(at + 5));
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
        } else if (type == FRAME_HELLO_END) {
            c->hello_done = true;
            establish(c);
        }
        return;
    }
    c->peer_heard = true;
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

/* ---- frames out ---- */

static uint8_t *frame(struct core *c, struct core_output *out, uint8_t type, size_t body)
{
    uint8_t *p = out_frame(out, FRAME_HEADER_SIZE + body);

    if (p == NULL)
        return NULL;
    wire_put_header(p, type, wire_hello_word(own_version(c), c->o.fencing, c->turn));
    if (type != FRAME_HELLO)
        core_stamp(c, p);
    return p + FRAME_HEADER_SIZE;
}

static void put_hello(struct core *c, struct core_output *out)
{
    uint8_t *p = frame(c, out, FRAME_HELLO, HELLO_SIZE + 4 * c->o.sink_count);

    if (p == NULL)
        return;
    put_le32(p, c->nonce);
    put_le32(p + 4, c->highest_epoch);
    put_le64(p + 8, c->journal);
    put_le64(p + 16, c->peer_journal);
    put_le32(p + 24, c->first_epoch);
    p[28] = c->o.node;
    p[29] = (uint8_t)c->o.sink_count;
    for (size_t k = 0; k < c->o.sink_count; k++)
        put_le32(p + HELLO_SIZE + 4 * k, c->o.sink[k].key);
    c->hello_told = true;
}

static void put_fact(struct core *c, const struct segment *g, struct core_output *out)
{
    uint8_t image[SEGMENT_IMAGE_SIZE + 1 + SINK_COUNT_MAX * DELIVERY_IMAGE_MAX];
    size_t len = wire_put_segment(image, g);
    uint8_t *p;

    image[len++] = (uint8_t)c->o.sink_count;
    for (size_t k = 0; k < c->o.sink_count; k++)
        len += wire_fact_delivery(image + len, g, c->o.sink[k].key, &g->at[k]);
    p = frame(c, out, FRAME_FACT, len);
    if (p != NULL)
        memcpy(p, image, len);
}

/* N6, T3: all that we know, once the peer's nonce is known. */
static void put_facts(struct core *c, struct core_output *out)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        g->fact_told = true;
        g->fact_undone = !g->done;
        facts_told(c, g);
        put_fact(c, g, out);
    }
    frame(c, out, FRAME_HELLO_END, 0);
    c->hello_sent = !out->more;
    c->facts_out |= c->hello_sent;
    establish(c);
}

static void send_segment(struct core *c, struct segment *g, uint32_t *credit,
                         struct core_output *out)
{
    while (*credit > 0 && out->send_count < OUT_SEND_MAX && g->cursor < g->journaled &&
           g->cursor - g->replicated < SEND_WINDOW) {
        uint32_t from = max_u32(g->cursor + 1, segment_needed(c, g));
        uint32_t to = min_u32(g->journaled, from + min_u32(SEND_BATCH_MAX, *credit) - 1);

        if (from > g->journaled || from > to)
            return;
        if (to > g->sent_bound) { /* Durable before anything of it is sent. */
            g->sent_bound = to > SEQUENCE_MAX - 65536 ? SEQUENCE_MAX : to + 65536;
            g->dirty = true;
        }
        out->send[out->send_count++] = (struct core_range){g->origin, g->epoch, from, to};
        g->cursor = to;
        g->sent = max_u32(g->sent, to);
        *credit -= to - from + 1;
    }
}

/* N2: what is live first, then what is older. */
static void send_records(struct core *c, uint32_t credit, struct core_output *out)
{
    struct segment *live = segment_find(c, c->o.node, c->live_epoch);

    if (live != NULL)
        send_segment(c, live, &credit, out);
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->origin == c->o.node && !g->lost && !g->done)
            send_segment(c, g, &credit, out);
    }
}

static void put_acks(struct core *c, struct core_output *out)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];
        uint8_t *p;

        if (!g->ack || g->origin == c->o.node || g->journaled < g->base)
            continue; /* What is settled and gone is not acknowledged: its end is told. */
        p = frame(c, out, FRAME_ACK, 9);
        if (p == NULL)
            return;
        p[0] = g->origin;
        put_le32(p + 1, g->epoch);
        put_le32(p + 5, g->journaled);
        g->ack = false;
    }
}

static size_t collect_intents(struct core *c, uint8_t *out, size_t max)
{
    size_t len = 0;

    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; c->peer_has[k] && n < g->at[k].count && len + ENTRY_SIZE <= max;
                 n++) {
                struct span *s = &g->at[k].span[n];
                uint32_t from = c->renew ? s->granted : s->requested;

                if (s->owner != c->o.node || s->intent <= from)
                    continue;
                wire_put_entry(out + len, &(struct wire_entry){g->origin, g->epoch,
                                                               c->o.sink[k].key, s->intent});
                s->requested = s->intent;
                len += ENTRY_SIZE;
            }
        }
    }
    return len;
}

/* N3, N4: the intent and the question for a lease are one frame. */
static void put_intents(struct core *c, struct core_output *out)
{
    uint8_t entries[256 * ENTRY_SIZE];
    size_t len = collect_intents(c, entries, sizeof(entries));
    uint8_t *p;

    if (len == 0 && !c->renew)
        return;
    p = frame(c, out, FRAME_INTENT, 8 + len);
    if (p == NULL)
        return;
    put_le64(p, c->now_ns);
    memcpy(p + 8, entries, len);
    if (c->renew) /* What was declined is asked again, however busy the link is. */
        c->renew_ns = c->now_ns;
    c->renew = false;
}

static void put_grants(struct core *c, struct core_output *out)
{
    uint8_t *p;

    if (!c->grant_owed)
        return;
    p = frame(c, out, FRAME_INTENT_ACK, 8 + (size_t)c->grants_len);
    if (p == NULL)
        return;
    put_le64(p, c->grant_time);
    memcpy(p + 8, c->grants, c->grants_len);
    c->grant_owed = false;
    c->grants_len = 0;
    /* N4: our count starts now and runs slower than the owner's clock can. */
    c->grant_end_ns = c->now_ns + c->o.lease_ns + c->o.lease_ns / 1000000 * c->o.drift_ppm + 1;
}

/* The peer's span may begin lower than ours, as it knows an older E: then what lies below is done,
 * and it is told so.  Never across another span that ends there. */
static bool e_is_news(const struct delivery *d, uint8_t n)
{
    const struct span *s = &d->span[n];

    if (s->emitted >= s->from)
        return true;
    return s->from > 1 && (n == 0 || d->span[n - 1].to < s->from - 1);
}

static size_t collect_marks(struct core *c, uint8_t *out, size_t max)
{
    size_t len = 0;

    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count && len + ENTRY_SIZE <= max; n++) {
                struct span *s = &g->at[k].span[n];

                if (!s->report || span_is_apart(&g->at[k], s))
                    continue;
                s->report = false;
                s->marks_ns = c->now_ns;
                if (!e_is_news(&g->at[k], n))
                    continue;
                wire_put_entry(out + len, &(struct wire_entry){g->origin, g->epoch,
                                                               c->o.sink[k].key, s->emitted});
                len += ENTRY_SIZE;
            }
        }
    }
    return len;
}

static void report_again(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++)
                g->at[k].span[n].report |= g->at[k].span[n].owner == c->o.node;
        }
    }
}

/* The segment that still grows: of the live epoch, or, until that is open, of the one before. */
static const struct segment *growing(const struct core *c)
{
    const struct segment *last = NULL;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (g->origin == c->o.node && !g->closed && (last == NULL || g->epoch > last->epoch))
            last = g;
    }
    return last;
}

/* N5, and P */
static void put_marks(struct core *c, struct core_output *out)
{
    uint8_t entries[256 * ENTRY_SIZE];
    size_t len = collect_marks(c, entries, sizeof(entries));
    const struct segment *g = growing(c);
    uint8_t *p;

    if (len == 0 && !c->marks_due)
        return;
    p = frame(c, out, FRAME_MARKS, 8 + len);
    if (p == NULL) {
        report_again(c);
        return;
    }
    put_le32(p, g != NULL ? g->epoch : 0);
    put_le32(p + 4, g != NULL ? g->produced : 0);
    memcpy(p + 8, entries, len);
    c->marks_due = false;
}

static bool put_done_frame(struct core *c, struct core_output *out, uint8_t origin, uint32_t epoch,
                           uint32_t last, enum done_word word)
{
    uint8_t *p = frame(c, out, FRAME_DONE, 10);

    if (p == NULL)
        return false;
    p[0] = origin;
    put_le32(p + 1, epoch);
    put_le32(p + 5, last);
    p[9] = (uint8_t)word;
    return true;
}

static void put_gone(struct core *c, struct core_output *out)
{
    while (c->gone_count > 0 && put_done_frame(c, out, c->gone[c->gone_count - 1].origin,
                                               c->gone[c->gone_count - 1].epoch, 0, DONE_GONE))
        c->gone_count--;
}

static void put_done(struct core *c, struct core_output *out)
{
    put_gone(c, out);
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        /* Twice: when the origin closes it, and when all of it is done here. */
        if (g->told_done || !g->closed || (!g->done && g->origin != c->o.node))
            continue;
        if (!g->done && g->ack)
            continue;
        if (!put_done_frame(c, out, g->origin, g->epoch, g->last,
                            g->done ? DONE_SAID : DONE_CLOSED))
            return;
        if (g->done)
            g->told_done = true;
        else
            g->ack = true; /* At the origin: the close is told. */
    }
}

static void put_hand_acks(struct core *c, struct core_output *out)
{
    uint8_t *p;

    if (c->hand_acks_len == 0)
        return;
    p = frame(c, out, FRAME_HANDOVER_ACK, c->hand_acks_len);
    if (p == NULL)
        return;
    memcpy(p, c->hand_acks, c->hand_acks_len);
    c->hand_acks_len = 0;
}

static void put_offers(struct core *c, struct core_output *out)
{
    uint8_t entries[96 * HANDOVER_ENTRY_SIZE];
    size_t len;

    while ((len = handover_collect(c, entries, sizeof(entries))) > 0) {
        uint8_t *p = frame(c, out, FRAME_HANDOVER, len);

        if (p == NULL) {
            handover_rewind(c);
            return;
        }
        memcpy(p, entries, len);
    }
}

static void put_sinks(struct core *c, struct core_output *out)
{
    uint8_t *p;

    if (!c->sinks_due)
        return;
    p = frame(c, out, FRAME_SINKS, 1 + 5 * c->o.sink_count);
    if (p == NULL)
        return;
    *p++ = (uint8_t)c->o.sink_count;
    for (size_t k = 0; k < c->o.sink_count; k++, p += 5) {
        put_le32(p, c->o.sink[k].key);
        p[4] = c->sink[k].up;
    }
    c->sinks_due = false;
}

void session_flush(struct core *c, uint32_t credit, struct core_output *out)
{
    out->link = c->link;
    if (c->session == SESSION_DOWN)
        return;
    if (c->session == SESSION_HELLO) {
        if (!c->hello_told)
            put_hello(c, out);
        if (!c->hello_sent && c->peer_nonce != 0)
            put_facts(c, out);
        return;
    }
    put_acks(c, out);
    if (c->version >= 2) { /* Before the intents and marks of what is ours by them. */
        put_hand_acks(c, out);
        put_sinks(c, out);
    }
    put_grants(c, out);
    put_marks(c, out); /* E before the I that is raised from it: no more than W is in doubt. */
    put_intents(c, out);
    if (c->version >= 2) /* After what is confirmed below the cut. */
        put_offers(c, out);
    put_done(c, out);
    send_records(c, credit, out);
}
