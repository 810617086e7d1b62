/* links: evhooks */
/* What one event costs at the hook, beside a bare ring with slots of the same size into which it is
 * simply copied: many writers, one word that is claimed by compare-and-swap, nothing else.  Rounds
 * of the two alternate in one run; time is the thread's own, so that what else runs here matters
 * little. usage: bench_hook [ROUNDS] */
#include "layout.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 16384, EVENTS = 4096, WORKERS = 2, BATCH = 256 };

/* ---- the bare ring ---- */

struct bare {
    _Alignas(64) _Atomic uint64_t claim;
    _Alignas(64) struct ring_slot slot[SLOTS];
    uint64_t read;
};

static void bare_put(struct bare *b, uint64_t time_ns, uint32_t names, const uint8_t *event)
{
    uint64_t at = atomic_load_explicit(&b->claim, memory_order_acquire);
    struct ring_slot *s;

    for (;;) {
        s = &b->slot[at % SLOTS];
        if (atomic_load_explicit(&s->state, memory_order_acquire) != at)
            at = atomic_load_explicit(&b->claim, memory_order_acquire); /* Another one has it. */
        else if (atomic_compare_exchange_weak_explicit(&b->claim, &at, at + 1, memory_order_acq_rel,
                                                       memory_order_acquire))
            break;
    }
    s->time_ns = time_ns;
    s->names_generation = names;
    s->kind = event[52];
    memcpy(s->event, event, EVHOOKS_EVENT_SIZE);
    atomic_store_explicit(&s->state, at + 1, memory_order_release);
}

static void bare_drain(struct bare *b)
{
    static struct evhooks_record out;

    for (; b->read < atomic_load(&b->claim); b->read++) {
        struct ring_slot *s = &b->slot[b->read % SLOTS];

        out.time_ns = s->time_ns;
        memcpy(out.event, s->event, EVHOOKS_EVENT_SIZE);
        __asm__ volatile(""
                         :
                         : "r"(&out)
                         : "memory"); /* Else nothing is read: nobody looks at it. */
        atomic_store_explicit(&s->state, b->read + SLOTS, memory_order_release);
    }
}

/* ---- rounds ---- */

struct bench {
    struct bare *bare;
    struct evhooks_ring *ring;
    pthread_barrier_t begin, end;
    int workers;
    bool with_hooks, stop;
};

struct worker {
    struct bench *b;
    struct evhooks_worker *w;
    uint64_t spent_ns, now_ns; /* now_ns: only goes on, as the limiter expects. */
};

static uint64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void round_of(struct worker *x)
{
    uint8_t event[EVHOOKS_EVENT_SIZE] = {[48] = 1, [52] = EVHOOKS_POLICY_DENY, [55] = 2};
    int n = EVENTS / x->b->workers;
    uint64_t begin = thread_ns();

    for (int i = 0; i < n; i++) {
        event[8] = (uint8_t)i;
        x->now_ns += 1000;
        if (!x->b->with_hooks)
            bare_put(x->b->bare, x->now_ns, 1, event);
        else if (evhooks_emit(x->w, 1, x->now_ns, x->now_ns, 1, event) != EVHOOKS_OK)
            abort();
    }
    x->spent_ns = thread_ns() - begin;
}

static void *work(void *arg)
{
    struct worker *x = arg;

    for (;;) {
        pthread_barrier_wait(&x->b->begin);
        if (x->b->stop)
            return NULL;
        round_of(x);
        pthread_barrier_wait(&x->b->end);
    }
}

static void drain(struct bench *b)
{
    static struct evhooks_record out[BATCH];

    bare_drain(b->bare);
    while (evhooks_read(b->ring, out, BATCH) > 0)
        evhooks_release(b->ring);
}

static double one(struct bench *b, struct worker *x, bool with_hooks)
{
    uint64_t sum = 0;

    b->with_hooks = with_hooks;
    pthread_barrier_wait(&b->begin);
    pthread_barrier_wait(&b->end);
    for (int i = 0; i < b->workers; i++)
        sum += x[i].spent_ns;
    drain(b);
    return (double)sum / (EVENTS / b->workers * b->workers);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), by_value);
    return v[n / 2];
}

static struct evhooks_ring *open_ring(const char *name, uint32_t rate, uint32_t burst)
{
    struct evhooks_options o;
    struct evhooks_ring *r;
    uint32_t previous, last;
    char err[256];

    evhooks_defaults(&o);
    o.slots = SLOTS;
    o.rate_per_s = rate;
    o.burst = burst;
    if (evhooks_open(&r, name, &o, err, sizeof(err)) != 0 || evhooks_reader_open(r) != 0)
        abort();
    evhooks_activate(r, 1, true);
    evhooks_active_until(r, UINT64_MAX);
    evhooks_epoch_open(r, 2, &previous, &last);
    return r;
}

static void compare(struct bench *b, const char *what, int workers, int rounds)
{
    struct worker x[WORKERS] = {0};
    pthread_t t[WORKERS];
    double *hook = calloc((size_t)rounds, sizeof(*hook)),
           *bare = calloc((size_t)rounds, sizeof(*bare));
    double *ratio = calloc((size_t)rounds, sizeof(*ratio));
    char err[256];

    b->workers = workers;
    b->stop = false;
    pthread_barrier_init(&b->begin, NULL, (unsigned)workers + 1);
    pthread_barrier_init(&b->end, NULL, (unsigned)workers + 1);
    for (int i = 0; i < workers; i++) {
        x[i].b = b;
        x[i].now_ns = (uint64_t)workers * 1000000000000ull;
        if (evhooks_worker_open(&x[i].w, b->ring, err, sizeof(err)) != 0)
            abort();
        pthread_create(&t[i], NULL, work, &x[i]);
    }
    for (int r = 0; r < rounds + 4; r++) { /* 4 to warm up. */
        int at = r < 4 ? 0 : r - 4;

        bare[at] = one(b, x, false);
        hook[at] = one(b, x, true);
        ratio[at] = hook[at] / bare[at];
    }
    b->stop = true;
    pthread_barrier_wait(&b->begin);
    for (int i = 0; i < workers; i++) {
        pthread_join(t[i], NULL);
        evhooks_worker_close(x[i].w);
    }
    printf(
        "%-14s %d worker%s  hook %6.1f ns, bare ring %6.1f ns, ratio %.2f (medians of %d rounds)\n",
        what, workers, workers > 1 ? "s" : " ", median(hook, rounds), median(bare, rounds),
        median(ratio, rounds), rounds);
    free(hook);
    free(bare);
    free(ratio);
}

static void refused(const char *name, int rounds)
{
    struct evhooks_ring *r = open_ring(name, 1, 1);
    uint8_t event[EVHOOKS_EVENT_SIZE] = {[48] = 1, [52] = EVHOOKS_POLICY_DENY, [55] = 2};
    double *v = calloc((size_t)rounds, sizeof(*v));
    struct evhooks_worker *w;
    char err[256];

    if (evhooks_worker_open(&w, r, err, sizeof(err)) != 0)
        abort();
    evhooks_emit(w, 1, 1000, 1000, 1, event);
    for (int k = 0; k < rounds; k++) {
        uint64_t begin = thread_ns();

        for (uint64_t i = 0; i < EVENTS; i++) {
            if (evhooks_emit(w, 1, 1000 + i, 1000 + i, 1, event) != EVHOOKS_RATE_LIMITED)
                abort();
        }
        v[k] = (double)(thread_ns() - begin) / EVENTS;
    }
    printf("refused     by the limiter %.1f ns\n", median(v, rounds));
    free(v);
    evhooks_worker_close(w);
    evhooks_close(r);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 300;
    struct bench b = {.bare = aligned_alloc(64, sizeof(struct bare))};
    char name[3][64], path[200];

    memset(b.bare, 0, sizeof(*b.bare));
    for (uint64_t i = 0; i < SLOTS; i++)
        atomic_store(&b.bare->slot[i].state, i);
    for (int i = 0; i < 3; i++)
        snprintf(name[i], sizeof(name[i]), "evrep-bench-%d-%d", getpid(), i);
    b.ring = open_ring(name[0], 1000000000, 1000000000);
    compare(&b, "limiter on", 1, rounds);
    compare(&b, "limiter on", 2, rounds);
    evhooks_close(b.ring);
    b.ring = open_ring(name[1], 0, 0);
    compare(&b, "limiter off", 1, rounds);
    compare(&b, "limiter off", 2, rounds);
    evhooks_close(b.ring);
    refused(name[2], rounds);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "/%s", name[i]);
        shm_unlink(path);
    }
    free(b.bare);
    return 0;
}
