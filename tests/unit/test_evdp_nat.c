/* links: test_box evdp_config */
/* Source NAT: what the server sees, what the client gets back, and what the events say of it; and
 * SYN cookies, which change packets too. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "octets.h"

#define NAT                                                                                        \
    "sessions = 65536\n" /* As many shards as there can be. */                                     \
    "policy \"all\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit "                \
    "log = { \"session-init\", \"session-close\" } }\n"                                            \
    "nat \"n\" { from-zone = \"trust\" to-zone = \"untrust\" pool = { \"192.0.2.4/31\", "          \
    "\"2001:db8:9::/127\" } pool-ports = \"2000-2099\" }\n"

/* A frame as the test knows it, from what decide() made of it: addresses, ports, sums. */
static void answer_to(struct box *b, struct frame *f, char text[2][64])
{
    const struct packet *p = &b->out;
    bool v6 = p->family == FAMILY_V6;

    for (int i = 0; i < 2; i++) {
        const uint8_t *a = i == 0 ? p->destination : p->source;

        if (v6)
            snprintf(text[i], 64, "%x:%x:%x:%x:%x:%x:%x:%x", a[0] << 8 | a[1], a[2] << 8 | a[3],
                     a[4] << 8 | a[5], a[6] << 8 | a[7], a[8] << 8 | a[9], a[10] << 8 | a[11],
                     a[12] << 8 | a[13], a[14] << 8 | a[15]);
        else
            snprintf(text[i], 64, "%d.%d.%d.%d", a[0], a[1], a[2], a[3]);
    }
    *f = (struct frame){.from = text[0],
                        .to = text[1],
                        .protocol = p->protocol,
                        .source_port = p->echo ? p->source_port : p->destination_port,
                        .destination_port = p->source_port};
}

static void round_trip(const struct frame *out, uint8_t reply_type)
{
    struct box *b = box_open(NAT);
    struct packet sent, seen;
    char text[2][64];
    uint8_t frame[FRAME_MAX];
    struct frame back;
    const uint8_t *e;
    bool v6 = strchr(out->from, ':') != NULL;

    packet_parse(&sent, frame, frame_build(out, frame));
    assert_true(box_send(b, LEFT, out));
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    seen = b->out;
    assert_memory_not_equal(seen.source, sent.source, 16);
    assert_memory_equal(seen.source, v6 ? "\x20\x01\x0d\xb8\0\x09" : "\xc0\x00\x02", v6 ? 6 : 3);
    assert_memory_equal(seen.destination, sent.destination, 16);
    assert_int_equal(seen.destination_port, sent.destination_port);
    e = box_get(b, EVENT_OPEN, 0);
    assert_memory_equal(e + 8, sent.source, 16);
    assert_memory_equal(e + 72, seen.source, 16);
    assert_int_equal(event_be(e, 104), seen.source_port);
    answer_to(b, &back, text);
    back.type = reply_type;
    back.flags = TCP_SYN | TCP_ACK;
    back.data = 3;
    memcpy(back.vlan, out->vlan, sizeof(back.vlan));
    assert_true(box_send(b, RIGHT, &back));
    assert_int_equal(b->d.port, LEFT);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_memory_equal(b->out.destination, sent.source, 16);
    assert_int_equal(b->out.echo ? b->out.source_port : b->out.destination_port, sent.source_port);
    box_end(b);
    e = box_get(b, EVENT_CLOSE, 0);
    assert_memory_equal(e + 72, seen.source, 16);
    assert_int_equal(event_le(e, 112, 8), 1);
    box_close(b);
}

/* 0 is an id and a port like others. */
static void zero_comes_back(void **unused)
{
    (void)unused;
    round_trip(&(struct frame){.from = "10.0.0.1", .to = "10.9.0.2", .protocol = 1, .type = 8}, 0);
    round_trip(&(struct frame){.from = "fd00::1", .to = "fd00::2", .protocol = 58, .type = 128},
               129);
    round_trip(
        &(struct frame){
            .from = "10.0.0.1", .to = "10.9.0.2", .protocol = 17, .destination_port = 53},
        0);
    round_trip(&(struct frame){.from = "fd00::1",
                               .to = "fd00::2",
                               .protocol = 6,
                               .destination_port = 80,
                               .flags = TCP_SYN},
               0);
}

static void there_and_back(void **unused)
{
    (void)unused;
    round_trip(&(struct frame){.from = "10.0.0.1",
                               .to = "10.9.0.2",
                               .protocol = 6,
                               .source_port = 999,
                               .destination_port = 80,
                               .flags = 2},
               0);
    round_trip(&(struct frame){.from = "fd00::1",
                               .to = "fd00::2",
                               .protocol = 6,
                               .source_port = 999,
                               .destination_port = 80,
                               .flags = 2,
                               .vlan = {4, 5}},
               0);
    round_trip(&(struct frame){.from = "10.0.0.1",
                               .to = "10.9.0.2",
                               .protocol = 17,
                               .source_port = 999,
                               .destination_port = 53,
                               .data = 7},
               0);
    round_trip(&(struct frame){.from = "10.0.0.1",
                               .to = "10.9.0.2",
                               .protocol = 17,
                               .source_port = 9,
                               .destination_port = 53,
                               .no_udp_sum = true},
               0);
    round_trip(&(struct frame){.from = "fd00::1",
                               .to = "fd00::2",
                               .protocol = 17,
                               .source_port = 999,
                               .destination_port = 53,
                               .extension = 60},
               0);
    round_trip(
        &(struct frame){
            .from = "10.0.0.1", .to = "10.9.0.2", .protocol = 1, .type = 8, .source_port = 321},
        0);
    round_trip(
        &(struct frame){
            .from = "fd00::1", .to = "fd00::2", .protocol = 58, .type = 128, .source_port = 321},
        129);
    round_trip(&(struct frame){.from = "10.0.0.1",
                               .to = "10.9.0.2",
                               .protocol = PROTOCOL_SCTP,
                               .source_port = 999,
                               .destination_port = 2905},
               0); /* Its port is kept, and told. */
    round_trip(&(struct frame){.from = "10.0.0.1", .to = "10.9.0.2", .protocol = 1, .type = 13},
               14); /* No id that could be translated: its address alone. */
    round_trip(&(struct frame){.from = "fd00::1", .to = "fd00::2", .protocol = 58, .type = 139},
               140);
}

/* From one client's port to 10.9.0.x; whether it was sent on. */
static bool to_server(struct box *b, const char *server, uint16_t port)
{
    return box_send(b, LEFT,
                    &(struct frame){.from = "10.0.0.1",
                                    .to = server,
                                    .protocol = 17,
                                    .source_port = port,
                                    .destination_port = 9});
}

static void answers_come_home(struct box *b, uint16_t port)
{
    char text[2][64];
    struct frame back;

    answer_to(b, &back, text);
    assert_true(box_send(b, RIGHT, &back));
    assert_int_equal(b->out.destination_port, port);
}

/* No two sessions are one to the server; every port of every address is used, whichever shard its
 * answers fall into, and when nothing is left it is said, not shared. */
static void ports_are_never_shared(void **unused)
{
    static const char *const sessions[] = {"sessions = 1024\n", "sessions = 65536\n"};

    (void)unused;
    for (int n = 0; n < 2; n++) {
        bool used[2][65536] = {{false}};
        unsigned made = 0;
        char text[512];
        struct box *b;

        snprintf(text, sizeof(text), "%s%s", sessions[n], strchr(NAT, '\n') + 1);
        b = box_open(text);
        for (uint16_t i = 0; i < 250; i++) {
            bool *at;

            if (!to_server(b, "10.9.0.2", i)) {
                assert_int_equal(b->d.fate, FATE_NO_PORT);
                continue;
            }
            at = &used[b->out.source[3] - 4][b->out.source_port];
            assert_false(*at);
            assert_in_range(b->out.source_port, 2000, 2099);
            *at = true;
            made++;
            answers_come_home(b, i);
            box_forget(b);
        }
        assert_int_equal(made, 200);
        assert_int_equal(box_sessions(b), 200);
        assert_true(to_server(b, "10.9.0.3", 0));
        box_elapse_ms(b, 61000);
        assert_int_equal(box_sessions(b), 0);
        assert_true(to_server(b, "10.9.0.2", 249));
        box_close(b);
    }
}

/* A client changes its address of the pool only for want of a port. */
static void a_client_keeps_its_address(void **unused)
{
    struct box *b = box_open(NAT);
    uint8_t first;

    (void)unused;
    assert_true(to_server(b, "10.9.0.2", 0));
    first = b->out.source[3];
    for (uint16_t i = 1; i < 101; i++) {
        assert_true(to_server(b, "10.9.0.2", i));
        assert_int_equal(b->out.source[3], i < 100 ? first : first ^ 1);
    }
    box_close(b);
}

/* Who has an address of the pool himself keeps his flows: nobody gets his port. */
static void a_port_of_another_flow_is_not_taken(void **unused)
{
    struct box *b =
        box_open("sessions = 65536\n"
                 "policy \"all\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit }\n"
                 "nat \"n\" { source = { \"10.0.0.0/8\" } pool = { \"192.0.2.4/32\" } "
                 "pool-ports = \"2000-2015\" }\n");

    (void)unused;
    for (uint16_t i = 0; i < 5; i++)
        assert_true(box_send(b, LEFT,
                             &(struct frame){.from = "192.0.2.4",
                                             .to = "10.9.0.2",
                                             .protocol = 17,
                                             .source_port = (uint16_t)(2000 + 3 * i),
                                             .destination_port = 9}));
    for (uint16_t i = 0; i < 16; i++) {
        assert_int_equal(to_server(b, "10.9.0.2", i), i < 11);
        if (i < 11)
            assert_true((b->out.source_port - 2000) % 3 != 0 || b->out.source_port == 2015);
    }
    box_close(b);
}

/* A full table: a flow that finds no port takes nobody's place. */
static void no_port_ends_no_session(void **unused)
{
    struct box *b =
        box_open("sessions = 1024\n"
                 "policy \"all\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit }\n"
                 "nat \"n\" { destination = { \"10.9.0.2\" } pool = { \"192.0.2.4\" } "
                 "pool-ports = \"2000-2003\" }\n");

    (void)unused;
    for (uint16_t i = 0; i < 4; i++)
        assert_true(to_server(b, "10.9.0.2", i));
    for (uint16_t i = 0; i < 1020; i++)
        assert_true(to_server(b, "10.9.0.3", i));
    assert_int_equal(box_sessions(b), 1024);
    assert_false(to_server(b, "10.9.0.2", 4));
    assert_int_equal(b->d.fate, FATE_NO_ROOM);
    assert_int_equal(box_sessions(b), 1024);
    assert_int_equal(b->event_count, 0);
    box_close(b);
}

/* What no port tells apart: one flow for each address, of every question its own. */
static void what_has_no_port_gets_addresses(void **unused)
{
    static const uint8_t types[] = {13, 17};
    struct box *b = box_open(NAT);

    (void)unused;
    for (int i = 0; i < 2; i++) {
        for (int client = 1; client < 4; client++) {
            char from[16];

            snprintf(from, sizeof(from), "10.0.0.%d", client);
            assert_int_equal(
                box_send(b, LEFT,
                         &(struct frame){
                             .from = from, .to = "10.9.0.2", .protocol = 1, .type = types[i]}),
                client < 3);
        }
    }
    box_close(b);
}

static void error_about(uint16_t client_port)
{
    struct frame out = {.from = "10.0.0.1",
                        .to = "10.9.0.2",
                        .protocol = 17,
                        .source_port = client_port,
                        .destination_port = 53,
                        .data = 20};
    struct frame error = {.from = "10.9.0.2", .protocol = 1, .type = 3, .code = 3};
    struct box *b = box_open(NAT);
    struct packet quoted;
    char text[2][64];
    uint8_t sent[FRAME_MAX];
    struct frame back;

    assert_true(box_send(b, LEFT, &out));
    memcpy(sent, b->frame, FRAME_MAX);
    answer_to(b, &back, text);
    error.to = text[1];
    error.quoted = sent;
    error.quoted_len = (uint16_t)b->d.len;
    assert_true(box_send(b, RIGHT, &error));
    assert_int_equal(b->d.port, LEFT);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_memory_equal(b->out.destination, "\x0a\0\0\1", 4);
    assert_true(packet_quoted(&quoted, &b->out, b->frame));
    assert_memory_equal(quoted.source, "\x0a\0\0\1", 4);
    assert_int_equal(quoted.source_port, client_port);
    error.to = "10.0.0.1"; /* Not the address that the quoted packet went out with. */
    assert_false(box_send(b, RIGHT, &error));
    assert_int_equal(b->d.fate, FATE_DENIED);
    box_close(b);
}

static void an_error_is_translated_with_what_it_quotes(void **unused)
{
    (void)unused;
    error_about(999);
    error_about(0);
}

/* A flow of one family under NAT, its packets as each side sees them: [side], left first. */
struct seen {
    struct box *b;
    uint8_t frame[2][FRAME_MAX];
    uint16_t len;
};

static struct seen translated_flow(bool v6, uint8_t protocol)
{
    struct frame out = {.from = v6 ? "fd00::1" : "10.0.0.1",
                        .to = v6 ? "fd00::2" : "10.9.0.2",
                        .protocol = protocol,
                        .source_port = 999,
                        .destination_port = 53,
                        .flags = TCP_SYN,
                        .type = v6 ? 128 : 8,
                        .data = 21};
    struct seen s = {.b = box_open(NAT)};

    s.len = (uint16_t)frame_build(&out, s.frame[0]);
    assert_true(box_send(s.b, LEFT, &out));
    memcpy(s.frame[1], s.b->frame, s.len);
    return s;
}

/* From the server's side about what the client sent. */
static size_t error_to_client(const struct seen *s, bool v6, uint8_t *out)
{
    struct frame f = {.from = v6 ? "fd00::77" : "10.9.0.77", /* A router on the way. */
                      .protocol = v6 ? 58 : 1,
                      .type = v6 ? 1 : 3,
                      .quoted = s->frame[1],
                      .quoted_len = s->len};
    char to[64];

    inet_ntop(v6 ? AF_INET6 : AF_INET, s->frame[1] + 14 + (v6 ? 8 : 12), to, sizeof(to));
    f.to = to;
    return frame_build(&f, out);
}

/* Checksums of errors are changed with what they cover, so that one that was damaged is not mended:
 * whoever gets it would take it for true. */
static void a_damaged_error_stays_damaged(void **unused)
{
    static const uint8_t protocols[] = {6, 17, 1, 132, 47};

    (void)unused;
    for (int i = 0; i < 10; i++) {
        bool v6 = i % 2 == 1;
        uint8_t protocol = protocols[i / 2], frame[FRAME_MAX];
        struct seen s = translated_flow(v6, v6 && protocol == 1 ? 58 : protocol);
        size_t len = error_to_client(&s, v6, frame);

        assert_true(box_send_raw(s.b, RIGHT, frame, len));
        assert_true(frame_sums_are_right(s.b->frame, s.b->d.len));
        frame[len - 1] ^= 0x40; /* In what is quoted of the data. */
        assert_true(box_send_raw(s.b, RIGHT, frame, len));
        assert_false(frame_sums_are_right(s.b->frame, s.b->d.len));
        s.b->frame[len - 1] ^= 0x40;
        assert_true(frame_sums_are_right(s.b->frame, s.b->d.len));
        assert_memory_equal(s.b->out.destination, s.frame[0] + 14 + (v6 ? 8 : 12), v6 ? 16 : 4);
        assert_memory_equal(s.b->frame + (v6 ? 62 : 42), s.frame[0] + 14, v6 ? 40 : 20);
        box_close(s.b);
    }
}

static void fragments_are_translated_alike(void **unused)
{
    struct box *b = box_open(NAT);
    struct packet first;

    (void)unused;
    assert_true(box_send(b, LEFT,
                         &(struct frame){.from = "10.0.0.1",
                                         .to = "10.9.0.2",
                                         .protocol = 17,
                                         .source_port = 3,
                                         .data = 16,
                                         .id = 4,
                                         .more = true}));
    first = b->out;
    assert_true(box_send(b, LEFT,
                         &(struct frame){.from = "10.0.0.1",
                                         .to = "10.9.0.2",
                                         .protocol = 17,
                                         .data = 16,
                                         .id = 4,
                                         .offset = 24}));
    assert_memory_equal(b->out.source, first.source, 16);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    box_close(b);
}

/* ---- SYN cookies ---- */

#define COOKIES                                                                                    \
    "zone \"trust\" { screens = { \"syn-cookie\" } syn-flood-rate = 1 }\nzone \"untrust\" { }\n"   \
    "policy \"web\" { from-zone = \"trust\" to-zone = \"untrust\" protocol = tcp "                 \
    "ports = { \"80\" } action = permit log = { \"session-init\", \"session-close\" } }\n"

#define HIDDEN                                                                                     \
    "nat \"n\" { from-zone = \"trust\" to-zone = \"untrust\" pool = { \"192.0.2.4\" } }\n"

#define CLIENT(from_port)                                                                          \
    .from = "10.0.0.1", .to = "10.9.0.2", .protocol = 6, .source_port = (from_port),               \
    .destination_port = 80
#define SERVER(to_port)                                                                            \
    .from = "10.9.0.2", .to = "10.0.0.1", .protocol = 6, .source_port = 80,                        \
    .destination_port = (to_port)

/* The second SYN of the second: challenged.  The number of the answer. */
static uint32_t challenged_beside(struct box *b, uint32_t sessions)
{
    assert_true(box_send(b, LEFT, &(struct frame){CLIENT(1), .flags = TCP_SYN}));
    assert_int_equal(b->d.port, RIGHT);
    assert_true(
        box_send(b, LEFT, &(struct frame){CLIENT(2), .flags = TCP_SYN, .seq = 1000, .mss = 1300}));
    assert_int_equal(b->d.port, LEFT);
    assert_int_equal(b->out.tcp_flags, TCP_SYN | TCP_ACK);
    assert_int_equal(b->out.ack, 1001);
    assert_int_equal(b->out.window, 0);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_int_equal(event_le(box_get(b, EVENT_SCREEN, 0), 44, 4), SCREEN_SYN_COOKIE);
    assert_int_equal(box_sessions(b), sessions + 1); /* None for the challenged one. */
    box_forget(b);
    return b->out.seq;
}

static uint32_t challenged(struct box *b)
{
    return challenged_beside(b, 0);
}

/* ... and its cookie comes back, so that the server is asked. */
static uint32_t asked(struct box *b)
{
    uint32_t cookie = challenged(b);

    assert_true(box_send(b, LEFT,
                         &(struct frame){CLIENT(2), .flags = TCP_ACK, .seq = 1001,
                                         .ack = cookie + 1, .window = 500}));
    assert_int_equal(b->d.port, RIGHT);
    assert_int_equal(b->out.tcp_flags, TCP_SYN);
    assert_int_equal(b->out.seq, 1000);
    return cookie;
}

static void a_good_cookie_becomes_a_connection(void **unused)
{
    struct box *b = box_open(COOKIES);
    uint32_t cookie = asked(b);
    struct packet ack;

    (void)unused;
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_int_equal(box_count(b, EVENT_OPEN), 1);
    assert_true(box_send(b, RIGHT,
                         &(struct frame){SERVER(2), .flags = TCP_SYN | TCP_ACK, .seq = 7000,
                                         .ack = 1001, .window = 800}));
    assert_int_equal(b->d.port, LEFT);
    assert_int_equal(b->out.tcp_flags, TCP_ACK);
    assert_int_equal(b->out.seq, cookie + 1);
    assert_int_equal(b->out.window, 800);
    assert_int_equal(b->d.extra_port, RIGHT);
    assert_int_equal(packet_parse(&ack, b->d.extra, b->d.extra_len), PACKET_IP);
    assert_int_equal(ack.tcp_flags, TCP_ACK);
    assert_int_equal(ack.seq, 1001);
    assert_int_equal(ack.ack, 7001);
    assert_true(frame_sums_are_right(b->d.extra, b->d.extra_len));
    assert_true(box_send(
        b, LEFT,
        &(struct frame){CLIENT(2), .flags = TCP_ACK, .seq = 1001, .ack = cookie + 1, .data = 10}));
    assert_int_equal(b->out.ack, 7001);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_true(box_send(
        b, RIGHT,
        &(struct frame){SERVER(2), .flags = TCP_ACK, .seq = 7001, .ack = 1011, .data = 20}));
    assert_int_equal(b->out.seq, cookie + 1);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    box_close(b);
}

static void got_extra(struct box *b, size_t count, uint8_t port, uint8_t flags, uint32_t seq)
{
    struct packet p;

    assert_int_equal(b->extra_count, count);
    assert_int_equal(b->d.extra_port, port);
    assert_int_equal(packet_parse(&p, b->d.extra, b->d.extra_len), PACKET_IP);
    assert_true(frame_sums_are_right(b->d.extra, b->d.extra_len));
    assert_memory_equal(p.destination, port == LEFT ? "\x0a\0\0\x01" : "\x0a\x09\0\x02", 4);
    assert_int_equal(p.vlan, 7);
    assert_int_equal(p.tcp_flags, flags);
    assert_int_equal(p.seq, seq);
}

/* The SYN to the server may be lost, and a client that waits for the server says nothing. */
static void a_server_is_asked_again(void **unused)
{
    static const uint32_t after_ms[] = {1300, 2300, 4300};

    (void)unused;
    for (size_t answered = 1; answered < 4; answered++) {
        struct box *b = box_open(answered % 2 ? COOKIES : COOKIES HIDDEN);
        uint32_t cookie;

        for (uint16_t i = 1; i < 3; i++)
            assert_true(box_send(
                b, LEFT, &(struct frame){CLIENT(i), .flags = TCP_SYN, .seq = 1000, .vlan = {7}}));
        cookie = b->out.seq;
        assert_true(box_send(b, LEFT,
                             &(struct frame){CLIENT(2), .flags = TCP_ACK, .seq = 1001,
                                             .ack = cookie + 1, .vlan = {7}}));
        box_forget(b);
        for (size_t i = 0; i < 3 && i != answered; i++) {
            box_elapse_ms(b, after_ms[i]);
            got_extra(b, i + 1, RIGHT, TCP_SYN, 1000);
            assert_int_equal(b->d.extra[18 + 12], answered % 2 ? 10 : 192);
        }
        if (answered == 3) { /* Never. */
            box_elapse_ms(b, 8300);
            got_extra(b, 4, LEFT, TCP_RST | TCP_ACK, cookie + 1);
            assert_int_equal(box_get(b, EVENT_CLOSE, 0)[134], CLOSE_AGED);
        } else if (answered % 2) {
            assert_true(box_send(b, RIGHT,
                                 &(struct frame){SERVER(2), .flags = TCP_SYN | TCP_ACK, .seq = 7000,
                                                 .ack = 1001, .vlan = {7}}));
            box_elapse_ms(b, 60000);
            assert_int_equal(b->extra_count, answered);
        }
        box_close(b);
    }
}

/* A server that repeats its SYN-ACK opens nothing again. */
static void a_closed_connection_stays_closed(void **unused)
{
    struct box *b = box_open(COOKIES);
    struct frame answer = {SERVER(2), .flags = TCP_SYN | TCP_ACK, .seq = 7000, .ack = 1001};

    (void)unused;
    asked(b);
    assert_true(box_send(b, RIGHT, &answer));
    assert_true(
        box_send(b, RIGHT, &(struct frame){SERVER(2), .flags = TCP_RST, .seq = 7001, .ack = 1001}));
    for (int i = 0; i < 2; i++) {
        box_elapse_ms(b, 800);
        assert_true(box_send(b, RIGHT, &answer));
    }
    assert_int_equal(box_count(b, EVENT_CLOSE), 0);
    box_elapse_ms(b, 800);
    assert_int_equal(box_count(b, EVENT_CLOSE), 1);
    assert_int_equal(box_get(b, EVENT_CLOSE, 0)[134], CLOSE_RST);
    box_close(b);
}

static void a_bad_cookie_is_dropped_and_told(void **unused)
{
    struct box *b = box_open(COOKIES);
    uint32_t cookie = challenged(b);
    const struct frame bad[] = {
        {CLIENT(2), .flags = TCP_ACK, .seq = 1001, .ack = cookie + 2},
        {CLIENT(2), .flags = TCP_ACK, .seq = 1002, .ack = cookie + 1},
        {CLIENT(3), .flags = TCP_ACK, .seq = 1001, .ack = cookie + 1},
        {CLIENT(2), .flags = TCP_ACK, .seq = 1001, .ack = (cookie ^ 0x01000000) + 1},
    };

    (void)unused;
    for (size_t i = 0; i < 4; i++) {
        assert_false(box_send(b, LEFT, &bad[i]));
        assert_int_equal(event_le(box_get(b, EVENT_SCREEN, i), 44, 4), SCREEN_SYN_COOKIE);
    }
    b->now_ns += 127000000000ull;
    assert_false(box_send(
        b, LEFT, &(struct frame){CLIENT(2), .flags = TCP_ACK, .seq = 1001, .ack = cookie + 1}));
    assert_int_equal(box_count(b, EVENT_SCREEN), 5); /* Too old. */
    box_close(b);
}

/* No flag but a reset's gets past a destination's cookies without one, nor makes a session. */
static void nothing_passes_beside_the_cookie(void **unused)
{
    struct box *b = box_open(COOKIES);

    (void)unused;
    challenged(b);
    for (unsigned flags = 0; flags < 64; flags++) {
        struct frame f = {CLIENT((uint16_t)(100 + flags)), .flags = (uint8_t)flags, .seq = 9};
        bool is_syn = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
        bool sent = box_send(b, LEFT, &f);

        if (is_syn && flags & (TCP_RST | TCP_FIN)) {
            assert_false(sent);
            assert_int_equal(b->d.fate, FATE_MALFORMED);
            assert_int_equal(b->event_count, 0);
        } else if (flags & TCP_RST) {
            assert_true(sent);
        } else {
            assert_int_equal(sent, is_syn); /* Its challenge. */
            assert_true(!sent || b->d.port == LEFT);
            assert_int_equal(b->d.fate, FATE_SCREENED);
            assert_int_equal(event_le(box_get(b, EVENT_SCREEN, 0), 44, 4), SCREEN_SYN_COOKIE);
        }
        assert_int_equal(box_sessions(b), 1);
        box_forget(b);
    }
    box_close(b);
}

/* A storm to other destinations does not end it, though the table has room for few of them. */
static void a_storm_ends_no_protection(void **unused)
{
    struct box *b = box_open(COOKIES);

    (void)unused;
    challenged(b);
    for (uint32_t i = 0; i < 20000; i++) {
        char to[24];

        snprintf(to, sizeof(to), "10.20.%u.%u", i >> 8, i & 255);
        b->now_ns += 200000;
        box_send(b, LEFT,
                 &(struct frame){.from = "10.0.0.9",
                                 .to = to,
                                 .protocol = 6,
                                 .source_port = 9,
                                 .destination_port = 80,
                                 .flags = TCP_SYN});
        box_forget(b);
    }
    assert_true(b->state.hosts.forgotten > 10000);
    assert_true(box_send(b, LEFT, &(struct frame){CLIENT(5), .flags = TCP_SYN}));
    assert_int_equal(b->d.port, LEFT);
    assert_int_equal(b->out.tcp_flags, TCP_SYN | TCP_ACK);
    assert_false(box_send(b, LEFT, &(struct frame){CLIENT(6), .flags = TCP_ACK}));
    assert_int_equal(b->d.fate, FATE_SCREENED);
    box_close(b);
}

/* The cookie itself opens a session with what a client answers by, and nothing else. */
static void only_a_plain_ack_brings_a_cookie(void **unused)
{
    (void)unused;
    for (unsigned flags = 0; flags < 256; flags++) {
        for (uint16_t data = 0; data < 2; data++) {
            struct box *b = box_open(COOKIES);
            struct frame f = {CLIENT(2), .flags = (uint8_t)flags, .seq = 1001, .data = data};
            unsigned plain = flags & 63;

            f.ack = challenged(b) + 1;
            box_send(b, LEFT, &f);
            assert_int_equal(box_sessions(b) - 1,
                             plain == TCP_ACK || (plain == (TCP_ACK | TCP_PSH) && data == 1));
            box_close(b);
        }
    }
}

/* Behind a cookie, too, a reset has to be of the numbers that its side uses. */
static void a_reset_behind_a_cookie(void **unused)
{
    struct box *b = box_open(COOKIES);
    uint32_t cookie = asked(b);

    (void)unused;
    assert_false(
        box_send(b, RIGHT, &(struct frame){SERVER(2), .flags = TCP_RST, .seq = cookie + 1}));
    assert_int_equal(b->d.fate, FATE_NO_SESSION);
    assert_true(box_send(b, RIGHT,
                         &(struct frame){SERVER(2), .flags = TCP_SYN | TCP_ACK, .seq = 7000,
                                         .ack = 1001, .window = 800}));
    assert_true(box_send(
        b, RIGHT,
        &(struct frame){SERVER(2), .flags = TCP_ACK, .seq = 7001, .ack = 1001, .data = 50}));
    assert_true(box_send(
        b, LEFT, &(struct frame){CLIENT(2), .flags = TCP_ACK, .seq = 1001, .ack = cookie + 51}));
    for (uint32_t seq = 7000; seq < 7052; seq++) {
        if (seq == 7051)
            continue;
        assert_true(box_send(b, RIGHT, &(struct frame){SERVER(2), .flags = TCP_RST, .seq = seq}));
    }
    assert_true(box_send(b, LEFT, &(struct frame){CLIENT(2), .flags = TCP_RST, .seq = 1000}));
    assert_true(box_send(b, RIGHT, &(struct frame){SERVER(2), .flags = TCP_RST, .seq = 7051}));
    assert_int_equal(b->out.seq, cookie + 51);
    box_close(b);
}

/* The ports of a connection that has ended may be used again at once: what brings the cookie is as
 * bare an ACK as what ends a connection late. */
static void the_same_ports_bring_a_cookie_again(void **unused)
{
    struct box *b = box_open(COOKIES);
    uint32_t cookie = asked(b);

    (void)unused;
    assert_true(box_send(b, RIGHT,
                         &(struct frame){SERVER(2), .flags = TCP_SYN | TCP_ACK, .seq = 7000,
                                         .ack = 1001, .window = 800}));
    assert_true(box_send(
        b, LEFT,
        &(struct frame){CLIENT(2), .flags = TCP_FIN | TCP_ACK, .seq = 1001, .ack = cookie + 1}));
    assert_true(
        box_send(b, RIGHT,
                 &(struct frame){SERVER(2), .flags = TCP_FIN | TCP_ACK, .seq = 7001, .ack = 1002}));
    box_elapse_ms(b, 3000);
    assert_int_equal(box_count(b, EVENT_CLOSE), 1);
    assert_true(box_send(b, LEFT, &(struct frame){CLIENT(2), .flags = TCP_SYN, .seq = 50000}));
    assert_int_equal(b->out.tcp_flags, TCP_SYN | TCP_ACK);
    cookie = b->out.seq;
    assert_true(box_send(b, LEFT,
                         &(struct frame){CLIENT(2), .flags = TCP_ACK, .seq = 50001,
                                         .ack = cookie + 1, .window = 500}));
    assert_int_equal(b->d.port, RIGHT);
    assert_int_equal(b->out.tcp_flags, TCP_SYN);
    assert_int_equal(box_count(b, EVENT_OPEN), 2);
    box_close(b);
}

/* A session that a stray segment opened before the flood is no way past the cookies for a SYN. */
static void a_stray_session_spares_no_cookie(void **unused)
{
    struct box *b = box_open(COOKIES);

    (void)unused;
    assert_true(box_send(b, LEFT, &(struct frame){CLIENT(3), .flags = TCP_PSH}));
    assert_int_equal(b->d.port, RIGHT);
    challenged_beside(b, 1);
    assert_true(box_send(b, LEFT, &(struct frame){CLIENT(3), .flags = TCP_SYN}));
    assert_int_equal(b->d.port, LEFT);
    assert_int_equal(b->out.tcp_flags, TCP_SYN | TCP_ACK);
    assert_int_equal(box_sessions(b), 1);
    box_close(b);
}

/* A client that repeats its SYN is challenged again, not let through beside its cookie. */
static void a_challenged_destination_stays_so(void **unused)
{
    struct box *b = box_open(COOKIES);
    struct frame again = {CLIENT(2), .flags = TCP_SYN, .seq = 1000};

    (void)unused;
    challenged(b);
    for (int i = 0; i < 4; i++) { /* Slower than the rate. */
        box_elapse_ms(b, 2000);
        assert_true(box_send(b, LEFT, &again));
        assert_int_equal(b->d.port, LEFT);
    }
    box_elapse_ms(b, 4000);
    assert_true(box_send(b, LEFT, &again));
    assert_int_equal(b->d.port, RIGHT);
    box_close(b);
}

/* What the policy refuses is refused, not challenged: no port looks open that is not. */
static void cookies_open_no_closed_port(void **unused)
{
    struct box *b = box_open(COOKIES);
    struct frame f = {CLIENT(1), .flags = TCP_SYN};

    (void)unused;
    f.destination_port = 81;
    for (int i = 0; i < 3; i++)
        assert_false(box_send(b, LEFT, &f));
    assert_int_equal(box_count(b, EVENT_DENY), 3);
    assert_int_equal(b->event_count, 3);
    box_close(b);
}

/* A host that owns an address of the pool: its flow does not get the answers of a translated one.
 */
static void a_host_may_own_an_address_of_the_pool(void **unused)
{
    struct box *b = box_open(
        "policy \"all\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit }\n"
        "nat \"n\" { from-zone = \"trust\" source = { \"10.0.0.0/8\" } pool = { \"192.0.2.8\" } "
        "pool-ports = \"2000-2000\" }\n");
    struct frame client = {.from = "10.0.0.1",
                           .to = "10.9.0.2",
                           .protocol = 17,
                           .source_port = 5000,
                           .destination_port = 53};
    struct frame owner = client, back = {.from = "10.9.0.2",
                                         .to = "192.0.2.8",
                                         .protocol = 17,
                                         .source_port = 53,
                                         .destination_port = 2000};

    (void)unused;
    owner.from = "192.0.2.8";
    owner.source_port = 2000;
    assert_true(box_send(b, LEFT, &client));
    assert_false(box_send(b, LEFT, &owner));
    assert_int_equal(b->d.fate, FATE_NO_PORT);
    assert_true(box_send(b, RIGHT, &back));
    assert_int_equal(b->out.destination[0], 10);
    box_end(b);
    assert_true(box_send(b, LEFT, &owner)); /* And the other way. */
    assert_false(box_send(b, LEFT, &client));
    assert_int_equal(b->d.fate, FATE_NO_PORT);
    assert_true(box_send(b, RIGHT, &back));
    assert_int_equal(b->out.destination[0], 192);
    box_close(b);
}

/* Late packets of a flow that was translated have no address any more. */
static void a_late_fin_of_a_translated_flow_ends_here(void **unused)
{
    struct box *b = box_open(NAT);
    struct frame out = {.from = "10.0.0.1", .to = "10.9.0.2", .protocol = 6, .flags = TCP_SYN};
    struct frame back;
    char text[2][64];

    (void)unused;
    assert_true(box_send(b, LEFT, &out));
    answer_to(b, &back, text);
    out.flags = back.flags = TCP_FIN | TCP_ACK;
    assert_true(box_send(b, RIGHT, &back));
    assert_true(box_send(b, LEFT, &out));
    box_elapse_ms(b, 3000);
    assert_int_equal(box_count(b, EVENT_CLOSE), 1);
    assert_false(box_send(b, LEFT, &out));
    assert_int_equal(b->d.fate, FATE_NO_SESSION);
    assert_int_equal(box_count(b, EVENT_OPEN), 1);
    box_close(b);
}

/* ... whichever end they are of, and whatever is in them: the server's go to an address of the
 * pool, which no policy has to know.  What begins a connection there meets the policies. */
static void what_a_translated_flow_repeats_is_no_deny(void **unused)
{
    for (uint16_t port = 1024; port < 1034; port++) { /* Of several shards. */
        struct box *b = box_open(NAT);
        struct frame out = {.from = "10.0.0.1",
                            .to = "10.9.0.2",
                            .protocol = 6,
                            .source_port = port,
                            .flags = TCP_SYN};
        struct frame back;
        char text[2][64];

        (void)unused;
        assert_true(box_send(b, LEFT, &out));
        answer_to(b, &back, text);
        out.flags = back.flags = TCP_FIN | TCP_ACK;
        assert_true(box_send(b, RIGHT, &back));
        assert_true(box_send(b, LEFT, &out));
        box_elapse_ms(b, 3000);
        for (int i = 0; i < 6; i++) {
            out.flags = back.flags = i < 2 ? TCP_FIN | TCP_ACK : i < 4 ? TCP_ACK : TCP_RST;
            out.data = back.data = i % 2 == 0 ? 0 : 40;
            assert_false(box_send(b, RIGHT, &back));
            assert_int_equal(b->d.fate, FATE_NO_SESSION);
            assert_false(box_send(b, LEFT, &out));
            assert_int_equal(b->d.fate, FATE_NO_SESSION);
        }
        assert_int_equal(box_count(b, EVENT_DENY), 0);
        assert_int_equal(box_count(b, EVENT_OPEN), 1);
        back.flags = TCP_SYN;
        assert_false(box_send(b, RIGHT, &back));
        assert_int_equal(b->d.fate, FATE_DENIED);
        box_elapse_ms(b, 120000);
        back.flags = TCP_FIN | TCP_ACK;
        assert_false(box_send(b, RIGHT, &back));
        assert_int_equal(b->d.fate, FATE_DENIED);
        box_close(b);
    }
}

/* The other node had the group meanwhile, and another connection of the same ports, whose SYN was
 * not seen here: that is nothing late. */
static void a_tail_is_of_one_turn(void **unused)
{
    struct box *b = box_open(NAT);
    struct frame out = {.from = "10.0.0.1", .to = "10.9.0.2", .protocol = 6, .flags = TCP_SYN};
    struct frame back;
    char text[2][64];

    (void)unused;
    assert_true(box_send(b, LEFT, &out));
    answer_to(b, &back, text);
    out.flags = back.flags = TCP_FIN | TCP_ACK;
    assert_true(box_send(b, RIGHT, &back));
    assert_true(box_send(b, LEFT, &out));
    box_elapse_ms(b, 3000);
    out.flags = TCP_ACK;
    out.data = 10;
    assert_false(box_send(b, LEFT, &out));
    state_regained(&b->state, 1);
    assert_true(box_send(b, LEFT, &out));
    assert_int_equal(box_count(b, EVENT_OPEN), 2);
    box_close(b);
}

/* RFC 6935: what a tunnel over IPv6 leaves out is left out behind NAT, too. */
static void no_sum_stays_none(void **unused)
{
    struct box *b = box_open(NAT);
    struct frame f = {.from = "fd00::1",
                      .to = "fd00::2",
                      .protocol = 17,
                      .source_port = 9,
                      .destination_port = 4789,
                      .data = 20,
                      .no_udp_sum = true};

    (void)unused;
    assert_true(box_send(b, LEFT, &f));
    assert_int_equal(be16(b->frame + b->out.transport + 6), 0);
    box_close(b);
}

/* A server that is told that its segments are too big finds its own number in what is quoted. */
static void an_error_finds_the_server_behind_a_cookie(void **unused)
{
    struct box *b = box_open(COOKIES);
    uint32_t cookie = challenged(b);
    uint8_t quoted[14 + 20 + 8];

    (void)unused;
    assert_true(box_send(
        b, LEFT, &(struct frame){CLIENT(2), .flags = TCP_ACK, .seq = 1001, .ack = cookie + 1}));
    assert_true(box_send(
        b, RIGHT,
        &(struct frame){SERVER(2), .flags = TCP_SYN | TCP_ACK, .seq = 900000, .ack = 1001}));
    assert_true(box_send(
        b, RIGHT,
        &(struct frame){SERVER(2), .flags = TCP_ACK, .seq = 900001, .ack = 1001, .data = 1400}));
    assert_int_equal(b->out.seq, cookie + 1);
    memcpy(quoted, b->frame, sizeof(quoted));
    assert_true(box_send(b, LEFT,
                         &(struct frame){.from = "10.0.0.254",
                                         .to = "10.9.0.2",
                                         .protocol = 1,
                                         .type = 3,
                                         .code = 4,
                                         .quoted = quoted,
                                         .quoted_len = sizeof(quoted)}));
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_int_equal(be32(b->frame + 14 + 20 + 8 + 20 + 4), 900001);
    box_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(zero_comes_back),
        cmocka_unit_test(ports_are_never_shared),
        cmocka_unit_test(a_client_keeps_its_address),
        cmocka_unit_test(a_port_of_another_flow_is_not_taken),
        cmocka_unit_test(no_port_ends_no_session),
        cmocka_unit_test(what_has_no_port_gets_addresses),
        cmocka_unit_test(an_error_is_translated_with_what_it_quotes),
        cmocka_unit_test(a_damaged_error_stays_damaged),
        cmocka_unit_test(fragments_are_translated_alike),
        cmocka_unit_test(a_host_may_own_an_address_of_the_pool),
        cmocka_unit_test(a_late_fin_of_a_translated_flow_ends_here),
        cmocka_unit_test(what_a_translated_flow_repeats_is_no_deny),
        cmocka_unit_test(a_tail_is_of_one_turn),
        cmocka_unit_test(a_good_cookie_becomes_a_connection),
        cmocka_unit_test(no_sum_stays_none),
        cmocka_unit_test(a_server_is_asked_again),
        cmocka_unit_test(an_error_finds_the_server_behind_a_cookie),
        cmocka_unit_test(a_closed_connection_stays_closed),
        cmocka_unit_test(a_bad_cookie_is_dropped_and_told),
        cmocka_unit_test(nothing_passes_beside_the_cookie),
        cmocka_unit_test(a_storm_ends_no_protection),
        cmocka_unit_test(only_a_plain_ack_brings_a_cookie),
        cmocka_unit_test(a_reset_behind_a_cookie),
        cmocka_unit_test(a_stray_session_spares_no_cookie),
        cmocka_unit_test(the_same_ports_bring_a_cookie_again),
        cmocka_unit_test(a_challenged_destination_stays_so),
        cmocka_unit_test(cookies_open_no_closed_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
