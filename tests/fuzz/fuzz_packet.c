/* links: test_frames evdp_config */
/* Frames, one after the other, through parser and decision, against a model that is simple enough
 * to be right: what goes on was permitted by a policy read one rule after the other, or answers
 * what was, translated or not, and goes to whom it answers; what is refused or screened is told
 * once, and each open has one close.  Input: a byte that chooses the rules, then for each frame a
 * byte that says where it comes in, a byte of time (100 ms each), two of length, and its bytes. */
#include "compile.h"
#include "decide.h"
#include "frames.h"

#include <stdlib.h>
#include <string.h>

enum { SESSIONS = 1024, FLOWS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            __builtin_trap();                                                                      \
    } while (0)

static const struct prefix inside = {.family = FAMILY_V4, .bits = 8, .address = {10}};
static const struct prefix inside6 = {.family = FAMILY_V6, .bits = 32, .address = {0x20, 1, 13}};
static const struct prefix pool[] = {{.family = FAMILY_V4, .bits = 30, .address = {192, 0, 2, 0}},
                                     {.family = FAMILY_V6, .bits = 126, .address = {0xfd, 9}}};
static const struct prefix both[] = {{.family = FAMILY_V4, .bits = 8, .address = {10}},
                                     {.family = FAMILY_V6, .bits = 32, .address = {0x20, 1, 13}}};
static const struct service ssh = {
    .protocol = 6, .by_destination_port = true, .destination = {22, 22}};
static const struct service any_tcp = {.protocol = 6}, ping = {.protocol = 1};
static const struct service dns = {
    .protocol = 17, .by_destination_port = true, .destination = {53, 53}};

static struct policy policies[] = {
    {.from = 1,
     .to = 2,
     .id = 256,
     .action = ACTION_REJECT,
     .match = {.service = &ssh, .service_count = 1}},
    {.from = 1,
     .to = 2,
     .id = 257,
     .action = ACTION_PERMIT,
     .log_init = true,
     .log_close = true,
     .match = {.source = both, .source_count = 2, .service = &any_tcp, .service_count = 1}},
    {.from = 1,
     .to = 2,
     .id = 258,
     .action = ACTION_PERMIT,
     .log_close = true,
     .match =
         {.destination = &inside, .destination_count = 1, .service = &dns, .service_count = 1}},
    {.from = 1,
     .to = 2,
     .id = 259,
     .action = ACTION_PERMIT,
     .match = {.source = &inside6, .source_count = 1, .service = &ping, .service_count = 1}},
    {.from = 1,
     .to = 2,
     .id = 260,
     .action = ACTION_PERMIT,
     .match = {.source = &inside, .source_count = 1, .service = &ping, .service_count = 1}},
};
static struct term terms[] = {
    {.place = FILTER_INPUT,
     .filter_id = 1,
     .term_id = 1,
     .action = ACTION_PERMIT,
     .log = true,
     .wire = WIRE_KEPT,
     .match = {.service = &dns, .service_count = 1}},
    {.place = FILTER_OUTPUT,
     .filter_id = 2,
     .term_id = 1,
     .action = ACTION_REJECT,
     .log = true,
     .count = true,
     .wire = WIRE_KEPT,
     .match =
         {.destination = &inside6, .destination_count = 1, .service = &ping, .service_count = 1}},
};

static struct rules plain = {
    .zone_count = 2,
    .policy_count = 5,
    .term_count = 2,
    .wire_count = 1,
    .zone = {{.name = "a",
              .screens = ~0u & ~(uint32_t)SCREEN_SYN_COOKIE,
              .limit = {100, 100, 100, 16, 16, 5, 5, 64, 64}},
             {.name = "b"}},
    .end = {{.zone = 1,
             .local_count = 1,
             .local = {{.family = FAMILY_V4, .bits = 32, .address = {10, 0, 0, 254}}}},
            {.zone = 2}},
    .policy = policies,
    .term = terms,
    .timeout = {20000000000, 60000000000, 30000000000, 2000000000, 20000000000, 60000000000,
                10000000000, 60000000000},
    .serial = 1,
};
static struct rules translating; /* The same with NAT and SYN cookies. */
static struct state state;
static uint8_t *memory;
static uint8_t secret[STATE_SECRET_BYTES];

static void set_up(void)
{
    translating = plain;
    translating.zone[0].screens = SCREEN_SYN_COOKIE;
    translating.zone[0].limit.syn_flood = 2;
    translating.nat_count = 1;
    translating.nat[0] =
        (struct nat){.from = 1, .pool = pool, .pool_count = 2, .ports = {1024, 1100}};
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)(151 * i + 89); /* Not sparse: it has to mix. */
    CHECK(rules_compile(&plain) == 0 && rules_compile(&translating) == 0);
    memory = aligned_alloc(64, (state_size(SESSIONS) + 63) / 64 * 64);
}

/* ---- the model ---- */

struct known {            /* Went on because a policy says so. */
    struct packet p, out; /* As it came, and as it left: translated, perhaps. */
} known[FLOWS_MAX];
static size_t known_count;

static bool policy_permits(const struct packet *p, int port)
{
    uint16_t application;

    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (policies[i].from == port + 1 && match_packet(&policies[i].match, p, &application))
            return policies[i].action == ACTION_PERMIT;
    }
    return false;
}

static bool same_hosts(const struct packet *a, const struct packet *b)
{
    return a->family == b->family && ((memcmp(a->source, b->source, 16) == 0 &&
                                       memcmp(a->destination, b->destination, 16) == 0) ||
                                      (memcmp(a->source, b->destination, 16) == 0 &&
                                       memcmp(a->destination, b->source, 16) == 0));
}

static bool same_ports(const struct packet *a, const struct packet *b)
{
    if (a->protocol != b->protocol)
        return false;
    return a->echo
               ? a->source_port == b->source_port
               : (a->source_port == b->source_port && a->destination_port == b->destination_port) ||
                     (a->source_port == b->destination_port &&
                      a->destination_port == b->source_port);
}

/* Belongs to what was permitted, as that side of it shows it where p came in; of later fragments
 * only the hosts are told. */
static bool is_known(const struct packet *p, int port, bool hosts_only)
{
    for (size_t i = 0; i < known_count; i++) {
        const struct packet *k = port == 0 ? &known[i].p : &known[i].out;

        if (same_hosts(k, p) && (hosts_only || same_ports(k, p)))
            return true;
    }
    return false;
}

/* Goes, as `out`, to whoever sent what it answers. */
static bool is_answer(const struct packet *p, const struct packet *out)
{
    for (size_t i = 0; i < known_count; i++) {
        const struct known *k = &known[i];

        if (same_hosts(&k->out, p) && same_ports(&k->out, p) &&
            memcmp(out->destination, k->p.source, 16) == 0 &&
            (out->echo ? out->source_port : out->destination_port) == k->p.source_port)
            return true;
    }
    return false;
}

static void check_went_on(const struct packet *p, const struct packet *out, const uint8_t *before,
                          int port)
{
    struct packet quoted;

    if (p->fragment) {
        CHECK(is_known(p, port, true));
    } else if (policy_permits(p, port)) {
        if (known_count < FLOWS_MAX)
            known[known_count++] = (struct known){.p = *p, .out = *out};
    } else if (p->icmp_error && packet_quoted(&quoted, p, before)) {
        CHECK(is_known(&quoted, port, false));
        CHECK(memcmp(p->destination, quoted.source, 16) == 0);
    } else {
        CHECK(port == 1 && is_answer(p, out));
    }
}

/* What may pass undecided: ARP, and what RFC 4861 needs on a link, byte for byte. */
static bool is_of_link(const uint8_t *frame, const struct packet *p)
{
    static const size_t least[] = {8, 16, 24, 24};
    const uint8_t *ip = frame + p->ip, *to = ip + 24, *icmp = ip + 40;
    size_t len;

    if (p->family == 0)
        return memcmp(frame + p->ip - 2, "\x08\x06\0\1\x08\0\6\4\0", 9) == 0 &&
               (ip[7] == 1 || ip[7] == 2) && p->end - p->ip >= 28 && p->end - p->ip <= 64;
    len = (size_t)(ip[4] << 8 | ip[5]);
    if (ip[6] != 58 || ip[7] != 255 || icmp[0] < 133 || icmp[0] > 136 || icmp[1] != 0 ||
        len < least[icmp[0] - 133])
        return false;
    if ((to[0] == 0xfe && to[1] >> 6 == 2) || (to[0] == 0xff && to[1] == 2))
        return true;
    return icmp[0] >= 135 && to[0] != 0xff && len <= 32 &&
           memcmp(icmp + 8, icmp[0] == 135 ? to : ip + 8, 16) == 0;
}

/* ---- what holds of every decision ---- */

enum { LOGS_BOTH = 257 };
static size_t opened, closed;

static void check_told(const struct decision *d)
{
    size_t told[8] = {0};

    for (size_t i = 0; i < d->event_count; i++) {
        const uint8_t *e = d->event[i];

        CHECK(e[52] >= 1 && e[52] <= 6 && e[135] == 0);
        told[e[52]]++;
        if ((e[44] | e[45] << 8) == LOGS_BOTH) {
            opened += e[52] == EVENT_OPEN;
            closed += e[52] == EVENT_CLOSE;
        }
    }
    CHECK(told[EVENT_DENY] == (d->fate == FATE_DENIED || d->fate == FATE_REJECTED));
    CHECK(told[EVENT_SCREEN] == (d->fate == FATE_SCREENED));
    CHECK(told[EVENT_OPEN] == 0 || d->fate == FATE_FORWARDED || d->fate == FATE_FILTERED);
}

static void check_translated(const uint8_t *before, const uint8_t *after, size_t len,
                             const struct packet *p, int port)
{
    struct packet out;

    CHECK(packet_parse(&out, after, len) == PACKET_IP);
    if (port == 0 && !p->icmp_error)
        CHECK(prefix_holds(&pool[0], out.source, FAMILY_V4) ||
              prefix_holds(&pool[1], out.source, FAMILY_V6));
    check_went_on(p, &out, before, port);
}

static void check_answer(const struct packet *p, const uint8_t *frame, const struct decision *d)
{
    struct packet out;
    enum packet_class class = packet_parse(&out, frame, d->len);

    CHECK(class == PACKET_IP || class == PACKET_NEIGHBOUR);
    if (class != PACKET_IP)
        return;
    CHECK(memcmp(out.destination, p->source, 16) == 0);
    CHECK(!(p->tcp_flags & TCP_RST) || p->protocol != PROTOCOL_TCP || p->fragment);
    CHECK(!p->icmp_error);
}

static void check(const uint8_t *before, size_t len, const uint8_t *after, const struct decision *d,
                  int port, bool nat)
{
    struct packet p;
    enum packet_class class = packet_parse(&p, before, len);
    bool good = class == PACKET_IP && frame_sums_are_right(before, len);

    CHECK(d->fate < FATES && d->event_count <= EVENTS_MAX && d->len <= FRAME_MAX);
    check_told(d);
    if (!d->send)
        return;
    CHECK(class == PACKET_IP || (class == PACKET_NEIGHBOUR && is_of_link(before, &p)));
    if (d->port == port) {
        check_answer(&p, after, d);
    } else if (class == PACKET_IP && nat) {
        check_translated(before, after, d->len, &p, port);
    } else {
        CHECK(d->len == len && memcmp(before, after, len) == 0);
        if (class == PACKET_IP)
            check_went_on(&p, &p, before, port);
    }
    if (good && class == PACKET_IP)
        CHECK(frame_sums_are_right(after, d->len));
    if (d->extra_len > 0)
        CHECK(frame_sums_are_right(d->extra, d->extra_len));
}

static void one_frame(const struct rules *r, const uint8_t *at, size_t len, int port, uint64_t now)
{
    struct arrival arrival = {.port = (uint8_t)port, .ifindex = 3};
    static struct decision d;
    uint8_t *frame = malloc(FRAME_MAX); /* So that a sanitizer sees its end. */

    CHECK(frame != NULL);
    memcpy(frame, at, len);
    decide(r, &state, &arrival, frame, len, FRAME_MAX, now, &d);
    check(at, len, frame, &d, port, r == &translating);
    free(frame);
}

/* Every session that was opened is closed, when its policy logs both. */
static void end(uint64_t now)
{
    static struct decision d;

    for (uint32_t s = 0; s < state.sessions.shard_count; s++) {
        bool more = true;

        while (more) {
            more = decide_expire(&state, s, now, true, &d);
            d.fate = FATE_FORWARDED;
            check_told(&d);
        }
        CHECK(state.sessions.shard[s].used == 0);
    }
    CHECK(opened == closed);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    const uint8_t *stop = at + len;
    uint64_t now = 1000000000000;
    const struct rules *r;

    if (memory == NULL)
        set_up();
    if (len < 1)
        return 0;
    r = *at++ & 1 ? &translating : &plain;
    memset(memory, 0, state_size(SESSIONS));
    memset(&state, 0, sizeof(state));
    state_init(&state, memory, SESSIONS, secret, now);
    known_count = opened = closed = 0;
    while (stop - at >= 4) {
        size_t n = (size_t)(at[2] | at[3] << 8) % (FRAME_MAX - 100);
        int port = at[0] & 1;

        now += at[1] * 100000000ull;
        at += 4;
        if (n > (size_t)(stop - at))
            n = (size_t)(stop - at);
        one_frame(r, at, n, port, now);
        at += n;
    }
    end(now);
    return 0;
}
