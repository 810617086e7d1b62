/* links: test_pair */
/* D1: what a sink's answer tells, and what it cannot. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "pair_steps.h"
#include "record.h"
#include "segment.h"

static void stream(struct core_sink_options *o) /* JetStream, PostgreSQL */
{
    o->answers = true;
}

static void held_by_a_keeper(struct core_sink_options *o)
{
    o->answers = o->local = o->may_fail = true;
    o->policy = IN_DOUBT_HOLD;
}

/* Ten records of node 0, in two spans, and no connection: what is in the lower one is in doubt. */
static struct segment *two_spans(struct pair *p)
{
    struct segment *g;
    struct span *s;

    pair_sink_lost(p, 0);
    pair_produce(p, 0, 10);
    pair_settle(p);
    g = segment_find(&p->node[0].core, 0, pair_live(p, 0));
    assert_true(delivery_split(&g->at[0], &g->at[0].span[0], 5));
    s = &g->at[0].span[0];
    s->doubt = 5;
    s->intent = s->granted = max_u32(s->intent, 5);
    return g;
}

/* An answer names the last: what is handed over above would be taken for what is asked about. */
static void nothing_goes_out_above_a_question(void **state)
{
    struct pair *p = pair_begin(stream);
    struct segment *g = two_spans(p);
    uint32_t e = g->epoch;
    unsigned marked;

    (void)state;
    g->at[0].span[1].guarded = true; /* It needs no answer of its own. */
    pair_sink_up(p, 0);
    pair_work_once(p, 0);
    pair_settle(p);
    assert_int_equal(p->node[0].asked_count, 1);
    assert_int_equal(pair_times(p, 0, e, 7, &marked), 0);
    pair_answer(p, 0, ANSWER_HAS, 1);
    pair_settle(p);
    pair_elapse_ms(p, 50);
    assert_int_equal(pair_times(p, 0, e, 2, &marked), 1);
    assert_int_equal(marked, 0);
    free(p);
}

/* What was in doubt is confirmed before the question is out: there is nothing to ask. */
static void nothing_is_asked_about_what_came(void **state)
{
    struct pair *p = pair_begin(held_by_a_keeper);
    struct segment *g = two_spans(p);
    struct core_input in = {
        .kind = CORE_CONFIRMED, .now_ns = p->now_ns, .records = {0, g->epoch, 2, 5}};
    struct core_give give;

    (void)state;
    pair_sink_up(p, 0);
    core_pull(&p->node[0].core, 0, 100, &give);
    assert_int_equal(g->at[0].span[0].asked, ASK_WANTED);
    core_step(&p->node[0].core, &in);
    pair_settle(p);
    assert_int_equal(p->node[0].asked_count, 0);
    assert_true(g->at[0].span[0].doubt <= g->at[0].span[0].emitted);
    free(p);
}

/* What was journaled while the question was on its way may have been taken over and written: where
 * all that was asked about is there, it is asked about the rest. */
static void an_answer_to_the_end_is_not_the_last(void **state)
{
    struct pair *p = pair_begin(stream);
    struct segment *g = two_spans(p);
    struct span *s = &g->at[0].span[1];
    unsigned marked;

    (void)state;
    g->at[0].span[0].emitted = g->at[0].span[0].handed = 5;
    pair_sink_up(p, 0);
    pair_work_once(p, 0);
    pair_settle(p);
    assert_int_equal(p->node[0].asked_count, 1);
    assert_int_equal(p->node[0].asked[0].to, 11);
    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_answer(p, 0, ANSWER_HAS, 11);
    pair_work_once(p, 0);
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, g->epoch, 12, &marked), 0);
    assert_int_equal(p->node[0].asked_count, 1);
    assert_int_equal(p->node[0].asked[0].to, 21);
    pair_answer(p, 0, ANSWER_HAS, 15); /* Less than that: there is no more. */
    pair_settle(p);
    assert_int_equal(s->emitted, 21);
    assert_int_equal(pair_times(p, 0, g->epoch, 15, &marked), 0);
    assert_int_equal(pair_times(p, 0, g->epoch, 16, &marked), 1);
    free(p);
}

/* D2 hold: above a range that the peer may have written, and that waits for the operator, this node
 * has gone on; its own connection says that it was given all, and that is not about the range. */
static void own_records_above_answer_for_nothing_below(void **state)
{
    struct pair *p = pair_begin(held_by_a_keeper);
    struct segment *g = two_spans(p);
    struct span *s = &g->at[0].span[0];

    (void)state;
    s->foreign = true;
    s[1].emitted = s[1].handed = 8;
    s[1].intent = max_u32(s[1].intent, 8);
    pair_sink_up(p, 0);
    pair_settle(p);
    assert_int_equal(p->node[0].asked_count, 1);
    pair_answer(p, 0, ANSWER_WRITTEN, 8);
    pair_settle(p);
    assert_true(s->handed < 5);
    assert_int_equal(s->doubt, 5);
    free(p);
}

/* What the node before it intended above a range, and what waits there for a question of its own,
 * takes nothing from an answer that is about the range. */
static void an_answer_about_the_range_counts(void **state)
{
    struct pair *p = pair_begin(held_by_a_keeper);
    struct segment *g = two_spans(p);
    struct span *s = &g->at[0].span[0];

    (void)state;
    s->foreign = s[1].foreign = true;
    s[1].doubt = s[1].intent = 11;
    pair_sink_up(p, 0);
    pair_settle(p);
    assert_int_equal(p->node[0].asked_count, 1);
    pair_answer(p, 0, ANSWER_HAS, 4);
    assert_int_equal(s->emitted, 4);
    assert_int_equal(s->doubt, 5); /* Its peer may have emitted the last one. */
    free(p);
}

/* Its first record nobody else can have written, but while it had no connection the peer may have
 * taken it over: the connection that comes is asked. */
static void a_guard_begins_with_a_connection(void **state)
{
    struct pair *p = pair_begin(stream);
    struct segment *g;

    (void)state;
    pair_sink_lost(p, 0);
    pair_cut(p);
    pair_elapse_ms(p, 1500);
    g = segment_find(&p->node[0].core, 0, pair_live(p, 0));
    assert_false(g->at[0].span[0].guarded);
    free(p);
}

/* 2-6 of node 0 are at its sink, which has not confirmed them.  The epoch. */
static uint32_t five_are_there(struct pair *p)
{
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 5);
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, e, 6, &marked), 1);
    return e;
}

/* Then its disk loses them, so that they are the peer's, which holds them. */
static uint32_t lose_what_is_there(struct pair *p)
{
    uint32_t e = five_are_there(p);

    pair_crash(p, 0);
    pair_lose_tail(p, 0, e, 1);
    pair_return(p, 1500);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(pair_span(p, 0, 0, e, 6)->owner, 1);
    return e;
}

static void answer_all(struct pair *p, uint32_t e, uint32_t last)
{
    while (p->node[0].asked_count > 0) {
        pair_answer(p, 0, ANSWER_HAS, p->node[0].asked[0].epoch == e ? last : 0);
        pair_settle(p);
    }
}

/* L3, L4: the peer is fenced before it can ask: they are taken back, and asked about, before they
 * are stated as lost. */
static void a_fenced_peer_leaves_its_question(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e = lose_what_is_there(p);

    (void)state;
    pair_crash(p, 1);
    p->node[0].asked_count = 0;
    pair_fenced(p, 0);
    pair_elapse_ms(p, 2000);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 6));
    answer_all(p, e, 6);
    pair_elapse_ms(p, 2000);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 6));
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->gap, GAP_NONE);
    free(p);
}

/* L3: so it is where a connection begins before our count of the lease has run out. */
static void a_hello_waits_with_the_tail(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e = lose_what_is_there(p);
    struct core_input up = {.kind = CORE_LINK_UP, .link = {0, 77}};

    (void)state;
    pair_elapse_ms(p, 1000);
    pair_crash(p, 1);
    pair_fenced(p, 0);
    up.now_ns = p->now_ns;
    core_step(&p->node[0].core, &up);
    p->node[0].asked_count = 0;
    pair_elapse_ms(p, 400);
    assert_int_equal(p->node[0].core.session, SESSION_HELLO);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 6));
    free(p);
}

/* T5: and where the peer comes back without its journal. */
static void a_peer_without_its_journal_asks_nothing(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e = lose_what_is_there(p);

    (void)state;
    pair_lose_host(p, 1);
    p->node[0].asked_count = 0;
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 2500);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 6));
    answer_all(p, e, 3);
    pair_elapse_ms(p, 500);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 3));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 4));
    free(p);
}

/* T1: handed over, and under way at the peer; both disks lose it. */
static void what_both_disks_lose_is_asked_about(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    (void)state;
    pair_wait_for_sinks(p, 20);
    pair_handover(p, 0);
    pair_elapse_ms(p, 100);
    pair_cut(p);
    pair_elapse_ms(p, 1100); /* It ends, and the next epoch is open. */
    pair_connect(p);
    pair_settle(p);
    p->node[1].sink_off = false;
    p->node[1].sink_stalls = true;
    pair_elapse_ms(p, 50);
    while (p->node[1].asked_count > 0) {
        pair_answer(p, 1, ANSWER_HAS, p->node[1].asked[0].from - 1);
        pair_settle(p);
    }
    assert_int_equal(pair_times(p, 0, e, 9, &marked), 1);
    pair_elapse_ms(p, 50);
    pair_crash(p, 0);
    pair_crash(p, 1);
    pair_lose_tail(p, 0, e, 5);
    for (size_t i = 0; i < p->node[1].disk.held_count; i++) {
        if (p->node[1].disk.held[i].origin == 0 && p->node[1].disk.held[i].epoch == e)
            p->node[1].disk.held[i].to = 5;
    }
    p->node[1].asked_count = 0;
    pair_start(p, 1);
    pair_return(p, 2500);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 9));
    free(p);
}

/* T1: nor is a lost tail handed over, which nobody has, while the sink is asked about it. */
static void a_lost_tail_is_not_handed_over(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e, term;

    (void)state;
    pair_cut(p);
    e = five_are_there(p);
    pair_elapse_ms(p, 1100); /* The next epoch is open. */
    pair_crash(p, 0);
    pair_lose_tail(p, 0, e, 1);
    p->node[0].sink_stalls = false;
    pair_return(p, 1500);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(pair_span(p, 0, 0, e, 6)->owner, 0);
    term = pair_span(p, 0, 0, e, 6)->term;
    pair_handover(p, 0);
    pair_elapse_ms(p, 300);
    assert_int_equal(pair_span(p, 0, 0, e, 6)->owner, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 6)->term, term);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 6));
    free(p);
}

static void file(struct core_sink_options *o)
{
    o->answers = o->local = true;
    o->hold_ns = 0; /* For ever. */
}

/* L2: its file was opened anew with 2-6 under way, which then wait for the peer: what was never
 * sent to that goes on. */
static void what_was_never_sent_goes_on_above_what_is_held(void **state)
{
    struct pair *p = pair_begin(file);
    uint32_t e = five_are_there(p);
    unsigned marked;

    (void)state;
    pair_crash(p, 0);
    p->node[0].sink_stalls = false;
    pair_start(p, 0);
    pair_crash(p, 1);
    pair_produce(p, 0, 5); /* 7-11 */
    pair_elapse_ms(p, 2000);
    answer_all(p, e, 1);
    pair_elapse_ms(p, 100);
    assert_int_equal(pair_times(p, 0, e, 11, &marked), 1);
    assert_int_equal(marked, 0);
    assert_int_equal(pair_times(p, 0, e, 6, &marked), 1); /* As before: it is held. */
    free(p);
}

static void stream_alone(struct core_sink_options *o)
{
    o->answers = true;
    o->hold_ns = 500 * MS;
}

/* A3, D1: its taker has a right to all that is to come, the origin goes on alone, and its disk
 * loses what it gave to the sink.  Its taker knows nothing of that: the sink does. */
static void what_is_lost_may_be_there(void **state)
{
    struct pair *p = pair_begin(stream_alone);
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    (void)state;
    pair_produce(p, 0, 4); /* 2-5 */
    pair_elapse_ms(p, 100);
    pair_handover(p, 0);
    pair_work_once(p, 0); /* Offered, */
    pair_work_once(p, 1); /* accepted. */
    pair_cut(p);
    pair_crash(p, 0);
    pair_start(p, 0);
    pair_produce(p, 0, 5); /* 6-10 */
    for (int i = 0; i < 30; i++) {
        pair_elapse_ms(p, 100);
        p->node[0].sink_stalls = true;
        answer_all(p, e, 0);
    }
    assert_int_equal(pair_times(p, 0, e, 10, &marked), 1);
    pair_crash(p, 0);
    pair_lose_tail(p, 0, e, 5);
    p->node[0].sink_stalls = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 1100);
    p->node[0].asked_count = 0;
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    for (int i = 0; i < 30; i++) {
        pair_elapse_ms(p, 100);
        answer_all(p, e, 10);
    }
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 10));
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_out_above_a_question),
        cmocka_unit_test(nothing_is_asked_about_what_came),
        cmocka_unit_test(an_answer_to_the_end_is_not_the_last),
        cmocka_unit_test(own_records_above_answer_for_nothing_below),
        cmocka_unit_test(an_answer_about_the_range_counts),
        cmocka_unit_test(a_guard_begins_with_a_connection),
        cmocka_unit_test(a_fenced_peer_leaves_its_question),
        cmocka_unit_test(a_hello_waits_with_the_tail),
        cmocka_unit_test(a_peer_without_its_journal_asks_nothing),
        cmocka_unit_test(what_both_disks_lose_is_asked_about),
        cmocka_unit_test(a_lost_tail_is_not_handed_over),
        cmocka_unit_test(what_was_never_sent_goes_on_above_what_is_held),
        cmocka_unit_test(what_is_lost_may_be_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
