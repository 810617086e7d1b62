/* links: test_box evdp_config evhooks */
/* Sessions: one open and exactly one close each, with the right reason, counters and tables. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "lib/ring_fixture.h"
#include "talk.h"

#define LOGGED                                                                                     \
    "application \"web\" { protocol = tcp ports = { \"80\" } }\n"                                  \
    "policy \"web\" { from-zone = \"trust\" to-zone = \"untrust\" applications = { \"web\" } "     \
    "action = permit log = { \"session-init\", \"session-close\" } }\n"                            \
    "policy \"rest\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit "               \
    "log = { \"session-close\" } }\n"

static void shake_hands(struct box *b)
{
    say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_SYN | TCP_ACK});
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK});
}

static void expect_closed(struct box *b, uint8_t reason)
{
    assert_int_equal(box_sessions(b), 0);
    assert_int_equal(box_count(b, EVENT_CLOSE), 1);
    assert_int_equal(box_get(b, EVENT_CLOSE, 0)[134], reason);
}

/* ---- fields ---- */

/* d10, d12. */
static void open_and_close_tell_all(void **unused)
{
    struct box *b = box_open(LOGGED);
    const uint8_t *e;

    (void)unused;
    shake_hands(b);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .data = 100});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK, .data = 1000});
    assert_int_equal(b->event_count, 1);
    e = box_get(b, EVENT_OPEN, 0);
    assert_memory_equal(e + 8, "\x0a\x00\x00\x01", 4);
    assert_int_equal(event_be(e, 40), 1024);
    assert_int_equal(event_be(e, 42), 80);
    assert_int_equal(event_le(e, 44, 4), 256);
    assert_int_equal(event_le(e, 48, 2), 1);
    assert_int_equal(event_le(e, 50, 2), 2);
    assert_int_equal(event_le(e, 64, 2), 1); /* 12.1 #12: the owner group. */
    assert_int_equal(event_le(e, 132, 2), 1);
    assert_int_equal(e[54], ACTION_PERMIT);
    box_elapse_ms(b, 1800500);
    e = box_get(b, EVENT_CLOSE, 0);
    assert_int_equal(event_le(e, 56, 8), 3);
    assert_int_equal(event_le(e, 64, 8), 40 + 40 + 140);
    assert_int_equal(event_le(e, 112, 8), 2);
    assert_int_equal(event_le(e, 120, 8), 40 + 1040);
    assert_int_equal(event_le(e, 108, 4), 5000);
    assert_int_equal(event_le(e, 132, 2), 1);
    assert_int_equal(event_le(e, 128, 4), 10);
    assert_in_range(event_le(e, 0, 8) / 1000000000, 6800, 6801);
    expect_closed(b, CLOSE_IDLE);
    box_close(b);
}

/* ---- reasons: 12.3 #34 ---- */

static void defect_34_idle_timeout(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    box_elapse_ms(b, 1799000);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK});
    box_elapse_ms(b, 1799000);
    assert_int_equal(box_count(b, EVENT_CLOSE), 0);
    box_elapse_ms(b, 1500);
    expect_closed(b, CLOSE_IDLE);
    box_close(b);
}

static void defect_34_fin(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_FIN | TCP_ACK});
    box_elapse_ms(b, 3000);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .data = 9});
    assert_int_equal(box_count(b, EVENT_CLOSE), 0); /* One half is open still. */
    say(b, LEFT, (struct frame){OUT, .flags = TCP_FIN | TCP_ACK});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK});
    box_elapse_ms(b, 2500);
    expect_closed(b, CLOSE_FIN);
    assert_int_equal(event_le(box_get(b, EVENT_CLOSE, 0), 112, 8), 3);
    box_close(b);
}

/* Packets after the end are counted, and make no further close. */
static void defect_34_rst_and_what_follows_it(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_RST});
    for (int i = 0; i < 5; i++)
        say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .data = 1});
    box_elapse_ms(b, 2500);
    expect_closed(b, CLOSE_RST);
    assert_int_equal(event_le(box_get(b, EVENT_CLOSE, 0), 56, 8), 7);
    assert_memory_equal(box_get(b, EVENT_CLOSE, 0) + 8, "\x0a\x00\x00\x01", 4); /* The client. */
    assert_int_equal(box_get(b, EVENT_CLOSE, 0)[54], ACTION_PERMIT);
    box_close(b);
}

/* Whoever goes on sending does not keep it: its end is tcp-closing after the RST or the second FIN.
 */
static void nothing_prolongs_a_closed_session(void **unused)
{
    (void)unused;
    for (int fins = 0; fins < 2; fins++) {
        struct box *b = box_open("tcp-syn-check = true\n" LOGGED);

        shake_hands(b);
        say(b, LEFT, (struct frame){OUT, .flags = TCP_FIN | TCP_ACK});
        say(b, RIGHT, (struct frame){BACK, .flags = fins ? TCP_FIN | TCP_ACK : TCP_RST});
        for (int i = 0; i < 3; i++) {
            box_elapse_ms(b, 600);
            say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .data = 1});
            say(b, RIGHT, (struct frame){BACK, .flags = TCP_RST | TCP_ACK});
        }
        box_elapse_ms(b, 600);
        expect_closed(b, fins ? CLOSE_FIN : CLOSE_RST);
        assert_int_equal(event_le(box_get(b, EVENT_CLOSE, 0), 56, 8), 3 + 3);
        assert_int_equal(event_le(box_get(b, EVENT_CLOSE, 0), 112, 8), 2 + 3);
        assert_false(box_send(b, LEFT, &(struct frame){OUT, .flags = TCP_ACK}));
        assert_int_equal(b->d.fate, FATE_NO_SESSION);
        box_close(b);
    }
}

static void defect_34_an_rst_after_both_fins_stays_a_fin(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_FIN | TCP_ACK});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_FIN | TCP_ACK});
    say(b, LEFT, (struct frame){OUT, .flags = TCP_RST});
    box_elapse_ms(b, 2500);
    expect_closed(b, CLOSE_FIN);
    box_close(b);
}

static void defect_34_aged_out_when_it_never_came_about(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN});
    box_elapse_ms(b, 20500);
    expect_closed(b, CLOSE_AGED);
    box_close(b);
}

static void defect_34_the_end_of_the_dataplane_closes_each_once(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    box_end(b);
    expect_closed(b, CLOSE_AGED);
    box_end(b);
    expect_closed(b, CLOSE_AGED);
    box_close(b);
}

static void the_same_ports_again_are_another_session(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_RST});
    shake_hands(b);
    assert_int_equal(box_count(b, EVENT_OPEN), 2);
    assert_int_equal(box_count(b, EVENT_CLOSE), 1);
    assert_int_equal(box_get(b, EVENT_CLOSE, 0)[134], CLOSE_RST);
    assert_int_equal(box_sessions(b), 1);
    box_close(b);
}

/* ... but not from the server: what it begins is for the policies of its side. */
static void a_closed_session_lets_no_server_begin(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_RST});
    assert_false(box_send(b, RIGHT, &(struct frame){BACK, .flags = TCP_SYN}));
    assert_int_equal(b->d.fate, FATE_DENIED);
    assert_int_equal(box_count(b, EVENT_DENY), 1);
    expect_closed(b, CLOSE_RST);
    box_close(b);
}

/* The last ACK was lost, so that a FIN comes again when the session is gone: it passes, both ways,
 * and opens nothing, until its ports may be used by others.  Data is nothing that is repeated then.
 */
static void a_fin_after_the_close_opens_nothing(void **unused)
{
    struct box *b = box_open(LOGGED);
    struct frame fin = {OUT, .flags = TCP_FIN | TCP_ACK};

    (void)unused;
    shake_hands(b);
    say(b, LEFT, fin);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_FIN | TCP_ACK});
    box_elapse_ms(b, 3000);
    expect_closed(b, CLOSE_FIN);
    say(b, LEFT, fin);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK});
    assert_false(box_send(b, RIGHT, &(struct frame){BACK, .flags = TCP_ACK, .data = 1}));
    expect_closed(b, CLOSE_FIN);
    assert_int_equal(box_count(b, EVENT_OPEN), 1);
    shake_hands(b); /* The same ports anew. */
    assert_int_equal(box_count(b, EVENT_OPEN), 2);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_RST});
    box_elapse_ms(b, 120000);
    assert_false(box_send(b, RIGHT, &(struct frame){BACK, .flags = TCP_ACK}));
    say(b, LEFT, fin); /* After a failover, say. */
    assert_int_equal(box_count(b, EVENT_OPEN), 3);
    box_close(b);
}

/* ---- each state has its own time ---- */

#define TIMES                                                                                      \
    "timeouts { tcp-initial = 3 tcp-established = 5 tcp-half-closed = 7 tcp-closing = 11 "         \
    "udp-initial = 13 udp = 17 icmp = 19 other = 23 }\n" LOGGED

/* A last packet, and what then has so many seconds. */
static const struct ageing {
    const char *name;
    unsigned seconds;
    struct frame last[4]; /* OUT goes left to right, BACK the other way. */
} ageing[] = {
    {"a SYN", 3, {{OUT, .flags = TCP_SYN}}},
    {"a SYN and its answer", 3, {{OUT, .flags = TCP_SYN}, {BACK, .flags = TCP_SYN | TCP_ACK}}},
    {"taken up in its middle", 5, {{OUT, .flags = TCP_ACK}}},
    {"a FIN of the client", 7, {{OUT, .flags = TCP_ACK}, {OUT, .flags = TCP_FIN | TCP_ACK}}},
    {"a FIN of the server", 7, {{OUT, .flags = TCP_ACK}, {BACK, .flags = TCP_FIN | TCP_ACK}}},
    {"data after a FIN",
     7,
     {{OUT, .flags = TCP_ACK}, {OUT, .flags = TCP_FIN | TCP_ACK}, {BACK, .flags = TCP_ACK}}},
    {"both FINs",
     11,
     {{OUT, .flags = TCP_ACK},
      {OUT, .flags = TCP_FIN | TCP_ACK},
      {BACK, .flags = TCP_FIN | TCP_ACK}}},
    {"an RST", 11, {{OUT, .flags = TCP_ACK}, {OUT, .flags = TCP_RST}}},
    {"a datagram", 13, {{.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 17}}},
    {"a datagram and its answer",
     17,
     {{.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 17},
      {.from = "10.0.0.2", .to = "10.0.0.1", .protocol = 17}}},
    {"an echo", 19, {{.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 1, .type = 8}}},
    {"an echo over IPv6", 19, {{.from = "fd::1", .to = "fd::2", .protocol = 58, .type = 128}}},
    {"SCTP", 23, {{.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 132}}},
    {"GRE", 23, {{.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 47}}},
};

/* One half that is closed ages by a time of its own, whichever it is. */
static void each_state_ages_by_its_own_time(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(ageing) / sizeof(ageing[0]); i++) {
        const struct ageing *a = &ageing[i];
        struct box *b = box_open(TIMES);

        print_message("%s\n", a->name);
        for (int k = 0; k < 4 && a->last[k].from != NULL; k++)
            say(b, strcmp(a->last[k].from, "10.0.0.2") == 0 ? RIGHT : LEFT, a->last[k]);
        box_elapse_ms(b, a->seconds * 1000 - 300);
        assert_int_equal(box_sessions(b), 1);
        box_elapse_ms(b, 800);
        assert_int_equal(box_sessions(b), 0);
        assert_int_equal(box_count(b, EVENT_CLOSE), 1);
        box_close(b);
    }
}

/* 12.1 #8: what has no ports is recorded as others are, ESP above all. */
static void defect_8_what_has_no_ports_is_recorded(void **unused)
{
    static const uint8_t protocols[] = {50, 51, 47, 4, 41, 89, 112, 255};

    (void)unused;
    for (size_t i = 0; i < 2 * sizeof(protocols); i++) {
        struct frame f = {.from = i % 2 ? "fd::1" : "10.0.0.1",
                          .to = i % 2 ? "fd::2" : "10.0.0.2",
                          .protocol = protocols[i / 2],
                          .data = 16};
        struct box *b =
            box_open("policy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" "
                     "action = permit log = { \"session-init\", \"session-close\" } }\n");
        static const uint8_t kinds[] = {EVENT_OPEN, EVENT_DENY, EVENT_CLOSE};

        say(b, LEFT, f);
        f.from = i % 2 ? "fd::3" : "10.0.0.3";
        assert_false(box_send(b, RIGHT, &f));
        box_end(b);
        assert_int_equal(b->event_count, 3);
        for (size_t k = 0; k < 3; k++) {
            const uint8_t *e = box_get(b, kinds[k], 0);

            assert_int_equal(e[53], protocols[i / 2]);
            assert_int_equal(event_be(e, 40), 0);
            assert_int_equal(event_be(e, 42), 0);
        }
        box_close(b);
    }
}

#define ALL_LOGGED(protocol)                                                                       \
    "zone \"trust\" { screens = { \"land\" } }\nzone \"untrust\" { }\n"                            \
    "policy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" "                                  \
    "action = permit log = { \"session-init\", \"session-close\" } }\n"                            \
    "filter \"in\" { term \"log\" { protocol = " protocol " log = true } }\n"                      \
    "filter \"out\" { on = output term \"t\" { protocol = " protocol " log = true } }\n"

/* 12.1 #8: each record of an ICMP packet, of every kind, both families, both ways: an echo's id is
 * its source port and nothing is its destination port; of any other ICMP both are 0. */
static void defect_8_an_echo_has_its_id_as_source_port(void **unused)
{
    enum { ID = 0xabcd };
    static const uint8_t kinds[] = {EVENT_OPEN, EVENT_DENY, EVENT_CLOSE, EVENT_SCREEN,
                                    EVENT_FILTER};

    (void)unused;
    for (int i = 0; i < 4; i++) {
        bool v6 = i % 2, echo = i < 2;
        struct box *b = box_open(v6 ? ALL_LOGGED("icmp6") : ALL_LOGGED("icmp"));
        struct frame f = {.protocol = v6 ? 58 : 1, .source_port = ID};

        f.type = v6 ? (echo ? 128 : 139) : (echo ? 8 : 13);
        f.from = v6 ? "fd::1" : "10.0.0.1";
        f.to = v6 ? "fd::2" : "10.0.0.2";
        say(b, LEFT, f);
        f.to = f.from;
        assert_false(box_send(b, LEFT, &f));
        f.from = v6 ? "fd::3" : "10.0.0.3";
        assert_false(box_send(b, RIGHT, &f));
        box_end(b);
        for (size_t k = 0; k < sizeof(kinds); k++)
            assert_true(box_count(b, kinds[k]) > 0);
        for (size_t k = 0; k < b->event_count; k++) {
            assert_int_equal(event_be(b->event[k].at, 40), echo ? ID : 0);
            assert_int_equal(event_be(b->event[k].at, 42), 0);
        }
        box_close(b);
    }
}

/* 12.3 #40: evdp's own records have none of it: whatever kind, the 12 bytes behind an IPv4 address
 * are zero, ports are in network order, a filter's action is an action of the contract, a screen's
 * flag is set, and an interface's number keeps its 32 bits. */
static void defect_40_records_are_the_contracts(void **unused)
{
    static const uint8_t actions[] = {[EVENT_OPEN] = ACTION_PERMIT,
                                      [EVENT_CLOSE] = ACTION_PERMIT,
                                      [EVENT_DENY] = ACTION_DENY,
                                      [EVENT_SCREEN] = ACTION_DENY,
                                      [EVENT_FILTER] = ACTION_PERMIT};
    static const size_t slots[] = {8, 24, 72, 88};
    struct box *b = box_open(ALL_LOGGED("udp"));
    const uint8_t zero[12] = {0};
    struct frame f = {.from = "10.0.0.1",
                      .to = "10.0.0.2",
                      .protocol = 17,
                      .source_port = 0x1234,
                      .destination_port = 0x00fd};

    (void)unused;
    say(b, LEFT, f);
    f.to = f.from;
    assert_false(box_send(b, LEFT, &f));
    f.from = "10.0.0.3";
    assert_false(box_send(b, RIGHT, &f));
    box_end(b);
    for (uint8_t kind = EVENT_OPEN; kind <= EVENT_FILTER; kind++)
        assert_true(kind == 5 || box_count(b, kind) > 0);
    for (size_t k = 0; k < b->event_count; k++) {
        const uint8_t *e = b->event[k].at;

        for (size_t i = 0; i < 4; i++)
            assert_memory_equal(e + slots[i] + 4, zero, 12);
        assert_memory_equal(e + 40, "\x12\x34\x00\xfd", 4);
        assert_int_equal(e[54], actions[e[52]]);
        assert_true(e[52] != EVENT_SCREEN || event_le(e, 44, 4) == 0x20);
        assert_int_equal(event_le(e, 128, 4), 10 + (e[8 + 3] == 3 ? RIGHT : LEFT));
    }
    box_close(b);
}

/* ---- SCTP ---- */

static struct frame sctp(bool back, uint16_t client, uint16_t server)
{
    struct frame out = {.from = "fd::1", .to = "fd::2", .protocol = 132};

    out.source_port = back ? server : client;
    out.destination_port = back ? client : server;
    if (back) {
        out.from = "fd::2";
        out.to = "fd::1";
    }
    return out;
}

/* Its ports are ports: to policies, applications, filters and scans, and they tell flows apart. */
static void sctp_has_ports(void **unused)
{
    struct box *b = box_open("application \"diameter\" { protocol = sctp ports = { \"3868\" } "
                             "source-ports = { \"1000-1999\" } }\n"
                             "policy \"no\" { from-zone = \"trust\" to-zone = \"untrust\" "
                             "protocol = sctp ports = { \"3869\" } action = deny }\n"
                             "policy \"yes\" { from-zone = \"trust\" to-zone = \"untrust\" "
                             "applications = { \"diameter\" } action = permit "
                             "log = { \"session-init\", \"session-close\" } }\n"
                             "filter \"f\" { term \"t\" { protocol = sctp ports = { \"3868\" } "
                             "source-ports = { \"1001\" } log = true } }\n");
    const uint8_t *e;
    struct frame f;

    (void)unused;
    say(b, LEFT, sctp(false, 1000, 3868));
    say(b, RIGHT, sctp(true, 1000, 3868));
    e = box_get(b, EVENT_OPEN, 0);
    assert_int_equal(event_be(e, 40), 1000);
    assert_int_equal(event_be(e, 42), 3868);
    assert_int_equal(event_le(e, 44, 4), 257);
    assert_int_equal(event_le(e, 132, 2), 1);
    assert_int_equal(box_count(b, EVENT_FILTER), 0);
    say(b, LEFT, sctp(false, 1001, 3868));
    assert_int_equal(box_count(b, EVENT_FILTER), 1);
    assert_int_equal(box_sessions(b), 2);
    f = sctp(true, 1002, 3868); /* Answers nothing. */
    assert_false(box_send(b, RIGHT, &f));
    f = sctp(false, 2000, 3868); /* From another port than the application's. */
    assert_false(box_send(b, LEFT, &f));
    assert_int_equal(event_le(box_get(b, EVENT_DENY, 1), 44, 4), POLICY_ID_DEFAULT);
    f = sctp(false, 1000, 3869);
    assert_false(box_send(b, LEFT, &f));
    e = box_get(b, EVENT_DENY, 2);
    assert_int_equal(event_le(e, 44, 4), 256);
    assert_int_equal(event_be(e, 40), 1000);
    assert_int_equal(event_be(e, 42), 3869);
    box_close(b);
}

/* ... to new rules too, which look at a session without a packet. */
static void sctp_has_ports_when_rules_change(void **unused)
{
    static const char *const rules[] = {
        "policy-rematch = true\npolicy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" "
        "protocol = sctp ports = { \"3868\" } action = permit log = { \"session-close\" } }\n",
        "policy-rematch = true\npolicy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" "
        "protocol = sctp ports = { \"3869\" } action = permit log = { \"session-close\" } }\n"};
    struct box *b = box_open(rules[0]);
    struct frame f = sctp(false, 1000, 3868);

    (void)unused;
    say(b, LEFT, f);
    box_reload(b, rules[0]);
    say(b, LEFT, f);
    say(b, RIGHT, sctp(true, 1000, 3868));
    assert_int_equal(b->event_count, 0);
    box_reload(b, rules[1]);
    assert_false(box_send(b, LEFT, &f));
    expect_closed(b, CLOSE_REJECTED);
    box_close(b);
}

/* ---- other protocols ---- */

static void udp_and_icmp(void **unused)
{
    struct box *b = box_open(LOGGED);
    const uint8_t *e;

    (void)unused;
    say(b, LEFT,
        (struct frame){.from = "fd::1",
                       .to = "fd::2",
                       .protocol = 17,
                       .source_port = 7,
                       .destination_port = 53,
                       .vlan = {3}});
    assert_false(box_send(b, RIGHT, /* Another VLAN: not its answer. */
                          &(struct frame){.from = "fd::2",
                                          .to = "fd::1",
                                          .protocol = 17,
                                          .source_port = 53,
                                          .destination_port = 7}));
    box_forget(b);
    say(b, LEFT,
        (struct frame){
            .from = "fd::1", .to = "fd::2", .protocol = 58, .type = 128, .source_port = 99});
    say(b, RIGHT,
        (struct frame){
            .from = "fd::2", .to = "fd::1", .protocol = 58, .type = 129, .source_port = 99});
    assert_int_equal(box_sessions(b), 2);
    box_elapse_ms(b, 10500);
    assert_int_equal(box_sessions(b), 1);
    e = box_get(b, EVENT_CLOSE, 0);
    assert_int_equal(event_be(e, 40), 99); /* 12.1 #8: the id is the source port alone. */
    assert_int_equal(event_be(e, 42), 0);
    assert_int_equal(e[55], FAMILY_V6);
    assert_int_equal(event_le(e, 112, 8), 1);
    box_elapse_ms(b, 10000);
    assert_int_equal(box_sessions(b), 0);
    box_close(b);
}

static struct frame icmp(bool v6, bool back, uint8_t type, uint16_t id)
{
    return (struct frame){.from = v6     ? (back ? "fd::2" : "fd::1")
                                  : back ? "10.0.0.2"
                                         : "10.0.0.1",
                          .to = v6     ? (back ? "fd::1" : "fd::2")
                                : back ? "10.0.0.1"
                                       : "10.0.0.2",
                          .protocol = v6 ? 58 : 1,
                          .type = type,
                          .source_port = id};
}

/* What asks is answered by its answer alone: not by another question under the same id, nor by
 * anything else that has no ports. */
static void only_its_answer_answers_what_asks(void **unused)
{
    static const struct {
        bool v6;
        uint8_t asks, answers;
    } known[] = {{false, 8, 0},   {false, 13, 14},  {false, 15, 16},
                 {false, 17, 18}, {true, 128, 129}, {true, 139, 140}};

    (void)unused;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct box *b = box_open(LOGGED);
        bool v6 = known[i].v6;
        struct frame f;

        say(b, LEFT, icmp(v6, false, known[i].asks, 7));
        for (unsigned type = 0; type < 256; type++) {
            f = icmp(v6, true, (uint8_t)type, 7);
            if (type != known[i].answers && (v6 ? type < 133 || type > 136 : true)) {
                assert_false(box_send(b, RIGHT, &f));
                assert_int_equal(b->d.fate, FATE_DENIED);
            }
        }
        say(b, RIGHT, icmp(v6, true, known[i].answers, 7));
        say(b, LEFT, icmp(v6, false, known[i].asks, 7));
        assert_int_equal(box_sessions(b), 1);
        box_close(b);
    }
}

/* What nothing answers, no ICMP comes back for: a redirect, say, that a policy permits. */
static void nothing_answers_what_does_not_ask(void **unused)
{
    static const uint8_t silent[] = {0, 4, 5, 9, 10, 14, 18, 40, 255};

    (void)unused;
    for (size_t i = 0; i < sizeof(silent); i++) {
        struct box *b = box_open(LOGGED);
        struct frame f;

        say(b, LEFT, icmp(false, false, silent[i], 7));
        for (unsigned type = 0; type < 256; type++) {
            f = icmp(false, true, (uint8_t)type, 7);
            assert_false(box_send(b, RIGHT, &f));
        }
        box_close(b);
    }
}

/* The error about a ping belongs to it. */
static void errors_about_a_ping(void **unused)
{
    struct frame ping = icmp(false, false, 8, 7), pong = icmp(false, false, 0, 7);
    struct frame e = {.protocol = 1, .type = 3, .code = 1};
    struct box *b = box_open(LOGGED);
    uint8_t quoted[FRAME_MAX];

    (void)unused;
    say(b, LEFT, ping);
    e.quoted = quoted;
    e.quoted_len = (uint16_t)frame_build(&ping, quoted);
    e.from = "10.0.0.77";
    e.to = "10.0.0.1";
    say(b, RIGHT, e);
    e.quoted_len = (uint16_t)frame_build(&pong, quoted); /* Nobody sent that. */
    assert_false(box_send(b, RIGHT, &e));
    assert_int_equal(b->d.fate, FATE_DENIED);
    box_close(b);
}

/* An error about a session's packet passes without a policy; about anything else it does not. */
static void icmp_errors_belong_to_what_they_quote(void **unused)
{
    uint8_t first[FRAME_MAX], other[FRAME_MAX];
    struct frame e = {.from = "10.0.0.77", .to = "10.0.0.1", .protocol = 1, .type = 3, .code = 4};
    struct box *b = box_open(LOGGED);

    (void)unused;
    say(b, LEFT, (struct frame){OUT, .flags = TCP_SYN});
    e.quoted = first;
    e.quoted_len = (uint16_t)frame_build(&(struct frame){OUT, .flags = TCP_SYN}, first);
    say(b, RIGHT, e);
    e.quoted = other;
    e.quoted_len = (uint16_t)frame_build(
        &(struct frame){.from = "10.0.0.1", .to = "10.0.0.9", .protocol = 6, .flags = 2}, other);
    assert_false(box_send(b, RIGHT, &e));
    assert_int_equal(b->d.fate, FATE_DENIED);
    box_close(b);
}

/* A true quote takes an error to nobody but the sender of what it quotes. */
static void an_error_is_for_whom_it_quotes(void **unused)
{
    static const struct {
        const char *client, *server, *router, *other;
        uint8_t protocol, type;
    } known[] = {{"10.0.0.1", "10.0.0.2", "10.0.0.77", "10.0.0.99", 1, 3},
                 {"2001:db8::1", "2001:db8::2", "2001:db8::77", "2001:db8::99", 58, 1}};

    (void)unused;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct frame syn = {.from = known[i].client,
                            .to = known[i].server,
                            .protocol = 6,
                            .source_port = 1111,
                            .destination_port = 80,
                            .flags = TCP_SYN};
        struct frame e = {.from = known[i].router,
                          .to = known[i].other,
                          .protocol = known[i].protocol,
                          .type = known[i].type};
        struct box *b = box_open(LOGGED);
        uint8_t quoted[FRAME_MAX];

        say(b, LEFT, syn);
        e.quoted = quoted;
        e.quoted_len = (uint16_t)frame_build(&syn, quoted);
        assert_false(box_send(b, RIGHT, &e));
        assert_int_equal(b->d.fate, FATE_DENIED);
        assert_int_equal(box_count(b, EVENT_DENY), 1);
        e.to = known[i].client;
        say(b, RIGHT, e);
        box_close(b);
    }
}

/* ---- many ---- */

static void a_full_table_gives_up_what_was_never_answered(void **unused)
{
    struct box *b = box_open(LOGGED);
    unsigned made = 0;

    (void)unused;
    shake_hands(b);
    for (unsigned i = 0; i < 3000; i++) {
        made += box_send(
            b, LEFT,
            &(struct frame){
                .from = "10.0.0.3", .to = "10.0.0.2", .protocol = 17, .source_port = (uint16_t)i});
        b->event_count = b->event_count > 200 ? 0 : b->event_count;
    }
    assert_int_equal(made, 3000);
    assert_true(box_sessions(b) <= 1024);
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK}); /* The one that was answered lives. */
    box_close(b);
}

static unsigned expire_into(struct box *b, struct fixture *f)
{
    struct decision d;
    unsigned taken = 0;
    bool more;

    do {
        more = decide_expire(&b->state, 0, b->now_ns, false, &d);
        for (int i = 0; i < d.event_count; i++)
            taken += evhooks_emit(f->worker, d.event_group[i], b->now_ns, b->now_ns,
                                  d.event_names[i], d.event[i]) == EVHOOKS_OK;
    } while (more);
    return taken;
}

/* A3: closes whose time comes while the ring is full are counted as that, once each; the sessions
 * are over all the same, and what comes later is told. */
static void closes_that_find_the_ring_full_are_counted(void **state)
{
    enum { SESSIONS = FIXTURE_SLOTS + 44 };
    struct box *b = box_open(LOGGED);
    struct fixture *f = *state;
    struct evhooks_record out[FIXTURE_SLOTS];
    struct frame udp = {.from = "10.0.0.3", .to = "10.0.0.2", .protocol = 17};
    struct evhooks_counters c;

    fixture_epoch(f, 12);
    for (; udp.source_port < SESSIONS; udp.source_port++)
        say(b, LEFT, udp);
    b->now_ns += 61000000000;
    assert_int_equal(expire_into(b, f), FIXTURE_SLOTS);
    assert_int_equal(box_sessions(b), 0);
    assert_int_equal(evhooks_read(f->ring, out, FIXTURE_SLOTS), FIXTURE_SLOTS);
    evhooks_release(f->ring);
    say(b, LEFT, udp);
    b->now_ns += 61000000000;
    assert_int_equal(expire_into(b, f), 1);
    evhooks_counters(f->ring, &c);
    assert_int_equal(c.decided[EVENT_CLOSE], SESSIONS + 1);
    assert_int_equal(c.tagged[EVENT_CLOSE], FIXTURE_SLOTS + 1);
    assert_int_equal(c.ring_full[EVENT_CLOSE], 44);
    box_close(b);
}

/* Random packets of few flows: opens and closes stay in balance, whatever comes. */
static void opens_and_closes_balance(void **unused)
{
    struct box *b = box_open(LOGGED);
    size_t opened = 0, closed = 0;
    uint64_t seed = 12345;

    (void)unused;
    print_message("seed %d\n", (int)seed);
    for (int i = 0; i < 20000; i++) {
        static const uint8_t flags[] = {2, 18, 16, 16, 17, 4, 24};
        struct frame f = {OUT};

        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        f.flags = flags[(seed >> 33) % 7];
        f.source_port = (uint16_t)(1024 + (seed >> 40) % 8);
        if (seed >> 50 & 1)
            f = (struct frame){BACK, .flags = f.flags};
        box_send(b, seed >> 50 & 1, &f);
        if ((seed >> 52) % 64 == 0)
            box_elapse_ms(b, 700);
        opened += box_count(b, EVENT_OPEN);
        closed += box_count(b, EVENT_CLOSE);
        box_forget(b);
        assert_int_equal(opened - closed, box_sessions(b));
    }
    box_end(b);
    assert_int_equal(opened, closed + box_count(b, EVENT_CLOSE));
    assert_true(closed > 100);
    box_close(b);
}

/* ---- new rules ---- */

/* d43. */
static void sessions_outlive_a_new_configuration(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    box_reload(b, "policy \"none\" { from-zone = \"trust\" to-zone = \"untrust\" action = deny }");
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_RST});
    box_elapse_ms(b, 2500);
    expect_closed(b, CLOSE_RST);
    assert_int_equal(b->event[1].names, 1); /* 12.4 #43: told by the names of its decision. */
    assert_int_equal(event_le(box_get(b, EVENT_CLOSE, 0), 44, 4), 256);
    box_close(b);
}

static void rematch_ends_what_is_permitted_no_more(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    box_reload(b, "policy-rematch = true\n" LOGGED);
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK});
    box_reload(b, "policy-rematch = true\n"
                  "policy \"none\" { from-zone = \"trust\" to-zone = \"untrust\" action = deny }");
    assert_false(box_send(b, LEFT, &(struct frame){OUT, .flags = TCP_ACK}));
    expect_closed(b, CLOSE_REJECTED);
    assert_int_equal(box_count(b, EVENT_DENY), 1);
    box_close(b);
}

static void syn_check(void **unused)
{
    struct box *b = box_open("tcp-syn-check = true\n" LOGGED);

    (void)unused;
    assert_false(box_send(b, LEFT, &(struct frame){OUT, .flags = TCP_ACK}));
    assert_int_equal(b->d.fate, FATE_NO_SESSION);
    shake_hands(b);
    box_close(b);
    b = box_open(LOGGED); /* Off, as after a failover: taken up in its middle. */
    say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK});
    say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK});
    assert_int_equal(box_count(b, EVENT_OPEN), 1);
    box_close(b);
}

/* Two workers: the one that is behind with its clock takes a packet after the other did. */
static void a_worker_with_an_older_clock_ends_nothing(void **unused)
{
    struct box *b = box_open(LOGGED);

    (void)unused;
    shake_hands(b);
    for (int i = 0; i < 10; i++) {
        b->now_ns += 2000000;
        say(b, LEFT, (struct frame){OUT, .flags = TCP_ACK, .data = 100});
        b->now_ns -= 1000000;
        say(b, RIGHT, (struct frame){BACK, .flags = TCP_ACK, .data = 100});
    }
    assert_int_equal(box_sessions(b), 1);
    assert_int_equal(box_count(b, EVENT_CLOSE), 0);
    box_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_and_close_tell_all),
        cmocka_unit_test(defect_34_idle_timeout),
        cmocka_unit_test(defect_34_fin),
        cmocka_unit_test(defect_34_rst_and_what_follows_it),
        cmocka_unit_test(nothing_prolongs_a_closed_session),
        cmocka_unit_test(defect_34_an_rst_after_both_fins_stays_a_fin),
        cmocka_unit_test(defect_34_aged_out_when_it_never_came_about),
        cmocka_unit_test(defect_34_the_end_of_the_dataplane_closes_each_once),
        cmocka_unit_test(the_same_ports_again_are_another_session),
        cmocka_unit_test(a_closed_session_lets_no_server_begin),
        cmocka_unit_test(a_fin_after_the_close_opens_nothing),
        cmocka_unit_test(each_state_ages_by_its_own_time),
        cmocka_unit_test(defect_8_what_has_no_ports_is_recorded),
        cmocka_unit_test(defect_8_an_echo_has_its_id_as_source_port),
        cmocka_unit_test(defect_40_records_are_the_contracts),
        cmocka_unit_test(sctp_has_ports),
        cmocka_unit_test(sctp_has_ports_when_rules_change),
        cmocka_unit_test(udp_and_icmp),
        cmocka_unit_test(only_its_answer_answers_what_asks),
        cmocka_unit_test(nothing_answers_what_does_not_ask),
        cmocka_unit_test(errors_about_a_ping),
        cmocka_unit_test(icmp_errors_belong_to_what_they_quote),
        cmocka_unit_test(an_error_is_for_whom_it_quotes),
        cmocka_unit_test(a_full_table_gives_up_what_was_never_answered),
        cmocka_unit_test_setup_teardown(closes_that_find_the_ring_full_are_counted, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test(opens_and_closes_balance),
        cmocka_unit_test(sessions_outlive_a_new_configuration),
        cmocka_unit_test(rematch_ends_what_is_permitted_no_more),
        cmocka_unit_test(syn_check),
        cmocka_unit_test(a_worker_with_an_older_clock_ends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
