/* links: test_pair */
/* The configuration is edited between two starts: sinks that come and go, a peer that leaves. */
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

/* Records of node 0, marked or not. */
static void expect_each_once(const struct pair *p, uint32_t epoch, uint32_t from, uint32_t to)
{
    unsigned marked;

    for (uint32_t q = from; q <= to; q++)
        assert_int_equal(pair_times(p, 0, epoch, q, &marked), 1);
}

static void restart_with(struct pair *p, int n, const char *sink)
{
    pair_crash(p, n);
    p->options.sink[0].key = sink_key(sink);
    pair_start(p, n);
}

/* Both end, and node 0 starts without a peer, which its operator says is dead: a minute later. */
static void the_peer_leaves(struct pair *p)
{
    pair_crash(p, 1); /* For good. */
    pair_crash(p, 0);
    p->options.has_peer = false;
    p->node[0].sink_off = p->node[0].disk_full = false;
    pair_start(p, 0);
    pair_fenced(p, 0);
    pair_elapse_ms(p, 60000);
}

/* It is started so, and has a session. */
static void meet_with(struct pair *p, int n, const char *sink)
{
    restart_with(p, n, sink);
    pair_connect(p);
    pair_elapse_ms(p, 1500);
    assert_int_equal(p->node[n].core.session, SESSION_UP);
}

/* D2: a sink is taken out of the configuration and put back; the log of marks is renewed in
 * between: all of the segment goes out again. */
static void a_sink_is_put_back_at_the_origin(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    pair_init(p, 8);
    p->options.has_peer = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 2020);
    e = pair_live(p, 0);
    pair_produce(p, 0, 20);
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, e, 10, &marked), 1);
    p->node[0].sink_off = true;
    restart_with(p, 0, "other");
    pair_renew_log(p, 0);
    p->node[0].sink_off = false;
    restart_with(p, 0, "siem");
    pair_elapse_ms(p, 3000);
    pair_expect_exactly_once(p);
}

/* T3: node 1 has taken over and handed over, and is started without the sink: its facts do not
 * speak of it, and its origin hands all of it over again as certain. */
static void the_taker_is_started_without_the_sink(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_die_undelivered(p);
    unsigned marked;

    pair_take_over(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
    assert_int_equal(marked, 0);
    p->node[0].sink_off = false;
    pair_start(p, 0);
    p->node[1].sink_off = true;
    restart_with(p, 1, "other");
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    pair_expect_exactly_once(p);
}

/* T3: so it is where node 0 died as soon as its facts were out: by them node 1's session came up.
 */
static void its_facts_were_the_last_of_it(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    restart_with(p, 1, "other");
    pair_connect(p);
    pair_settle(p);
    p->node[0].sink_off = true;
    e = pair_live(p, 0);
    pair_produce(p, 0, 20);
    pair_settle(p);
    restart_with(p, 1, "siem");
    pair_connect(p);
    for (int i = 0; i < 8 && !p->node[0].core.facts_out; i++)
        pair_work_once(p, 1 - i % 2);
    for (int i = 0; i < 8 && p->node[1].core.session != SESSION_UP; i++)
        pair_work_once(p, 1);
    assert_int_equal(p->node[1].core.session, SESSION_UP);
    assert_int_not_equal(p->node[0].core.session, SESSION_UP);
    pair_fail_over(p, 1000);
    assert_true(pair_times(p, 0, e, 20, &marked) >= 1);
    p->node[0].sink_off = false;
    pair_start(p, 0);
    p->node[1].sink_off = true;
    restart_with(p, 1, "other");
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    pair_expect_exactly_once(p);
}

/* T3: so it is where the power has taken the word that node 1 had the sink: what its own file says
 * settles nothing. */
static void the_power_took_that_the_taker_had_the_sink(void **state)
{
    struct pair *p = *state;
    size_t synced;
    unsigned marked;
    uint32_t e;

    pair_crash(p, 1);
    pair_crash(p, 0);
    p->boot[0] = 7; /* Else it knows of no power cut. */
    p->node[0].sink_off = true;
    pair_start(p, 0);
    pair_elapse_ms(p, 2500);
    e = pair_live(p, 0);
    pair_produce(p, 0, 10);
    pair_settle(p);
    synced = p->node[0].disk.meta_len;
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    pair_power_cut(p, 0, synced);
    pair_take_over(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 10, &marked), 1);
    pair_start(p, 0);
    restart_with(p, 1, "other");
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(pair_span(p, 0, 0, e, 10)->owner, 0);
    assert_true(pair_span(p, 0, 0, e, 10)->foreign);
}

/* L3: node 1 was in a session without the sink: its marks of the sink are of before, and what its
 * origin handed over meanwhile is not certain. */
static void a_sink_is_put_back_at_the_taker(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_produce(p, 0, 5);
    pair_settle(p);
    pair_elapse_ms(p, 100);
    p->node[1].sink_off = true;
    restart_with(p, 1, "other");
    pair_connect(p);
    pair_settle(p);
    pair_produce(p, 0, 20);
    pair_settle(p);
    assert_int_equal(pair_times(p, 0, e, 20, &marked), 1);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 26);
    pair_crash(p, 0);
    p->node[1].sink_off = false;
    restart_with(p, 1, "siem");
    pair_take_over(p, 2000);
    pair_expect_exactly_once(p);
}

/* T3: so it is with what its origin's disk lost, and the replica brings. */
static void a_sink_is_put_back_at_the_replica(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    size_t synced;

    p->node[1].sink_off = true;
    restart_with(p, 1, "other");
    pair_connect(p);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    e = pair_live(p, 0);
    synced = p->node[0].disk.meta_len;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_power_cut(p, 0, synced);
    pair_lose_tail(p, 0, e, 1);
    p->node[1].sink_off = false;
    restart_with(p, 1, "siem");
    pair_return(p, 3000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    pair_expect_exactly_once(p);
}

/* T5: the taker loses its journal while its origin is without the sink, so that nobody can say
 * there what that means. */
static void the_taker_forgets_while_the_sink_is_away(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_produce(p, 0, 5);
    pair_handover(p, 0);
    pair_settle(p);
    p->node[1].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, e, 20)->owner, 1);
    pair_crash(p, 0); /* It does not hear what its peer does from here on. */
    p->node[1].sink_off = false;
    pair_elapse_ms(p, 31000);
    assert_int_equal(pair_times(p, 0, e, 20, &marked), 1);
    pair_lose_host(p, 1);
    p->node[0].sink_off = true;
    restart_with(p, 0, "other");
    p->options.sink[0].key = sink_key("siem");
    p->node[1].disk_full = true; /* It takes nothing yet. */
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 100);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    p->node[0].sink_off = p->node[1].disk_full = false;
    meet_with(p, 0, "siem");
    pair_elapse_ms(p, 3000);
    pair_expect_exactly_once(p);
}

/* A3: a sink is added; the first files of the segment, all delivered, are gone: what every old sink
 * has is stated as lost. */
static void an_added_sink_has_lost_nothing(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_elapse_ms(p, 100);
    assert_int_equal(pair_times(p, 0, e, 5, &marked), 1);
    pair_crash(p, 0);
    for (size_t i = 0; i < p->node[0].disk.held_count; i++) {
        if (p->node[0].disk.held[i].epoch == e)
            p->node[0].disk.held[i].from = 11; /* Its first file was trimmed. */
    }
    p->options.sink[1] = (struct core_sink_options){.key = sink_key("other")};
    p->options.sink_count = 2;
    pair_crash(p, 1);
    pair_start(p, 0);
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, 5));
}

/* T1, T4: what was handed over is the peer's, which leaves the configuration: it is held for ever,
 * also when the operator says that the peer is dead. */
static void what_was_handed_over_when_the_peer_leaves(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_wait_for_sinks(p, 20);
    pair_handover(p, 0);
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
    the_peer_leaves(p);
    assert_true(pair_times(p, 0, e, 15, &marked) > 0 || pair_stated(p, RECORD_GAP_LOST, 0, e, 15));
}

/* L3: so it is with what it had of the peer's. */
static void what_the_peer_had_when_it_leaves(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 1);
    unsigned marked;

    p->node[1].sink_off = true;
    pair_produce(p, 1, 20);
    pair_settle(p);
    assert_int_equal(core_segment(&p->node[0].core, 1, e)->journaled, 21);
    the_peer_leaves(p);
    assert_true(pair_times(p, 1, e, 15, &marked) > 0 || pair_stated(p, RECORD_GAP_LOST, 1, e, 15));
    assert_null(core_segment(&p->node[0].core, 1, e));
}

/* L3, L4: node 1 has closed its segment of 21, of which node 0 has 11, and leaves the
 * configuration: the rest is held for ever, and nobody says that it is lost. */
static void what_the_peer_had_closed_when_it_leaves(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 1);
    unsigned marked;

    p->node[1].sink_off = true;
    pair_produce(p, 1, 10);
    pair_settle(p);
    p->node[0].disk_full = true;
    pair_produce(p, 1, 10);
    pair_settle(p);
    pair_cut(p);
    pair_elapse_ms(p, 1500);
    pair_connect(p);
    pair_elapse_ms(p, 100);
    assert_true(core_segment(&p->node[0].core, 1, e)->closed);
    assert_int_equal(core_segment(&p->node[0].core, 1, e)->last, 21);
    assert_int_equal(core_segment(&p->node[0].core, 1, e)->journaled, 11);
    the_peer_leaves(p);
    assert_true(pair_times(p, 1, e, 11, &marked) > 0);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 1, e, 12));
    assert_true(pair_stated(p, RECORD_GAP_LOST, 1, e, 21));
    assert_null(core_segment(&p->node[0].core, 1, e));
}

/* T1: what was offered, and not answered, when the peer leaves the configuration is held for ever.
 */
static void what_was_offered_when_the_peer_leaves(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_wait_for_sinks(p, 20);
    pair_handover(p, 0);
    pair_work_once(p, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->handing, HAND_OFFERED);
    the_peer_leaves(p);
    assert_true(pair_times(p, 0, e, 15, &marked) > 0 || pair_stated(p, RECORD_GAP_LOST, 0, e, 15));
}

/* L3: node 1 has taken over, its sink is down; node 0 comes back without the sink: what node 1 owns
 * there goes nowhere, and nobody says so. */
static void the_origin_comes_back_without_the_sink(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_take_over_backlog(p, 1000);
    unsigned marked;

    meet_with(p, 0, "other");
    p->node[1].sink_off = false;
    pair_elapse_ms(p, 5000);
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
    assert_int_equal(marked, 1); /* Its origin may have taken it back before, and emitted it. */
}

/* L3: node 0 is started without the sink, has a session, and is started with it again: what waited
 * for it there is its peer's, which has had the sink all the time. */
static void a_sink_is_put_back_at_the_origin_of_a_pair(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_wait_for_sinks(p, 20);
    meet_with(p, 0, "other");
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    p->node[0].sink_off = p->node[1].sink_off = false;
    restart_with(p, 0, "siem");
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
    pair_expect_exactly_once(p);
}

/* D2: nor does it know there what its peer had of records that its disk has lost, and its ring
 * gives again: the peer took over, and forgot that with its journal. */
static void a_sink_is_put_back_under_a_ring_that_goes_on(void **state)
{
    struct pair *p = *state;
    struct pair_disk *disk = &p->node[0].disk;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_wait_for_sinks(p, 20);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_fail_over(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 1);
    pair_crash(p, 1);
    pair_lose_journal(p, 1);
    disk->held_count = 0;
    p->node[0].ring_next = 2;
    pair_start(p, 1);
    restart_with(p, 0, "other");
    core_recover_ring(&p->node[0].core, e, 0, 0);
    pair_connect(p);
    pair_settle(p);
    restart_with(p, 0, "siem");
    core_recover_ring(&p->node[0].core, e, 0, 0);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    pair_produce(p, 0, 20);
    pair_elapse_ms(p, 3000);
    assert_int_equal(pair_times(p, 0, e, 15, &marked), 2);
    assert_int_equal(marked, 1);
}

/* L3: so is what comes after that, in the epoch that goes on: its peer had nothing more to expect
 * there. */
static void a_sink_is_put_back_for_what_is_to_come(void **state)
{
    struct pair *p = *state;
    uint32_t e, first;

    meet_with(p, 0, "other");
    e = pair_live(p, 0);
    restart_with(p, 0, "siem");
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(p->node[0].ring_epoch, e);
    first = p->node[0].ring_next;
    pair_produce(p, 0, 20);
    pair_elapse_ms(p, 1500);
    expect_each_once(p, e, first, first + 19);
}

/* L3: so it is where its peer dies before it has settled that: node 0 has, and has to say it again.
 */
static void its_peer_forgets_what_is_to_come(void **state)
{
    struct pair *p = *state;
    uint32_t e, first;

    meet_with(p, 0, "other");
    e = pair_live(p, 0);
    p->node[0].sink_off = true;
    restart_with(p, 0, "siem");
    pair_connect(p);
    for (int i = 0; i < 8 && !p->node[1].core.facts_out; i++)
        pair_work_once(p, i % 2);
    for (int i = 0; i < 8 && p->node[0].core.session != SESSION_UP; i++)
        pair_work_once(p, 0);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_not_equal(p->node[1].core.session, SESSION_UP);
    assert_int_equal(p->node[0].ring_epoch, e);
    first = p->node[0].ring_next;
    pair_produce(p, 0, 20);
    pair_crash(p, 1);
    pair_cut(p);
    pair_settle(p);
    pair_start(p, 1);
    pair_connect(p);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 3000);
    expect_each_once(p, e, first, first + 19);
}

/* What its second sink has confirmed of that epoch of its own ends there. */
static void confirmed_less(struct pair *p, int n, uint32_t epoch, uint32_t last)
{
    struct delivery *d = &segment_find(&p->node[n].core, (uint8_t)n, epoch)->at[1];

    assert_true(d->count > 0 && d->span[0].emitted > last);
    d->span[0].emitted = d->span[0].handed = last;
    pair_renew_log(p, n);
}

/* L3: its other sink has most of it, also of what its peer could not journal: it skips none of
 * that, or its peer would begin anew behind it, and forget what waits there for the sink that node
 * 0 lacks. */
static void nothing_is_skipped_where_the_peer_waits(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    pair_init(p, 8);
    p->options.sink[0].hold_ns = 500 * MS;
    p->options.sink[1] = (struct core_sink_options){.key = sink_key("all"), .hold_ns = 500 * MS};
    p->options.sink_count = 2;
    pair_meet(p);
    e = pair_live(p, 0);
    pair_wait_for_sinks(p, 20);
    p->node[1].disk_full = true;
    pair_produce(p, 0, 20); /* 22-41, of which node 1 has none. */
    pair_settle(p);
    pair_cut(p);
    pair_elapse_ms(p, 2000);
    confirmed_less(p, 0, e, 31);
    pair_crash(p, 0);
    p->node[1].disk_full = false;
    p->options.sink[0] = p->options.sink[1];
    p->options.sink_count = 1;
    pair_return(p, 1500);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->base, 1);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 41);
    p->node[1].sink_off = false;
    pair_elapse_ms(p, 3000);
    expect_each_once(p, e, 2, 21);
}

/* L3: what is to come was handed over; node 0 has a session without the sink, after which its peer
 * expects nothing more there, gets it back, and takes over before they meet: what it decides since
 * is for that sink. */
static void a_sink_is_put_back_before_a_takeover(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    pair_wait_for_sinks(p, 20);
    pair_handover(p, 0);
    pair_settle(p);
    restart_with(p, 0, "other");
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    restart_with(p, 0, "siem");
    pair_crash(p, 1);
    pair_cluster(p, 0, true, true);
    pair_elapse_ms(p, 400);
    assert_int_equal(p->node[0].ring_epoch, e);
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_elapse_ms(p, 1500);
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_elapse_ms(p, 5000);
    for (uint32_t q = 2; q <= 41; q++)
        assert_true(pair_times(p, 0, e, q, &marked) > 0);
}

/* T5: its journal went, and what its peer has is the peer's.  The epoch. */
static uint32_t lose_its_journal(struct pair *p)
{
    uint32_t e = pair_live(p, 0);

    pair_wait_for_sinks(p, 20);
    pair_lose_host(p, 0);
    pair_return(p, 3000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_int_equal(pair_span(p, 0, 0, e, 15)->owner, 1);
    return e;
}

/* L3: the peer leaves the configuration: nobody can bring it, and that is said. */
static void what_the_peer_alone_had_when_it_leaves(void **state)
{
    struct pair *p = *state;
    uint32_t e = lose_its_journal(p);

    the_peer_leaves(p);
    pair_produce(p, 0, 5); /* So that its ring has nothing older. */
    pair_elapse_ms(p, 3000);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 15));
}

/* L4: the peer is started without the sink: so it is with what that lacks. */
static void what_the_peer_alone_had_when_its_sink_goes(void **state)
{
    struct pair *p = *state;
    uint32_t e = lose_its_journal(p);

    meet_with(p, 1, "other");
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 5000);
    assert_true(pair_stated(p, RECORD_GAP_LOST, 0, e, 15));
}

/* Node 1 dies in an epoch that its ring has open, of which both have 21 records.  Node 0 is run
 * without its peer for a while, and ends that epoch for itself (L3, L4); then both start, and meet
 * before node 1 has opened its next epoch. */
static uint32_t ended_without_its_origin(struct pair *p)
{
    struct core *c = &p->node[1].core;
    uint32_t e = pair_live(p, 1);

    p->node[1].sink_off = true;
    pair_produce(p, 1, 20);
    pair_settle(p);
    pair_crash(p, 1);
    pair_crash(p, 0);
    p->options.has_peer = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 2000);
    pair_crash(p, 0);
    p->options.has_peer = true;
    pair_start(p, 0);
    pair_start(p, 1);
    core_recover_ring(c, e, 0, 0);
    pair_connect(p);
    for (int i = 0; i < 10 && !c->broken; i++) {
        pair_work_once(p, 0);
        pair_read(p, 1);
        if (!c->broken)
            pair_work_once(p, 1);
    }
    assert_true(c->broken);
    assert_non_null(strstr(c->broken_why, "the ring is in"));
    assert_int_equal(c->lies, 0);
    c->broken = false;
    pair_cut(p);
    return e;
}

/* What the ring still has of it comes: first as its records, then its true end. */
static void the_ring_goes_on(struct pair *p, uint32_t e)
{
    unsigned marked;

    assert_false(core_segment(&p->node[1].core, 1, e)->closed);
    pair_produce(p, 1, 5);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_elapse_ms(p, 1500);
    pair_connect(p);
    pair_elapse_ms(p, 5000);
    for (uint32_t q = 1; q <= 26; q++)
        assert_true(pair_times(p, 1, e, q, &marked) > 0);
}

/* L4, T3: what its peer has ended for itself, and keeps, goes on in the ring of its origin. */
static void what_its_peer_ended_goes_on(void **state)
{
    struct pair *p = *state;

    p->node[0].sink_off = true;
    the_ring_goes_on(p, ended_without_its_origin(p));
}

/* L4, A2: so does what its peer has emitted, and forgotten. */
static void what_its_peer_settled_goes_on(void **state)
{
    struct pair *p = *state;

    the_ring_goes_on(p, ended_without_its_origin(p));
}

/* T3: an origin has a sink anew.  Its replica hears with its fact where the segment ends, and had
 * it as done up to there: both settle the same of it. */
static void both_expect_again_the_same(void **state)
{
    struct pair *p = *state;
    struct core *origin = &p->node[1].core, *replica = &p->node[0].core;
    struct segment *g = segment_find(origin, 1, pair_live(p, 1));
    struct segment *h = segment_find(replica, 1, pair_live(p, 1));
    struct delivery doubted = {.count = 1, .unheard = true};
    struct delivery done = {.count = 1};

    doubted.span[0] = (struct span){.from = 1, .to = 1, .owner = 1, .intent = 1, .doubt = 1};
    done.span[0] = (struct span){.from = 2, .to = SEQUENCE_MAX, .owner = 1};
    done.span[0].emitted = done.span[0].handed = done.span[0].intent = 1;
    done.span[0].requested = done.span[0].granted = done.span[0].doubt = 1;
    segment_close(origin, g, 1);
    segment_close(replica, h, 1);
    g->replicated = h->journaled = 0;
    g->at[0] = doubted;
    reconcile(origin, g, 0, &done);
    reconcile(replica, h, 0, &doubted);
    assert_int_equal(g->at[0].count, h->at[0].count);
    assert_int_equal(g->at[0].span[0].emitted, h->at[0].span[0].emitted);
    assert_int_equal(g->at[0].span[0].doubt, h->at[0].span[0].doubt);
}

/* What node 0 took over of the other's, up to `to`. */
static struct span taken(uint32_t to, uint32_t emitted, uint32_t intent)
{
    return (struct span){.from = 3,
                         .to = to,
                         .owner = 0,
                         .term = 1,
                         .emitted = emitted,
                         .handed = emitted,
                         .intent = intent};
}

/* T3, L3: its taker has done all that it took there, more than it holds now: nothing of that is
 * waited for, nor to come again, whichever wire version says so. */
static void what_its_taker_has_done_is_done(void **state)
{
    struct pair *p = *state;
    struct core *origin = &p->node[1].core;
    struct segment *g = segment_find(origin, 1, pair_live(p, 1));
    struct delivery doubted = {.count = 2, .unheard = true};
    struct delivery all = {.count = 1};

    doubted.span[1] = (struct span){.from = 13, .to = SEQUENCE_MAX, .owner = 1, .emitted = 12};
    doubted.span[1].handed = doubted.span[1].intent = 12;
    doubted.span[0] = taken(12, 2, 5);
    doubted.span[0].doubt = 5;
    all.span[0] = taken(12, 12, 12);
    for (origin->version = 1; origin->version <= WIRE_VERSION; origin->version++) {
        g->journaled = 12;
        g->replicated = 7;
        g->at[0] = doubted;
        reconcile(origin, g, 0, &all);
        assert_int_equal(g->at[0].count, 1);
        assert_int_equal(g->at[0].span[0].from, 13);
        assert_int_equal(g->at[0].span[0].owner, 1);
    }
}

/* L3: a taker of wire version 1, which cannot be told that the sink came back, has nothing of it:
 * what it took is not waited for. */
static void what_an_old_taker_has_forgotten_is_taken_back(void **state)
{
    struct pair *p = *state;
    struct core *origin = &p->node[1].core;
    struct segment *g = segment_find(origin, 1, pair_live(p, 1));
    struct delivery mine = {.count = 1, .unheard = true};
    const struct span *s = &g->at[0].span[0];

    mine.span[0] = taken(12, 2, 5);
    mine.span[0].doubt = 5;
    origin->version = 1;
    g->journaled = 12;
    g->replicated = 7;
    g->at[0] = mine;
    reconcile(origin, g, 0, &(struct delivery){0});
    assert_int_equal(g->at[0].count, 1);
    assert_int_equal(s->owner, 1);
    assert_int_equal(s->term, 2);
    assert_int_equal(s->doubt, 12);
    assert_true(s->foreign);
}

/* T3, L3: a taker did all that it took, forgot it where its origin lacked the sink, and lost the
 * records: at both nodes it may have handed over what was sent. */
static void what_a_taker_did_and_lost_is_in_doubt(void **state)
{
    struct pair *p = *state;
    struct core *origin = &p->node[1].core, *replica = &p->node[0].core;
    struct segment *g = segment_find(origin, 1, pair_live(p, 1));
    struct segment *h = segment_find(replica, 1, pair_live(p, 1));
    struct delivery known = {.count = 1, .unheard = true};
    struct delivery nothing = {0};

    known.span[0] = taken(20, 5, 8);
    segment_close(origin, g, 20);
    segment_close(replica, h, 20);
    g->journaled = g->sent = h->peer_sent = 12;
    g->replicated = h->journaled = 0;
    g->at[0] = known;
    h->at[0] = nothing;
    origin->peer_first_epoch = replica->first_epoch = g->epoch; /* Its journal is older. */
    reconcile(origin, g, 0, &nothing);
    reconcile(replica, h, 0, &known);
    for (uint32_t q = 6; q <= 20; q++) {
        const struct span *s = delivery_find(&g->at[0], q), *t = delivery_find(&h->at[0], q);

        assert_int_equal(s->owner, 0);
        assert_int_equal(t->owner, 0);
        assert_int_equal(s->doubt >= q, q <= 12);
        assert_int_equal(t->doubt >= q, q <= 12);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(its_facts_were_the_last_of_it),
        T(both_expect_again_the_same),
        T(what_its_taker_has_done_is_done),
        T(what_a_taker_did_and_lost_is_in_doubt),
        T(what_an_old_taker_has_forgotten_is_taken_back),
        T(what_its_peer_ended_goes_on),
        T(what_its_peer_settled_goes_on),
        T(a_sink_is_put_back_before_a_takeover),
        T(what_the_peer_alone_had_when_it_leaves),
        T(what_the_peer_alone_had_when_its_sink_goes),
        T(the_power_took_that_the_taker_had_the_sink),
        T(a_sink_is_put_back_at_the_origin_of_a_pair),
        T(a_sink_is_put_back_for_what_is_to_come),
        T(a_sink_is_put_back_under_a_ring_that_goes_on),
        T(its_peer_forgets_what_is_to_come),
        T(a_sink_is_put_back_at_the_origin),
        T(the_taker_is_started_without_the_sink),
        T(a_sink_is_put_back_at_the_taker),
        T(a_sink_is_put_back_at_the_replica),
        T(the_taker_forgets_while_the_sink_is_away),
        T(an_added_sink_has_lost_nothing),
        T(what_was_handed_over_when_the_peer_leaves),
        T(what_the_peer_had_when_it_leaves),
        T(what_the_peer_had_closed_when_it_leaves),
        T(what_was_offered_when_the_peer_leaves),
        T(the_origin_comes_back_without_the_sink),
        T(nothing_is_skipped_where_the_peer_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
