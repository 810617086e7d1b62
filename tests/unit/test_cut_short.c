/* links: test_pair */
/* Hellos that are cut off, notes that come late, gaps that grow, outcomes that are too ragged. */
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
#include "settle.h"

static bool is_stated(const struct pair *p, uint8_t kind, uint32_t e, uint32_t q)
{
    return pair_stated_by(p, 1, kind, 0, e, q);
}

/* L4: node 1 states (R, P] as pending, node 0 returns for a moment, which is enough to hear that
 * there is more, and goes again: what is known since is not stated. */
static void a_gap_that_grew_is_stated(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_tag_ahead(p);

    p->node[1].disk_full = p->node[0].sink_off = true;
    pair_cut(p);
    pair_take_over(p, 600);
    assert_true(is_stated(p, RECORD_GAP_PENDING, e, 12));
    assert_true(is_stated(p, RECORD_GAP_PENDING, e, 40));
    pair_cluster(p, 1, false, false);
    pair_produce(p, 0, 60); /* From its ring: it ended at 71. */
    pair_elapse_ms(p, 1500);
    pair_connect(p);
    pair_elapse_ms(p, 100);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->last, 71);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 11);
    pair_fail_over(p, 2000);
    assert_true(is_stated(p, RECORD_GAP_PENDING, e, 71));
}

/* Node 0 returns; its facts come to node 1, and the link goes before those of node 1 are out. */
static void cut_the_hello(struct pair *p)
{
    pair_start(p, 0);
    pair_connect(p);
    pair_work_once(p, 1); /* Its hello goes; then its disk is slow, */
    pair_work_once(p, 0);
    pair_work_once(p, 0);
    pair_read(p, 1); /* and all that came is read at once. */
    assert_false(p->node[1].core.facts_out);
    pair_cut(p);
}

/* L3, section 5: node 1 has taken over, with a long backlog; its peer's facts come and the link
 * goes before ours are out: nobody can have taken it back. */
static void a_hello_that_is_cut_costs_no_takeover(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_take_over_backlog(p, 1500);
    unsigned marked;

    assert_true(pair_span(p, 1, 0, e, 15)->resumed);
    cut_the_hello(p);
    p->node[1].sink_off = false;
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 20, &marked), 1);
    assert_int_equal(marked, 0);
}

/* The same, where the time to hold is long over: all that waits is marked at once, not W. */
static void a_hello_that_is_cut_marks_no_backlog(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_take_over_backlog(p, 31000);
    unsigned marked;

    assert_true(pair_span(p, 1, 0, e, 15)->resumed);
    cut_the_hello(p);
    p->node[1].sink_off = false;
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 20, &marked), 1);
    assert_int_equal(marked, 0);
}

static void noted(struct pair *p, int n, const struct core_note *note)
{
    struct core_input in = {
        .kind = CORE_NOTED, .now_ns = p->now_ns, .note = note->kind, .records = note->range};

    core_step(&p->node[n].core, &in);
}

/* L4: the word that a gap is pending reaches the journal as its origin says that its own is gone:
 * it is not the word that it is lost. */
static void pending_noted_late_is_not_lost_noted(void **state)
{
    struct pair *p = *state;
    struct pair_node *taker = &p->node[1];
    struct core_note pending;
    uint32_t e;

    p->node[0].sink_off = true;
    e = pair_tag_ahead(p);
    pair_lose_host(p, 0);
    pair_elapse_ms(p, 2000);
    pair_cluster(p, 1, true, true);
    core_output_clear(&taker->out);
    core_flush(&taker->core, 0, &taker->out);
    assert_int_equal(taker->out.note_count, 1);
    pending = taker->out.note[0]; /* On its way to the journal. */
    assert_int_equal(pending.kind, RECORD_GAP_PENDING);
    pair_start(p, 0);
    pair_connect(p);
    for (int i = 0; i < 10 && taker->core.session != SESSION_UP; i++) {
        pair_work_once(p, 0);
        pair_read(p, 1);
        if (taker->core.session != SESSION_UP)
            pair_work_once(p, 1);
    }
    assert_int_equal(taker->core.session, SESSION_UP);
    assert_int_equal(core_segment(&taker->core, 0, e)->gap, GAP_LOST);
    noted(p, 1, &pending);
    pair_elapse_ms(p, 5000);
    assert_true(is_stated(p, RECORD_GAP_LOST, e, 12));
    assert_true(is_stated(p, RECORD_GAP_LOST, e, 40));
}

/* D2 skip, a full journal, T2: the records that are to be skipped are given up before the statement
 * of that is journaled: then nothing is on its way any more, and all can be handed over. */
static void skipped_and_given_up_is_over(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    struct core_range r;
    struct core_input shed = {.kind = CORE_SHED};
    struct core_note given_up, skipped;
    uint32_t e;
    unsigned marked;

    pair_init(p, 8);
    p->options.sink[0].policy = IN_DOUBT_SKIP;
    p->options.drain_ns = 100 * MS;
    pair_meet(p);
    e = pair_live(p, 0);
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 20);
    pair_settle(p); /* 2-9 are on their way. */
    assert_true(core_oldest(c, 1, &r));
    assert_int_equal(r.from, 2);
    shed.now_ns = p->now_ns;
    shed.records = r;
    shed.records.to = 12;
    core_step(c, &shed);
    core_output_clear(&p->node[0].out);
    core_flush(c, 0, &p->node[0].out);
    assert_int_equal(p->node[0].out.note_count, 1);
    given_up = p->node[0].out.note[0];
    pair_sink_lost(p, 0);
    core_output_clear(&p->node[0].out);
    core_flush(c, 0, &p->node[0].out);
    assert_int_equal(p->node[0].out.note_count, 1);
    skipped = p->node[0].out.note[0];
    assert_int_equal(skipped.kind, RECORD_GAP_IN_DOUBT);
    pair_produce(p, 0, 1);
    noted(p, 0, &given_up);
    pair_produce(p, 0, 1);
    noted(p, 0, &skipped);
    pair_settle(p);
    pair_handover(p, 0);
    pair_elapse_ms(p, 2000);
    assert_int_equal(c->handover.state, HANDOVER_DONE);
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
}

/* T3: both nodes have cut one segment, each at places of its own, and part of it is done: with no
 * room for all runs the rest is one, and neither node ends for that. */
static void a_ragged_outcome_ends_no_process(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    pair_wait_for_sinks(p, 99);
    for (int n = 0; n < NODE_COUNT; n++) {
        struct delivery *d = &segment_find(&p->node[n].core, 0, e)->at[0];

        for (uint32_t at = 10 + 5 * (uint32_t)n; at <= 70; at += 10)
            delivery_split(d, delivery_find(d, at), at);
        if (n == 0) {
            struct span *s = delivery_find(d, 61);

            s->emitted = s->handed = s->intent = s->granted = s->to; /* 61-70 */
        }
    }
    pair_cut(p);
    pair_elapse_ms(p, 1500);
    pair_connect(p);
    pair_elapse_ms(p, 1500);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_elapse_ms(p, 1500);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
}

/* T4: the peer starts again and again, and never comes to the end of its hello: the time to hold
 * passes all the same. */
static void the_hold_time_passes_while_the_peer_flaps(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_crash(p, 1);
    p->node[0].sink_off = false;
    for (int i = 0; i < 12; i++) { /* A minute; hold-ms is 30 s. */
        pair_elapse_ms(p, 5000);
        pair_start(p, 1);
        pair_connect(p);
        pair_work_once(p, 1);
        pair_work_once(p, 0);
        assert_int_equal(p->node[0].core.session, SESSION_HELLO);
        assert_true(p->node[0].core.facts_out);
        pair_crash(p, 1);
    }
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
}

static void floating(struct core_sink_options *o) /* D1b */
{
    o->answers = o->may_fail = true;
}

static void answer_unknown(struct pair *p, int n)
{
    while (p->node[n].asked_count > 0) {
        pair_answer(p, n, ANSWER_UNKNOWN, 0);
        pair_settle(p);
    }
}

/* T1, T3: node 0 declines an offer, and its answer goes with the session: it has the higher term,
 * and knows nothing of what its owner, node 1, meant to hand over since, alone. */
static void what_an_owner_did_after_a_declined_offer(void **state)
{
    struct pair *p = pair_begin(floating);
    uint32_t e = pair_live(p, 1);
    unsigned marked;

    (void)state;
    p->node[1].sink_off = true;
    pair_produce(p, 1, 20);
    pair_settle(p);
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 4);
    pair_settle(p);
    pair_handover(p, 0);
    pair_work_once(p, 0);
    assert_true(p->node[0].core.sink[0].give);
    pair_handover(p, 1);
    pair_work_once(p, 1);
    assert_int_equal(pair_span(p, 1, 1, e, 15)->handing, HAND_OFFERED);
    pair_read(p, 0);
    assert_int_equal(pair_span(p, 0, 1, e, 15)->owner, 1);
    assert_int_equal(pair_span(p, 0, 1, e, 15)->term, pair_span(p, 1, 1, e, 15)->term + 1);
    pair_work_once(p, 0);
    pair_crash(p, 0); /* And its answer goes with the link. */
    p->node[1].sink_off = false;
    p->node[1].sink_stalls = true;
    pair_elapse_ms(p, 31000); /* T4 */
    assert_int_equal(p->node[1].asked[0].epoch, e);
    pair_answer(p, 1, ANSWER_HAS, 1);
    pair_settle(p);
    assert_int_equal(pair_times(p, 1, e, 9, &marked), 1);
    assert_int_equal(marked, 0);
    pair_crash(p, 1); /* 2-9 are on their way. */
    p->node[0].sink_stalls = p->node[1].sink_stalls = false;
    pair_start(p, 1);
    pair_start(p, 0);
    pair_connect(p);
    for (int i = 0; i < 20; i++) {
        pair_elapse_ms(p, 100);
        answer_unknown(p, 0);
        answer_unknown(p, 1);
    }
    assert_int_equal(p->node[1].core.session, SESSION_UP);
    pair_expect_exactly_once(p);
    free(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(a_gap_that_grew_is_stated),
        T(a_hello_that_is_cut_costs_no_takeover),
        T(a_hello_that_is_cut_marks_no_backlog),
        T(pending_noted_late_is_not_lost_noted),
        T(skipped_and_given_up_is_over),
        T(the_hold_time_passes_while_the_peer_flaps),
        T(a_ragged_outcome_ends_no_process),
        cmocka_unit_test(what_an_owner_did_after_a_declined_offer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
