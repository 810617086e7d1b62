/* links: test_pair */
/* T3, T5: a sink that only one node is configured with. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pair_steps.h"
#include "record.h"
#include "rules.h"

static void start(struct pair *p, int n)
{
    p->options.sink[0].key = sink_key(n == 0 ? "siem" : "other");
    pair_start(p, n);
}

static int setup(void **state)
{
    struct pair *p = malloc(sizeof(*p));

    if (p == NULL)
        return -1;
    pair_init(p, 8);
    p->boot[0] = p->boot[1] = 1;
    start(p, 0);
    start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 2020);
    *state = p;
    return p->node[0].core.session == SESSION_UP ? 0 : -1;
}

/* 21 records of node 0, all at node 1, none at the sink, which node 1 does not have; node 0 dies.
 */
static uint32_t die(struct pair *p)
{
    uint32_t e = pair_die_undelivered(p);

    pair_lose_ring(p, 0);
    p->node[0].sink_off = false;
    return e;
}

/* L4: what the disk lost is nobody's, as the peer does not have the sink: it is stated as lost. */
static void a_lost_tail_is_stated(void **state)
{
    struct pair *p = *state;
    uint32_t e = die(p);
    unsigned marked;

    for (size_t i = 0; i < p->node[0].disk.held_count; i++) {
        if (p->node[0].disk.held[i].epoch == e)
            p->node[0].disk.held[i].to = 10;
    }
    start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(pair_times(p, 0, e, 10, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 11, &marked), 0);
    assert_int_equal(p->node[0].stated.kind, RECORD_GAP_LOST);
    assert_int_equal(p->node[0].stated.range.from, 11);
    assert_int_equal(p->node[0].stated.range.to, 21);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* T5: of a lost journal nothing waits for a peer that does not have the sink. */
static void a_lost_journal_is_settled(void **state)
{
    struct pair *p = *state;
    uint32_t e = die(p);

    pair_lose_journal(p, 0);
    start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* T1: what the peer owned at a sink that it has no more is its origin's again, in doubt. */
static void a_sink_is_taken_from_the_peer(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    pair_init(p, 8);
    pair_start(p, 0);
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 2020);
    e = pair_live(p, 0);
    pair_wait_for_sinks(p, 20);
    pair_handover(p, 0);
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_crash(p, 1);
    start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* L3: what its origin has emitted at a sink that is new here is not certain. */
static void a_new_sink_is_in_doubt(void **state)
{
    struct pair *p = *state;

    pair_produce(p, 0, 20);
    pair_settle(p);
    p->options.sink[0].key = sink_key("siem");
    pair_crash(p, 1);
    pair_crash(p, 0);
    pair_start(p, 1);
    pair_elapse_ms(p, 100);
    pair_crash(p, 1);
    pair_start(p, 1);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 2000);
    pair_expect_exactly_once(p);
}

/* N3: the peer knows no intent of a sink that it does not have: after a power cut that took marks
 * all that it holds may have been handed over. */
static void the_peer_is_no_witness_of_it(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    size_t synced;
    unsigned marked;

    pair_elapse_ms(p, 100);
    synced = p->node[0].disk.meta_len;
    pair_produce(p, 0, 5);
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, e, 6, &marked), 1);
    assert_int_equal(segment_find(&p->node[1].core, 0, e)->journaled, 6);
    pair_power_cut(p, 0, synced);
    pair_lose_ring(p, 0);
    start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    for (uint32_t q = 2; q <= 6; q++)
        assert_true(pair_times(p, 0, e, q, &marked) - marked <= 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, pair_end)
    const struct CMUnitTest tests[] = {
        T(a_lost_tail_is_stated),         T(a_lost_journal_is_settled),
        T(a_sink_is_taken_from_the_peer), T(a_new_sink_is_in_doubt),
        T(the_peer_is_no_witness_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
