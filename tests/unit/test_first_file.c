/* links: test_pair */
/* The first file of a segment is gone (an operator moved it away, as evrepd told him). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "pair_steps.h"
#include "record.h"
#include "segment.h"

/* T3, L4: at the replica: what its origin still has is the origin's to hand over. */
static void a_replicas_first_file(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_elapse_ms(p, 200);
    pair_crash(p, 1);
    pair_held(p, 1, e)->from = 51;
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 200);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 101);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 2000);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 30, &marked), 1);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 30));
    pair_expect_exactly_once(p);
}

/* A3: what it has taken over nobody else brings. */
static void of_what_a_replica_owns(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_crash(p, 0);
    pair_fenced(p, 1);
    pair_elapse_ms(p, 2000);
    pair_crash(p, 1);
    pair_held(p, 1, e)->from = 51;
    pair_start(p, 1);
    p->node[1].sink_off = false;
    pair_fenced(p, 1);
    pair_elapse_ms(p, 2000);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 2));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 50));
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 51));
    assert_int_equal(pair_times(p, 0, e, 51, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
}

/* L4, A3: at the origin, after a tail of it was lost, and stated, in an earlier life. */
static void two_losses_of_one_segment(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_crash(p, 1);
    pair_produce(p, 0, 100);
    pair_elapse_ms(p, 1500); /* The next epoch; e ends at 101. */
    pair_crash(p, 0);
    pair_lose_tail(p, 0, e, 90);
    pair_start(p, 0);
    pair_fenced(p, 0);
    pair_elapse_ms(p, 3000);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 95));
    pair_crash(p, 0);
    pair_held(p, 0, e)->from = 51;
    pair_start(p, 0);
    pair_fenced(p, 0);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 3000);
    assert_int_equal(pair_times(p, 0, e, 90, &marked), 1);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 30));
}

/* A3: before the first loss is stated, as that takes an open epoch. */
static void two_losses_in_one_statement(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_crash(p, 1);
    pair_crash(p, 0);
    pair_held(p, 0, e)->from = 51;
    pair_start(p, 0);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 30));
    pair_crash(p, 0);
    pair_held(p, 0, e)->from = 71;
    pair_start(p, 0);
    pair_fenced(p, 0);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 3000);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 2));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 70));
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 71));
    assert_int_equal(pair_times(p, 0, e, 71, &marked), 1);
}

/* T5, A3: both ends, of what nobody else has. */
static void both_ends_of_a_lost_origins(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_crash(p, 0);
    pair_lose_journal(p, 0);
    pair_lose_ring(p, 0);
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 200);
    assert_true(core_segment(&p->node[1].core, 0, e)->lost);
    pair_crash(p, 0);
    pair_crash(p, 1);
    pair_held(p, 1, e)->from = 51;
    pair_held(p, 1, e)->to = 90;
    pair_start(p, 1);
    pair_fenced(p, 1);
    p->node[1].sink_off = false;
    pair_elapse_ms(p, 3000);
    assert_int_equal(pair_times(p, 0, e, 60, &marked), 1);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 30));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 95));
}

/* Of a dead node: the only file of that epoch of its own. */
static void lose_the_file(struct pair *p, int n, uint32_t e)
{
    struct pair_disk *d = &p->node[n].disk;
    struct core_range *r = pair_held(p, n, e);

    *r = d->held[--d->held_count];
}

/* L2: the file is gone of an epoch that goes on in the ring, and with it how much of it was sent:
 * what was handed over says that there was some. */
static void how_much_was_sent_goes_with_the_file(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    const struct segment *g;

    pair_produce(p, 0, 9);
    pair_elapse_ms(p, 200);
    pair_crash(p, 0);
    lose_the_file(p, 0, e);
    pair_start(p, 0);
    g = core_segment(&p->node[0].core, 0, e);
    assert_int_equal(g->journaled, 0);
    assert_true(g->sent_bound >= 10);
    assert_int_equal(g->sent, g->sent_bound);
}

/* L3: so it is with what went to a sink that it forgot, and has again. */
static void what_was_done_at_a_sink_goes_with_the_file(void **state)
{
    struct pair *p = *state;
    uint32_t key = p->options.sink[0].key, e;

    pair_cut(p);
    pair_crash(p, 1);
    pair_elapse_ms(p, 1100); /* Of this epoch nothing is ever sent. */
    e = pair_live(p, 0);
    pair_produce(p, 0, 9);
    pair_elapse_ms(p, 200);
    pair_crash(p, 0);
    p->options.sink[0].key = key + 1;
    pair_start(p, 0);
    pair_renew_log(p, 0);
    pair_crash(p, 0);
    lose_the_file(p, 0, e);
    p->options.sink[0].key = key;
    pair_start(p, 0);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->journaled, 0);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->sent_bound, 0);
    assert_true(pair_span(p, 0, 0, e, 5)->doubt >= 10);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(a_replicas_first_file),
        T(of_what_a_replica_owns),
        T(two_losses_of_one_segment),
        T(two_losses_in_one_statement),
        T(both_ends_of_a_lost_origins),
        T(how_much_was_sent_goes_with_the_file),
        T(what_was_done_at_a_sink_goes_with_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
