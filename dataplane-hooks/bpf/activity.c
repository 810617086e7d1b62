#include "activity.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TURN_MS = 2 }; /* How late a change is. */

static void tell(struct activity *a)
{
    const struct evhooks_ring *ring = atomic_load(&a->ring);

    atomic_store(&a->using, ring);
    if (ring != atomic_load(&a->ring))
        return; /* It may be closed already. */
    for (uint32_t group = 0; group < ACTIVITY_GROUPS; group++) {
        uint64_t until_ns = evhooks_active_end(ring, group);

        if (until_ns != a->told[group] &&
            bpf_map_update_elem(a->map, &group, &until_ns, BPF_ANY) == 0)
            a->told[group] = until_ns;
    }
}

static void *run(void *at)
{
    const struct timespec wait = {.tv_nsec = TURN_MS * 1000000l};
    struct activity *a = at;

    while (!atomic_load_explicit(&a->stopping, memory_order_relaxed)) {
        tell(a);
        nanosleep(&wait, NULL);
    }
    return NULL;
}

int activity_start(struct activity *a, const struct evhooks_ring *ring, char *err, size_t err_size)
{
    int rc;

    atomic_store(&a->ring, ring);
    a->map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "active", sizeof(uint32_t), sizeof(uint64_t),
                            ACTIVITY_GROUPS, NULL);
    if (a->map < 0) {
        snprintf(err, err_size, "%s",
                 a->map == -EPERM
                     ? "the kernel does not let this process use eBPF: run evbpf as root (or with "
                       "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON), outside of a container that "
                       "forbids bpf()"
                     : strerror(-a->map));
        return -1;
    }
    tell(a);
    rc = pthread_create(&a->thread, NULL, run, a);
    a->runs = rc == 0;
    if (rc != 0)
        snprintf(err, err_size, "a thread cannot be started: %s", strerror(rc));
    return rc == 0 ? 0 : -1;
}

void activity_move(struct activity *a, const struct evhooks_ring *ring)
{
    const struct timespec wait = {.tv_nsec = TURN_MS * 1000000l};

    atomic_store(&a->ring, ring);
    while (atomic_load(&a->using) != ring)
        nanosleep(&wait, NULL);
}

void activity_stop(struct activity *a)
{
    atomic_store(&a->stopping, true);
    if (a->runs)
        pthread_join(a->thread, NULL);
    if (a->map > 0)
        close(a->map);
}
