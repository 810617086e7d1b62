/* A worker's place: taken, given back, and finished for one that died. */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct flock byte_lock(uint32_t place)
{
    return (struct flock){.l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = RING_LOCK_WORKER + (off_t)place,
                          .l_len = 1};
}

/* Ends with the process, whatever ends it, and tells across process id namespaces. */
bool worker_is_alive(const struct evhooks_ring *r, uint32_t place)
{
    struct flock l = byte_lock(place);

    return fcntl(r->fd, F_OFD_GETLK, &l) != 0 || l.l_type != F_UNLCK;
}

bool worker_claimed(const struct evhooks_ring *r, uint32_t place, uint64_t index)
{
    const struct ring_slot *slot = &r->slot[index & r->mask];
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);

    if (ring_get(&r->h->seen[place]) == index)
        return true;
    return state == index + 1 &&
           atomic_load_explicit(&slot->worker, memory_order_relaxed) == place + 1;
}

static void recount(struct ring_worker *c, uint8_t kind)
{
    uint64_t sum = 0;

    for (size_t z = 0; z < EVHOOKS_ZONE_MAX; z++)
        sum += ring_get(&c->tagged[kind][z]);
    atomic_store_explicit(&c->tagged_kind[kind], sum, memory_order_relaxed);
}

static void recount_refused(struct ring_worker *c, uint8_t kind)
{
    uint64_t sum = 0;

    for (size_t z = 0; z < EVHOOKS_ZONE_MAX; z++) {
        for (size_t i = 0; i < RING_CAUSES; i++)
            sum += ring_get(&c->refused[kind][z][i].count);
    }
    atomic_store_explicit(&c->refused_kind[kind], sum, memory_order_relaxed);
}

/* What the worker would have done next: its counter.  The kind, or -1. */
static int finish(struct ring_worker *c)
{
    uint32_t what = atomic_load_explicit(&c->what, memory_order_relaxed);
    uint32_t kind = what >> 16, zone = what & 0xffff;

    if (kind >= EVHOOKS_KIND_MAX || zone >= EVHOOKS_ZONE_MAX)
        return -1;
    atomic_store_explicit(&c->tagged[kind][zone], ring_get(&c->before) + 1, memory_order_relaxed);
    recount(c, (uint8_t)kind);
    return (int)kind;
}

int worker_settle_abandoned(struct evhooks_ring *r, uint64_t index)
{
    const struct ring_slot *slot = &r->slot[index & r->mask];
    uint32_t owner = atomic_load_explicit(&slot->worker, memory_order_relaxed);
    struct ring_worker *found = NULL;
    int kind = -1;

    for (uint32_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
        struct ring_worker *c = &r->h->worker[i];

        if (atomic_load_explicit(&c->used, memory_order_relaxed) == RING_IN_USE &&
            ring_get(&c->claiming) == index && (found == NULL || owner == i + 1))
            found = c;
    }
    if (found != NULL) {
        kind = finish(found);
        atomic_store_explicit(&found->claiming, 0, memory_order_relaxed);
    }
    return kind;
}

/* Nothing, or something that is not judged yet. */
static bool settle_one(struct evhooks_ring *r, uint32_t place, uint64_t upto)
{
    struct ring_worker *c = &r->h->worker[place];
    uint64_t index = ring_get(&c->claiming);

    if (index >= upto)
        return false;
    if (index != 0 && worker_claimed(r, place, index))
        finish(c);
    for (uint8_t k = 0; k < EVHOOKS_KIND_MAX; k++) { /* It may have died between the two sums. */
        recount(c, k);
        recount_refused(c, k);
    }
    atomic_store_explicit(&c->claiming, 0, memory_order_relaxed);
    atomic_store_explicit(&c->used, RING_FREE, memory_order_release);
    return true;
}

void worker_settle(struct evhooks_ring *r, uint64_t upto)
{
    for (uint32_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
        if (atomic_load_explicit(&r->h->worker[i].used, memory_order_acquire) == RING_IN_USE &&
            !worker_is_alive(r, i))
            settle_one(r, i, upto);
    }
}

static bool take(struct evhooks_worker *w, uint32_t place)
{
    struct flock l = byte_lock(place);

    if (atomic_load_explicit(&w->h->worker[place].used, memory_order_acquire) == RING_IN_USE ||
        fcntl(w->fd, F_OFD_SETLK, &l) != 0)
        return false;
    w->place = place;
    w->cell = &w->h->worker[place];
    atomic_store_explicit(&w->cell->claiming, 0, memory_order_relaxed);
    atomic_store_explicit(&w->cell->used, RING_IN_USE, memory_order_release);
    return true;
}

static bool reader_lives(const struct evhooks_ring *r)
{
    struct flock l = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = RING_LOCK_READER, .l_len = 1};

    return fcntl(r->fd, F_OFD_GETLK, &l) != 0 || l.l_type != F_UNLCK;
}

static bool take_any(struct evhooks_worker *w)
{
    for (uint32_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
        if (take(w, i))
            return true;
    }
    return false;
}

/* A descriptor of its own: the lock is its. */
static int open_again(const struct evhooks_ring *r)
{
    struct stat a, b;
    int fd = shm_open(r->name, O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return -errno;
    if (fstat(r->fd, &a) != 0 || fstat(fd, &b) != 0 || a.st_ino != b.st_ino) {
        close(fd);
        return -ESTALE;
    }
    return fd;
}

static int take_place(struct evhooks_worker *w, struct evhooks_ring *r)
{
    bool taken;

    flock(r->fd, LOCK_EX);
    taken = take_any(w);
    if (!taken && !reader_lives(r)) { /* Nobody else clears up after those that died. */
        worker_settle(r, ring_get(&r->h->read));
        taken = take_any(w);
    }
    flock(r->fd, LOCK_UN);
    return taken ? 0 : -EAGAIN;
}

int evhooks_worker_open(struct evhooks_worker **out, struct evhooks_ring *r, char *err,
                        size_t err_size)
{
    struct evhooks_worker *w = calloc(1, sizeof(*w));
    int rc = w != NULL ? 0 : -ENOMEM;

    if (rc == 0) {
        *w = (struct evhooks_worker){
            .h = r->h, .slot = r->slot, .mask = r->mask, .fd = open_again(r)};
        rc = w->fd < 0 ? w->fd : take_place(w, r);
    }
    if (rc != 0) {
        snprintf(err, err_size, "ring %s: %s", r->name + 1,
                 rc == -EAGAIN   ? "all 64 places of workers are taken"
                 : rc == -ESTALE ? "was removed and made anew; start again"
                                 : "no memory or descriptor for a worker");
        if (w != NULL && w->fd >= 0)
            close(w->fd);
        free(w);
        return rc;
    }
    admit_limits(&w->limits, r->rate_per_s, r->burst);
    w->limits.cap_kind = r->h->cap_kind;
    w->limits.cap_telemetry = r->h->cap_telemetry;
    *out = w;
    return 0;
}

void evhooks_worker_limit(struct evhooks_worker *w, uint32_t rate_per_s, uint32_t burst)
{
    admit_limits(&w->limits, rate_per_s, burst);
}

void evhooks_worker_close(struct evhooks_worker *w)
{
    if (w == NULL)
        return;
    atomic_store_explicit(&w->cell->used, RING_FREE, memory_order_release);
    close(w->fd);
    free(w);
}
