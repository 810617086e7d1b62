/* links: evhooks */
/* The typed calls of libevhooks: each thing that a caller says stands where section 4 of the
 * contract has it, and there alone.  No two bytes that a caller says are equal, so that one that
 * stands in another's place, or the wrong way round, is seen. */
#include "lib/ring_fixture.h"

/* First bytes of what a caller says; a number is its bytes in order, the highest first. */
enum said {
    NOW = 1,               /* 8 */
    SOURCE = 9,            /* 16 */
    DESTINATION = 25,      /* 16 */
    SOURCE_PORT = 41,      /* 2 */
    DESTINATION_PORT = 43, /* 2 */
    ZONE_IN = 45,          /* 2 */
    ZONE_OUT = 47,         /* 2 */
    PROTOCOL = 49,
    ACTION = 50,
    FAMILY = 51,
    IFINDEX = 52,               /* 4 */
    ID = 56,                    /* 4: policy, rule, screen or filter. */
    TERM = 60,                  /* 4 */
    APPLICATION = 64,           /* 2 */
    NAT_SOURCE = 66,            /* 16 */
    NAT_DESTINATION = 82,       /* 16 */
    NAT_SOURCE_PORT = 98,       /* 2 */
    NAT_DESTINATION_PORT = 100, /* 2 */
    CREATED = 102,              /* 4 */
    PACKETS_OUT = 106,          /* 8 */
    BYTES_OUT = 114,            /* 8 */
    PACKETS_IN = 122,           /* 8 */
    BYTES_IN = 130,             /* 8 */
    REASON = 138,               /* Also a filter's source. */
    OWNER = 139,                /* 2: negative as a number of 16 bits. */
    TIME = 141,                 /* 8 */
    NAMES = 149,                /* 4 */
};
enum { GROUP = 113, OTHER_GROUP = 114, CALLS = 7 };

static uint64_t number(enum said first, int size)
{
    uint64_t v = 0;

    for (int i = 0; i < size; i++)
        v = v << 8 | (uint8_t)(first + i);
    return v;
}

static void bytes(uint8_t *out, enum said first, int size)
{
    for (int i = 0; i < size; i++)
        out[i] = (uint8_t)(first + i);
}

struct facts {
    struct evhooks_at at;
    struct evhooks_flow flow;
    struct evhooks_session session;
    struct evhooks_traffic traffic;
};

static struct evhooks_flow some_flow(void)
{
    struct evhooks_flow f = {.family = FAMILY,
                             .protocol = PROTOCOL,
                             .action = ACTION,
                             .source_port = (uint16_t)number(SOURCE_PORT, 2),
                             .destination_port = (uint16_t)number(DESTINATION_PORT, 2),
                             .zone_in = (uint16_t)number(ZONE_IN, 2),
                             .zone_out = (uint16_t)number(ZONE_OUT, 2),
                             .ifindex = (uint32_t)number(IFINDEX, 4)};

    bytes(f.source, SOURCE, 16);
    bytes(f.destination, DESTINATION, 16);
    return f;
}

static struct evhooks_session some_session(void)
{
    struct evhooks_session s = {.policy = (uint32_t)number(ID, 4),
                                .created_s = (uint32_t)number(CREATED, 4),
                                .application = (uint16_t)number(APPLICATION, 2),
                                .nat_source_port = (uint16_t)number(NAT_SOURCE_PORT, 2),
                                .nat_destination_port = (uint16_t)number(NAT_DESTINATION_PORT, 2)};

    bytes(s.nat_source, NAT_SOURCE, 16);
    bytes(s.nat_destination, NAT_DESTINATION, 16);
    return s;
}

static struct facts some_facts(unsigned group)
{
    return (struct facts){.at = {.group = group,
                                 .names_generation = (uint32_t)number(NAMES, 4),
                                 .now_ns = number(NOW, 8),
                                 .time_ns = number(TIME, 8)},
                          .flow = some_flow(),
                          .session = some_session(),
                          .traffic = {.packets_out = number(PACKETS_OUT, 8),
                                      .bytes_out = number(BYTES_OUT, 8),
                                      .packets_in = number(PACKETS_IN, 8),
                                      .bytes_in = number(BYTES_IN, 8),
                                      .reason = REASON}};
}

static enum evhooks_result call(struct evhooks_worker *w, int which, const struct facts *a,
                                uint8_t source)
{
    const uint32_t id = (uint32_t)number(ID, 4), term = (uint32_t)number(TERM, 4);

    switch (which) {
    case 0:
        return evhooks_session_open(w, &a->at, &a->flow, &a->session);
    case 1:
        return evhooks_session_update(w, &a->at, &a->flow, &a->session);
    case 2:
        return evhooks_session_close(w, &a->at, &a->flow, &a->session, &a->traffic);
    case 3:
        return evhooks_policy_deny(w, &a->at, &a->flow, id, (int16_t)number(OWNER, 2));
    case 4:
        return evhooks_screen_drop(w, &a->at, &a->flow, id);
    case 5:
        return evhooks_alg_request(w, &a->at, &a->flow, id, (uint16_t)number(APPLICATION, 2));
    default:
        return evhooks_filter_log(w, &a->at, &a->flow, id, term, source);
    }
}

static const uint8_t kind_of[CALLS] = {1, 1, 2, 3, 4, 5, 6};

/* ---- the contract's places ---- */

enum order { RAW, BIG, LITTLE }; /* RAW: an address. */
enum { OPEN = 1, UPDATE = 2, CLOSE = 4, DENY = 8, SCREEN = 16, ALG = 32, FILTER = 64 };
enum { SESSION = OPEN | UPDATE | CLOSE, EVERY = SESSION | DENY | SCREEN | ALG | FILTER };

static const struct place {
    uint8_t at, size;
    enum order order;
    enum said what;
    int calls; /* Of these alone; in the others it is zero, or something else's place. */
} places[] = {
    {0, 8, LITTLE, NOW, EVERY},
    {8, 16, RAW, SOURCE, EVERY},
    {24, 16, RAW, DESTINATION, EVERY},
    {40, 2, BIG, SOURCE_PORT, EVERY},
    {42, 2, BIG, DESTINATION_PORT, EVERY},
    {44, 4, LITTLE, ID, EVERY},
    {48, 2, LITTLE, ZONE_IN, EVERY},
    {50, 2, LITTLE, ZONE_OUT, EVERY & ~(SCREEN | FILTER)},
    {53, 1, LITTLE, PROTOCOL, EVERY},
    {54, 1, LITTLE, ACTION, EVERY},
    {55, 1, LITTLE, FAMILY, EVERY},
    {56, 8, LITTLE, PACKETS_OUT, CLOSE},
    {56, 4, LITTLE, ID, EVERY & ~(CLOSE | SCREEN)},
    {60, 4, LITTLE, TERM, FILTER},
    {64, 8, LITTLE, BYTES_OUT, CLOSE},
    {64, 2, LITTLE, OWNER, DENY},
    {72, 16, RAW, NAT_SOURCE, SESSION},
    {88, 16, RAW, NAT_DESTINATION, SESSION},
    {104, 2, BIG, NAT_SOURCE_PORT, SESSION},
    {106, 2, BIG, NAT_DESTINATION_PORT, SESSION},
    {108, 4, LITTLE, CREATED, SESSION},
    {112, 8, LITTLE, PACKETS_IN, CLOSE},
    {120, 8, LITTLE, BYTES_IN, CLOSE},
    {128, 4, LITTLE, IFINDEX, EVERY},
    {132, 2, LITTLE, APPLICATION, SESSION | ALG},
    {134, 1, LITTLE, REASON, CLOSE | FILTER},
};

static void put(uint8_t event[EVHOOKS_EVENT_SIZE], const struct place *p)
{
    uint8_t big[16], little[16];

    for (int i = 0; i < 16; i++)
        big[i] = little[15 - i] = (uint8_t)(p->what + i);
    memcpy(event + p->at, p->order == LITTLE ? little + 16 - p->size : big, (size_t)p->size);
}

static void expect(uint8_t event[EVHOOKS_EVENT_SIZE], int which)
{
    memset(event, 0, EVHOOKS_EVENT_SIZE);
    event[52] = kind_of[which];
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (places[i].calls & 1 << which)
            put(event, &places[i]);
    }
    if (!(1 << which & (CLOSE | DENY))) /* Whose event it is, where no counter stands. */
        event[64] = GROUP;
    if (1 << which == DENY) /* "Rejected by policy" (5.3). */
        event[134] = 5;
}

static void compare(const uint8_t *seen, const uint8_t *wanted, int which)
{
    for (int i = 0; i < EVHOOKS_EVENT_SIZE; i++) {
        if (seen[i] != wanted[i])
            fail_msg("call %d, byte %d: %d, not %d", which, i, seen[i], wanted[i]);
    }
}

static void each_thing_said_has_its_place(void **state)
{
    struct fixture *f = *state;
    const struct facts a = some_facts(GROUP);
    struct evhooks_record out[CALLS + 1];

    evhooks_activate(f->ring, GROUP, true);
    fixture_epoch(f, 12);
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(call(f->worker, i, &a, REASON), EVHOOKS_OK);
    assert_int_equal(evhooks_read(f->ring, out, CALLS + 1), CALLS);
    for (int i = 0; i < CALLS; i++) {
        uint8_t wanted[EVHOOKS_EVENT_SIZE];

        expect(wanted, i);
        compare(out[i].event, wanted, i);
        assert_int_equal(out[i].kind, kind_of[i]);
        assert_int_equal(out[i].time_ns, number(TIME, 8));
        assert_int_equal(out[i].names_generation, number(NAMES, 4));
    }
}

/* Contract section 6: only where the packet leaves is the egress zone known, also by a session. */
static void a_filters_egress_zone_is_of_the_output(void **state)
{
    struct fixture *f = *state;
    const struct facts a = some_facts(FIXTURE_GROUP);
    struct evhooks_record out[8];

    fixture_epoch(f, 12);
    for (uint8_t source = 0; source < 8; source++)
        assert_int_equal(call(f->worker, 6, &a, source), EVHOOKS_OK);
    assert_int_equal(evhooks_read(f->ring, out, 8), 8);
    for (uint8_t source = 0; source < 8; source++) {
        bool leaves = source == 3 || source == 4;

        assert_int_equal(out[source].event[134], source);
        assert_int_equal(out[source].event[50], leaves ? ZONE_OUT + 1 : 0);
        assert_int_equal(out[source].event[51], leaves ? ZONE_OUT : 0);
    }
}

/* A1 for each call: a group of the other node logs nothing, whatever the kind, and only that is
 * counted; nor does anyone once the replicator's grant is over, or for a group that none can be. */
static void each_call_asks_whose_it_is(void **state)
{
    struct fixture *f = *state;
    const struct facts ours = some_facts(GROUP), other = some_facts(OTHER_GROUP),
                       none = some_facts(EVHOOKS_GROUP_MAX);
    struct evhooks_counters c;
    struct evhooks_record out[CALLS + 1];

    evhooks_activate(f->ring, GROUP, true);
    fixture_epoch(f, 12);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(call(f->worker, i, &other, 1), EVHOOKS_NOT_OWNER);
        assert_int_equal(call(f->worker, i, &none, 1), EVHOOKS_NOT_OWNER);
        assert_int_equal(call(f->worker, i, &ours, 1), EVHOOKS_OK);
    }
    evhooks_active_until(f->ring, ours.at.now_ns);
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(call(f->worker, i, &ours, 1), EVHOOKS_NOT_OWNER);
    assert_int_equal(evhooks_read(f->ring, out, CALLS + 1), CALLS);
    evhooks_counters(f->ring, &c);
    for (uint8_t kind = 1; kind <= 6; kind++) {
        uint64_t calls = kind == 1 ? 2 : 1; /* An update is an open again. */

        assert_int_equal(c.tagged[kind], calls);
        assert_int_equal(c.not_owner[kind], 3 * calls);
        assert_int_equal(c.decided[kind], 4 * calls);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RING_TEST(each_thing_said_has_its_place),
        RING_TEST(a_filters_egress_zone_is_of_the_output),
        RING_TEST(each_call_asks_whose_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
