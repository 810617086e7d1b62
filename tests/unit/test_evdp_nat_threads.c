/* links: test_box evdp_config */
/* Source NAT under several workers: an answer comes to any of them, and finds the session of its
 * flow wherever that is; no two get one port; a pool is used to the last one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"

enum { WORKERS = 4, FLOWS = 500, PORTS = 200, ADDRESSES = 8, LIVES = 4 };

#define POOL                                                                                       \
    "sessions = 65536\n"                                                                           \
    "policy \"all\" { from-zone = \"trust\" to-zone = \"untrust\" action = permit "                \
    "log = { \"session-close\" } }\n"                                                              \
    "nat \"n\" { from-zone = \"trust\" pool = { \"192.0.2.8/29\" } pool-ports = \"2000-2199\" }\n"

struct shared {
    struct box *box;
    _Atomic int owner[ADDRESSES][PORTS]; /* 1 + the worker whose flow has it. */
    _Atomic unsigned made, shared, strayed, refused, closed;
};

struct job {
    struct shared *at;
    int me;
    struct {
        uint8_t address;
        uint16_t port;
        bool is_open;
    } flow[FLOWS];
};

static bool decide_one(struct job *j, uint8_t port, const struct frame *f, struct packet *out,
                       uint64_t now_ns)
{
    struct arrival at = {.port = port, .ifindex = 10u + port};
    uint8_t frame[FRAME_MAX];
    struct decision d;

    decide(&j->at->box->config.rules, &j->at->box->state, &at, frame, frame_build(f, frame),
           FRAME_MAX, now_ns, &d);
    atomic_fetch_add(&j->at->closed, d.event_count);
    if (d.fate == FATE_NO_PORT)
        atomic_fetch_add(&j->at->refused, 1);
    return d.send && packet_parse(out, frame, d.len) == PACKET_IP;
}

static void open_one(struct job *j, int i, uint64_t now_ns)
{
    char from[16];
    struct packet p;
    int none = 0;

    snprintf(from, sizeof(from), "10.0.%d.%d", j->me, i % 200);
    j->flow[i].is_open = decide_one(j, LEFT,
                                    &(struct frame){.from = from,
                                                    .to = "10.9.0.2",
                                                    .protocol = 17,
                                                    .source_port = (uint16_t)(1 + i / 200),
                                                    .destination_port = 53},
                                    &p, now_ns);
    if (!j->flow[i].is_open)
        return;
    j->flow[i].address = p.source[3] & 7;
    j->flow[i].port = p.source_port;
    atomic_fetch_add(&j->at->made, 1);
    if (!atomic_compare_exchange_strong(&j->at->owner[p.source[3] & 7][p.source_port - 2000], &none,
                                        j->me + 1))
        atomic_fetch_add(&j->at->shared, 1);
}

static void answer_one(struct job *j, int i, uint64_t now_ns)
{
    char to[16];
    struct packet p;
    const uint8_t home[4] = {10, 0, (uint8_t)j->me, (uint8_t)(i % 200)};

    snprintf(to, sizeof(to), "192.0.2.%d", 8 + j->flow[i].address);
    if (!decide_one(j, RIGHT,
                    &(struct frame){.from = "10.9.0.2",
                                    .to = to,
                                    .protocol = 17,
                                    .source_port = 53,
                                    .destination_port = j->flow[i].port},
                    &p, now_ns) ||
        memcmp(p.destination, home, 4) != 0 || p.destination_port != 1 + i / 200)
        atomic_fetch_add(&j->at->strayed, 1);
}

static void *work(void *arg)
{
    struct job *j = arg;
    uint64_t now_ns = j->at->box->now_ns;

    for (int i = 0; i < FLOWS; i++) {
        open_one(j, i, now_ns);
        for (int k = i < 3 ? 0 : i - 3; k <= i; k++) {
            if (j->flow[k].is_open)
                answer_one(j, k, now_ns);
        }
    }
    return NULL;
}

/* As the workers do between batches: each its share of the shards. */
static void *expire(void *arg)
{
    struct job *j = arg;
    struct state *s = &j->at->box->state;
    struct decision d;
    bool more;

    for (uint32_t i = (uint32_t)j->me; i < s->sessions.shard_count; i += WORKERS) {
        do {
            more = decide_expire(s, i, j->at->box->now_ns, false, &d);
            atomic_fetch_add(&j->at->closed, d.event_count);
        } while (more);
    }
    return NULL;
}

static void all_do(struct job *job[WORKERS], void *(*what)(void *))
{
    pthread_t t[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, what, job[i]), 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(t[i], NULL);
}

static void every_answer_comes_home(void **unused)
{
    struct shared *s = calloc(1, sizeof(*s));
    struct job *job[WORKERS];

    (void)unused;
    s->box = box_open(POOL);
    for (int i = 0; i < WORKERS; i++) {
        job[i] = calloc(1, sizeof(*job[i]));
        job[i]->at = s;
        job[i]->me = i;
    }
    for (int life = 0; life < LIVES; life++) {
        memset(s->owner, 0, sizeof(s->owner));
        s->made = s->refused = s->closed = 0;
        all_do(job, work);
        assert_int_equal(s->strayed, 0);
        assert_int_equal(s->shared, 0);
        assert_int_equal(s->made, ADDRESSES * PORTS);
        assert_int_equal(s->made + s->refused, WORKERS * FLOWS);
        s->box->now_ns += 3600000000000ull;
        all_do(job, expire);
        assert_int_equal(s->closed, s->made);
        assert_int_equal(box_sessions(s->box), 0);
    }
    for (int i = 0; i < WORKERS; i++)
        free(job[i]);
    box_close(s->box);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_comes_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
