/* links: test_pair */
/* Long schedules of faults, each with the promise that it once broke: a configuration that changes
 * at a restart, rings and journals that go and come back, offers that nobody answers. */
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

/* Both nodes start, and have a session; the epoch that node 0 opened. */
static uint32_t start_both(struct pair *p)
{
    pair_meet(p);
    return pair_live(p, 0);
}

/* Node 1 knows that node 0 has tagged 40 records, of which it has 11; node 0's host goes, and the
 * ring with it. */
static uint32_t die_with_a_full_ring(struct pair *p)
{
    uint32_t e = pair_tag_ahead(p);

    pair_crash(p, 0);
    pair_lose_ring(p, 0);
    return e;
}

/* Section 9, N5: a process that starts in the midst of an epoch tells what is tagged of it, also
 * before the next one is open: its marks would be above all that the peer knows of. */
static void an_epoch_that_grows_is_told_before_the_next(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_crash(p, 0);
    pair_start(p, 0);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(pair_live(p, 0), 0);
    pair_tagged(p, 0, 40);
    pair_elapse_ms(p, 200);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->produced, 40);
}

/* L4: 12 to 40 are known to be tagged, and nobody states that they are lost. */
static void what_went_with_the_ring_is_stated(void **state)
{
    struct pair *p = *state;
    uint32_t e = die_with_a_full_ring(p);

    pair_start(p, 0);
    pair_elapse_ms(p, 1500); /* Its next epoch is open; the old one waits for the peer's word. */
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 12));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 40));
}

/* L4: stated as pending by the taker, and counted as filled when they are lost. */
static void what_is_pending_is_lost_and_not_filled(void **state)
{
    struct pair *p = *state;
    uint32_t e = die_with_a_full_ring(p);

    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 600);
    assert_true(pair_stated(p, RECORD_GAP_PENDING, 0, e, 12));
    pair_start(p, 0);
    pair_elapse_ms(p, 1500);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 40));
}

/* T4a: both fenced at the last settlement; node 1 starts anew without its command and its
 * operator says that node 0 is fenced, which had gone on alone above what was intended. */
static void a_taker_that_fenced_before_doubts_all(void **state)
{
    struct pair *p = *state;

    pair_init(p, 8);
    p->options.fencing = true;
    start_both(p);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    p->options.fencing = false;
    pair_crash(p, 1);
    pair_start(p, 1);
    assert_true(p->node[1].core.must_fence);
    p->node[0].sink_off = false;
    pair_settle(p); /* Alone, node 0 emits all: nobody can take it before it is fenced. */
    pair_crash(p, 0);
    pair_fenced(p, 1);
    pair_elapse_ms(p, 1000);
    pair_expect_exactly_once(p);
}

/* durability = process, the power goes, and the operator starts it with durability = power: the
 * marks that the power took count as if they were all there. */
static void durability_changes_after_the_power_went(void **state)
{
    struct pair *p = *state;
    size_t synced;

    pair_init(p, 8);
    p->boot[0] = p->boot[1] = 1;
    start_both(p);
    pair_cut(p);
    pair_elapse_ms(p, 1100);
    synced = p->node[0].disk.meta_len;
    pair_produce(p, 0, 20); /* Alone: handed over and confirmed. */
    pair_settle(p);
    pair_power_cut(p, 0, synced); /* The records were written back, the marks were not. */
    p->options.power = true;
    pair_start(p, 0);
    pair_elapse_ms(p, 2000);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    pair_expect_exactly_once(p);
}

/* As test_tail.c: 21 records of node 0, all at node 1, none at the sink; its disk keeps ten, and
 * its ring lives. */
static uint32_t lose_the_end(struct pair *p)
{
    uint32_t e = pair_die_undelivered(p);

    for (size_t i = 0; i < p->node[0].disk.held_count; i++) {
        if (p->node[0].disk.held[i].epoch == e)
            p->node[0].disk.held[i].to = 10;
    }
    return e;
}

/* And comes back to node 1, which has all of it and no sink. */
static uint32_t return_to_the_peer(struct pair *p)
{
    uint32_t e = lose_the_end(p);

    p->node[1].sink_off = true;
    pair_start(p, 0);
    core_recover_ring(&p->node[0].core, e, 0, 0);
    pair_connect(p);
    pair_settle(p);
    return e;
}

static void stand_ins(struct pair *p, uint32_t e)
{
    struct core_input in = {.kind = CORE_RECORDS, .lost = true, .now_ns = p->now_ns};

    in.records = (struct core_range){0, e, core_hole(&p->node[0].core, e, 22), 21};
    assert_int_equal(in.records.from, 11);
    core_step(&p->node[0].core, &in);
}

/* T1: an origin that has no more than stand-ins does not take the range back from the peer, which
 * has the records. */
static void stand_ins_are_not_handed_back(void **state)
{
    struct pair *p = *state;
    uint32_t e = return_to_the_peer(p);

    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
    stand_ins(p, e);
    pair_produce(p, 0, 5);
    pair_settle(p);
    pair_handover(p, 1);
    pair_elapse_ms(p, 100);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
    assert_int_equal(pair_span(p, 1, 0, e, 15)->owner, 1);
}

/* T3: nor are they taken over from a peer that is dead, and may return: they would go out for what
 * it has, and may have taken itself. */
static void stand_ins_are_not_taken_over(void **state)
{
    struct pair *p = *state;
    uint32_t e = return_to_the_peer(p);

    stand_ins(p, e);
    pair_crash(p, 1);
    pair_cluster(p, 0, true, true);
    pair_elapse_ms(p, 2000);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->handed, 10);
    p->node[0].sink_off = false;
    pair_fenced(p, 0); /* It stays away: they are lost. */
    pair_elapse_ms(p, 2000);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->emitted, 21);
}

/* T3: the ring gives the next record before the session is up, as it does whenever there is
 * traffic: what the peer holds is not given up for stand-ins. */
static void stand_ins_before_the_session(void **state)
{
    struct pair *p = *state;
    uint32_t e = lose_the_end(p);

    pair_start(p, 0);
    core_recover_ring(&p->node[0].core, e, 0, 0);
    assert_true(core_hole_waits(&p->node[0].core, e, 22));
    p->node[1].sink_off = true;
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_true(core_hole_waits(&p->node[0].core, e, 22)); /* Until the marks say so. */
    pair_settle(p);
    assert_false(core_hole_waits(&p->node[0].core, e, 22));
    stand_ins(p, e);
    pair_produce(p, 0, 5);
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, e, 15)->owner, 1);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
}

/* T5: what a new journal has opened itself it remembers: nothing of it is in doubt.  With the
 * policy `hold` it waits for ever, with `skip` it is never handed over. */
static void a_new_journal_remembers_its_own(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    pair_init(p, 8);
    p->options.sink[0].policy = IN_DOUBT_HOLD;
    start_both(p);
    pair_lose_host(p, 0);
    p->node[0].sink_off = true; /* Nothing of what follows goes anywhere. */
    p->options.clock_epoch = 1000;
    pair_start(p, 0);
    pair_elapse_ms(p, 3000);
    e = pair_live(p, 0);
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 60000);
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
    assert_int_equal(marked, 0);
}

/* T4: the peer has taken over and emitted; its origin starts without a peer in its
 * configuration: what it emits of the same is marked. */
static void the_peer_leaves_the_configuration(void **state)
{
    struct pair *p = *state;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_fail_over(p, 1000);
    p->options.has_peer = false;
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 1000);
    pair_expect_exactly_once(p);
}

/* T3: the power takes both nodes' marks, node 1's less far back.  Node 0 doubts all, as it goes on
 * alone; that node 1 knows of a higher intent of its does not end what it doubts above that. */
static void a_higher_intent_ends_no_doubt(void **state)
{
    struct pair *p = *state;
    size_t synced[NODE_COUNT];

    pair_init(p, 8);
    p->boot[0] = p->boot[1] = 1;
    start_both(p);
    synced[0] = p->node[0].disk.meta_len;
    pair_produce(p, 0, 4);
    pair_settle(p);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 95);
    pair_settle(p); /* E = 5, I = 13 */
    synced[1] = p->node[1].disk.meta_len;
    p->node[0].sink_off = false;
    pair_settle(p); /* All 100 are there. */
    pair_power_cut(p, 1, synced[1]);
    pair_power_cut(p, 0, synced[0]);
    p->node[0].sink_stalls = true;
    pair_start(p, 0);
    pair_fenced(p, 0);
    pair_elapse_ms(p, 1000); /* It hands over 2-9. */
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_elapse_ms(p, 3000);
    pair_expect_exactly_once(p);
}

/* T4a: both fenced, so that node 0 went on alone above its intents; the power takes its marks,
 * and both start without a command: node 1's intents are no witness. */
static void what_fenced_before_is_no_witness(void **state)
{
    struct pair *p = *state;
    size_t synced;

    pair_init(p, 8);
    p->options.fencing = true;
    p->boot[0] = p->boot[1] = 1;
    start_both(p);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_cut(p);
    pair_elapse_ms(p, 10);
    synced = p->node[0].disk.meta_len;
    p->node[0].sink_off = false;
    pair_settle(p); /* Alone, it emits all. */
    pair_power_cut(p, 0, synced);
    pair_crash(p, 1);
    p->options.fencing = false;
    pair_start(p, 1);
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    pair_expect_exactly_once(p);
}

/* T4a: in a session of version 1 one node hears that the other one fences, and the other does
 * not: only one of them counts both as fencing, and only that one remembers it. */
static void both_fence_only_where_both_can_say_it(void **state)
{
    struct pair *p = *state;

    pair_init(p, 8);
    p->options.fencing = true;
    p->version[1] = 1;
    start_both(p);
    assert_int_equal(p->node[0].core.version, 1);
    p->node[1].sink_off = true;
    pair_produce(p, 1, 100);
    pair_settle(p);
    pair_cut(p);
    p->options.fencing = false;
    pair_crash(p, 0);
    pair_start(p, 0); /* Without its command. */
    pair_cluster(p, 0, true, true);
    pair_elapse_ms(p, 1000); /* By the cluster's word it takes over what node 1 goes on with. */
    p->node[1].sink_off = false;
    pair_elapse_ms(p, 1000);
    pair_expect_exactly_once(p);
}

/* T4: a giver that died before the answer is told that its peer is fenced: what the ring still
 * had of the segment stays offered, and held. */
static void fenced_ends_the_offer_of_what_was_never_sent(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    pair_produce(p, 0, 100);
    pair_settle(p);
    e = pair_live(p, 0);
    pair_handover(p, 0);
    pair_work_once(p, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 102)->handing, HAND_OFFERED);
    pair_crash(p, 1);
    pair_crash(p, 0);
    pair_produce(p, 0, 5); /* In the ring, which lives on. */
    pair_start(p, 0);
    pair_elapse_ms(p, 2000);
    pair_fenced(p, 0);
    pair_elapse_ms(p, 60000);
    assert_true(pair_times(p, 0, e, 101, &marked) >= 1);
    assert_true(pair_times(p, 0, e, 106, &marked) >= 1);
}

/* L3: as test_one_sink.c a_new_sink_is_in_doubt, and the log is renewed in between. */
static void a_new_sink_is_in_doubt_after_the_log_is_renewed(void **state)
{
    struct pair *p = *state;

    pair_init(p, 8);
    pair_start(p, 0);
    p->options.sink[0].key = sink_key("other");
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 2020);
    pair_produce(p, 0, 20);
    pair_settle(p);
    p->options.sink[0].key = sink_key("siem");
    pair_crash(p, 1);
    pair_crash(p, 0);
    pair_start(p, 1);
    pair_elapse_ms(p, 100);
    pair_renew_log(p, 1);
    pair_crash(p, 1);
    pair_start(p, 1);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 2000);
    pair_expect_exactly_once(p);
}

/* T5: node 0 starts with an empty journal, and then with its own again (the disk was not
 * mounted). What it holds above what its peer has is dropped, and nobody says so. */
static void the_journal_comes_back(void **state)
{
    static struct pair_disk kept;
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_elapse_ms(p, 200);
    p->node[0].sink_off = true;
    pair_cut(p);
    pair_produce(p, 0, 20); /* The next epoch is not open yet; its sink is down. */
    pair_elapse_ms(p, 2000);
    pair_crash(p, 0);
    kept = p->node[0].disk;
    pair_lose_journal(p, 0);
    pair_lose_ring(p, 0);
    p->options.clock_epoch = 1000;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    pair_crash(p, 0);
    p->node[0].disk = kept;
    pair_lose_ring(p, 0);
    p->node[0].sink_off = false;
    p->options.clock_epoch = 1100;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 10000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_true(pair_times(p, 0, e, 25, &marked) > 0 || pair_stated(p, RECORD_GAP_LOST, 0, e, 25));
}

/* T5: so it is while the peer still has some of it to hand over. */
static void the_journal_comes_back_to_a_segment_that_waits(void **state)
{
    static struct pair_disk kept;
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_wait_for_sinks(p, 10);
    pair_elapse_ms(p, 200);
    pair_cut(p);
    pair_produce(p, 0, 20);
    pair_elapse_ms(p, 2000);
    pair_crash(p, 0);
    kept = p->node[0].disk;
    pair_lose_journal(p, 0);
    pair_lose_ring(p, 0);
    p->options.clock_epoch = 1000;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    pair_crash(p, 0);
    assert_non_null(core_segment(&p->node[1].core, 0, e));
    p->node[0].disk = kept;
    pair_lose_ring(p, 0);
    p->node[0].sink_off = p->node[1].sink_off = false;
    p->options.clock_epoch = 1100;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 10000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_true(pair_times(p, 0, e, 25, &marked) > 0 || pair_stated(p, RECORD_GAP_LOST, 0, e, 25));
}

/* The sink, which knows all, has all 21. */
static void answer_all(struct pair *p, int n)
{
    while (p->node[n].asked_count > 0) {
        const struct core_range *r = &p->node[n].asked[0];

        pair_answer(p, n, ANSWER_HAS, r->epoch < pair_live(p, 0) ? min_u32(r->to, 21) : 0);
        pair_settle(p);
    }
}

/* Node 0 has closed its segment of 21, all at node 1; its disk keeps ten.  Node 1 takes it over and
 * hands all of it over. */
static uint32_t taken_over_and_delivered(struct pair *p)
{
    uint32_t e;

    pair_init(p, 8);
    p->options.sink[0].answers = true;
    e = start_both(p);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_elapse_ms(p, 1100);
    pair_cut(p);
    pair_elapse_ms(p, 50); /* It has not asked the sink yet. */
    assert_true(core_segment(&p->node[0].core, 0, e)->closed);
    pair_crash(p, 0);
    for (size_t i = 0; i < p->node[0].disk.held_count; i++) {
        if (p->node[0].disk.held[i].epoch == e)
            p->node[0].disk.held[i].to = 10;
    }
    p->node[0].sink_off = false;
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 1000);
    while (p->node[1].asked_count > 0) { /* There is nothing of it yet. */
        pair_answer(p, 1, ANSWER_HAS, 0);
        pair_settle(p);
    }
    return e;
}

/* A3: node 1 is gone for good, and the operator says so: what the sink has of what the disk
 * lost is stated as lost, and nobody asked. */
static void what_the_taker_delivered_is_asked_for(void **state)
{
    struct pair *p = *state;
    uint32_t e = taken_over_and_delivered(p);
    unsigned marked;

    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
    pair_crash(p, 1);
    pair_start(p, 0);
    pair_elapse_ms(p, 1500);
    pair_produce(p, 0, 5);
    pair_settle(p);
    pair_fenced(p, 0);
    for (int i = 0; i < 50; i++) {
        pair_elapse_ms(p, 100);
        answer_all(p, 0);
    }
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 15));
}

/* A3: node 1 comes back without its journal. */
static void what_a_forgetful_taker_delivered_is_asked_for(void **state)
{
    struct pair *p = *state;
    uint32_t e = taken_over_and_delivered(p);
    unsigned marked;

    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
    pair_lose_host(p, 1);
    p->options.clock_epoch = 1000;
    pair_start(p, 1);
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 1500);
    pair_produce(p, 0, 5);
    for (int i = 0; i < 50; i++) {
        pair_elapse_ms(p, 100);
        answer_all(p, 0);
    }
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 15));
}

/* L4: the marks are all there and say that nothing was handed over; the first of its files is
 * gone. What was in it counts as done, at the peer, which has it, too. */
static void a_lost_file_is_not_done(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_die_undelivered(p);
    unsigned marked;

    p->node[1].sink_off = true;
    for (size_t i = 0; i < p->node[0].disk.held_count; i++) {
        if (p->node[0].disk.held[i].epoch == e)
            p->node[0].disk.held[i].from = 11;
    }
    pair_lose_ring(p, 0);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
    assert_true(pair_times(p, 0, e, 5, &marked) > 0 || pair_stated(p, RECORD_GAP_LOST, 0, e, 5));
}

/* T5: the file of the open segment goes, its peer takes over and loses its journal: how much of it
 * the peer had is known by nobody, and what the ring gives again may be at the sink. */
static void a_lost_file_and_a_forgetful_peer(void **state)
{
    struct core_input in = {.kind = CORE_RECORDS};
    struct pair *p = *state;
    uint32_t e;

    pair_init(p, 8);
    start_both(p);
    e = pair_die_undelivered(p);
    for (size_t i = 0; i < p->node[0].disk.held_count; i++) {
        if (p->node[0].disk.held[i].epoch == e)
            p->node[0].disk.held[i].to = 0;
    }
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 2000);
    pair_crash(p, 1);
    pair_lose_journal(p, 1);
    p->node[0].sink_off = true;
    pair_start(p, 0);
    p->options.clock_epoch = 1000;
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    in.lost = true;
    in.now_ns = p->now_ns;
    in.records = (struct core_range){0, e, 1, 9};
    core_step(&p->node[0].core, &in);
    in.lost = false;
    in.records = (struct core_range){0, e, 10, 21};
    core_step(&p->node[0].core, &in);
    assert_true(pair_span(p, 0, 0, e, 15)->doubt >= 21);
}

/* T1: the peer is frozen with an offer before it, thaws when the giver's hold time is
 * over, and accepts it. */
static void a_frozen_peer_accepts_late(void **state)
{
    static struct pair_queue before_it;
    struct pair *p = *state;

    for (int fencing = 0; fencing < 2; fencing++) {
        struct core_input down = {.kind = CORE_LINK_DOWN};
        uint32_t e;
        unsigned marked;

        pair_init(p, 8);
        p->options.fencing = fencing != 0;
        p->options.sink[0].hold_ns = SECOND_NS;
        p->options.drain_ns = 100 * MS;
        pair_start(p, 0);
        pair_start(p, 1);
        pair_connect(p);
        pair_elapse_ms(p, 2020);
        p->node[0].sink_stalls = true;
        pair_produce(p, 0, 100);
        pair_settle(p);
        e = pair_live(p, 0);
        pair_confirm(p, 0);
        pair_handover(p, 0);
        pair_work_once(p, 0);
        assert_int_equal(pair_span(p, 0, 0, e, 101)->handing, HAND_OFFERED);
        before_it = p->node[1].in;
        p->node[1].alive = p->link = false; /* Frozen. */
        down.now_ns = p->now_ns;
        core_step(&p->node[0].core, &down);
        pair_produce(p, 0, 5);
        pair_elapse_ms(p, 2500);
        assert_true(pair_times(p, 0, e, 15, &marked) == 1 && marked == 1);
        p->node[1].alive = true;
        p->node[1].in = before_it;
        down.now_ns = p->now_ns;
        pair_read(p, 1);
        assert_int_equal(pair_span(p, 1, 0, e, 101)->owner, 1);
        pair_work_once(p, 1);
        core_step(&p->node[1].core, &down);
        pair_elapse_ms(p, 100);
        p->node[0].sink_stalls = false;
        pair_connect(p);
        pair_elapse_ms(p, 20);
        pair_confirm(p, 0);
        pair_elapse_ms(p, 3000);
        pair_expect_exactly_once(p);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(an_epoch_that_grows_is_told_before_the_next),
        T(what_went_with_the_ring_is_stated),
        T(what_is_pending_is_lost_and_not_filled),
        T(a_taker_that_fenced_before_doubts_all),
        T(durability_changes_after_the_power_went),
        T(stand_ins_are_not_handed_back),
        T(stand_ins_are_not_taken_over),
        T(stand_ins_before_the_session),
        T(a_new_journal_remembers_its_own),
        T(the_peer_leaves_the_configuration),
        T(a_higher_intent_ends_no_doubt),
        T(what_fenced_before_is_no_witness),
        T(both_fence_only_where_both_can_say_it),
        T(fenced_ends_the_offer_of_what_was_never_sent),
        T(a_new_sink_is_in_doubt_after_the_log_is_renewed),
        T(the_journal_comes_back),
        T(the_journal_comes_back_to_a_segment_that_waits),
        T(what_the_taker_delivered_is_asked_for),
        T(what_a_forgetful_taker_delivered_is_asked_for),
        T(a_lost_file_is_not_done),
        T(a_lost_file_and_a_forgetful_peer),
        T(a_frozen_peer_accepts_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
