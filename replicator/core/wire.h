/* The core's own frames and metas: bytes to structs and back, bounds-checked, no state. */
/* clang-format off
 *
 * Integers are little-endian.  A frame starts with u8 type, u8 version (the oldest that has this
 * frame), u16 turn, u32 the session: nonce of the receiver + 0x9e3779b1 * nonce of the sender, so
 * that a frame of another session, of whichever end, is dropped.  Version 1 has the receiver's nonce
 * alone.  The turn counts how often the sender has moved to another link in this session: a frame of
 * an older turn, overtaken on its link, is dropped; it was told again.  Version 1 has a zero there.
 * A HELLO has a zero for the turn, and in place of the session: u8 the highest version of the sender, u8
 * flags (1: it fences before a takeover), u16 turn; version 1 has a zero there.
 *
 *   HELLO         u32 nonce of the sender, u32 highest epoch, u64 journal, u64 the receiver's journal
 *                 as the sender settled with it, u32 first epoch of the sender's journal, u8 node,
 *                 u8 n, n x u32 sink key
 *   FACT          a segment image, u8 n, n x delivery image
 *   HELLO_END     nothing
 *   RECORDS       u8 origin, u8 zero, u16 count, u32 epoch, u32 base, u32 from, count x 160 bytes
 *   ACK           u8 origin, u32 epoch, u32 replicated
 *   INTENT        u64 time of the sender, entries: u8 origin, u32 epoch, u32 sink key, u32 sequence
 *   INTENT_ACK    the same bytes, given back
 *   MARKS         u32 epoch of the segment that grows, u32 produced, entries as above (sequence: E)
 *   DONE          u8 origin, u32 epoch, u32 last, u8 enum done_word
 *   HANDOVER      (2) entries: u8 origin, u32 epoch, sink key, at, to, term, emitted, intent, doubt
 *   HANDOVER_ACK  (2) the same bytes, `to` as far as it was taken; at: declined
 *   SINKS         (2) u8 n, n x (u32 sink key, u8 up)
 *
 * segment image (44):  u8 'S', u8 origin, u8 flags, u8 gap, u32 epoch, last, produced, journaled,
 *                      base, sent, sent_bound, gap_from, gap_to, zero
 * delivery image:      u8 'D', u8 origin, u8 count, u8 flags: 1 unheard, 2 shared; u32 epoch, u32 sink key,
 *                      count x (u32 from, to, term, emitted, intent, doubt, u8 owner,
 *                      u8 flags: 1 resumed, 2 foreign, 4 offered (in the journal only))
 * drop image (12):     u8 'X', u8 origin, u8 at least, u8 zero, u32 epoch, u32 to
 * node image (40):     u8 'N', u8 zero, u16 zero, u32 highest epoch, u64 boot, u64 journal,
 *                      u64 the peer's journal, u32 the last epoch that this node minted, u32 the
 *                      first one
 * sinks image:         u8 'K', u8 count, u16 zero, count x u32 sink key: the journal was run with
 * clang-format on */
#ifndef EVREP_WIRE_H
#define EVREP_WIRE_H

#include "core.h"

enum frame_type {
    FRAME_HELLO = 1,
    FRAME_FACT = 2,
    FRAME_HELLO_END = 3,
    FRAME_RECORDS = 4,
    FRAME_ACK = 5,
    FRAME_INTENT = 6,
    FRAME_INTENT_ACK = 7,
    FRAME_MARKS = 8, /* In a hello: P of an epoch whose journal is gone (T5), no entries. */
    FRAME_DONE = 9,
    FRAME_HANDOVER = 10,
    FRAME_HANDOVER_ACK = 11,
    FRAME_SINKS = 12,
    FRAME_CORE_MAX = 15, /* Above: the cluster's and the shell's own frames, */
    FRAME_RUNS = 18,     /* of which these are of version 3 (D1b, sinks/run.h). */
    FRAME_RUNS_ACK = 19,
};

enum {
    WIRE_VERSION = 3,
    WIRE_VERSION_RUNS = 3, /* Has RUNS. */
    WIRE_VERSION_OLDEST = 1,
    FRAME_HEADER_SIZE = 8,
    HELLO_SIZE = 30, /* and 4 for each sink */
    RECORDS_HEADER_SIZE = FRAME_HEADER_SIZE + 16,
    SEGMENT_IMAGE_SIZE = 44,
    DELIVERY_IMAGE_MAX = 12 + SPAN_MAX * 26,
    ENTRY_SIZE = 13,
    HANDOVER_ENTRY_SIZE = 33,
};

enum done_word {
    DONE_CLOSED, /* By its origin, at `last`. */
    DONE_SAID,   /* All of it is done, as the sender knows. */
    DONE_GONE,   /* The sender has forgotten it: it was settled. */
};

struct wire_entry {
    uint8_t origin;
    uint32_t epoch, key, sequence;
};

struct wire_handover { /* The records in (at, to] of one segment at one sink. */
    uint8_t origin;
    uint32_t epoch, key;
    uint32_t at; /* The last one that stays. */
    uint32_t to;
    uint32_t term;    /* That they get. */
    uint32_t emitted; /* E of what stays. */
    uint32_t intent;  /* Durable at the giver: the taker may act up to there at once. */
    uint32_t doubt;
};

struct wire_records {
    uint8_t origin;
    uint16_t count;
    uint32_t epoch, base, from;
    const uint8_t *records; /* count x RECORD_SIZE, in the frame */
};

struct wire_hello {
    uint8_t version;
    bool fences;
    uint16_t turn;
    uint32_t nonce, highest_epoch;
    uint64_t journal, peer_journal;
    uint32_t first_epoch;
    uint8_t node;
    uint8_t sink_count;
    uint32_t sink_key[SINK_COUNT_MAX];
};

void wire_put_header(uint8_t *out, uint8_t type, uint32_t session);
size_t wire_put_segment(uint8_t *out, const struct segment *g);
/* For the journal; wire_fact_delivery() leaves out what is not the peer's to know. */
size_t wire_put_delivery(uint8_t *out, const struct segment *g, uint32_t key,
                         const struct delivery *d);
size_t wire_fact_delivery(uint8_t *out, const struct segment *g, uint32_t key,
                          const struct delivery *d);
void wire_put_entry(uint8_t *out, const struct wire_entry *e);
void wire_put_handover(uint8_t out[HANDOVER_ENTRY_SIZE], const struct wire_handover *e);
/* What a HELLO has in place of the session. */
uint32_t wire_hello_word(uint8_t version, bool fences, uint16_t turn);
/* What the other frames have there. */
uint32_t wire_session(uint8_t version, uint32_t receiver, uint32_t sender);
/* Header of a RECORDS frame, for core_stamp(); the records follow it. */
void wire_put_records(uint8_t out[RECORDS_HEADER_SIZE], const struct wire_records *r);

/* Each 0 or -1; nothing is written on -1.  The image readers return the bytes used. */
int wire_get_header(const uint8_t *at, size_t len, uint8_t *type, uint32_t *session);
void wire_put_stamp(uint8_t *frame, uint16_t turn, uint32_t session);
uint16_t wire_get_turn(const uint8_t *frame);
int wire_get_records(const uint8_t *frame, size_t len, struct wire_records *out);
int wire_get_hello(uint32_t word, const uint8_t *body, size_t len, struct wire_hello *out);
int wire_get_entry(const uint8_t *at, size_t len, struct wire_entry *out);
int wire_get_handover(const uint8_t *at, size_t len, struct wire_handover *out);
int wire_get_segment(const uint8_t *at, size_t len, struct segment *out);
int wire_get_delivery(const uint8_t *at, size_t len, uint8_t *origin, uint32_t *epoch,
                      uint32_t *key, struct delivery *out);

#endif
