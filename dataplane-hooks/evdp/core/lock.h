/* A lock held for some hundred instructions, never across anything that waits: workers share the
 * tables of sessions, hosts and fragments in pieces, each with one of these. */
#ifndef EVDP_LOCK_H
#define EVDP_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

enum { SPIN_TRIES = 10000 }; /* Some 10 us. */

struct spin {
    _Atomic uint32_t held;
};

static inline void spin_lock(struct spin *s)
{
    while (atomic_exchange_explicit(&s->held, 1, memory_order_acquire) != 0) {
        while (atomic_load_explicit(&s->held, memory_order_relaxed) != 0)
            ;
    }
}

/* For who holds another lock already: two that wait for each other would do so for ever.  false: it
 * is held by somebody, who is slow. */
static inline int spin_try(struct spin *s)
{
    for (int i = 0; i < SPIN_TRIES; i++) {
        if (atomic_load_explicit(&s->held, memory_order_relaxed) == 0 &&
            atomic_exchange_explicit(&s->held, 1, memory_order_acquire) == 0)
            return 1;
    }
    return 0;
}

static inline void spin_unlock(struct spin *s)
{
    atomic_store_explicit(&s->held, 0, memory_order_release);
}

#endif
