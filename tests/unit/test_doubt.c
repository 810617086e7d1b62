/* links: test_pair */
/* D1, D1a, D1b, D2: what may be at a sink already, and what the sink can say about it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pair_steps.h"
#include "rules.h"
#include "segment.h"
#include "record.h"

static void stream(struct core_sink_options *o) /* JetStream, PostgreSQL */
{
    o->answers = true;
}

static void file(struct core_sink_options *o)
{
    o->answers = o->local = true;
}

static void keeper(struct core_sink_options *o) /* D1a */
{
    o->answers = o->local = o->may_fail = true;
}

static void floating(struct core_sink_options *o) /* D1b */
{
    o->answers = o->may_fail = true;
}

static void skipping(struct core_sink_options *o)
{
    o->policy = IN_DOUBT_SKIP;
}

/* E = 1, I = 9, R = 101 at node 0, whose sink has taken 2-9 and confirmed none of them. */
static uint32_t eight_in_flight(struct pair *p)
{
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    return p->node[0].core.live_epoch;
}

static void confirm(struct pair *p, int n, struct core_range r)
{
    struct core_input in = {.kind = CORE_CONFIRMED, .now_ns = p->now_ns, .records = r};

    core_step(&p->node[n].core, &in);
}

static void expect_times(const struct pair *p, uint32_t e, uint32_t q, unsigned times,
                         unsigned marked)
{
    unsigned m;

    assert_int_equal(pair_times(p, 0, e, q, &m), times);
    assert_int_equal(m, marked);
}

static void take_over(struct pair *p)
{
    pair_fail_over(p, 600);
}

static void restart(struct pair *p)
{
    pair_crash(p, 0);
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 50);
}

/* D1: the taker goes on right behind what the sink has, and marks nothing. */
static void taker_goes_on_from_the_answer(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e = eight_in_flight(p);

    (void)state;
    take_over(p);
    expect_times(p, e, 10, 0, 0); /* Not before the answer. */
    pair_answer(p, 1, ANSWER_HAS, 5);
    pair_settle(p);
    expect_times(p, e, 5, 1, 0);
    expect_times(p, e, 6, 2, 0); /* The dead node's copy was on the way and did not arrive. */
    expect_times(p, e, 101, 1, 0);
    assert_int_equal(p->node[1].core.in_doubt[0], 0);
    free(p);
}

/* D1: as its origin is back, a taker asks anew, whatever it has in flight. */
static void taker_asks_after_each_settlement(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e = eight_in_flight(p);

    (void)state;
    p->node[1].sink_stalls = true;
    take_over(p);
    pair_answer(p, 1, ANSWER_HAS, 5);
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, e, 10)->asked, ASK_DONE);
    assert_true(pair_span(p, 1, 0, e, 10)->handed > 5);
    p->node[0].sink_stalls = false;
    pair_start(p, 0);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[1].core.session, SESSION_UP);
    assert_int_equal(pair_span(p, 1, 0, e, 10)->owner, 1);
    assert_int_not_equal(pair_span(p, 1, 0, e, 10)->asked, ASK_DONE);
    free(p);
}

/* D1: the sink may have more than we thought: its owner went on alone. */
static void answer_above_the_doubt_is_believed(void **state)
{
    struct pair *p = pair_begin(floating);
    uint32_t e = eight_in_flight(p);

    (void)state;
    take_over(p);
    pair_answer(p, 1, ANSWER_HAS, 20);
    pair_settle(p);
    expect_times(p, e, 20, 0, 0);
    expect_times(p, e, 21, 1, 0);
    free(p);
}

static void reconnect(struct pair *p)
{
    pair_sink_lost(p, 0);
    pair_sink_up(p, 0);
    pair_settle(p);
}

/* D1: the guard of a new connection hides what the other node wrote before it, so that the sink is
 * asked also where nothing is in doubt here: the fencing command may have lied. */
static void new_connection_is_asked_about(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e;

    (void)state;
    pair_produce(p, 0, 10);
    pair_settle(p);
    e = p->node[0].core.live_epoch;
    reconnect(p);
    pair_produce(p, 0, 10);
    pair_settle(p);
    expect_times(p, e, 11, 1, 0);
    expect_times(p, e, 12, 0, 0);
    assert_int_equal(p->node[0].asked_count, 1);
    pair_answer(p, 0, ANSWER_HAS, 14);
    pair_settle(p);
    expect_times(p, e, 14, 0, 0);
    expect_times(p, e, 15, 1, 0);
    expect_times(p, e, 21, 1, 0);
    free(p);
}

/* A3: of 40 records of node 0 the journal has lost those from 12 on, of which 12-19 were in flight
 * as it died; its sink is asked about them.  The epoch. */
static uint32_t tail_is_lost(struct pair *p)
{
    struct pair_node *origin = &p->node[0];
    uint32_t e = origin->core.live_epoch;

    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    origin->sink_stalls = true;
    pair_produce(p, 0, 29); /* 12-40, never sent */
    pair_cut(p);
    pair_elapse_ms(p, 100);
    pair_crash(p, 0);
    pair_lose_tail(p, 0, e, 11);
    pair_start(p, 0);
    pair_sink_up(p, 0);
    pair_elapse_ms(p, 1100);          /* Its ring has nothing more of it. */
    pair_answer(p, 0, ANSWER_HAS, 0); /* Of the epoch after it. */
    pair_connect(p);                  /* The peer does not have it either. */
    pair_settle(p);
    return e;
}

static void expect_asked(const struct pair *p, uint32_t e, uint32_t from, uint32_t to)
{
    const struct core_range *r = &p->node[0].asked[0];

    assert_true(p->node[0].asked_count > 0);
    assert_int_equal(r->epoch, e);
    assert_int_equal(r->from, from);
    assert_int_equal(r->to, to);
}

static void expect_stated_lost(const struct pair *p, uint32_t from, uint32_t to)
{
    assert_int_equal(p->node[0].stated.kind, RECORD_GAP_LOST);
    assert_int_equal(p->node[0].stated.range.from, from);
    assert_int_equal(p->node[0].stated.range.to, to);
}

/* A3: what the journal lost may be at the sink, which is asked before it is stated as lost. */
static void lost_tail_is_asked_about(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e = tail_is_lost(p);

    (void)state;
    expect_asked(p, e, 12, 40); /* All that it may have handed over, as far as it is known. */
    pair_answer(p, 0, ANSWER_HAS, 15);
    pair_elapse_ms(p, 1100);
    expect_stated_lost(p, 16, 40);
    free(p);
}

/* A3: what was on its way as the sink answered comes after it, and the sink says that somebody has
 * written: its answer is void, also where it left nothing in doubt. */
static void what_came_since_the_answer_is_not_lost(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e = tail_is_lost(p);

    (void)state;
    pair_answer(p, 0, ANSWER_HAS, 0);
    pair_sink_lost(p, 0);
    pair_sink_up(p, 0);
    pair_elapse_ms(p, 10);
    assert_int_not_equal(p->node[0].stated.kind, RECORD_GAP_LOST);
    expect_asked(p, e, 12, 40); /* To its end, whatever was intended here. */
    pair_answer(p, 0, ANSWER_HAS, 19);
    pair_elapse_ms(p, 1100);
    expect_stated_lost(p, 20, 40);
    free(p);
}

/* D2 skip: one statement instead of the records. */
static void skipped_is_stated(void **state)
{
    struct pair *p = pair_begin(skipping);
    uint32_t e = eight_in_flight(p);
    unsigned marked;

    (void)state;
    p->node[0].sink_stalls = false;
    reconnect(p);
    assert_int_equal(p->node[0].stated.kind, RECORD_GAP_IN_DOUBT);
    assert_int_equal(p->node[0].stated.range.from, 2);
    assert_int_equal(p->node[0].stated.range.to, 9);
    assert_int_equal(p->node[0].core.in_doubt[0], 8);
    expect_times(p, e, 9, 1, 0);
    expect_times(p, e, 10, 1, 0);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
    free(p);
}

/* D2 skip: what may have been handed over is marked ahead; what is not decided is not skipped. */
static void nothing_that_is_to_come_is_skipped(void **state)
{
    struct pair *p = pair_begin(skipping);
    uint32_t e = eight_in_flight(p);
    struct segment *g = segment_find(&p->node[0].core, 0, e);
    struct span *s = &g->at[0].span[g->at[0].count - 1];

    (void)state;
    p->node[0].sink_stalls = false;
    pair_sink_lost(p, 0);
    s->intent = s->doubt = 65536;
    pair_sink_up(p, 0);
    pair_settle(p);
    assert_int_equal(p->node[0].stated.kind, RECORD_GAP_IN_DOUBT);
    assert_int_equal(p->node[0].stated.range.to, 101);
    pair_elapse_ms(p, 100);
    assert_int_equal(g->produced, 102); /* The statement. */
    free(p);
}

/* What the peer may have handed over beyond all that this node knows of stays in doubt. */
static void what_the_peer_may_have_done_stays_in_doubt(void **state)
{
    struct pair *p = pair_begin(skipping);
    uint32_t e = eight_in_flight(p);
    struct segment *g = segment_find(&p->node[0].core, 0, e);
    struct span *s;

    (void)state;
    pair_cut(p);
    p->node[0].core.epoch_wanted = false; /* N6 */
    s = &g->at[0].span[g->at[0].count - 1];
    s->owner = 1;
    s->intent = s->doubt = 500;
    pair_work_once(p, 0);
    assert_int_equal(s->doubt, 500);
    assert_int_equal(s->intent, 500);
    free(p);
}

/* D2 skip: where the epoch before it ended is said nowhere else than in an epoch's first record. */
static void start_of_an_epoch_is_not_skipped(void **state)
{
    struct pair *p = pair_begin(skipping);
    uint32_t e;

    (void)state;
    p->node[0].sink_stalls = true;
    pair_elapse_ms(p, 1000);
    pair_cut(p);
    pair_elapse_ms(p, 100);
    pair_produce(p, 0, 3);
    pair_settle(p);
    e = pair_live(p, 0);
    expect_times(p, e, 4, 1, 0);
    p->node[0].sink_stalls = false;
    reconnect(p);
    expect_times(p, e, 1, 2, 1);
    expect_times(p, e, 2, 1, 0);
    assert_int_equal(p->node[0].stated.kind, RECORD_GAP_IN_DOUBT);
    assert_int_equal(p->node[0].stated.range.from, 2);
    assert_int_equal(p->node[0].stated.range.to, 4);
    free(p);
}

/* D1: the answer to a question of before, about less than what is in doubt now, says nothing of the
 * rest. */
static void older_answer_is_no_answer(void **state)
{
    struct pair *p = pair_begin(file);
    uint32_t e = eight_in_flight(p);

    (void)state;
    reconnect(p);
    reconnect(p);
    assert_int_equal(p->node[0].asked_count, 2); /* Of 2-9, twice. */
    pair_answer(p, 0, ANSWER_HAS, 9);
    pair_settle(p);
    expect_times(p, e, 17, 1, 0);
    reconnect(p);
    pair_answer(p, 0, ANSWER_HAS, 9); /* The second of them. */
    pair_elapse_ms(p, 20);            /* It is asked again. */
    expect_times(p, e, 17, 1, 0);
    pair_answer(p, 0, ANSWER_HAS, 17);
    pair_settle(p);
    expect_times(p, e, 17, 1, 0);
    expect_times(p, e, 18, 1, 0);
    free(p);
}

/* D1: nor is one to a question about a longer run, that was cut meanwhile: its upper part may have
 * gone on. */
static void answer_of_a_longer_run_is_no_answer(void **state)
{
    struct pair *p = pair_begin(stream);
    uint32_t e = eight_in_flight(p);

    (void)state;
    reconnect(p);
    assert_int_equal(p->node[0].asked_count, 1); /* Of 2-101. */
    pair_cut(p);
    pair_settle(p);
    p->node[0].asked[0].to = 120;
    pair_answer(p, 0, ANSWER_HAS, 110);
    assert_int_equal(pair_span(p, 0, 0, e, 50)->emitted, 1);
    pair_elapse_ms(p, 400); /* Alone (finding 6): it is asked again. */
    pair_answer(p, 0, ANSWER_HAS, 5);
    pair_settle(p);
    expect_times(p, e, 6, 2, 0);
    free(p);
}

/* D1a: the process before this one wrote up to 6: 7 is the next, nothing is marked, and the
 * confirmation of what this process never pulled counts. */
static void written_is_not_handed_over_again(void **state)
{
    struct pair *p = pair_begin(keeper);
    uint32_t e = eight_in_flight(p);
    const struct span *s;

    (void)state;
    restart(p);
    pair_answer(p, 0, ANSWER_WRITTEN, 6);
    s = pair_span(p, 0, 0, e, 2);
    assert_int_equal(s->handed, 6);
    assert_int_equal(s->emitted, 1);
    pair_settle(p);
    expect_times(p, e, 6, 1, 0);
    expect_times(p, e, 7, 2, 0); /* The first copy did not leave the old process. */
    confirm(p, 0, (struct core_range){0, e, 2, 4});
    assert_int_equal(pair_span(p, 0, 0, e, 2)->emitted, 4);
    confirm(p, 0, (struct core_range){0, e, 5, 6});
    assert_int_equal(pair_span(p, 0, 0, e, 2)->emitted, 6);
    pair_confirm(p, 0);
    p->node[0].sink_stalls = false;
    pair_settle(p);
    expect_times(p, e, 101, 1, 0);
    assert_int_equal(p->node[0].core.in_doubt[0], 0);
    free(p);
}

/* D1a, then the connection is lost before it confirms: what was written is in doubt again. */
static void written_and_lost_is_in_doubt_again(void **state)
{
    struct pair *p = pair_begin(keeper);
    uint32_t e = eight_in_flight(p);
    const struct span *s;

    (void)state;
    restart(p);
    pair_answer(p, 0, ANSWER_WRITTEN, 6);
    confirm(p, 0, (struct core_range){0, e, 2, 3});
    pair_sink_lost(p, 0);
    s = pair_span(p, 0, 0, e, 4);
    assert_int_equal(s->handed, 3);
    assert_int_equal(s->doubt, 6);
    pair_settle(p);
    pair_sink_up(p, 0);
    pair_settle(p);
    pair_answer(p, 0, ANSWER_UNKNOWN, 0);
    pair_settle(p);
    expect_times(p, e, 3, 1, 0);
    expect_times(p, e, 4, 2, 1);
    expect_times(p, e, 6, 2, 1);
    expect_times(p, e, 7, 2, 0);
    free(p);
}

/* D2 after D1b: who cannot tell marks (E, I], and no more than that. */
static void unknown_marks_what_was_intended(void **state)
{
    struct pair *p = pair_begin(floating);
    uint32_t e = eight_in_flight(p);

    (void)state;
    take_over(p);
    expect_times(p, e, 2, 1, 0);
    pair_answer(p, 1, ANSWER_UNKNOWN, 0);
    pair_settle(p);
    expect_times(p, e, 2, 2, 1);
    expect_times(p, e, 9, 2, 1);
    expect_times(p, e, 10, 1, 0);
    assert_int_equal(p->node[1].core.in_doubt[0], 8);
    free(p);
}

/* D1b: the survivor goes on in the dead node's connection; it may confirm only later. */
static void survivor_goes_on_in_the_connection(void **state)
{
    struct pair *p = pair_begin(floating);
    uint32_t e = eight_in_flight(p);

    (void)state;
    take_over(p);
    pair_answer(p, 1, ANSWER_WRITTEN, 9);
    pair_settle(p);
    expect_times(p, e, 9, 1, 0);
    expect_times(p, e, 10, 0, 0); /* N3: the window is full. */
    confirm(p, 1, (struct core_range){0, e, 2, 9});
    pair_settle(p);
    expect_times(p, e, 9, 1, 0);
    expect_times(p, e, 101, 1, 0);
    assert_int_equal(p->node[1].core.in_doubt[0], 0);
    free(p);
}

/* D1: the peer knows of a higher intent than this process does, so that more is in doubt than the
 * sink was asked about. */
static void answer_of_before_the_hello_is_no_answer(void **state)
{
    struct pair *p = pair_begin(stream);
    struct core *c = &p->node[0].core;
    struct delivery theirs;
    struct segment *g;
    struct span *s;

    (void)state;
    pair_produce(p, 0, 60);
    pair_settle(p);
    g = segment_find(c, 0, c->live_epoch);
    s = &g->at[0].span[0];
    s->emitted = s->handed = 10;
    s->doubt = 12;
    s->intent = 18;
    s->asked = ASK_DONE;
    s->guarded = true;
    theirs = g->at[0];
    reconcile(c, g, 0, &theirs);
    assert_int_equal(g->at[0].span[0].asked, ASK_DONE);
    theirs.span[0].intent = 40;
    reconcile(c, g, 0, &theirs);
    assert_int_equal(g->at[0].span[0].doubt, 40);
    assert_int_equal(g->at[0].span[0].asked, ASK_NONE);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taker_goes_on_from_the_answer),
        cmocka_unit_test(taker_asks_after_each_settlement),
        cmocka_unit_test(answer_above_the_doubt_is_believed),
        cmocka_unit_test(new_connection_is_asked_about),
        cmocka_unit_test(lost_tail_is_asked_about),
        cmocka_unit_test(what_came_since_the_answer_is_not_lost),
        cmocka_unit_test(skipped_is_stated),
        cmocka_unit_test(nothing_that_is_to_come_is_skipped),
        cmocka_unit_test(what_the_peer_may_have_done_stays_in_doubt),
        cmocka_unit_test(start_of_an_epoch_is_not_skipped),
        cmocka_unit_test(older_answer_is_no_answer),
        cmocka_unit_test(answer_of_a_longer_run_is_no_answer),
        cmocka_unit_test(answer_of_before_the_hello_is_no_answer),
        cmocka_unit_test(written_is_not_handed_over_again),
        cmocka_unit_test(written_and_lost_is_in_doubt_again),
        cmocka_unit_test(unknown_marks_what_was_intended),
        cmocka_unit_test(survivor_goes_on_in_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
