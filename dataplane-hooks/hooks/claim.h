/* Claim, fill, commit: in line, for a call costs as much as a part of it. */
#ifndef EVHOOKS_CLAIM_H
#define EVHOOKS_CLAIM_H

#include "admit.h"

enum { CLAIM_AHEAD = 8 }; /* Slots: by bench_hook; fewer come too late. */

/* Announced before the claim, so that whoever sees the claim can find out whose it may be. */
static inline void claim_announce(struct evhooks_worker *w, uint64_t index)
{
    atomic_store_explicit(&w->cell->claiming, index, memory_order_release);
}

static inline void claim_prepare(struct evhooks_worker *w, uint32_t what)
{
    struct ring_worker *c = w->cell;

    if (what != UINT32_MAX)
        atomic_store_explicit(&c->before, ring_get(&c->tagged[what >> 16][what & 0xffff]),
                              memory_order_relaxed);
    atomic_store_explicit(&c->what, what, memory_order_relaxed);
}

/* Of an epoch for good, so the worker remembers the last one: a claim waits for no second load. */
static inline uint64_t claim_base(struct evhooks_worker *w, uint32_t epoch)
{
    if (epoch != w->epoch) {
        w->base = atomic_load_explicit(&ring_epoch_entry(w->h, epoch)->base, memory_order_acquire);
        w->epoch = epoch;
    }
    return w->base;
}

/* The slot, announced as what the worker tries to claim, or NULL; *result says why.  The claim and
 * the tag are one step: the word moves from (epoch, n) to (epoch, n + 1) only while
 * slot (base + n) is free.  A word never comes back, so the base that was read belongs to it. */
static inline struct ring_slot *claim_slot(struct evhooks_worker *w, uint8_t kind, uint32_t what,
                                           uint64_t *index, enum evhooks_result *result)
{
    struct ring_header *h = w->h;
    uint64_t word = atomic_load_explicit(&h->claim, memory_order_acquire);

    claim_prepare(w, what);
    for (;;) {
        uint64_t at = claim_base(w, (uint32_t)(word >> 32)) + (uint32_t)word;
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
        claim_announce(w, at);
        if (atomic_compare_exchange_weak_explicit(&h->claim, &word, word + 1, memory_order_acq_rel,
                                                  memory_order_acquire)) {
            atomic_store_explicit(&slot->worker, w->place + 1, memory_order_relaxed);
            *index = at;
            return slot;
        }
    }
    claim_announce(w, 0);
    return NULL;
}

/* One attempt at the same, without a loop: what nearly every event needs.  NULL: nothing was
 * claimed, and claim_slot() finds out why not. */
static inline struct ring_slot *claim_at_once(struct evhooks_worker *w, uint8_t kind, uint32_t what,
                                              uint64_t *index)
{
    uint64_t word = atomic_load_explicit(&w->h->claim, memory_order_acquire);
    uint64_t at = w->base + (uint32_t)word;
    struct ring_slot *slot = &w->slot[at & w->mask];

    if (word == 0 || (uint32_t)(word >> 32) != w->epoch || (uint32_t)word == UINT32_MAX ||
        (ring_is_telemetry(kind) && !admit_is_few(w, at)) ||
        atomic_load_explicit(&slot->state, memory_order_acquire) != at)
        return NULL;
    claim_prepare(w, what);
    claim_announce(w, at);
    if (!atomic_compare_exchange_strong_explicit(&w->h->claim, &word, word + 1,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return NULL; /* It stays announced: claim_slot() goes on from here. */
    atomic_store_explicit(&slot->worker, w->place + 1, memory_order_relaxed);
    *index = at;
    return slot;
}

/* The reader had them last, on another core: they are on their way here when they are claimed.
 * always_inline: gcc takes the call of a function that only prefetches for one without effect. */
static inline __attribute__((always_inline)) void claim_fetch(const struct evhooks_worker *w,
                                                              uint64_t index)
{
    const struct ring_slot *slot = &w->slot[(index + CLAIM_AHEAD) & w->mask];

    for (size_t line = 0; line < sizeof(*slot); line += 64)
        __builtin_prefetch((const char *)slot + line, 1);
}

/* Nobody else writes the state of a slot whose claimant lives. */
static inline void claim_commit(struct ring_slot *slot, uint64_t index)
{
    atomic_store_explicit(&slot->state, index + 1, memory_order_release);
}

static inline void claim_withdraw(struct evhooks_worker *w)
{
    claim_announce(w, 0);
}

/* The counter, then the withdrawal of the announcement. */
static inline void claim_done(struct evhooks_worker *w, uint8_t kind, uint16_t zone)
{
    ring_add(&w->cell->tagged[kind][zone], 1);
    ring_add(&w->cell->tagged_kind[kind], 1);
    claim_announce(w, 0);
}

#endif
