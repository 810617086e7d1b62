/* links: test_pair */
/* Section 9, T3: the facts that a session is settled by are those of the two processes that hold
 * it, whatever earlier hellos, and earlier lives of the peer, still say over another link. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "pair.h"
#include "segment.h"
#include "wire.h"

static void link_is(struct pair *p, int n, int link, bool up)
{
    struct core_input in = {.kind = up ? CORE_LINK_UP : CORE_LINK_DOWN,
                            .now_ns = p->now_ns,
                            .link = {link, ++p->random}};

    core_step(&p->node[n].core, &in);
}

static void work_without_reading(struct pair *p, int n)
{
    struct pair_queue *q = &p->node[n].in;
    uint8_t kept[FRAME_SIZE_MAX];
    size_t len = q->tail - q->head;

    assert_true(len <= sizeof(kept));
    memcpy(kept, q->bytes + q->head, len);
    q->head = q->tail;
    pair_work_once(p, n);
    memcpy(q->bytes, kept, len);
    q->head = 0;
    q->tail = len;
}

/* Node 0 hears, on link 0, all of node 1's hello but its end, which is left in `end`; its other
 * link is up, so that it goes on with this hello when node 1 dies. */
static uint32_t all_but_the_end(struct pair *p, uint8_t end[FRAME_SIZE_MAX])
{
    uint32_t len;

    pair_connect(p);
    link_is(p, 0, 1, true);
    pair_work_once(p, 1);
    pair_work_once(p, 0);
    pair_work_once(p, 1); /* It has node 0's nonce now, and tells its facts. */
    while ((len = pair_take(p, 0, end)) > 0 && end[0] != FRAME_HELLO_END)
        pair_give(p, 0, 0, end, len);
    assert_int_equal(end[0], FRAME_HELLO_END);
    p->node[0].in.head = p->node[0].in.tail = 0;
    return len;
}

/* Node 1 dies, and in its next life alone it ends the epoch that it was in, and settles it.  For
 * node 0 no time goes on. */
static void die_and_settle_alone(struct pair *p, uint32_t epoch)
{
    p->node[1].alive = p->link = false;
    link_is(p, 0, 0, false);
    p->node[0].alive = false;
    pair_start(p, 1);
    pair_elapse_ms(p, 3000);
    assert_null(core_segment(&p->node[1].core, 1, epoch));
    p->node[0].alive = true;
    p->node[0].core.hello_ns = p->now_ns;
}

static uint32_t alone(struct pair *p)
{
    pair_cut(p);
    pair_elapse_ms(p, 3000); /* Each has an epoch now that the other one knows nothing of. */
    return pair_live(p, 1);
}

static void a_dead_process_has_no_facts(struct pair *p)
{
    uint8_t end[FRAME_SIZE_MAX];
    uint32_t epoch = alone(p);

    all_but_the_end(p, end);
    assert_non_null(core_segment(&p->node[0].core, 1, epoch));
    die_and_settle_alone(p, epoch);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_null(core_segment(&p->node[0].core, 1, epoch));
}

/* Section 9, T3. */
static void facts_of_an_earlier_life_are_forgotten(void **state)
{
    a_dead_process_has_no_facts(*state);
}

static void also_those_of_version_1(void **state)
{
    struct pair *p = *state;

    pair_crash(p, 1);
    p->version[1] = 1;
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 100);
    assert_int_equal(p->node[0].core.version, 1);
    a_dead_process_has_no_facts(p);
}

/* Section 9: with a peer of version 1 nothing but the link tells of which hello a fact is: those on
 * another link than its hello are not taken, nor is their end. */
static void facts_on_another_link_are_not_of_this_hello(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    uint8_t frame[FRAME_SIZE_MAX];
    uint32_t epoch, len, facts = 0;

    pair_crash(p, 1);
    p->version[1] = 1;
    pair_start(p, 1);
    epoch = alone(p);
    pair_connect(p);
    link_is(p, 0, 1, true);
    pair_work_once(p, 1);
    pair_work_once(p, 0);
    pair_work_once(p, 1);
    assert_int_equal(c->version, 1);
    for (; (len = pair_take(p, 0, frame)) > 0; facts += frame[0] == FRAME_FACT)
        pair_give(p, 0, 1, frame, len);
    assert_true(facts > 0);
    assert_null(core_segment(c, 1, epoch));
    assert_int_equal(c->session, SESSION_HELLO);
}

/* The end of the first hello comes behind the second one, on the other link: what it ends is not
 * what was told since. */
static void the_end_of_an_earlier_hello_ends_nothing(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    uint8_t end[FRAME_SIZE_MAX], frame[FRAME_SIZE_MAX];
    uint32_t epoch = alone(p), end_len = all_but_the_end(p, end), len;

    die_and_settle_alone(p, epoch);
    pair_connect(p);
    pair_work_once(p, 1);
    len = pair_take(p, 0, frame);
    assert_int_equal(frame[0], FRAME_HELLO);
    pair_give(p, 0, 0, frame, len);
    pair_give(p, 0, 1, end, end_len);
    assert_false(c->hello_done);
    pair_give(p, 0, 0, end, end_len); /* Wherever it comes from. */
    assert_false(c->hello_done);
    pair_settle(p);
    assert_int_equal(c->session, SESSION_UP);
}

/* Of one process: it has moved to the other link and begun its hello again there. */
static void a_hello_that_was_overtaken_is_not_heard(void **state)
{
    struct pair *p = *state;
    uint8_t old[FRAME_SIZE_MAX], frame[FRAME_SIZE_MAX];
    struct core *c = &p->node[0].core;
    uint32_t old_len, len;

    alone(p);
    link_is(p, 1, 1, true);
    pair_connect(p);
    pair_work_once(p, 1);
    old_len = pair_take(p, 0, old);
    link_is(p, 1, 1, false);
    pair_work_once(p, 1);
    len = pair_take(p, 0, frame);
    assert_int_equal(frame[0], FRAME_HELLO);
    pair_give(p, 0, 0, frame, len);
    assert_int_equal(c->hello_link, 0);
    assert_int_equal(c->peer_turn, 1);
    pair_give(p, 0, 1, old, old_len);
    assert_int_equal(c->hello_link, 0);
    pair_settle(p);
    assert_int_equal(c->session, SESSION_UP);
    pair_give(p, 0, 1, old, old_len);
    assert_int_equal(c->session, SESSION_UP);
}

/* Our facts told of a segment that was not done; it is done when the session is up.  The peer,
 * whose facts did not speak of it, has it from ours: it is not settled before the peer has our
 * word. */
static void what_our_facts_left_undone_waits_for_the_peer(void **state)
{
    struct pair *p = *state;
    uint8_t frame[FRAME_SIZE_MAX];
    uint32_t epoch, len;

    pair_crash(p, 0);
    pair_lose_journal(p, 0);
    pair_elapse_ms(p, 3000);
    epoch = pair_live(p, 1);
    pair_start(p, 0);
    pair_connect(p);
    pair_work_once(p, 1);
    pair_work_once(p, 0); /* Its facts are out: it knows nothing. */
    len = pair_take(p, 1, frame);
    assert_int_equal(frame[0], FRAME_HELLO);
    pair_give(p, 1, 0, frame, len);
    p->node[1].core.epoch_wanted = true;
    work_without_reading(p, 1); /* Its own are out, and the epoch that they speak of ends. */
    assert_true(pair_live(p, 1) > epoch);
    work_without_reading(p, 1);
    assert_true(core_segment(&p->node[1].core, 1, epoch)->done);
    pair_work_once(p, 1);
    assert_int_equal(p->node[1].core.session, SESSION_UP);
    pair_work_once(p, 1);
    assert_non_null(core_segment(&p->node[1].core, 1, epoch));
    pair_settle(p);
    assert_null(core_segment(&p->node[0].core, 1, epoch));
    assert_null(core_segment(&p->node[1].core, 1, epoch));
}

/* The length of a frame of this kind that is on its way to that node, copied; 0: there is none. */
static uint32_t find(const struct pair *p, int n, uint8_t kind, uint8_t frame[FRAME_SIZE_MAX])
{
    const struct pair_queue *q = &p->node[n].in;
    uint32_t len;

    for (size_t at = q->head; at < q->tail; at += len + 4) {
        memcpy(&len, q->bytes + at, 4);
        if (q->bytes[at + 4] != kind || len > FRAME_SIZE_MAX)
            continue;
        memcpy(frame, q->bytes + at + 4, len);
        return len;
    }
    return 0;
}

/* N5: E only grows: a mark that was overtaken by a later one takes nothing back. */
static void an_older_mark_takes_nothing_back(void **state)
{
    struct pair *p = *state;
    uint8_t old[FRAME_SIZE_MAX];
    uint32_t e = pair_live(p, 0), old_len = 0;
    uint32_t emitted;

    pair_produce(p, 0, 5);
    for (int i = 0; i < 100 && old_len == 0; i++) {
        p->now_ns += 5 * MS;
        pair_work_once(p, 0);
        old_len = find(p, 1, FRAME_MARKS, old);
        pair_work_once(p, 1);
    }
    assert_true(old_len > 0);
    pair_produce(p, 0, 5);
    pair_settle(p);
    pair_elapse_ms(p, 100);
    emitted = delivery_find(&segment_find(&p->node[1].core, 0, e)->at[0], 11)->emitted;
    assert_int_equal(emitted, 11);
    pair_give(p, 1, 0, old, old_len);
    assert_int_equal(delivery_find(&segment_find(&p->node[1].core, 0, e)->at[0], 11)->emitted,
                     emitted);
}

/* T5: node 0 has no memory of node 1, and hears its facts but not their end. Node 1's journal goes
 * then: the next one is told that another one was there, and what it had is in doubt. */
static void facts_without_an_end_tell_of_a_journal(void **state)
{
    struct pair *p = *state;
    uint8_t end[FRAME_SIZE_MAX];

    pair_cut(p);
    p->node[0].core.peer_journal = 0;
    all_but_the_end(p, end);
    assert_int_equal(p->node[0].core.session, SESSION_HELLO);
    pair_cut(p);
    pair_crash(p, 1);
    pair_lose_journal(p, 1);
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[1].core.session, SESSION_UP);
    assert_true(p->node[1].core.forgot);
    assert_true(p->node[0].core.peer_fresh);
}

/* T3: a hello that has no room for all facts does not end: the rest follows. */
static void a_hello_ends_behind_all_facts(void **state)
{
    struct pair *p = *state;
    struct core_output *out = &p->node[0].out;
    size_t hello = 2 * FRAME_HEADER_SIZE + HELLO_SIZE + 4 * p->options.sink_count;

    pair_cut(p);
    pair_connect(p);
    pair_work_once(p, 1);
    pair_read(p, 0);
    core_output_clear(out);
    out->frame_bytes = OUT_FRAME_BYTES_MAX - hello - FRAME_HEADER_SIZE;
    core_flush(&p->node[0].core, 4096, out);
    assert_true(out->more);
    assert_true(out->frame_count > 0);
    for (size_t i = 0; i < out->frame_count; i++)
        assert_int_not_equal(out->bytes[out->frame[i].at], FRAME_HELLO_END);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(facts_of_an_earlier_life_are_forgotten),
        T(also_those_of_version_1),
        T(facts_on_another_link_are_not_of_this_hello),
        T(the_end_of_an_earlier_hello_ends_nothing),
        T(a_hello_that_was_overtaken_is_not_heard),
        T(what_our_facts_left_undone_waits_for_the_peer),
        T(an_older_mark_takes_nothing_back),
        T(facts_without_an_end_tell_of_a_journal),
        T(a_hello_ends_behind_all_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
