/* links: test_box evdp_config */
/* Policies, rejects, filters at their five places, addresses of its own, fragments and tags. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "box.h"

#define UDP(port)                                                                                  \
    (&(struct frame){.from = "10.0.0.1",                                                           \
                     .to = "10.0.0.2",                                                             \
                     .protocol = 17,                                                               \
                     .source_port = 5,                                                             \
                     .destination_port = (port)})
#define SYN(port)                                                                                  \
    (&(struct frame){.from = "10.0.0.1",                                                           \
                     .to = "10.0.0.2",                                                             \
                     .protocol = 6,                                                                \
                     .source_port = 5,                                                             \
                     .destination_port = (port),                                                   \
                     .flags = TCP_SYN,                                                             \
                     .seq = 100})

/* ---- policies ---- */

#define POLICIES                                                                                   \
    "address \"servers\" { prefixes = { \"10.0.0.0/30\", \"2001:db8::/64\" } }\n"                  \
    "application \"dns\" { protocol = udp ports = { \"53\" } source-ports = { \"5-9\" } }\n"       \
    "application \"low\" { protocol = tcp ports = { \"1-99\" } }\n"                                \
    "policy \"refuse\" { from-zone = \"trust\" to-zone = \"untrust\" protocol = tcp "              \
    "ports = { \"22-23\" } action = reject }\n"                                                    \
    "policy \"named\" { from-zone = \"trust\" to-zone = \"untrust\" destination = { \"servers\" }" \
    " applications = { \"dns\", \"low\" } action = permit }\n"                                     \
    "policy \"shut\" { from-zone = \"trust\" to-zone = \"untrust\" protocol = udp "                \
    "ports = { \"60\" } action = reject }\n"                                                       \
    "policy \"never\" { from-zone = \"trust\" to-zone = \"untrust\" protocol = udp "               \
    "ports = { \"60\" } action = permit }\n"

static void the_first_match_decides(void **unused)
{
    struct box *b = box_open(POLICIES);

    (void)unused;
    assert_true(box_send(b, LEFT, UDP(53)));
    assert_true(box_send(b, LEFT, SYN(99)));
    assert_int_equal(b->event_count, 0);
    assert_false(box_send(b, LEFT, UDP(54)));
    assert_false(box_send(b, LEFT, SYN(100)));
    assert_false(box_send(b, LEFT,
                          &(struct frame){.from = "10.0.0.1",
                                          .to = "10.0.0.4",
                                          .protocol = 17,
                                          .source_port = 5,
                                          .destination_port = 53}));
    assert_false(box_send(b, LEFT,
                          &(struct frame){.from = "10.0.0.1",
                                          .to = "10.0.0.2",
                                          .protocol = 17,
                                          .source_port = 4,
                                          .destination_port = 53}));
    assert_true(box_send(b, LEFT, SYN(22)));
    assert_int_equal(b->d.port, LEFT); /* The answer to it. */
    assert_int_equal(box_count(b, EVENT_DENY), 5);
    box_close(b);
}

/* In both families AH is a protocol: what it carries is for its two ends. */
static void ah_is_a_protocol(void **unused)
{
    struct frame v4 = {.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 51, .data = 40};
    struct frame v6 = {.from = "fd::1", .to = "fd::2", .protocol = 6, .extension = 51, .data = 40};

    (void)unused;
    for (int other = 0; other < 2; other++) {
        struct box *b = box_open(other ? "policy \"p\" { from-zone = \"trust\" to-zone = "
                                         "\"untrust\" protocol = tcp action = permit }"
                                       : "policy \"p\" { from-zone = \"trust\" to-zone = "
                                         "\"untrust\" protocol = ah action = permit }");

        assert_int_equal(box_send(b, LEFT, &v4), !other);
        assert_int_equal(box_send(b, LEFT, &v6), !other);
        assert_int_equal(box_sessions(b), other ? 0 : 2);
        box_close(b);
    }
}

/* 12.1 #3, #4, #5: every deny is logged, the default's id is no rule's, and a policy has one id
 * whichever of its applications matched. */
static void defects_3_4_5_policy_ids(void **unused)
{
    struct box *b = box_open(POLICIES);
    const uint8_t *e;

    (void)unused;
    assert_false(box_send(b, RIGHT, UDP(1)));
    e = box_get(b, EVENT_DENY, 0);
    assert_int_equal(event_le(e, 44, 4), POLICY_ID_DEFAULT);
    assert_int_equal(event_le(e, 56, 4), POLICY_ID_DEFAULT);
    assert_int_equal(e[54], ACTION_DENY);
    assert_int_equal(e[134], 5);
    assert_int_equal(event_le(e, 48, 2), 2);
    assert_int_equal(event_le(e, 50, 2), 1);
    assert_int_equal(event_le(e, 64, 2), 1); /* 12.1 #12 */
    box_send(b, LEFT, SYN(23));
    e = box_get(b, EVENT_DENY, 1);
    assert_int_equal(event_le(e, 44, 4), POLICY_ID_FIRST);
    assert_int_equal(e[54], ACTION_REJECT);
    for (size_t i = 0; i < b->config.rules.policy_count; i++)
        assert_true(b->config.rules.policy[i].id > FILTERS_MAX); /* 12.1 #2 */
    box_close(b);
}

/* However many services a policy names, in however many lines: its place in the file is its id, and
 * what is told as its rule (12.1 #5, #12). */
static void defects_5_12_one_id_a_policy(void **unused)
{
    static const uint16_t ports[] = {1, 2, 5, 7, 9, 10, 11};
    static const uint32_t ids[] = {256, 256, 256, 257, 258, 258, 258};
    struct box *b = box_open("application \"a\" { protocol = udp ports = { \"1\", \"2\" } }\n"
                             "application \"c\" { protocol = udp ports = { \"5-6\" } }\n"
                             "policy \"first\" { from-zone = \"trust\" to-zone = \"untrust\" "
                             "applications = { \"a\", \"c\" } action = deny }\n"
                             "policy \"second\" { from-zone = \"trust\" to-zone = \"untrust\" "
                             "protocol = udp ports = { \"7\" } action = reject }\n"
                             "policy \"third\" { from-zone = \"trust\" to-zone = \"untrust\" "
                             "protocol = udp ports = { \"9\", \"10\", \"11\" } action = deny }\n");

    (void)unused;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        const uint8_t *e;

        box_forget(b);
        box_send(b, LEFT, UDP(ports[i]));
        e = box_get(b, EVENT_DENY, 0);
        assert_int_equal(event_le(e, 44, 4), ids[i]);
        assert_int_equal(event_le(e, 56, 4), ids[i]);
        assert_int_equal(event_le(e, 64, 2), 1);
    }
    box_close(b);
}

/* ---- rejects ---- */

static void a_rejected_syn_gets_a_reset(void **unused)
{
    struct box *b = box_open(POLICIES);
    struct frame f = *SYN(22);

    (void)unused;
    f.vlan[0] = 9;
    assert_true(box_send(b, LEFT, &f));
    assert_int_equal(b->d.fate, FATE_REJECTED);
    assert_int_equal(b->out.tcp_flags, TCP_RST | TCP_ACK);
    assert_int_equal(b->out.ack, 101);
    assert_int_equal(b->out.source_port, 22);
    assert_int_equal(b->out.vlan, 9);
    assert_memory_equal(b->out.destination, "\x0a\x00\x00\x01", 4);
    assert_memory_equal(b->frame, "\x02\x00\x00\x00\x00\x51\x02\x00\x00\x00\x00\x52", 12);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    f.flags = TCP_ACK;
    f.ack = 777;
    assert_true(box_send(b, LEFT, &f));
    assert_int_equal(b->out.tcp_flags, TCP_RST);
    assert_int_equal(b->out.seq, 777);
    f.flags = TCP_RST;
    assert_false(box_send(b, LEFT, &f)); /* Never about a reset. */
    box_close(b);
}

static void a_rejected_datagram_gets_unreachable(void **unused)
{
    struct frame six = {.from = "2001:db8::1",
                        .to = "2001:db8::2",
                        .protocol = 17,
                        .destination_port = 60,
                        .data = 1400};
    struct box *b = box_open(POLICIES);
    struct frame group = *UDP(60);

    (void)unused;
    assert_true(box_send(b, LEFT, UDP(60)));
    assert_int_equal(b->out.protocol, PROTOCOL_ICMP);
    assert_int_equal(b->out.icmp_type, 3);
    assert_int_equal(b->out.icmp_code, 13);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_true(box_send(b, LEFT, &six));
    assert_int_equal(b->out.protocol, PROTOCOL_ICMP6);
    assert_int_equal(b->out.icmp_type, 1);
    assert_int_equal(b->out.icmp_code, 1);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_true(b->d.len <= 14 + 1280);
    group.to = "224.0.0.1";
    assert_false(box_send(b, LEFT, &group));
    box_close(b);
}

/* RFC 1122 3.2.2, RFC 4443 2.4: no answer to what is an error or a redirect itself, nor to a group;
 * what is refused is logged all the same. */
static void some_refusals_are_silent(void **unused)
{
    struct box *b =
        box_open("policy \"no\" { from-zone = \"trust\" to-zone = \"untrust\" action = reject }\n");
    size_t told = 0;

    (void)unused;
    for (unsigned type = 0; type < 256; type++) {
        bool v4_error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        struct frame v4 = {
            .from = "10.0.0.1", .to = "10.0.0.2", .protocol = 1, .type = (uint8_t)type, .data = 40};
        struct frame v6 = {
            .from = "fd00::1", .to = "fd00::2", .protocol = 58, .type = (uint8_t)type, .data = 40};

        b->now_ns += 1000000000;
        assert_int_equal(box_send(b, LEFT, &v4), !v4_error);
        assert_int_equal(b->d.fate, FATE_REJECTED);
        assert_int_equal(box_send(b, LEFT, &v6), type >= 128 && type != 137);
        assert_int_equal(b->d.fate, FATE_REJECTED);
        told += box_count(b, EVENT_DENY);
        box_forget(b);
    }
    assert_int_equal(told, 512);
    for (int i = 0; i < 5; i++) {
        static const char *const from[] = {"224.0.0.9", "255.255.255.255", "0.0.0.0", "ff02::1",
                                           "::"};
        struct frame syn = {.from = from[i],
                            .to = i < 3 ? "10.0.0.2" : "fd00::2",
                            .protocol = 6,
                            .destination_port = 80,
                            .flags = TCP_SYN};

        assert_false(box_send(b, LEFT, &syn));
        assert_int_equal(b->d.fate, FATE_REJECTED);
    }
    assert_int_equal(box_count(b, EVENT_DENY), 5);
    box_close(b);
}

static void answers_are_limited(void **unused)
{
    struct box *b = box_open(POLICIES);
    unsigned answered = 0;

    (void)unused;
    for (int i = 0; i < 250; i++)
        answered += box_send(b, LEFT, UDP(60));
    assert_in_range(answered, 100, 102);
    assert_int_equal(b->event_count, 250);
    box_close(b);
}

/* ---- filters ---- */

#define FILTERED                                                                                   \
    "policy \"all\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit }\n"             \
    "filter \"in\" { term \"count\" { protocol = udp ports = { \"1\" } count = true }\n"           \
    "  term \"log\" { protocol = udp ports = { \"2\" } log = true }\n"                             \
    "  term \"both\" { protocol = udp ports = { \"3\" } log = true syslog = true count = true }\n" \
    "  term \"refuse\" { protocol = tcp ports = { \"4\" } syslog = true action = reject }\n"       \
    "  term \"drop\" { protocol = tcp ports = { \"5\" } action = deny } }\n"                       \
    "filter \"out\" { on = output term \"t\" { zone = \"untrust\" protocol = udp "                 \
    "ports = { \"7\" } log = true } }\n"                                                           \
    "filter \"route\" { on = pbr term \"t\" { protocol = udp ports = { \"8\" } log = true } }\n"

static void expect_filter(struct box *b, size_t n, uint32_t filter, uint32_t term, uint8_t source)
{
    const uint8_t *e = box_get(b, EVENT_FILTER, n);

    assert_int_equal(event_le(e, 44, 4), filter);
    assert_int_equal(event_le(e, 56, 4), filter); /* 12.1 #1 */
    assert_int_equal(event_le(e, 60, 4), term);
    assert_int_equal(e[134], source);
}

static void only_log_and_syslog_make_an_event(void **unused)
{
    struct box *b = box_open(FILTERED);

    (void)unused;
    assert_true(box_send(b, LEFT, UDP(1)));
    assert_int_equal(b->event_count, 0);
    assert_int_equal(b->d.term_count, 1);
    assert_true(box_send(b, LEFT, UDP(2)));
    assert_int_equal(b->event_count, 1);
    assert_int_equal(b->d.term_count, 0);
    expect_filter(b, 0, 1, 2, FILTER_INPUT);
    assert_true(box_send(b, LEFT, UDP(3)));
    assert_int_equal(b->event_count, 2); /* One, not two. */
    assert_int_equal(b->d.term_count, 1);
    box_close(b);
}

/* 12.1 #9: the action says reject, and the sender is told. */
static void defect_9_a_filter_rejects(void **unused)
{
    struct box *b = box_open(FILTERED);

    (void)unused;
    assert_true(box_send(b, LEFT, SYN(4)));
    assert_int_equal(b->d.fate, FATE_FILTERED);
    assert_int_equal(b->out.tcp_flags, TCP_RST | TCP_ACK);
    expect_filter(b, 0, 1, 4, FILTER_INPUT);
    assert_int_equal(box_get(b, EVENT_FILTER, 0)[54], ACTION_REJECT);
    assert_false(box_send(b, LEFT, SYN(5)));
    assert_int_equal(b->event_count, 1);
    box_close(b);
}

static void a_cached_flow_is_logged_as_such(void **unused)
{
    struct box *b = box_open(FILTERED);

    (void)unused;
    for (int i = 0; i < 3; i++)
        assert_true(box_send(b, LEFT, UDP(7)));
    expect_filter(b, 0, 2, 1, FILTER_OUTPUT);
    expect_filter(b, 1, 2, 1, FILTER_CACHED_OUTPUT);
    expect_filter(b, 2, 2, 1, FILTER_CACHED_OUTPUT);
    assert_int_equal(event_le(box_get(b, EVENT_FILTER, 1), 50, 2), 2);
    box_forget(b);
    for (int i = 0; i < 2; i++)
        assert_true(box_send(b, LEFT, UDP(2)));
    expect_filter(b, 1, 1, 2, FILTER_INPUT);
    assert_int_equal(event_le(box_get(b, EVENT_FILTER, 1), 50, 2), 0);
    box_forget(b);
    for (int i = 0; i < 2; i++)
        assert_true(box_send(b, LEFT, UDP(8)));
    expect_filter(b, 0, 3, 1, FILTER_PBR);
    expect_filter(b, 1, 3, 1, FILTER_PBR);
    box_close(b);
}

static void new_filters_are_seen_by_known_flows(void **unused)
{
    struct box *b = box_open(FILTERED);

    (void)unused;
    assert_true(box_send(b, LEFT, UDP(9)));
    box_reload(b, "filter \"stop\" { term \"t\" { protocol = udp action = deny log = true } }");
    assert_false(box_send(b, LEFT, UDP(9)));
    expect_filter(b, 0, 1, 1, FILTER_INPUT);
    box_close(b);
}

/* ---- an ICMP error meets the filters itself, and its flow's terms stay the flow's ---- */

#define ANSWER                                                                                     \
    (&(struct frame){.from = "10.0.0.2",                                                           \
                     .to = "10.0.0.1",                                                             \
                     .protocol = 17,                                                               \
                     .source_port = 53,                                                            \
                     .destination_port = 5})

/* A query is permitted, and nothing else known yet; terms: of the filter at the server's end. */
static struct box *asked(const char *terms)
{
    char text[1024];
    struct box *b;

    snprintf(text, sizeof(text),
             "policy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit }\n"
             "filter \"f\" { %s }\n",
             terms);
    b = box_open(text);
    assert_true(box_send(b, LEFT, UDP(53)));
    return b;
}

static bool send_error(struct box *b)
{
    uint8_t quoted[FRAME_MAX];
    struct frame e = {.from = "10.0.0.2",
                      .to = "10.0.0.1",
                      .protocol = 1,
                      .type = 3,
                      .code = 1,
                      .quoted = quoted};

    e.quoted_len = (uint16_t)frame_build(UDP(53), quoted);
    return box_send(b, RIGHT, &e);
}

static void an_error_opens_no_filter_for_its_flow(void **unused)
{
    struct box *b =
        asked("term \"t\" { zone = \"untrust\" protocol = udp source-ports = { \"53\" } "
              "action = deny log = true }");

    (void)unused;
    assert_true(send_error(b));
    for (size_t i = 0; i < 3; i++) {
        assert_false(box_send(b, RIGHT, ANSWER));
        assert_int_equal(b->d.fate, FATE_FILTERED);
        expect_filter(b, i, 1, 1, FILTER_INPUT);
    }
    assert_true(send_error(b));
    assert_int_equal(box_count(b, EVENT_FILTER), 3);
    box_close(b);
}

static void an_error_passes_by_no_term_of_its_flow(void **unused)
{
    struct box *b = asked("term \"t\" { zone = \"untrust\" protocol = icmp action = deny }");

    (void)unused;
    assert_true(box_send(b, RIGHT, ANSWER));
    assert_false(send_error(b));
    assert_int_equal(b->d.fate, FATE_FILTERED);
    assert_true(box_send(b, RIGHT, ANSWER));
    box_close(b);
}

static void an_error_shuts_no_filter_for_its_flow(void **unused)
{
    struct box *b =
        asked("term \"t\" { zone = \"untrust\" protocol = icmp action = deny log = true }");

    (void)unused;
    assert_false(send_error(b));
    expect_filter(b, 0, 1, 1, FILTER_INPUT);
    assert_int_equal(box_get(b, EVENT_FILTER, 0)[53], 1);
    for (int i = 0; i < 3; i++)
        assert_true(box_send(b, RIGHT, ANSWER));
    assert_int_equal(box_count(b, EVENT_FILTER), 1);
    box_close(b);
}

/* Nor is it told as cached: it was looked up. */
static void an_error_is_told_by_output(void **unused)
{
    struct box *b = asked("on = output term \"t\" { zone = \"trust\" protocol = icmp log = true }");

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        assert_true(send_error(b));
        expect_filter(b, i, 1, 1, FILTER_OUTPUT);
    }
    assert_true(box_send(b, RIGHT, ANSWER));
    assert_int_equal(box_count(b, EVENT_FILTER), 2);
    box_close(b);
}

static void pbr_chooses_another_wire(void **unused)
{
    static const char text[] =
        "zone \"a\" { }\nzone \"b\" { }\nzone \"c\" { }\n"
        "wire \"w0\" { left = \"l0\" right = \"r0\" left-zone = \"a\" right-zone = \"b\" }\n"
        "wire \"w1\" { left = \"l1\" right = \"r1\" left-zone = \"a\" right-zone = \"c\" }\n"
        "policy \"p\" { from-zone = \"a\" to-zone = \"c\" action = permit "
        "log = { \"session-init\" } }\n"
        "filter \"f\" { on = pbr term \"t\" { protocol = udp ports = { \"8\" } wire = \"w1\" } }\n";
    struct box *b = box_open(text);

    (void)unused;
    assert_true(box_send(b, LEFT, UDP(8)));
    assert_int_equal(b->d.port, 3);
    assert_int_equal(event_le(box_get(b, EVENT_OPEN, 0), 50, 2), 3);
    assert_true(box_send(b, 3,
                         &(struct frame){.from = "10.0.0.2",
                                         .to = "10.0.0.1",
                                         .protocol = 17,
                                         .source_port = 8,
                                         .destination_port = 5}));
    assert_int_equal(b->d.port, LEFT); /* The way back. */
    assert_false(box_send(b, LEFT, UDP(9)));
    box_close(b);
}

/* ---- addresses of its own ---- */

#define LOCAL                                                                                      \
    "wire \"w0\" { left = \"l0\" right = \"r0\" left-zone = \"trust\" right-zone = \"untrust\" "   \
    "left-address = { \"10.0.0.254\", \"fd00::fe\" } }\n"                                          \
    "filter \"self\" { on = lo0 term \"t\" { source = { \"10.0.0.9\" } action = deny "             \
    "log = true } }\n"

static void local_delivery(void **unused)
{
    struct frame ping = {.from = "10.0.0.1",
                         .to = "10.0.0.254",
                         .protocol = 1,
                         .type = 8,
                         .source_port = 3,
                         .data = 5};
    struct frame six = {.from = "fd00::1", .to = "fd00::fe", .protocol = 58, .type = 128};
    struct box *b = box_open(LOCAL);

    (void)unused;
    assert_true(box_send(b, LEFT, &ping));
    assert_int_equal(b->d.port, LEFT);
    assert_int_equal(b->out.icmp_type, 0);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_true(box_send(b, LEFT, &six));
    assert_int_equal(b->out.icmp_type, 129);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_int_equal(b->event_count, 0);
    ping.source_route = six.source_route = true; /* Its answer would go where the asker says. */
    assert_false(box_send(b, LEFT, &ping));
    assert_false(box_send(b, LEFT, &six));
    assert_int_equal(b->d.fate, FATE_LOCAL);
    ping.source_route = false;
    ping.from = "10.0.0.9";
    assert_false(box_send(b, LEFT, &ping));
    expect_filter(b, 0, 1, 1, FILTER_LO0);
    ping.from = "10.0.0.1";
    assert_false(box_send(b, RIGHT, &ping)); /* Not on this side: a packet like any other. */
    assert_int_equal(b->d.fate, FATE_DENIED);
    box_close(b);
}

static void its_own_addresses_are_found(void **unused)
{
    uint8_t arp[42] = "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x51\x08\x06"
                      "\0\1\x08\0\6\4\0\1\x02\0\0\0\0\x51\x0a\0\0\1\0\0\0\0\0\0\x0a\0\0\xfe";
    struct box *b = box_open(LOCAL);

    (void)unused;
    assert_true(box_send_raw(b, LEFT, arp, 42));
    assert_int_equal(b->d.port, LEFT);
    assert_memory_equal(b->frame, "\x02\0\0\0\0\x51\x02\0\0\0\0\x60", 12);
    assert_memory_equal(b->frame + 20, "\0\2\x02\0\0\0\0\x60\x0a\0\0\xfe\x02\0\0\0\0\x51\x0a\0\0\1",
                        22);
    arp[41] = 7;
    assert_true(box_send_raw(b, LEFT, arp, 42));
    assert_int_equal(b->d.port, RIGHT);
    box_close(b);
}

/* ---- fragments ---- */

#define PIECE(family, port, at, m)                                                                 \
    (&(struct frame){.from = family "1",                                                           \
                     .to = family "2",                                                             \
                     .protocol = 17,                                                               \
                     .source_port = 5,                                                             \
                     .destination_port = (port),                                                   \
                     .data = 16,                                                                   \
                     .id = (port),                                                                 \
                     .offset = (at),                                                               \
                     .more = (m),                                                                  \
                     .fragment = true})

static void later_fragments_follow_their_first(void **unused)
{
    struct box *b = box_open("policy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" "
                             "protocol = udp ports = { \"7\" } action = permit }\n"
                             "policy \"q\" { from-zone = \"trust\" to-zone = \"untrust\" "
                             "protocol = icmp action = permit }\n");

    (void)unused;
    assert_true(box_send(b, LEFT, PIECE("10.0.0.", 7, 0, true)));
    assert_true(box_send(b, LEFT, PIECE("10.0.0.", 7, 24, false)));
    assert_false(box_send(b, LEFT, PIECE("10.0.0.", 7, 24, false))); /* That one is complete. */
    assert_false(box_send(b, LEFT, PIECE("10.0.0.", 8, 0, true)));
    assert_false(box_send(b, LEFT, PIECE("10.0.0.", 8, 24, false)));
    assert_true(box_send(b, LEFT, PIECE("fd00::", 7, 0, true)));
    assert_true(box_send(b, LEFT, PIECE("fd00::", 7, 24, false)));
    assert_false(box_send(b, LEFT, PIECE("fd00::", 9, 24, false)));
    assert_int_equal(box_count(b, EVENT_DENY), 4);
    assert_int_equal(event_be(box_get(b, EVENT_DENY, 2), 42), 8); /* The first one's ports. */
    box_close(b);
}

/* A later fragment is of a first one of the same wire end, tags, addresses and id, and over IPv4
 * protocol: of any other it is nobody's, and denied. */
static void fragments_are_told_apart(void **unused)
{
    static const struct {
        const char *what;
        struct frame later;
        uint8_t port;
        bool fits;
    } others[] = {
        {"its own", {.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 17}, LEFT, true},
        {"source", {.from = "10.0.0.3", .to = "10.0.0.2", .protocol = 17}, LEFT, false},
        {"destination", {.from = "10.0.0.1", .to = "10.0.0.3", .protocol = 17}, LEFT, false},
        {"protocol", {.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 47}, LEFT, false},
        {"id", {.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 17, .id = 8}, LEFT, false},
        {"tag", {.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 17, .vlan = {4}}, LEFT, false},
        {"inner tag",
         {.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 17, .vlan = {4, 3}},
         LEFT,
         false},
        {"end", {.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 17}, RIGHT, false},
        {"wire", {.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 17}, 2, false},
    };
    struct frame first = {
        .from = "10.0.0.1", .to = "10.0.0.2", .protocol = 17, .data = 16, .id = 7, .more = true};

    (void)unused;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct box *b = box_open(
            "wire \"w0\" { left = \"l0\" right = \"r0\" left-zone = \"trust\" "
            "right-zone = \"untrust\" }\n"
            "wire \"w1\" { left = \"l1\" right = \"r1\" left-zone = \"trust\" "
            "right-zone = \"untrust\" }\n"
            "policy \"in\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit }\n"
            "policy \"out\" { from-zone = \"untrust\" to-zone = \"trust\" action = permit }\n");
        struct frame f = others[i].later;

        print_message("%s\n", others[i].what);
        first.vlan[0] = strstr(others[i].what, "tag") != NULL ? 3 : 0;
        assert_true(box_send(b, LEFT, &first));
        f.id = f.id != 0 ? f.id : 7;
        f.offset = 24;
        f.data = 8;
        assert_int_equal(box_send(b, others[i].port, &f), others[i].fits);
        assert_int_equal(box_count(b, EVENT_DENY), !others[i].fits);
        box_close(b);
    }
}

/* RFC 1858, RFC 3128: no fragment may bring a part of TCP's header. */
static void tiny_fragments_are_malformed(void **unused)
{
    struct frame f = {.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 6, .data = 8, .offset = 8};
    struct box *b =
        box_open("policy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit }\n");
    uint8_t frame[FRAME_MAX];

    (void)unused;
    assert_false(box_send(b, LEFT, &f));
    assert_int_equal(b->d.fate, FATE_MALFORMED);
    frame_build(&(struct frame){.from = "10.0.0.1", .to = "10.0.0.2", .protocol = 6, .flags = 2},
                frame);
    for (size_t len = 0; len < 54; len++) {
        assert_false(box_send_raw(b, LEFT, frame, len));
        assert_int_equal(b->d.fate, FATE_MALFORMED);
    }
    assert_true(box_send_raw(b, LEFT, frame, 54));
    box_close(b);
}

/* ---- tags ---- */

static void tags_are_kept_and_told_apart(void **unused)
{
    struct box *b = box_open("policy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" "
                             "action = permit log = { \"session-init\" } }\n");
    struct frame f = *SYN(80);

    (void)unused;
    for (uint16_t tag = 0; tag < 3; tag++) {
        f.vlan[0] = tag;
        f.vlan[1] = (uint16_t)(tag == 2 ? 5 : 0);
        assert_true(box_send(b, LEFT, &f));
        assert_int_equal(b->out.vlan, tag == 2 ? 2 << 12 | 5 : tag);
    }
    assert_int_equal(box_count(b, EVENT_OPEN), 3);
    box_close(b);
}

/* Whoever counts the hops of a question is answered over all of them. */
static void an_echo_is_answered_with_hops_of_its_own(void **unused)
{
    struct box *b = box_open("wire \"w0\" { left = \"l0\" right = \"r0\" left-zone = \"trust\" "
                             "right-zone = \"untrust\" left-address = { \"10.0.0.9\", "
                             "\"fd00::9\" } }\n");
    const struct frame v4 = {.from = "10.0.0.1", .to = "10.0.0.9", .protocol = 1, .type = 8};
    const struct frame v6 = {
        .from = "fd00::1", .to = "fd00::9", .protocol = 58, .type = 128, .hops = 1};
    uint8_t frame[FRAME_MAX];
    size_t len = frame_build(&v4, frame);

    (void)unused;
    frame[14 + 8] = 1; /* 63 less, so its sum is 63 << 8 more. */
    frame[14 + 10] += 63;
    assert_true(box_send_raw(b, LEFT, frame, len));
    assert_int_equal(b->frame[14 + 8], 64);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    assert_true(box_send(b, LEFT, &v6));
    assert_int_equal(b->frame[14 + 7], 64);
    assert_true(frame_sums_are_right(b->frame, b->d.len));
    frame[0] = 0xff; /* To all: an answer would come from all. */
    assert_false(box_send_raw(b, LEFT, frame, len));
    box_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_echo_is_answered_with_hops_of_its_own),
        cmocka_unit_test(the_first_match_decides),
        cmocka_unit_test(ah_is_a_protocol),
        cmocka_unit_test(defects_3_4_5_policy_ids),
        cmocka_unit_test(defects_5_12_one_id_a_policy),
        cmocka_unit_test(a_rejected_syn_gets_a_reset),
        cmocka_unit_test(a_rejected_datagram_gets_unreachable),
        cmocka_unit_test(some_refusals_are_silent),
        cmocka_unit_test(answers_are_limited),
        cmocka_unit_test(only_log_and_syslog_make_an_event),
        cmocka_unit_test(defect_9_a_filter_rejects),
        cmocka_unit_test(a_cached_flow_is_logged_as_such),
        cmocka_unit_test(new_filters_are_seen_by_known_flows),
        cmocka_unit_test(an_error_opens_no_filter_for_its_flow),
        cmocka_unit_test(an_error_passes_by_no_term_of_its_flow),
        cmocka_unit_test(an_error_shuts_no_filter_for_its_flow),
        cmocka_unit_test(an_error_is_told_by_output),
        cmocka_unit_test(pbr_chooses_another_wire),
        cmocka_unit_test(local_delivery),
        cmocka_unit_test(its_own_addresses_are_found),
        cmocka_unit_test(later_fragments_follow_their_first),
        cmocka_unit_test(fragments_are_told_apart),
        cmocka_unit_test(tiny_fragments_are_malformed),
        cmocka_unit_test(tags_are_kept_and_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
