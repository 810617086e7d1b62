/* links: test_pair */
/* N2-N5, L4, T5: what a node says, and what it takes of what it hears, frame by frame. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "bytes.h"
#include "pair_steps.h"
#include "segment.h"
#include "wire.h"

/* A frame of the peer to that node, on that link, in this session. */
static void hear(struct pair *p, int n, int link, uint8_t type, const uint8_t *body, size_t len)
{
    uint8_t frame[FRAME_SIZE_MAX];

    wire_put_header(frame, type, 0);
    core_stamp(&p->node[1 - n].core, frame);
    memcpy(frame + FRAME_HEADER_SIZE, body, len);
    pair_give(p, n, link, frame, FRAME_HEADER_SIZE + len);
}

static void hear_ack(struct pair *p, uint32_t epoch, uint32_t replicated)
{
    uint8_t body[9] = {0};

    put_le32(body + 1, epoch);
    put_le32(body + 5, replicated);
    hear(p, 0, 0, FRAME_ACK, body, sizeof(body));
}

static void hear_intent(struct pair *p, uint32_t epoch, uint32_t sequence)
{
    uint8_t body[8 + ENTRY_SIZE];

    put_le64(body, p->now_ns);
    wire_put_entry(body + 8, &(struct wire_entry){0, epoch, p->options.sink[0].key, sequence});
    hear(p, 1, 0, FRAME_INTENT, body, sizeof(body));
}

/* The intents that are on their way to node 1, of which none is acknowledged; at most `max`. */
static size_t intents(const struct pair *p, uint32_t *at, size_t max)
{
    const struct pair_queue *q = &p->node[1].in;
    size_t count = 0;
    uint32_t len;

    for (size_t i = q->head; i < q->tail; i += len + 4) {
        struct wire_entry e;

        memcpy(&len, q->bytes + i, 4);
        if (q->bytes[i + 4] != FRAME_INTENT || len < FRAME_HEADER_SIZE + 8 + ENTRY_SIZE)
            continue;
        assert_true(count < max);
        assert_int_equal(wire_get_entry(q->bytes + i + 4 + FRAME_HEADER_SIZE + 8, ENTRY_SIZE, &e),
                         0);
        at[count++] = e.sequence;
    }
    return count;
}

/* N3: intents are pipelined: one that is not acknowledged yet keeps no later one back. */
static void two_intents_are_under_way(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0), at[4];

    pair_produce(p, 0, 5);
    pair_work_once(p, 0);
    hear_ack(p, e, 4);
    pair_work_once(p, 0);
    hear_ack(p, e, 6);
    pair_work_once(p, 0);
    assert_int_equal(intents(p, at, 4), 2);
    assert_int_equal(at[0], 4);
    assert_int_equal(at[1], 6);
    assert_int_equal(pair_span(p, 0, 0, e, 6)->granted, 1);
}

/* N3: of what is not in its journal a node holds no intent, and acknowledges none. */
static void an_intent_on_what_is_not_held_is_declined(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[1].core;
    uint32_t e = pair_live(p, 0);

    pair_produce(p, 0, 3);
    pair_settle(p);
    hear_intent(p, e, 5);
    assert_true(c->grant_owed); /* The lease it grants. */
    assert_int_equal(c->grants_len, 0);
    assert_int_equal(pair_span(p, 1, 0, e, 5)->intent, 4);
}

/* N5: marks for which the output has no room are told with the next one. */
static void marks_without_room_are_told_again(void **state)
{
    struct pair *p = *state;
    struct pair_node *node = &p->node[0];
    uint32_t e = pair_live(p, 0);

    node->sink_stalls = true;
    pair_produce(p, 0, 5);
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, e, 6)->emitted, 1);
    pair_confirm(p, 0);
    core_output_clear(&node->out);
    node->out.frame_count = OUT_FRAME_MAX;
    core_flush(&node->core, 0, &node->out);
    assert_true(node->out.more);
    pair_settle(p);
    assert_int_equal(pair_span(p, 1, 0, e, 6)->emitted, 6);
}

/* L1: an epoch does not end below what the journal has of it, whatever the ring says of its end. */
static void an_epoch_ends_above_what_is_journaled(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    struct core_input in = {.kind = CORE_EPOCH_OPENED, .now_ns = p->now_ns, .epoch = {e + 2, e, 4}};

    pair_produce(p, 0, 5);
    core_step(&p->node[0].core, &in);
    assert_true(core_segment(&p->node[0].core, 0, e)->closed);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->last, 6);
}

/* T5: of a segment that its origin has lost nothing is taken: what was replicated is all of it. */
static void nothing_comes_of_a_lost_segment(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    struct segment *g = segment_find(&p->node[1].core, 0, e);
    bool restart;

    assert_int_equal(core_accepts(&p->node[1].core, 0, e, 1, 2, 5, &restart), 0);
    g->lost = true;
    assert_int_equal(core_accepts(&p->node[1].core, 0, e, 1, 2, 5, &restart), -1);
    assert_int_equal(core_accepts(&p->node[1].core, 0, e, 9, 9, 5, &restart), -1);
}

/* L4: a gap of which some has come is not filled before the last of it has. */
static void a_gap_is_filled_by_its_last_record(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[1].core;
    uint32_t e = pair_live(p, 0);
    struct segment *g = segment_find(c, 0, e);

    p->node[0].sink_off = true;
    pair_produce(p, 0, 9);
    pair_settle(p);
    g->gap = GAP_PENDING;
    g->gap_told = true;
    g->gap_from = 8;
    g->gap_to = 12;
    pair_work_once(p, 1);
    assert_int_equal(g->gap, GAP_PENDING);
    assert_int_equal(c->filled[0], 0);
    pair_produce(p, 0, 2);
    pair_settle(p);
    assert_int_equal(g->gap, GAP_FILLED);
    assert_int_equal(c->filled[0], 5);
}

/* N2: the same records come again when a link was lost: R does not go back. */
static void what_is_acknowledged_stays_so(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);

    pair_produce(p, 0, 9);
    pair_settle(p);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->replicated, 10);
    hear_ack(p, e, 4);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->replicated, 10);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->cursor, 10);
}

/* T5: a peer whose epochs are all settled has no fact that tells of them: its hello does. */
static void the_hello_tells_the_highest_epoch(void **state)
{
    struct pair *p = *state;
    uint32_t far = 50000000; /* Above where a new journal leaps to (T5). */

    pair_lose_host(p, 0);
    pair_elapse_ms(p, 1500);
    p->node[1].core.highest_epoch = far;
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_true(pair_live(p, 0) > far);
}

/* L1: an epoch that was asked for has its place, however many segments the peer's hello tells of.
 */
static void an_epoch_asked_for_has_its_place(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    struct core_input opened = {.kind = CORE_EPOCH_OPENED};
    struct core_input first = {.kind = CORE_RECORDS};

    pair_cut(p);
    for (uint32_t e = 101; p->node[1].core.count < 20; e += 2)
        assert_non_null(segment_add(&p->node[1].core, 1, e));
    for (uint32_t e = 1000; c->count + 8 < SEGMENT_MAX; e += 2)
        assert_non_null(segment_add(c, 0, e));
    c->now_ns = p->now_ns += 2 * SECOND_NS;
    core_output_clear(&p->node[0].out);
    core_flush(c, 0, &p->node[0].out);
    assert_int_not_equal(p->node[0].out.epoch_open, 0);
    opened.epoch.epoch = first.records.epoch = p->node[0].out.epoch_open;
    first.records.from = first.records.to = 1;
    pair_connect(p);
    for (int i = 0; i < 4; i++)
        pair_work_once(p, 1 - i % 2);
    assert_int_equal(c->session, SESSION_UP);
    opened.now_ns = first.now_ns = p->now_ns;
    core_step(c, &opened);
    core_step(c, &first);
    assert_non_null(core_segment(c, 0, first.records.epoch));
}

/* N2: what found no place at the replica is sent again once there is some. */
static void a_full_table_is_no_end(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    uint32_t e, from = 100002;
    unsigned marked;

    for (e = from; c->count < SEGMENT_MAX; e += 2)
        assert_non_null(segment_add(c, 0, e));
    p->node[1].core.epoch_wanted = true;
    pair_elapse_ms(p, 1500);
    e = pair_live(p, 1);
    pair_produce(p, 1, 5);
    pair_elapse_ms(p, 1000);
    assert_int_equal(pair_times(p, 1, e, 6, &marked), 0);
    for (uint32_t d = from; c->count > 8; d += 2)
        segment_remove(c, segment_find(c, 0, d));
    pair_elapse_ms(p, 5000);
    assert_int_equal(c->session, SESSION_UP);
    assert_int_equal(pair_times(p, 1, e, 6, &marked), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(two_intents_are_under_way),         T(an_intent_on_what_is_not_held_is_declined),
        T(marks_without_room_are_told_again), T(an_epoch_ends_above_what_is_journaled),
        T(nothing_comes_of_a_lost_segment),   T(a_gap_is_filled_by_its_last_record),
        T(what_is_acknowledged_stays_so),     T(the_hello_tells_the_highest_epoch),
        T(an_epoch_asked_for_has_its_place),  T(a_full_table_is_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
