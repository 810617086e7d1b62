/* The worker's side.  `what` is kind << 16 | zone. */
#include "claim.h"

#include <string.h>

static inline enum evhooks_result fill(struct evhooks_worker *w, struct ring_slot *slot,
                                       uint64_t index, uint32_t what, uint64_t time_ns,
                                       uint32_t names_generation,
                                       const uint8_t event[EVHOOKS_EVENT_SIZE])
{
    claim_fetch(w, index);
    slot->time_ns = time_ns;
    slot->about = ring_about(names_generation, (uint8_t)(what >> 16));
    memcpy(slot->event, event, EVHOOKS_EVENT_SIZE);
    claim_commit(slot, index);
    claim_done(w, (uint8_t)(what >> 16), (uint16_t)what);
    return EVHOOKS_OK;
}

/* This and the next are out of line: what every event passes needs few registers then. */
static __attribute__((noinline)) enum evhooks_result
refuse(struct evhooks_worker *w, enum evhooks_result why, uint32_t what, uint64_t time_ns)
{
    admit_count_refused(w, why, (uint8_t)(what >> 16), (uint16_t)what, time_ns);
    return why;
}

static __attribute__((noinline)) enum evhooks_result
emit_slowly(struct evhooks_worker *w, uint32_t what, uint64_t time_ns, uint32_t names_generation,
            const uint8_t event[EVHOOKS_EVENT_SIZE])
{
    enum evhooks_result why = EVHOOKS_OK;
    uint64_t index;
    struct ring_slot *slot = claim_slot(w, (uint8_t)(what >> 16), what, &index, &why);

    if (slot == NULL)
        return refuse(w, why, what, time_ns);
    return fill(w, slot, index, what, time_ns, names_generation, event);
}

enum evhooks_result evhooks_emit(struct evhooks_worker *w, unsigned group, uint64_t now_ns,
                                 uint64_t time_ns, uint32_t names_generation,
                                 const uint8_t event[EVHOOKS_EVENT_SIZE])
{
    uint8_t kind = event[52] < EVHOOKS_KIND_MAX - 1 ? event[52] : 0;
    uint16_t zone = ring_zone((uint16_t)(event[48] | event[49] << 8));
    uint32_t what = (uint32_t)kind << 16 | zone;
    struct ring_slot *slot;
    uint64_t index;

    if (!admit_is_active(w->h, group, now_ns))
        return refuse(w, EVHOOKS_NOT_OWNER, what, time_ns);
    if (w->limits.interval_ns != 0 && ring_is_telemetry(kind) &&
        !admit_limiter(w, kind, zone, now_ns))
        return refuse(w, EVHOOKS_RATE_LIMITED, what, time_ns);
    slot = claim_at_once(w, kind, what, &index);
    if (slot == NULL)
        return emit_slowly(w, what, time_ns, names_generation, event);
    return fill(w, slot, index, what, time_ns, names_generation, event);
}

uint32_t evhooks_worker_room(struct evhooks_worker *w)
{
    uint64_t word = atomic_load_explicit(&w->h->claim, memory_order_acquire);
    uint64_t slots = w->mask + 1, used;

    if (word == 0)
        return (uint32_t)slots;
    used = claim_base(w, (uint32_t)(word >> 32)) + (uint32_t)word - ring_get(&w->h->read);
    return used < slots ? (uint32_t)(slots - used) : 0;
}
