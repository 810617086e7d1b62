/* links: evhooks */
/* The ring under several workers: epochs switch, counters balance, nothing is lost or out of order.
 */
#include "lib/ring_fixture.h"

#include <pthread.h>

enum { WORKERS = 3, EVENTS = 60000, ZONES = 3 };

struct load {
    struct fixture *f;
    pthread_t thread;
    unsigned seed;
    uint64_t done[EVHOOKS_KIND_MAX][ZONES][6];
};

static void *write_many(void *arg)
{
    struct load *l = arg;
    struct evhooks_worker *w = fixture_worker(l->f->ring);

    for (int i = 0; i < EVENTS; i++) {
        uint8_t kind = (uint8_t)(1 + rand_r(&l->seed) % 6);
        uint16_t zone = (uint16_t)(rand_r(&l->seed) % ZONES);

        l->done[kind][zone][fixture_emit_at(w, kind, zone, (uint64_t)i * 1000)]++;
    }
    evhooks_worker_close(w);
    return NULL;
}

static void start(struct fixture *f, struct load *l)
{
    for (int i = 0; i < WORKERS; i++) {
        l[i] = (struct load){.f = f, .seed = (unsigned)i + 1};
        pthread_create(&l[i].thread, NULL, write_many, &l[i]);
    }
}

static uint64_t sum(const struct evhooks_counts *c)
{
    return c->not_owner + c->rate_limited + c->capped + c->ring_full + c->tagged;
}

static void check_counts(struct fixture *f, const struct load *l)
{
    for (uint8_t k = 1; k <= 6; k++) {
        for (uint16_t z = 0; z < ZONES; z++) {
            struct evhooks_counts c;
            uint64_t want[6] = {0};

            for (int i = 0; i < WORKERS; i++) {
                for (int o = 0; o < 6; o++)
                    want[o] += l[i].done[k][z][o];
            }
            evhooks_counts(f->ring, k, z, &c);
            assert_int_equal(c.tagged, want[EVHOOKS_OK]);
            assert_int_equal(c.not_owner, want[EVHOOKS_NOT_OWNER]);
            assert_int_equal(c.rate_limited, want[EVHOOKS_RATE_LIMITED]);
            assert_int_equal(c.capped, want[EVHOOKS_CAPPED]);
            assert_int_equal(c.ring_full, want[EVHOOKS_RING_FULL] + want[EVHOOKS_CLOSED]);
            assert_int_equal(c.decided, sum(&c));
        }
    }
}

/* A3, while workers run: never falls, never more outcomes than decisions. */
static void check_balance(struct fixture *f, struct evhooks_counters *last)
{
    struct evhooks_counters c;

    evhooks_counters(f->ring, &c);
    for (int k = 0; k < EVHOOKS_KIND_MAX; k++) {
        assert_true(c.decided[k] >= last->decided[k]);
        assert_true(c.tagged[k] >= last->tagged[k]);
        assert_int_equal(c.decided[k], c.not_owner[k] + c.rate_limited[k] + c.capped[k] +
                                           c.ring_full[k] + c.tagged[k]);
    }
    *last = c;
}

struct position {
    uint32_t epoch, sequence;
    uint64_t kind[EVHOOKS_KIND_MAX], records, suppressed;
};

/* Epoch and sequence never disagree in order: each epoch starts at 2 and has no hole. */
static size_t read_some(struct fixture *f, struct position *p)
{
    struct evhooks_record out[64];
    size_t n = evhooks_read(f->ring, out, 64);

    for (size_t i = 0; i < n; i++) {
        if (out[i].epoch != p->epoch) {
            assert_true(out[i].epoch > p->epoch);
            p->epoch = out[i].epoch;
            p->sequence = 1;
        }
        assert_int_equal(out[i].sequence, ++p->sequence);
        assert_int_equal(out[i].abandoned, 0);
        if (out[i].kind < EVHOOKS_KIND_MAX)
            p->kind[out[i].kind]++;
    }
    evhooks_release(f->ring);
    p->records += n;
    return n;
}

static void summarise(struct fixture *f, struct position *p, uint64_t now_ns)
{
    struct evhooks_suppressed s;
    uint8_t event[EVHOOKS_EVENT_SIZE] = {0};

    while (evhooks_suppressed_next(f->ring, now_ns, &s)) {
        assert_true(s.first_ns <= s.last_ns);
        if (evhooks_suppressed_state(f->ring, &s, 132, 3, 1, 0, event) == 0)
            p->suppressed += s.count;
    }
}

static void run(struct fixture *f, struct load *l)
{
    struct evhooks_counters last = {0};
    struct position p = {.epoch = 12, .sequence = 1};
    uint32_t epoch = 12, previous, was;
    uint64_t refused = 0, now_ns = 0;

    fixture_epoch(f, epoch);
    start(f, l);
    do {
        read_some(f, &p);
        check_balance(f, &last);
        summarise(f, &p, now_ns += 400000000);
        if (p.records / 500 > (epoch - 12) / 2 && p.epoch + 60 > epoch)
            assert_int_equal(evhooks_epoch_open(f->ring, epoch += 2, &previous, &was), 0);
    } while (last.decided[1] + last.decided[2] + last.decided[3] + last.decided[4] +
                 last.decided[5] + last.decided[6] <
             WORKERS * EVENTS);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(l[i].thread, NULL);
    while (read_some(f, &p) > 0)
        ;
    summarise(f, &p, now_ns + 10000000000ull);
    check_counts(f, l);
    check_balance(f, &last);
    for (int k = 1; k <= 6; k++) {
        assert_int_equal(p.kind[k], last.tagged[k]);
        refused += last.rate_limited[k] + last.capped[k] + last.ring_full[k];
    }
    assert_int_equal(p.suppressed, refused);
}

static void epochs_switch_under_load(void **state)
{
    struct load *l = calloc(WORKERS, sizeof(*l));

    run(*state, l);
    free(l);
}

static void counters_balance_under_limits(void **state)
{
    struct fixture *f = *state;
    struct load *l = calloc(WORKERS, sizeof(*l));
    struct evhooks_options o;

    fixture_teardown(state);
    fixture_options(&o);
    o.rate_per_s = 100000;
    o.burst = 100;
    o.cap_kind = o.cap_telemetry = 0;
    fixture_open(f, &o);
    run(f, l);
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RING_TEST(epochs_switch_under_load),
        RING_TEST(counters_balance_under_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
