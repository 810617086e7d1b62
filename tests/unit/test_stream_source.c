/* links: replicator_core */
/* The event stream's reader (contract 12.2 by number, 13.3): each frame becomes one record, what
 * never came is stated, whatever the helper does. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream_reader.h"

static void d13_replays_and_drains_are_no_second_record(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 10);
    reconnect(r, LIFE);
    denies(r, 4, 12); /* The helper had heard of 3. */
    denies(r, 1, 12); /* A drain sends all of its buffer. */
    assert_int_equal(r->records, 12);
    assert_int_equal(r->s.count.repeats, 7 + 12);
}

static void d14_only_the_contiguous_prefix_is_acknowledged(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 3);
    deny(r, 5);
    assert_int_equal(stream_prefix(&r->s), 3);
    deny(r, 4);
    assert_int_equal(stream_prefix(&r->s), 5);
    assert_int_equal(r->records, 5);
    elapse(r, 1000 * MS);
    assert_int_equal(r->holes, 0);
}

static void d16_a_resync_asks_for_what_is_in_the_buffer(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 5);
    reconnect(r, LIFE); /* 6 and 7 were evicted, 8 and 9 are in the buffer and are not sent. */
    frame(r, STREAM_FULL_RESYNC, 10, NULL, 0);
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    assert_false(stream_drain_wanted(&r->s, r->now_ns));
    elapse(r, 600 * MS);
    assert_int_equal(r->holes, 0);
    denies(r, 8, 9);
    frame(r, STREAM_DRAIN_COMPLETE, 9, NULL, 0);
    elapse(r, 10 * MS);
    assert_int_equal(r->holes, 1);
    assert_int_equal(r->missing, 2);
    assert_int_equal(stream_prefix(&r->s), 10);
    reconnect(r, LIFE); /* One that comes with nothing missing. */
    frame(r, STREAM_FULL_RESYNC, 11, NULL, 0);
    assert_false(stream_drain_wanted(&r->s, r->now_ns));
    elapse(r, 1000 * MS);
    assert_int_equal(r->holes, 1);
}

/* Away for longer than a hole is waited for, the helper has in its buffer what was given up; its
 * resync replays none of it, and the acknowledgement of that would delete it. */
static void d16_a_resync_asks_for_what_was_given_up(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 5);
    deny(r, 8);
    stream_disconnected(&r->s, r->now_ns);
    elapse(r, 10100 * MS);
    assert_int_equal(r->missing, 2);
    reconnect(r, LIFE); /* Its workers enqueued 7 before 6. */
    frame(r, STREAM_FULL_RESYNC, 9, NULL, 0);
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    deny(r, 7);
    deny(r, 6);
    deny(r, 8);
    frame(r, STREAM_DRAIN_COMPLETE, 8, NULL, 0);
    assert_int_equal(r->records, 8);
    assert_int_equal(r->s.count.late, 2);
    reconnect(r, LIFE);
    frame(r, STREAM_FULL_RESYNC, 10, NULL, 0);
    assert_false(stream_drain_wanted(&r->s, r->now_ns));
}

/* Stopped for a minute, we find the answer of the drain in the socket: it was not late. */
static void d16_our_own_standstill_gives_nothing_up(void **state)
{
    struct reader *r = *state;
    struct stream_gap gap;

    denies(r, 1, 5);
    reconnect(r, LIFE);
    frame(r, STREAM_FULL_RESYNC, 10, NULL, 0);
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    r->now_ns += 60000 * MS;
    assert_false(stream_gap_due(&r->s, r->now_ns, &gap));
    denies(r, 6, 9);
    stream_disconnected(&r->s, r->now_ns);
    deny(r, 12);
    r->now_ns += 60000 * MS;
    assert_false(stream_gap_due(&r->s, r->now_ns, &gap));
    assert_int_equal(r->holes, 0);
}

static void d17_what_was_evicted_is_counted(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 5);
    reconnect(r, LIFE);
    frame(r, STREAM_FULL_RESYNC, 5001, NULL, 0); /* As after 5000 frames that nobody read. */
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    denies(r, 905, 5000); /* 4096 */
    frame(r, STREAM_DRAIN_COMPLETE, 5000, NULL, 0);
    elapse(r, 10 * MS);
    assert_int_equal(r->missing, 899);
    assert_int_equal(r->s.count.missing, 899);
    assert_int_equal(r->records, 5 + 4096);
}

static void torn_by(struct reader *r, const uint8_t *at, size_t len)
{
    r->torn = false;
    feed(r, at, len);
    assert_true(r->torn);
    reconnect(r, LIFE);
}

static void d18_a_torn_stream_is_dropped_and_replayed(void **state)
{
    struct reader *r = *state;
    uint8_t zeros[64] = {0}, out[2048];
    uint8_t e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2};

    denies(r, 1, 3);
    torn_by(r, zeros, sizeof(zeros));
    deny(r, 3); /* It was whole. */
    assert_int_equal(r->records, 3);
    make(out, STREAM_POLICY_DENY, 4, e, sizeof(e));
    put_le32(out, 1025);
    torn_by(r, out, 16);
    denies(r, 4, 4); /* In the middle of a frame, another begins. */
    make(out, STREAM_POLICY_DENY, 5, e, sizeof(e));
    feed(r, out, 60);
    make(out, STREAM_KEEPALIVE, 0, NULL, 0);
    for (int i = 0; i < 20 && !r->torn; i++)
        feed(r, out, 16);
    assert_true(r->torn);
    reconnect(r, LIFE);
    deny(r, 4);
    assert_int_equal(r->records, 4);
    deny(r, 5); /* Whole: what came of it is no reason to take it for a repeat, or for another's. */
    assert_int_equal(r->records, 5);
    assert_int_equal(r->s.count.malformed, 1); /* A tear inside a payload looks like this. */
    make(out, 200, 1ull << 40, NULL, 0);       /* Unknown, and of no number that could be. */
    torn_by(r, out, 16);
    assert_int_equal(r->s.count.torn, 4);
}

/* Contract 1.1: nobody looks at a header's bytes 5 to 7, neither of a frame nor of what is behind
 * it. */
static void reserved_bytes_are_not_looked_at(void **state)
{
    struct reader *r = *state;
    uint8_t out[2048], e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2};

    for (uint64_t q = 1; q <= 4; q++) {
        size_t len = make(out, STREAM_POLICY_DENY, q, e, sizeof(e));

        memset(out + 5, (int)q * 0x33, 3);
        feed_on(r, out, len, false);
        assert_false(r->torn);
    }
    feed_on(r, out, 7, true); /* As much of the next as is there when the line falls quiet. */
    assert_false(r->torn);
    assert_int_equal(r->records, 4);
}

/* A frame of its own, whatever is written into its midst: type 11, number 5. */
static size_t make_torn(uint8_t *out, size_t cut, const uint8_t *into, size_t into_len)
{
    uint8_t e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2, [EVENT_PROTOCOL] = 6};
    uint8_t whole[256];
    size_t len;

    put_le64(e + EVENT_SOURCE, 5);
    put_le64(e + EVENT_DESTINATION, 0x0a0b0c0d);
    len = make(whole, STREAM_POLICY_DENY, 5, e, sizeof(e));
    memcpy(out, whole, cut);
    memcpy(out + cut, into, into_len);
    memcpy(out + cut + into_len, whole + cut, len - cut);
    return len + into_len;
}

/* Cut anywhere and read in any two pieces, nothing that was not decided becomes a record, nor is
 * acknowledged. */
static void tears_make_no_record(const uint8_t *into, size_t into_len, size_t records)
{
    uint8_t out[2048];

    for (size_t cut = 1; cut < STREAM_HEADER_SIZE + EVENT_SIZE; cut++) {
        for (size_t piece = cut % 29; piece < 160; piece += 29) {
            struct reader *r;
            size_t len = make_torn(out, cut, into, into_len);

            setup((void **)&r);
            denies(r, 1, 4);
            if (piece > 0)
                feed_on(r, out, piece, false);
            if (!r->torn)
                feed_on(r, out + piece, len - piece, false);
            if (!r->torn) /* More of its end than of a frame. */
                feed_on(r, (uint8_t[16]){0}, 16, false);
            assert_true(r->torn);
            assert_in_range(r->records, 4, records);
            assert_in_range(stream_prefix(&r->s), 4, records);
            assert_int_equal(r->s.count.malformed + r->s.count.unknown, 0);
            reconnect(r, LIFE);
            deny(r, 5);
            assert_int_equal(r->records, 5);
            assert_int_equal(event_number(r), 5);
            free(r);
        }
    }
}

static void d18_a_torn_frame_is_no_record(void **state)
{
    uint8_t into[2048], e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2};
    size_t len = make(into, STREAM_KEEPALIVE, 0, NULL, 0);

    (void)state;
    tears_make_no_record(into, len, 4);
    e[EVENT_PROTOCOL] = 6;
    for (uint64_t q = 3; q <= 5; q++) { /* A drain: its buffer, the frame itself in it. */
        put_le64(e + EVENT_SOURCE, q);
        len = q == 3 ? 0 : len;
        len += make(into + len, STREAM_POLICY_DENY, q, e, sizeof(e));
    }
    len += make(into + len, STREAM_DRAIN_COMPLETE, 5, NULL, 0);
    tears_make_no_record(into, len, 4);
}

/* The last frame waits for what is behind it, and not longer than the line is quiet. */
static void d18_a_quiet_line_holds_nothing_back(void **state)
{
    struct reader *r = *state;
    uint8_t out[2048];
    uint8_t e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2, [EVENT_PROTOCOL] = 6};
    size_t len = make(out, STREAM_POLICY_DENY, 1, e, sizeof(e));

    len += make(out + len, STREAM_POLICY_DENY, 2, e, sizeof(e));
    feed_on(r, out, len, false);
    assert_int_equal(r->records, 1);
    assert_int_equal(stream_prefix(&r->s), 1);
    feed_on(r, out, 0, true);
    assert_int_equal(r->records, 2);
    feed_on(r, out, 4, true);
    feed_on(r, out + 4, STREAM_HEADER_SIZE + EVENT_SIZE, true); /* Half a header is behind it. */
    assert_int_equal(r->s.count.repeats, 1);
    assert_int_equal(stream_prefix(&r->s), 2);
}

/* What no helper writes: the frame before it comes again as it was, so that was not torn; from then
 * on all is taken. */
static void d18_odd_frames_are_taken_in_the_end(void **state)
{
    struct reader *r = *state;
    uint8_t out[2048], e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2};
    uint8_t *at;
    size_t len = 0;
    int connections = 0;

    for (uint64_t q = 1; q <= 9; q += 3) {
        len += make(out + len, STREAM_POLICY_DENY, q, e, sizeof(e));
        at = out + len;
        len += make(at, 200, q + 1, e, 5);
        at[6] = 1; /* Reserved: then it could be the end of a frame that was torn. */
        len += make(out + len, STREAM_SCREEN_DROP, q + 2, e, 100);
    }
    for (r->torn = true; r->torn; connections++) {
        assert_true(connections < 3);
        reconnect(r, LIFE);
        feed_on(r, out, len, false);
    }
    assert_int_equal(connections, 2);
    feed_on(r, out, 0, true);
    assert_int_equal(r->records, 3);
    assert_int_equal(stream_prefix(&r->s), 9);
    assert_int_equal(r->s.count.unknown + r->s.count.malformed, 6);
}

/* It took what is not its own for the end of a frame; the whole one is a record all the same. */
static void d18_what_was_torn_is_taken_whole(void **state)
{
    struct reader *r = *state;
    uint8_t e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2, [EVENT_PROTOCOL] = 6};
    uint8_t out[2048];

    denies(r, 1, 4);
    put_le64(e + EVENT_SOURCE, 5);
    e[EVENT_APPLICATION] = 7;
    make(out, STREAM_POLICY_DENY, 5, e, sizeof(e));
    feed(r, out, 104);
    make(out, STREAM_KEEPALIVE, 0, NULL, 0);
    for (int i = 0; i < 3; i++)
        feed(r, out, 16);
    assert_int_equal(r->records, 5); /* What follows is long in coming. */
    memset(out, 0, 16);
    feed(r, out, 16);
    assert_true(r->torn);
    for (int again = 0; again < 2; again++) {
        reconnect(r, LIFE);
        denies(r, 3, 4);
        frame(r, STREAM_POLICY_DENY, 5, e, sizeof(e));
        assert_int_equal(r->records, 6);
        assert_memory_equal(r->item.event, e, sizeof(e));
    }
    deny(r, 6);
    assert_int_equal(r->records, 7);
    assert_int_equal(stream_prefix(&r->s), 6);
    assert_int_equal(r->s.count.late, 0);
    assert_false(stream_drain_wanted(&r->s, r->now_ns));
}

/* What is behind a frame and could be the end of one that was torn, as no helper writes it: a
 * number that is none, or far away, reserved bytes, or something behind it that is no header. */
static void d18_what_could_be_an_end_is_none_of_a_future_helper(void **state)
{
    static const struct {
        uint8_t type, reserved, behind;
        uint64_t number;
    } odd[] = {{20, 0, 0, 0},
               {20, 0, 0, 6 + STREAM_WINDOW},
               {20, 1, 0, 6},
               {STREAM_KEEPALIVE, 1, 0, 0},
               {20, 0, 1, 6}};

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        uint8_t out[512] = {0}, e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2};
        size_t len = make(out, STREAM_POLICY_DENY, 5, e, sizeof(e)), behind;
        struct reader *r;

        setup((void **)&r);
        denies(r, 1, 4);
        behind = len;
        len += make(out + len, odd[i].type, odd[i].number, e, odd[i].behind ? 9 : 0);
        out[behind + 6] = odd[i].reserved;
        if (odd[i].behind) {
            feed_on(r, out, len, false);
            assert_int_equal(r->records, 4); /* Not yet: what is behind it may tell. */
            feed_on(r, (const uint8_t[16]){0xff, 0xff, 0xff}, 16, false);
        } else {
            feed_on(r, out, len, false);
        }
        assert_true(r->torn);
        assert_int_equal(r->records, 4);
        free(r);
    }
}

/* A drain that was written into the midst of a frame, so that what it ends with is a header: the
 * frame itself comes in the drain, and is no sign that the helper counts anew. */
static void d18_a_drain_in_a_frame_counts_nothing_anew(void **state)
{
    struct reader *r = *state;
    uint8_t out[2048], e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2, [EVENT_PROTOCOL] = 6};
    const size_t whole = STREAM_HEADER_SIZE + EVENT_SIZE, cut = whole - STREAM_HEADER_SIZE;
    size_t len = cut;

    denies(r, 1, 4);
    r->s.drain_wanted = true;
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    put_le64(e + EVENT_SOURCE, 5);
    put_le64(e + EVENT_BYTES_IN, 1);
    make(out, STREAM_POLICY_DENY, 5, e, sizeof(e));
    len += make(out + len, STREAM_KEEPALIVE, 0, NULL, 0);
    len += make(out + len, STREAM_POLICY_DENY, 5, e, sizeof(e));
    len += make(out + len, STREAM_DRAIN_COMPLETE, 5, NULL, 0);
    feed(r, out, len);
    assert_true(r->torn);
    assert_int_equal(r->records, 5); /* Nobody could see it then. */
    reconnect(r, LIFE);
    denies(r, 1, 4);
    frame(r, STREAM_POLICY_DENY, 5, e, sizeof(e));
    deny(r, 6);
    assert_int_equal(r->records, 7);
    assert_int_equal(r->s.count.runs, 1);
    assert_int_equal(r->s.count.repeats, 4);
    assert_int_equal(stream_prefix(&r->s), 6);
}

static void d19_a_frame_may_take_its_time(void **state)
{
    struct reader *r = *state;
    uint8_t out[2048], e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 10};
    size_t len = make(out, STREAM_POLICY_DENY, 1, e, sizeof(e));

    for (size_t i = 0; i < len; i++) {
        feed(r, out + i, 1);
        elapse(r, 31000 * MS);
    }
    assert_int_equal(r->records, 1);
}

static void d20_another_life_counts_anew(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 10);
    deny(r, 12);
    reconnect(r, LIFE + 1);
    denies(r, 1, 10);
    assert_int_equal(r->records, 21);
    elapse(r, 10 * MS); /* Nobody is left who could send 11 of the old life. */
    assert_int_equal(r->missing, 1);
    reconnect(r, LIFE); /* But if: it is known as what it is. */
    deny(r, 12);
    deny(r, 11);
    assert_int_equal(r->records, 22);
    assert_int_equal(r->s.count.late, 1);
}

/* The same process, or one that cannot be told: other bytes under a known number. */
static void d20_numbers_that_begin_anew_are_seen(void **state)
{
    struct reader *r = *state;
    uint8_t e[EVENT_SIZE] = {[EVENT_TYPE] = 4, [EVENT_FAMILY] = 2};

    denies(r, 1, 10);
    reconnect(r, LIFE);
    for (uint64_t q = 1; q <= 5; q++)
        frame(r, STREAM_SCREEN_DROP, q, e, sizeof(e));
    assert_int_equal(r->records, 15);
    assert_int_equal(stream_prefix(&r->s), 5);
    elapse(r, 1000 * MS);
    assert_int_equal(r->holes, 0);
}

enum { UNKNOWN_LIFE = 0 }; /* Of a process that cannot be told from another. */

/* What it has read as acknowledged is out of its buffer: the same bytes under that number are of a
 * numbering that began anew, whichever of them comes first, over this connection or a new one. */
static void d20_what_was_heard_as_acknowledged_is_no_repeat(void **state)
{
    static const uint64_t lives[] = {LIFE, UNKNOWN_LIFE};
    static const uint64_t first[] = {1, 7, 10};
    struct reader *r = *state;
    uint64_t records = 0;

    for (size_t i = 0; i < 12; i++) {
        reconnect(r, lives[i % 2]);
        denies(r, 1, 10);
        stream_heard(&r->s, 10);
        if (i % 4 < 2)
            reconnect(r, lives[i % 2]);
        deny(r, first[i / 4]);
        denies(r, 1, 10);
        assert_int_equal(r->records, records += 20);
        assert_int_equal(stream_prefix(&r->s), 10);
        stream_heard(&r->s, 10);
        assert_false(r->torn);
    }
    assert_int_equal(stated(r, STREAM_DOUBTFUL), 0);
    elapse(r, 2000 * MS);
    assert_int_equal(r->holes, 0);
}

/* It began with bytes that its number had, so these were taken for a repeat: they are not
 * acknowledged, and asked for again once it is seen. */
static void d20_what_was_taken_for_a_repeat_is_asked_for_again(void **state)
{
    struct reader *r = *state;
    uint8_t e[EVENT_SIZE] = {[EVENT_TYPE] = 4, [EVENT_FAMILY] = 2};

    denies(r, 1, 10);
    reconnect(r, LIFE);
    denies(r, 1, 2);
    assert_false(stream_may_acknowledge(&r->s));
    assert_false(stream_drain_wanted(&r->s, r->now_ns));
    frame(r, STREAM_SCREEN_DROP, 3, e, sizeof(e));
    assert_int_equal(r->records, 11);
    assert_int_equal(stream_prefix(&r->s), 0);
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    denies(r, 1, 2);
    frame(r, STREAM_SCREEN_DROP, 3, e, sizeof(e));
    frame(r, STREAM_DRAIN_COMPLETE, 3, NULL, 0);
    assert_int_equal(r->records, 13);
    assert_int_equal(stream_prefix(&r->s), 3);
    assert_true(stream_may_acknowledge(&r->s));
    elapse(r, 2000 * MS);
    assert_int_equal(r->holes, 0);
}

/* If it has them no more, they are stated as missing. */
static void d20_what_cannot_be_had_again_is_stated(void **state)
{
    struct reader *r = *state;
    uint8_t e[EVENT_SIZE] = {[EVENT_TYPE] = 4, [EVENT_FAMILY] = 2};

    denies(r, 1, 10);
    reconnect(r, LIFE);
    denies(r, 1, 2);
    elapse(r, 1500 * MS); /* Nothing more comes: they are acknowledged. */
    assert_true(stream_may_acknowledge(&r->s));
    frame(r, STREAM_SCREEN_DROP, 3, e, sizeof(e));
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    frame(r, STREAM_SCREEN_DROP, 3, e, sizeof(e));
    frame(r, STREAM_DRAIN_COMPLETE, 3, NULL, 0);
    elapse(r, 10 * MS);
    assert_int_equal(r->records, 11);
    assert_int_equal(r->missing, 2);
}

/* Nothing tells a replay from another process that sends the same first frames, all that there
 * were: taken for a repeat, and stated as doubtful before it is acknowledged. */
static void d20_what_cannot_be_known_is_stated(void **state)
{
    struct reader *r = *state;

    for (int life = 0; life < 2; life++) {
        reconnect(r, life == 0 ? UNKNOWN_LIFE : LIFE);
        denies(r, 1, 3);
        reconnect(r, life == 0 ? UNKNOWN_LIFE : LIFE);
        denies(r, 1, 3);
        assert_int_equal(r->records, life == 0 ? 3 : 9);
        assert_int_equal(r->s.doubts, life == 0 ? 3 : 0);
        assert_int_equal(stream_may_acknowledge(&r->s), life != 0);
        assert_int_equal(stated(r, STREAM_DOUBTFUL), life == 0 ? 3 : 0);
        assert_true(stream_may_acknowledge(&r->s));
        deny(r, 3);
        denies(r, 4, 6);
        deny(r, 5); /* What came first in this connection is no doubt. */
        assert_int_equal(stated(r, STREAM_DOUBTFUL), life == 0 ? 1 : 0);
        assert_int_equal(r->s.count.doubtful, 4);
    }
}

/* After our death nothing is left to compare with, but what it had heard is. */
static void d20_what_it_had_heard_outlives_us(void **state)
{
    struct reader *r = *state;

    reconnect(r, UNKNOWN_LIFE);
    denies(r, 1, 20);
    stream_heard(&r->s, 18);
    stream_heard(&r->s, 30); /* Nobody acknowledged that. */
    stream_open(&r->s, &r->m, 77, HOLE_NS);
    stream_disconnected(&r->s, r->now_ns);
    reconnect(r, UNKNOWN_LIFE);
    denies(r, 19, 20);
    assert_int_equal(r->s.doubts, 2);
    reconnect(r, UNKNOWN_LIFE);
    deny(r, 2);
    deny(r, 1);
    assert_int_equal(r->records, 22);
    assert_int_equal(stream_prefix(&r->s), 2);
}

/* The window is more than anyone has outstanding: one that counts anew in the middle of a
 * connection in which it heard of nothing. */
static void d20_a_number_of_long_ago_is_no_repeat(void **state)
{
    struct reader *r = *state;

    denies(r, 1, STREAM_WINDOW + 5);
    denies(r, 2, 4);
    deny(r, 1);
    assert_int_equal(r->records, STREAM_WINDOW + 9);
    assert_int_equal(stream_prefix(&r->s), 4);
}

/* A FULL_RESYNC is not kept for replay. */
static void d20_a_resync_is_never_repeated(void **state)
{
    struct reader *r = *state;

    frame(r, STREAM_FULL_RESYNC, 1, NULL, 0);
    denies(r, 2, 5);
    reconnect(r, LIFE);
    frame(r, STREAM_FULL_RESYNC, 1, NULL, 0);
    denies(r, 2, 5);
    assert_int_equal(r->records, 8);
}

/* It dialled, and sent what it had, before it read that. */
static void d20_what_was_on_its_way_is_a_repeat(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 10);
    reconnect(r, LIFE);
    denies(r, 4, 6);
    stream_heard(&r->s, 10);
    denies(r, 7, 11);
    assert_int_equal(r->records, 11);
    assert_int_equal(stream_prefix(&r->s), 11);
}

/* It trims its buffer from the front, so what is behind a later number stays, and a drain sends it.
 */
static void d20_what_a_drain_sends_is_a_repeat(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 3);
    deny(r, 5);
    deny(r, 4);
    stream_heard(&r->s, 4);
    frame(r, STREAM_FULL_RESYNC, 8, NULL, 0);
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    deny(r, 5);
    deny(r, 4);
    denies(r, 6, 7);
    frame(r, STREAM_DRAIN_COMPLETE, 7, NULL, 0);
    assert_int_equal(r->records, 7);
    assert_int_equal(stream_prefix(&r->s), 8);
}

static struct stream_session session_of(uint8_t family)
{
    return (struct stream_session){.family = family,
                                   .protocol = 6,
                                   .source_port = 1000,
                                   .destination_port = 443,
                                   .nat_source_port = 4000,
                                   .zone_in = 3,
                                   .zone_out = 4,
                                   .egress_ifindex = -5,
                                   .source = {10, 1, 2, 3},
                                   .destination = {10, 9, 9, 9},
                                   .nat_source = {192, 0, 2, 7}};
}

static void d21_shifted_addresses_are_not_believed(void **state)
{
    struct reader *r = *state;
    struct stream_session s = session_of(2);
    uint8_t out[160] = {0}, none[16] = {0};
    size_t len = stream_session_encode(&s, STREAM_SESSION_OPEN, true, out, sizeof(out));

    frame(r, STREAM_SESSION_OPEN, 1, out, len);
    assert_memory_equal(r->item.event + EVENT_NAT_SOURCE, s.nat_source, 4);
    memmove(out + 24 + 8 + 16, out + 24 + 8 + 4, 56 - 36); /* 16 bytes in a slot of 4. */
    frame(r, STREAM_SESSION_OPEN, 2, out, len + 12);
    assert_memory_equal(r->item.event + EVENT_SOURCE, s.source, 4);
    assert_memory_equal(r->item.event + EVENT_NAT_SOURCE, none, 16);
    assert_int_equal(r->item.event[EVENT_UNKNOWN], UNKNOWN_NAT);
    assert_int_equal(event_be16(r->item.event, EVENT_NAT_SOURCE_PORT), s.nat_source_port);
    s = session_of(10); /* An IPv4 address of a translated IPv6 flow is shown as one. */
    len = stream_session_encode(&s, STREAM_SESSION_OPEN, true, out, sizeof(out));
    frame(r, STREAM_SESSION_OPEN, 3, out, len);
    assert_memory_equal(r->item.event + EVENT_NAT_SOURCE,
                        "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07", 16);
    assert_int_equal(r->records, 3);
}

static void d22_records_of_mixed_families_stay_as_they_are(void **state)
{
    struct reader *r = *state;
    uint8_t e[EVENT_SIZE];

    memset(e, 0xa5, sizeof(e));
    e[EVENT_TYPE] = 6;
    e[EVENT_FAMILY] = 2;
    frame(r, STREAM_FILTER_LOG, 1, e, sizeof(e));
    assert_int_equal(r->item.kind, RECORD_FILTER_LOG);
    assert_memory_equal(r->item.event, e, EVENT_SIZE);
}

/* What was cut to 8 or 15 bits cannot be known again: the zone is shown as it came, the egress
 * interface is not taken for the ingress one. */
static void d23_nothing_is_made_of_what_was_cut(void **state)
{
    struct reader *r = *state;
    struct stream_session s = session_of(2);
    uint8_t out[160];
    size_t len = stream_session_encode(&s, STREAM_SESSION_UPDATE, true, out, sizeof(out));

    frame(r, STREAM_SESSION_UPDATE, 1, out, len);
    assert_int_equal(get_le16(r->item.event + EVENT_ZONE_IN), 3);
    assert_int_equal(get_le32(r->item.event + EVENT_IFINDEX), 0);
    assert_int_equal(r->item.kind, RECORD_SESSION_OPEN);
}

static void d24_malformed_and_unknown_frames_are_acknowledged(void **state)
{
    struct reader *r = *state;
    uint8_t bad[EVENT_SIZE] = {9};

    frame(r, STREAM_SESSION_OPEN, 1, bad, 20);
    frame(r, STREAM_SESSION_CLOSE, 2, NULL, 0);
    frame(r, STREAM_POLICY_DENY, 3, bad, EVENT_SIZE); /* Its type byte is another. */
    frame(r, STREAM_FILTER_LOG, 4, bad, 100);
    frame(r, 14, 5, bad, 3);
    frame(r, STREAM_PAUSE, 6, NULL, 0);
    assert_int_equal(r->records, 0);
    assert_int_equal(r->s.count.malformed, 4);
    assert_int_equal(r->s.count.unknown, 2);
    assert_int_equal(stream_prefix(&r->s), 6);
    frame(r, STREAM_POLICY_DENY, 0, bad, EVENT_SIZE); /* No helper has this number. */
    assert_int_equal(stream_prefix(&r->s), 6);
}

/* The same in one write, between frames that are whole: the connection stays, and all is
 * acknowledged (contract 2, 3.3). */
static void d24_what_is_unknown_or_malformed_costs_no_connection(void **state)
{
    struct reader *r = *state;
    uint8_t out[8192], e[EVENT_SIZE] = {[EVENT_TYPE] = 3, [EVENT_FAMILY] = 2};
    static const struct {
        uint8_t type;
        size_t len;
    } bad[] = {{20, 6},
               {255, 0},
               {14, STREAM_PAYLOAD_MAX},
               {STREAM_DRAIN_REQUEST, 0},
               {STREAM_SCREEN_DROP, EVENT_SIZE - 1},
               {STREAM_FILTER_LOG, 0},
               {STREAM_SESSION_OPEN, 55},
               {STREAM_SESSION_CLOSE, 16},
               {STREAM_SESSION_CLOSE, 0}};
    enum { COUNT = sizeof(bad) / sizeof(bad[0]) };
    static const uint8_t payload[STREAM_PAYLOAD_MAX] = {4};
    size_t len = 0;
    uint64_t q = 0;

    for (size_t i = 0; i < COUNT; i++) {
        put_le64(e + EVENT_SOURCE, ++q);
        len += make(out + len, STREAM_POLICY_DENY, q, e, sizeof(e));
        q++;
        len += make(out + len, bad[i].type, q, payload, bad[i].len);
    }
    put_le64(e + EVENT_SOURCE, ++q);
    len += make(out + len, STREAM_POLICY_DENY, q, e, sizeof(e));
    feed_on(r, out, len, false);
    assert_false(r->torn);
    feed(r, out, 0);
    assert_int_equal(r->records, COUNT + 1);
    assert_int_equal(r->s.count.unknown, 4);
    assert_int_equal(r->s.count.malformed, COUNT - 4);
    assert_int_equal(stream_prefix(&r->s), q);
    reconnect(r, LIFE);
    feed(r, out, len); /* Nothing had been acknowledged. */
    assert_false(r->torn);
    assert_int_equal(r->records, COUNT + 1);
    assert_int_equal(r->s.count.repeats, q);
}

/* Contract 3.3: telemetry of a family other than 2 and 10 is malformed, whatever its frame. */
static void d24_a_family_of_neither_is_malformed(void **state)
{
    static const uint8_t frames[] = {STREAM_POLICY_DENY, STREAM_SCREEN_DROP, STREAM_FILTER_LOG};
    static const uint8_t kinds[] = {RECORD_POLICY_DENY, RECORD_SCREEN_DROP, RECORD_FILTER_LOG};
    struct reader *r = *state;
    uint64_t seq = 0, good = 0;

    for (unsigned family = 0; family < 256; family++) {
        for (size_t i = 0; i < sizeof(kinds); i++) {
            uint8_t e[EVENT_SIZE] = {[EVENT_TYPE] = kinds[i], [EVENT_FAMILY] = (uint8_t)family};

            frame(r, frames[i], ++seq, e, EVENT_SIZE);
            good += family == 2 || family == 10;
        }
        assert_int_equal(r->records, good);
        assert_int_equal(r->s.count.malformed, seq - good);
    }
    assert_int_equal(good, 6);
    assert_int_equal(stream_prefix(&r->s), seq);
}

static void d25_a_resync_has_a_number_of_its_own(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 4);
    frame(r, STREAM_FULL_RESYNC, 5, NULL, 0);
    deny(r, 6);
    elapse(r, 1000 * MS);
    assert_int_equal(r->holes, 0);
    assert_int_equal(stream_prefix(&r->s), 6);
}

/* Each frame is in exactly one count, and each count of its own outcome. */
static void d26_counters_say_what_became_of_each_frame(void **state)
{
    struct reader *r = *state;
    struct stream_counters *c = &r->s.count;

    denies(r, 1, 8);
    denies(r, 5, 8);
    frame(r, STREAM_FULL_RESYNC, 9, NULL, 0);
    frame(r, STREAM_SESSION_OPEN, 10, NULL, 0);
    frame(r, STREAM_POLICY_DENY, 11, NULL, 0);
    frame(r, 77, 12, NULL, 0);
    frame(r, STREAM_ACK, 13, NULL, 0);
    frame(r, STREAM_PAUSE, 14, NULL, 0);
    frame(r, STREAM_KEEPALIVE, 0, NULL, 0);
    frame(r, STREAM_DRAIN_COMPLETE, 14, NULL, 0);
    deny(r, 17);
    elapse(r, 400 * MS);
    deny(r, 16);
    assert_int_equal(c->records, 8 + 2);
    assert_int_equal(c->late, 1);
    assert_int_equal(c->repeats, 4);
    assert_int_equal(c->resyncs, 1);
    assert_int_equal(c->malformed, 2);
    assert_int_equal(c->unknown, 3);
    assert_int_equal(c->holes, 1);
    assert_int_equal(c->missing, 2);
    assert_int_equal(c->torn + c->doubtful + c->drains, 0);
    assert_int_equal(c->runs, 1);
    assert_int_equal(c->frames, 8 + 4 + 1 + 2 + 3 + 2 + 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(d13_replays_and_drains_are_no_second_record),
        T(d14_only_the_contiguous_prefix_is_acknowledged),
        T(d16_a_resync_asks_for_what_is_in_the_buffer),
        T(d16_a_resync_asks_for_what_was_given_up),
        T(d16_our_own_standstill_gives_nothing_up),
        T(d17_what_was_evicted_is_counted),
        T(d18_a_torn_stream_is_dropped_and_replayed),
        T(reserved_bytes_are_not_looked_at),
        T(d18_a_torn_frame_is_no_record),
        T(d18_a_quiet_line_holds_nothing_back),
        T(d18_odd_frames_are_taken_in_the_end),
        T(d18_what_was_torn_is_taken_whole),
        cmocka_unit_test(d18_what_could_be_an_end_is_none_of_a_future_helper),
        T(d18_a_drain_in_a_frame_counts_nothing_anew),
        T(d19_a_frame_may_take_its_time),
        T(d20_another_life_counts_anew),
        T(d20_numbers_that_begin_anew_are_seen),
        T(d20_what_was_heard_as_acknowledged_is_no_repeat),
        T(d20_what_was_taken_for_a_repeat_is_asked_for_again),
        T(d20_what_cannot_be_had_again_is_stated),
        T(d20_what_cannot_be_known_is_stated),
        T(d20_what_it_had_heard_outlives_us),
        T(d20_a_number_of_long_ago_is_no_repeat),
        T(d20_a_resync_is_never_repeated),
        T(d20_what_was_on_its_way_is_a_repeat),
        T(d20_what_a_drain_sends_is_a_repeat),
        T(d21_shifted_addresses_are_not_believed),
        T(d22_records_of_mixed_families_stay_as_they_are),
        T(d23_nothing_is_made_of_what_was_cut),
        T(d24_malformed_and_unknown_frames_are_acknowledged),
        T(d24_what_is_unknown_or_malformed_costs_no_connection),
        T(d24_a_family_of_neither_is_malformed),
        T(d25_a_resync_has_a_number_of_its_own),
        T(d26_counters_say_what_became_of_each_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
