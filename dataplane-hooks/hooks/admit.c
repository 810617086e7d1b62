/* Who may have a slot: the owner check, the limiter, the caps (A2), and one counter for each "no".
 */
#include "layout.h"

#include <string.h>

static bool is_telemetry(uint8_t kind)
{
    return kind == 3 || kind == 4 || kind == 6; /* Denies, screens, filter logs. */
}

/* GCRA: one compare-and-swap.  The bucket holds the theoretical arrival of the next event. */
static bool limiter_admits(struct ring_header *h, uint8_t kind, uint16_t zone, uint64_t now_ns)
{
    _Atomic uint64_t *bucket = &h->bucket_ns[kind][zone < RING_ZONES ? zone : RING_ZONES - 1];
    uint64_t interval_ns, slack_ns, arrival;

    if (h->rate_per_s == 0)
        return true;
    interval_ns = 1000000000ull / h->rate_per_s;
    slack_ns = h->burst > 0 ? (h->burst - 1) * interval_ns : 0;
    arrival = atomic_load_explicit(bucket, memory_order_relaxed);
    for (;;) {
        uint64_t from = arrival > now_ns ? arrival : now_ns;

        if (from > now_ns + slack_ns)
            return false;
        if (atomic_compare_exchange_weak_explicit(bucket, &arrival, from + interval_ns,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    }
}

static bool cap_admits(struct ring_header *h, uint8_t kind)
{
    uint64_t all = 0;

    for (uint8_t k = 3; k <= 6; k++)
        all += is_telemetry(k) ? atomic_load_explicit(&h->in_flight[k], memory_order_relaxed) : 0;
    return atomic_load_explicit(&h->in_flight[kind], memory_order_relaxed) < h->cap_kind &&
           all < h->cap_telemetry;
}

/* A1 */
bool admit_is_active(const struct ring_header *h, unsigned group, uint64_t now_ns)
{
    if (group >= EVHOOKS_GROUP_MAX ||
        now_ns >= atomic_load_explicit(&h->active_until_ns, memory_order_acquire))
        return false;
    return atomic_load_explicit(&h->active[group / 64], memory_order_acquire) >> (group % 64) & 1;
}

enum evhooks_result admit_check(struct ring_header *h, unsigned group, uint8_t kind, uint16_t zone,
                                uint64_t now_ns)
{
    if (!admit_is_active(h, group, now_ns))
        return EVHOOKS_NOT_OWNER;
    if (!is_telemetry(kind))
        return EVHOOKS_OK;
    if (!limiter_admits(h, kind, zone, now_ns))
        return EVHOOKS_RATE_LIMITED;
    if (!cap_admits(h, kind))
        return EVHOOKS_CAPPED;
    return EVHOOKS_OK;
}

void admit_release(struct ring_header *h, uint8_t kind)
{
    if (kind < EVHOOKS_KIND_MAX && is_telemetry(kind))
        atomic_fetch_sub_explicit(&h->in_flight[kind], 1, memory_order_relaxed);
}

static int cause_of(enum evhooks_result result)
{
    switch (result) {
    case EVHOOKS_RATE_LIMITED:
        return 0;
    case EVHOOKS_CAPPED:
        return 1;
    case EVHOOKS_RING_FULL:
    case EVHOOKS_CLOSED:
        return 2;
    default: /* Not ours to log is no loss. */
        return -1;
    }
}

/* A3: every decision ends in exactly one counter. */
void admit_count(struct ring_header *h, enum evhooks_result result, uint8_t kind, uint16_t zone,
                 uint64_t time_ns)
{
    int cause = cause_of(result);
    int column = result == EVHOOKS_OK ? 5 : result == EVHOOKS_CLOSED ? 4 : (int)result;
    struct ring_refused *f;

    atomic_fetch_add_explicit(&h->counter[0][kind], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->counter[column][kind], 1, memory_order_relaxed);
    if (cause < 0)
        return;
    f = &h->refused[kind][zone < RING_ZONES ? zone : RING_ZONES - 1][cause];
    if (atomic_fetch_add_explicit(&f->count, 1, memory_order_relaxed) == 0)
        atomic_store_explicit(&f->first_ns, time_ns, memory_order_relaxed);
    atomic_store_explicit(&f->last_ns, time_ns, memory_order_relaxed);
}
