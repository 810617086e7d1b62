/* links: test_box evdp_config */
/* A reset ends a session only with a number that its sender may use (RFC 5961, 3), whatever was
 * forged before it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "box.h"
#include "talk.h"

#define LOGGED                                                                                     \
    "policy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit "                  \
    "log = { \"session-init\", \"session-close\" } }\n"

struct both {
    uint32_t client, server; /* Their first numbers. */
    uint8_t scale;           /* 1 + that of both. */
};

static struct box *connected(const struct both *n)
{
    struct box *b = box_open(LOGGED);

    say(b, LEFT,
        (struct frame){OUT, .flags = TCP_SYN, .seq = n->client, .window = 64000,
                       .scale = n->scale});
    say(b, RIGHT,
        (struct frame){BACK, .flags = TCP_SYN | TCP_ACK, .seq = n->server, .ack = n->client + 1,
                       .window = 64000, .scale = n->scale});
    say(b, LEFT,
        (struct frame){OUT, .flags = TCP_ACK, .seq = n->client + 1, .ack = n->server + 1,
                       .window = 1000});
    return b;
}

static void wrong(struct box *b, uint8_t port, uint32_t seq)
{
    struct frame f = {OUT, .flags = TCP_RST, .seq = seq};

    if (port == RIGHT)
        f = (struct frame){BACK, .flags = TCP_RST | TCP_ACK, .seq = seq, .ack = 5};
    assert_true(box_send(b, port, &f)); /* Its receiver knows. */
}

/* The session is open still, and a reset with this number ends it. */
static void right(struct box *b, uint8_t port, uint32_t seq)
{
    struct frame f = {OUT, .flags = TCP_RST, .seq = seq};

    box_elapse_ms(b, 3000);
    assert_int_equal(box_count(b, EVENT_CLOSE), 0);
    if (port == RIGHT)
        f = (struct frame){BACK, .flags = TCP_RST, .seq = seq};
    say(b, port, f);
    box_elapse_ms(b, 3000);
    assert_int_equal(box_count(b, EVENT_CLOSE), 1);
    assert_int_equal(box_get(b, EVENT_CLOSE, 0)[134], CLOSE_RST);
    box_close(b);
}

/* The session is open still, and both ends end it. */
static void fins(struct box *b, uint32_t client, uint32_t server)
{
    box_elapse_ms(b, 3000);
    assert_int_equal(box_count(b, EVENT_CLOSE), 0);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_FIN | TCP_ACK, .seq = client, .ack = server});
    say(b, RIGHT,
        (struct frame){BACK, .flags = TCP_FIN | TCP_ACK, .seq = server, .ack = client + 1});
    box_elapse_ms(b, 3000);
    assert_int_equal(box_count(b, EVENT_CLOSE), 1);
    assert_int_equal(box_get(b, EVENT_CLOSE, 0)[134], CLOSE_FIN);
    box_close(b);
}

/* So many segments from the client, each acknowledged; what comes next. */
static uint32_t stream(struct box *b, uint32_t at, int segments)
{
    for (int i = 0; i < segments; i++, at += 1200) {
        say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .seq = at, .ack = 9001, .data = 1200});
        say(b, RIGHT,
            (struct frame){BACK, .flags = TCP_ACK, .seq = 9001, .ack = at + 1200, .window = 5000});
    }
    return at;
}

static const struct both plain = {1000, 9000, 0}, wraps = {0xfffffffe, 0xffffffc0, 0},
                         scaled = {1000, 0xffff0000, 1 + 7};

static void a_forged_reset_ends_nothing(void **unused)
{
    static const struct both *const all[] = {&plain, &wraps, &scaled};
    static const uint32_t far[] = {2,        3,           100,       70000,  1 << 20,
                                   1u << 31, 0u - 70000u, 0u - 100u, 0u - 1u};

    (void)unused;
    for (int i = 0; i < 3; i++) {
        for (uint8_t port = 0; port < 2; port++) {
            struct box *b = connected(all[i]);
            uint32_t next = (port == LEFT ? all[i]->client : all[i]->server) + 1;

            for (int k = 0; k < 9; k++)
                wrong(b, port, next + far[k]);
            wrong(b, port, next + 1);
            right(b, port, next);
        }
    }
}

/* What was sent and not acknowledged yet may be gone: from there on it is a true one. */
static void a_reset_may_be_of_what_is_outstanding(void **unused)
{
    (void)unused;
    for (int last = 0; last < 2; last++) {
        struct box *b = connected(&plain);

        say(b, RIGHT,
            (struct frame){BACK, .flags = TCP_ACK, .seq = 9001, .ack = 1001, .data = 100});
        say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .seq = 1001, .ack = 9041});
        wrong(b, RIGHT, 9040);
        wrong(b, RIGHT, 9102);
        wrong(b, RIGHT, 9060); /* Its receiver would have said so. */
        right(b, RIGHT, last ? 9101 : 9041);
    }
}

/* Segments and acknowledgements with numbers out of the window are nothing to learn from. */
static void forged_segments_open_no_way(void **unused)
{
    struct box *b = connected(&plain);

    (void)unused;
    say(b, RIGHT,
        (struct frame){BACK, .flags = TCP_ACK, .seq = 9001 + 500000, .ack = 1001, .data = 9});
    wrong(b, RIGHT, 9001 + 500009);
    wrong(b, RIGHT, 9001 + 400000);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .seq = 1001, .ack = 9001 + 600000});
    wrong(b, RIGHT, 9001 + 600000);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN, .seq = 77777});
    wrong(b, LEFT, 77778);
    right(b, RIGHT, 9001);
}

/* As far as the window reaches with its scale, a flow is followed. */
static void a_wide_window_is_followed(void **unused)
{
    struct box *b = connected(&scaled);
    uint32_t at = scaled.server + 1;

    (void)unused;
    for (int i = 0; i < 100; i++, at += 1200)
        say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK, .seq = at, .ack = 1001, .data = 1200});
    wrong(b, RIGHT, at + 1);
    right(b, RIGHT, at);
}

/* A SYN without a scale, and a segment before anybody answered it: its window is as it is written.
 */
static void no_scale_widens_no_window(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN, .seq = 1000, .window = 64000});
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .seq = 1001, .ack = 9001, .window = 1001});
    say(b, RIGHT,
        (struct frame){BACK, .flags = TCP_SYN | TCP_ACK, .seq = 9000, .ack = 1001, .window = 1000});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK, .seq = 509001, .ack = 1001, .data = 9});
    wrong(b, RIGHT, 509010);
    right(b, RIGHT, 9001);
}

/* No policy permits what the server begins in a session that the client has made. */
static void nobody_opens_inside(void **unused)
{
    struct box *b = connected(&plain);

    (void)unused;
    say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN, .seq = 77777});
    assert_false(box_send(b, RIGHT, &(struct frame){BACK, .flags = TCP_SYN, .seq = 77777}));
    assert_int_equal(b->d.fate, FATE_NO_SESSION);
    right(b, RIGHT, 9001);
}

/* RFC 9293, 3.10.7.1: what refuses a SYN has no number of its own. */
static void a_refused_syn(void **unused)
{
    (void)unused;
    for (int answers = 0; answers < 2; answers++) { /* The listener may go away meanwhile. */
        struct box *b = box_open(LOGGED);

        say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN, .seq = 1000});
        if (answers)
            say(b, RIGHT,
                (struct frame){BACK, .flags = TCP_SYN | TCP_ACK, .seq = 9000, .ack = 1001});
        say(b, RIGHT, (struct frame){BACK, .flags = TCP_RST | TCP_ACK, .ack = 1002});
        say(b, RIGHT, (struct frame){BACK, .flags = TCP_RST, .seq = 0});
        box_elapse_ms(b, 3000);
        assert_int_equal(box_count(b, EVENT_CLOSE), 0);
        say(b, RIGHT, (struct frame){BACK, .flags = TCP_RST | TCP_ACK, .ack = 1001});
        box_elapse_ms(b, 3000);
        assert_int_equal(box_get(b, EVENT_CLOSE, 0)[134], CLOSE_RST);
        box_close(b);
    }
}

/* After a failover: what the client acknowledges tells where the server is. */
static void a_flow_that_was_taken_up(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    say(b, LEFT,
        (struct frame){OUT, .flags = TCP_ACK, .seq = 1001, .ack = 9001, .window = 500, .data = 5});
    wrong(b, LEFT, 5000);
    wrong(b, RIGHT, 9002);
    right(b, RIGHT, 9001);
}

static struct box *taken_up(uint32_t seq, uint16_t data)
{
    struct box *b = box_open(LOGGED);

    say(b, LEFT,
        (struct frame){OUT, .flags = TCP_ACK, .seq = seq, .ack = 9001, .window = 60000,
                       .data = data});
    return b;
}

/* What is seen first is sent again, and the ACK tells of all that came before; or something comes
 * again that was sent before what is seen first. */
static void an_ack_may_jump_where_a_flow_was_taken_up(void **unused)
{
    struct box *b;

    (void)unused;
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        b = taken_up(1000000, 1200);
        say(b, RIGHT,
            (struct frame){BACK, .flags = TCP_ACK, .seq = 9001, .ack = 1500000, .window = 5000});
        if (goes_on)
            fins(b, stream(b, 1500000, 200), 9001);
        else
            right(b, LEFT, 1500000);
    }
    b = taken_up(1500000, 1200);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .seq = 1000000, .ack = 9001, .data = 1200});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK, .seq = 9001, .ack = 1001200});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK, .seq = 9001, .ack = 1501200});
    right(b, LEFT, 1501200);
}

/* So is one that the other node had for a while, and for 100 MB. */
static void a_flow_that_comes_back_is_taken_up(void **unused)
{
    struct box *b = connected(&plain);
    uint32_t at = stream(b, 1001, 10) + 100000000;

    (void)unused;
    state_regained(&b->state, 1);
    fins(b, stream(b, at, 10), 9001);
}

/* Its window is not known, and taken for the widest: two blind segments would soon find it. */
static void forged_segments_end_no_flow_that_was_taken_up(void **unused)
{
    struct box *b = taken_up(1000001, 5);

    (void)unused;
    say(b, RIGHT,
        (struct frame){BACK, .flags = TCP_ACK, .seq = 9001, .ack = 1000006, .window = 60000});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK, .seq = 9001 + 0x30000000, .ack = 1});
    wrong(b, RIGHT, 9001 + 0x12345678);
    wrong(b, RIGHT, 9001 + 0x30000000);
    say(b, LEFT,
        (struct frame){OUT, .flags = TCP_FIN | TCP_ACK, .seq = 1000001 + 0x20000000, .ack = 1});
    say(b, RIGHT,
        (struct frame){BACK, .flags = TCP_FIN | TCP_ACK, .seq = 9001 + 0x20000000, .ack = 1});
    fins(b, 1000006, 9001);
}

/* Some leave the options out of a SYN that they repeat; the server has those of the first. */
static void a_repeated_syn_keeps_its_scale(void **unused)
{
    struct box *b = box_open(LOGGED);
    struct frame syn = {OUT, .flags = TCP_SYN, .seq = 1000, .window = 64000, .scale = 1 + 7};
    uint32_t at = 9001;

    (void)unused;
    say(b, LEFT, syn);
    syn.scale = 0;
    say(b, LEFT, syn);
    say(b, RIGHT,
        (struct frame){BACK, .flags = TCP_SYN | TCP_ACK, .seq = 9000, .ack = 1001, .scale = 1 + 7});
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .seq = 1001, .ack = 9001, .window = 5000});
    for (int i = 0; i < 200; i++, at += 1200)
        say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK, .seq = at, .ack = 1001, .data = 1200});
    right(b, RIGHT, at);
}

/* A SYN that somebody forges does not make the true one's connection unknown. */
static void the_server_says_which_syn_it_answers(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN, .seq = 1000});
    say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN, .seq = 777777777});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_SYN | TCP_ACK, .seq = 9000, .ack = 1001});
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .seq = 1001, .ack = 9001});
    fins(b, stream(b, 1001, 100), 9001);
}

/* Nor do FINs that belong nowhere. */
static void forged_fins_end_nothing(void **unused)
{
    struct box *b = connected(&plain);

    (void)unused;
    say(b, LEFT, (struct frame){OUT, .flags = TCP_FIN | TCP_ACK, .seq = 900000, .ack = 9001});
    say(b, LEFT, (struct frame){OUT, .flags = TCP_FIN | TCP_ACK, .seq = 1001, .ack = 9900});
    say(b, LEFT, (struct frame){OUT, .flags = TCP_FIN, .seq = 1001});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_FIN | TCP_ACK, .seq = 900000, .ack = 1001});
    fins(b, 1001, 9001);
}

/* A host that lost its memory: its SYN in an open session passes as it is and starts nothing; what
 * the server answers leads to the reset that ends it, and the next SYN is another session. */
static void a_syn_in_an_open_session(void **unused)
{
    struct box *b = connected(&plain);
    struct frame syn = {OUT, .flags = TCP_SYN, .seq = 5555, .window = 64000};

    (void)unused;
    say(b, LEFT, syn);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK, .seq = 9001, .ack = 1001});
    assert_int_equal(b->event_count, 1);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_RST, .seq = 1001});
    say(b, LEFT, syn);
    assert_int_equal(box_count(b, EVENT_OPEN), 2);
    assert_int_equal(box_count(b, EVENT_CLOSE), 1);
    assert_int_equal(box_get(b, EVENT_CLOSE, 0)[134], CLOSE_RST);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_SYN | TCP_ACK, .seq = 7000, .ack = 5556});
    wrong(b, LEFT, 1001);
    wrong(b, RIGHT, 9001);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_FIN | TCP_ACK, .seq = 5556, .ack = 7001});
    say(b, LEFT, syn); /* Half closed is open. */
    assert_int_equal(box_count(b, EVENT_OPEN), 2);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_FIN | TCP_ACK, .seq = 7001, .ack = 5557});
    say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN | TCP_FIN, .seq = 1});
    assert_int_equal(box_count(b, EVENT_OPEN), 2);
    say(b, LEFT, syn);
    assert_int_equal(box_count(b, EVENT_OPEN), 3);
    assert_int_equal(box_get(b, EVENT_CLOSE, 1)[134], CLOSE_FIN);
    box_close(b);
}

/* Both ends forgot: what the server answers the SYN with is another connection, with an open of its
 * own, and the old one has its close; each has its own packets. */
static void another_connection_in_an_open_session(void **unused)
{
    struct frame syn = {OUT, .flags = TCP_SYN, .seq = 5000000, .window = 64000};
    struct frame taken = {BACK, .flags = TCP_SYN | TCP_ACK, .seq = 7000000, .ack = 5000001};
    struct box *b = connected(&plain);
    const uint8_t *e;

    (void)unused;
    say(b, LEFT, syn);
    taken.ack++;
    say(b, RIGHT, taken); /* Not of that SYN. */
    assert_int_equal(b->event_count, 1);
    taken.ack--;
    say(b, RIGHT, taken);
    assert_int_equal(box_count(b, EVENT_OPEN), 2);
    assert_int_equal(box_count(b, EVENT_CLOSE), 1);
    e = box_get(b, EVENT_CLOSE, 0);
    assert_int_equal(e[134], CLOSE_AGED);
    assert_int_equal(event_le(e, 56, 8), 2);
    assert_int_equal(event_le(e, 112, 8), 2);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .seq = 5000001, .ack = 7000001});
    box_forget(b);
    wrong(b, RIGHT, 9001);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_RST, .seq = 7000001});
    box_elapse_ms(b, 3000);
    e = box_get(b, EVENT_CLOSE, 0);
    assert_int_equal(e[134], CLOSE_RST);
    assert_int_equal(event_le(e, 56, 8), 2);
    assert_int_equal(event_le(e, 64, 8), 40 + 40);
    assert_int_equal(event_le(e, 112, 8), 2);
    box_close(b);
}

/* It is a new one for the policies, too, that may be others by now. */
static void another_connection_has_to_be_permitted(void **unused)
{
    static const char shut[] =
        "policy \"none\" { from-zone = \"trust\" to-zone = \"untrust\" action = deny }";
    struct frame syn = {OUT, .flags = TCP_SYN, .seq = 5000000};
    struct box *b = connected(&plain);

    (void)unused;
    say(b, LEFT, syn);
    box_reload(b, shut);
    assert_false(
        box_send(b, RIGHT, &(struct frame){BACK, .flags = TCP_SYN | TCP_ACK, .ack = 5000001}));
    assert_false(box_send(b, LEFT, &syn));
    assert_int_equal(b->d.fate, FATE_DENIED);
    assert_int_equal(box_count(b, EVENT_DENY), 1);
    right(b, RIGHT, 9001);
}

/* Of a segment in fragments, each counts, and so do the numbers of all its bytes. */
static void fragments_are_followed(void **unused)
{
    (void)unused;
    for (uint8_t port = 0; port < 2; port++) {
        struct box *b = connected(&plain);
        struct frame f = {OUT, .flags = TCP_ACK, .seq = 1001, .ack = 9001, .id = 7};

        if (port == RIGHT)
            f = (struct frame){BACK, .flags = TCP_ACK, .seq = 9001, .ack = 1001, .id = 7};
        f.fragment = f.more = true;
        f.data = 100;
        say(b, port, f);
        f.offset = 120;
        f.data = 80;
        say(b, port, f);
        f.offset = 200;
        f.more = false;
        f.data = 31;
        say(b, port, f);
        wrong(b, port, f.seq + 100);
        wrong(b, port, f.seq + 180);
        say(b, port,
            (struct frame){.from = f.from,
                           .to = f.to,
                           .protocol = 6,
                           .source_port = f.source_port,
                           .destination_port = f.destination_port,
                           .flags = TCP_RST,
                           .seq = f.seq + 211});
        box_elapse_ms(b, 3000);
        assert_int_equal(box_get(b, EVENT_CLOSE, 0)[134], CLOSE_RST);
        assert_int_equal(event_le(box_get(b, EVENT_CLOSE, 0), port == LEFT ? 56 : 112, 8),
                         (port == LEFT ? 2 : 1) + 3 + 1);
        assert_int_equal(event_le(box_get(b, EVENT_CLOSE, 0), port == LEFT ? 64 : 120, 8),
                         (port == LEFT ? 80 : 40) + 140 + 100 + 51 + 40);
        box_close(b);
    }
}

/* A FIN comes behind the last of them. */
static void a_fin_in_fragments(void **unused)
{
    struct box *b = connected(&plain);
    struct frame f = {OUT, .flags = TCP_FIN | TCP_ACK, .seq = 1001, .ack = 9001, .id = 7};

    (void)unused;
    f.fragment = f.more = true;
    f.data = 100;
    say(b, LEFT, f);
    wrong(b, LEFT, 1102);
    f.offset = 120;
    f.more = false;
    say(b, LEFT, f);
    right(b, LEFT, 1202);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forged_reset_ends_nothing),
        cmocka_unit_test(a_reset_may_be_of_what_is_outstanding),
        cmocka_unit_test(forged_segments_open_no_way),
        cmocka_unit_test(a_wide_window_is_followed),
        cmocka_unit_test(no_scale_widens_no_window),
        cmocka_unit_test(nobody_opens_inside),
        cmocka_unit_test(a_refused_syn),
        cmocka_unit_test(a_flow_that_was_taken_up),
        cmocka_unit_test(an_ack_may_jump_where_a_flow_was_taken_up),
        cmocka_unit_test(a_flow_that_comes_back_is_taken_up),
        cmocka_unit_test(forged_segments_end_no_flow_that_was_taken_up),
        cmocka_unit_test(a_repeated_syn_keeps_its_scale),
        cmocka_unit_test(the_server_says_which_syn_it_answers),
        cmocka_unit_test(forged_fins_end_nothing),
        cmocka_unit_test(a_syn_in_an_open_session),
        cmocka_unit_test(another_connection_in_an_open_session),
        cmocka_unit_test(another_connection_has_to_be_permitted),
        cmocka_unit_test(fragments_are_followed),
        cmocka_unit_test(a_fin_in_fragments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
