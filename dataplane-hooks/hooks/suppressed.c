/* Summaries of what was refused: each refusal is stated once, whichever reader does it. */
#include "layout.h"

#include <string.h>

enum { SWEEP_END = EVHOOKS_KIND_MAX * EVHOOKS_ZONE_MAX * RING_CAUSES };

#define SWEEP_NS 1000000000ull

/* No worker refuses faster; and so long may a reader stand still between its look at the clock and
 * at the counts. */
enum { REFUSAL_NS = 4 };
#define STANDSTILL_NS (10 * SWEEP_NS)
#define LONG_NS       (1ull << 50)

static bool was_used(const struct ring_worker *c)
{
    return atomic_load_explicit(&c->used, memory_order_acquire) != 0;
}

static struct ring_stated *stated_of(struct evhooks_ring *r, const struct evhooks_suppressed *s)
{
    return &r->h->stated[s->kind][s->zone][s->cause];
}

/* Another process writes the counts.  What is not stated has been counted since they were even. */
static bool can_be(const struct evhooks_ring *r, const struct evhooks_suppressed *s, uint64_t delta,
                   uint64_t workers, uint64_t now_ns)
{
    uint64_t even_ns = r->even_ns[s->kind][s->zone][s->cause], quiet_ns = r->quiet_ns[s->kind];
    uint64_t ns = now_ns - (even_ns > quiet_ns ? even_ns : quiet_ns);

    ns = ns < LONG_NS ? ns : LONG_NS;
    return delta <= workers * ((ns + STANDSTILL_NS) / REFUSAL_NS);
}

/* It is taken for what is stated already, so that what is refused from now on is stated. */
static void set_even(struct evhooks_ring *r, const struct evhooks_suppressed *s, uint64_t now_ns)
{
    struct ring_stated *stated = stated_of(r, s);

    ring_add(&stated->round, 1);
    atomic_store_explicit(&stated->count, s->upto, memory_order_relaxed);
    r->even_ns[s->kind][s->zone][s->cause] = now_ns;
    r->miscounted++;
}

/* first_ns counts where a worker began a new interval; one that raced with the last statement may
 * still show the old one's, so that it is never before what was last said. */
static bool sum_up(struct evhooks_ring *r, struct evhooks_suppressed *s, uint64_t now_ns)
{
    const struct ring_stated *stated = stated_of(r, s);
    uint64_t *said = &r->said_last_ns[s->kind][s->zone][s->cause];
    uint64_t round = ring_get(&stated->round), already = ring_get(&stated->count), workers = 0;

    s->upto = s->last_ns = 0;
    s->first_ns = UINT64_MAX;
    for (size_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
        const struct ring_refused *f = &r->h->worker[i].refused[s->kind][s->zone][s->cause];
        uint64_t count, first, last;

        if (!was_used(&r->h->worker[i]))
            continue;
        workers++;
        count = atomic_load_explicit(&f->count, memory_order_acquire);
        first = ring_get(&f->first_ns);
        last = ring_get(&f->last_ns);
        s->upto += count;
        if (count == 0 || ring_get(&f->round) != round)
            continue;
        s->first_ns = first < s->first_ns ? first : s->first_ns;
        s->last_ns = last > s->last_ns ? last : s->last_ns;
    }
    s->count = s->upto - already; /* Of one that went back: more than can be. */
    if (s->count == 0) {
        r->even_ns[s->kind][s->zone][s->cause] = now_ns;
        return false;
    }
    if (!can_be(r, s, s->count, workers, now_ns)) {
        set_even(r, s, now_ns);
        return false;
    }
    s->last_ns = s->last_ns < *said ? *said : s->last_ns;
    if (s->first_ns < *said || s->first_ns > s->last_ns)
        s->first_ns = *said != 0 ? *said : s->last_ns;
    return true;
}

static bool kind_changed(struct evhooks_ring *r, uint8_t kind, uint64_t now_ns)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
        if (was_used(&r->h->worker[i]))
            sum += ring_get(&r->h->worker[i].refused_kind[kind]);
    }
    if (sum == r->swept[kind]) {
        r->quiet_ns[kind] = now_ns;
        return false;
    }
    r->swept[kind] = sum;
    return true;
}

bool evhooks_suppressed_next(struct evhooks_ring *r, uint64_t now_ns,
                             struct evhooks_suppressed *out)
{
    if (r->sweep_ns == 0) /* Who read before may just have stated what is there. */
        r->sweep_ns = now_ns;
    if (r->sweep_at >= SWEEP_END) {
        if (now_ns - r->sweep_ns < SWEEP_NS)
            return false;
        r->sweep_ns = now_ns;
        r->sweep_at = 0;
        worker_settle(r, r->first);
    }
    while (r->sweep_at < SWEEP_END) {
        uint32_t at = r->sweep_at;
        uint8_t kind = (uint8_t)(at / (EVHOOKS_ZONE_MAX * RING_CAUSES));

        if (at % (EVHOOKS_ZONE_MAX * RING_CAUSES) == 0 && !kind_changed(r, kind, now_ns)) {
            r->sweep_at += EVHOOKS_ZONE_MAX * RING_CAUSES;
            continue;
        }
        r->sweep_at++;
        *out = (struct evhooks_suppressed){.kind = kind,
                                           .zone = (uint16_t)(at / RING_CAUSES % EVHOOKS_ZONE_MAX),
                                           .cause = (uint8_t)(at % RING_CAUSES)};
        if (sum_up(r, out, now_ns)) {
            r->sweep_ns = now_ns; /* A sweep may take long, and the next one is brief. */
            return true;
        }
    }
    return false;
}

/* ---- stated with its record, or not at all ---- */

void suppressed_begin(struct evhooks_ring *r, const struct evhooks_suppressed *s)
{
    struct ring_header *h = r->h;

    atomic_store_explicit(&h->stating.cause, s->cause, memory_order_relaxed);
    atomic_store_explicit(&h->stating.place, r->self->place, memory_order_relaxed);
    atomic_store_explicit(&h->stating.count, s->upto, memory_order_relaxed);
    atomic_store_explicit(&h->stating.what, ((uint32_t)s->kind << 16 | s->zone) + 1,
                          memory_order_release);
}

void suppressed_finish(struct evhooks_ring *r)
{
    struct ring_header *h = r->h;
    uint32_t what = atomic_load_explicit(&h->stating.what, memory_order_acquire) - 1;
    uint32_t cause = atomic_load_explicit(&h->stating.cause, memory_order_relaxed);
    struct ring_stated *stated;

    if (what >> 16 >= EVHOOKS_KIND_MAX || (what & 0xffff) >= EVHOOKS_ZONE_MAX ||
        cause >= RING_CAUSES)
        return;
    stated = &h->stated[what >> 16][what & 0xffff][cause];
    ring_add(&stated->round, 1);
    atomic_store_explicit(&stated->count, ring_get(&h->stating.count), memory_order_relaxed);
    atomic_store_explicit(&h->stating.what, 0, memory_order_release);
}

void suppressed_even(struct evhooks_ring *r, const struct evhooks_suppressed *s)
{
    r->said_last_ns[s->kind][s->zone][s->cause] = s->last_ns;
    r->even_ns[s->kind][s->zone][s->cause] = r->sweep_ns;
}

void suppressed_cancel(struct evhooks_ring *r, const struct evhooks_suppressed *s)
{
    atomic_store_explicit(&r->h->stating.what, 0, memory_order_release);
    r->swept[s->kind] = UINT64_MAX; /* Look again at the next sweep. */
}

/* The reader before us died somewhere in this: is its record in the ring? */
void suppressed_restore(struct evhooks_ring *r)
{
    uint32_t place = atomic_load_explicit(&r->h->stating.place, memory_order_relaxed);
    uint64_t index;

    r->sweep_at = SWEEP_END;
    for (size_t k = 0; k < EVHOOKS_KIND_MAX; k++)
        r->swept[k] = r->quiet_ns[k] = 0;
    memset(r->even_ns, 0, sizeof(r->even_ns));
    if (atomic_load_explicit(&r->h->stating.what, memory_order_acquire) == 0 ||
        place >= EVHOOKS_WORKER_MAX)
        return;
    index = ring_get(&r->h->worker[place].claiming);
    if (index != 0 && worker_claimed(r, place, index))
        suppressed_finish(r);
    atomic_store_explicit(&r->h->stating.what, 0, memory_order_release);
}

uint64_t evhooks_miscounted(const struct evhooks_ring *r)
{
    return r->miscounted;
}
