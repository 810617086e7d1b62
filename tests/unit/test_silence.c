/* links: test_pair */
/* What a peer does not speak of: it lacks the sink, has no memory of it, or no word for it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pair_steps.h"
#include "record.h"
#include "rules.h"
#include "segment.h"

static void restart_with(struct pair *p, int n, const char *sink)
{
    pair_crash(p, n);
    pair_start_with(p, n, sink);
}

static void meet_with(struct pair *p, int n, const char *sink)
{
    restart_with(p, n, sink);
    pair_connect(p);
    pair_elapse_ms(p, 1500);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
}

static unsigned times(const struct pair *p, uint32_t e, uint32_t q)
{
    unsigned marked;

    return pair_times(p, 0, e, q, &marked);
}

static void expect_once_unmarked(const struct pair *p, uint32_t e, uint32_t from, uint32_t to)
{
    for (uint32_t q = from; q <= to; q++) {
        unsigned marked, all = pair_times(p, 0, e, q, &marked);

        assert_true(all - marked <= 1);
    }
}

static void expect_there(const struct pair *p, uint32_t e, uint32_t from, uint32_t to)
{
    for (uint32_t q = from; q <= to; q++)
        assert_true(times(p, e, q) >= 1);
}

/* L4: the power took the tail of a closed segment, and with it the word that it was sent: the peer
 * may have it, so that nothing is stated before the peer has said. */
static void an_unsure_tail_waits_for_the_peer(void **state)
{
    struct pair *p = *state;
    size_t synced;
    uint32_t e;

    pair_meet(p);
    pair_cut(p);
    pair_elapse_ms(p, 1100);
    e = pair_live(p, 0);
    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_crash(p, 0);
    pair_start(p, 0);
    pair_elapse_ms(p, 1100); /* The next epoch is open, and says where this one ended. */
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->last, 21);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->sent_bound, 0);
    synced = p->node[0].disk.meta_len;
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 21);
    pair_power_cut(p, 0, synced);
    pair_held(p, 0, e)->to = 10;
    pair_start(p, 0);
    pair_elapse_ms(p, 3000); /* Alone. */
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_true(times(p, e, 21) >= 1);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 21));
}

/* A3, T5: a sink that only this node has; all of it was there when the journal went. */
static void nothing_is_lost_that_is_there(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    pair_start_with(p, 0, "siem");
    pair_start_with(p, 1, "other");
    pair_connect(p);
    pair_elapse_ms(p, 2020);
    e = pair_live(p, 0);
    pair_produce(p, 0, 20);
    pair_elapse_ms(p, 1000);
    assert_int_equal(times(p, e, 21), 1);
    pair_lose_host(p, 0);
    pair_start_with(p, 0, "siem");
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 10));
}

/* Of this segment the file has the answer; of another one, nothing. */
static void answer_all(struct pair *p, int n, uint32_t e, uint32_t last)
{
    while (p->node[n].asked_count > 0) {
        pair_answer(p, n, ANSWER_HAS, p->node[n].asked[0].epoch == e ? last : 0);
        pair_work_once(p, n);
    }
}

/* Its session comes up; that all is done, which the peer says next, is late. */
static void connect_without_the_end(struct pair *p, uint32_t e, uint32_t last)
{
    uint8_t frame[FRAME_SIZE_MAX];
    uint32_t len;

    p->node[0].asked_count = 0;
    pair_connect(p);
    for (int i = 0; i < 60; i++) {
        pair_work_once(p, 0);
        answer_all(p, 0, e, last);
        pair_work_once(p, 0);
        pair_work_once(p, 1);
        while ((len = pair_take(p, 0, frame)) > 0) {
            if (frame[0] != FRAME_DONE && frame[0] != FRAME_RECORDS)
                pair_give(p, 0, 0, frame, len);
        }
    }
    assert_int_equal(p->node[0].core.session, SESSION_UP);
}

/* 1-11 are in the file, of which the first part was given up; node 1 takes over, emits 12-21, and
 * both have settled it.  What node 0's disk had synced before that, of its marks. */
static size_t taken_over_and_settled(struct pair *p, uint32_t e)
{
    size_t synced;

    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_elapse_ms(p, 200);
    assert_int_equal(times(p, e, 11), 1);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_elapse_ms(p, 100);
    pair_crash(p, 0);
    pair_held(p, 0, e)->from = 6;
    pair_take_over(p, 1000);
    answer_all(p, 1, e, 0);
    pair_elapse_ms(p, 500);
    assert_int_equal(times(p, e, 21), 1);
    pair_start(p, 0);
    pair_elapse_ms(p, 1100);
    answer_all(p, 0, e, 11);
    synced = p->node[0].disk.meta_len;
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
    return synced;
}

/* D2, finding 5: the power took its origin's memory of all that, and that the file is removed. */
static void what_the_peer_did_and_forgot_is_in_doubt(void **state)
{
    struct pair *p = *state;
    struct pair_disk *d = &p->node[0].disk;
    size_t synced;
    uint32_t e;

    p->options.sink[0].answers = p->options.sink[0].local = true;
    p->options.sink[0].hold_ns = 0;
    pair_meet(p);
    e = pair_live(p, 0);
    synced = taken_over_and_settled(p, e);
    pair_power_cut(p, 0, synced);
    d->held[d->held_count++] = (struct core_range){0, e, 6, 21};
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 1100);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->base, 6);
    assert_true(core_segment(&p->node[0].core, 0, e)->unsure);
    connect_without_the_end(p, e, 11);
    expect_once_unmarked(p, e, 1, 21);
}

/* Both work until there is nothing more to do.  What node 1 has synced by then, of its marks. */
static size_t settle_synced(struct pair *p, size_t synced)
{
    for (int i = 0; i < 40; i++) {
        pair_work_once(p, 0);
        pair_work_once(p, 1);
        if (p->node[1].out.durable)
            synced = p->node[1].disk.meta_len;
    }
    return synced;
}

/* L3: a sink came back; its peer has settled that, and the power takes what it had not synced. */
static void the_power_takes_what_is_to_come(void **state)
{
    struct pair *p = *state;
    uint32_t e, first;
    size_t synced;

    pair_meet(p);
    meet_with(p, 0, "other");
    e = pair_live(p, 0);
    p->node[0].sink_off = true;
    restart_with(p, 0, "siem");
    pair_connect(p);
    synced = settle_synced(p, 0);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(p->node[0].ring_epoch, e);
    first = p->node[0].ring_next;
    pair_produce(p, 0, 20);
    synced = settle_synced(p, synced);
    assert_true(synced > 0);
    pair_power_cut(p, 1, synced);
    pair_settle(p);
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 3000);
    expect_there(p, e, first, first + 19);
}

/* L3: what waits at a sink that its origin was started without is its peer's; the origin runs alone
 * for a while, and forgets what its own sinks have. */
static void a_silent_origin_has_not_settled_what_it_lacks(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    pair_meet(p);
    e = pair_live(p, 0);
    pair_wait_for_sinks(p, 20);
    meet_with(p, 0, "other");
    assert_int_equal(pair_span(p, 1, 0, e, 15)->owner, 1);
    pair_crash(p, 0);
    p->node[0].sink_off = false;
    p->options.has_peer = false;
    pair_start_with(p, 0, "other");
    p->options.has_peer = true;
    pair_elapse_ms(p, 3000);
    assert_null(core_segment(&p->node[0].core, 0, e));
    meet_with(p, 0, "other");
    p->seen_count = 0; /* So far: at "other". */
    p->node[1].sink_off = false;
    pair_elapse_ms(p, 3000);
    expect_there(p, e, 2, 21);
}

/* What an evrepd of wire version 1 makes of a fact: it knows of no flags of a delivery. */
static void forget_flags(uint8_t *frame, uint32_t len)
{
    uint32_t at = FRAME_HEADER_SIZE + SEGMENT_IMAGE_SIZE + 1;

    if (frame[0] != FRAME_FACT)
        return;
    for (; at + 12 <= len; at += 12u + 26u * frame[at + 2])
        frame[at + 3] = 0;
}

static void connect_to_version_1(struct pair *p)
{
    uint8_t frame[FRAME_SIZE_MAX];
    uint32_t len;

    pair_connect(p);
    for (int i = 0; i < 30 && p->node[1].core.session != SESSION_UP; i++) {
        pair_work_once(p, 0);
        while ((len = pair_take(p, 1, frame)) > 0) {
            forget_flags(frame, len);
            if (frame[0] != FRAME_RECORDS) /* They come again. */
                pair_give(p, 1, 0, frame, len);
        }
        pair_work_once(p, 1);
    }
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
}

/* L3: a peer of wire version 1 cannot be told of a sink that came back: it never expects anything
 * there of the epoch that goes on, whatever it says behind its settlement. */
static void an_old_peer_expects_nothing(void **state)
{
    struct pair *p = *state;
    uint32_t e, first;

    p->version[1] = 1;
    pair_meet(p);
    restart_with(p, 0, "other");
    connect_to_version_1(p);
    pair_elapse_ms(p, 1500);
    e = pair_live(p, 0);
    p->node[0].sink_off = true;
    restart_with(p, 0, "siem");
    connect_to_version_1(p);
    assert_int_equal(p->node[0].ring_epoch, e);
    first = p->node[0].ring_next;
    pair_produce(p, 0, 20);
    pair_settle(p);
    assert_non_null(pair_span(p, 0, 0, e, first + 5));
    pair_cut(p);
    connect_to_version_1(p);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 3000);
    expect_there(p, e, first, first + 19);
}

/* What node 0's disk has synced of its marks as it knows of 1-5, and both have 1-10: a sink takes
 * all of it, and one that node 0 alone has takes nothing. */
static size_t one_sink_takes_all(struct pair *p, uint32_t *e)
{
    size_t synced;

    p->options.sink[1] = (struct core_sink_options){.key = sink_key("siem"), .window = 8};
    p->options.sink_count = 2;
    pair_start_with(p, 0, "own");
    pair_start_with(p, 1, "other");
    pair_connect(p);
    pair_elapse_ms(p, 2020);
    *e = pair_live(p, 0);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 4);
    pair_settle(p);
    synced = p->node[0].disk.meta_len;
    pair_produce(p, 0, 5);
    pair_elapse_ms(p, 100);
    assert_int_equal(core_segment(&p->node[1].core, 0, *e)->journaled, 10);
    return synced;
}

/* Node 0 works on each thing that it hears before the next one comes. */
static void connect_one_by_one(struct pair *p)
{
    struct pair_queue *q = &p->node[0].in;
    uint8_t frame[FRAME_SIZE_MAX];
    uint32_t len;

    pair_connect(p);
    for (int i = 0; i < 30; i++) {
        pair_work_once(p, 0);
        pair_work_once(p, 1);
        while ((len = pair_take(p, 0, frame)) > 0) {
            size_t head = q->head, tail = q->tail;

            if (frame[0] != FRAME_RECORDS) /* They come again. */
                pair_give(p, 0, 0, frame, len);
            q->tail = q->head; /* The rest is on its way. */
            pair_work_once(p, 0);
            q->head = head;
            q->tail = tail;
        }
    }
    assert_int_equal(p->node[0].core.session, SESSION_UP);
}

/* The power takes all but that, and all records but 1-2.  What is synced as the peer comes. */
static size_t power_takes_the_tail(struct pair *p, uint32_t e, size_t synced)
{
    struct pair_disk *d = &p->node[0].disk;

    pair_cut(p);
    pair_power_cut(p, 0, synced);
    d->held_count = 0;
    d->held[d->held_count++] = (struct core_range){0, e, 1, 2};
    pair_start_with(p, 0, "own");
    pair_elapse_ms(p, 1100);
    synced = p->node[0].disk.meta_len;
    connect_one_by_one(p);
    pair_elapse_ms(p, 3000);
    return synced;
}

static void expect_lost(const struct pair *p, uint32_t e, uint32_t from, uint32_t to)
{
    for (uint32_t q = 1; q <= to; q++)
        assert_int_equal(pair_stated(p, RECORD_GAP_LOST, 0, e, q), q >= from);
}

/* L4: both have settled it, and the power takes its origin's memory of that, and of where it ended:
 * its peer has forgotten all but that. */
static void a_settled_end_is_remembered(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    size_t synced = one_sink_takes_all(p, &e);

    p->node[0].sink_off = false;
    synced = power_takes_the_tail(p, e, synced);
    expect_lost(p, e, 3, 10);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
    p->node[0].statement_count = 0;
    power_takes_the_tail(p, e, synced);
    expect_lost(p, e, 3, 10);
}

/* L4, F4: the power took the peer's memory first: what that then remembers as settled is less than
 * what its origin has. */
static void an_end_that_was_not_known_is_not_the_end(void **state)
{
    struct pair *p = *state;
    struct pair_disk *d = &p->node[0].disk;
    size_t synced[2];
    uint32_t e;

    pair_meet(p);
    e = pair_live(p, 0);
    synced[1] = p->node[1].disk.meta_len;
    p->node[0].sink_off = true;
    pair_produce(p, 0, 9);
    pair_elapse_ms(p, 500);
    pair_cut(p);
    pair_elapse_ms(p, 1100); /* The next epoch is open. */
    synced[0] = p->node[0].disk.meta_len;
    p->node[0].sink_off = false;
    pair_connect(p);
    pair_elapse_ms(p, 500);
    assert_null(core_segment(&p->node[0].core, 0, e));
    pair_cut(p);
    pair_power_cut(p, 1, synced[1]);
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 500);
    assert_null(core_segment(&p->node[1].core, 0, e));
    pair_cut(p);
    pair_power_cut(p, 0, synced[0]);
    d->held[d->held_count++] = (struct core_range){0, e, 1, 10};
    pair_start(p, 0);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->journaled, 10);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_int_equal(p->node[0].statement_count, 0);
}

/* A taker handed all of it over, its file keeps that up to `held`, and it is started without the
 * sink, and with it again, before the origin comes back: it does not know any more. */
static void took_before_it_lacked_the_sink(struct pair *p, uint32_t held)
{
    uint32_t e;

    pair_meet(p);
    e = pair_live(p, 0);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 20); /* 2-21 */
    pair_settle(p);
    pair_cut(p);
    pair_crash(p, 0);
    pair_take_over(p, 1000);
    expect_there(p, e, 2, 21);
    pair_held(p, 1, e)->to = held;
    restart_with(p, 1, "other");
    pair_elapse_ms(p, 100);
    pair_renew_log(p, 1); /* What it says of other sinks is gone. */
    restart_with(p, 1, "siem");
    p->node[0].sink_off = false;
    pair_start_with(p, 0, "siem");
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    expect_once_unmarked(p, e, 2, 21);
}

/* T3, L3 */
static void what_it_took_before_it_lacked_the_sink(void **state)
{
    took_before_it_lacked_the_sink(*state, 21);
}

/* T3, L3: what it holds now is not all that it held then. */
static void what_it_took_and_lost_before_it_lacked_the_sink(void **state)
{
    took_before_it_lacked_the_sink(*state, 5);
}

/* T3, L3: so it is with an origin, which took back there what it had handed over: whatever the term
 * of the peer, which heard nothing of that. */
static void what_it_took_back_before_it_lacked_the_sink(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    p->options.drain_ns = 100 * MS;
    pair_meet(p);
    e = pair_live(p, 0);
    pair_handover(p, 0);
    pair_elapse_ms(p, 200);
    p->node[1].sink_off = true;
    pair_produce(p, 0, 20); /* 2-21 */
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, e, 15)->owner, 1);
    pair_cut(p);
    pair_fenced(p, 0);
    pair_elapse_ms(p, 1000);
    expect_there(p, e, 2, 21);
    restart_with(p, 0, "other");
    pair_renew_log(p, 0);
    restart_with(p, 0, "siem");
    p->node[1].sink_off = false;
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    expect_once_unmarked(p, e, 2, 21);
}

/* D2: node 1 owned what is to come, emitted some of it alone, and the power took its memory of the
 * whole segment: it is silent, and its origin must not take what it last heard for all. */
static void a_taker_that_forgot_may_have_gone_on(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    size_t synced;

    pair_meet(p);
    synced = p->node[1].disk.meta_len;
    pair_cut(p);
    pair_elapse_ms(p, 1100);
    e = pair_live(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 100);
    pair_produce(p, 0, 5);
    pair_handover(p, 0);
    pair_settle(p);
    p->node[1].sink_off = true;
    pair_produce(p, 0, 30);
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, e, 36)->owner, 1);
    assert_true(pair_span(p, 0, 0, e, 36)->intent < 36);
    pair_power_cut(p, 1, synced);
    for (size_t i = 0; i < p->node[1].disk.held_count; i++) {
        if (p->node[1].disk.held[i].origin == 0)
            p->node[1].disk.held[i--] = p->node[1].disk.held[--p->node[1].disk.held_count];
    }
    pair_start(p, 1);
    pair_connect(p);
    for (int i = 0; i < 20 && p->node[0].core.session != SESSION_UP; i++)
        pair_work_once(p, i % 2);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_false(core_segment(&p->node[0].core, 0, e)->fact_seen);
    assert_int_equal(pair_span(p, 0, 0, e, 36)->doubt, 36);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_unstarted, pair_end)
    const struct CMUnitTest tests[] = {
        T(an_unsure_tail_waits_for_the_peer),
        T(nothing_is_lost_that_is_there),
        T(what_the_peer_did_and_forgot_is_in_doubt),
        T(the_power_takes_what_is_to_come),
        T(a_silent_origin_has_not_settled_what_it_lacks),
        T(an_old_peer_expects_nothing),
        T(what_it_took_before_it_lacked_the_sink),
        T(what_it_took_and_lost_before_it_lacked_the_sink),
        T(what_it_took_back_before_it_lacked_the_sink),
        T(a_settled_end_is_remembered),
        T(an_end_that_was_not_known_is_not_the_end),
        T(a_taker_that_forgot_may_have_gone_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
