/* links: test_pair */
/* L1-L4, T6: the session is lost. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pair_steps.h"
#include "record.h"

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
    uint32_t e = pair_live(p, 0);
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

/* L1: each side opens a new epoch of its parity, and emits it alone and at once. */
static void survivor_goes_on_in_a_new_epoch(void **state)
{
    struct pair *p = *state;
    uint32_t e0 = pair_live(p, 0), e1 = pair_live(p, 1);
    unsigned marked;

    pair_elapse_ms(p, 1000);
    pair_cut(p);
    pair_settle(p);
    assert_true(pair_live(p, 0) > e0 && pair_live(p, 1) > e1);
    assert_int_equal(pair_live(p, 0) % 2, 0);
    assert_int_equal(pair_live(p, 1) % 2, 1);
    pair_produce(p, 0, 20);
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, pair_live(p, 0), 21, &marked), 1);
    assert_int_equal(marked, 0);
}

/* d41: L4: the taker names what the origin produced and it does not have; the origin emits it
 * later. */
static void gap_is_stated_and_filled(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_tag_ahead(p); /* P = 40, of which 29 still lie in the ring. */
    const struct segment *g;
    unsigned marked;

    p->node[0].ring_next = 41;
    pair_fail_over(p, 600);
    g = core_segment(&p->node[1].core, 0, e);
    assert_non_null(g);
    assert_int_equal(g->gap, GAP_PENDING);
    assert_int_equal(g->gap_from, 12);
    assert_int_equal(g->gap_to, 40);
    assert_true(g->gap_told);
    pair_return(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 40, &marked), 1);
    pair_expect_exactly_once(p);
    for (int n = 0; n < NODE_COUNT;
         n++) /* Filled by the origin alone, and settled on both sides. */
        assert_int_equal(p->node[n].core.count, 2);
}

/* The tail of a closed segment is nowhere any more: its origin says so, and its replica expects it
 * no longer, although the rest of the segment still waits. */
static void lost_tail_is_told_to_the_replica(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    pair_elapse_ms(p, 1000);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    p->node[1].disk_full = true;
    pair_produce(p, 0, 29);
    pair_settle(p);
    pair_cut(p);
    pair_elapse_ms(p, 100); /* Closed at 40, of which the peer has 11. */
    pair_crash(p, 0);
    pair_lose_tail(p, 0, e, 11);
    pair_start(p, 0);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->last, 40);
    pair_elapse_ms(p, 1100);
    assert_int_equal(p->node[0].stated.kind, RECORD_GAP_LOST);
    for (int n = 0; n < NODE_COUNT; n++) {
        assert_int_equal(core_segment(&p->node[n].core, 0, e)->last, 11);
        assert_null(pair_span(p, n, 0, e, 12));
    }
}

/* The disk loses the tail of what every sink has confirmed: that is not lost. */
static void confirmed_tail_is_not_lost(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    pair_produce(p, 0, 29);
    pair_cut(p);
    pair_elapse_ms(p, 100); /* 12-40 were never sent: they went out, alone. */
    pair_crash(p, 0);
    pair_lose_tail(p, 0, e, 11);
    pair_start(p, 0);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->last, 40);
    pair_elapse_ms(p, 1100); /* Its ring has nothing more of it. */
    pair_connect(p);
    pair_settle(p);
    assert_int_not_equal(p->node[0].stated.kind, RECORD_GAP_LOST);
    pair_expect_exactly_once(p);
}

/* L4: the gap waits to be stated, as no epoch is open yet, and its origin returns meanwhile: what
 * has come is not stated. */
static void gap_is_stated_without_what_has_come(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    struct core *taker = &p->node[1].core;

    pair_produce(p, 0, 10);
    pair_settle(p);
    p->node[1].disk_full = true;
    pair_produce(p, 0, 9);
    pair_tagged(p, 0, 40);
    pair_elapse_ms(p, 200);
    p->node[0].ring_next = 41;
    pair_crash(p, 0);
    taker->live_epoch = 0;
    taker->epoch_asked = true; /* Its ring is slow to open the next. */
    pair_take_over(p, 600);
    assert_int_equal(core_segment(taker, 0, e)->gap_from, 12);
    p->node[1].disk_full = false;
    pair_return(p, 100);
    assert_int_equal(core_segment(taker, 0, e)->journaled, 20);
    taker->epoch_asked = false;
    pair_elapse_ms(p, 1000);
    assert_int_equal(p->node[1].stated.kind, RECORD_GAP_PENDING);
    assert_int_equal(p->node[1].stated.range.from, 21);
    assert_int_equal(p->node[1].stated.range.to, 40);
    pair_expect_exactly_once(p);
}

static void link_is(struct pair *p, int n, int link, bool up)
{
    struct core_input in = {
        .kind = up ? CORE_LINK_UP : CORE_LINK_DOWN, .now_ns = p->now_ns, .link = {link, 7}};

    core_step(&p->node[n].core, &in);
}

/* L1: our facts are out, so that the session may be up at the peer, and then one link after the
 * other goes: that is a session lost, whichever link the facts went on. */
static void facts_that_are_out_count_as_a_session(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    struct pair_queue *in = &p->node[0].in;
    uint32_t hello;

    pair_cut(p);
    pair_elapse_ms(p, 1500);
    pair_connect(p);
    link_is(p, 0, 1, true);
    pair_work_once(p, 0);
    pair_work_once(p, 1);
    memcpy(&hello, in->bytes, 4);
    in->tail = hello + 4; /* The facts of the peer are still on their way. */
    pair_work_once(p, 0);
    assert_int_equal(c->session, SESSION_HELLO);
    assert_true(c->hello_sent);
    assert_false(c->epoch_wanted);
    p->now_ns += MS;
    link_is(p, 0, 0, false);
    link_is(p, 0, 1, false);
    assert_int_equal(c->lost_ns, p->now_ns);
    assert_true(c->epoch_wanted);
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

/* L2: under the lease the owner finishes what is at or below I, and then holds. */
static void owner_finishes_what_was_intended(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100); /* I = 9 */
    pair_settle(p);
    pair_cut(p);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 100);
    assert_int_equal(pair_times(p, 0, e, 9, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 10, &marked), 0);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->state, SEGMENT_HELD);
}

/* L2: what was never sent the peer cannot have: its origin goes on with it at once. */
static void unsent_records_go_on_at_once(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_cut(p);
    pair_produce(p, 0, 5); /* Of the old epoch, until the new one is open. */
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, e, 6, &marked), 1);
    assert_int_equal(marked, 0);
}

/* T6, finding 7: a writer that thaws looks at its lease before it hands anything over. */
static void thawed_writer_hands_nothing_over(void **state)
{
    struct pair *p = *state;
    struct core_give g;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    assert_true(core_lease_valid(&p->node[0].core));
    p->node[0].core.now_ns = p->now_ns + 310 * MS; /* As the shell does before each pull. */
    assert_false(core_pull(&p->node[0].core, 0, 10, &g));
}

/* L4, T5: the gap is lost for good when its origin says that its journal is gone. */
static void gap_is_lost_with_its_origins_journal(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_tag_ahead(p);
    const struct core_note *said;

    pair_lose_host(p, 0);
    p->node[1].sink_off = true;
    pair_take_over(p, 600);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->gap, GAP_PENDING);
    pair_return(p, 100);
    said = &p->node[1].stated;
    assert_int_equal(said->kind, RECORD_GAP_LOST);
    assert_int_equal(said->range.from, 12);
    assert_int_equal(said->range.to, 40);
    p->node[1].sink_off = false;
    pair_elapse_ms(p, 3000);
    pair_expect_exactly_once(p);
}

/* Finding 11: a sink that is slow does not hold the other's intent. */
static void sinks_do_not_wait_for_each_other(void **state)
{
    struct pair *p = *state;

    free(p);
    p = *state = malloc(sizeof(*p));
    pair_init(p, 8);
    p->options.sink_count = 2;
    p->options.sink[1] = (struct core_sink_options){.key = sink_key("archive"), .window = 8};
    pair_meet(p);
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, pair_live(p, 0), 9)->handed, 9);
    assert_int_equal(p->node[0].second, 101);
    pair_fail_over(p, 600); /* And each is settled by itself: nothing of the second is in doubt. */
    assert_int_equal(p->node[1].core.in_doubt[0], 8);
    assert_int_equal(p->node[1].core.in_doubt[1], 0);
    assert_false(p->node[1].second_marked);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(no_hand_over_after_the_lease),         T(taker_waits_then_emits_what_it_holds),
        T(survivor_goes_on_in_a_new_epoch),      T(gap_is_stated_and_filled),
        T(gap_is_stated_without_what_has_come),  T(lost_tail_is_told_to_the_replica),
        T(confirmed_tail_is_not_lost),           T(facts_that_are_out_count_as_a_session),
        T(split_brain_marks_only_the_intended),  T(owner_finishes_what_was_intended),
        T(unsent_records_go_on_at_once),         T(thawed_writer_hands_nothing_over),
        T(gap_is_lost_with_its_origins_journal), T(sinks_do_not_wait_for_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
