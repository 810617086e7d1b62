/* Free slots: a claim needs the state that the reader left, so one word that another process
 * overwrote would make the ring full for good. */
#include "layout.h"

/* A4: whoever claims an index found its slot free before, and its commit comes after its claim.  So
 * the state is looked at first and the claims after it: while they end at or below the index, it is
 * not a worker's.  None can claim it before the repair, unless it saw the slot before the damage;
 * it commits over the repair then, and if it was quicker, the exchange fails. */
static void repair(struct evhooks_ring *r, uint64_t index)
{
    struct ring_slot *slot = &r->slot[index & r->mask];
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);

    if (state == index || evhooks_claimed(r) > index || r->damage[0] != '\0')
        return;
    if (atomic_compare_exchange_strong_explicit(&slot->state, &state, index, memory_order_acq_rel,
                                                memory_order_relaxed))
        r->repaired++;
}

void repair_free(struct evhooks_ring *r)
{
    uint64_t end = r->first + r->mask + 1;

    for (uint64_t i = evhooks_claimed(r); i < end && r->damage[0] == '\0'; i++)
        repair(r, i);
}

void repair_next(struct evhooks_ring *r, uint64_t end)
{
    const struct ring_slot *slot = &r->slot[end & r->mask];

    if (end - r->first <= r->mask &&
        atomic_load_explicit(&slot->state, memory_order_acquire) != end)
        repair_free(r);
}

uint64_t evhooks_repaired(const struct evhooks_ring *r)
{
    return r->repaired;
}
