/* links: test_pair */
/* N1-N6: two cores that are well, on a virtual clock. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pair_steps.h"
#include "record.h"

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
    s = pair_span(p, 0, 0, pair_live(p, 0), 2);
    assert_int_equal(s->emitted, 1);
    assert_int_equal(s->intent, 9);
    assert_int_equal(s->handed, 9);
    assert_int_equal(pair_span(p, 1, 0, pair_live(p, 0), 9)->intent, 9);
}

/* N3: what a process that ends has intended can all be confirmed; so nobody has to doubt it. */
static void an_ending_process_raises_no_intent(void **state)
{
    struct pair *p = *state;
    const struct span *s;

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    assert_int_equal(core_intended(&p->node[0].core, 0), 8);
    core_end(&p->node[0].core);
    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_produce(p, 0, 100);
    pair_settle(p);
    s = pair_span(p, 1, 0, pair_live(p, 0), 9);
    assert_int_equal(s->intent, 9);
    assert_int_equal(s->emitted, 9);
    assert_int_equal(core_intended(&p->node[0].core, 0), 0);
    pair_crash(p, 0);
    pair_cut(p);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 1000);
    pair_start(p, 0);
    pair_connect(p);
    pair_cluster(p, 1, false, true);
    pair_elapse_ms(p, 3000);
    assert_int_equal(p->node[0].core.in_doubt[0] + p->node[1].core.in_doubt[0], 0);
    pair_expect_exactly_once(p);
}

/* N1: nobody but the origin hands out what is live. */
static void only_the_origin_emits(void **state)
{
    struct pair *p = *state;
    struct core_give g;

    p->node[0].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, pair_live(p, 0), 5)->owner, 0);
    assert_false(core_pull(&p->node[1].core, 0, 10, &g));
}

/* N2, finding 8: what the peer cannot journal it does not acknowledge, nor an intent on it, and the
 * origin hands none of it out. */
static void nothing_is_acknowledged_before_it_is_journaled(void **state)
{
    struct pair *p = *state;
    const struct segment *g;
    unsigned marked;

    p->node[1].disk_full = true;
    pair_produce(p, 0, 100);
    pair_elapse_ms(p, 200);
    g = core_segment(&p->node[0].core, 0, pair_live(p, 0));
    assert_int_equal(g->sent, 101);
    assert_int_equal(g->replicated, 1);
    assert_int_equal(g->at[0].span[0].granted, 1);
    assert_int_equal(pair_times(p, 0, pair_live(p, 0), 2, &marked), 0);
}

/* N2: what the peer knows to be tagged, and has not got, it does not acknowledge. */
static void what_is_tagged_is_not_acknowledged(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_tag_ahead(p);

    pair_produce(p, 0, 1);
    pair_settle(p);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->produced, 40);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->replicated, 12);
}

/* N2: the journal has no holes, so that one number acknowledges all below it. */
static void no_hole_comes_into_the_journal(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    bool restart;

    pair_produce(p, 0, 10); /* Up to 11. */
    pair_settle(p);
    assert_int_equal(core_accepts(&p->node[1].core, 0, e, 1, 12, 5, &restart), 0);
    assert_false(restart);
    assert_int_equal(core_accepts(&p->node[1].core, 0, e, 1, 10, 5, &restart), 2);
    assert_false(restart);
    assert_int_equal(core_accepts(&p->node[1].core, 0, e, 1, 13, 5, &restart), -1);
    assert_true(restart);
    assert_int_equal(core_accepts(&p->node[1].core, 0, e, 13, 13, 5, &restart), 0);
}

/* N3: an intent that the peer has not acknowledged gives nothing. */
static void intent_waits_for_its_acknowledgement(void **state)
{
    struct pair *p = *state;
    size_t seen = p->seen_count;

    pair_produce(p, 0, 5);
    for (int i = 0; pair_span(p, 0, 0, pair_live(p, 0), 2)->intent < 6; i++) {
        assert_true(i < 10); /* Records, R, then the intent. */
        pair_work_once(p, 0);
        assert_int_equal(p->seen_count, seen);
        pair_work_once(p, 1);
    }
    assert_int_equal(p->seen_count, seen);
    pair_work_once(p, 0);
    assert_int_equal(p->seen_count, seen + 5);
}

/* N4: the owner's lease counts from when it asked, the peer's count from when it answered and with
 * the drift: it ends later by both. */
static void owners_lease_ends_first(void **state)
{
    struct pair *p = *state;
    uint64_t asked = p->now_ns + 80 * MS;
    struct core_input tick = {.kind = CORE_TICK, .now_ns = asked};

    p->now_ns = asked;
    core_step(&p->node[0].core, &tick);
    pair_work_once(p, 0); /* It asks, */
    assert_int_equal(p->node[0].core.renew_ns, asked);
    p->now_ns += 20 * MS; /* and it takes a while. */
    tick.now_ns = p->now_ns;
    core_step(&p->node[1].core, &tick);
    core_step(&p->node[0].core, &tick);
    pair_settle(p);
    assert_int_equal(p->node[0].core.lease_end_ns, asked + 300 * MS);
    assert_true(p->node[1].core.grant_end_ns > asked + 320 * MS + 299 * MS / 1000);
}

/* N5: the peer hears of what is confirmed, and keeps it: it would start above. */
static void confirmations_reach_the_peer(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    unsigned marked;

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    pair_confirm(p, 0); /* 2-9 */
    p->node[0].sink_off = true;
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, e, 50)->emitted, 9);
    pair_crash(p, 0);
    pair_crash(p, 1);
    pair_start(p, 1);
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, 600);
    assert_int_equal(pair_times(p, 0, e, 9, &marked), 1);
    assert_int_equal(pair_times(p, 0, e, 101, &marked), 1);
    assert_int_equal(marked, 0);
}

/* N5: what is confirmed is in both journals, and a restart of both forgets none of it. */
static void confirmations_are_journaled(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 5); /* Up to 6. */
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, e, 2)->intent, 6);
    assert_int_equal(pair_span(p, 0, 0, e, 2)->emitted, 1);
    pair_confirm(p, 0);
    pair_settle(p);
    for (int n = 0; n < NODE_COUNT; n++)
        pair_crash(p, n);
    for (int n = 0; n < NODE_COUNT; n++) {
        p->node[n].sink_off = true;
        pair_start(p, n);
        assert_int_equal(pair_span(p, n, 0, e, 2)->emitted, 6);
    }
}

/* N6: a new epoch at most once a second, however often the session is lost. */
static void epochs_open_once_a_second(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    pair_elapse_ms(p, 1000);
    pair_cut(p);
    pair_settle(p);
    e = pair_live(p, 0);
    for (int i = 0; i < 9; i++) {
        pair_connect(p);
        pair_elapse_ms(p, 50);
        pair_cut(p);
        pair_elapse_ms(p, 50);
        assert_int_equal(pair_live(p, 0), e);
    }
    pair_elapse_ms(p, 150);
    assert_int_equal(pair_live(p, 0), e + 2);
    pair_connect(p);
    pair_elapse_ms(p, 1500);
    pair_expect_exactly_once(p);
}

/* Finding 12: the sequence numbers run out: a new epoch, and nothing is held or marked. */
static void epoch_rolls_while_the_session_is_up(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    struct core_input in = {.kind = CORE_PRODUCED, .records = {0, e, 0, EPOCH_RECORDS_MAX - 1000}};
    unsigned marked;

    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 50);
    pair_settle(p);
    in.now_ns = p->now_ns;
    core_step(&p->node[0].core, &in);
    pair_elapse_ms(p, 1100);
    assert_true(pair_live(p, 0) > e);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->state, SEGMENT_DRAINING);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_elapse_ms(p, 100);
    assert_int_equal(pair_times(p, 0, e, 51, &marked), 1);
    for (size_t i = 0; i < p->seen_count; i++)
        assert_false(p->seen[i].in_doubt);
}

/* Finding 12, before the numbers run out: an epoch that has its records is closed and settled, so
 * that the journal does not grow for as long as the session holds. */
static void what_is_delivered_leaves_the_journal_an_epoch_at_a_time(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    struct core_input in = {.kind = CORE_PRODUCED, .records = {0, e, 0, 150}};

    p->node[0].core.o.epoch_records = 100;
    pair_produce(p, 0, 149);
    pair_settle(p);
    in.now_ns = p->now_ns;
    core_step(&p->node[0].core, &in);
    pair_elapse_ms(p, 1500);
    assert_true(pair_live(p, 0) > e);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
    pair_expect_exactly_once(p);
}

/* Finding 10, section 9: a frame of another session changes nothing. */
static void frames_of_another_session_are_dropped(void **state)
{
    struct pair *p = *state;
    uint8_t f[FRAME_HEADER_SIZE + 9];
    struct core_input in = {.kind = CORE_FRAME, .frame = {0, f, sizeof(f)}};

    p->node[1].alive = false; /* It does not acknowledge. */
    pair_produce(p, 0, 10);
    pair_work_once(p, 0);
    wire_put_header(f, FRAME_ACK, p->node[0].core.nonce);
    f[FRAME_HEADER_SIZE] = 0;
    for (int i = 0; i < 4; i++) {
        f[FRAME_HEADER_SIZE + 1 + i] = (uint8_t)(pair_live(p, 0) >> 8 * i);
        f[FRAME_HEADER_SIZE + 5 + i] = (uint8_t)(11u >> 8 * i);
    }
    in.now_ns = p->now_ns;
    core_step(&p->node[0].core, &in);
    assert_int_equal(core_segment(&p->node[0].core, 0, pair_live(p, 0))->replicated, 1);
    core_stamp(&p->node[1].core, f);
    core_step(&p->node[0].core, &in);
    assert_int_equal(core_segment(&p->node[0].core, 0, pair_live(p, 0))->replicated, 11);
}

/* L1, section 2: what was confirmed before the session reaches the peer when it comes up, not when
 * the next record is tagged; so E <= R. */
static void what_was_confirmed_alone_is_replicated_at_once(void **state)
{
    struct pair *p = *state;
    const struct segment *g;
    uint32_t e;

    pair_cut(p);
    pair_elapse_ms(p, 1500);
    e = pair_live(p, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 1)->emitted, 1);
    pair_connect(p);
    pair_settle(p);
    g = core_segment(&p->node[0].core, 0, e);
    assert_int_equal(g->replicated, g->journaled);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, g->journaled);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(steady_state_emits_once),
        T(intent_stays_in_the_window),
        T(an_ending_process_raises_no_intent),
        T(only_the_origin_emits),
        T(nothing_is_acknowledged_before_it_is_journaled),
        T(what_is_tagged_is_not_acknowledged),
        T(no_hole_comes_into_the_journal),
        T(intent_waits_for_its_acknowledgement),
        T(owners_lease_ends_first),
        T(confirmations_reach_the_peer),
        T(confirmations_are_journaled),
        T(epochs_open_once_a_second),
        T(epoch_rolls_while_the_session_is_up),
        T(what_is_delivered_leaves_the_journal_an_epoch_at_a_time),
        T(frames_of_another_session_are_dropped),
        T(what_was_confirmed_alone_is_replicated_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
