/* Claim, commit, read. */
#include "layout.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct ring_epoch *epoch_entry(const struct ring_header *h, uint32_t epoch)
{
    return &h->epoch[(epoch >> 1) % RING_EPOCHS];
}

/* The claim and the tag are one step: the word moves from (epoch, n) to (epoch, n + 1) only while
 * slot (base + n) is free.  A word never comes back, so the base that was read belongs to it. */
struct ring_slot *ring_claim(struct evhooks_ring *r, uint64_t *index)
{
    uint64_t word = atomic_load_explicit(&r->h->claim, memory_order_acquire);

    for (;;) {
        const struct ring_epoch *e = epoch_entry(r->h, (uint32_t)(word >> 32));
        struct ring_slot *slot;
        uint64_t at;

        if (word == 0 || (uint32_t)word == UINT32_MAX)
            return NULL;
        at = atomic_load_explicit(&e->base, memory_order_acquire) + (uint32_t)word;
        slot = &r->slot[at & r->mask];
        if (atomic_load_explicit(&slot->state, memory_order_acquire) != at) {
            uint64_t now = atomic_load_explicit(&r->h->claim, memory_order_acquire);

            if (now == word)
                return NULL; /* Full: no sequence is consumed. */
            word = now;
            continue;
        }
        if (atomic_compare_exchange_weak_explicit(&r->h->claim, &word, word + 1,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            atomic_store_explicit(&slot->pid, r->pid, memory_order_relaxed);
            *index = at;
            return slot;
        }
    }
}

static void commit(struct ring_slot *slot, uint64_t index)
{
    /* Fails only when the reader gave this slot up; then it is not ours any more. */
    atomic_compare_exchange_strong_explicit(&slot->state, &index, index + 1, memory_order_release,
                                            memory_order_relaxed);
}

static int put(struct evhooks_ring *r, uint8_t kind, uint8_t source, uint64_t time_ns,
               uint32_t names_generation, const uint8_t *event)
{
    uint64_t index;
    struct ring_slot *slot = ring_claim(r, &index);

    if (slot == NULL)
        return -1;
    slot->names_generation = names_generation;
    slot->time_ns = time_ns;
    slot->kind = kind;
    slot->source = source;
    memcpy(slot->event, event, EVHOOKS_EVENT_SIZE);
    commit(slot, index);
    return 0;
}

enum evhooks_result evhooks_emit(struct evhooks_ring *r, unsigned group, uint64_t now_ns,
                                 uint64_t time_ns, uint32_t names_generation,
                                 const uint8_t event[EVHOOKS_EVENT_SIZE])
{
    uint8_t kind = event[52] < EVHOOKS_KIND_MAX ? event[52] : 0;
    uint16_t zone = (uint16_t)(event[48] | event[49] << 8);
    enum evhooks_result result = admit_check(r->h, group, kind, zone, now_ns);

    if (result == EVHOOKS_OK) {
        atomic_fetch_add_explicit(&r->h->in_flight[kind], 1, memory_order_relaxed);
        if (put(r, kind, 0, time_ns, names_generation, event) != 0) {
            atomic_fetch_sub_explicit(&r->h->in_flight[kind], 1, memory_order_relaxed);
            result = atomic_load_explicit(&r->h->claim, memory_order_relaxed) == 0
                         ? EVHOOKS_CLOSED
                         : EVHOOKS_RING_FULL;
        }
    }
    admit_count(r->h, result, kind, zone, time_ns);
    return result;
}

int evhooks_state(struct evhooks_ring *r, uint8_t kind, uint8_t source, uint64_t time_ns,
                  uint32_t names_generation, const uint8_t event[EVHOOKS_EVENT_SIZE])
{
    return put(r, kind, source, time_ns, names_generation, event);
}

/* ---- the reader ---- */

/* The epoch that claimed an index is the one with the highest base below it. */
static bool tag_of(const struct ring_header *h, uint64_t index, uint32_t *epoch, uint32_t *sequence)
{
    bool found = false;

    for (size_t i = 0; i < RING_EPOCHS; i++) {
        uint32_t e = atomic_load_explicit(&h->epoch[i].epoch, memory_order_acquire);
        uint64_t base = atomic_load_explicit(&h->epoch[i].base, memory_order_acquire);

        if (e == 0 || index - base < 2 || index - base > UINT32_MAX || (found && e < *epoch))
            continue;
        found = true;
        *epoch = e;
        *sequence = (uint32_t)(index - base);
    }
    return found;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static bool is_dead(uint32_t pid)
{
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static bool some_writer_died(const struct ring_header *h)
{
    for (size_t i = 0; i < RING_WRITERS; i++) {
        uint32_t pid = atomic_load_explicit(&h->writer[i], memory_order_relaxed);

        if (pid != 0 && is_dead(pid))
            return true;
    }
    return false;
}

/* A4: a slot that was claimed and not committed.  A slow writer is waited for; one that is gone is
 * not. One that died before it could write its pid is told by the death of some writer, a second
 * later. */
static bool is_abandoned(struct evhooks_ring *r, const struct ring_slot *slot, uint64_t index)
{
    uint32_t pid = atomic_load_explicit(&slot->pid, memory_order_relaxed);
    uint64_t now = now_ns();

    if (r->stuck_index != index) {
        r->stuck_index = index;
        r->stuck_ns = now;
        return false;
    }
    if (pid != 0)
        return now - r->stuck_ns > 10000000ull && is_dead(pid);
    return now - r->stuck_ns > 1000000000ull && some_writer_died(r->h);
}

static void release(struct evhooks_ring *r, struct ring_slot *slot, uint64_t index)
{
    if (atomic_load_explicit(&slot->state, memory_order_relaxed) == index + 1)
        admit_release(r->h, slot->kind);
    atomic_store_explicit(&slot->pid, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->state, index + r->mask + 1, memory_order_release);
    atomic_store_explicit(&r->h->read, index + 1, memory_order_release);
}

static uint64_t claimed_index(const struct ring_header *h)
{
    uint64_t word = atomic_load_explicit(&h->claim, memory_order_acquire);

    if (word == 0)
        return 0;
    return atomic_load_explicit(&epoch_entry(h, (uint32_t)(word >> 32))->base,
                                memory_order_acquire) +
           (uint32_t)word;
}

static bool read_one(struct evhooks_ring *r, uint64_t index, struct evhooks_record *out)
{
    struct ring_slot *slot = &r->slot[index & r->mask];
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);

    memset(out, 0, sizeof(*out));
    if (!tag_of(r->h, index, &out->epoch, &out->sequence))
        return false;
    if (state == index + 1) {
        out->time_ns = slot->time_ns;
        out->names_generation = slot->names_generation;
        out->kind = slot->kind;
        out->source = slot->source;
        memcpy(out->event, slot->event, EVHOOKS_EVENT_SIZE);
        out->abandoned = out->kind == 0 || out->kind == 7 || out->source > 3;
        return true;
    }
    if (state == index && !is_abandoned(r, slot, index))
        return false;
    out->abandoned = 1; /* Also a slot whose state was overwritten with nonsense. */
    return true;
}

size_t evhooks_read(struct evhooks_ring *r, struct evhooks_record *out, size_t n)
{
    uint64_t end = claimed_index(r->h);
    size_t count = 0;

    while (count < n && r->cursor < end) {
        if (!read_one(r, r->cursor, &out[count]))
            break;
        if (count > 0 && out[count].epoch != out[0].epoch)
            break;
        r->cursor++;
        count++;
    }
    return count;
}

void evhooks_release(struct evhooks_ring *r)
{
    uint64_t index = atomic_load_explicit(&r->h->read, memory_order_relaxed);

    if (r->cursor - index > r->mask + 1) /* Another process wrote it. */
        index = r->cursor > r->mask ? r->cursor - r->mask - 1 : 0;
    for (; index < r->cursor; index++)
        release(r, &r->slot[index & r->mask], index);
}

void evhooks_epoch_open(struct evhooks_ring *r, uint32_t epoch, uint32_t *previous, uint32_t *last)
{
    struct ring_epoch *e = &r->h->epoch[(epoch >> 1) % RING_EPOCHS];
    uint64_t word = atomic_load_explicit(&r->h->claim, memory_order_acquire);
    uint64_t next;

    do {
        next = word == 0 ? atomic_load_explicit(&r->h->read, memory_order_relaxed)
                         : atomic_load_explicit(&epoch_entry(r->h, (uint32_t)(word >> 32))->base,
                                                memory_order_acquire) +
                               (uint32_t)word;
        atomic_store_explicit(&e->base, next - 2, memory_order_release);
        atomic_store_explicit(&e->epoch, epoch, memory_order_release);
    } while (!atomic_compare_exchange_weak_explicit(&r->h->claim, &word, (uint64_t)epoch << 32 | 2,
                                                    memory_order_acq_rel, memory_order_acquire));
    *previous = (uint32_t)(word >> 32);
    *last = word == 0 ? 0 : (uint32_t)word - 1;
}

void evhooks_epoch_opened(struct evhooks_ring *r, uint32_t *epoch, uint32_t *previous,
                          uint32_t *last)
{
    uint64_t word = atomic_load_explicit(&r->h->claim, memory_order_acquire);
    uint64_t base;

    *epoch = (uint32_t)(word >> 32);
    *previous = *last = 0;
    if (word == 0)
        return;
    base = atomic_load_explicit(&epoch_entry(r->h, *epoch)->base, memory_order_acquire);
    for (size_t i = 0; i < RING_EPOCHS; i++) {
        uint32_t e = atomic_load_explicit(&r->h->epoch[i].epoch, memory_order_acquire);
        uint64_t b = atomic_load_explicit(&r->h->epoch[i].base, memory_order_acquire);

        if (e >= *epoch || e <= *previous)
            continue;
        *previous = e;
        *last = (uint32_t)(base + 1 - b);
    }
}

void evhooks_produced(struct evhooks_ring *r, uint32_t *epoch, uint32_t *last)
{
    uint64_t word = atomic_load_explicit(&r->h->claim, memory_order_acquire);

    *epoch = (uint32_t)(word >> 32);
    *last = word == 0 ? 0 : (uint32_t)word - 1;
}

void evhooks_activate(struct evhooks_ring *r, unsigned group, bool active)
{
    uint64_t bit = 1ull << (group % 64);

    if (group >= EVHOOKS_GROUP_MAX)
        return;
    if (active)
        atomic_fetch_or_explicit(&r->h->active[group / 64], bit, memory_order_release);
    else
        atomic_fetch_and_explicit(&r->h->active[group / 64], ~bit, memory_order_release);
}

void evhooks_active_until(struct evhooks_ring *r, uint64_t until_ns)
{
    atomic_store_explicit(&r->h->active_until_ns, until_ns, memory_order_release);
}

bool evhooks_active(const struct evhooks_ring *r, unsigned group)
{
    return admit_is_active(r->h, group, now_ns());
}

void evhooks_counters(const struct evhooks_ring *r, struct evhooks_counters *out)
{
    uint64_t *const column[6] = {out->decided, out->not_owner, out->rate_limited,
                                 out->capped,  out->ring_full, out->tagged};

    for (size_t c = 0; c < 6; c++) {
        for (size_t k = 0; k < EVHOOKS_KIND_MAX; k++)
            column[c][k] = atomic_load_explicit(&r->h->counter[c][k], memory_order_relaxed);
    }
}

static bool summary(struct evhooks_ring *r, uint8_t kind, uint16_t zone, uint8_t cause,
                    uint64_t now, struct evhooks_suppressed *out)
{
    struct ring_refused *f = &r->h->refused[kind][zone][cause];
    uint64_t count = atomic_load_explicit(&f->count, memory_order_relaxed);
    uint64_t *said = &r->reported[kind][zone][cause];

    if (count == *said || now - r->said_ns[kind][zone][cause] < 1000000000ull)
        return false;
    *out = (struct evhooks_suppressed){
        .kind = kind,
        .cause = cause,
        .zone = zone,
        .count = count - *said,
        .first_ns = atomic_load_explicit(&f->first_ns, memory_order_relaxed),
        .last_ns = atomic_load_explicit(&f->last_ns, memory_order_relaxed),
    };
    *said = count;
    r->said_ns[kind][zone][cause] = now;
    return true;
}

bool evhooks_suppressed_next(struct evhooks_ring *r, uint64_t now, struct evhooks_suppressed *out)
{
    for (uint8_t k = 1; k < EVHOOKS_KIND_MAX; k++) {
        for (uint16_t z = 0; z < RING_ZONES; z++) {
            for (uint8_t c = 0; c < RING_CAUSES; c++) {
                if (summary(r, k, z, c, now, out))
                    return true;
            }
        }
    }
    return false;
}
