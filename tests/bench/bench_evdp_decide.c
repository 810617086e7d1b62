/* links: test_frames evdp_config */
/* What one packet costs the decision, without any I/O: growth with rules and with sessions, as
 * ratios of one run.  Medians of ROUNDS; the rounds of all cases alternate. */
#include "compile.h"
#include "decide.h"
#include "frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { ROUNDS = 7, PACKETS = 100000, RULES_MAX = 10000, FRAMES = 4096 };

static uint64_t random_state = 88172645463325252ull;

static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof(*v), by_value);
    return v[ROUNDS / 2];
}

/* ---- rules: each of a destination network and a range of ports; the last
 * permits the rest ---- */

static struct {
    struct prefix network;
    struct service service;
} rule_parts[RULES_MAX];

static void make_rules(struct rules *r, size_t count)
{
    memset(r, 0, sizeof(*r));
    r->zone_count = 2;
    r->wire_count = 1;
    r->end[0].zone = 1;
    r->end[1].zone = 2;
    r->serial = 1;
    r->timeout = (struct timeouts){20000000000, 1800000000000, 150000000000, 2000000000,
                                   20000000000, 60000000000,   10000000000,  60000000000};
    r->policy = calloc(count, sizeof(*r->policy));
    r->policy_count = count;
    for (size_t i = 0; i < count; i++) {
        struct policy *q = &r->policy[i];

        *q = (struct policy){
            .from = 1, .to = 2, .id = POLICY_ID_FIRST + (uint32_t)i, .action = ACTION_PERMIT};
        if (i + 1 == count)
            break;
        rule_parts[i].network = (struct prefix){
            .family = FAMILY_V4, .bits = 24, .address = {20, (uint8_t)(i >> 8), (uint8_t)i}};
        rule_parts[i].service =
            (struct service){.protocol = 17,
                             .by_destination_port = true,
                             .destination = {(uint16_t)(i % 1000), (uint16_t)(i % 1000 + 500)}};
        q->action = ACTION_DENY;
        q->match = (struct match){.destination = &rule_parts[i].network,
                                  .destination_count = 1,
                                  .service = &rule_parts[i].service,
                                  .service_count = 1};
    }
    if (rules_compile(r) != 0)
        abort();
}

static struct packet some_packet(size_t rules)
{
    uint32_t i = next_random() % (uint32_t)rules;
    struct packet p = {.family = FAMILY_V4,
                       .protocol = 17,
                       .has_ports = true,
                       .source = {10, 0, 0, 1},
                       .source_port = (uint16_t)next_random(),
                       .destination = {20, (uint8_t)(i >> 8), (uint8_t)i, 9},
                       .destination_port = (uint16_t)(next_random() % 1600)};

    return p;
}

static const struct policy *linear(const struct rules *r, const struct packet *p)
{
    uint16_t application;

    for (size_t i = 0; i < r->policy_count; i++) {
        if (match_packet(&r->policy[i].match, p, &application))
            return &r->policy[i];
    }
    return NULL;
}

static double lookup_ns(const struct rules *r, bool compiled, size_t packets)
{
    static struct packet p[FRAMES];
    uintptr_t sum = 0;
    double begin;
    uint16_t application;

    for (size_t i = 0; i < FRAMES; i++)
        p[i] = some_packet(r->policy_count);
    begin = now_ns();
    for (size_t i = 0; i < packets; i++)
        sum += (uintptr_t)(compiled ? policy_find(r, 1, 2, &p[i % FRAMES], &application)
                                    : linear(r, &p[i % FRAMES]));
    if (sum == 1)
        abort();
    return (now_ns() - begin) / (double)packets;
}

static void check_same(const struct rules *r)
{
    uint16_t application;

    for (int i = 0; i < 2000; i++) {
        struct packet p = some_packet(r->policy_count);

        if (policy_find(r, 1, 2, &p, &application) != linear(r, &p))
            abort();
    }
}

static void bench_rules(void)
{
    static const size_t counts[3] = {10, 1000, 10000};
    static struct rules r[3];
    double compiled[3][ROUNDS], plain[3][ROUNDS];

    for (int k = 0; k < 3; k++) {
        make_rules(&r[k], counts[k]);
        check_same(&r[k]);
    }
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 3; k++) {
            compiled[k][i] = lookup_ns(&r[k], true, PACKETS);
            plain[k][i] = lookup_ns(&r[k], false, PACKETS / counts[k] + 100);
        }
    }
    for (int k = 0; k < 3; k++) {
        double c = median(compiled[k]), l = median(plain[k]);

        printf("policy lookup, %5zu rules: %6.0f ns, %.2f times that of 10; one by "
               "one %8.0f ns, "
               "%.1f times the lookup\n",
               counts[k], c, c / median(compiled[0]), l, l / c);
    }
}

/* ---- whole decisions ---- */

struct box {
    struct state state;
    struct rules *rules;
    size_t sessions;
    uint8_t (*frame)[64];
    size_t frame_count;
};

static void put_ends(uint8_t *frame, uint32_t flow)
{
    frame[14 + 12 + 1] = (uint8_t)(flow >> 16);
    frame[14 + 12 + 2] = (uint8_t)(flow >> 8);
    frame[14 + 12 + 3] = (uint8_t)flow;
}

static void open_box(struct box *b, struct rules *r, uint32_t capacity)
{
    uint8_t secret[STATE_SECRET_BYTES];
    void *at = mmap(NULL, state_size(capacity), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);

    if (at == MAP_FAILED)
        abort();
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)next_random();
    madvise(at, state_size(capacity), MADV_HUGEPAGE);
    state_init(&b->state, at, capacity, secret, 1000000000);
    b->rules = r;
}

/* So many sessions, and frames that belong to random ones of them. */
static void fill(struct box *b, struct rules *r, size_t sessions)
{
    struct arrival arrival = {.port = 0};
    static struct decision d;
    uint8_t frame[FRAME_MAX];
    size_t len;

    open_box(b, r, sessions < 1024 ? 1024 : (uint32_t)sessions * 5 / 4);
    b->sessions = sessions;
    len = frame_build(&(struct frame){.from = "10.0.0.0",
                                      .to = "30.0.0.1",
                                      .protocol = 17,
                                      .source_port = 9,
                                      .destination_port = 53,
                                      .data = 18},
                      frame);
    for (size_t i = 0; i < sessions; i++) {
        put_ends(frame, (uint32_t)i);
        decide(r, &b->state, &arrival, frame, len, sizeof(frame), 1000000000, &d);
        if (d.fate != FATE_FORWARDED)
            abort();
    }
    b->frame_count = 65536;
    b->frame = calloc(b->frame_count, sizeof(*b->frame));
    for (size_t i = 0; i < b->frame_count; i++) {
        put_ends(frame, next_random() % (uint32_t)sessions);
        memcpy(b->frame[i], frame, 60);
    }
}

static double session_ns(struct box *b)
{
    struct arrival arrival = {.port = 0};
    static struct decision d;
    double begin = now_ns();

    for (size_t i = 0; i < PACKETS; i++) {
        decide(b->rules, &b->state, &arrival, b->frame[i % b->frame_count], 60, 64, 1000000001, &d);
        if (d.fate != FATE_FORWARDED)
            abort();
    }
    return (now_ns() - begin) / PACKETS;
}

/* A storm: every packet another flow, looked up, refused by a rule of its own or by the last, its
 * event made. */
static size_t refused_frame(uint32_t rule, uint8_t out[FRAME_MAX])
{
    uint8_t to[4] = {20, (uint8_t)(rule >> 8), (uint8_t)rule, 9};
    size_t len = frame_build(&(struct frame){.from = "10.0.0.0",
                                             .to = "20.0.0.1",
                                             .protocol = 17,
                                             .data = 18,
                                             .destination_port = (uint16_t)(rule % 1000 + 100)},
                             out);

    put_ends(out, next_random());
    memcpy(out + 14 + 16, to, 4);
    return len;
}

static double refused_ns(const struct rules *r, struct state *s)
{
    static uint8_t frame[FRAMES][FRAME_MAX];
    struct arrival arrival = {.port = 0};
    static struct decision d;
    size_t len = 0;
    double begin;

    for (size_t i = 0; i < FRAMES; i++)
        len = refused_frame(next_random() % (uint32_t)r->policy_count, frame[i]);
    begin = now_ns();
    for (size_t i = 0; i < PACKETS; i++) {
        decide(r, s, &arrival, frame[i % FRAMES], len, FRAME_MAX, 1000000001, &d);
        if (d.event_count != 1)
            abort();
    }
    return (now_ns() - begin) / PACKETS;
}

static void bench_refused(void)
{
    static const size_t counts[3] = {10, 1000, 10000};
    static struct rules r[3];
    static struct box b;
    double v[3][ROUNDS];

    for (int k = 0; k < 3; k++) {
        make_rules(&r[k], counts[k]);
        r[k].policy[counts[k] - 1].action = ACTION_DENY;
    }
    open_box(&b, &r[0], 1024);
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 3; k++)
            v[k][i] = refused_ns(&r[k], &b.state);
    }
    for (int k = 0; k < 3; k++)
        printf("a packet refused, %5zu rules: %4.0f ns with its event, %.2f times that of 10\n",
               counts[k], median(v[k]), median(v[k]) / median(v[0]));
}

static void bench_sessions(void)
{
    static struct rules r;
    static struct box few, many;
    double a[ROUNDS], b[ROUNDS];

    make_rules(&r, 1000);
    fill(&few, &r, 100);
    fill(&many, &r, 1000000);
    for (int i = 0; i < ROUNDS; i++) {
        a[i] = session_ns(&few);
        b[i] = session_ns(&many);
    }
    printf("a packet of a session, 100 sessions: %.0f ns\n", median(a));
    printf("a packet of a session, 1000000 sessions: %.0f ns, %.2f times that of "
           "100\n",
           median(b), median(b) / median(a));
}

/* New flows to one server from `from` on, when the pool towards it has this fate. */
static double new_flows_ns(struct box *b, uint32_t from, uint32_t flows, uint8_t server,
                           uint8_t fate)
{
    struct arrival arrival = {.port = 0};
    static struct decision d;
    uint8_t frame[FRAME_MAX], changed[FRAME_MAX];
    size_t len = frame_build(&(struct frame){.from = "10.0.0.0",
                                             .to = "30.0.0.1",
                                             .protocol = 17,
                                             .source_port = 9,
                                             .destination_port = 53,
                                             .no_udp_sum = true},
                             frame);
    double begin = now_ns();

    frame[14 + 19] = server;
    for (uint32_t i = from; i < from + flows; i++) {
        put_ends(frame, i);
        memcpy(changed, frame, len);
        decide(b->rules, &b->state, &arrival, changed, len, sizeof(changed), 1000000000, &d);
        if (fate != FATES && d.fate != fate)
            abort();
    }
    return (now_ns() - begin) / flows;
}

/* A pool of 8192 ports, towards one server in use to the last that is looked at. */
static void bench_pool(void)
{
    static const struct prefix pool = {FAMILY_V4, 32, {192, 0, 2, 8}};
    static const struct nat nat = {
        .from = 1, .to = 2, .pool = &pool, .pool_count = 1, .ports = {1024, 9215}};
    static struct rules r;
    static struct box b;
    double full[ROUNDS], free[ROUNDS];

    make_rules(&r, 10);
    r.nat[0] = nat;
    r.nat_count = 1;
    open_box(&b, &r, 65536);
    new_flows_ns(&b, 0, 60000, 1, FATES);
    for (int i = 0; i < ROUNDS; i++) {
        full[i] = new_flows_ns(&b, 100000 + (uint32_t)i * 2000, 2000, 1, FATE_NO_PORT);
        free[i] = new_flows_ns(&b, (uint32_t)i * 500, 500, 2, FATE_FORWARDED);
    }
    printf("a flow translated: %.0f ns; refused by a full pool: %.0f ns, %.1f times that\n",
           median(free), median(full), median(full) / median(free));
}

int main(void)
{
    bench_rules();
    bench_refused();
    bench_sessions();
    bench_pool();
    return 0;
}
