/* links: test_pair */
/* A full journal gives the oldest up: stated first, then done, on both nodes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "pair_steps.h"
#include "record.h"
#include "segment.h"

static int setup(void **state)
{
    struct pair *p = malloc(sizeof(*p));

    pair_init(p, 8);
    pair_start(p, 0);
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    pair_elapse_ms(p, 2020); /* T5: a new journal waits two seconds. */
    *state = p;
    return p->node[0].core.session == SESSION_UP && p->node[1].core.session == SESSION_UP ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static uint32_t live(const struct pair *p, int n)
{
    return p->node[n].core.live_epoch;
}

static uint32_t needed(const struct pair *p, int n, uint32_t epoch)
{
    return core_needed(&p->node[n].core, 0, epoch);
}

/* The journal of node n is full: at most `count` records of the oldest go. */
static bool full(struct pair *p, int n, uint32_t count)
{
    struct core_input in = {.kind = CORE_SHED, .now_ns = p->now_ns};

    if (!core_oldest(&p->node[n].core, 1, &in.records))
        return false;
    if (in.records.to - in.records.from >= count)
        in.records.to = in.records.from + count - 1;
    core_step(&p->node[n].core, &in);
    return true;
}

/* Nothing counts as done before the journal holds the statement; then it does on both nodes. */
static void stated_before_done(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    assert_int_equal(needed(p, 0, e), 2);
    assert_true(full(p, 0, 40)); /* 2 to 41. */
    assert_int_equal(needed(p, 0, e), 2);
    assert_false(full(p, 0, 40)); /* One at a time. */
    pair_settle(p);
    pair_elapse_ms(p, 20);
    assert_int_equal(p->node[0].stated.kind, RECORD_GAP_LOST);
    assert_int_equal(p->node[0].stated.reason, REASON_JOURNAL_LIMIT);
    assert_int_equal(p->node[0].stated.range.from, 2);
    assert_int_equal(p->node[0].stated.range.to, 41);
    assert_int_equal(needed(p, 0, e), 42);
    assert_int_equal(needed(p, 1, e), 42);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 100);
    assert_int_equal(pair_times(p, 0, e, 41, &marked), 0);
    assert_int_equal(pair_times(p, 0, e, 42, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 102, &marked), 1); /* The statement itself. */
}

/* In a session nothing goes that the peer has not got: E <= R. */
static void not_above_what_is_replicated(void **state)
{
    struct pair *p = *state;
    struct core_range r;

    p->node[0].sink_off = true;
    p->node[1].disk_full = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    assert_false(core_oldest(&p->node[0].core, 1, &r));
    p->node[1].disk_full = false;
}

/* The survivor gives up what it took over; the settlement with the origin keeps to it. */
static void what_was_taken_over(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);
    unsigned marked;

    pair_wait_for_sinks(p, 100);
    pair_fail_over(p, 600);
    assert_true(full(p, 1, 50)); /* 2 to 51 of the peer's stream. */
    pair_elapse_ms(p, 20);
    assert_int_equal(p->node[1].stated.range.origin, 0);
    assert_int_equal(needed(p, 1, e), 52);
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 600);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_elapse_ms(p, 600);
    assert_int_equal(pair_times(p, 0, e, 51, &marked), 0);
    assert_int_equal(pair_times(p, 0, e, 52, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
}

/* A replica gives up nothing of its peer's: the owner does, and says so. */
static void not_what_the_peer_owns(void **state)
{
    struct pair *p = *state;
    struct core_range r;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    assert_false(core_oldest(&p->node[1].core, 1, &r));
}

/* T1: the peer may have accepted it. */
static void not_what_is_offered(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);

    pair_wait_for_sinks(p, 100);
    pair_handover(p, 0);
    for (int i = 0; i < 20 && pair_span(p, 0, 0, e, 50)->handing != HAND_OFFERED; i++)
        pair_work_once(p, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 50)->handing, HAND_OFFERED);
    assert_false(full(p, 0, 40));
}

/* It dies between the statement and its effect: nothing is lost without a word. */
static void a_crash_in_between(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);
    struct core_output *out = &p->node[0].out;
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    assert_true(full(p, 0, 40));
    core_output_clear(out);
    core_flush(&p->node[0].core, 0, out);
    assert_int_equal(out->note_count, 1); /* Asked for, and not stated. */
    pair_crash(p, 0);
    pair_start(p, 0);
    pair_connect(p);
    assert_int_equal(needed(p, 0, e), 2);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 1000);
    assert_true(pair_times(p, 0, e, 2, &marked) >= 1);
    pair_expect_exactly_once(p);
}

/* It dies between the statement, which the journal holds, and its effect: the next process finds it
 * in the ring again, and hands over nothing that it names. */
static void a_crash_behind_the_statement(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);
    struct core_output *out = &p->node[0].out;
    struct core_input noted = {
        .kind = CORE_NOTED, .note = RECORD_GAP_LOST, .reason = REASON_JOURNAL_LIMIT};
    uint64_t given_up;
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    assert_true(full(p, 0, 40));
    core_output_clear(out);
    core_flush(&p->node[0].core, 0, out);
    noted.records = out->note[0].range;
    pair_crash(p, 0);
    pair_start(p, 0);
    noted.now_ns = p->now_ns;
    core_step(&p->node[0].core, &noted);
    given_up = p->node[0].core.shed.count;
    assert_int_equal(given_up, 1);
    core_step(&p->node[0].core, &noted); /* Made again, of what is over: nothing more. */
    assert_int_equal(p->node[0].core.shed.count, given_up);
    pair_connect(p);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 41, &marked), 0);
    assert_int_equal(pair_times(p, 0, e, 42, &marked), 1);
}

/* A3: (E, S] is held, and what was never sent has gone out above it (L2): what is confirmed there
 * is not stated as lost, with or without what else waits in its segment. */
static void not_what_is_confirmed_above(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);
    struct core_range r;
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_cut(p);
    pair_produce(p, 0, 50);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 1500);
    assert_true(core_segment(&p->node[0].core, 0, e)->closed);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 0); /* Held. */
    assert_int_equal(pair_times(p, 0, e, 102, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 140, &marked), 1);
    assert_true(core_oldest(&p->node[0].core, 64, &r)); /* As all of it has an end. */
    assert_int_equal(r.to, 101);
    assert_true(full(p, 0, 1000));
    pair_elapse_ms(p, 100);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 101));
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 102));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stated_before_done, setup, teardown),
        cmocka_unit_test_setup_teardown(not_above_what_is_replicated, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(not_what_the_peer_owns, setup, teardown),
        cmocka_unit_test_setup_teardown(not_what_is_offered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crash_in_between, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crash_behind_the_statement, setup, teardown),
        cmocka_unit_test_setup_teardown(not_what_is_confirmed_above, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
