/* links: replicator_core */
/* Holes in an event stream's numbers: waited for, given up, stated to the last number and not once
 * a number; what comes late all the same; and what a death of ours leaves of that. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "stream_reader.h"

static void a_hole_is_waited_for_and_then_stated_once(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 3);
    denies(r, 6, 9);
    elapse(r, HOLE_NS - 50 * MS);
    assert_int_equal(r->holes, 0);
    elapse(r, 200 * MS);
    assert_int_equal(r->holes, 1);
    assert_int_equal(r->missing, 2);
    assert_int_equal(stream_prefix(&r->s), 9);
    deny(r, 5); /* Late, and not lost; the statement stands. */
    assert_int_equal(r->records, 8);
    deny(r, 5);
    assert_int_equal(r->records, 8);
    deny(r, 4);
    assert_int_equal(r->records, 9);
}

static void a_helper_that_is_away_is_waited_for_longer(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 3);
    deny(r, 5);
    stream_disconnected(&r->s, r->now_ns);
    elapse(r, 9000 * MS);
    assert_int_equal(r->holes, 0);
    elapse(r, 2000 * MS);
    assert_int_equal(r->missing, 1);
}

static void time_without_room_does_not_count(void **state)
{
    struct reader *r = *state;

    deny(r, 1);
    deny(r, 3);
    for (int i = 0; i < 40; i++) {
        elapse(r, 50 * MS);
        stream_held_up(&r->s);
    }
    assert_int_equal(r->holes, 0);
}

static void more_than_a_window_is_given_up_at_once(void **state)
{
    struct reader *r = *state;

    deny(r, 1);
    deny(r, 3);
    deny(r, 900000);
    assert_int_equal(r->records, 3);
    assert_true(r->holes <= 3);
    elapse(r, 1000 * MS);
    assert_int_equal(stream_prefix(&r->s), 900000);
    assert_int_equal(r->missing, 900000 - 3);
}

/* ---- evrepd dies ---- */

/* What it stated is in the ring with its mark; what it recorded may be a step behind. */
static void a_death_makes_no_second_record(void **state)
{
    struct reader *r = *state;
    struct stream_memory before;
    uint32_t key;

    denies(r, 1, 5);
    deny(r, 7);
    key = r->s.run->key;
    before = r->m; /* As if it died before it recorded what follows. */
    deny(r, 6);
    deny(r, 8);
    r->m = before;
    stream_open(&r->s, &r->m, 77, HOLE_NS);
    stream_mark(&r->s, STREAM_MARK_FRAME, key, 6, 6);
    stream_mark(&r->s, STREAM_MARK_FRAME, key, 8, 8);
    stream_mark(&r->s, STREAM_MARK_FRAME, key + 1, 9, 9); /* Of no run that is known. */
    stream_disconnected(&r->s, r->now_ns);
    stream_connected(&r->s, LIFE, true, r->now_ns);
    denies(r, 1, 9);
    assert_int_equal(r->records, 9);
}

static void scribbled_memory_is_mended(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 3);
    for (unsigned seed = 1; seed < 200; seed++) {
        uint8_t *at = (uint8_t *)&r->m + 8;

        for (int i = 0; i < 40; i++)
            at[(unsigned)rand_r(&seed) % (sizeof(r->m) - 8)] = (uint8_t)rand_r(&seed);
        stream_open(&r->s, &r->m, 77, HOLE_NS);
        stream_disconnected(&r->s, r->now_ns);
        stream_connected(&r->s, LIFE + seed, true, r->now_ns);
        denies(r, 1, 3);
        elapse(r, 20 * MS);
    }
}

/* Against a model: any order, any repeats, any holes; each number once or in a hole. */
static void each_number_is_once_or_in_a_hole(void **state)
{
    enum { NUMBERS = 3000 };
    struct reader *r = *state;
    uint8_t *sent = calloc(NUMBERS + 65, 1);
    size_t distinct = 0;
    unsigned seed = 42;

    for (uint64_t base = 1; base <= NUMBERS; base += 16) {
        for (int i = 0; i < 60; i++) {
            uint64_t q = base + (unsigned)rand_r(&seed) % 64;

            distinct += sent[q] == 0;
            sent[q] = 1;
            deny(r, q);
        }
        elapse(r, (unsigned)rand_r(&seed) % 60 * MS);
        if (rand_r(&seed) % 7 == 0)
            reconnect(r, LIFE);
    }
    assert_int_equal(r->records, distinct);
    elapse(r, 2000 * MS);
    assert_int_equal(r->records + r->missing - r->s.count.late, r->s.run->set.newest);
    free(sent);
}

/* ---- more holes than are remembered ---- */

/* Of each two numbers from `from` on the second comes; they are given up. */
static void lose_every_second(struct reader *r, uint64_t from, size_t holes)
{
    for (size_t i = 0; i < holes; i++)
        deny(r, from + 2 * i + 1);
    elapse(r, 400 * MS);
    stream_heard(&r->s, stream_prefix(&r->s)); /* It is acknowledged. */
}

/* Whatever was forgotten of it, a late frame is no sign of a new count: a record once, or counted.
 */
static void a_late_frame_of_a_forgotten_hole_is_no_new_count(void **state)
{
    static const uint64_t at[] = {1, STREAM_FIRST - 40, STREAM_FIRST + 1, 20000};
    enum { HOLES = 3 * STREAM_HOLES };

    for (size_t k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
        struct reader *r = *state;
        uint64_t newest, records;

        memset(r, 0, sizeof(*r));
        open_reader(r);
        denies(r, 1, at[k] - 1);
        lose_every_second(r, at[k], HOLES);
        newest = stream_prefix(&r->s);
        records = r->records;
        assert_int_equal(r->missing, HOLES);
        for (int again = 0; again < (at[k] > STREAM_FIRST ? 3 : 1); again++) {
            for (uint64_t q = at[k]; q < newest; q += 2)
                deny(r, q);
            if (again == 1)
                reconnect(r, LIFE);
        }
        assert_int_equal(r->s.count.runs, 1);
        assert_int_equal(r->s.count.late, r->records - records);
        assert_in_range(r->s.count.late, STREAM_HOLES, HOLES);
        if (at[k] == 1) /* Of the first nothing is forgotten. */
            assert_int_equal(r->s.count.late, HOLES);
        assert_int_equal(r->s.count.late + r->s.count.repeats,
                         at[k] > STREAM_FIRST ? 3 * HOLES : HOLES);
        denies(r, newest + 1, newest + 5);
        elapse(r, 400 * MS);
        assert_int_equal(stream_prefix(&r->s), newest + 5);
        assert_int_equal(r->missing, HOLES);
        assert_int_equal(stated(r, STREAM_LOST), HOLES);
    }
}

/* Also after our death, when nothing but the memory tells. */
static void a_late_frame_after_our_death_is_no_new_count(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 5000);
    lose_every_second(r, 5001, 2 * STREAM_HOLES);
    stream_open(&r->s, &r->m, 77, HOLE_NS);
    stream_disconnected(&r->s, r->now_ns);
    reconnect(r, LIFE);
    deny(r, 5001);
    deny(r, 5001 + 4 * STREAM_HOLES);
    deny(r, 5003);
    assert_int_equal(r->s.count.runs, 0);
    assert_int_equal(r->s.count.repeats, 2);
    assert_int_equal(stream_prefix(&r->s), 5001 + 4 * STREAM_HOLES);
}

/* But one that counts anew is seen, however many holes there were: it begins at 1. */
static void d20_a_new_count_is_seen_behind_forgotten_holes(void **state)
{
    static const uint64_t lives[] = {LIFE, 0};

    for (size_t i = 0; i < 4; i++) {
        struct reader *r = *state;
        uint64_t records;

        memset(r, 0, sizeof(*r));
        open_reader(r);
        reconnect(r, lives[i % 2]);
        denies(r, 1, 2000);
        lose_every_second(r, 2001, 2 * STREAM_HOLES);
        records = r->records;
        if (i >= 2)
            reconnect(r, lives[i % 2]);
        denies(r, 1, 3000);
        assert_int_equal(r->records, records + 3000);
        assert_int_equal(stream_prefix(&r->s), 3000);
    }
}

/* Which of them it was, the first numbers tell: those that never came are late, however old. */
static void the_first_numbers_are_never_forgotten(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 9);
    lose_every_second(r, 10, 2 * STREAM_HOLES);
    lose_every_second(r, 5000, 2 * STREAM_HOLES);
    for (int i = 0; i < 2 * STREAM_HOLES; i++)
        deny(r, 10 + 2 * (uint64_t)i);
    assert_int_equal(r->s.count.late, 2 * STREAM_HOLES);
    assert_int_equal(r->s.count.runs, 1);
}

/* A part of a hole that was forgotten is told as if it were there: the buffer is asked for it. */
static void d16_what_was_forgotten_is_asked_for(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 5000);
    lose_every_second(r, 5001, 2 * STREAM_HOLES);
    for (uint64_t q = 5001; q <= 5000 + 4 * STREAM_HOLES; q += 2)
        deny(r, q); /* All that is remembered. */
    reconnect(r, LIFE);
    frame(r, STREAM_FULL_RESYNC, 5001 + 4 * STREAM_HOLES, NULL, 0);
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
}

/* ---- jumps ---- */

/* A jump within a connection is a hole up to STREAM_JUMP, given up at once in a step or two; one
 * further is no number of this helper's, and nothing of it is stated. */
static void a_jump_is_a_hole_or_a_torn_stream(void **state)
{
    static const uint64_t ahead[] = {STREAM_JUMP - 1, STREAM_JUMP,    STREAM_JUMP + 1,
                                     1ull << 40,      UINT64_MAX / 2, UINT64_MAX - 3};

    assert_int_equal(STREAM_JUMP, 67108864); /* evrepd.conf(5) */
    for (size_t i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
        struct reader *r = *state;
        bool is_hole = ahead[i] <= STREAM_JUMP;

        memset(r, 0, sizeof(*r));
        open_reader(r);
        denies(r, 1, 3);
        deny(r, 3 + ahead[i]);
        assert_int_equal(r->torn, !is_hole);
        elapse(r, 400 * MS);
        assert_int_equal(r->records, is_hole ? 4 : 3);
        assert_in_range(r->holes, is_hole ? 1 : 0, is_hole ? 2 : 0);
        assert_int_equal(stated(r, STREAM_LOST), is_hole ? ahead[i] - 1 : 0);
        assert_int_equal(r->notes[STREAM_LOST], is_hole);
        assert_int_equal(r->s.count.torn, !is_hole);
        assert_int_equal(r->s.count.runs, 1);
    }
}

/* An outage may be of any length, but no helper counts that far. */
static void the_first_of_a_connection_has_a_bound(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 3);
    reconnect(r, LIFE);
    deny(r, STREAM_NUMBER_MAX + 1);
    assert_true(r->torn);
    reconnect(r, LIFE);
    deny(r, STREAM_NUMBER_MAX);
    assert_false(r->torn);
    elapse(r, 400 * MS);
    assert_int_equal(r->records, 4);
    assert_int_equal(stated(r, STREAM_LOST), STREAM_NUMBER_MAX - 4);
    assert_int_equal(r->notes[STREAM_LOST], 1);
}

/* ---- met in the middle of its count ---- */

static void meet(struct reader *r)
{
    memset(&r->m, 0, sizeof(r->m));
    stream_open(&r->s, &r->m, 77, HOLE_NS);
    stream_disconnected(&r->s, r->now_ns);
    stream_connected(&r->s, LIFE, false, r->now_ns);
    r->records = r->missing = r->before = r->holes = 0;
}

/* What was before us may have been told to another daemon: it is stated as doubtful, and what is
 * missing behind it as lost. */
static void a_helper_that_is_met_in_the_middle_has_lost_nothing(void **state)
{
    static const uint64_t first[] = {2, 700, 5000, STREAM_WINDOW + 5, 1000000};

    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        struct reader *r = *state;
        uint64_t q = first[i];

        meet(r);
        deny(r, q + 2); /* Its workers swap. */
        denies(r, q, q + 1);
        denies(r, q + 4, q + 9);
        elapse(r, 400 * MS);
        assert_int_equal(r->before, q - 1);
        assert_int_equal(r->missing, 1);
        assert_int_equal(stream_prefix(&r->s), q + 9);
        assert_int_equal(stated(r, STREAM_DOUBTFUL) + stated(r, STREAM_DOUBTFUL), q - 1);
        assert_int_equal(r->note[STREAM_DOUBTFUL].first_ns, 0);
        assert_int_equal(stated(r, STREAM_LOST), 0); /* With the others. */
        assert_int_equal(r->note[STREAM_LOST].count, 1);
        deny(r, q - 1); /* On the way when we were met. */
        assert_int_equal(r->s.count.late, 1);
        reconnect(r, LIFE); /* Known now. */
        deny(r, q + 20);
        elapse(r, 400 * MS);
        assert_int_equal(r->before, q - 1);
        assert_int_equal(r->missing, 1 + 10);
        assert_int_equal(r->s.count.runs, 1);
    }
}

/* 3.4: all was acknowledged to another daemon, or its buffer does not reach back to that: it says
 * so, and is asked for the rest first. */
static void a_resync_of_a_helper_that_is_met_asks_for_its_buffer(void **state)
{
    struct reader *r = *state;

    meet(r);
    frame(r, STREAM_FULL_RESYNC, 5001, NULL, 0);
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    elapse(r, 1000 * MS);
    denies(r, 905, 5000);
    frame(r, STREAM_DRAIN_COMPLETE, 5000, NULL, 0);
    elapse(r, 400 * MS);
    assert_int_equal(r->before, 904);
    assert_int_equal(r->missing, 0);
    assert_int_equal(r->records, 4096);
    deny(r, 5002);
    deny(r, 5004);
    elapse(r, 400 * MS);
    assert_int_equal(r->missing, 1);
}

/* A drain takes as long as it takes while it brings what is missing: nothing of it is stated
 * before. */
static void d16_a_slow_drain_is_waited_for(void **state)
{
    struct reader *r = *state;

    denies(r, 1, 10);
    reconnect(r, LIFE);
    frame(r, STREAM_FULL_RESYNC, 41, NULL, 0);
    assert_true(stream_drain_wanted(&r->s, r->now_ns));
    for (uint64_t q = 11; q <= 40; q++) {
        elapse(r, 700 * MS);
        deny(r, q);
    }
    frame(r, STREAM_DRAIN_COMPLETE, 41, NULL, 0);
    elapse(r, 400 * MS);
    assert_int_equal(r->missing, 0);
    assert_int_equal(r->s.count.late, 0);
    assert_int_equal(r->records, 40);
}

/* After our own death the run is known, wherever its count is: then a hole is one. */
static void d17_a_known_helper_has_holes_after_our_death(void **state)
{
    struct reader *r = *state;

    meet(r);
    denies(r, 5000, 5010);
    elapse(r, 400 * MS);
    stream_open(&r->s, &r->m, 77, HOLE_NS);
    stream_disconnected(&r->s, r->now_ns);
    stream_connected(&r->s, LIFE, false, r->now_ns);
    denies(r, 5021, 5030);
    elapse(r, 400 * MS);
    assert_int_equal(r->before, 4999);
    assert_int_equal(r->missing, 10);
}

/* One that was met in the middle counts anew: from 1 on all is its own. */
static void d20_a_helper_that_was_met_counts_anew(void **state)
{
    struct reader *r = *state;

    meet(r);
    denies(r, 5000, 5010);
    elapse(r, 400 * MS);
    stream_heard(&r->s, 5010);
    denies(r, 1, 20);
    deny(r, 22);
    elapse(r, 400 * MS);
    assert_int_equal(r->records, 11 + 21);
    assert_int_equal(r->missing, 1);
    assert_int_equal(r->s.count.runs, 2);
    assert_int_equal(stream_prefix(&r->s), 22);
}

/* ---- statements ---- */

/* Every second frame is lost, for seconds: a statement a second, and the sum is exact. */
static void many_holes_are_one_statement_a_second(void **state)
{
    enum { SECONDS = 10 };
    struct reader *r = *state;
    uint64_t told = 0, q = 1;

    for (int ms = 0; ms < SECONDS * 1000; ms += 5) {
        struct stream_note note;

        for (int i = 0; i < 4; i++, q += 2)
            deny(r, q + 1);
        elapse(r, 5 * MS);
        while (stream_untold(&r->s, r->now_ns, &note)) {
            told += note.count;
            r->notes[note.cause]++;
            stream_told(&r->s, &note, r->now_ns);
        }
        assert_int_equal(told + stream_untold_count(&r->s), r->missing);
    }
    assert_in_range(r->notes[STREAM_LOST], SECONDS - 1, SECONDS + 1);
    elapse(r, 400 * MS);
    told += stated(r, STREAM_LOST);
    assert_int_equal(told, (q - 1) / 2);
    assert_int_equal(r->records, (q - 1) / 2);
}

/* A numbering is forgotten for another one's sake: what is missing of it is stated first. */
static void what_is_forgotten_is_stated(void **state)
{
    struct reader *r = *state;

    for (uint64_t life = 1; life <= 3 * STREAM_RUNS; life++) {
        stream_disconnected(&r->s, r->now_ns);
        stream_connected(&r->s, life, true, r->now_ns);
        denies(r, 2, 4);
        deny(r, 7);
    }
    elapse(r, 400 * MS);
    assert_int_equal(r->s.count.missing, 3 * 3 * STREAM_RUNS);
    assert_int_equal(stated(r, STREAM_LOST), 3 * 3 * STREAM_RUNS);
}

/* A hole lies between the frames before and behind it, whenever it is given up. */
static void the_times_of_a_hole_are_those_of_its_frames(void **state)
{
    struct reader *r = *state;

    stream_arrived(&r->s, 1000);
    denies(r, 1, 3);
    stream_arrived(&r->s, 2000);
    deny(r, 4);
    stream_arrived(&r->s, 3000);
    denies(r, 7, 8);
    stream_arrived(&r->s, 9000);
    elapse(r, 400 * MS);
    assert_int_equal(stated(r, STREAM_LOST), 2);
    assert_int_equal(r->note[STREAM_LOST].first_ns, 2000);
    assert_int_equal(r->note[STREAM_LOST].last_ns, 3000);
    deny(r, 10); /* Two of them in one statement. */
    stream_arrived(&r->s, 9500);
    deny(r, 12);
    stream_arrived(&r->s, 9900);
    deny(r, 13);
    elapse(r, 400 * MS);
    assert_int_equal(stated(r, STREAM_LOST), 2);
    assert_int_equal(r->note[STREAM_LOST].first_ns, 3000);
    assert_int_equal(r->note[STREAM_LOST].last_ns, 9500);
    stream_arrived(&r->s, 20000); /* More than a window: what does not fit is given up by it. */
    deny(r, 100000);
    elapse(r, 400 * MS);
    assert_int_equal(stated(r, STREAM_LOST), 100000 - 14);
    assert_int_equal(r->note[STREAM_LOST].first_ns, 9900);
    assert_int_equal(r->note[STREAM_LOST].last_ns, 20000);
}

/* What is known outlives us, and what is not is not made up. */
static void times_after_a_death_are_known_or_unknown(void **state)
{
    struct reader *r = *state;

    stream_arrived(&r->s, 1000);
    denies(r, 1, 3);
    stream_arrived(&r->s, 2000);
    denies(r, 5, 6);
    stream_open(&r->s, &r->m, 77, HOLE_NS);
    stream_disconnected(&r->s, r->now_ns);
    elapse(r, 11000 * MS);
    assert_int_equal(stated(r, STREAM_LOST), 1);
    assert_int_equal(r->note[STREAM_LOST].first_ns, 1000);
    assert_int_equal(r->note[STREAM_LOST].last_ns, 2000);
    reconnect(r, LIFE + 1); /* Its first is lost: nothing came before it. */
    stream_arrived(&r->s, 7000);
    deny(r, 2);
    elapse(r, 400 * MS);
    assert_int_equal(stated(r, STREAM_LOST), 1);
    assert_int_equal(r->note[STREAM_LOST].first_ns, 0);
    assert_int_equal(r->note[STREAM_LOST].last_ns, 7000);
}

/* Given up, we die before it is stated, or before that is known: it is stated once. */
static void a_death_states_a_hole_once(void **state)
{
    struct reader *r = *state;
    struct stream_memory before;
    struct stream_note note;

    denies(r, 1, 3);
    denies(r, 6, 9);
    elapse(r, 400 * MS);
    for (int recorded = 0; recorded < 2; recorded++) {
        stream_open(&r->s, &r->m, 77, HOLE_NS);
        assert_int_equal(stream_untold_count(&r->s), 2);
        assert_true(stream_untold(&r->s, r->now_ns, &note));
        assert_int_equal(note.count, 2);
    }
    before = r->m;
    stream_told(&r->s, &note, r->now_ns);
    r->m = before; /* As if it died before. */
    stream_open(&r->s, &r->m, 77, HOLE_NS);
    stream_mark(&r->s, STREAM_MARK_TOLD, note.cause + 1, note.from, note.to);
    assert_false(stream_untold(&r->s, r->now_ns, &note));
    stream_mark(&r->s, STREAM_MARK_TOLD, STREAM_CAUSES + 1, 1, 2); /* None of ours. */
    denies(r, 12, 12);
    stream_disconnected(&r->s, r->now_ns);
    stream_connected(&r->s, LIFE, false, r->now_ns);
    denies(r, 12, 14);
    elapse(r, 400 * MS);
    assert_int_equal(stated(r, STREAM_LOST), 2);
}

/* A death at any step of giving up leaves the set and the count in step. */
static void a_death_while_it_is_given_up_is_finished(void **state)
{
    struct reader *r = *state;
    struct stream_gap gap;

    for (int step = 0; step < 3; step++) {
        memset(r, 0, sizeof(*r));
        open_reader(r);
        denies(r, 1, 3);
        denies(r, 6, 9);
        gap = (struct stream_gap){.run = r->s.run, .hole = {4, 5}};
        r->m.giving.key = gap.run->key;
        r->m.giving.hole = gap.hole;
        r->m.giving.after = (struct stream_untold){.given = 2};
        if (step >= 1)
            stream_set_give_up(&r->s.run->set, &gap.hole);
        if (step >= 2)
            r->m.untold[STREAM_LOST].given = 2;
        stream_open(&r->s, &r->m, 77, HOLE_NS);
        assert_int_equal(stream_prefix(&r->s), 9);
        assert_int_equal(stream_untold_count(&r->s), 2);
        stream_disconnected(&r->s, r->now_ns);
        reconnect(r, LIFE);
        deny(r, 4);
        deny(r, 4);
        deny(r, 5);
        assert_int_equal(r->s.count.late, 2);
        assert_int_equal(r->records, 3 + 4 + 2);
    }
}

/* Of a process that cannot be told: what was taken for repeats is in doubt, also when another one
 * dials before anybody has looked. */
static void a_doubt_outlives_the_next_dial(void **state)
{
    struct reader *r = *state;

    stream_disconnected(&r->s, r->now_ns);
    stream_connected(&r->s, 0, true, r->now_ns);
    denies(r, 1, 10);
    stream_open(&r->s, &r->m, 77, HOLE_NS);       /* We died. */
    stream_connected(&r->s, 0, false, r->now_ns); /* The next process, which counts anew. */
    denies(r, 1, 5);
    assert_int_equal(stream_untold_count(&r->s), 5);
    stream_disconnected(&r->s, r->now_ns);
    stream_connected(&r->s, 0, false, r->now_ns); /* A third one. */
    assert_int_equal(stream_untold_count(&r->s), 5);
    denies(r, 1, 2);
    stream_connected(&r->s, 0, false, r->now_ns); /* It is not heard that this one ends. */
    assert_int_equal(stream_untold_count(&r->s), 7);
    assert_int_equal(stated(r, STREAM_DOUBTFUL), 7);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_hole_is_waited_for_and_then_stated_once),
        T(a_doubt_outlives_the_next_dial),
        T(a_helper_that_is_away_is_waited_for_longer),
        T(time_without_room_does_not_count),
        T(more_than_a_window_is_given_up_at_once),
        T(a_death_makes_no_second_record),
        T(scribbled_memory_is_mended),
        T(each_number_is_once_or_in_a_hole),
        T(a_late_frame_of_a_forgotten_hole_is_no_new_count),
        T(a_late_frame_after_our_death_is_no_new_count),
        T(d20_a_new_count_is_seen_behind_forgotten_holes),
        T(the_first_numbers_are_never_forgotten),
        T(d16_what_was_forgotten_is_asked_for),
        T(a_jump_is_a_hole_or_a_torn_stream),
        T(the_first_of_a_connection_has_a_bound),
        T(a_helper_that_is_met_in_the_middle_has_lost_nothing),
        T(a_resync_of_a_helper_that_is_met_asks_for_its_buffer),
        T(d16_a_slow_drain_is_waited_for),
        T(d17_a_known_helper_has_holes_after_our_death),
        T(d20_a_helper_that_was_met_counts_anew),
        T(many_holes_are_one_statement_a_second),
        T(what_is_forgotten_is_stated),
        T(the_times_of_a_hole_are_those_of_its_frames),
        T(times_after_a_death_are_known_or_unknown),
        T(a_death_states_a_hole_once),
        T(a_death_while_it_is_given_up_is_finished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
