/* A reader of an event stream, what it states counted; frames of a helper for it. */
#ifndef EVREP_TESTS_STREAM_READER_H
#define EVREP_TESTS_STREAM_READER_H

#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "contract.h"
#include "stream_source.h"

#define MS      1000000ull
#define HOLE_NS (250 * MS)
#define LIFE    0x1234500001ull

struct reader {
    struct stream_source s;
    struct stream_memory m;
    uint64_t now_ns;
    size_t records, holes;
    uint64_t missing, before, last; /* last: number of the newest record. */
    bool torn;
    struct stream_item item;
    struct stream_note note[STREAM_CAUSES]; /* The newest, and how many. */
    size_t notes[STREAM_CAUSES];
    uint8_t buffer[8192];
    size_t len;
};

static inline void open_reader(struct reader *r)
{
    r->now_ns = 1000 * MS;
    stream_open(&r->s, &r->m, 77, HOLE_NS);
    stream_disconnected(&r->s, r->now_ns);
    stream_connected(&r->s, LIFE, true, r->now_ns);
}

static inline int setup(void **state)
{
    struct reader *r = calloc(1, sizeof(*r));

    open_reader(r);
    *state = r;
    return 0;
}

static inline int teardown(void **state)
{
    free(*state);
    return 0;
}

static inline void state_gap(struct reader *r, const struct stream_gap *gap)
{
    r->holes++;
    *(gap->cause == STREAM_LOST ? &r->missing : &r->before) += gap->hole.to - gap->hole.from + 1;
    stream_given_up(&r->s, gap);
}

static inline void feed_on(struct reader *r, const uint8_t *at, size_t len, bool quiet)
{
    size_t used = 0;

    memcpy(r->buffer + r->len, at, len);
    r->len += len;
    for (;;) {
        struct stream_gap gap;
        enum stream_result what =
            stream_next(&r->s, r->buffer + used, r->len - used, quiet, &r->item, &gap);

        if (what == STREAM_HOLE) {
            state_gap(r, &gap);
            continue;
        }
        r->torn = what == STREAM_TORN;
        if (what == STREAM_NEED || what == STREAM_TORN)
            break;
        if (what == STREAM_RECORD) {
            r->records++;
            r->last = r->item.sequence;
            stream_taken(&r->s, &r->item);
        }
        used += r->item.used;
    }
    r->len = r->torn ? 0 : r->len - used;
    memmove(r->buffer, r->buffer + used, r->len);
}

static inline uint64_t event_number(const struct reader *r)
{
    return get_le64(r->item.event + EVENT_SOURCE);
}

/* Then nothing comes for a while. */
static inline void feed(struct reader *r, const uint8_t *at, size_t len)
{
    feed_on(r, at, len, true);
}

static inline size_t make(uint8_t *out, uint8_t type, uint64_t sequence, const void *payload,
                          size_t len)
{
    stream_header_encode(
        &(struct stream_header){.length = (uint32_t)len, .type = type, .sequence = sequence}, out);
    if (len > 0)
        memcpy(out + STREAM_HEADER_SIZE, payload, len);
    return STREAM_HEADER_SIZE + len;
}

static inline void frame(struct reader *r, uint8_t type, uint64_t sequence, const void *payload,
                         size_t len)
{
    uint8_t out[2048];

    feed(r, out, make(out, type, sequence, payload, len));
}

/* Numbers differ in their bytes as real events do. */
static inline void deny(struct reader *r, uint64_t sequence)
{
    uint8_t e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2, [EVENT_PROTOCOL] = 6};

    put_le64(e + EVENT_SOURCE, sequence);
    frame(r, STREAM_POLICY_DENY, sequence, e, sizeof(e));
}

static inline void denies(struct reader *r, uint64_t from, uint64_t to)
{
    for (uint64_t q = from; q <= to; q++)
        deny(r, q);
}

static inline void elapse(struct reader *r, uint64_t ns)
{
    struct stream_gap gap;

    for (uint64_t end = r->now_ns + ns; r->now_ns < end; r->now_ns += 5 * MS) {
        while (stream_gap_due(&r->s, r->now_ns, &gap))
            state_gap(r, &gap);
    }
}

/* As many as are stated, at most once a second. */
static inline uint64_t stated(struct reader *r, enum stream_cause cause)
{
    struct stream_note note;
    uint64_t n = 0;

    r->now_ns += 1000 * MS;
    while (stream_untold(&r->s, r->now_ns, &note)) {
        n += note.cause == cause ? note.count : 0;
        r->note[note.cause] = note;
        r->notes[note.cause]++;
        stream_told(&r->s, &note, r->now_ns);
    }
    return n;
}

static inline void reconnect(struct reader *r, uint64_t life)
{
    stream_disconnected(&r->s, r->now_ns);
    r->len = 0;
    r->now_ns += 100 * MS;
    stream_connected(&r->s, life, true, r->now_ns);
}

#endif
