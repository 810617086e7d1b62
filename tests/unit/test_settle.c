/* links: test_pair */
/* T3: two nodes compute the same outcome from the same facts, whatever the order in which they
 * learned them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"
#include "settle.h"

static uint32_t state;

static uint32_t below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

/* One node's view of a run: how far it knows it emitted, intended and in doubt. */
static struct span draw_span(uint32_t from, uint32_t to, uint8_t owner, uint32_t term)
{
    struct span s = {.from = from, .to = to, .owner = owner, .term = term};

    s.emitted = from - 1 + below(to - from + 2);
    s.intent = s.emitted + below(to - s.emitted + 1);
    s.doubt = from - 1 + below(s.intent - from + 2);
    s.foreign = below(2) == 0;
    return s;
}

/* What is possible: both know the same runs, of some of which one node has become the owner since,
 * with a higher term. */
static void draw(struct delivery *a, struct delivery *b, uint32_t last)
{
    uint32_t from = 1;

    memset(a, 0, sizeof(*a));
    memset(b, 0, sizeof(*b));
    while (from <= last && a->count < SPAN_MAX && b->count < SPAN_MAX) {
        uint32_t to = a->count == SPAN_MAX - 1 ? last : from + below(last - from + 1);
        uint8_t owner = (uint8_t)below(2);
        uint32_t term = below(3);
        uint32_t who = below(6);

        if (who != 0) /* 0: done and forgotten there. */
            a->span[a->count++] =
                draw_span(from, to, who == 1 ? 1 - owner : owner, term + (who == 1));
        if (who != 2)
            b->span[b->count++] =
                draw_span(from, to, who == 3 ? 1 - owner : owner, term + (who == 3));
        from = to + 1;
    }
}

static void expect_same(const struct delivery *a, const struct delivery *b)
{
    assert_int_equal(a->count, b->count);
    for (uint8_t i = 0; i < a->count; i++) {
        const struct span *s = &a->span[i], *t = &b->span[i];

        assert_int_equal(s->from, t->from);
        assert_int_equal(s->to, t->to);
        assert_int_equal(s->owner, t->owner);
        assert_int_equal(s->term, t->term);
        assert_int_equal(s->emitted, t->emitted);
        assert_int_equal(s->intent, t->intent);
        assert_int_equal(s->doubt, t->doubt);
    }
}

/* T3: whoever is taken first, and taken again: the outcome is one. */
static void order_does_not_matter(void **unused)
{
    (void)unused;
    for (uint32_t seed = 1; seed <= 20000; seed++) {
        struct delivery a, b, ab, ba, again;
        uint32_t last = 1 + (state = seed, below(60));

        draw(&a, &b, last);
        settle_delivery(&a, &b, last, &ab);
        settle_delivery(&b, &a, last, &ba);
        expect_same(&ab, &ba);
        settle_delivery(&ab, &ba, last, &again);
        expect_same(&ab, &again);
        if (a.count < 4 && b.count < 4) {
            for (uint8_t i = 0; i < ab.count; i++)
                assert_true(ab.span[i].emitted < ab.span[i].to); /* What one has emitted is done. */
        }
    }
}

static struct delivery one_span(uint8_t owner, uint32_t term, uint32_t emitted)
{
    return (struct delivery){.count = 1,
                             .span[0] = {.from = 1,
                                         .to = 10,
                                         .owner = owner,
                                         .term = term,
                                         .emitted = emitted,
                                         .intent = emitted,
                                         .doubt = 0}};
}

/* T3: whoever took it last owns it, however much the other one knows to be done. */
static void the_higher_term_is_right(void **unused)
{
    struct delivery before = one_span(0, 1, 6), after = one_span(1, 2, 3), out;

    (void)unused;
    settle_delivery(&before, &after, 10, &out);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.span[0].owner, 1);
    assert_int_equal(out.span[0].term, 2);
    assert_int_equal(out.span[0].emitted, 6);
    settle_delivery(&after, &before, 10, &out);
    assert_int_equal(out.span[0].owner, 1);
    assert_int_equal(out.span[0].term, 2);
}

/* ---- two cores, random lives ---- */

static void live_on(struct pair *p)
{
    int n = (int)below(2);

    switch (below(9)) {
    case 0:
        p->node[n].sink_stalls = !p->node[n].sink_stalls;
        break;
    case 1:
        pair_cut(p);
        break;
    case 2:
        if (p->node[n].alive)
            pair_crash(p, n);
        break;
    case 3:
        if (!p->node[n].alive)
            pair_start(p, n);
        break;
    case 4:
        if (!p->link && p->node[0].alive && p->node[1].alive)
            pair_connect(p);
        break;
    case 5:
        if (p->node[n].alive)
            pair_cluster(p, n, !p->link, below(2) == 0);
        break;
    case 6:
        if (p->node[n].alive)
            pair_handover(p, n);
        break;
    default:
        if (p->node[n].alive && p->node[n].ring_epoch != 0)
            pair_produce(p, n, 1 + below(20));
    }
    if (below(3) != 0)
        pair_elapse_ms(p, 10 + 10 * below(40));
}

static void compare(const struct pair *p)
{
    const struct core *c = &p->node[0].core, *d = &p->node[1].core;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];
        const struct segment *h = core_segment(d, g->origin, g->epoch);

        for (uint8_t n = 0; h != NULL && n < g->at[0].count; n++) {
            const struct span *s = &g->at[0].span[n];
            const struct span *t = pair_span(p, 1, g->origin, g->epoch, s->emitted + 1);

            if (s->emitted == s->to || t == NULL || t->emitted == t->to)
                continue;
            assert_int_equal(s->owner, t->owner);
            assert_int_equal(s->term, t->term);
        }
    }
}

/* T3, T1: after any lives of two nodes they agree on who owns what, and at the end each record was
 * handed over once, or marked. */
static void both_sides_compute_the_same(void **unused)
{
    (void)unused;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        struct pair *p = malloc(sizeof(*p));

        assert_non_null(p);
        state = seed * 7919;
        pair_init(p, 8);
        pair_start(p, 0);
        pair_start(p, 1);
        pair_connect(p);
        pair_elapse_ms(p, 2020);
        for (int i = 0; i < 40; i++) {
            live_on(p);
            if (p->link && p->node[0].core.session == SESSION_UP &&
                p->node[1].core.session == SESSION_UP) {
                pair_settle(p);
                compare(p);
            }
        }
        for (int n = 0; n < NODE_COUNT; n++) {
            if (!p->node[n].alive)
                pair_start(p, n);
            p->node[n].sink_stalls = false;
            pair_confirm(p, n);
            pair_cluster(p, n, false, n == 0);
        }
        if (!p->link)
            pair_connect(p);
        pair_elapse_ms(p, 2500);
        compare(p);
        pair_expect_exactly_once(p);
        free(p);
    }
}

/* Of one term both are right: what either knows another node to have written is that node's. */
static void either_may_know_that_a_doubt_is_foreign(void **unused)
{
    struct span s = {.from = 1, .to = 8, .owner = 0, .term = 2, .intent = 8, .doubt = 8};
    struct delivery plain = {.count = 1, .span[0] = s}, foreign = plain, out;

    (void)unused;
    foreign.span[0].foreign = true;
    settle_delivery(&plain, &foreign, 8, &out);
    assert_int_equal(out.count, 1);
    assert_true(out.span[0].foreign);
    settle_delivery(&foreign, &plain, 8, &out);
    assert_true(out.span[0].foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(the_higher_term_is_right),
        cmocka_unit_test(either_may_know_that_a_doubt_is_foreign),
        cmocka_unit_test(both_sides_compute_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
