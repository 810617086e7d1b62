/* What is told to the peer: facts, records, intents, marks. */
#include "rules.h"
#include "bytes.h"

#include <string.h>

static uint8_t *frame(struct core *c, struct core_output *out, uint8_t type, size_t body)
{
    uint8_t *p = out_frame(out, FRAME_HEADER_SIZE + body);

    if (p == NULL)
        return NULL;
    wire_put_header(p, type, wire_hello_word(session_version(c), c->o.fencing, c->turn));
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

static void put_produced(uint8_t *p, uint32_t epoch, uint32_t produced)
{
    put_le32(p, epoch);
    put_le32(p + 4, produced);
}

/* T5, L4: what went with our journal the peer has, and states what it has not: the ring knows where
 * it ended. */
static void put_forgotten(struct core *c, struct core_output *out)
{
    uint8_t *p = c->forgotten.epoch != 0 ? frame(c, out, FRAME_MARKS, 8) : NULL;

    if (p != NULL)
        put_produced(p, c->forgotten.epoch, c->forgotten.last);
}

/* N6, T3: all that we know, once the peer's nonce is known. */
static void put_facts(struct core *c, struct core_output *out)
{
    put_forgotten(c, out); /* Before the fact that closes it. */
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        g->fact_told = true;
        g->fact_undone = !g->done;
        put_fact(c, g, out); /* With what was shared before. */
        facts_told(c, g);
    }
    if (!out->more) /* Else all of it is told again. */
        frame(c, out, FRAME_HELLO_END, 0);
    c->hello_sent = !out->more;
    c->facts_out |= c->hello_sent;
    session_establish(c);
}

/* Where the peer begins anew behind what all our sinks have, it forgets what it holds below. */
static uint32_t worth_sending(const struct core *c, const struct segment *g)
{
    return g->peer_keeps ? g->base : segment_needed(c, g);
}

static void send_segment(struct core *c, struct segment *g, uint32_t *credit,
                         struct core_output *out)
{
    while (*credit > 0 && out->send_count < OUT_SEND_MAX && g->cursor < g->journaled &&
           g->cursor - g->replicated < SEND_WINDOW) {
        uint32_t from = max_u32(g->cursor + 1, worth_sending(c, g));
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
                span_report_again(c, &g->at[k].span[n]);
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
    put_produced(p, g != NULL ? g->epoch : 0, g != NULL ? g->produced : 0);
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
    put_done(c, out); /* First: until the peer hears something else it waits for them (L4). */
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
    send_records(c, credit, out);
}
