/* links: test_pair */
/* T3, T5: the disk of an origin has lost the end of a segment, and its peer has it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "pair_steps.h"
#include "record.h"
#include "rules.h"
#include "segment.h"

/* 21 records of node 0, all at node 1, none at the sink; node 0 dies, and its disk keeps ten. */
static uint32_t lose_the_end(struct pair *p)
{
    uint32_t e = pair_die_undelivered(p);

    for (size_t i = 0; i < p->node[0].disk.held_count; i++) {
        if (p->node[0].disk.held[i].epoch == e)
            p->node[0].disk.held[i].to = 10;
    }
    p->node[0].sink_off = false;
    return e;
}

static void expect_all(const struct pair *p, uint32_t e, uint32_t last)
{
    unsigned marked;

    for (uint32_t q = 1; q <= last; q++) {
        if (pair_times(p, 0, e, q, &marked) - marked != 1 && marked == 0)
            print_message("%u: %u times\n", q, pair_times(p, 0, e, q, &marked));
        assert_true(pair_times(p, 0, e, q, &marked) >= 1);
        assert_true(pair_times(p, 0, e, q, &marked) - marked <= 1);
    }
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* T3: its ring is gone too: its next epoch ends the segment before it hears that its peer has more
 * of it than its journal. */
static void ended_before_the_session(void **state)
{
    struct pair *p = *state;
    uint32_t e = lose_the_end(p);

    pair_lose_ring(p, 0);
    pair_start(p, 0);
    pair_elapse_ms(p, 3000);
    assert_true(core_segment(&p->node[0].core, 0, e)->ended);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    expect_all(p, e, 21);
}

/* T3: as before, but for its next epoch, which comes in the session. */
static void ended_in_the_session(void **state)
{
    struct pair *p = *state;
    uint32_t e = lose_the_end(p);

    pair_lose_ring(p, 0);
    pair_start(p, 0);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    pair_elapse_ms(p, 3000);
    expect_all(p, e, 21);
}

/* L2, T1: a session that ends within its hello teaches a process nothing of what the one before it
 * had sent, so that it takes nothing of that back. */
static void a_broken_hello_is_no_news(void **state)
{
    struct pair *p = *state;
    uint32_t e = lose_the_end(p);

    p->node[1].sink_off = true;
    pair_lose_ring(p, 0);
    pair_start(p, 0);
    pair_connect(p);
    pair_settle(p);
    pair_crash(p, 0);
    pair_start(p, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
    pair_connect(p);
    pair_work_once(p, 1);
    pair_work_once(p, 0);
    assert_true(p->node[0].core.facts_out);
    pair_cut(p);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
    p->node[1].sink_off = false;
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    expect_all(p, e, 21);
}

/* T5: of an epoch whose journal is gone the ring has only the end: nobody can tell what was done
 * before it. */
static void a_ring_does_not_outlive_its_journal(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    uint32_t e = pair_live(p, 0);

    pair_wait_for_sinks(p, 20);
    assert_false(core_forgot(c, e));
    pair_crash(p, 0);
    pair_start(p, 0);
    assert_false(core_forgot(c, e));
    pair_crash(p, 0);
    pair_lose_journal(p, 0);
    pair_start(p, 0);
    assert_true(core_forgot(c, e));
    assert_false(core_recover_ring(c, e, 0, 0));
    assert_true(c->highest_epoch >= e); /* It is not opened again. */
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(c->session, SESSION_UP);
    assert_true(core_segment(c, 0, e)->lost); /* What was replicated is the peer's. */
    assert_true(core_forgot(c, e));
}

/* T5, L4: but where it ended the ring knows: its peer, which was not told so far before, states
 * what went with the journal. */
static void its_ring_says_what_went_with_the_journal(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_crash(p, 0);
    pair_lose_journal(p, 0);
    pair_produce(p, 0, 9); /* 22-30, in its ring. */
    pair_return(p, 3000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_true(pair_live(p, 0) > e);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 21));
    assert_true(pair_stated_by(p, 1, RECORD_GAP_LOST, 0, e, 22));
    assert_true(pair_stated_by(p, 1, RECORD_GAP_LOST, 0, e, 30));
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 31));
}

/* Section 9: a ring that another process has written to names no end that an epoch cannot have, nor
 * one of the peer's: the peer would take it for a lie, and end each session. */
static void its_ring_may_lie(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    uint32_t e = pair_live(p, 0);

    pair_crash(p, 0);
    pair_lose_journal(p, 0);
    p->node[0].ring_next = EPOCH_RECORDS_MAX + 2;
    pair_start(p, 0);
    assert_int_equal(c->forgotten.epoch, 0);
    pair_crash(p, 0);
    p->node[0].ring_epoch = e + 1;
    p->node[0].ring_next = 30;
    pair_start(p, 0);
    assert_int_equal(c->forgotten.epoch, 0);
}

/* T1: what it has none of it does not take back. */
static void it_is_not_handed_back(void **state)
{
    struct pair *p = *state;
    uint32_t e = lose_the_end(p);

    p->node[1].sink_off = true;
    pair_start(p, 0);
    core_recover_ring(&p->node[0].core, e, 0, 0);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, e, 11)->owner, 1);
    pair_handover(p, 1);
    pair_elapse_ms(p, 100);
    assert_int_equal(pair_span(p, 0, 0, e, 11)->owner, 1);
    assert_int_equal(pair_span(p, 1, 0, e, 11)->owner, 1);
    p->node[1].sink_off = false;
    p->node[0].ring_next = 22;
    pair_elapse_ms(p, 3000);
    expect_all(p, e, 21);
}

/* T3: its ring has lived on, and is still in that epoch: what it gives from now on is the origin's.
 */
static void the_ring_goes_on(void **state)
{
    struct pair *p = *state;
    uint32_t e = lose_the_end(p);
    struct core_input in = {.kind = CORE_RECORDS, .lost = true};

    pair_start(p, 0);
    core_recover_ring(&p->node[0].core, e, 0, 0);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    in.now_ns = p->now_ns;
    in.records = (struct core_range){0, e, core_hole(&p->node[0].core, e, 22), 21};
    assert_int_equal(in.records.from, 11);
    core_step(&p->node[0].core, &in);
    pair_produce(p, 0, 5);
    pair_elapse_ms(p, 3000);
    expect_all(p, e, 26);
}

/* And answers it.  rest: what came behind. */
static void hears_the_hello_alone(struct pair *p, struct pair_queue *rest)
{
    uint8_t hello[FRAME_SIZE_MAX];
    uint32_t len = pair_take(p, 1, hello);

    *rest = p->node[1].in;
    p->node[1].in.head = p->node[1].in.tail;
    pair_give(p, 1, 0, hello, len);
    pair_work_once(p, 1);
}

/* T3: both settle by what the facts told; the ring goes on before the hello has ended. */
static void the_ring_goes_on_in_the_hello(void **state)
{
    static struct pair_queue rest;
    struct pair *p = *state;
    uint32_t e = lose_the_end(p);
    struct core_input in = {.kind = CORE_RECORDS, .lost = true};

    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_start(p, 0);
    core_recover_ring(&p->node[0].core, e, 0, 0);
    pair_connect(p);
    pair_work_once(p, 1);
    pair_work_once(p, 0);
    assert_true(p->node[0].core.facts_out);
    assert_int_equal(p->node[0].core.session, SESSION_HELLO);
    in.now_ns = p->now_ns;
    in.records = (struct core_range){0, e, core_hole(&p->node[0].core, e, 22), 21};
    core_step(&p->node[0].core, &in);
    hears_the_hello_alone(p, &rest); /* The facts of both cross. */
    p->node[1].in = rest;
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(pair_span(p, 1, 0, e, 15)->owner, 1);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_produce(p, 0, 5);
    pair_elapse_ms(p, 3000);
    expect_all(p, e, 26);
}

/* T3, L3: the peer does not hear that it owns what the disk has lost, and takes it from its origin;
 * and its origin, which had it from its ring again, takes it back. */
static void what_is_given_back_unheard_is_in_doubt(void **state)
{
    static struct pair_queue rest;
    struct pair *p = *state;
    uint32_t e = lose_the_end(p);
    struct core_input in = {.kind = CORE_RECORDS};
    unsigned marked;

    p->node[0].sink_off = true;
    pair_start(p, 0);
    core_recover_ring(&p->node[0].core, e, 0, 0);
    pair_connect(p);
    pair_work_once(p, 1);
    pair_work_once(p, 0);
    hears_the_hello_alone(p, &rest);
    for (int i = 0; i < 4 && p->node[0].core.session != SESSION_UP; i++)
        pair_work_once(p, 0);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(p->node[1].core.session, SESSION_HELLO);
    in.now_ns = p->now_ns;
    in.records = (struct core_range){0, e, 11, 21};
    core_step(&p->node[0].core, &in);
    pair_cut(p);
    p->node[1].sink_off = false;
    pair_take_over(p, 1000);
    for (uint32_t q = 11; q <= 21; q++)
        assert_int_equal(pair_times(p, 0, e, q, &marked), 1);
    pair_crash(p, 1);
    p->node[0].sink_off = false;
    pair_fenced(p, 0);
    pair_elapse_ms(p, 1000);
    for (uint32_t q = 11; q <= 21; q++) {
        assert_int_equal(pair_times(p, 0, e, q, &marked), 2);
        assert_int_equal(marked, 1);
    }
}

/* L4: the origin has emitted some alone when its disk loses the segment: it says what of it is
 * lost, and its peer, which knows of none of that, says nothing, also when it hears of it only
 * later. */
static void what_was_emitted_alone_is_not_lost(void **state)
{
    static struct pair_queue rest;
    struct core_input nothing_older_is_in_the_ring = {.kind = CORE_PRODUCED, .drained = true};
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    pair_cut(p);
    pair_produce(p, 0, 15);
    pair_settle(p);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 5);
    pair_settle(p);
    pair_elapse_ms(p, 1100);
    pair_crash(p, 0);
    for (size_t i = 0; i < p->node[0].disk.held_count; i++) {
        if (p->node[0].disk.held[i].epoch == e)
            p->node[0].disk.held[i].to = 1;
    }
    pair_start(p, 0);
    core_recover_ring(&p->node[0].core, p->node[0].ring_epoch, e, 21);
    pair_elapse_ms(p, 1100);
    nothing_older_is_in_the_ring.now_ns = p->now_ns;
    nothing_older_is_in_the_ring.records.epoch = p->node[0].core.live_epoch;
    core_step(&p->node[0].core, &nothing_older_is_in_the_ring);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->last, 21);
    pair_connect(p);
    pair_work_once(p, 1);
    pair_work_once(p, 0);
    hears_the_hello_alone(p, &rest); /* The session comes up at the origin alone. */
    pair_work_once(p, 0);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(p->node[1].core.session, SESSION_HELLO);
    pair_cut(p);
    pair_settle(p);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_int_equal(p->node[0].stated.kind, RECORD_GAP_LOST);
    assert_int_equal(p->node[0].stated.range.from, 17);
    assert_int_equal(p->node[0].stated.range.to, 21);
    assert_int_equal(p->node[1].stated.kind, 0);
}

/* 21 records that end there, ten of which the disk has; above 12 the sink has confirmed 15. */
static struct segment *lose_above_ten(struct pair *p)
{
    struct core *c = &p->node[0].core;
    struct segment *g;
    struct span *s;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    g = segment_find(c, 0, pair_live(p, 0));
    segment_close(c, g, 21);
    g->journaled = g->replicated = 10;
    assert_true(delivery_split(&g->at[0], &g->at[0].span[0], 12));
    s = delivery_find(&g->at[0], 13);
    s->emitted = s->handed = s->intent = 15;
    return g;
}

/* A3: every sink has confirmed what lies above the range that is stated, and below it. */
static void only_what_a_sink_lacks_is_stated(void **state)
{
    struct pair *p = *state;
    struct segment *g = lose_above_ten(p);
    struct span *s = delivery_find(&g->at[0], 13);

    assert_true(delivery_split(&g->at[0], s, 17));
    s = delivery_find(&g->at[0], 18);
    s->emitted = s->handed = s->intent = s->to;
    s = delivery_find(&g->at[0], 12);
    s->emitted = s->handed = s->intent = 12;
    gap_tail_lost(&p->node[0].core, g);
    assert_int_equal(g->gap, GAP_LOST);
    assert_int_equal(g->gap_from, 16);
    assert_int_equal(g->gap_to, 17);
}

/* T5: its origin lacks the sink, and is silent: what this node owned there, and its disk has lost,
 * is stated. */
static void what_goes_where_a_silent_origin_has_no_sink_is_stated(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[1].core;
    struct segment *g;

    pair_die_undelivered(p);
    g = segment_find(c, 0, pair_take_over_backlog(p, 100));
    assert_int_equal(pair_span(p, 1, 0, g->epoch, 21)->owner, 1);
    segment_close(c, g, 21);
    g->journaled = 15;
    g->fact_seen = c->peer_fresh = c->peer_has[0] = false;
    c->peer_first_epoch = 0;
    settled_hello_done(c);
    assert_true(g->lost);
    assert_int_equal(g->gap, GAP_LOST);
    assert_int_equal(g->gap_from, 16);
    assert_int_equal(g->gap_to, 21);
}

/* L4: records that were handed over between two runs of lost ones are in no statement. */
static void each_run_is_stated_by_itself(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    struct segment *g = lose_above_ten(p);

    gap_runs_lost(c, g);
    assert_int_equal(g->gap_from, 16);
    assert_int_equal(g->gap_to, 21);
    gap_runs_lost(c, g); /* Not before that one is told. */
    assert_int_equal(g->gap_from, 16);
    g->gap_told = true;
    gap_runs_lost(c, g);
    assert_int_equal(g->gap_from, 11);
    assert_int_equal(g->gap_to, 12);
    assert_int_equal(g->last, 10);
}

/* L4: the operator says that the peer is gone, and it comes back before an epoch is open to state
 * in what only it has: it brings that. */
static void what_is_not_stated_yet_may_come_back(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_wait_for_sinks(p, 20); /* 2-21 */
    pair_cut(p);
    pair_elapse_ms(p, 1100); /* The next epoch says where this one ended. */
    pair_crash(p, 0);
    pair_held(p, 0, e)->to = 11;
    pair_start(p, 0);
    pair_produce(p, 0, 1); /* From the ring, which is in that epoch. */
    pair_fenced(p, 0);
    pair_elapse_ms(p, 900);
    assert_int_equal(p->node[0].core.live_epoch, 0);
    pair_connect(p);
    pair_elapse_ms(p, 500);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_elapse_ms(p, 2000);
    for (uint32_t q = 2; q <= 21; q++)
        assert_true(pair_times(p, 0, e, q, &marked) >= 1);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 21));
}

/* T3: node 1 owns what its origin's disk has lost, and goes on with it alone; so does node 0, which
 * does not have it.  As they settle it is node 1's again, and what that has in flight stays so. */
static void what_is_in_flight_of_a_tail_stays_so(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_die_undelivered(p);
    unsigned marked;

    pair_lose_tail(p, 0, e, 6);
    p->node[1].sink_off = true;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 1500);
    assert_int_equal(pair_span(p, 1, 0, e, 7)->owner, 1);
    pair_cut(p);
    p->node[1].sink_off = false;
    p->node[1].sink_stalls = true;
    pair_fenced(p, 1);
    pair_cluster(p, 0, true, true);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 7, &marked), 1);
    assert_int_equal(pair_span(p, 0, 0, e, 7)->owner, 0);
    assert_true(pair_span(p, 0, 0, e, 7)->term > pair_span(p, 1, 0, e, 7)->term);
    pair_connect(p);
    pair_work_once(p, 1); /* Its hello, so that node 0's facts go before it hears node 1's. */
    pair_work_once(p, 0);
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, e, 7)->owner, 1);
    assert_int_equal(pair_times(p, 0, e, 7, &marked), 1);
    p->node[1].sink_stalls = p->node[0].sink_off = false;
    pair_confirm(p, 1);
    pair_elapse_ms(p, 3000);
    for (uint32_t q = 7; q <= 21; q++)
        assert_int_equal(pair_times(p, 0, e, q, &marked), 1);
}

/* T3, T5: a node is put back to an old copy of its journal, of before its last epoch, and its ring
 * is gone with its host.  Its silence about that epoch is no word that it is settled: its peer
 * holds all of it, and hands it over, or somebody states it as lost. */
static void an_old_copy_is_silent_about_what_it_never_knew(void **state)
{
    struct pair *p = *state;
    static struct pair_disk copy;
    uint32_t e;
    unsigned marked;

    copy = p->node[0].disk;
    pair_cut(p);
    pair_elapse_ms(p, 2000);
    pair_connect(p);
    pair_elapse_ms(p, 2000);
    e = pair_live(p, 0);
    pair_wait_for_sinks(p, 20);
    pair_elapse_ms(p, 1000);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 21);
    pair_crash(p, 0);
    pair_lose_ring(p, 0);
    p->node[0].disk = copy;
    p->options.clock_epoch = 1000; /* The clock has run on: it opens its next epoch at once. */
    pair_start(p, 0);
    assert_true(pair_live(p, 0) > e);
    pair_connect(p);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_elapse_ms(p, 90000);
    assert_null(core_segment(&p->node[1].core, 0, e));
    for (uint32_t q = 2; q <= 21; q++)
        assert_true(pair_times(p, 0, e, q, &marked) > 0 ||
                    pair_stated(p, RECORD_GAP_LOST, 0, e, q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_old_copy_is_silent_about_what_it_never_knew, pair_up,
                                        pair_end),
        cmocka_unit_test_setup_teardown(what_is_in_flight_of_a_tail_stays_so, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(ended_before_the_session, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(ended_in_the_session, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(a_broken_hello_is_no_news, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(a_ring_does_not_outlive_its_journal, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(its_ring_says_what_went_with_the_journal, pair_up,
                                        pair_end),
        cmocka_unit_test_setup_teardown(its_ring_may_lie, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(it_is_not_handed_back, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(the_ring_goes_on, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(the_ring_goes_on_in_the_hello, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(what_is_given_back_unheard_is_in_doubt, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(what_was_emitted_alone_is_not_lost, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(each_run_is_stated_by_itself, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(what_goes_where_a_silent_origin_has_no_sink_is_stated,
                                        pair_up, pair_end),
        cmocka_unit_test_setup_teardown(only_what_a_sink_lacks_is_stated, pair_up, pair_end),
        cmocka_unit_test_setup_teardown(what_is_not_stated_yet_may_come_back, pair_up, pair_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
