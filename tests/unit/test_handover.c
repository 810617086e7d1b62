/* links: test_pair */
/* T1, T2: records that change hands while both nodes live. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pair_steps.h"
#include "rules.h"

static int setup(void **state)
{
    struct pair *p = malloc(sizeof(*p));

    pair_init(p, 8);
    p->options.drain_ns = 100 * MS;
    *state = p;
    return 0;
}

/* Both up, 100 records of node 0, of which its sink has 2-9 and has confirmed none. */
static uint32_t begin(struct pair *p)
{
    pair_start(p, 0);
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 2020);
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 100);
    pair_settle(p);
    return p->node[0].core.live_epoch;
}

/* All of them confirmed. */
static uint32_t begin_confirmed(struct pair *p)
{
    uint32_t e = begin(p);

    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_settle(p);
    return e;
}

static void expect_times(const struct pair *p, uint32_t e, uint32_t q, unsigned times,
                         unsigned marked)
{
    unsigned m;

    assert_int_equal(pair_times(p, 0, e, q, &m), times);
    assert_int_equal(m, marked);
}

static void expect_nothing_marked(const struct pair *p)
{
    for (size_t i = 0; i < p->seen_count; i++)
        assert_false(p->seen[i].in_doubt);
    pair_expect_exactly_once(p);
}

static uint8_t giver(const struct pair *p)
{
    return p->node[0].core.handover.state;
}

/* T1: the owner hands nothing more out, cuts at what is confirmed, and the rest is the peer's. */
static void cut_is_exact(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p);

    pair_handover(p, 0);
    pair_settle(p);
    assert_int_equal(giver(p), HANDOVER_RUNNING);
    expect_times(p, e, 10, 0, 0); /* 2-9 are not confirmed yet. */
    pair_confirm(p, 0);
    pair_settle(p);
    assert_int_equal(giver(p), HANDOVER_DONE);
    assert_int_equal(p->node[0].core.handover.stayed, 0);
    for (int n = 0; n < NODE_COUNT; n++)
        assert_int_equal(pair_span(p, n, 0, e, 101)->owner, 1);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->state, SEGMENT_HANDED_OVER);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->state, SEGMENT_TAKEN);
    for (size_t i = 0; i < p->seen_count; i++)
        assert_int_equal(p->seen[i].by, p->seen[i].range.origin == 1 || p->seen[i].range.from > 9);
    expect_nothing_marked(p);
}

/* T1: what is still being produced is the peer's too, as soon as it has it. */
static void later_records_follow(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p);

    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_settle(p);
    pair_handover(p, 0);
    pair_settle(p);
    pair_produce(p, 0, 50);
    pair_settle(p);
    expect_times(p, e, 151, 1, 0);
    assert_int_equal(p->seen[p->seen_count - 1].by, 1);
    expect_nothing_marked(p);
}

/* T1: the pause is one way over the link: with the offer the peer may act at once. */
static void pause_is_less_than_a_round_trip(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p);
    size_t seen = p->seen_count;

    pair_confirm(p, 0);
    pair_handover(p, 0);
    pair_work_once(p, 0); /* The offer leaves, */
    assert_int_equal(p->seen_count, seen);
    pair_work_once(p, 1); /* and is acted on. */
    assert_true(p->seen_count > seen);
    assert_int_equal(p->seen[seen].by, 1);
    assert_int_equal(p->seen[seen].range.from, 10);
    pair_settle(p);
    expect_times(p, e, 101, 1, 0);
    expect_nothing_marked(p);
}

/* T1: what a slow sink does not confirm in time stays with its owner, the rest goes. */
static void what_is_not_confirmed_stays(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p);

    pair_handover(p, 0);
    pair_elapse_ms(p, 90);
    expect_times(p, e, 10, 0, 0);
    pair_elapse_ms(p, 20);
    assert_int_equal(giver(p), HANDOVER_DONE);
    assert_int_equal(p->node[0].core.handover.stayed, 8);
    assert_int_equal(pair_span(p, 0, 0, e, 9)->owner, 0);
    expect_times(p, e, 101, 1, 0);
    pair_confirm(p, 0);
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, e, 9)->emitted, 9);
    expect_nothing_marked(p);
}

/* T1: a sink that refuses a second writer has to confirm first; else the hand-over is refused. */
static void guarded_sink_is_drained_first(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    p->options.sink[0].answers = true;
    e = begin(p);
    pair_handover(p, 0);
    pair_elapse_ms(p, 150);
    assert_int_equal(giver(p), HANDOVER_RUNNING);
    pair_elapse_ms(p, 100);
    assert_int_equal(giver(p), HANDOVER_REFUSED);
    assert_int_equal(pair_span(p, 1, 0, e, 101)->owner, 0);
    pair_handover(p, 0);
    pair_confirm(p, 0);
    pair_settle(p);
    assert_int_equal(p->node[1].asked_count, 1); /* D1: the peer's first write follows our last. */
    pair_answer(p, 1, ANSWER_HAS, 9);
    pair_settle(p);
    expect_nothing_marked(p);
    expect_times(p, e, 101, 1, 0);
}

/* T1: there and back a hundred times, under load: the list of spans stays short. */
static void there_and_back_a_hundred_times(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p);

    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    for (int i = 0; i < 100; i++) {
        pair_handover(p, i % 2);
        pair_produce(p, 0, 20);
        pair_produce(p, 1, 20);
        pair_settle(p);
        assert_int_equal(p->node[i % 2].core.handover.state, HANDOVER_DONE);
        assert_true(core_segment(&p->node[0].core, 0, e)->at[0].count <= 3);
        assert_true(core_segment(&p->node[1].core, 0, e)->at[0].count <= 3);
    }
    pair_elapse_ms(p, 100);
    expect_nothing_marked(p);
    expect_times(p, e, 101 + 2000, 1, 0);
}

/* T1: both at once: one of them goes on, nothing goes to and fro. */
static void both_at_once(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p);

    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_settle(p);
    pair_handover(p, 1);
    pair_work_once(p, 1);
    pair_handover(p, 0);
    pair_settle(p);
    assert_int_equal(giver(p), HANDOVER_DONE);
    assert_int_equal(p->node[1].core.handover.state, HANDOVER_REFUSED);
    assert_int_equal(pair_span(p, 0, 0, e, 150)->owner, 1);
    pair_produce(p, 0, 10);
    pair_settle(p);
    expect_nothing_marked(p);
}

/* T1: refused with the reason where it cannot be. */
static void refused_without_session_or_version(void **state)
{
    struct pair *p = *state;

    p->version[1] = 1;
    begin(p);
    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_handover(p, 0);
    pair_settle(p);
    assert_int_equal(giver(p), HANDOVER_REFUSED);
    assert_non_null(strstr(p->node[0].core.handover.why, "version 1"));
    pair_cut(p);
    pair_handover(p, 0);
    assert_int_equal(giver(p), HANDOVER_REFUSED);
    assert_non_null(strstr(p->node[0].core.handover.why, "no session"));
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    expect_nothing_marked(p);
}

/* T1: nobody hands over to a sink that the peer cannot reach either. */
static void refused_where_the_peer_cannot_reach_it(void **state)
{
    struct pair *p = *state;

    begin(p);
    pair_sink_lost(p, 1);
    pair_settle(p);
    pair_handover(p, 0);
    assert_int_equal(giver(p), HANDOVER_REFUSED);
    assert_non_null(strstr(p->node[0].core.handover.why, "cannot reach"));
}

/* T2: only this node has lost the sink: the peer emits, what is new too; what was in flight is in
 * doubt as after any loss of a connection. */
static void sink_lost_here_only(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    p->options.give_ns = 50 * MS;
    e = begin(p);
    pair_sink_lost(p, 0);
    pair_elapse_ms(p, 40);
    expect_times(p, e, 101, 0, 0);
    pair_elapse_ms(p, 20);
    expect_times(p, e, 2, 2, 1);
    expect_times(p, e, 9, 2, 1);
    expect_times(p, e, 10, 1, 0);
    expect_times(p, e, 101, 1, 0);
    pair_produce(p, 0, 10);
    pair_settle(p);
    expect_times(p, e, 111, 1, 0);
    pair_expect_exactly_once(p);
}

/* T2: what had not left its host when the sink was lost is not in doubt: the peer emits it. */
static void sink_lost_before_it_left(void **state)
{
    struct pair *p = *state;
    struct core_input in = {.kind = CORE_SINK_LOST, .none = true};
    uint32_t e;

    p->options.give_ns = 50 * MS;
    e = begin(p);
    p->seen_count -= 8; /* None of 2-9 has come. */
    p->node[0].unconfirmed_count = 0;
    in.now_ns = p->now_ns;
    core_step(&p->node[0].core, &in);
    assert_int_equal(pair_span(p, 0, 0, e, 5)->doubt, 0);
    pair_elapse_ms(p, 100);
    for (uint32_t q = 2; q <= 101; q++)
        expect_times(p, e, q, 1, 0);
}

/* T2: and back, when it is the other one's turn to lose it. */
static void sink_lost_there_later(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    p->options.give_ns = 50 * MS;
    e = begin(p);
    pair_sink_lost(p, 0);
    pair_elapse_ms(p, 100);
    p->node[0].sink_stalls = false;
    pair_sink_up(p, 0);
    pair_settle(p);
    pair_sink_lost(p, 1);
    pair_elapse_ms(p, 100);
    pair_produce(p, 0, 10);
    pair_produce(p, 1, 10);
    pair_settle(p);
    expect_times(p, e, 111, 1, 0);
    assert_int_equal(p->seen[p->seen_count - 1].by, 0);
    pair_expect_exactly_once(p);
}

/* What the steps of a hand-over are, in order; the session ends after the given one. */
static void cut_in_the_middle(struct pair *p, int step)
{
    pair_confirm(p, 0);
    p->node[0].sink_stalls = false;
    pair_handover(p, 0);
    if (step > 0)
        pair_work_once(p, 0); /* Offered. */
    if (step > 1)
        pair_work_once(p, 1); /* Accepted. */
    if (step > 2)
        pair_work_once(p, 0); /* Acknowledged. */
    pair_cut(p);
}

/* T1, T3: the session is lost in the middle: whoever it is settled for emits the rest, unmarked. */
static void session_lost_in_the_middle(void **state)
{
    for (int step = 0; step < 4; step++) {
        struct pair *p = *state;
        uint32_t e;

        setup(state);
        free(p);
        p = *state;
        e = begin(p);
        cut_in_the_middle(p, step);
        pair_elapse_ms(p, 100);
        pair_connect(p);
        pair_elapse_ms(p, 2000);
        expect_times(p, e, 101, 1, 0);
        expect_nothing_marked(p);
        for (int n = 0; n < NODE_COUNT; n++)
            assert_int_equal(p->node[n].core.count, 2);
    }
}

/* T1, T4: a giver that dies before the answer and comes back does not know: it holds. */
static void giver_dies_before_the_answer(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p);

    cut_in_the_middle(p, 2);
    pair_crash(p, 0);
    pair_start(p, 0);
    pair_elapse_ms(p, 1000);
    for (uint32_t q = 18; q <= 101; q++)
        expect_times(p, e, q, 0, 0);
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    expect_nothing_marked(p);
    expect_times(p, e, 101, 1, 0);
}

/* T1, T4a: nor does one that lives on under fencing go on with what it offered. */
static void offered_is_held_under_fencing(void **state)
{
    struct pair *p = *state;
    uint32_t e;
    unsigned marked;

    p->options.fencing = true;
    e = begin(p);
    cut_in_the_middle(p, 2);
    pair_elapse_ms(p, 1000);
    assert_true(pair_times(p, 0, e, 50, &marked) <= 1);
    pair_connect(p);
    pair_elapse_ms(p, 1000);
    expect_nothing_marked(p);
}

/* L2: of a handed-over segment its origin emits what was never sent. */
static void unsent_records_are_the_origins(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin_confirmed(p);

    pair_handover(p, 0);
    pair_settle(p);
    pair_cut(p);
    pair_produce(p, 0, 5);
    pair_elapse_ms(p, 20);
    for (uint32_t q = 102; q <= 106; q++)
        expect_times(p, e, q, 1, 0);
    pair_connect(p);
    pair_elapse_ms(p, 2000);
    expect_nothing_marked(p);
    for (int n = 0; n < NODE_COUNT; n++)
        assert_int_equal(p->node[n].core.count, 2);
}

/* D1: nor does it wait then for the answer to a question that it had asked before (L4 asks of a
 * lost tail, also while it is offered): that came while the peer was the owner, and went by. */
static void a_question_ends_with_the_ownership(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin_confirmed(p);

    pair_handover(p, 0);
    pair_work_once(p, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 102)->handing, HAND_OFFERED);
    delivery_find(&segment_find(&p->node[0].core, 0, e)->at[0], 102)->asked = ASK_SENT;
    pair_settle(p);
    assert_int_equal(pair_span(p, 0, 0, e, 102)->owner, 1);
    pair_cut(p);
    assert_int_equal(pair_span(p, 0, 0, e, 102)->owner, 0);
    assert_int_equal(pair_span(p, 0, 0, e, 102)->asked, ASK_NONE);
}

/* L2: nor may the peer, which had accepted what was then still to be produced, emit what its origin
 * took back and has in flight. */
static void taken_back_is_in_flight(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p);

    cut_in_the_middle(p, 2);
    p->node[0].sink_stalls = true;
    pair_produce(p, 0, 5);
    pair_elapse_ms(p, 20);
    expect_times(p, e, 106, 1, 0);
    pair_connect(p);
    pair_elapse_ms(p, 500);
    expect_times(p, e, 106, 1, 0);
    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_elapse_ms(p, 2000);
    expect_nothing_marked(p);
}

/* T1: what is only drained when the hand-over is refused goes on where it was. */
static void refused_while_it_drains(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p), theirs = p->node[1].core.live_epoch;

    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_settle(p);
    p->node[1].sink_stalls = true;
    pair_produce(p, 1, 5);
    pair_settle(p);
    pair_handover(p, 1);
    pair_settle(p);
    pair_handover(p, 0);
    pair_settle(p);
    assert_int_equal(p->node[1].core.handover.state, HANDOVER_REFUSED);
    p->node[1].sink_stalls = false;
    pair_confirm(p, 1);
    pair_produce(p, 1, 5);
    pair_settle(p);
    pair_elapse_ms(p, 500);
    assert_true(pair_span(p, 1, 1, theirs, 11) == NULL ||
                pair_span(p, 1, 1, theirs, 11)->emitted == 11);
    expect_times(p, e, 101, 1, 0);
    expect_nothing_marked(p);
}

/* What that node answers to this offer. */
static struct wire_handover answer_of(struct core *c, const struct wire_handover *offer)
{
    uint8_t bytes[HANDOVER_ENTRY_SIZE];
    struct wire_handover answer;

    wire_put_handover(bytes, offer);
    c->hand_acks_len = 0;
    handover_offered(c, bytes, sizeof(bytes));
    assert_int_equal(c->hand_acks_len, HANDOVER_ENTRY_SIZE);
    assert_int_equal(wire_get_handover(c->hand_acks, sizeof(bytes), &answer), 0);
    c->hand_acks_len = 0;
    return answer;
}

/* T1: an offer is told again until it is answered: its copies are answered as it was, whatever came
 * between. */
static void copies_are_answered_as_the_offer(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin(p);
    struct core *c = &p->node[1].core;
    struct delivery *d = &segment_find(c, 0, e)->at[0];
    struct wire_handover offer = {.origin = 0,
                                  .epoch = e,
                                  .key = c->o.sink[0].key,
                                  .at = 9,
                                  .to = SEQUENCE_MAX,
                                  .term = 1,
                                  .emitted = 9,
                                  .intent = 9,
                                  .doubt = 9};

    assert_int_equal(answer_of(c, &offer).to, SEQUENCE_MAX);
    assert_int_equal(answer_of(c, &offer).to, SEQUENCE_MAX);
    delivery_find(d, 10)->term = 2; /* Offered back, and declined. */
    assert_int_equal(answer_of(c, &offer).to, SEQUENCE_MAX);
    assert_int_equal(answer_of(c, &offer).term, 2);
    d->count = 0; /* Done since. */
    assert_int_equal(answer_of(c, &offer).to, SEQUENCE_MAX);
}

static void a_copy_of_what_was_declined_is_declined(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    struct wire_handover offer = {.origin = 1,
                                  .key = 0,
                                  .at = 1,
                                  .to = SEQUENCE_MAX,
                                  .term = 1,
                                  .emitted = 1,
                                  .intent = 1,
                                  .doubt = 1};

    begin(p);
    offer.key = c->o.sink[0].key;
    offer.epoch = p->node[1].core.live_epoch;
    c->sink[0].give = true; /* Node 0 gives at the same time: it goes on. */
    assert_int_equal(answer_of(c, &offer).to, offer.at);
    c->sink[0].give = false;
    assert_int_equal(answer_of(c, &offer).to, offer.at);
    assert_int_equal(pair_span(p, 0, 1, offer.epoch, 2)->owner, 1);
    offer.term = 2;
    assert_int_equal(answer_of(c, &offer).to, SEQUENCE_MAX);
}

/* T1: the term that a declined offer leaves is that of what was offered, however many runs there
 * are: both nodes know the same of what stayed below. */
static void a_ragged_one_is_declined_from_the_cut_on(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    struct wire_handover offer = {
        .origin = 1, .at = 99, .to = 200, .term = 1, .emitted = 99, .intent = 99, .doubt = 99};
    struct delivery *d;

    begin(p);
    offer.key = c->o.sink[0].key;
    offer.epoch = p->node[1].core.live_epoch;
    d = &segment_find(c, 1, offer.epoch)->at[0];
    for (uint32_t at = 200; d->count < SPAN_MAX - 2; at += 100)
        assert_true(delivery_split(d, delivery_find(d, at), at));
    c->sink[0].give = true; /* Node 0 gives at the same time: it goes on. */
    assert_int_equal(answer_of(c, &offer).to, offer.at);
    assert_int_equal(pair_span(p, 0, 1, offer.epoch, 99)->term, 0);
    assert_int_equal(pair_span(p, 0, 1, offer.epoch, 100)->term, 1);
}

/* N5: E above a cut that the peer may not know of would count as done there what is below it. */
static void nothing_is_told_across_a_cut(void **state)
{
    struct delivery d = {.count = 3,
                         .span = {{.from = 1, .to = 5, .emitted = 3},
                                  {.from = 6, .to = 9, .emitted = 9, .apart = true},
                                  {.from = 10, .to = 20, .emitted = 12, .apart = true}}};

    (void)state;
    assert_false(span_is_apart(&d, &d.span[0]));
    assert_true(span_is_apart(&d, &d.span[1]));
    assert_true(span_is_apart(&d, &d.span[2]));
    d.span[0].emitted = 5;
    assert_false(span_is_apart(&d, &d.span[2]));
    d.span[0].emitted = 3;
    d.span[0].owner = 1;
    assert_false(span_is_apart(&d, &d.span[2]));
}

/* T4: its disk fails a write of what comes, and keeps it none the less: the next process finds
 * there what its owner has no doubt of, and the origin has taken over and written meanwhile. */
static void what_a_failed_write_left_is_held(void **state)
{
    struct pair *p = *state;
    struct pair_disk *disk = &p->node[1].disk;
    uint32_t e;

    p->options.sink[0].hold_ns = 500 * MS;
    e = begin(p);
    pair_handover(p, 0);
    p->node[0].sink_stalls = false;
    pair_confirm(p, 0);
    pair_elapse_ms(p, 100);
    assert_int_equal(pair_span(p, 0, 0, e, 105)->owner, 1);
    p->node[1].disk_full = true;
    pair_produce(p, 0, 20); /* 102-121 */
    pair_settle(p);
    expect_times(p, e, 102, 0, 0);
    pair_cut(p);
    pair_cluster(p, 0, true, true);
    pair_elapse_ms(p, 1000);
    expect_times(p, e, 102, 1, 0);
    pair_crash(p, 1);
    for (size_t i = 0; i < disk->held_count; i++) {
        if (disk->held[i].origin == 0 && disk->held[i].epoch == e)
            disk->held[i].to = 121;
    }
    pair_start(p, 1);
    pair_elapse_ms(p, 100);
    expect_times(p, e, 102, 1, 0); /* T4: it has held it for less than its time. */
    pair_elapse_ms(p, 1000);
    expect_times(p, e, 102, 2, 1);
}

/* T1, L2: the disk has lost what was offered, sent and accepted, and the ring still has it: it is
 * not as if it was never sent. */
static void what_was_offered_is_held_when_its_file_is_cut(void **state)
{
    struct pair *p = *state;
    uint32_t e = begin_confirmed(p);

    p->node[1].sink_off = p->node[0].sink_off = true;
    pair_produce(p, 0, 20); /* 102-121 */
    pair_settle(p);
    cut_in_the_middle(p, 2);
    assert_int_equal(pair_span(p, 1, 0, e, 110)->owner, 1);
    pair_crash(p, 0);
    pair_held(p, 0, e)->to = 101;
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 1000);
    expect_times(p, e, 110, 0, 0);
    pair_elapse_ms(p, 30000);
    expect_times(p, e, 110, 1, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, pair_end)
    const struct CMUnitTest tests[] = {
        T(cut_is_exact),
        T(later_records_follow),
        T(pause_is_less_than_a_round_trip),
        T(what_is_not_confirmed_stays),
        T(guarded_sink_is_drained_first),
        T(there_and_back_a_hundred_times),
        T(both_at_once),
        T(refused_without_session_or_version),
        T(refused_where_the_peer_cannot_reach_it),
        T(sink_lost_here_only),
        T(sink_lost_before_it_left),
        T(sink_lost_there_later),
        T(session_lost_in_the_middle),
        T(giver_dies_before_the_answer),
        T(offered_is_held_under_fencing),
        T(unsent_records_are_the_origins),
        T(a_question_ends_with_the_ownership),
        T(taken_back_is_in_flight),
        T(refused_while_it_drains),
        T(copies_are_answered_as_the_offer),
        T(a_copy_of_what_was_declined_is_declined),
        T(a_ragged_one_is_declined_from_the_cut_on),
        T(nothing_is_told_across_a_cut),
        T(what_a_failed_write_left_is_held),
        T(what_was_offered_is_held_when_its_file_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
