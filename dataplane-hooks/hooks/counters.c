/* A3: what was decided, by outcome.  Each worker counts for itself; who looks sums up. */
#include "layout.h"

#include <string.h>

static void add_zone(const struct ring_worker *c, uint8_t kind, uint16_t zone,
                     struct evhooks_counts *out)
{
    const struct ring_refused *f = c->refused[kind][zone];

    out->not_owner += ring_get(&c->not_owner[kind][zone]);
    out->rate_limited += ring_get(&f[0].count);
    out->capped += ring_get(&f[1].count);
    out->ring_full += ring_get(&f[2].count);
    out->tagged += ring_get(&c->tagged[kind][zone]);
}

static void add_sum(struct evhooks_counts *c)
{
    c->decided = c->not_owner + c->rate_limited + c->capped + c->ring_full + c->tagged;
}

static bool was_used(const struct ring_worker *c)
{
    return atomic_load_explicit(&c->used, memory_order_acquire) != 0;
}

void evhooks_counts(const struct evhooks_ring *r, uint8_t kind, uint16_t zone,
                    struct evhooks_counts *out)
{
    memset(out, 0, sizeof(*out));
    if (kind >= EVHOOKS_KIND_MAX)
        return;
    for (size_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
        if (was_used(&r->h->worker[i]))
            add_zone(&r->h->worker[i], kind, ring_zone(zone), out);
    }
    add_sum(out);
}

void evhooks_counters(const struct evhooks_ring *r, struct evhooks_counters *out)
{
    memset(out, 0, sizeof(*out));
    for (uint8_t k = 0; k < EVHOOKS_KIND_MAX; k++) {
        struct evhooks_counts c = {0};

        for (size_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
            for (uint16_t z = 0; z < EVHOOKS_ZONE_MAX && was_used(&r->h->worker[i]); z++)
                add_zone(&r->h->worker[i], k, z, &c);
        }
        add_sum(&c);
        out->decided[k] = c.decided;
        out->not_owner[k] = c.not_owner;
        out->rate_limited[k] = c.rate_limited;
        out->capped[k] = c.capped;
        out->ring_full[k] = c.ring_full;
        out->tagged[k] = c.tagged;
    }
}
