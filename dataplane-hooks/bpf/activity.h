/* The ring's word on activity, brought to the eBPF program by a thread of its own: loading another
 * program takes the main thread longer than a node may go on deciding. */
#ifndef EVBPF_ACTIVITY_H
#define EVBPF_ACTIVITY_H

#include "evhooks.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ACTIVITY_GROUPS = EVHOOKS_GROUP_MAX };

struct activity {
    int map; /* Which every program uses: until when each group is active (CLOCK_MONOTONIC, ns). */
    _Atomic(const struct evhooks_ring *) ring;
    _Atomic(const struct evhooks_ring *) using; /* Not to be closed before it is another one. */
    uint64_t told[ACTIVITY_GROUPS];
    pthread_t thread;
    atomic_bool stopping;
    bool runs;
};

/* Says it once before it returns, then every 2 ms.  0, or -1 with one line in err. */
int activity_start(struct activity *a, const struct evhooks_ring *ring, char *err, size_t err_size);
/* Of another ring from now on; the one before may be closed then. */
void activity_move(struct activity *a, const struct evhooks_ring *ring);
/* Also of one that did not start. */
void activity_stop(struct activity *a);

#endif
