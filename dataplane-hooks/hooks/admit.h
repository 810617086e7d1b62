/* What every event passes on its way to a slot, in line: the owner check, the limiter, the caps
 * (A2). Pure. */
#ifndef EVHOOKS_ADMIT_H
#define EVHOOKS_ADMIT_H

#include "layout.h"

/* A1 */
static inline bool admit_is_active(const struct ring_header *h, unsigned group, uint64_t now_ns)
{
    if (group >= EVHOOKS_GROUP_MAX ||
        now_ns >= atomic_load_explicit(&h->active_until_ns, memory_order_acquire))
        return false;
    return atomic_load_explicit(&h->active[group / 64], memory_order_acquire) >> (group % 64) & 1;
}

/* GCRA: one compare-and-swap.  The bucket holds the theoretical arrival of the next event; one that
 * is further ahead than any sequence of events could bring it was not written by this. */
static inline bool admit_limiter(struct evhooks_worker *w, uint8_t kind, uint16_t zone,
                                 uint64_t now_ns)
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

/* Of a kind, by all workers. */
uint64_t admit_in_flight(const struct ring_header *h, uint8_t kind);

/* Fewer slots are in use than any cap, by what the worker knows of the reader: its line is not
 * touched for each event. */
static inline bool admit_is_few(const struct evhooks_worker *w, uint64_t index)
{
    uint64_t used = index - w->read;

    return used < w->limits.cap_kind && used < w->limits.cap_telemetry;
}

/* A kind has no more in flight than there are slots in use, so it is counted only when that many
 * are. */
static inline bool admit_cap(struct evhooks_worker *w, uint8_t kind, uint64_t index)
{
    uint64_t used;

    if (admit_is_few(w, index))
        return true;
    w->read = ring_get(&w->h->read);
    used = index - w->read;
    if (used >= w->limits.cap_telemetry)
        return false;
    return used < w->limits.cap_kind || admit_in_flight(w->h, kind) < w->limits.cap_kind;
}

#endif
