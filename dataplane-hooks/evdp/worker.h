/* A worker: one thread, one queue of every interface. */
#ifndef EVDP_WORKER_H
#define EVDP_WORKER_H

#include "decide.h"
#include "evhooks.h"
#include "stats.h"
#include "xsk.h"

#include <pthread.h>
#include <stdatomic.h>

struct count { /* Written by one worker, read by the main thread. */
    _Atomic uint64_t n;
};

static inline void count_add(struct count *c, uint64_t n)
{
    atomic_store_explicit(&c->n, atomic_load_explicit(&c->n, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline uint64_t count_get(const struct count *c)
{
    return atomic_load_explicit(&c->n, memory_order_relaxed);
}

struct loaded { /* A configuration in force, and what is counted by its numbers. */
    struct evdp_config config;
    struct {
        struct count packets, bytes;
    } term[QUEUES_MAX][TERMS_MAX];
};

struct worker_port {
    struct count received, fate[FATES], sent, tx_full;
    struct lane_counts before; /* Of sockets that it had. */
    bool was_active;           /* Its group, when this worker looked last. */
};

struct worker {
    struct dataplane *d;
    struct lane lane;
    struct evhooks_worker *hook; /* Its place in the ring. */
    pthread_t thread;
    _Atomic(struct loaded *) using; /* Not to be freed before it is another one. */
    struct worker_port port[PORTS_MAX];
    uint32_t rate_per_s; /* Of its limiter. */
    bool nobody_reads;   /* It waited for room in the ring, at the end, and none came. */
    uint64_t aged_ns;
    uint64_t offset_ns, offset_at_ns; /* CLOCK_REALTIME less CLOCK_MONOTONIC, as it was at. */
};

struct dataplane {
    _Atomic(struct loaded *) current;
    _Atomic bool stopping;
    struct state *state;
    struct ports ports;
    struct evhooks_ring *ring;
    uint32_t worker_count;
    struct worker *worker[QUEUES_MAX];
};

uint64_t clock_ns(clockid_t id);
/* Runs until d->stopping; then it may be joined. */
int worker_start(struct worker *w);
/* Ends every session, with its event, and waits for room in the ring; no worker runs any more. */
void worker_expire_all(struct worker *w);

#endif
