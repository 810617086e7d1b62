/* One record, and its bytes: the same 160 bytes in the ring's reader, the journal and on the link.
 *
 * offset size  field (integers little-endian)
 *      0    4  epoch
 *      4    4  sequence, from 1
 *      8    8  time of the decision, ns since 1970 (CLOCK_REALTIME at the hook)
 *     16    4  generation of the name tables in force at the decision (0: none)
 *     20    1  origin, 0 or 1
 *     21    1  kind, enum record_kind
 *     22    1  source, enum record_source
 *     23    1  zero
 *     24  136  payload: the event of the reference contract, section 4; for kinds from
 *              RECORD_EPOCH_OPEN on, struct record_note below
 */
#ifndef EVREP_RECORD_H
#define EVREP_RECORD_H

#include "types.h"

enum {
    EVENT_SIZE = 136,
    RECORD_SIZE = 160,
};

enum record_kind {
    RECORD_SESSION_OPEN = 1, /* 1..6: the contract's event types, section 5.1. */
    RECORD_SESSION_CLOSE = 2,
    RECORD_POLICY_DENY = 3,
    RECORD_SCREEN_DROP = 4,
    RECORD_ALG_REQUEST = 5,
    RECORD_FILTER_LOG = 6,
    RECORD_OTHER = 127,      /* Of a type that the contract does not name; the event has it. */
    RECORD_EPOCH_OPEN = 128, /* From here on the protocol's own records. */
    RECORD_GAP_PENDING = 129,
    RECORD_GAP_LOST = 130,
    RECORD_GAP_IN_DOUBT = 131,
    RECORD_SUPPRESSED = 132,
    RECORD_ABANDONED = 133,
};

enum record_source {
    SOURCE_RING = 0,
    SOURCE_EVENT_STREAM = 1,
    SOURCE_BPF = 2,
    SOURCE_EVREP = 3, /* Stated by the replicator itself. */
};

struct record {
    uint64_t time_ns;
    uint32_t epoch, sequence;
    uint32_t names_generation;
    uint8_t origin, kind, source;
    uint8_t event[EVENT_SIZE];
};

/* Payload of the protocol's own records, encoded little-endian at the front of event[], rest zero:
 * offset 0 u8 range origin, 1 u8 reason, 2 u8 suppressed kind, 3 u8 cause, 4 u16 zone, 6 u16 zero,
 * 8 u32 range epoch, 12 u32 from, 16 u32 to, 20 u32 previous epoch, 24 u32 last sequence,
 * 28 u8 last sequence is known, 29..31 zero, 32 u64 count, 40 u64 first ns, 48 u64 last ns.
 * Fields that a kind does not use are zero. */
struct record_note {
    uint8_t range_origin, reason, kind, cause;
    uint16_t zone;
    uint32_t range_epoch, range_from, range_to;
    uint32_t previous_epoch, last_sequence;
    bool last_known;
    uint64_t count, first_ns, last_ns;
};

enum note_reason {
    REASON_PEER_LOST = 0,
    REASON_JOURNAL_LOST = 1,
    REASON_JOURNAL_LIMIT = 2,
    REASON_SKIPPED = 3,
    REASON_CORRUPT = 4
};
enum suppressed_cause {
    CAUSE_RATE_LIMITED = 0,
    CAUSE_CAPPED = 1,
    CAUSE_RING_FULL = 2,
    CAUSE_NOT_OWNER = 3,
    CAUSE_STREAM_HOLE = 4,  /* Numbers of an event stream that never came; of no kind or zone. */
    CAUSE_STREAM_DOUBT = 5, /* Frames of an event stream that were taken for repeats, and may have
                             * been none: of a helper whose process cannot be told. */
};

/* What a record does not tell though its kind could; a set. */
enum record_unknown {
    UNKNOWN_POLICY = 1,
    UNKNOWN_NAT = 2,
    UNKNOWN_ZONES = 4,
    UNKNOWN_COUNTERS = 8, /* Packets, bytes, elapsed time, reason. */
    UNKNOWN_ACTION = 16,
};

/* Where the event of a session frame says so of its own frame (NAT, zones, action): the contract's
 * padding. */
enum { EVENT_UNKNOWN = 135 };

/* Of a session frame of the event stream (contract 2.1, 2.2): none tells the policy; a close has no
 * NAT, counters, times, reason or action. */
static inline uint8_t record_unknown(const struct record *r)
{
    uint8_t stated = r->event[EVENT_UNKNOWN] & (UNKNOWN_NAT | UNKNOWN_ZONES | UNKNOWN_ACTION);

    if (r->source != SOURCE_EVENT_STREAM)
        return 0;
    if (r->kind == RECORD_SESSION_OPEN)
        return UNKNOWN_POLICY | stated;
    return r->kind == RECORD_SESSION_CLOSE
               ? UNKNOWN_POLICY | UNKNOWN_NAT | UNKNOWN_COUNTERS | UNKNOWN_ACTION | stated
               : 0;
}

void record_encode(const struct record *r, uint8_t out[RECORD_SIZE]);

/* 0, or -1 when a field is out of range (origin, kind 0, source, sequence 0, parity of the epoch).
 */
int record_decode(struct record *r, const uint8_t in[RECORD_SIZE]);

/* Stands for a record that was journaled and cannot be read any more: the same tag, stated as lost.
 */
void record_lost(uint8_t origin, uint32_t epoch, uint32_t sequence, uint64_t time_ns,
                 uint8_t out[RECORD_SIZE]);

void note_encode(const struct record_note *n, uint8_t out[EVENT_SIZE]);
void note_decode(struct record_note *n, const uint8_t in[EVENT_SIZE]);

#endif
