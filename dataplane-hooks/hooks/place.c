/* A ring whose file was removed: who has it mapped goes on with it, and who comes makes another. */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum evhooks_place evhooks_place(const struct evhooks_ring *r)
{
    int fd = shm_open(r->name, O_RDONLY | O_CLOEXEC, 0);
    enum evhooks_place place = EVHOOKS_IN_PLACE; /* Also while that cannot be told. */
    struct stat own, named;

    if (fd < 0 && errno == ENOENT)
        place = EVHOOKS_REMOVED;
    else if (fd < 0 && (errno == EACCES || errno == ELOOP))
        place = EVHOOKS_REPLACED;
    else if (fd >= 0 && fstat(r->fd, &own) == 0 && fstat(fd, &named) == 0 &&
             (own.st_dev != named.st_dev || own.st_ino != named.st_ino))
        place = EVHOOKS_REPLACED;
    if (fd >= 0)
        close(fd);
    return place;
}

uint32_t evhooks_workers(const struct evhooks_ring *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < EVHOOKS_WORKER_MAX; i++)
        n += (r->self == NULL || r->self->place != i) &&
             atomic_load_explicit(&r->h->worker[i].used, memory_order_relaxed) == RING_IN_USE &&
             worker_is_alive(r, i);
    return n;
}

/* Committed, and not free again: a state is that of its slot plus 1. */
static bool is_unread(const struct evhooks_worker *w, uint64_t at)
{
    const struct ring_slot *slot = &w->slot[at];
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);

    return ((state - 1) & w->mask) == at &&
           atomic_load_explicit(&slot->worker, memory_order_relaxed) == w->place + 1;
}

uint64_t evhooks_worker_inherit(struct evhooks_worker *w, const struct evhooks_worker *old,
                                uint64_t time_ns)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i <= old->mask; i++) {
        const struct ring_slot *slot = &old->slot[i];
        uint16_t zone = (uint16_t)(slot->event[48] | slot->event[49] << 8);

        if (!is_unread(old, i))
            continue;
        admit_count_refused(w, EVHOOKS_RING_FULL,
                            slot->kind < EVHOOKS_KIND_MAX - 1 ? slot->kind : 0, ring_zone(zone),
                            time_ns);
        n++;
    }
    return n;
}
