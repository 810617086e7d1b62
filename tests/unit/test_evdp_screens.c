/* links: test_box evdp_config */
/* Each screen of the contract's list (5.6): what hits it, what just does not, one event each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "box.h"

#define ALL_PERMITTED                                                                              \
    "policy \"out\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit }\n"             \
    "policy \"in\" { from-zone = \"untrust\" to-zone = \"trust\" action = permit }\n"

static struct box *screened_box(const char *screens)
{
    char text[1024];

    snprintf(text, sizeof(text), "zone \"trust\" { %s }\nzone \"untrust\" { }\n" ALL_PERMITTED,
             screens);
    return box_open(text);
}

static void expect_screen(struct box *b, uint32_t flag)
{
    const uint8_t *e = box_get(b, EVENT_SCREEN, 0);

    assert_int_equal(b->event_count, 1);
    assert_int_equal(event_le(e, 44, 4), flag);
    assert_int_equal(e[54], ACTION_DENY);
    assert_int_equal(e[134], 0);
    assert_int_equal(event_le(e, 48, 2), 1);
    assert_int_equal(event_le(e, 50, 2), 0);
    assert_int_equal(event_le(e, 128, 4), 10);
}

/* ---- of the packet alone ---- */

#define V4  .from = "10.0.0.1", .to = "10.0.0.2"
#define V6  .from = "2001:db8::1", .to = "2001:db8::2"
#define WEB .protocol = 6, .source_port = 1024, .destination_port = 80

static const struct {
    const char *name;
    uint32_t flag;
    struct frame hit, miss;
} packets[] = {
    {"land", 0x20, {.from = "10.0.0.1", .to = "10.0.0.1", WEB, .flags = 2}, {V4, WEB, .flags = 2}},
    {"land", 0x20, {.from = "::2", .to = "::2", WEB, .flags = 2}, {V6, WEB, .flags = 2}},
    {"syn-fin", 0x100, {V4, WEB, .flags = 3}, {V4, WEB, .flags = 0x11}},
    {"syn-fin", 0x100, {V6, WEB, .flags = 3, .extension = 60}, {V6, WEB, .flags = 2}},
    {"tcp-no-flag", 0x200, {V4, WEB}, {V4, WEB, .flags = 16}},
    {"fin-no-ack", 0x400, {V4, WEB, .flags = 1}, {V4, WEB, .flags = 17}},
    {"winnuke",
     0x800,
     {V4, .protocol = 6, .destination_port = 139, .flags = 0x38},
     {V4, .protocol = 6, .destination_port = 138, .flags = 0x38}},
    {"source-route", 0x1000, {V4, WEB, .flags = 2, .source_route = true}, {V4, WEB, .flags = 2}},
    {"source-route",
     0x1000,
     {V6, WEB, .flags = 2, .source_route = true},
     {V6, WEB, .flags = 2, .extension = 60}},
    {"syn-frag",
     0x2000,
     {V4, WEB, .flags = 2, .more = true, .data = 4},
     {V4, WEB, .flags = 16, .more = true, .data = 4}},
    {"syn-frag",
     0x2000,
     {V6, WEB, .flags = 2, .more = true, .data = 4, .vlan = {7}},
     {V6, WEB, .flags = 2, .vlan = {7}}},
    {"ping-of-death",
     0x40,
     {V4, .protocol = 1, .offset = 65512, .data = 40},
     {V4, .protocol = 1, .type = 8}},
    {"ping-of-death",
     0x40,
     {V6, .protocol = 58, .offset = 65528, .data = 8},
     {V6, .protocol = 58, .type = 128}},
    {"ping-of-death",
     0x40,
     {V4, .protocol = 17, .offset = 65512, .data = 40},
     {V4, .protocol = 17}},
    {"ping-of-death", /* ping -s 65510: with its header the datagram has 65538 bytes. */
     0x40,
     {V4, .protocol = 1, .offset = 65120, .data = 398},
     {V4, .protocol = 1, .type = 8}},
    {"ping-of-death",
     0x40,
     {V6, .protocol = 58, .offset = 65520, .data = 15, .extension = 60},
     {V6, .protocol = 58, .type = 128, .extension = 60}},
};

static void each_hits_what_it_says(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        char screens[80];
        struct box *b;

        print_message("%s\n", packets[i].name);
        snprintf(screens, sizeof(screens), "screens = { \"%s\" }", packets[i].name);
        b = screened_box(screens);
        assert_true(box_send(b, LEFT, &packets[i].miss));
        assert_int_equal(b->event_count, 0);
        assert_false(box_send(b, LEFT, &packets[i].hit));
        assert_int_equal(b->d.fate, FATE_SCREENED);
        expect_screen(b, packets[i].flag);
        box_close(b);
        b = screened_box(
            ""); /* Off: no event.  What no host could put together is still dropped. */
        assert_int_equal(box_send(b, LEFT, &packets[i].hit), packets[i].flag != 0x40);
        assert_int_equal(b->event_count, 0);
        box_close(b);
    }
}

/* 12.1 #6: one packet, one flag that has a name, also when it hits several. */
static void defect_6_one_named_flag_a_packet(void **unused)
{
    struct box *b = screened_box("screens = { \"land\", \"syn-fin\", \"winnuke\", \"syn-frag\" }");

    (void)unused;
    assert_false(box_send(b, LEFT,
                          &(struct frame){.from = "1.1.1.1",
                                          .to = "1.1.1.1",
                                          .protocol = 6,
                                          .destination_port = 139,
                                          .flags = 0x3b,
                                          .more = true,
                                          .data = 4}));
    expect_screen(b, SCREEN_LAND);
    box_close(b);
}

/* 12.1 #7: the ingress zone is in it, whichever side it comes from. */
static void defect_7_the_ingress_zone_is_told(void **unused)
{
    struct box *b = box_open("zone \"trust\" { }\nzone \"untrust\" { screens = { \"land\" } }\n");

    (void)unused;
    assert_false(
        box_send(b, RIGHT, &(struct frame){.from = "1.1.1.1", .to = "1.1.1.1", .protocol = 17}));
    assert_int_equal(event_le(box_get(b, EVENT_SCREEN, 0), 48, 2), 2);
    assert_int_equal(event_le(box_get(b, EVENT_SCREEN, 0), 128, 4), 11);
    box_close(b);
}

/* ---- teardrop ---- */

#define UDP_FRAGMENT(at, n, m)                                                                     \
    (&(struct frame){V4, .protocol = 17, .source_port = 5, .destination_port = 6, .id = 9,         \
                     .offset = (at), .data = (n), .more = (m), .fragment = true})

static void teardrop(void **unused)
{
    struct box *b = screened_box("screens = { \"teardrop\" }");

    (void)unused;
    assert_true(box_send(b, LEFT, UDP_FRAGMENT(0, 16, true))); /* Bytes 0..24. */
    assert_true(box_send(b, LEFT, UDP_FRAGMENT(40, 16, true)));
    assert_true(box_send(b, LEFT, UDP_FRAGMENT(24, 16, true)));
    assert_int_equal(b->event_count, 0);
    assert_false(box_send(b, LEFT, UDP_FRAGMENT(48, 16, true)));
    expect_screen(b, SCREEN_TEARDROP);
    box_forget(b);
    assert_false(box_send(b, LEFT, UDP_FRAGMENT(56, 8, false))); /* RFC 5722: nor what fits. */
    expect_screen(b, SCREEN_TEARDROP);
    box_forget(b);
    box_elapse_ms(b, 2000);
    assert_true(box_send(b, LEFT, UDP_FRAGMENT(0, 16, true)));
    assert_true(box_send(b, LEFT, UDP_FRAGMENT(24, 16, true)));
    assert_false(box_send(b, LEFT, UDP_FRAGMENT(8, 8, false))); /* An end before what came. */
    expect_screen(b, SCREEN_TEARDROP);
    box_forget(b);
    box_elapse_ms(b, 2000);
    assert_true(box_send(b, LEFT, UDP_FRAGMENT(0, 16, true)));
    assert_true(box_send(b, LEFT, UDP_FRAGMENT(24, 8, false)));
    assert_true(box_send(b, LEFT, UDP_FRAGMENT(0, 16, true))); /* Complete: the id comes again. */
    assert_int_equal(b->event_count, 0);
    box_close(b);
}

struct ends {
    const char *from, *to;
};

static struct frame piece(const struct ends *e, uint32_t offset, uint16_t bytes, bool more)
{
    return (struct frame){.from = e->from,
                          .to = e->to,
                          .protocol = 17,
                          .destination_port = 6,
                          .id = 9,
                          .offset = offset,
                          .data = bytes,
                          .more = more,
                          .fragment = true};
}

static struct frame first_to(const struct ends *e, uint16_t port, uint16_t bytes)
{
    struct frame f = piece(e, 0, bytes, true);

    f.destination_port = port;
    return f;
}

static bool passes(struct box *b, struct frame f)
{
    box_forget(b);
    return box_send(b, LEFT, &f);
}

static void expect_overlap(struct box *b, struct frame f)
{
    assert_false(passes(b, f));
    assert_int_equal(b->d.fate, FATE_SCREENED);
    expect_screen(b, SCREEN_TEARDROP);
}

static void first_comes_once(const struct ends *e)
{
    struct box *b = screened_box("screens = { \"teardrop\" }");

    assert_true(passes(b, first_to(e, 6, 16))); /* Bytes 0..24. */
    assert_true(passes(b, piece(e, 24, 16, true)));
    assert_false(passes(b, first_to(e, 6, 16))); /* The same again: quietly. */
    assert_int_equal(b->d.fate, FATE_FRAGMENT);
    assert_int_equal(b->event_count, 0);
    assert_true(passes(b, piece(e, 40, 16, true)));
    expect_overlap(b, first_to(e, 7, 16)); /* Another: nothing of the datagram passes now. */
    expect_overlap(b, piece(e, 56, 16, false));
    expect_overlap(b, first_to(e, 6, 16));
    box_elapse_ms(b, 2000); /* The id of another datagram. */
    assert_true(passes(b, first_to(e, 7, 16)));
    assert_true(passes(b, piece(e, 24, 16, true)));
    assert_false(passes(b, first_to(e, 7, 16)));
    expect_overlap(b, piece(e, 24, 16, true)); /* What came before it is not forgotten. */
    box_elapse_ms(b, 2000);
    assert_true(passes(b, first_to(e, 7, 16)));
    expect_overlap(b, first_to(e, 7, 24)); /* Longer than it was. */
    expect_overlap(b, piece(e, 32, 16, false));
    box_elapse_ms(b, 2000);
    assert_true(passes(b, first_to(e, 7, 24)));
    assert_true(passes(b, piece(e, 32, 16, false)));
    assert_true(passes(b, first_to(e, 6, 16))); /* Complete: the id comes again. */
    box_close(b);
}

static void a_first_fragment_comes_once(void **unused)
{
    (void)unused;
    first_comes_once(&(struct ends){V4});
    first_comes_once(&(struct ends){V6});
}

/* RFC 5722: one that overlaps takes the whole datagram with it, however it does so and whatever
 * comes after it; and another datagram is none of that. */
static void an_overlap_refuses_the_whole_datagram(void **unused)
{
    static const struct {
        uint32_t offset;
        uint16_t bytes;
        bool more;
    } overlaps[] = {{16, 16, true},  {24, 16, true}, {32, 32, true}, {40, 8, true},
                    {8, 8, true},    {48, 16, true}, {8, 64, true},  {40, 8, false},
                    {24, 16, false}, {16, 8, true},  {48, 8, true},  {32, 16, true}};
    static const struct ends v[] = {{V4}, {V6}};

    (void)unused;
    for (size_t i = 0; i < 2 * sizeof(overlaps) / sizeof(overlaps[0]); i++) {
        const struct ends *e = &v[i % 2], other = {e->from, i % 2 ? "fd::99" : "10.0.0.99"};
        struct box *b = screened_box("screens = { \"teardrop\" }");

        assert_true(passes(b, first_to(e, 6, 16))); /* Bytes 0..24, 24..40 and 40..56. */
        assert_true(passes(b, piece(e, 40, 16, true)));
        assert_true(passes(b, piece(e, 24, 16, true)));
        assert_true(passes(b, first_to(&other, 6, 16)));
        expect_overlap(
            b, piece(e, overlaps[i / 2].offset, overlaps[i / 2].bytes, overlaps[i / 2].more));
        expect_overlap(b, piece(e, 56, 16, true));
        expect_overlap(b, piece(e, 72, 16, false));
        expect_overlap(b, first_to(e, 6, 16));
        assert_true(passes(b, piece(&other, 24, 16, false)));
        box_close(b);
    }
}

/* Eight bytes are enough, at either end of what came, also where a gap is before it. */
static void the_least_overlap_is_one(void **unused)
{
    static const struct ends e = {V6};
    static const struct {
        uint32_t offset;
        uint16_t bytes;
        bool overlaps;
    } next[] = {{32, 8, false}, {24, 16, false}, {56, 8, false}, {32, 16, true},
                {48, 16, true}, {40, 8, true},   {16, 8, true},  {24, 24, true}};

    (void)unused;
    for (size_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
        struct box *b = screened_box("screens = { \"teardrop\" }");

        assert_true(passes(b, first_to(&e, 6, 16))); /* Bytes 0..24 and 40..56. */
        assert_true(passes(b, piece(&e, 40, 16, true)));
        assert_int_equal(!passes(b, piece(&e, next[i].offset, next[i].bytes, true)),
                         next[i].overlaps);
        box_close(b);
    }
}

/* More gaps than are remembered: what cannot be compared with all that came does not pass. */
static void so_many_gaps_are_an_overlap(void **unused)
{
    static const struct ends e = {V4};
    struct box *b = screened_box("screens = { \"teardrop\" }");

    (void)unused;
    assert_true(passes(b, first_to(&e, 6, 16)));
    for (uint32_t n = 1; n < FRAGMENT_SPANS; n++)
        assert_true(passes(b, piece(&e, 16 + 16 * n, 8, true)));
    expect_overlap(b, piece(&e, 16 + 16 * FRAGMENT_SPANS, 8, true));
    expect_overlap(b, piece(&e, 24, 8, true)); /* Nor does what would close one. */
    box_close(b);
    b = screened_box("screens = { \"teardrop\" }");
    assert_true(passes(b, first_to(&e, 6, 16)));
    for (uint32_t n = 1; n < FRAGMENT_SPANS; n++)
        assert_true(passes(b, piece(&e, 16 + 16 * n, 8, true)));
    assert_true(passes(b, piece(&e, 24, 8, true))); /* A gap is closed: there is room for one. */
    assert_true(passes(b, piece(&e, 16 + 16 * FRAGMENT_SPANS, 8, true)));
    box_close(b);
}

/* Two ends, or bytes beyond the end. */
static void a_second_end_refuses_the_whole_datagram(void **unused)
{
    static const struct ends e = {V4};

    (void)unused;
    for (int beyond = 0; beyond < 2; beyond++) {
        struct box *b = screened_box("screens = { \"teardrop\" }");

        assert_true(passes(b, first_to(&e, 6, 16)));
        assert_true(passes(b, piece(&e, 40, 16, false)));
        expect_overlap(b, beyond ? piece(&e, 56, 16, true) : piece(&e, 32, 8, false));
        expect_overlap(b, piece(&e, 24, 16, true));
        box_close(b);
    }
}

/* ---- rates ---- */

static const struct {
    const char *screens;
    uint32_t flag;
    struct frame frame;
} floods[] = {
    {"screens = { \"syn-flood\" } syn-flood-rate = 10", 0x1, {V4, WEB, .flags = 2}},
    {"screens = { \"icmp-flood\" } icmp-flood-rate = 10", 0x2, {V4, .protocol = 1, .type = 8}},
    {"screens = { \"icmp-flood\" } icmp-flood-rate = 10", 0x2, {V6, .protocol = 58, .type = 128}},
    {"screens = { \"udp-flood\" } udp-flood-rate = 10", 0x4, {V6, .protocol = 17}},
};

static unsigned passed(struct box *b, struct frame f, unsigned n)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++) {
        f.source_port = (uint16_t)(f.source_port + 1);
        count += box_send(b, LEFT, &f);
    }
    return count;
}

static void floods_are_of_a_destination(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        struct box *b = screened_box(floods[i].screens);
        struct frame other = floods[i].frame;

        assert_int_equal(passed(b, floods[i].frame, 30), 10);
        assert_int_equal(box_count(b, EVENT_SCREEN), 20);
        assert_int_equal(event_le(box_get(b, EVENT_SCREEN, 19), 44, 4), floods[i].flag);
        other.to = strchr(other.to, ':') ? "2001:db8::3" : "10.0.0.3";
        assert_int_equal(passed(b, other, 10), 10);
        box_elapse_ms(b, 500); /* Half a second's worth is there again. */
        assert_int_equal(passed(b, floods[i].frame, 30), 5);
        box_close(b);
    }
}

static void port_scan(void **unused)
{
    struct box *b = screened_box("screens = { \"port-scan\" } port-scan-ports = 4");
    struct frame f = {V4, .protocol = 6, .flags = 2, .source_port = 40};

    (void)unused;
    for (int i = 0; i < 20; i++) /* One port as often as one likes. */
        assert_true(box_send(b, LEFT, &(struct frame){V4, WEB, .flags = 2}));
    for (f.destination_port = 1; f.destination_port <= 2; f.destination_port++)
        assert_true(box_send(b, LEFT, &f));
    assert_false(box_send(b, LEFT, &f)); /* With port 80 the fourth. */
    expect_screen(b, SCREEN_PORT_SCAN);
    f.to = "10.0.0.9";
    assert_true(box_send(b, LEFT, &f));
    f.to = "10.0.0.2";
    box_elapse_ms(b, 6);
    assert_true(box_send(b, LEFT, &f));
    box_close(b);
}

/* Two workers: the one that is behind with its clock takes a packet after the other did. */
static void a_worker_with_an_older_clock_forgets_nothing(void **unused)
{
    struct box *b = screened_box("screens = { \"port-scan\" } port-scan-ports = 4");
    struct frame f = {V4, .protocol = 6, .flags = 2, .source_port = 40};

    (void)unused;
    for (f.destination_port = 1; f.destination_port <= 3; f.destination_port++) {
        assert_true(box_send(b, LEFT, &f));
        b->now_ns -= 1000;
    }
    assert_false(box_send(b, LEFT, &f));
    expect_screen(b, SCREEN_PORT_SCAN);
    box_close(b);
    b = screened_box("screens = { \"teardrop\" }");
    assert_true(box_send(b, LEFT, UDP_FRAGMENT(0, 16, true)));
    b->now_ns -= 1000;
    assert_false(box_send(b, LEFT, UDP_FRAGMENT(8, 16, true)));
    expect_screen(b, SCREEN_TEARDROP);
    box_close(b);
}

static void ip_sweep(void **unused)
{
    static const char *const to[] = {"10.0.0.2", "10.0.0.3", "10.0.0.4"};
    struct box *b = screened_box("screens = { \"ip-sweep\" } ip-sweep-addresses = 3");
    struct frame f = {.from = "10.0.0.1", .protocol = 1, .type = 8, .source_port = 1};

    (void)unused;
    for (int i = 0; i < 3; i++) {
        f.to = to[i];
        assert_int_equal(box_send(b, LEFT, &f), i < 2);
    }
    expect_screen(b, SCREEN_IP_SWEEP);
    box_elapse_ms(b, 6);
    assert_true(box_send(b, LEFT, &f));
    box_close(b);
}

/* ---- sessions at a time ---- */

static void session_limits(void **unused)
{
    static const struct {
        const char *screens;
        uint32_t flag;
    } limits[] = {
        {"screens = { \"session-limit-source\" } session-limit-source = 5", SCREEN_LIMIT_SOURCE},
        {"screens = { \"session-limit-destination\", \"session-limit-source\" }"
         " session-limit-destination = 5 session-limit-source = 100",
         SCREEN_LIMIT_DESTINATION},
    };

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct frame f = {V4, .protocol = 17, .source_port = 1, .destination_port = 9};
        struct box *b = screened_box(limits[i].screens);

        assert_int_equal(passed(b, f, 7), 5);
        assert_int_equal(box_count(b, EVENT_SCREEN), 2);
        assert_int_equal(event_le(box_get(b, EVENT_SCREEN, 0), 44, 4), limits[i].flag);
        assert_int_equal(passed(b, f, 5), 5); /* The same flows again: no new sessions. */
        box_elapse_ms(b, 21000);
        assert_int_equal(box_sessions(b), 0);
        assert_int_equal(passed(b, f, 7), 5);
        box_close(b);
    }
}

#define LIMITS                                                                                     \
    "screens = { \"session-limit-source\", \"session-limit-destination\" }"                        \
    " session-limit-source = 5 session-limit-destination = 5"

static void expect_room(struct box *b, const char *from, const char *to, unsigned room)
{
    box_forget(b);
    assert_int_equal(
        passed(b, (struct frame){.from = from, .to = to, .protocol = 17, .source_port = 5000}, 9),
        room);
    box_forget(b);
}

/* What the limit of a destination refuses is not counted of its source. */
static void a_session_that_is_refused_counts_nowhere(void **unused)
{
    struct box *b = screened_box(LIMITS);

    (void)unused;
    expect_room(b, "10.0.0.1", "10.0.0.2", 5);
    expect_room(b, "10.0.0.7", "10.0.0.2", 0);
    expect_room(b, "10.0.0.7", "10.0.0.8", 5);
    box_close(b);
}

/* However a session ends, it is given back to the limits of both its hosts. */
static void whatever_ends_a_session_gives_it_back(void **unused)
{
    struct frame out = {V4, WEB, .flags = TCP_ACK, .seq = 1, .ack = 1}, back = out;

    (void)unused;
    back.from = out.to;
    back.to = out.from;
    back.destination_port = out.source_port;
    back.source_port = out.destination_port;
    for (int how = 0; how < 4; how++) {
        struct box *b = screened_box(LIMITS);

        for (out.source_port = 1; out.source_port <= 5; out.source_port++)
            assert_true(box_send(b, LEFT, &out));
        expect_room(b, "10.0.0.1", "10.0.0.9", 0);
        expect_room(b, "10.0.0.9", "10.0.0.2", 0);
        for (out.source_port = 1; out.source_port <= 5; out.source_port++) {
            back.destination_port = out.source_port;
            out.flags = back.flags = how == 0 ? TCP_RST | TCP_ACK : TCP_FIN | TCP_ACK;
            if (how < 2)
                assert_true(box_send(b, LEFT, &out));
            if (how == 1)
                assert_true(box_send(b, RIGHT, &back));
            out.flags = TCP_ACK;
        }
        if (how == 2)
            box_end(b);
        else
            box_elapse_ms(b, how < 2 ? 3000 : 1801000);
        assert_int_equal(box_sessions(b), 0);
        expect_room(b, "10.0.0.1", "10.0.0.9", 5);
        expect_room(b, "10.0.0.8", "10.0.0.2", 5);
        box_close(b);
    }
}

/* More hosts than there is room for sessions, each with one that is counted twice. */
static void fill_with_counted_sessions(struct box *b)
{
    for (unsigned i = 0; i < 4000; i++) {
        char from[32], to[32];

        snprintf(from, sizeof(from), "11.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        snprintf(to, sizeof(to), "12.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_true(box_send(
            b, LEFT,
            &(struct frame){
                .from = from, .to = to, .protocol = 17, .source_port = 9, .destination_port = 53}));
        box_forget(b);
    }
}

static void counted_sessions_switch_no_screen_off(void **unused)
{
    struct box *b = screened_box("screens = { \"udp-flood\", \"session-limit-source\","
                                 " \"session-limit-destination\" } udp-flood-rate = 20"
                                 " session-limit-source = 5");
    struct frame f = {.protocol = 17, .source_port = 7, .destination_port = 99};

    (void)unused;
    fill_with_counted_sessions(b);
    box_elapse_ms(b, 1000); /* They make room before what follows does. */
    for (unsigned i = 0; i < 50; i++) {
        char from[32], to[32];

        snprintf(from, sizeof(from), "10.1.0.%u", i);
        snprintf(to, sizeof(to), "13.0.0.%u", i);
        f.from = from;
        f.to = to;
        assert_int_equal(passed(b, f, 10), 5); /* As many as its limit of sessions. */
        box_forget(b);
        for (unsigned n = 0; n < 40; n++)
            box_send(b, LEFT, &f);
        assert_int_equal(box_count(b, EVENT_SCREEN), 40); /* Its limit, and then the rate. */
        box_forget(b);
    }
    box_close(b);
}

/* An entry that is given back is there for another host: the table does not wear out. */
static void counts_come_back(void **unused)
{
    struct box *b = screened_box("screens = { \"session-limit-source\" }");

    (void)unused;
    for (int round = 0; round < 4; round++) {
        fill_with_counted_sessions(b);
        b->now_ns += 30000000000ull;
        box_elapse_ms(b, 100);
    }
    assert_true(b->state.hosts.counts.fresh <= sessions_capacity(b->config.sessions) + 1);
    box_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_hits_what_it_says),
        cmocka_unit_test(defect_6_one_named_flag_a_packet),
        cmocka_unit_test(defect_7_the_ingress_zone_is_told),
        cmocka_unit_test(teardrop),
        cmocka_unit_test(an_overlap_refuses_the_whole_datagram),
        cmocka_unit_test(the_least_overlap_is_one),
        cmocka_unit_test(so_many_gaps_are_an_overlap),
        cmocka_unit_test(a_second_end_refuses_the_whole_datagram),
        cmocka_unit_test(a_first_fragment_comes_once),
        cmocka_unit_test(floods_are_of_a_destination),
        cmocka_unit_test(port_scan),
        cmocka_unit_test(a_worker_with_an_older_clock_forgets_nothing),
        cmocka_unit_test(ip_sweep),
        cmocka_unit_test(session_limits),
        cmocka_unit_test(a_session_that_is_refused_counts_nowhere),
        cmocka_unit_test(whatever_ends_a_session_gives_it_back),
        cmocka_unit_test(counted_sessions_switch_no_screen_off),
        cmocka_unit_test(counts_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
