/* Epochs and statements: what the reader writes. */
#include "claim.h"

#include <errno.h>
#include <string.h>

/* Is any record of this epoch still in the ring? */
static bool is_needed(const struct evhooks_ring *r, const struct ring_tag *t)
{
    uint64_t end = UINT64_MAX;

    if (t->epoch == 0)
        return false;
    for (size_t i = 0; i < RING_EPOCHS; i++) {
        if (r->tag[i].epoch > t->epoch && r->tag[i].base + 2 < end)
            end = r->tag[i].base + 2;
    }
    return end > r->first && end > t->base + 2;
}

int evhooks_epoch_open(struct evhooks_ring *r, uint32_t epoch, uint32_t *previous, uint32_t *last)
{
    size_t place = (epoch >> 1) % RING_EPOCHS;
    struct ring_epoch *e = &r->h->epoch[place];
    uint64_t word = atomic_load_explicit(&r->h->claim, memory_order_acquire), next;

    if (evhooks_claimed(r) < r->cursor || r->damage[0] != '\0')
        return -EPROTO;
    if (epoch <= r->live)
        return -EINVAL;
    if (is_needed(r, &r->tag[place]))
        return -EAGAIN;
    do {
        if ((uint32_t)(word >> 32) != r->live)
            return -EPROTO;
        next = word == 0 ? r->first : r->tag[(r->live >> 1) % RING_EPOCHS].base + (uint32_t)word;
        atomic_store_explicit(&e->base, next - 2, memory_order_release);
        atomic_store_explicit(&e->epoch, epoch, memory_order_release);
    } while (!atomic_compare_exchange_weak_explicit(&r->h->claim, &word, (uint64_t)epoch << 32 | 2,
                                                    memory_order_acq_rel, memory_order_acquire));
    r->tag[place] = (struct ring_tag){.epoch = epoch, .base = next - 2};
    r->live = epoch;
    *previous = (uint32_t)(word >> 32);
    *last = word == 0 ? 0 : (uint32_t)word - 1;
    return 0;
}

void evhooks_epoch_opened(struct evhooks_ring *r, uint32_t *epoch, uint32_t *previous,
                          uint32_t *last)
{
    uint64_t base;

    *epoch = r->live;
    *previous = *last = 0;
    if (r->live == 0)
        return;
    base = r->tag[(r->live >> 1) % RING_EPOCHS].base;
    for (size_t i = 0; i < RING_EPOCHS; i++) {
        const struct ring_tag *t = &r->tag[i];

        if (t->epoch >= r->live || t->epoch <= *previous)
            continue;
        *previous = t->epoch;
        *last = (uint32_t)(base + 1 - t->base);
    }
}

void evhooks_produced(struct evhooks_ring *r, uint32_t *epoch, uint32_t *last)
{
    uint64_t word;

    if (r->reader_fd >= 0) /* It knows what can be. */
        evhooks_claimed(r);
    word = r->damage[0] != '\0' ? 0 : atomic_load_explicit(&r->h->claim, memory_order_acquire);
    *epoch = (uint32_t)(word >> 32);
    *last = word == 0 ? 0 : (uint32_t)word - 1;
}

/* ---- activity ---- */

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

/* ---- statements ---- */

/* The slot stays announced: the caller withdraws it when it has counted. */
static int put(struct evhooks_ring *r, const struct evhooks_record *x, uint32_t what,
               const struct evhooks_mark *mark)
{
    enum evhooks_result result;
    uint64_t index;
    struct ring_slot *slot = claim_slot(r->self, 0, what, &index, &result);

    if (slot == NULL)
        return -EAGAIN;
    slot->time_ns = x->time_ns;
    slot->names_generation = x->names_generation;
    slot->kind = x->kind;
    slot->source = x->source;
    slot->mark_source = mark != NULL ? mark->source : 0;
    slot->mark_what = mark != NULL ? mark->what : 0;
    slot->mark_run = mark != NULL ? mark->run : 0;
    slot->mark_from = mark != NULL ? mark->from : 0;
    slot->mark_to = mark != NULL ? mark->to : 0;
    memcpy(slot->event, x->event, EVHOOKS_EVENT_SIZE);
    claim_commit(slot, index);
    return 0;
}

static struct evhooks_record record_of(uint8_t kind, uint8_t source, uint64_t time_ns,
                                       uint32_t names_generation, const uint8_t *event)
{
    struct evhooks_record x = {
        .time_ns = time_ns, .names_generation = names_generation, .kind = kind, .source = source};

    memcpy(x.event, event, EVHOOKS_EVENT_SIZE);
    return x;
}

int evhooks_state(struct evhooks_ring *r, uint8_t kind, uint8_t source, uint64_t time_ns,
                  uint32_t names_generation, const uint8_t event[EVHOOKS_EVENT_SIZE],
                  const struct evhooks_mark *mark)
{
    struct evhooks_record x = record_of(kind, source, time_ns, names_generation, event);
    bool counted = kind < EVHOOKS_KIND_MAX - 1;
    uint16_t zone = ring_zone((uint16_t)(event[48] | event[49] << 8));
    int rc = put(r, &x, counted ? (uint32_t)kind << 16 | zone : UINT32_MAX, mark);

    if (rc == 0 && counted)
        claim_done(r->self, kind, zone);
    else if (rc == 0)
        claim_withdraw(r->self);
    return rc;
}

int evhooks_suppressed_state(struct evhooks_ring *r, const struct evhooks_suppressed *s,
                             uint8_t kind, uint8_t source, uint64_t time_ns,
                             uint32_t names_generation, const uint8_t event[EVHOOKS_EVENT_SIZE])
{
    struct evhooks_record x = record_of(kind, source, time_ns, names_generation, event);
    int rc;

    suppressed_begin(r, s);
    rc = put(r, &x, UINT32_MAX, NULL);
    if (rc == 0) {
        suppressed_finish(r);
        suppressed_even(r, s);
    } else {
        suppressed_cancel(r, s);
    }
    claim_withdraw(r->self);
    return rc;
}

bool evhooks_marks(struct evhooks_ring *r, uint64_t *cursor, struct evhooks_mark *out)
{
    uint64_t end = evhooks_claimed(r);

    if (*cursor < r->first)
        *cursor = r->first;
    while (*cursor < end) {
        uint64_t index = (*cursor)++;
        const struct ring_slot *slot = &r->slot[index & r->mask];

        if (atomic_load_explicit(&slot->state, memory_order_acquire) != index + 1 ||
            slot->mark_source == 0)
            continue;
        *out = (struct evhooks_mark){.source = slot->mark_source,
                                     .what = slot->mark_what,
                                     .run = slot->mark_run,
                                     .from = slot->mark_from,
                                     .to = slot->mark_to};
        return true;
    }
    return false;
}

void *evhooks_memory(struct evhooks_ring *r)
{
    return r->h->memory;
}
