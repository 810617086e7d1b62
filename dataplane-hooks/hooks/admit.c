/* Who may have a slot: the owner check, the limiter, the caps (A2), and one counter for each "no".
 */
#include "admit.h"

enum { CAUSE_LIMITED, CAUSE_CAPPED, CAUSE_FULL };

void admit_limits(struct ring_limits *out, uint32_t rate_per_s, uint32_t burst)
{
    out->interval_ns = rate_per_s > 0 ? 1000000000ull / rate_per_s : 0;
    out->slack_ns = burst > 0 ? (burst - 1) * out->interval_ns : 0;
}

uint64_t admit_in_flight(const struct ring_header *h, uint8_t kind)
{
    uint32_t which = atomic_load_explicit(&h->released_which, memory_order_acquire) & 1;
    uint64_t tagged = 0, released = ring_get(&h->released[which].kind[kind]);

    for (size_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
        if (atomic_load_explicit(&h->worker[i].used, memory_order_relaxed) != 0)
            tagged += ring_get(&h->worker[i].tagged_kind[kind]);
    }
    return tagged > released ? tagged - released : 0;
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
