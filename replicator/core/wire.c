#include "wire.h"
#include "bytes.h"
#include "record.h"
#include "segment.h"

#include <string.h>

enum {
    FLAG_CLOSED = 1,
    FLAG_DONE = 2,
    FLAG_LOST = 4,
    FLAG_GAP_TOLD = 8,
    FLAG_UNSURE = 16,
    FLAG_ENDED = 32,
    FLAG_HOLLOW = 64,
    FLAG_BEGUN_BEFORE = 128,
};
enum { SPAN_RESUMED = 1, SPAN_FOREIGN = 2, SPAN_OFFERED = 4 };

static bool epoch_fits(uint8_t origin, uint32_t epoch)
{
    return origin < NODE_COUNT && epoch != 0 && (epoch & 1) == origin;
}

/* The oldest version that has this frame. */
static uint8_t frame_version(uint8_t type)
{
    if (type >= FRAME_RUNS)
        return 3;
    return type >= FRAME_HANDOVER && type <= FRAME_CORE_MAX ? 2 : 1;
}

void wire_put_header(uint8_t *out, uint8_t type, uint32_t session)
{
    out[0] = type;
    out[1] = frame_version(type);
    put_le16(out + 2, 0);
    put_le32(out + 4, session);
}

int wire_get_header(const uint8_t *at, size_t len, uint8_t *type, uint32_t *session)
{
    if (len < FRAME_HEADER_SIZE || at[1] != frame_version(at[0]))
        return -1;
    *type = at[0];
    *session = get_le32(at + 4);
    return 0;
}

void wire_put_stamp(uint8_t *frame, uint16_t turn, uint32_t session)
{
    put_le16(frame + 2, turn);
    put_le32(frame + 4, session);
}

uint16_t wire_get_turn(const uint8_t *frame)
{
    return get_le16(frame + 2);
}

void wire_put_records(uint8_t out[RECORDS_HEADER_SIZE], const struct wire_records *r)
{
    wire_put_header(out, FRAME_RECORDS, 0);
    out[8] = r->origin;
    out[9] = 0;
    put_le16(out + 10, r->count);
    put_le32(out + 12, r->epoch);
    put_le32(out + 16, r->base);
    put_le32(out + 20, r->from);
}

int wire_get_records(const uint8_t *frame, size_t len, struct wire_records *out)
{
    struct wire_records r;

    if (len < RECORDS_HEADER_SIZE || frame[9] != 0)
        return -1;
    r.origin = frame[8];
    r.count = get_le16(frame + 10);
    r.epoch = get_le32(frame + 12);
    r.base = get_le32(frame + 16);
    r.from = get_le32(frame + 20);
    r.records = frame + RECORDS_HEADER_SIZE;
    if (!epoch_fits(r.origin, r.epoch) || r.count == 0 || r.count > SEND_BATCH_MAX)
        return -1;
    if (len != RECORDS_HEADER_SIZE + (size_t)r.count * RECORD_SIZE)
        return -1;
    if (r.base == 0 || r.from < r.base || r.from > SEQUENCE_MAX - r.count)
        return -1;
    *out = r;
    return 0;
}

uint32_t wire_hello_word(uint8_t version, bool fences, uint16_t turn)
{
    return version < 2 ? 0 : (uint32_t)version | (uint32_t)fences << 8 | (uint32_t)turn << 16;
}

uint32_t wire_session(uint8_t version, uint32_t receiver, uint32_t sender)
{
    return version < 2 ? receiver : receiver + 0x9e3779b1u * sender;
}

int wire_get_hello(uint32_t word, const uint8_t *body, size_t len, struct wire_hello *out)
{
    struct wire_hello h = {
        .version = (uint8_t)(word == 0 ? WIRE_VERSION_OLDEST : word & 0xff),
        .fences = (word >> 8 & 1) != 0,
        .turn = (uint16_t)(word >> 16),
    };

    if (len < HELLO_SIZE)
        return -1;
    h.nonce = get_le32(body);
    h.highest_epoch = get_le32(body + 4);
    h.journal = get_le64(body + 8);
    h.peer_journal = get_le64(body + 16);
    h.first_epoch = get_le32(body + 24);
    h.node = body[28];
    h.sink_count = body[29];
    if (h.version < WIRE_VERSION_OLDEST || h.node >= NODE_COUNT || h.nonce == 0 ||
        h.sink_count > SINK_COUNT_MAX)
        return -1;
    if (len != HELLO_SIZE + 4 * (size_t)h.sink_count)
        return -1;
    for (uint8_t i = 0; i < h.sink_count; i++)
        h.sink_key[i] = get_le32(body + HELLO_SIZE + 4 * i);
    *out = h;
    return 0;
}

void wire_put_entry(uint8_t *out, const struct wire_entry *e)
{
    out[0] = e->origin;
    put_le32(out + 1, e->epoch);
    put_le32(out + 5, e->key);
    put_le32(out + 9, e->sequence);
}

int wire_get_entry(const uint8_t *at, size_t len, struct wire_entry *out)
{
    if (len < ENTRY_SIZE || !epoch_fits(at[0], get_le32(at + 1)))
        return -1;
    *out = (struct wire_entry){
        .origin = at[0],
        .epoch = get_le32(at + 1),
        .key = get_le32(at + 5),
        .sequence = get_le32(at + 9),
    };
    return 0;
}

void wire_put_handover(uint8_t out[HANDOVER_ENTRY_SIZE], const struct wire_handover *e)
{
    const uint32_t words[] = {e->epoch, e->key,     e->at,     e->to,
                              e->term,  e->emitted, e->intent, e->doubt};

    out[0] = e->origin;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        put_le32(out + 1 + 4 * i, words[i]);
}

int wire_get_handover(const uint8_t *at, size_t len, struct wire_handover *out)
{
    struct wire_handover e;

    if (len < HANDOVER_ENTRY_SIZE || !epoch_fits(at[0], get_le32(at + 1)))
        return -1;
    e = (struct wire_handover){
        .origin = at[0],
        .epoch = get_le32(at + 1),
        .key = get_le32(at + 5),
        .at = get_le32(at + 9),
        .to = get_le32(at + 13),
        .term = get_le32(at + 17),
        .emitted = get_le32(at + 21),
        .intent = get_le32(at + 25),
        .doubt = get_le32(at + 29),
    };
    if (e.at == SEQUENCE_MAX || e.to < e.at || e.term == 0 || e.emitted > e.at)
        return -1;
    if (e.intent < e.at || e.doubt < e.at)
        return -1;
    *out = e;
    return 0;
}

size_t wire_put_segment(uint8_t *out, const struct segment *g)
{
    memset(out, 0, SEGMENT_IMAGE_SIZE);
    out[0] = 'S';
    out[1] = g->origin;
    out[2] = (uint8_t)((g->closed ? FLAG_CLOSED : 0) | (g->done ? FLAG_DONE : 0) |
                       (g->lost ? FLAG_LOST : 0) | (g->gap_told ? FLAG_GAP_TOLD : 0) |
                       (g->unsure ? FLAG_UNSURE : 0) | (g->ended ? FLAG_ENDED : 0) |
                       (g->hollow ? FLAG_HOLLOW : 0) | (g->begun_before ? FLAG_BEGUN_BEFORE : 0));
    out[3] = g->gap;
    put_le32(out + 4, g->epoch);
    put_le32(out + 8, g->last);
    put_le32(out + 12, g->produced);
    put_le32(out + 16, g->journaled);
    put_le32(out + 20, g->base);
    put_le32(out + 24, g->sent);
    put_le32(out + 28, g->sent_bound);
    put_le32(out + 32, g->gap_from);
    put_le32(out + 36, g->gap_to);
    return SEGMENT_IMAGE_SIZE;
}

int wire_get_segment(const uint8_t *at, size_t len, struct segment *out)
{
    if (len < SEGMENT_IMAGE_SIZE || at[0] != 'S' || !epoch_fits(at[1], get_le32(at + 4)) ||
        at[3] > GAP_FILLED)
        return -1;
    memset(out, 0, sizeof(*out));
    out->origin = at[1];
    out->closed = (at[2] & FLAG_CLOSED) != 0;
    out->done = (at[2] & FLAG_DONE) != 0;
    out->lost = (at[2] & FLAG_LOST) != 0;
    out->gap_told = (at[2] & FLAG_GAP_TOLD) != 0;
    out->unsure = (at[2] & FLAG_UNSURE) != 0;
    out->ended = (at[2] & FLAG_ENDED) != 0;
    out->hollow = (at[2] & FLAG_HOLLOW) != 0;
    out->begun_before = (at[2] & FLAG_BEGUN_BEFORE) != 0;
    out->gap = at[3];
    out->epoch = get_le32(at + 4);
    out->last = get_le32(at + 8);
    out->produced = get_le32(at + 12);
    out->journaled = get_le32(at + 16);
    out->base = get_le32(at + 20);
    out->sent = get_le32(at + 24);
    out->sent_bound = get_le32(at + 28);
    out->gap_from = get_le32(at + 32);
    out->gap_to = get_le32(at + 36);
    return SEGMENT_IMAGE_SIZE;
}

static size_t put_delivery(uint8_t *out, const struct segment *g, uint32_t key,
                           const struct delivery *d, bool journal)
{
    uint8_t *p = out + 12;

    out[0] = 'D';
    out[1] = g->origin;
    out[2] = d->count;
    out[3] = (uint8_t)(d->unheard | d->shared << 1);
    put_le32(out + 4, g->epoch);
    put_le32(out + 8, key);
    for (uint8_t i = 0; i < d->count; i++, p += 26) {
        const struct span *s = &d->span[i];

        put_le32(p, s->from);
        put_le32(p + 4, s->to);
        put_le32(p + 8, s->term);
        put_le32(p + 12, s->emitted);
        put_le32(p + 16, s->intent);
        put_le32(p + 20, s->doubt);
        p[24] = s->owner;
        p[25] = (uint8_t)((s->resumed ? SPAN_RESUMED : 0) | (s->foreign ? SPAN_FOREIGN : 0) |
                          (journal && s->handing == HAND_OFFERED ? SPAN_OFFERED : 0));
    }
    return (size_t)(p - out);
}

size_t wire_put_delivery(uint8_t *out, const struct segment *g, uint32_t key,
                         const struct delivery *d)
{
    return put_delivery(out, g, key, d, true);
}

size_t wire_fact_delivery(uint8_t *out, const struct segment *g, uint32_t key,
                          const struct delivery *d)
{
    return put_delivery(out, g, key, d, false);
}

static int get_span(const uint8_t *p, uint32_t above, struct span *s)
{
    *s = (struct span){
        .from = get_le32(p),
        .to = get_le32(p + 4),
        .term = get_le32(p + 8),
        .emitted = get_le32(p + 12),
        .intent = get_le32(p + 16),
        .doubt = get_le32(p + 20),
        .owner = p[24],
        .resumed = (p[25] & SPAN_RESUMED) != 0,
        .foreign = (p[25] & SPAN_FOREIGN) != 0,
        .handing = (p[25] & SPAN_OFFERED) != 0 ? HAND_OFFERED : HAND_NONE,
    };
    s->handed = s->emitted;
    s->granted = s->requested = s->from - 1;
    if (s->from <= above || s->to < s->from || s->owner >= NODE_COUNT ||
        p[25] > (SPAN_RESUMED | SPAN_FOREIGN | SPAN_OFFERED))
        return -1;
    if (s->emitted < s->from - 1 || s->intent < s->emitted || s->intent > s->to)
        return -1;
    if (s->doubt > s->to)
        return -1;
    s->doubt = max_u32(s->doubt, s->from - 1);
    return 0;
}

int wire_get_delivery(const uint8_t *at, size_t len, uint8_t *origin, uint32_t *epoch,
                      uint32_t *key, struct delivery *out)
{
    struct delivery d = {0};
    uint32_t above = 0;

    if (len < 12 || at[0] != 'D' || at[2] > SPAN_MAX || !epoch_fits(at[1], get_le32(at + 4)))
        return -1;
    if (len < 12 + (size_t)at[2] * 26)
        return -1;
    d.count = at[2];
    d.unheard = (at[3] & 1) != 0;
    d.shared = (at[3] & 2) != 0;
    for (uint8_t i = 0; i < d.count; i++) {
        if (get_span(at + 12 + (size_t)i * 26, above, &d.span[i]) != 0)
            return -1;
        above = d.span[i].to;
    }
    *origin = at[1];
    *epoch = get_le32(at + 4);
    *key = get_le32(at + 8);
    *out = d;
    return 12 + d.count * 26;
}
