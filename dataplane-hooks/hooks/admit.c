/* Who may have a slot: the owner check, the limiter, the caps (A2), and one counter for each "no".
 */
#include "layout.h"

enum { CAUSE_LIMITED, CAUSE_CAPPED, CAUSE_FULL };

void admit_limits(const struct ring_header *h, struct ring_limits *out)
{
    uint32_t rate = h->rate_per_s;

    out->interval_ns = rate > 0 ? 1000000000ull / rate : 0;
    out->slack_ns = h->burst > 0 ? (h->burst - 1) * out->interval_ns : 0;
    out->cap_kind = h->cap_kind;
    out->cap_telemetry = h->cap_telemetry;
}

/* A1 */
bool admit_is_active(const struct ring_header *h, unsigned group, uint64_t now_ns)
{
    if (group >= EVHOOKS_GROUP_MAX ||
        now_ns >= atomic_load_explicit(&h->active_until_ns, memory_order_acquire))
        return false;
    return atomic_load_explicit(&h->active[group / 64], memory_order_acquire) >> (group % 64) & 1;
}

/* GCRA: one compare-and-swap.  The bucket holds the theoretical arrival of the next event; one that
 * is further ahead than any sequence of events could bring it was not written by this. */
bool admit_limiter(struct evhooks_worker *w, uint8_t kind, uint16_t zone, uint64_t now_ns)
{
    const struct ring_limits *l = &w->limits;
    _Atomic uint64_t *bucket = &w->h->bucket_ns[kind][zone];
    uint64_t arrival = ring_get(bucket);

    for (;;) {
        uint64_t from = arrival > now_ns ? arrival : now_ns;

        if (from > now_ns + l->slack_ns) {
            if (from < now_ns + l->slack_ns + l->interval_ns + 60000000000ull)
                return false;
            from = now_ns;
        }
        if (atomic_compare_exchange_weak_explicit(bucket, &arrival, from + l->interval_ns,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    }
}

static uint64_t in_flight(const struct ring_header *h, uint8_t kind)
{
    uint32_t which = atomic_load_explicit(&h->released_which, memory_order_acquire) & 1;
    uint64_t tagged = 0, released = ring_get(&h->released[which].kind[kind]);

    for (size_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
        if (atomic_load_explicit(&h->worker[i].used, memory_order_relaxed) != 0)
            tagged += ring_get(&h->worker[i].tagged_kind[kind]);
    }
    return tagged > released ? tagged - released : 0;
}

/* A kind has no more in flight than there are slots in use, so it is counted only when that many
 * are. */
bool admit_cap(const struct evhooks_worker *w, uint8_t kind, uint64_t used)
{
    if (used >= w->limits.cap_telemetry)
        return false;
    return used < w->limits.cap_kind || in_flight(w->h, kind) < w->limits.cap_kind;
}

static struct ring_refused *refused(struct evhooks_worker *w, enum evhooks_result result,
                                    uint8_t kind, uint16_t zone, size_t *cause)
{
    *cause = result == EVHOOKS_RATE_LIMITED ? CAUSE_LIMITED
             : result == EVHOOKS_CAPPED     ? CAUSE_CAPPED
                                            : CAUSE_FULL;
    return &w->cell->refused[kind][zone][*cause];
}

/* A3.  Not ours to log is no loss: it is counted, and never summarised. */
void admit_count_refused(struct evhooks_worker *w, enum evhooks_result result, uint8_t kind,
                         uint16_t zone, uint64_t time_ns)
{
    struct ring_refused *f;
    uint64_t round;
    size_t cause;

    if (result == EVHOOKS_NOT_OWNER) {
        ring_add(&w->cell->not_owner[kind][zone], 1);
        return;
    }
    f = refused(w, result, kind, zone, &cause);
    round = ring_get(&w->h->stated[kind][zone][cause].round);
    if (ring_get(&f->round) != round || ring_get(&f->count) == 0) {
        atomic_store_explicit(&f->first_ns, time_ns, memory_order_relaxed);
        atomic_store_explicit(&f->round, round, memory_order_relaxed);
    }
    atomic_store_explicit(&f->last_ns, time_ns, memory_order_relaxed);
    atomic_store_explicit(&f->count, ring_get(&f->count) + 1, memory_order_release);
    ring_add(&w->cell->refused_kind[kind], 1);
}
