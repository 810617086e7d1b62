/* links: test_pair */
/* Findings 4 and 9: one node has lost its memory of a segment (the power, or its journal, took it)
 * that the other one has settled, or believes to be settled there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "pair_steps.h"
#include "segment.h"
#include "wire.h"

/* Ten records of node 0, held by both nodes, which no sink has taken. */
static struct segment *ten_records(struct pair *p)
{
    p->node[0].sink_off = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    return segment_find(&p->node[0].core, 0, pair_live(p, 0));
}

/* The session comes up, and nothing more is done. */
static void connect_only(struct pair *p, int node)
{
    p->node[0].core.epoch_wanted = false; /* N6: the last one is not a second old. */
    pair_connect(p);
    for (int i = 0; i < 8 && p->node[node].core.session != SESSION_UP; i++)
        pair_work_once(p, i % 2);
    assert_int_equal(p->node[node].core.session, SESSION_UP);
}

/* T5: what the peer had said of a segment went with its journal; the process of now has it anew
 * from our facts, and has to say so itself before it is forgotten here. */
static void the_word_of_a_lost_journal_is_gone(void **state)
{
    struct pair *p = *state;
    struct segment *g = ten_records(p);

    g->peer_done = true;
    pair_crash(p, 1);
    pair_lose_journal(p, 1);
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_false(g->peer_done);
}

/* It has not settled it any more, for all that it said before. */
static void a_fact_that_is_undone_takes_the_word_back(void **state)
{
    struct pair *p = *state;
    struct segment *g = ten_records(p);

    g->peer_done = true;
    pair_cut(p);
    pair_connect(p);
    pair_settle(p);
    assert_int_equal(p->node[0].core.session, SESSION_UP);
    assert_false(g->peer_done);
}

/* The frames on their way to node 1, given to it alone: it does nothing about them yet. */
static void hear(struct pair *p)
{
    uint8_t frame[FRAME_SIZE_MAX];
    uint32_t len;

    while ((len = pair_take(p, 1, frame)) > 0)
        pair_give(p, 1, 0, frame, len);
}

/* The origin has settled and forgotten it: it knows of no end any more, and its word gives none. */
static void the_word_that_it_is_gone_ends_nothing(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    struct segment *g;

    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_confirm(p, 0);
    pair_settle(p);
    segment_remove(&p->node[0].core, segment_find(&p->node[0].core, 0, e));
    g = segment_find(&p->node[1].core, 0, e);
    segment_close(&p->node[1].core, g, 10);
    g->base = 1;
    g->journaled = g->seen.journaled = 0; /* The power took its file. */
    g->done = true;
    g->told_done = false;
    pair_work_once(p, 1);
    pair_work_once(p, 0);
    assert_false(g->peer_done);
    hear(p);
    assert_true(g->peer_done);
    assert_int_equal(g->last, 10);
}

/* What may have been sent is marked ahead, and an owner's span may end there: what is not decided
 * yet is not in doubt. */
static void nothing_that_is_to_come_is_in_doubt(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    struct span *s;
    struct segment *g;

    ten_records(p);
    pair_cut(p);
    for (int n = 0; n < 2; n++) {
        g = segment_find(&p->node[n].core, 0, e);
        assert_true(delivery_split(&g->at[0], &g->at[0].span[g->at[0].count - 1], 65536));
        s = &g->at[0].span[g->at[0].count - 2];
        s->owner = 1;
        s->term++;
        s->resumed = false;
    }
    g->unsure = true; /* Of node 1, which owns it and has lost its marks. */
    connect_only(p, 1);
    for (int n = 0; n < 2; n++) {
        g = segment_find(&p->node[n].core, 0, e);
        assert_false(g->closed);
        for (uint8_t m = 0; m < g->at[0].count; m++) {
            s = &g->at[0].span[m];
            assert_true(s->doubt <= g->produced || s->doubt < s->from);
        }
    }
}

/* The peer says that this node took a part over, and what it meant to emit; it remembers neither.
 */
static void what_it_took_and_forgot_is_in_doubt(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    struct segment *g;
    struct span *s;

    ten_records(p);
    pair_cut(p);
    g = segment_find(&p->node[0].core, 0, e);
    s = delivery_find(&g->at[0], 10);
    s->owner = 1;
    s->term++;
    s->intent = max_u32(s->emitted, 9);
    p->node[0].core.epoch_wanted = false;
    pair_connect(p);
    g = segment_find(&p->node[1].core, 0, e);
    for (int i = 0; i < 8 && !g->fact_seen; i++)
        pair_work_once(p, i % 2);
    s = delivery_find(&g->at[0], 9);
    assert_int_equal(s->owner, 1);
    assert_true(s->doubt >= 9 || s->emitted >= 9);
}

/* T5: what is here of a journal that is gone was not settled in the new one, whatever the numbers
 * of its epochs: the first of the new one may be the lower. */
static void nothing_was_settled_in_a_new_journal(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 1);
    unsigned marked;

    p->node[1].sink_off = true;
    pair_produce(p, 1, 10);
    pair_settle(p);
    pair_lose_host(p, 1);
    pair_start(p, 1);
    p->node[1].core.first_epoch = 1;
    pair_connect(p);
    pair_elapse_ms(p, 3000);
    assert_true(pair_times(p, 1, e, 5, &marked) >= 1);
    assert_true(pair_times(p, 1, e, 11, &marked) >= 1);
}

/* Its peer closed it where it knew of the last; the power took the origin's memory of that end. */
static void a_peers_end_is_not_below_what_is_here(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_live(p, 0);
    struct segment *g;

    ten_records(p);
    pair_cut(p);
    g = segment_find(&p->node[1].core, 0, e);
    segment_close(&p->node[1].core, g, 7);
    p->node[0].core.live_epoch = 0; /* It starts, and has opened none yet: its ring is new. */
    p->node[0].core.placed_epoch = 0;
    connect_only(p, 0);
    g = segment_find(&p->node[0].core, 0, e);
    assert_true(g->closed);
    assert_int_equal(g->last, 11);
}

/* T3, T4a: of wire version 1 a node does not hear that the other one fences, which then is no fact
 * for either: else they split what the power took differently. */
static void fencing_that_is_not_told_is_no_fact(void **state)
{
    struct pair *p = *state;
    struct segment *g[2];
    uint32_t e;

    pair_crash(p, 1);
    p->version[1] = 1;
    pair_start(p, 1);
    pair_connect(p);
    pair_elapse_ms(p, 1500);
    assert_int_equal(p->node[0].core.version, 1);
    e = pair_live(p, 0);
    p->node[0].sink_off = true;
    p->node[1].core.o.fencing = true;
    pair_produce(p, 0, 10);
    pair_settle(p);
    pair_cut(p);
    segment_find(&p->node[0].core, 0, e)->unsure = true;
    pair_produce(p, 0, 5); /* Above what the peer holds. */
    connect_only(p, 1);
    for (int n = 0; n < 2; n++)
        g[n] = segment_find(&p->node[n].core, 0, e);
    assert_int_equal(p->node[1].core.session, SESSION_UP);
    assert_int_equal(g[0]->at[0].count, g[1]->at[0].count);
    for (uint8_t m = 0; m < g[0]->at[0].count; m++) {
        assert_int_equal(g[0]->at[0].span[m].from, g[1]->at[0].span[m].from);
        assert_int_equal(g[0]->at[0].span[m].intent, g[1]->at[0].span[m].intent);
    }
}

/* T5: node 1 has taken over and emitted what it forgets with its journal, and the origin's file is
 * cut, so that it does not show how much of it was sent. */
static void what_was_sent_of_a_cut_file_is_in_doubt(void **state)
{
    struct pair *p = *state;
    uint32_t e = pair_die_undelivered(p);
    unsigned marked;

    pair_take_over(p, 1000);
    assert_int_equal(pair_times(p, 0, e, 10, &marked), 1);
    pair_lose_host(p, 1);
    pair_held(p, 0, e)->to = 1;
    pair_start(p, 0); /* Its ring has lived on. */
    pair_start(p, 1);
    connect_only(p, 1);
    assert_true(pair_span(p, 1, 0, e, 10)->doubt >= 21);
    assert_int_equal(pair_span(p, 1, 0, e, 10)->doubt, pair_span(p, 0, 0, e, 10)->doubt);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, pair_up, pair_end)
    const struct CMUnitTest tests[] = {
        T(the_word_of_a_lost_journal_is_gone),      T(a_fact_that_is_undone_takes_the_word_back),
        T(the_word_that_it_is_gone_ends_nothing),   T(nothing_that_is_to_come_is_in_doubt),
        T(what_it_took_and_forgot_is_in_doubt),     T(nothing_was_settled_in_a_new_journal),
        T(a_peers_end_is_not_below_what_is_here),   T(fencing_that_is_not_told_is_no_fact),
        T(what_was_sent_of_a_cut_file_is_in_doubt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
