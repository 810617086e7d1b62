/* The reader: what other processes wrote is checked before it is believed. */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t damaged(struct evhooks_ring *r, const char *what)
{
    if (r->damage[0] == '\0' && atomic_load(&r->cut_off))
        memcpy(r->damage, r->cut_off_line, sizeof(r->damage));
    else if (r->damage[0] == '\0')
        snprintf(r->damage, sizeof(r->damage),
                 "ring %s: damaged by another process (%s); stop both sides and remove it",
                 r->name + 1, what);
    return r->cursor;
}

const char *evhooks_damage(const struct evhooks_ring *r)
{
    if (atomic_load(&r->cut_off))
        return r->cut_off_line;
    return r->damage[0] != '\0' ? r->damage : NULL;
}

/* One past what is claimed.  Only the reader opens epochs, claims only go on, and there are never
 * more than there are slots. */
static uint64_t claimed_end(struct evhooks_ring *r)
{
    uint64_t word = atomic_load_explicit(&r->h->claim, memory_order_acquire);
    uint64_t end;

    if (r->damage[0] != '\0')
        return r->cursor;
    if ((uint32_t)(word >> 32) != r->live || atomic_load(&r->cut_off))
        return damaged(r, "epoch");
    if (r->live == 0)
        return word == 0 ? r->cursor : damaged(r, "claim");
    end = r->tag[(r->live >> 1) % RING_EPOCHS].base + (uint32_t)word;
    if ((uint32_t)word < 2 || end < r->highest || end - r->first > r->mask + 1)
        return damaged(r, "claim");
    r->highest = end;
    return end;
}

/* The epoch that claimed an index is the highest that began at or below it; *until: where it ends.
 */
static bool epoch_of(const struct evhooks_ring *r, uint64_t index, struct ring_tag *out,
                     uint64_t *until)
{
    out->epoch = 0;
    *until = UINT64_MAX;
    for (size_t i = 0; i < RING_EPOCHS; i++) {
        const struct ring_tag *t = &r->tag[i];

        if (t->epoch == 0)
            continue;
        if (t->base + 2 > index)
            *until = t->base + 2 < *until ? t->base + 2 : *until;
        else if (t->epoch > out->epoch)
            *out = *t;
    }
    return out->epoch != 0;
}

/* A4: who announced this index and lives has it or soon tries another one. */
static bool is_abandoned(const struct evhooks_ring *r, const struct ring_slot *slot, uint64_t index)
{
    for (uint32_t i = 0; i < EVHOOKS_WORKER_MAX; i++) {
        const struct ring_worker *c = &r->h->worker[i];

        if (atomic_load_explicit(&c->used, memory_order_relaxed) != 0 &&
            atomic_load_explicit(&c->claiming, memory_order_acquire) == index &&
            worker_is_alive(r, i))
            return false;
    }
    return atomic_load_explicit(&slot->state, memory_order_acquire) == index;
}

static void copy(struct evhooks_ring *r, const struct ring_slot *slot, uint64_t index,
                 struct evhooks_record *out)
{
    uint32_t owner = atomic_load_explicit(&slot->worker, memory_order_relaxed);

    out->time_ns = slot->time_ns;
    out->names_generation = slot->names_generation;
    out->kind = slot->kind;
    out->source = slot->source;
    memcpy(out->event, slot->event, EVHOOKS_EVENT_SIZE);
    out->abandoned = out->kind == EVHOOKS_KIND_MAX - 1 || out->source > 3;
    if (out->kind < EVHOOKS_KIND_MAX)
        r->read_kind[out->kind]++;
    if (owner >= 1 && owner <= EVHOOKS_WORKER_MAX)
        atomic_store_explicit(&r->h->seen[owner - 1], index, memory_order_relaxed);
}

static bool read_one(struct evhooks_ring *r, uint64_t index, struct evhooks_record *out)
{
    struct ring_slot *slot = &r->slot[index & r->mask];
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
    int kind;

    memset(out, 0, sizeof(*out));
    if (state == index && !is_abandoned(r, slot, index)) {
        state = atomic_load_explicit(&slot->state, memory_order_acquire);
        if (state == index)
            return false;
    }
    if (state == index + 1) {
        copy(r, slot, index, out);
        return true;
    }
    out->abandoned = 1; /* Also a slot whose state was overwritten with nonsense. */
    kind = worker_settle_abandoned(r, index);
    if (kind >= 0)
        r->read_kind[kind]++;
    return true;
}

size_t evhooks_read(struct evhooks_ring *r, struct evhooks_record *out, size_t n)
{
    uint64_t end = claimed_end(r), until;
    struct ring_tag tag;
    size_t count = 0;

    if (r->cursor >= end) {
        if (r->damage[0] == '\0')
            repair_next(r, end);
        return 0;
    }
    if (!epoch_of(r, r->cursor, &tag, &until)) {
        damaged(r, "epochs");
        return 0;
    }
    end = until < end ? until : end;
    while (count < n && r->cursor < end && read_one(r, r->cursor, &out[count])) {
        out[count].epoch = tag.epoch;
        out[count].sequence = (uint32_t)(r->cursor - tag.base);
        r->cursor++;
        count++;
    }
    return count;
}

/* ---- release ---- */

static void free_slots(struct evhooks_ring *r, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        struct ring_slot *slot = &r->slot[i & r->mask];

        atomic_store_explicit(&slot->state, i + r->mask + 1, memory_order_release);
    }
    atomic_store_explicit(&r->h->read, to, memory_order_release);
}

/* What is counted as released is released, by this reader or the next. */
static void publish_released(struct evhooks_ring *r)
{
    uint32_t which = atomic_load_explicit(&r->h->released_which, memory_order_relaxed) & 1;
    const struct ring_released *old = &r->h->released[which];
    struct ring_released *new = &r->h->released[which ^ 1];

    for (size_t k = 0; k < EVHOOKS_KIND_MAX; k++) {
        atomic_store_explicit(&new->kind[k], ring_get(&old->kind[k]) + r->read_kind[k],
                              memory_order_relaxed);
        r->read_kind[k] = 0;
    }
    atomic_store_explicit(&new->index, r->cursor, memory_order_relaxed);
    atomic_store_explicit(&r->h->released_which, which ^ 1, memory_order_release);
}

void evhooks_release(struct evhooks_ring *r)
{
    if (r->cursor == r->first)
        return;
    publish_released(r);
    free_slots(r, r->first, r->cursor);
    r->first = r->cursor;
}

uint64_t evhooks_claimed(struct evhooks_ring *r)
{
    return claimed_end(r);
}

uint64_t evhooks_released(const struct evhooks_ring *r)
{
    return r->first;
}

uint32_t evhooks_slots(const struct evhooks_ring *r)
{
    return (uint32_t)(r->mask + 1);
}

/* ---- open ---- */

static void restore_epochs(struct evhooks_ring *r)
{
    uint64_t word = atomic_load_explicit(&r->h->claim, memory_order_acquire);

    r->live = (uint32_t)(word >> 32);
    memset(r->tag, 0, sizeof(r->tag));
    for (size_t i = 0; i < RING_EPOCHS; i++) {
        struct ring_epoch *e = &r->h->epoch[i];
        uint32_t epoch = atomic_load_explicit(&e->epoch, memory_order_acquire);

        if (epoch == 0 || (epoch >> 1) % RING_EPOCHS != i)
            continue;
        if (epoch > r->live) { /* The reader before died before it was open. */
            atomic_store_explicit(&e->epoch, 0, memory_order_relaxed);
            continue;
        }
        r->tag[i] = (struct ring_tag){.epoch = epoch, .base = ring_get(&e->base)};
    }
    if (r->live != 0 && r->tag[(r->live >> 1) % RING_EPOCHS].epoch != r->live)
        damaged(r, "epochs");
}

static void restore_released(struct evhooks_ring *r)
{
    uint32_t which = atomic_load_explicit(&r->h->released_which, memory_order_acquire) & 1;
    uint64_t counted = ring_get(&r->h->released[which].index);
    uint64_t read = atomic_load_explicit(&r->h->read, memory_order_acquire);

    r->first = r->cursor = r->highest = read;
    if (counted > read && counted - read <= r->mask + 1) {
        free_slots(r, read, counted);
        r->first = r->cursor = r->highest = counted;
    }
    memset(r->read_kind, 0, sizeof(r->read_kind));
}

static int open_self(struct evhooks_ring *r)
{
    char err[160];

    if (r->self != NULL) {
        evhooks_worker_close(r->self);
        r->self = NULL;
    }
    return evhooks_worker_open(&r->self, r, err, sizeof(err));
}

int evhooks_reader_open(struct evhooks_ring *r)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = RING_LOCK_READER, .l_len = 1};

    if (r->reader_fd >= 0)
        close(r->reader_fd);
    r->reader_fd = shm_open(r->name, O_RDWR | O_CLOEXEC, 0600);
    if (r->reader_fd < 0)
        return -errno;
    flock(r->fd, LOCK_EX); /* Nobody settles for dead workers meanwhile. */
    if (fcntl(r->reader_fd, F_OFD_SETLK, &lock) != 0) { /* Goes with the process. */
        flock(r->fd, LOCK_UN);
        close(r->reader_fd);
        r->reader_fd = -1;
        return -EBUSY;
    }
    r->damage[0] = '\0';
    restore_released(r);
    restore_epochs(r);
    repair_free(r);
    suppressed_restore(r);
    worker_settle(r, r->first);
    flock(r->fd, LOCK_UN);
    if (r->damage[0] != '\0')
        return -EPROTO;
    return open_self(r);
}
