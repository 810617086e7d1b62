/* The dataplane's ring, as the replicator sees it: claims and tags in one step, no holes. */
#include "sim.h"

#include <string.h>

uint64_t record_proof(const struct world *w, uint8_t origin, uint32_t epoch, uint32_t sequence)
{
    struct rng r = {w->seed ^ ((uint64_t)epoch << 33 | (uint64_t)sequence << 1 | origin)};

    return rng_next(&r);
}

static struct ring_entry *claim(struct world *w, struct node *n, uint8_t kind)
{
    struct sim_ring *r = &n->ring;
    struct ring_entry *e;

    if (r->epoch == 0 || r->claimed - r->read >= RING_SIZE) {
        r->full++;
        return NULL;
    }
    e = &r->entry[r->claimed++ % RING_SIZE];
    *e = (struct ring_entry){.epoch = r->epoch, .sequence = r->next++, .kind = kind};
    r->tagged++;
    oracle_tagged(w, n->id, e->epoch, e->sequence, kind);
    return e;
}

/* A1: only while a group is active here and the replicator says so. */
void ring_decide(struct world *w, struct node *n, uint32_t count, bool worker_dies)
{
    struct sim_ring *r = &n->ring;

    if (!n->host_up || !(r->active[0] || r->active[1]) || node_clock(w, n) >= r->active_until)
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct ring_entry *e = claim(w, n, RECORD_POLICY_DENY);

        r->decided++;
        if (e != NULL && worker_dies && i == count / 2) { /* A4 */
            e->abandoned = true;
            e->kind = RECORD_ABANDONED;
            e->stuck_until = w->now + 20 * MS;
        }
    }
}

bool ring_state(struct world *w, struct node *n, uint8_t kind, const struct record_note *note)
{
    struct ring_entry *e = claim(w, n, kind);

    if (e == NULL)
        return false;
    e->note = *note;
    oracle_stated(w, n->id, e->epoch, e->sequence, kind, note);
    return true;
}

void ring_open(struct world *w, struct node *n, uint32_t epoch, uint32_t *previous, uint32_t *last)
{
    struct sim_ring *r = &n->ring;

    *previous = r->epoch;
    *last = r->epoch != 0 ? r->next - 1 : 0;
    r->previous = *previous;
    r->previous_last = *last;
    r->epoch = epoch;
    r->next = 2;
    oracle_tagged(w, n->id, epoch, 1, RECORD_EPOCH_OPEN);
}

/* How the epoch that is open was opened. */
void ring_opened(const struct node *n, uint32_t *epoch, uint32_t *previous, uint32_t *last)
{
    *epoch = n->ring.epoch;
    *previous = n->ring.previous;
    *last = n->ring.previous_last;
}

size_t ring_read(struct world *w, struct node *n, uint8_t *out, size_t max)
{
    struct sim_ring *r = &n->ring;
    uint32_t epoch = 0;
    size_t count = 0;

    for (; count < max && n->cursor < r->claimed; count++, n->cursor++) {
        const struct ring_entry *e = &r->entry[n->cursor % RING_SIZE];
        struct record record = {.time_ns = w->now,
                                .epoch = e->epoch,
                                .sequence = e->sequence,
                                .origin = n->id,
                                .kind = e->kind,
                                .source = SOURCE_RING};
        uint64_t proof = record_proof(w, n->id, e->epoch, e->sequence);

        if ((epoch != 0 && e->epoch != epoch) || w->now < e->stuck_until)
            break;
        epoch = e->epoch;
        if (e->kind > RECORD_EPOCH_OPEN && e->kind != RECORD_ABANDONED)
            note_encode(&e->note, record.event);
        memcpy(record.event + EVENT_SIZE - 8, &proof, 8);
        record_encode(&record, out + count * RECORD_SIZE);
    }
    return count;
}

void ring_release(struct node *n)
{
    n->ring.read = n->cursor;
}
