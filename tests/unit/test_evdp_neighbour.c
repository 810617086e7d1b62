/* links: test_box evdp_config */
/* What passes as neighbour discovery, undecided, and that nothing else goes its way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "box.h"

struct message {
    uint8_t type;
    const char *from, *to, *target; /* target: NULL: zero. */
    uint16_t len;                   /* Of ICMPv6. */
    uint8_t hops, code;             /* hops 0: 255. */
    uint8_t extension;              /* A header of 8 bytes, or, routing, of 24. */
};

static size_t build(const struct message *m, uint8_t *f)
{
    size_t before = m->extension == 0 ? 0 : m->extension == 43 ? 24 : 8, len = before + m->len;
    uint8_t *ip = f + 14, *icmp = ip + 40 + before;

    memset(f, 0, FRAME_MAX);
    memcpy(f, "\x02\0\0\0\0\x52\x02\0\0\0\0\x51\x86\xdd", 14);
    ip[0] = 0x60;
    ip[4] = (uint8_t)(len >> 8);
    ip[5] = (uint8_t)len;
    ip[6] = m->extension == 0 ? 58 : m->extension;
    ip[7] = m->hops == 0 ? 255 : m->hops;
    assert_int_equal(inet_pton(AF_INET6, m->from, ip + 8), 1);
    assert_int_equal(inet_pton(AF_INET6, m->to, ip + 24), 1);
    if (m->extension != 0) {
        ip[40] = 58;
        ip[41] = (uint8_t)(before / 8 - 1);
        ip[43] = m->extension == 43;
    }
    icmp[0] = m->type;
    icmp[1] = m->code;
    if (m->target != NULL)
        assert_int_equal(inet_pton(AF_INET6, m->target, icmp + 8), 1);
    return 14 + 40 + len;
}

#define DENYING "zone \"trust\" { screens = { \"source-route\", \"land\" } } zone \"untrust\" { }\n"
#define A       "2001:db8:a::1"
#define B       "2001:db8:b::2"
#define LL      "fe80::1"
#define ALL     "ff02::1"

static const struct message passing[] = {
    {133, "::", "ff02::2", NULL, .len = 8},
    {133, LL, "ff02::2", NULL, .len = 16},
    {134, LL, ALL, NULL, .len = 16},
    {134, LL, "fe80::2", NULL, .len = 64},
    {135, "::", "ff02::1:ff00:2", B, .len = 24},
    {135, A, "ff02::1:ff00:2", B, .len = 32},
    {135, A, B, B, .len = 24},
    {135, A, B, B, .len = 32},
    {135, LL, "fe80::2", "fe80::2", .len = 24},
    {135, LL, "febf::2", "febf::2", .len = 24},
    {136, A, B, A, .len = 24},
    {136, A, B, A, .len = 32},
    {136, A, ALL, A, .len = 32},
    {136, A, "fe80::2", A, .len = 32},
};

static void neighbours_find_each_other(void **unused)
{
    struct box *b = box_open(DENYING);
    uint8_t f[FRAME_MAX];

    (void)unused;
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
        size_t len = build(&passing[i], f);

        if (!box_send_raw(b, LEFT, f, len) || b->d.port != RIGHT)
            fail_msg("case %zu does not pass", i);
        assert_memory_equal(b->frame, f, len);
    }
    assert_int_equal(b->event_count, 0);
    box_close(b);
}

/* Each is denied by default, and told. */
static const struct message denied[] = {
    /* To an address that is not of the link. */
    {133, A, B, NULL, .len = 8},
    {134, A, B, NULL, .len = 16},
    {133, A, "ff05::2", NULL, .len = 8},
    {134, LL, "ff0e::1", NULL, .len = 16},
    {133, LL, "ff12::2", NULL, .len = 8},
    {133, LL, "fec0::2", NULL, .len = 8},
    {135, A, "ff05::2", "ff05::2", .len = 24},
    {136, A, "ff05::2", A, .len = 24},
    /* A probe of something else, or with more in it than it needs. */
    {135, A, B, A, .len = 24},
    {135, A, B, "2001:db8:b::3", .len = 24},
    {135, A, B, NULL, .len = 24},
    {136, A, B, B, .len = 24},
    {136, A, B, "2001:db8:a::2", .len = 24},
    {135, A, B, B, .len = 33},
    {135, A, B, B, .len = 1208},
    {136, A, B, A, .len = 1208},
    /* A redirect. */
    {137, LL, "fe80::2", NULL, .len = 40},
    {137, LL, ALL, NULL, .len = 40},
    {137, A, B, B, .len = 40},
    {137, A, B, A, .len = 1208},
    /* Too short. */
    {134, LL, ALL, NULL, .len = 15},
    {135, LL, ALL, NULL, .len = 23},
    {136, LL, ALL, NULL, .len = 8},
    {135, A, B, NULL, .len = 8},
    /* Over a router; of another code; another message. */
    {135, A, B, B, .len = 24, .hops = 254},
    {133, LL, "ff02::2", NULL, .len = 8, .hops = 64},
    {136, LL, ALL, LL, .len = 24, .code = 1},
    {132, LL, ALL, NULL, .len = 24},
    {138, LL, ALL, NULL, .len = 24},
    /* Behind another header. */
    {133, LL, "ff02::2", NULL, .len = 8, .extension = 60},
    {135, A, B, B, .len = 24, .extension = 60},
    {136, LL, ALL, LL, .len = 24, .extension = 44},
};

static void nothing_else_goes_that_way(void **unused)
{
    struct box *b = box_open(DENYING);
    uint8_t f[FRAME_MAX];

    (void)unused;
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        box_forget(b);
        if (box_send_raw(b, LEFT, f, build(&denied[i], f)))
            fail_msg("case %zu passes", i);
        if (b->d.fate != FATE_DENIED || box_count(b, EVENT_DENY) != 1)
            fail_msg("case %zu: fate %d, %zu records", i, b->d.fate, b->event_count);
    }
    box_close(b);
}

static void screens_see_it_too(void **unused)
{
    struct message m = {135, LL, "fe80::2", "fe80::2", .len = 24, .extension = 43};
    struct box *b = box_open(DENYING);
    uint8_t f[FRAME_MAX];

    (void)unused;
    assert_false(box_send_raw(b, LEFT, f, build(&m, f)));
    assert_int_equal(b->d.fate, FATE_SCREENED);
    assert_int_equal(box_count(b, EVENT_SCREEN), 1);
    box_close(b);
}

static void a_policy_may_permit_it(void **unused)
{
    struct box *b = box_open("policy \"p\" { from-zone = \"trust\" to-zone = \"untrust\" "
                             "protocol = icmp6 action = permit }\n");
    struct message m = {137, LL, "fe80::2", NULL, .len = 40};
    uint8_t f[FRAME_MAX];

    (void)unused;
    assert_true(box_send_raw(b, LEFT, f, build(&m, f)));
    assert_int_equal(box_sessions(b), 1);
    box_close(b);
}

/* A solicitation for evdp's own address is answered, multicast or as a probe. */
static void its_own_are_answered(void **unused)
{
    struct box *b = box_open("wire \"w0\" { left = \"l0\" right = \"r0\" left-zone = \"trust\" "
                             "right-zone = \"untrust\" left-address = { \"2001:db8:a::fe\" } }\n");
    static const struct message asking[] = {
        {135, A, "ff02::1:ff00:fe", "2001:db8:a::fe", .len = 32},
        {135, A, "2001:db8:a::fe", "2001:db8:a::fe", .len = 32},
    };
    uint8_t f[FRAME_MAX];

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        assert_true(box_send_raw(b, LEFT, f, build(&asking[i], f)));
        assert_int_equal(b->d.port, LEFT);
        assert_int_equal(b->out.icmp_type, 136);
    }
    box_close(b);
}

/* ARP passes too, and nothing that only has its type (RFC 826). */
static void arp_is_arp(void **unused)
{
    static const struct {
        const char *what;
        size_t at, len; /* This byte is another one; length behind the Ethernet header. */
        bool passes;
    } cases[] = {{"a question", 20, 28, true},
                 {"padded", 20, 46, true},
                 {"its longest", 20, 64, true},
                 {"too long", 20, 65, false},
                 {"a tunnel", 20, 1400, false},
                 {"cut", 20, 27, false},
                 {"empty", 20, 0, false},
                 {"hardware", 1, 28, false},
                 {"protocol", 2, 28, false},
                 {"length of MAC", 4, 28, false},
                 {"length of address", 5, 28, false},
                 {"operation", 7, 28, false}};
    struct box *b = box_open("");

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t frame[FRAME_MAX] = "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x51\x08\x06"
                                   "\0\x01\x08\0\x06\x04\0\x01";

        print_message("%s\n", cases[i].what);
        frame[14 + cases[i].at] ^= 0x10;
        assert_int_equal(box_send_raw(b, LEFT, frame, 14 + cases[i].len), cases[i].passes);
        assert_int_equal(b->event_count, 0);
        if (cases[i].passes) {
            frame[14 + 7] = 2; /* An answer. */
            assert_true(box_send_raw(b, RIGHT, frame, 14 + cases[i].len));
        }
    }
    box_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arp_is_arp),
        cmocka_unit_test(neighbours_find_each_other),
        cmocka_unit_test(nothing_else_goes_that_way),
        cmocka_unit_test(screens_see_it_too),
        cmocka_unit_test(a_policy_may_permit_it),
        cmocka_unit_test(its_own_are_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
