/* Claim, fill, commit: the worker's side. */
#include "admit.h"

#include <string.h>

/* Announced before the claim, so that whoever sees the claim can find out whose it may be. */
static void announce(struct evhooks_worker *w, uint64_t index)
{
    atomic_store_explicit(&w->cell->claiming, index, memory_order_release);
}

static void prepare(struct evhooks_worker *w, uint32_t what)
{
    struct ring_worker *c = w->cell;

    if (what != UINT32_MAX)
        atomic_store_explicit(&c->before, ring_get(&c->tagged[what >> 16][what & 0xffff]),
                              memory_order_relaxed);
    atomic_store_explicit(&c->what, what, memory_order_relaxed);
}

/* The claim and the tag are one step: the word moves from (epoch, n) to (epoch, n + 1) only while
 * slot (base + n) is free.  A word never comes back, so the base that was read belongs to it. */
struct ring_slot *claim_slot(struct evhooks_worker *w, uint8_t kind, uint32_t what, uint64_t *index,
                             enum evhooks_result *result)
{
    struct ring_header *h = w->h;
    uint64_t word = atomic_load_explicit(&h->claim, memory_order_acquire);

    prepare(w, what);
    for (;;) {
        const struct ring_epoch *e = ring_epoch_entry(h, (uint32_t)(word >> 32));
        uint64_t at = atomic_load_explicit(&e->base, memory_order_acquire) + (uint32_t)word;
        struct ring_slot *slot = &w->slot[at & w->mask];

        if (word == 0 || (uint32_t)word == UINT32_MAX) {
            *result = word == 0 ? EVHOOKS_CLOSED : EVHOOKS_RING_FULL;
            break;
        }
        if (ring_is_telemetry(kind) && !admit_cap(w, kind, at)) {
            *result = EVHOOKS_CAPPED;
            break;
        }
        if (atomic_load_explicit(&slot->state, memory_order_acquire) != at) {
            uint64_t now = atomic_load_explicit(&h->claim, memory_order_acquire);

            *result = EVHOOKS_RING_FULL; /* No sequence is consumed. */
            if (now == word)
                break;
            word = now;
            continue;
        }
        announce(w, at);
        if (atomic_compare_exchange_weak_explicit(&h->claim, &word, word + 1, memory_order_acq_rel,
                                                  memory_order_acquire)) {
            atomic_store_explicit(&slot->worker, w->place + 1, memory_order_relaxed);
            *index = at;
            return slot;
        }
    }
    announce(w, 0);
    return NULL;
}

/* Nobody else writes the state of a slot whose claimant lives. */
void claim_commit(struct ring_slot *slot, uint64_t index)
{
    atomic_store_explicit(&slot->state, index + 1, memory_order_release);
}

void claim_withdraw(struct evhooks_worker *w)
{
    announce(w, 0);
}

void claim_done(struct evhooks_worker *w, uint8_t kind, uint16_t zone)
{
    ring_add(&w->cell->tagged[kind][zone], 1);
    ring_add(&w->cell->tagged_kind[kind], 1);
    announce(w, 0);
}

enum evhooks_result evhooks_emit(struct evhooks_worker *w, unsigned group, uint64_t now_ns,
                                 uint64_t time_ns, uint32_t names_generation,
                                 const uint8_t event[EVHOOKS_EVENT_SIZE])
{
    uint8_t kind = event[52] < EVHOOKS_KIND_MAX - 1 ? event[52] : 0;
    uint16_t zone = ring_zone((uint16_t)(event[48] | event[49] << 8));
    enum evhooks_result result = EVHOOKS_OK;
    struct ring_slot *slot = NULL;
    uint64_t index;

    if (!admit_is_active(w->h, group, now_ns))
        result = EVHOOKS_NOT_OWNER;
    else if (w->limits.interval_ns != 0 && ring_is_telemetry(kind) &&
             !admit_limiter(w, kind, zone, now_ns))
        result = EVHOOKS_RATE_LIMITED;
    else
        slot = claim_slot(w, kind, (uint32_t)kind << 16 | zone, &index, &result);
    if (slot == NULL) {
        admit_count_refused(w, result, kind, zone, time_ns);
        return result;
    }
    slot->time_ns = time_ns;
    slot->names_generation = names_generation;
    slot->kind = kind;
    slot->source = slot->mark_source = slot->mark_what = 0;
    memcpy(slot->event, event, EVHOOKS_EVENT_SIZE);
    claim_commit(slot, index);
    claim_done(w, kind, zone);
    return EVHOOKS_OK;
}
