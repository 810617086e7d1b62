/* links: test_pair */
/* The rules of PROTOCOL.md on two cores and a virtual clock, each named after what it would see
 * broken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"
#include "record.h"

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

/* N1-N5: with both nodes well, every record arrives once, from its origin. */
static void steady_state_emits_once(void **state)
{
    struct pair *p = *state;

    pair_produce(p, 0, 100);
    pair_produce(p, 1, 50);
    pair_settle(p);
    for (size_t i = 0; i < p->seen_count; i++) {
        assert_int_equal(p->seen[i].by, p->seen[i].range.origin);
        assert_false(p->seen[i].in_doubt);
    }
    assert_int_equal(p->seen_count, 152);
    pair_expect_exactly_once(p);
}

/* N3: nothing above min(R, E + W), nothing before the peer has acknowledged the intent. */
static void intent_stays_in_the_window(void **state)
{
    struct pair *p = *state;
    const struct span *s;

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    s = pair_span(p, 0, 0, live(p, 0), 2);
    assert_int_equal(s->emitted, 1);
    assert_int_equal(s->intent, 9);
    assert_int_equal(s->handed, 9);
    assert_int_equal(pair_span(p, 1, 0, live(p, 0), 9)->intent, 9);
}

/* N4, L2, T6: without a lease the owner hands nothing over, not even under the intent. */
static void no_hand_over_after_the_lease(void **state)
{
    struct pair *p = *state;
    size_t seen;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    p->node[1].alive = false; /* Silent, but the link seems up. */
    seen = p->seen_count;
    p->now_ns += 301 * MS;
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 10);
    assert_int_equal(p->seen_count, seen);
}

/* L3: the taker waits for its own count of the lease, marks (E, I], and emits nothing above R. */
static void taker_waits_then_emits_what_it_holds(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);
    unsigned marked;

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 100); /* E = 1, I = 9, R = 101. */
    pair_settle(p);
    pair_crash(p, 0);
    pair_cluster(p, 1, true, true);
    pair_settle(p);
    for (int i = 0; i < 29; i++) {
        pair_elapse_ms(p, 10);
        assert_int_equal(pair_times(p, 0, e, 50, &marked), 0);
    }
    pair_elapse_ms(p, 40);
    assert_int_equal(pair_times(p, 0, e, 2, &marked), 2);
    assert_int_equal(marked, 1);
    assert_int_equal(pair_times(p, 0, e, 9, &marked), 2);
    assert_int_equal(marked, 1);
    assert_int_equal(pair_times(p, 0, e, 10, &marked), 1);
    assert_int_equal(marked, 0);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
    pair_expect_exactly_once(p);
}

/* T1: a node that the cluster does not name takes nothing, however long it waits. */
static void nobody_takes_without_the_cluster(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_crash(p, 0);
    pair_cluster(p, 1, true, false);
    pair_elapse_ms(p, 2000);
    assert_int_equal(pair_times(p, 0, e, 5, &marked), 0);
}

/* L1: each side opens a new epoch of its parity, and emits it alone and at once. */
static void survivor_goes_on_in_a_new_epoch(void **state)
{
    struct pair *p = *state;
    uint32_t e0 = live(p, 0), e1 = live(p, 1);
    unsigned marked;

    pair_elapse_ms(p, 1000);
    pair_cut(p);
    pair_settle(p);
    assert_true(live(p, 0) > e0 && live(p, 1) > e1);
    assert_int_equal(live(p, 0) % 2, 0);
    assert_int_equal(live(p, 1) % 2, 1);
    pair_produce(p, 0, 20);
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, live(p, 0), 21, &marked), 1);
    assert_int_equal(marked, 0);
}

/* Finding 2: the session flaps, nobody took anything: all goes back to the origin, unmarked. */
static void flap_gives_everything_back_unmarked(void **state)
{
    struct pair *p = *state;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_cut(p);
    pair_elapse_ms(p, 100);
    pair_connect(p);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 100);
    for (size_t i = 0; i < p->seen_count; i++)
        assert_false(p->seen[i].in_doubt);
    pair_expect_exactly_once(p);
}

/* T3, then a second outage before the first is digested: the origin returns, then the taker dies.
 */
static void second_outage_is_settled_too(void **state)
{
    struct pair *p = *state;

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_crash(p, 0);
    p->node[1].sink_stalls = true;
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 600); /* Node 1 has taken over, and handed over some. */
    pair_produce(p, 1, 30);
    pair_settle(p);
    p->node[0].sink_stalls = false;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 50);
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_crash(p, 1);
    pair_cluster(p, 0, true, true);
    pair_elapse_ms(p, 600);
    p->node[1].sink_stalls = false;
    pair_start(p, 1);
    pair_connect(p);
    pair_cluster(p, 0, false, true);
    pair_elapse_ms(p, 2000);
    pair_expect_exactly_once(p);
    for (int n = 0; n < NODE_COUNT; n++) /* At rest: only what is live is left. */
        assert_int_equal(p->node[n].core.count, 2);
}

/* L4: the taker names what the origin produced and it does not have; the origin emits it later. */
static void gap_is_stated_and_filled(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);
    struct core_input in = {.kind = CORE_PRODUCED, .records = {0, e, 0, 40}};
    const struct segment *g;
    unsigned marked;

    pair_produce(p, 0, 10);
    in.now_ns = p->now_ns;
    core_step(&p->node[0].core, &in); /* P = 40, of which 29 still lie in the ring. */
    pair_elapse_ms(p, 200);
    p->node[0].ring_next = 41;
    pair_crash(p, 0);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 600);
    g = core_segment(&p->node[1].core, 0, e);
    assert_non_null(g);
    assert_int_equal(g->gap, GAP_PENDING);
    assert_int_equal(g->gap_from, 12);
    assert_int_equal(g->gap_to, 40);
    assert_true(g->gap_told);
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 40, &marked), 1);
    pair_expect_exactly_once(p);
    for (int n = 0; n < NODE_COUNT;
         n++) /* Filled by the origin alone, and settled on both sides. */
        assert_int_equal(p->node[n].core.count, 2);
}

/* Split brain: both take what the other left, above I each record still goes out once. */
static void split_brain_marks_only_the_intended(void **state)
{
    struct pair *p = *state;

    p->node[0].sink_stalls = p->node[1].sink_stalls = true;
    pair_produce(p, 0, 60);
    pair_produce(p, 1, 60);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    pair_cut(p);
    pair_cluster(p, 0, true, true);
    pair_cluster(p, 1, true, true);
    p->node[0].sink_stalls = p->node[1].sink_stalls = false;
    pair_elapse_ms(p, 1500);
    pair_produce(p, 0, 10);
    pair_produce(p, 1, 10);
    pair_settle(p);
    pair_connect(p);
    pair_cluster(p, 0, false, true);
    pair_cluster(p, 1, false, false);
    pair_elapse_ms(p, 2000);
    pair_expect_exactly_once(p);
}

/* T4: alone after a restart it holds what the peer may have; fenced, it goes on, all of it marked.
 */
static void alone_it_holds_until_fenced(void **state)
{
    struct pair *p = *state;
    uint32_t e = live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_crash(p, 1);
    pair_crash(p, 0);
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 50, &marked), 0);
    pair_fenced(p, 0);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 50, &marked), 1);
    assert_int_equal(marked, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(steady_state_emits_once),
        T(intent_stays_in_the_window),
        T(no_hand_over_after_the_lease),
        T(taker_waits_then_emits_what_it_holds),
        T(nobody_takes_without_the_cluster),
        T(survivor_goes_on_in_a_new_epoch),
        T(flap_gives_everything_back_unmarked),
        T(second_outage_is_settled_too),
        T(gap_is_stated_and_filled),
        T(split_brain_marks_only_the_intended),
        T(alone_it_holds_until_fenced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
