/* links: test_pair */
/* T1-T5: taking over, and coming back. */
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

/* d45: T1: a node that the cluster does not name takes nothing, however long it waits. */
static void nobody_takes_without_the_cluster(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_crash(p, 0);
    pair_cluster(p, 1, true, false);
    pair_elapse_ms(p, 2000);
    assert_int_equal(pair_times(p, 0, e, 5, &marked), 0);
}

/* Finding 2: the session flaps, nobody took anything: all goes back to the origin, unmarked. */
static void flap_gives_everything_back_unmarked(void **state)
{
    struct pair *p = *state;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_cut(p);
    pair_elapse_ms(p, 400); /* Past the lease of 300 ms: only what the two say is left. */
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

/* T4: alone after a restart it holds what the peer may have; fenced, it goes on, all of it marked.
 */
static void alone_it_holds_until_fenced(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
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

/* Finding 1, N6: what was handed over alone is intended when the session starts. */
static void solo_hand_over_crosses_the_session_start(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    pair_elapse_ms(p, 1000);
    pair_cut(p);
    pair_settle(p);
    e = pair_live(p, 0);
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 6);
    pair_settle(p); /* 2-7 are with the sink, not confirmed. */
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, e, 3)->intent, 7);
    pair_elapse_ms(p, 20);
    pair_fail_over(p, 600);
    for (uint32_t q = 2; q <= 7; q++) {
        assert_int_equal(pair_times(p, 0, e, q, &marked), 2);
        assert_int_equal(marked, 1);
    }
}

/* N6: while the hellos are exchanged the owner goes on with what its facts say is intended, and
 * with nothing above that, whatever the sink confirms meanwhile. */
static void nothing_above_the_facts_goes_out_during_the_hello(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    pair_elapse_ms(p, 1000);
    pair_cut(p);
    pair_elapse_ms(p, 400); /* Past the lease of 300 ms: only what the two say is left. */
    e = pair_live(p, 0);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 50);
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, e, 3)->intent, 9);
    pair_connect(p);
    p->node[0].sink_off = false;
    pair_work_once(p, 0);
    assert_int_equal(p->node[0].core.session, SESSION_HELLO);
    assert_int_equal(pair_times(p, 0, e, 9, &marked), 1);
    for (int i = 0; i < 5; i++)
        pair_work_once(p, 0); /* 2-9 are confirmed. */
    assert_int_equal(pair_times(p, 0, e, 10, &marked), 0);
    pair_settle(p);
    pair_expect_exactly_once(p);
    assert_int_equal(pair_times(p, 0, e, 51, &marked), 1);
}

/* 100 records of node 0, of which 2-9 are in flight; node 1 takes over and dies after a few. */
static uint32_t taker_dies(struct pair *p)
{
    uint32_t e = pair_live(p, 0);

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_crash(p, 0);
    pair_cluster(p, 1, true, true);
    p->node[1].sink_stalls = true; /* 2-9 again, marked; not confirmed. */
    pair_elapse_ms(p, 600);
    pair_crash(p, 1);
    p->node[0].sink_stalls = p->node[1].sink_stalls = false;
    return e;
}

/* Finding 3, T4: the origin returns and knows nothing of what its taker did: it holds. */
static void origin_holds_what_a_dead_taker_may_have_had(void **state)
{
    struct pair *p = *state;
    uint32_t e = taker_dies(p);
    unsigned marked;

    pair_start(p, 0);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 9, &marked), 2);
    assert_int_equal(pair_times(p, 0, e, 10, &marked), 0);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->state, SEGMENT_HELD);
}

/* Finding 4, T3: the taker returns, and what it had is its own. */
static void taker_returns_and_goes_on(void **state)
{
    struct pair *p = *state;
    uint32_t e = taker_dies(p);
    unsigned marked;

    pair_start(p, 0);
    pair_elapse_ms(p, 1000);
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
    assert_int_equal(marked, 0);
    for (size_t i = 0; i < p->seen_count; i++) {
        if (p->seen[i].range.epoch == e && p->seen[i].range.from > 9)
            assert_int_equal(p->seen[i].by, 1);
    }
    pair_expect_exactly_once(p);
}

/* Finding 5: the power takes the origin's E; what the peer knows of I bounds what is in doubt. */
static void lost_confirmations_put_no_more_in_doubt_than_was_intended(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    size_t synced = p->node[0].disk.meta_len;
    unsigned marked;

    pair_produce(p, 0, 40);
    pair_settle(p); /* All 41 are confirmed. */
    p->node[0].sink_off = true;
    pair_produce(p, 0, 60);
    pair_settle(p); /* I = 49, R = 101 */
    pair_power_cut(p, 0, synced);
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    for (uint32_t q = 1; q <= 41; q++)
        assert_true(pair_times(p, 0, e, q, &marked) - marked <= 1);
    for (uint32_t q = 50; q <= 101; q++) {
        assert_int_equal(pair_times(p, 0, e, q, &marked), 1);
        assert_int_equal(marked, 0);
    }
}

/* Finding 6: the standby dies while the sink is down: all of (E', S] is held, until the hold time;
 * then it is in doubt (D2). */
static void long_backlog_is_held_then_marked(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_crash(p, 1);
    pair_elapse_ms(p, 500); /* The lease is over. */
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 29000);
    assert_int_equal(pair_times(p, 0, e, 50, &marked), 0);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
    assert_int_equal(marked, 1);
}

static void restart_with(void **state, bool fencing, bool answers)
{
    struct pair *p = *state;

    pair_init(p, 8);
    p->options.fencing = fencing;
    p->options.sink[0].answers = answers;
    p->options.sink[0].hold_ns = 0;
    pair_start(p, 0);
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 2020);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
}

/* Finding 6, D1: a sink that knows all is asked instead, and nothing is held or marked. */
static void long_backlog_at_an_answering_sink(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    restart_with(state, false, true);
    e = pair_live(p, 0);
    pair_crash(p, 1);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 700);
    assert_int_equal(p->node[0].asked_count, 1);
    pair_answer(p, 0, ANSWER_HAS, 9);
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
    assert_int_equal(marked, 0);
}

/* T4a, finding 6: where both fence, who lives was not fenced: it holds and marks nothing. */
static void unfenced_node_holds_nothing(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    restart_with(state, true, false);
    e = pair_live(p, 0);
    pair_crash(p, 1);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 20);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
    assert_int_equal(marked, 0);
}

/* T4a: a node that was started anew cannot know whether it was fenced: it holds. */
static void restarted_node_may_have_been_fenced(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    restart_with(state, true, false);
    e = pair_live(p, 0);
    pair_crash(p, 1);
    pair_crash(p, 0);
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 2000);
    assert_int_equal(pair_times(p, 0, e, 50, &marked), 0);
}

/* T4a: the taker fences first, and doubts all that its owner may have gone on with until then. */
static void taker_fences_first(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    restart_with(state, true, false);
    e = pair_live(p, 0);
    pair_cut(p);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 20); /* It goes on alone. */
    pair_fail_over(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 50, &marked), 1); /* Not without fencing. */
    pair_fenced(p, 1);
    pair_elapse_ms(p, 20);
    assert_int_equal(pair_times(p, 0, e, 50, &marked), 2);
    assert_int_equal(marked, 1);
    pair_expect_exactly_once(p);
}

/* T4a: that the peer fences now, as a hello says that did not end, says nothing of its process
 * before, which may have taken all without. */
static void a_broken_hello_is_no_word_of_fencing(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    pair_init(p, 8);
    p->options.fencing = true;
    pair_start(p, 0);
    p->options.fencing = false;
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 2020);
    e = pair_live(p, 0);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_cut(p);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 20, &marked), 1);
    p->options.fencing = true;
    pair_crash(p, 1);
    pair_start(p, 1);
    pair_connect(p);
    pair_work_once(p, 1);
    p->node[0].sink_off = false;
    pair_work_once(p, 0);
    pair_cut(p);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 20, &marked), 1);
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    pair_expect_exactly_once(p);
}

/* T4: so it is once its heartbeats are heard, although no hello of it comes through. */
static void fenced_is_over_when_the_peer_is_heard(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_crash(p, 0);
    pair_fenced(p, 1);
    pair_cluster(p, 1, true, true);
    pair_cluster(p, 1, false, false);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 20, &marked), 0);
}

/* T4: the word that it is dead and stays so is over once it speaks, also when no session comes of
 * it. */
static void fenced_is_over_when_the_peer_speaks(void **state)
{
    struct pair *p = *state;

    pair_crash(p, 0);
    pair_settle(p);
    pair_fenced(p, 1);
    assert_true(p->node[1].core.fenced);
    pair_start(p, 0);
    pair_connect(p);
    while (p->node[1].core.fenced) {
        pair_work_once(p, 0);
        pair_work_once(p, 1);
        assert_int_not_equal(p->node[1].core.session, SESSION_UP);
    }
}

/* T4: the peer's word that it is fenced is no word while it speaks. */
static void fenced_is_ignored_while_the_peer_speaks(void **state)
{
    struct pair *p = *state;

    pair_fenced(p, 1);
    assert_false(p->node[1].core.fenced);
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_expect_exactly_once(p);
}

/* T3, L3: a takeover raises the term, by which it counts when the two settle. */
static void a_takeover_raises_the_term(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_take_over_backlog(p, 600);
    uint32_t term = pair_span(p, 1, 0, e, 15)->term;

    assert_true(term > pair_span(p, 0, 0, e, 15)->term); /* As it was when it died. */
    p->node[0].sink_off = false;
    pair_return(p, 100);
    for (int n = 0; n < NODE_COUNT; n++) {
        assert_int_equal(pair_span(p, n, 0, e, 15)->owner, 1);
        assert_int_equal(pair_span(p, n, 0, e, 15)->term, term);
    }
}

/* T3: what is on its way to a sink stays so when the two settle, and is not given again. */
static void what_is_in_flight_stays_so(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 5); /* Up to 6. */
    pair_settle(p);
    pair_cut(p);
    pair_elapse_ms(p, 20);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(pair_span(p, 0, 0, e, 2)->emitted, 1);
    assert_int_equal(pair_span(p, 0, 0, e, 2)->handed, 6);
    assert_int_equal(pair_times(p, 0, e, 6, &marked), 1);
}

/* T5: a node whose journal is gone learns the highest epoch from its peer, and what was replicated
 * is the peer's. */
static void lost_journal_is_told_the_highest_epoch(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0), highest;
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 30);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    pair_lose_host(p, 0);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 20);
    highest = p->node[1].core.highest_epoch;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_true(pair_live(p, 0) > highest);
    assert_int_equal(pair_times(p, 0, e, 31, &marked), 1);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
}

/* T5: what a node that has lost its journal owned of an open segment is in doubt as far as there
 * are records: one that comes later it cannot have emitted. */
static void a_lost_journal_had_nothing_that_is_to_come(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    pair_wait_for_sinks(p, 20);
    pair_handover(p, 0);
    pair_elapse_ms(p, 100);
    pair_crash(p, 0);
    pair_crash(p, 1);
    pair_lose_journal(p, 1);
    pair_start(p, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 10)->owner, 1);
    assert_true(pair_span(p, 0, 0, e, 10)->to > 21); /* Of S it knows a bound. */
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[1].core.session, SESSION_UP);
    assert_int_equal(pair_span(p, 1, 0, e, 10)->doubt, 21);
    assert_int_equal(pair_span(p, 0, 0, e, 10)->doubt, 21);
}

/* T3: the records of a segment are gone at its origin, its marks are not: both nodes give all of it
 * to the replica. */
static void lost_file_is_the_replicas(void **state)
{
    static struct pair_queue first;
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 30);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    pair_crash(p, 0);
    p->node[0].disk.held_count = 0;
    pair_lose_ring(p, 0);
    pair_start(p, 0);
    pair_connect(p);
    pair_work_once(p, 0);
    first = p->node[1].in;
    p->node[1].in.tail = 0; /* Its own hello goes first: so the facts of the origin do. */
    pair_work_once(p, 1);
    p->node[1].in = first;
    pair_elapse_ms(p, 3000);
    assert_int_equal(pair_times(p, 0, e, 31, &marked), 1);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* T3: the power took an origin's memory of a segment that its peer had taken over, and both had
 * settled.  The peer speaks of it only after its facts: until then what it owned stays its own. */
static void silence_about_a_segment_is_no_word(void **state)
{
    struct pair *p = *state;
    struct core *origin = &p->node[0].core, *peer = &p->node[1].core;
    uint32_t e = pair_live(p, 0);
    struct segment *g;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    pair_power_cut(p, 0, p->node[0].disk.meta_len);
    p->node[0].disk.held_count = 0;
    segment_remove(peer, segment_find(peer, 0, e));
    peer->dropped[0].epoch = e;
    pair_start(p, 0);
    g = segment_find(origin, 0, e);
    g->unsure = true;
    g->at[0].span[0].owner = 1;
    g->at[0].span[0].term = 1;
    pair_connect(p);
    for (int i = 0; i < 3; i++)
        pair_work_once(p, i % 2);
    assert_int_equal(origin->session, SESSION_UP);
    pair_cut(p);
    assert_int_equal(g->at[0].span[0].owner, 1);
    pair_connect(p);
    pair_elapse_ms(p, 1500);
    assert_null(segment_find(origin, 0, e)); /* Its peer's word has come. */
}

/* T5, finding 9: no journal and no peer, twice within a second: never the same epoch. */
static void clock_gives_the_epoch_without_a_journal_or_a_peer(void **state)
{
    struct pair *p = *state;
    uint32_t first;

    pair_crash(p, 1);
    for (int i = 0; i < 2; i++) {
        pair_lose_host(p, 0);
        p->options.clock_epoch = 400000 + 8 * (uint32_t)i; /* Its first start took two seconds. */
        pair_start(p, 0);
        pair_elapse_ms(p, 100);
        assert_int_equal(pair_live(p, 0), 0);
        pair_elapse_ms(p, 2000);
        assert_true(pair_live(p, 0) >= 400000);
        if (i == 1)
            assert_true(pair_live(p, 0) > first);
        first = pair_live(p, 0);
    }
}

/* L1: the ring has a place for each epoch by its number, and cannot open one at the place of that
 * which it is in, wherever the clock is after a journal was lost under a ring that lives. */
static void no_epoch_takes_the_place_of_the_one_before(void **state)
{
    struct pair *p = *state;
    uint32_t ring = 400010;

    pair_crash(p, 1);
    for (uint32_t ahead = 110; ahead < 140; ahead++) {
        pair_crash(p, 0);
        pair_lose_journal(p, 0);
        pair_lose_ring(p, 0);
        p->options.clock_epoch = ring + ahead;
        pair_start(p, 0);
        core_recover_ring(&p->node[0].core, ring, 0, 0);
        pair_elapse_ms(p, 2200);
        assert_true(pair_live(p, 0) > ring);
        assert_int_not_equal(pair_live(p, 0) / 2 % EPOCH_PLACES, ring / 2 % EPOCH_PLACES);
    }
}

/* T5: the clock is level again with an epoch that had been opened ahead of it; above that one node
 * 0 opened another, alone, before its journal went. */
static void what_was_opened_alone_ahead_of_the_clock(void **state)
{
    struct pair *p = *state;
    uint32_t highest, alone;

    pair_crash(p, 0);
    p->options.clock_epoch = 1000;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    pair_cut(p);
    highest = p->node[1].core.highest_epoch;
    for (int i = 0; i < 2; i++) { /* Node 1 opens one as well. */
        pair_crash(p, 0);
        p->options.clock_epoch = highest - 20 + 4 * (uint32_t)i;
        pair_start(p, 0);
        pair_elapse_ms(p, 1100);
    }
    alone = pair_live(p, 0);
    assert_int_equal(alone, highest + 3);
    pair_lose_host(p, 0);
    p->options.clock_epoch = highest - 8;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_true(pair_live(p, 0) > alone);
}

/* T5: so it is where the journal after it hears of the first one only when it has opened an epoch
 * of its own, alone and by the clock. */
static void what_was_opened_alone_is_heard_of_late(void **state)
{
    struct pair *p = *state;
    uint32_t alone;

    for (int i = 0; i < 2; i++) {
        pair_lose_host(p, 0);
        p->options.clock_epoch = i == 0 ? 100000 : 1000;
        pair_start(p, 0);
        if (i == 1) {
            pair_elapse_ms(p, 2500);
            assert_true(pair_live(p, 0) < alone);
        }
        pair_connect(p);
        pair_elapse_ms(p, 3000);
        assert_int_equal(p->node[0].core.session, SESSION_UP);
        pair_cut(p);
        pair_elapse_ms(p, 1500);
        assert_true(i == 0 || pair_live(p, 0) > alone);
        alone = pair_live(p, 0);
    }
}

/* T5: the peer took up the new journal in a session that ended before an epoch was opened; in the
 * next one it says nothing of an earlier journal any more, and a restart does not change that. */
static void what_was_opened_alone_is_passed_a_session_later(void **state)
{
    struct pair *p = *state;
    uint32_t highest, alone;

    for (int restart = -1; restart < 2; restart++) {
        highest = p->node[1].core.highest_epoch;
        alone = highest + 1000; /* So far its earlier journal got. */
        pair_crash(p, 0);
        pair_lose_journal(p, 0);
        p->node[0].ring_epoch = p->node[0].ring_next = 0;
        p->options.clock_epoch = restart < 0 ? 100000 : highest - 10;
        pair_start(p, 0);
        pair_connect(p);
        pair_elapse_ms(p, 500);
        assert_int_equal(p->node[0].core.session, SESSION_UP);
        pair_cut(p);
        if (restart == 1) {
            pair_crash(p, 0);
            pair_start(p, 0);
        }
        pair_elapse_ms(p, 100);
        pair_connect(p);
        pair_elapse_ms(p, 3000);
        assert_int_equal(p->node[0].core.session, SESSION_UP);
        assert_true(pair_live(p, 0) > alone);
        pair_cut(p);
    }
}

/* T5: so it is where an epoch had been opened and the peer's hello was cut off at its facts. */
static void what_was_opened_alone_is_heard_of_in_part(void **state)
{
    struct pair *p = *state;
    uint32_t own;

    pair_crash(p, 0);
    p->options.clock_epoch = 100000;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    pair_cut(p);
    pair_crash(p, 0);
    pair_lose_journal(p, 0);
    p->node[0].ring_epoch = p->node[0].ring_next = 0;
    p->options.clock_epoch = 1000;
    pair_start(p, 0);
    pair_elapse_ms(p, 2500);
    own = pair_live(p, 0);
    assert_in_range(own, 1, 99999);
    pair_connect(p);
    for (int i = 0; i < 6 && p->node[1].core.session != SESSION_UP; i++) {
        pair_work_once(p, i % 2);
        if (p->node[0].core.earlier == EARLIER_HEARD && p->node[0].core.session != SESSION_UP)
            p->node[0].in.tail = p->node[0].in.head; /* The rest of it is cut off. */
    }
    pair_cut(p);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    pair_cut(p);
    pair_elapse_ms(p, 1500);
    assert_true(pair_live(p, 0) > 100000 + (1u << 16));
}

/* T5: a second leap begins above where the first one began, with a clock that has gone back by as
 * much: it leads elsewhere. */
static void two_leaps_do_not_meet(void **state)
{
    struct core *c = &((struct pair *)*state)->node[0].core;

    for (uint32_t by = 1; by < 400; by++) {
        uint32_t first;

        c->highest_epoch = 265577;
        c->o.clock_epoch = 100019;
        epoch_leap(c);
        first = c->highest_epoch;
        c->highest_epoch = 265577 + by;
        c->o.clock_epoch = 100019 - by;
        epoch_leap(c);
        assert_true(c->highest_epoch > first + 16 || c->highest_epoch + 16 < first);
    }
}

/* T4a: both fenced as the session was made.  Node 1 starts anew without its fencing command while
 * the link is down: it takes over by the cluster's word alone, and node 0 goes on. */
static void fencing_goes_at_a_restart(void **state)
{
    struct pair *p = *state;

    p->options.fencing = true;
    pair_crash(p, 0);
    pair_start(p, 0);
    pair_crash(p, 1);
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_true(p->node[0].core.both_fence);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    pair_cut(p);
    p->options.fencing = false;
    pair_crash(p, 1);
    pair_start(p, 1);
    p->options.fencing = true;
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 1000);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 1000);
    pair_expect_exactly_once(p);
}

static void held(struct core_sink_options *o)
{
    o->policy = IN_DOUBT_HOLD;
}

/* N5: what the sink still confirms to the node that lost them the new owner hears, also where the
 * link that tells it breaks. */
static void what_came_is_told_again(void **state)
{
    struct pair *p = pair_begin(held);
    uint32_t e = pair_live(p, 0);
    uint8_t frame[FRAME_SIZE_MAX];
    unsigned marked;

    (void)state;
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 18); /* 2-9 are on their way. */
    pair_settle(p);
    pair_cut(p);
    pair_take_over(p, 1000);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, e, 5)->owner, 1);
    pair_confirm(p, 0);
    pair_work_once(p, 0);
    while (pair_take(p, 1, frame) > 0)
        continue;
    assert_int_equal(pair_span(p, 1, 0, e, 5)->emitted, 1);
    session_rewind(&p->node[0].core); /* As it goes on on the other link. */
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1); /* Behind what was in doubt. */
    free(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(nobody_takes_without_the_cluster),
        T(flap_gives_everything_back_unmarked),
        T(second_outage_is_settled_too),
        T(alone_it_holds_until_fenced),
        T(solo_hand_over_crosses_the_session_start),
        T(nothing_above_the_facts_goes_out_during_the_hello),
        T(origin_holds_what_a_dead_taker_may_have_had),
        T(taker_returns_and_goes_on),
        T(lost_confirmations_put_no_more_in_doubt_than_was_intended),
        T(long_backlog_is_held_then_marked),
        T(long_backlog_at_an_answering_sink),
        T(unfenced_node_holds_nothing),
        T(restarted_node_may_have_been_fenced),
        T(taker_fences_first),
        T(a_broken_hello_is_no_word_of_fencing),
        T(fenced_is_over_when_the_peer_speaks),
        T(fenced_is_over_when_the_peer_is_heard),
        T(fenced_is_ignored_while_the_peer_speaks),
        T(a_takeover_raises_the_term),
        T(what_is_in_flight_stays_so),
        T(lost_journal_is_told_the_highest_epoch),
        T(fencing_goes_at_a_restart),
        T(a_lost_journal_had_nothing_that_is_to_come),
        T(lost_file_is_the_replicas),
        T(silence_about_a_segment_is_no_word),
        T(clock_gives_the_epoch_without_a_journal_or_a_peer),
        T(what_was_opened_alone_ahead_of_the_clock),
        T(no_epoch_takes_the_place_of_the_one_before),
        T(what_was_opened_alone_is_heard_of_late),
        T(two_leaps_do_not_meet),
        T(what_was_opened_alone_is_passed_a_session_later),
        T(what_was_opened_alone_is_heard_of_in_part),
        cmocka_unit_test(what_came_is_told_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
