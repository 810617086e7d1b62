/* links: test_pair */
/* Where segments end, and what is stated as lost, where the power or an edit took a memory. */
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

static unsigned times(const struct pair *p, uint32_t e, uint32_t q)
{
    unsigned marked;

    return pair_times(p, 0, e, q, &marked);
}

static void expect_word(const struct pair *p, uint32_t e, uint32_t from, uint32_t to)
{
    bool good = true;

    for (uint32_t q = from; q <= to; q++) {
        unsigned marked, all = pair_times(p, 0, e, q, &marked);
        bool lost = pair_stated(p, RECORD_GAP_LOST, 0, e, q);

        if ((all == 0) != lost || all - marked > 1)
            print_message("%u: %u times, %u marked%s\n", q, all, marked, lost ? ", lost" : "");
        good &= (all > 0 || lost) && all - marked <= 1;
    }
    assert_true(good);
}

/* L3: what a node settled while its peer was not in its configuration, its peer knows more of. */
static void what_was_settled_alone_is_not_all(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    pair_meet(p);
    e = pair_live(p, 0);
    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_cut(p);
    pair_produce(p, 0, 10);
    pair_elapse_ms(p, 10);
    assert_int_equal(pair_live(p, 0), e);
    pair_elapse_ms(p, 1100);
    pair_crash(p, 0);
    pair_crash(p, 1);
    p->options.has_peer = false;
    p->node[1].sink_off = false;
    pair_start(p, 1);
    pair_elapse_ms(p, 3000);
    assert_null(core_segment(&p->node[1].core, 0, e));
    assert_true(times(p, e, 11) >= 1);
    pair_crash(p, 1);
    p->options.has_peer = true;
    pair_start(p, 1);
    pair_start(p, 0);
    pair_connect(p);
    pair_settle(p);
    p->node[0].sink_off = false;
    pair_elapse_ms(p, 3000);
    expect_word(p, e, 1, 21);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* What that node's disk had synced as it minted an epoch of its own: before anything of it is
 * there, and before the one before it is closed. */
static size_t synced_at_minting(const struct pair *p, int n, uint32_t e)
{
    const struct pair_disk *d = &p->node[n].disk;
    uint32_t len;

    for (size_t at = 0; at < d->meta_len; at += len + 4) {
        struct segment g;

        memcpy(&len, d->meta + at, 4);
        if (d->meta[at + 4] == 'S' && wire_get_segment(d->meta + at + 4, len, &g) > 0 &&
            g.origin == n && (g.epoch == e || (g.epoch == e - 2 && g.closed)))
            return at;
    }
    fail();
    return 0;
}

/* T3: the power takes from its origin all of an epoch but that it was minted. */
static void an_epoch_that_was_only_minted_is_not_settled(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    pair_meet(p);
    e = pair_live(p, 0);
    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_elapse_ms(p, 100);
    pair_power_cut(p, 0, synced_at_minting(p, 0, e));
    p->node[0].disk.held_count = 0;
    pair_start(p, 0);
    p->node[0].sink_off = p->node[1].sink_off = false;
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    expect_word(p, e, 1, 11);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* L4: as before, and its peer has taken over, and waits for more than it has. */
static void what_was_pending_of_an_epoch_that_was_only_minted(void **state)
{
    struct pair *p = *state;
    uint32_t e;

    pair_meet(p);
    p->node[0].sink_off = true;
    e = pair_tag_ahead(p);
    pair_power_cut(p, 0, synced_at_minting(p, 0, e));
    p->node[0].disk.held_count = 0;
    pair_take_over(p, 1000);
    assert_true(pair_stated(p, RECORD_GAP_PENDING, 0, e, 40));
    p->node[0].sink_off = false;
    pair_return(p, 3000);
    expect_word(p, e, 1, 40);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* L3: the power takes the tail and the end from an origin, which settles the rest while its peer is
 * not in its configuration; the peer has it, and comes back. */
static void what_its_peer_had_when_it_left(void **state)
{
    struct pair *p = *state;
    size_t synced;
    uint32_t e;

    pair_meet(p);
    e = pair_live(p, 0);
    synced = p->node[0].disk.meta_len;
    pair_wait_for_sinks(p, 10);
    pair_elapse_ms(p, 100);
    pair_power_cut(p, 0, synced);
    pair_held(p, 0, e)->to = 5;
    p->options.has_peer = false;
    p->node[0].sink_off = false;
    pair_start(p, 0);
    pair_elapse_ms(p, 3000);
    assert_null(core_segment(&p->node[0].core, 0, e));
    pair_crash(p, 0);
    p->options.has_peer = true;
    pair_start(p, 0);
    p->node[1].sink_off = false;
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    expect_word(p, e, 1, 11);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* Of this segment the sink has all to `last`, as far as it was asked; of another one, nothing. */
static void answer_all(struct pair *p, int n, uint32_t e, uint32_t last)
{
    while (p->node[n].asked_count > 0) {
        const struct core_range *r = &p->node[n].asked[0];

        pair_answer(p, n, ANSWER_HAS, r->epoch == e ? last : 0);
        pair_work_once(p, n);
    }
}

static void elapse_answering(struct pair *p, uint32_t e, uint32_t last, uint32_t ms)
{
    for (; ms > 0; ms -= 10) {
        pair_elapse_ms(p, 10);
        answer_all(p, 0, e, last);
        answer_all(p, 1, e, last);
    }
}

/* The power takes all but that of node 0's marks, and all records but 1-2. */
static void power_takes_the_tail(struct pair *p, uint32_t e, size_t synced)
{
    struct pair_disk *d = &p->node[0].disk;

    pair_cut(p);
    pair_power_cut(p, 0, synced);
    d->held_count = 0;
    d->held[d->held_count++] = (struct core_range){0, e, 1, 2};
    pair_start_with(p, 0, "own");
    elapse_answering(p, e, 10, 1100);
}

/* A3, L4: both have settled it, and all of it is at a sink that its origin alone has, and can ask.
 * The power takes its origin's memory of that, and that any of it was sent. */
static void a_settled_end_is_asked_about(void **state)
{
    struct pair *p = *state;
    size_t synced;
    uint32_t e;

    p->options.sink[0].answers = true;
    p->options.sink[1] = (struct core_sink_options){.key = sink_key("siem"), .window = 8};
    p->options.sink_count = 2;
    pair_start_with(p, 0, "own");
    pair_start_with(p, 1, "other");
    elapse_answering(p, 0, 0, 2020);
    e = pair_live(p, 0);
    pair_produce(p, 0, 1);
    pair_settle(p);
    synced = p->node[0].disk.meta_len;
    pair_connect(p);
    pair_settle(p);
    pair_produce(p, 0, 8);
    elapse_answering(p, e, 0, 100);
    assert_int_equal(times(p, e, 10), 1);
    assert_int_equal(core_segment(&p->node[1].core, 0, e)->journaled, 10);
    power_takes_the_tail(p, e, synced);
    assert_int_equal(core_segment(&p->node[0].core, 0, e)->sent_bound, 2);
    synced = p->node[0].disk.meta_len;
    pair_connect(p);
    elapse_answering(p, e, 10, 1000);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
    power_takes_the_tail(p, e, synced);
    pair_connect(p);
    elapse_answering(p, e, 10, 3000);
    for (uint32_t q = 1; q <= 10; q++)
        assert_false(pair_stated(p, RECORD_GAP_LOST, 0, e, q));
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

/* L4: an origin has lost a tail that was never sent, asked its file, and stated the rest.  What its
 * peer knows of that, which has heard of it alone, is no news. */
static void what_was_stated_of_a_tail_is_settled(void **state)
{
    struct pair *p = *state;
    const struct segment *g;
    uint32_t e;

    p->options.sink[0].answers = p->options.sink[0].local = true;
    pair_start(p, 0);
    pair_start(p, 1);
    elapse_answering(p, 0, 0, 2020);
    e = pair_live(p, 0);
    pair_produce(p, 0, 10); /* 2-11 */
    elapse_answering(p, e, 0, 100);
    p->node[0].sink_off = true;
    pair_produce(p, 0, 10);
    elapse_answering(p, e, 0, 10);
    pair_connect(p);
    for (int i = 0; i < 10 && p->node[1].core.session != SESSION_UP; i++)
        pair_work_once(p, i % 2);
    g = core_segment(&p->node[1].core, 0, e);
    assert_non_null(g);
    assert_int_equal(g->produced, 21);
    assert_int_equal(g->journaled, 0);
    pair_cut(p);
    pair_crash(p, 0);
    pair_lose_tail(p, 0, e, 2);
    p->node[0].sink_off = false;
    pair_start(p, 0);
    elapse_answering(p, e, 15, 1500);
    assert_null(core_segment(&p->node[0].core, 0, e));
    pair_connect(p);
    elapse_answering(p, e, 15, 1000);
    for (uint32_t q = 1; q <= 21; q++)
        assert_int_equal(pair_stated(p, RECORD_GAP_LOST, 0, e, q), q > 15);
    assert_null(core_segment(&p->node[0].core, 0, e));
    assert_null(core_segment(&p->node[1].core, 0, e));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_unstarted, pair_end)
    const struct CMUnitTest tests[] = {
        T(what_was_settled_alone_is_not_all),
        T(an_epoch_that_was_only_minted_is_not_settled),
        T(what_was_pending_of_an_epoch_that_was_only_minted),
        T(a_settled_end_is_asked_about),
        T(what_was_stated_of_a_tail_is_settled),
        T(what_its_peer_had_when_it_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
