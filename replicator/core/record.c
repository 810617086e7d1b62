#include "record.h"
#include "bytes.h"

#include <string.h>

void record_encode(const struct record *r, uint8_t out[RECORD_SIZE])
{
    put_le32(out, r->epoch);
    put_le32(out + 4, r->sequence);
    put_le64(out + 8, r->time_ns);
    put_le32(out + 16, r->names_generation);
    out[20] = r->origin;
    out[21] = r->kind;
    out[22] = r->source;
    out[23] = 0;
    memcpy(out + 24, r->event, EVENT_SIZE);
}

int record_decode(struct record *r, const uint8_t in[RECORD_SIZE])
{
    struct record t = {
        .epoch = get_le32(in),
        .sequence = get_le32(in + 4),
        .time_ns = get_le64(in + 8),
        .names_generation = get_le32(in + 16),
        .origin = in[20],
        .kind = in[21],
        .source = in[22],
    };

    if (t.origin >= NODE_COUNT || t.kind == 0 || t.source > SOURCE_EVREP || in[23] != 0)
        return -1;
    if (t.sequence == 0 || (t.epoch & 1) != t.origin)
        return -1;
    memcpy(t.event, in + 24, EVENT_SIZE);
    *r = t;
    return 0;
}

void note_encode(const struct record_note *n, uint8_t out[EVENT_SIZE])
{
    memset(out, 0, EVENT_SIZE);
    out[0] = n->range_origin;
    out[1] = n->reason;
    out[2] = n->kind;
    out[3] = n->cause;
    put_le16(out + 4, n->zone);
    put_le32(out + 8, n->range_epoch);
    put_le32(out + 12, n->range_from);
    put_le32(out + 16, n->range_to);
    put_le32(out + 20, n->previous_epoch);
    put_le32(out + 24, n->last_sequence);
    out[28] = n->last_known;
    put_le64(out + 32, n->count);
    put_le64(out + 40, n->first_ns);
    put_le64(out + 48, n->last_ns);
}

void note_decode(struct record_note *n, const uint8_t in[EVENT_SIZE])
{
    *n = (struct record_note){
        .range_origin = in[0],
        .reason = in[1],
        .kind = in[2],
        .cause = in[3],
        .zone = get_le16(in + 4),
        .range_epoch = get_le32(in + 8),
        .range_from = get_le32(in + 12),
        .range_to = get_le32(in + 16),
        .previous_epoch = get_le32(in + 20),
        .last_sequence = get_le32(in + 24),
        .last_known = in[28] != 0,
        .count = get_le64(in + 32),
        .first_ns = get_le64(in + 40),
        .last_ns = get_le64(in + 48),
    };
}

void record_lost(uint8_t origin, uint32_t epoch, uint32_t sequence, uint64_t time_ns,
                 uint8_t out[RECORD_SIZE])
{
    struct record r = {.time_ns = time_ns,
                       .epoch = epoch,
                       .sequence = sequence,
                       .origin = origin,
                       .kind = RECORD_GAP_LOST,
                       .source = SOURCE_EVREP};
    struct record_note n = {.range_origin = origin,
                            .range_epoch = epoch,
                            .range_from = sequence,
                            .range_to = sequence,
                            .reason = REASON_CORRUPT};

    note_encode(&n, r.event);
    record_encode(&r, out);
}
