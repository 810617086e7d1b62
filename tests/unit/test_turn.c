/* links: test_pair */
/* Section 9: two links carry one session.  What a link delivers late, after its sender has moved to
 * the other one and told everything again, is not heard: it could bring back what is settled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "pair.h"
#include "wire.h"

static int setup(void **state)
{
    struct pair *p = malloc(sizeof(*p));

    pair_init(p, 8);
    pair_start(p, 0);
    pair_start(p, 1);
    pair_connect(p);
    pair_settle(p);
    *state = p;
    return p->node[1].core.session == SESSION_UP ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static bool hears(struct pair *p, uint32_t session, uint16_t turn)
{
    uint8_t frame[FRAME_HEADER_SIZE];

    wire_put_header(frame, FRAME_RECORDS, 0);
    wire_put_stamp(frame, turn, session);
    return core_hears(&p->node[1].core, frame, sizeof(frame));
}

static void a_frame_of_an_older_turn_is_not_heard(void **state)
{
    struct pair *p = *state;
    uint32_t session = wire_session(2, p->node[1].core.nonce, p->node[0].core.nonce);

    assert_true(hears(p, session, 0));
    assert_true(hears(p, session, 1));
    assert_false(hears(p, session, 0));
    assert_true(hears(p, session, 1));
    assert_false(hears(p, session + 1, 2)); /* Of another session: it moves nothing. */
    assert_true(hears(p, session, 1));
    for (uint32_t turn = 2; turn < 70000; turn += 1000) /* It may wrap. */
        assert_true(hears(p, session, (uint16_t)turn));
}

/* The end of our hello may still be on the other link: what overtakes it would be lost. */
static void nothing_moves_before_the_peer_was_heard(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    struct core_input up = {.kind = CORE_LINK_UP, .now_ns = p->now_ns, .link = {1, 77}};
    struct core_input prefer = {.kind = CORE_LINK_PREFER, .now_ns = p->now_ns, .link = {1, 0}};

    core_step(c, &prefer);
    assert_int_equal(c->link, 0); /* That link is not up. */
    core_step(c, &up);
    c->peer_heard = false;
    core_step(c, &prefer);
    assert_int_equal(c->link, 0);
    c->peer_heard = true;
    core_step(c, &prefer);
    assert_int_equal(c->link, 1);
    assert_int_equal(c->turn, 1);
}

/* A peer of the version before would refuse a header with a turn. */
static void a_peer_of_version_1_is_told_no_turn(void **state)
{
    struct pair *p = *state;
    uint8_t frame[FRAME_HEADER_SIZE];
    uint32_t session;
    uint8_t type;

    p->node[0].core.turn = 5;
    wire_put_header(frame, FRAME_ACK, 1);
    p->node[0].core.version = 1;
    core_stamp(&p->node[0].core, frame);
    assert_int_equal(wire_get_turn(frame), 0);
    assert_int_equal(wire_get_header(frame, sizeof(frame), &type, &session), 0);
    assert_int_equal(session, p->node[1].core.nonce);
    p->node[0].core.version = 2;
    core_stamp(&p->node[0].core, frame);
    assert_int_equal(wire_get_turn(frame), 5);
}

/* So it could not tell what was overtaken: its session keeps to its link, and ends with it. */
static void a_session_of_version_1_ends_with_its_link(void **state)
{
    struct pair *p = *state;
    struct core *c = &p->node[0].core;
    struct core_input up = {.kind = CORE_LINK_UP, .now_ns = p->now_ns, .link = {1, 77}};
    struct core_input prefer = {.kind = CORE_LINK_PREFER, .now_ns = p->now_ns, .link = {1, 0}};
    struct core_input down = {.kind = CORE_LINK_DOWN, .now_ns = p->now_ns, .link = {0, 0}};
    uint32_t nonce = c->nonce;

    c->version = 1;
    core_step(c, &up);
    c->peer_heard = true;
    core_step(c, &prefer);
    assert_int_equal(c->link, 0);
    core_step(c, &down);
    assert_int_equal(c->link, 1);
    assert_int_equal(c->session, SESSION_HELLO);
    assert_int_not_equal(c->nonce, nonce);
    assert_int_equal(c->lost_ns, p->now_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_frame_of_an_older_turn_is_not_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_moves_before_the_peer_was_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_of_version_1_is_told_no_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(a_session_of_version_1_ends_with_its_link, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
