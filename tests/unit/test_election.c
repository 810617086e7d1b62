/* links: cluster_core */
/* The election as a table: every pair of nodes' states, in every order of hearing each other. */
#include "election.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROUNDS = 12 };

enum order { BOTH_AT_ONCE, NODE_0_FIRST, NODE_1_FIRST, ORDERS };

struct pair {
    struct election_side side[2];
    bool two_primaries; /* At any time while they heard each other. */
};

static enum group_state decide(const struct election_side *own, const struct election_side *peer,
                               int node)
{
    struct election_input in = {
        .node = (uint8_t)node, .peer_alive = true, .own = *own, .peer = *peer};

    return election_decide(&in);
}

/* What cluster.c does around the function. */
static void become(struct pair *p, int node, enum group_state to)
{
    struct election_side *own = &p->side[node];

    if (to == GROUP_HOLD && own->state != GROUP_HOLD)
        own->manual = p->side[0].manual + p->side[1].manual + 1;
    own->state = (uint8_t)to;
    if (to == GROUP_PRIMARY)
        own->asks = false;
}

static void round_of(struct pair *p, enum order order)
{
    if (order == BOTH_AT_ONCE) {
        enum group_state to0 = decide(&p->side[0], &p->side[1], 0);
        enum group_state to1 = decide(&p->side[1], &p->side[0], 1);

        become(p, 0, to0);
        become(p, 1, to1);
    } else {
        for (int i = 0; i < 2; i++) {
            int node = order == NODE_0_FIRST ? i : 1 - i;

            become(p, node, decide(&p->side[node], &p->side[1 - node], node));
            if (p->side[0].state == GROUP_PRIMARY && p->side[1].state == GROUP_PRIMARY)
                p->two_primaries = true;
        }
    }
    if (p->side[0].state == GROUP_PRIMARY && p->side[1].state == GROUP_PRIMARY)
        p->two_primaries = true;
}

static void check_pair(const struct pair *start, enum order order)
{
    struct pair p = *start, before;
    bool had_two = start->side[0].state == GROUP_PRIMARY && start->side[1].state == GROUP_PRIMARY;
    int primaries = 0;

    for (int i = 0; i < ROUNDS; i++) {
        if (i == ROUNDS / 2) /* A command that could not be done is over. */
            p.side[0].asks = p.side[1].asks = false;
        before = p;
        round_of(&p, order);
    }
    for (int n = 0; n < 2; n++) {
        assert_int_equal(p.side[n].state, before.side[n].state); /* It is at rest. */
        primaries += p.side[n].state == GROUP_PRIMARY;
        if (p.side[n].state == GROUP_PRIMARY)
            assert_true(election_is_able(&p.side[n]));
    }
    assert_true(primaries <= 1);
    if (election_is_able(&p.side[0]) || election_is_able(&p.side[1]))
        assert_int_equal(primaries, 1);
    if (!had_two)
        assert_false(p.two_primaries);
}

static void side_of(unsigned n, struct election_side *out)
{
    static const uint8_t states[] = {GROUP_SECONDARY, GROUP_PRIMARY, GROUP_HOLD, GROUP_DISABLED};
    static const uint16_t priorities[] = {0, 100, 200};
    static const uint8_t weights[] = {0, 128, 255};

    out->state = states[n % 4];
    out->priority = priorities[n / 4 % 3];
    out->weight = weights[n / 12 % 3];
    out->preempt = n / 36 % 2;
    out->asks = n / 72 % 2;
    out->manual = n / 144 % 2;
}

static void test_every_pair_has_one_primary(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 288; a++) {
        for (unsigned b = 0; b < 288; b++) {
            struct pair p = {0};

            side_of(a, &p.side[0]);
            side_of(b, &p.side[1]);
            for (enum order o = BOTH_AT_ONCE; o < ORDERS; o++)
                check_pair(&p, o);
        }
    }
}

static void test_without_a_peer(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 288; a++) {
        struct election_input in = {.peer_alive = false};
        bool able;

        side_of(a, &in.own);
        able = election_is_able(&in.own);
        in.peer_declared_dead = true;
        assert_int_equal(election_decide(&in) == GROUP_PRIMARY, able);
        in.peer_declared_dead = false; /* Not known yet: nobody is promoted. */
        if (in.own.state != GROUP_PRIMARY)
            assert_int_not_equal(election_decide(&in), GROUP_PRIMARY);
        in.own.external = true;
        assert_int_equal(election_decide(&in), in.own.state);
    }
}

/* Nobody becomes primary while the peer may be by an older word of ours. */
static void test_while_the_peer_is_behind(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 288; a++) {
        for (unsigned b = 0; b < 288; b++) {
            struct election_input in = {.peer_alive = true, .peer_behind = true};

            side_of(a, &in.own);
            side_of(b, &in.peer);
            if (in.own.state != GROUP_PRIMARY)
                assert_int_not_equal(election_decide(&in), GROUP_PRIMARY);
        }
    }
}

struct row {
    struct election_side own, peer;
    int node;
    enum group_state to;
};

#define SIDE(s, p, w, pre, ask, man)                                                               \
    {                                                                                              \
        .state = s, .priority = p, .weight = w, .preempt = pre, .asks = ask, .manual = man         \
    }

/* The order of the event contract, section 11.2, a line a rule: state, priority, weight, preempt,
 * asks, manual. */
static const struct row rows[] = {
    {SIDE(GROUP_DISABLED, 100, 255, false, false, 0),
     SIDE(GROUP_SECONDARY, 100, 255, false, false, 0), 0, GROUP_DISABLED},
    {SIDE(GROUP_HOLD, 100, 255, false, false, 1), SIDE(GROUP_SECONDARY, 100, 255, false, false, 0),
     0, GROUP_HOLD},
    {SIDE(GROUP_HOLD, 100, 255, false, false, 1), SIDE(GROUP_PRIMARY, 100, 255, false, false, 0), 0,
     GROUP_HOLD},
    {SIDE(GROUP_HOLD, 100, 255, false, false, 1), SIDE(GROUP_SECONDARY, 100, 0, false, false, 0), 0,
     GROUP_PRIMARY},
    {SIDE(GROUP_HOLD, 100, 255, false, false, 1), SIDE(GROUP_HOLD, 100, 255, false, false, 2), 1,
     GROUP_PRIMARY},
    {SIDE(GROUP_HOLD, 100, 255, false, false, 2), SIDE(GROUP_HOLD, 100, 255, false, false, 1), 0,
     GROUP_HOLD},
    {SIDE(GROUP_PRIMARY, 100, 0, false, false, 0), SIDE(GROUP_SECONDARY, 100, 255, false, false, 0),
     0, GROUP_SECONDARY},
    {SIDE(GROUP_SECONDARY, 100, 255, false, false, 0), SIDE(GROUP_PRIMARY, 100, 0, false, false, 0),
     0, GROUP_SECONDARY},
    {SIDE(GROUP_SECONDARY, 100, 255, false, false, 0),
     SIDE(GROUP_SECONDARY, 100, 0, false, false, 0), 1, GROUP_PRIMARY},
    {SIDE(GROUP_SECONDARY, 100, 255, false, false, 0), SIDE(GROUP_HOLD, 100, 255, false, false, 0),
     1, GROUP_PRIMARY},
    {SIDE(GROUP_PRIMARY, 100, 255, false, false, 0),
     SIDE(GROUP_SECONDARY, 200, 255, true, false, 0), 0, GROUP_SECONDARY},
    {SIDE(GROUP_PRIMARY, 100, 255, false, false, 0),
     SIDE(GROUP_SECONDARY, 200, 255, false, false, 0), 0, GROUP_PRIMARY},
    {SIDE(GROUP_PRIMARY, 100, 255, false, false, 0),
     SIDE(GROUP_SECONDARY, 100, 255, true, false, 0), 0, GROUP_PRIMARY},
    {SIDE(GROUP_PRIMARY, 100, 255, false, false, 0),
     SIDE(GROUP_SECONDARY, 100, 255, true, false, 0), 1, GROUP_SECONDARY},
    {SIDE(GROUP_PRIMARY, 200, 128, false, false, 0),
     SIDE(GROUP_SECONDARY, 150, 255, true, false, 0), 0, GROUP_SECONDARY},
    {SIDE(GROUP_PRIMARY, 100, 255, false, false, 0), SIDE(GROUP_PRIMARY, 200, 255, false, false, 0),
     0, GROUP_SECONDARY},
    {SIDE(GROUP_PRIMARY, 100, 255, false, false, 0), SIDE(GROUP_PRIMARY, 100, 255, false, false, 0),
     0, GROUP_PRIMARY},
    {SIDE(GROUP_PRIMARY, 100, 255, false, false, 0), SIDE(GROUP_PRIMARY, 100, 255, false, false, 0),
     1, GROUP_SECONDARY},
    {SIDE(GROUP_PRIMARY, 100, 255, false, false, 0),
     SIDE(GROUP_SECONDARY, 100, 255, false, true, 0), 0, GROUP_HOLD},
    {SIDE(GROUP_PRIMARY, 100, 255, false, false, 0), SIDE(GROUP_SECONDARY, 100, 0, false, true, 0),
     0, GROUP_PRIMARY},
    {SIDE(GROUP_SECONDARY, 100, 255, false, false, 0),
     SIDE(GROUP_SECONDARY, 100, 255, false, false, 0), 0, GROUP_PRIMARY},
    {SIDE(GROUP_SECONDARY, 100, 255, false, false, 0),
     SIDE(GROUP_SECONDARY, 100, 255, false, false, 0), 1, GROUP_SECONDARY},
};

/* After a reset of which the peer may not know yet. */
static const struct row rows_behind[] = {
    {SIDE(GROUP_SECONDARY, 200, 255, false, false, 1),
     SIDE(GROUP_SECONDARY, 100, 255, false, false, 0), 0, GROUP_SECONDARY},
    {SIDE(GROUP_SECONDARY, 200, 255, false, false, 1),
     SIDE(GROUP_PRIMARY, 100, 255, false, false, 0), 0, GROUP_SECONDARY},
    {SIDE(GROUP_SECONDARY, 200, 255, false, false, 1),
     SIDE(GROUP_SECONDARY, 100, 0, false, false, 0), 0, GROUP_SECONDARY},
    {SIDE(GROUP_SECONDARY, 200, 255, false, false, 1), SIDE(GROUP_HOLD, 100, 255, false, false, 2),
     0, GROUP_SECONDARY},
    {SIDE(GROUP_HOLD, 200, 255, false, false, 1), SIDE(GROUP_HOLD, 100, 255, false, false, 2), 0,
     GROUP_HOLD},
    {SIDE(GROUP_PRIMARY, 200, 255, false, false, 1),
     SIDE(GROUP_SECONDARY, 100, 255, false, false, 0), 0, GROUP_PRIMARY},
};

static void check_rows(const struct row *row, size_t count, bool behind)
{
    for (size_t i = 0; i < count; i++) {
        struct election_input in = {.node = (uint8_t)row[i].node,
                                    .peer_alive = true,
                                    .peer_behind = behind,
                                    .own = row[i].own,
                                    .peer = row[i].peer};
        enum group_state to = election_decide(&in);

        if (to != row[i].to)
            print_error("row %zu: %s, not %s\n", i, group_word((uint8_t)to),
                        group_word((uint8_t)row[i].to));
        assert_int_equal(to, row[i].to);
    }
}

static void test_the_contract_s_order(void **state)
{
    (void)state;
    check_rows(rows, sizeof(rows) / sizeof(rows[0]), false);
    check_rows(rows_behind, sizeof(rows_behind) / sizeof(rows_behind[0]), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_has_one_primary),
        cmocka_unit_test(test_without_a_peer),
        cmocka_unit_test(test_while_the_peer_is_behind),
        cmocka_unit_test(test_the_contract_s_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
