/* links: evdp_config evbpf_flatten */
/* The compiled lookup, and the eBPF program's in the same tables as words, find the same first
 * match as one rule after the other, for any list. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "config.h"
#include "flatten.h"

/* The program's own search, over words that end where they end. */
#define INLINE static inline
#define ALONE  static
static struct flat flat;

static uint64_t word(uint32_t at)
{
    assert_true(at < flat.count);
    return flat.word[at];
}

#include "search.h"

enum { RULES_MAX = 400, LIST_MAX = 3 };

static uint64_t state;

static uint32_t rnd(uint32_t below)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(state >> 33) % below;
}

static struct {
    struct prefix source[LIST_MAX], destination[LIST_MAX];
    struct service service[LIST_MAX];
    struct match match;
} rule[RULES_MAX];

/* Few values, so that rules overlap, and those at the ends of what there is. */
static void some_address(uint8_t out[16], uint8_t family)
{
    static const uint8_t octet[] = {0, 1, 10, 127, 128, 254, 255};

    memset(out, 0, 16);
    for (int i = 0; i < (family == FAMILY_V4 ? 4 : 16); i++)
        out[i] = octet[rnd(i < 2 ? 7 : 3)];
}

static struct prefix some_prefix(void)
{
    struct prefix x = {.family = rnd(2) ? FAMILY_V4 : FAMILY_V6};
    uint8_t most = x.family == FAMILY_V4 ? 32 : 128;

    some_address(x.address, x.family);
    x.bits = rnd(4) == 0 ? most : (uint8_t)rnd(most + 1u);
    for (unsigned bit = x.bits; bit < 128; bit++)
        x.address[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
    return x;
}

static uint16_t some_port(void)
{
    static const uint16_t port[] = {0, 1, 22, 80, 81, 1024, 32768, 65534, 65535};

    return port[rnd(9)];
}

static uint8_t some_protocol(void)
{
    static const uint8_t protocol[] = {1, 6, 17, 58, 47, 255};

    return protocol[rnd(6)];
}

static struct service some_service(uint16_t application)
{
    struct service s = {.protocol = rnd(3) ? some_protocol() : 0, .application = application};

    s.by_source_port = rnd(4) == 0;
    s.by_destination_port = rnd(2) == 0;
    s.source.from = some_port();
    s.source.to = (uint16_t)(s.source.from + rnd(65536u - s.source.from));
    s.destination.from = some_port();
    s.destination.to = (uint16_t)(s.destination.from + rnd(65536u - s.destination.from));
    return s;
}

static void some_rule(int i)
{
    struct match *m = &rule[i].match;

    m->source = rule[i].source;
    m->destination = rule[i].destination;
    m->service = rule[i].service;
    m->source_count = rnd(LIST_MAX + 1);
    m->destination_count = rnd(LIST_MAX + 1);
    m->service_count = rnd(LIST_MAX + 1);
    for (int k = 0; k < LIST_MAX; k++) {
        rule[i].source[k] = some_prefix();
        rule[i].destination[k] = some_prefix();
        rule[i].service[k] = some_service((uint16_t)(1 + i * LIST_MAX + k));
    }
}

static struct packet some_packet(void)
{
    struct packet p = {.family = rnd(2) ? FAMILY_V4 : FAMILY_V6, .protocol = some_protocol()};

    some_address(p.source, p.family);
    some_address(p.destination, p.family);
    p.has_ports = (p.protocol == PROTOCOL_TCP || p.protocol == PROTOCOL_UDP) && rnd(8) != 0;
    p.source_port = p.has_ports ? some_port() : 0;
    p.destination_port = p.has_ports ? some_port() : 0;
    return p;
}

static uint32_t one_after_the_other(int count, const struct packet *p, uint16_t *application)
{
    for (int i = 0; i < count; i++) {
        if (match_packet(&rule[i].match, p, application))
            return 1000u + (uint32_t)i;
    }
    *application = 0;
    return CLASSIFY_NONE;
}

enum { PLACE = ROOT_PAIR + 3 * (ZONES_MAX + 1) + 4 };

static void flatten(struct classifier *c)
{
    static struct rules r;
    char err[256] = "";

    memset(&r, 0, sizeof(r));
    r.by_pair[3][4] = c;
    assert_int_equal(flat_rules(&flat, &r, err, sizeof(err)), 0);
    for (uint32_t i = ROOT_PAIR; i < ROOT_END; i++) /* Nowhere else. */
        assert_int_equal(word(i) != 0, c->entry_count > 0 && i == PLACE);
}

static uint32_t search_words(const struct packet *p, uint16_t *application)
{
    uint64_t hit = word(PLACE) != 0 ? classify_flat(p, (uint32_t)word(PLACE)) : 0;

    *application = hit != 0 ? (uint16_t)((hit - 1) >> 32) : 0;
    return hit != 0 ? (uint32_t)(hit - 1) : CLASSIFY_NONE;
}

static void check_list(int count)
{
    struct compile_item item[RULES_MAX];
    struct classifier *c;

    for (int i = 0; i < count; i++) {
        some_rule(i);
        item[i] = (struct compile_item){&rule[i].match, 1000u + (uint32_t)i};
    }
    c = classifier_compile(item, (size_t)count);
    assert_non_null(c);
    flatten(c);
    for (int i = 0; i < 2000; i++) {
        struct packet p = some_packet();
        uint16_t got, wanted;

        assert_int_equal(classify(c, &p, &got), one_after_the_other(count, &p, &wanted));
        assert_int_equal(got, wanted);
        assert_int_equal(search_words(&p, &got), one_after_the_other(count, &p, &wanted));
        assert_int_equal(got, wanted);
    }
    flat_free(&flat);
    classifier_free(c);
}

static void same_first_match_as_a_linear_search(void **unused)
{
    static const int counts[] = {0, 1, 2, 63, 64, 65, 130, RULES_MAX};

    (void)unused;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        state = seed;
        print_message("seed %d\n", (int)seed);
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
            check_list(counts[i]);
    }
}

static void prefixes(void **unused)
{
    struct prefix x;

    (void)unused;
    assert_int_equal(prefix_parse(&x, "10.1.2.3/8"), 0);
    assert_memory_equal(x.address, ((uint8_t[16]){10}), 16);
    assert_int_equal(prefix_parse(&x, "::/0"), 0);
    assert_int_equal(x.bits, 0);
    assert_int_equal(prefix_parse(&x, "2001:db8::1"), 0);
    assert_int_equal(x.bits, 128);
    for (size_t i = 0; i < 7; i++) {
        static const char *const bad[] = {
            "", "/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "::/129", "10.0.0"};

        assert_int_equal(prefix_parse(&x, bad[i]), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_first_match_as_a_linear_search),
        cmocka_unit_test(prefixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
