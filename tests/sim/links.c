/* Two links between the nodes: each a connection that orders its frames, stalls, breaks and comes
 * back.  Authentication and freshness are the link's own task, and not simulated. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum { DIAL_NS = 60 * MS, PART_HEADER = 16 };

#define PROOF UINT32_MAX /* Instead of a length: here node 1 proves the next connection. */

static void pipe_clear(struct pipe_end *p)
{
    p->head = p->tail = 0;
}

static void pipe_put(struct pipe_end *p, uint64_t due, uint32_t generation, const uint8_t *at,
                     size_t len, bool proof)
{
    uint32_t length = proof ? PROOF : (uint32_t)len;

    if (p->head == p->tail)
        p->head = p->tail = 0;
    if (p->tail + PART_HEADER + len > p->cap) {
        size_t cap = p->cap == 0 ? 1 << 16 : p->cap;

        if (p->tail > p->head)
            memmove(p->bytes, p->bytes + p->head, p->tail - p->head);
        p->tail -= p->head;
        p->head = 0;
        while (cap < p->tail + PART_HEADER + len)
            cap *= 2;
        p->bytes = realloc(p->bytes, cap);
        if (p->bytes == NULL)
            abort();
        p->cap = cap;
    }
    memcpy(p->bytes + p->tail, &due, 8);
    memcpy(p->bytes + p->tail + 8, &generation, 4);
    memcpy(p->bytes + p->tail + 12, &length, 4);
    if (len > 0)
        memcpy(p->bytes + p->tail + PART_HEADER, at, len);
    p->tail += PART_HEADER + len;
}

static bool can_talk(const struct world *w, const struct sim_link *l)
{
    for (int i = 0; i < NODE_COUNT; i++) {
        if (l->cut[i] || !w->node[i]->running || w->node[i]->frozen)
            return false;
    }
    return true;
}

static uint32_t length_of(const struct pipe_end *p, size_t at)
{
    uint32_t len;

    memcpy(&len, p->bytes + at + 12, 4);
    return len;
}

/* What is due later was not read before the end of its connection. */
static void pipe_cut(struct pipe_end *p, uint64_t due)
{
    for (size_t at = p->head; at < p->tail;) {
        uint32_t len = length_of(p, at);
        uint64_t when;

        memcpy(&when, p->bytes + at, 8);
        if (when > due) {
            p->tail = at;
            return;
        }
        at += PART_HEADER + (len == PROOF ? 0 : len);
    }
}

static void schedule(struct world *w, unsigned link, unsigned to);

static void come_up(struct world *w, unsigned link, unsigned side, uint32_t generation)
{
    struct sim_link *l = &w->link[link];

    if (l->up[side]) { /* It had not noticed that the one before is gone. */
        l->up[side] = false;
        node_link(w, w->node[side], link, false);
    }
    if (!w->node[side]->running)
        return;
    l->up[side] = true;
    l->at[side] = generation;
    node_link(w, w->node[side], link, true);
}

/* As the links are: node 0 dials, says the proof, and goes on; node 1 reads on in the connection
 * before until the proof comes. */
static void dial_staggered(struct world *w, unsigned link)
{
    struct sim_link *l = &w->link[link];
    uint64_t due = w->now + w->latency_ns / 2 + rng_below(&w->more, (uint32_t)w->latency_ns + 1);

    l->generation++;
    pipe_clear(&l->to[0]);
    pipe_cut(&l->to[1], due);
    l->to[1].last_due = due;
    pipe_put(&l->to[1], due, l->generation, NULL, 0, true);
    l->open = l->proving = true;
    TRACE(w, "link %u: dialled", link);
    schedule(w, link, 1);
    come_up(w, link, 0, l->generation);
}

void links_redial(struct world *w, unsigned link)
{
    struct sim_link *l = &w->link[link];

    if (w->staggered && !l->proving && can_talk(w, l))
        dial_staggered(w, link);
}

void links_dial(struct world *w, unsigned link)
{
    struct sim_link *l = &w->link[link];

    world_event(w, w->now + DIAL_NS + rng_below(&w->rng, 40) * MS, EV_DIAL, (uint8_t)link, 0, 0);
    if (l->open || !can_talk(w, l))
        return;
    if (w->staggered) {
        dial_staggered(w, link);
        return;
    }
    l->generation++;
    for (unsigned i = 0; i < NODE_COUNT; i++) {
        pipe_clear(&l->to[i]);
        if (l->up[i]) { /* It had not noticed that the one before is gone. */
            l->up[i] = false;
            node_link(w, w->node[i], link, false);
        }
    }
    l->open = true;
    TRACE(w, "link %u: connected", link);
    for (unsigned i = 0; i < NODE_COUNT; i++) {
        unsigned side = (i + (unsigned)rng_below(&w->rng, 2)) % NODE_COUNT;

        if (!l->up[side] && l->open) {
            l->up[side] = true;
            node_link(w, w->node[side], link, true);
        }
        if (!l->up[1 - side] && l->open) {
            l->up[1 - side] = true;
            node_link(w, w->node[1 - side], link, true);
        }
    }
}

static void schedule(struct world *w, unsigned link, unsigned to)
{
    struct pipe_end *p = &w->link[link].to[to];
    uint64_t due;

    memcpy(&due, p->bytes + p->head, 8);
    world_event(w, due > w->now ? due : w->now, EV_FRAME, (uint8_t)link, (uint8_t)to,
                w->link[link].generation);
}

/* len 0: the end of the connection. */
static void put(struct world *w, unsigned link, unsigned to, uint32_t generation, const uint8_t *at,
                size_t len)
{
    struct sim_link *l = &w->link[link];
    struct pipe_end *p = &l->to[to];
    uint64_t due = w->now + w->latency_ns / 2 + rng_below(&w->rng, (uint32_t)w->latency_ns + 1);
    bool idle = p->head == p->tail;

    due += l->clog_ns;
    if (due < p->last_due && !idle)
        due = p->last_due;
    p->last_due = due;
    pipe_put(p, due, generation, at, len, false);
    if (idle)
        schedule(w, link, to);
}

void links_send(struct world *w, const struct node *from, unsigned link, const uint8_t *at,
                size_t len)
{
    struct sim_link *l = &w->link[link];

    if (l->open && l->up[from->id] && (!w->staggered || l->at[from->id] == l->generation))
        put(w, link, 1 - from->id, l->generation, at, len);
}

size_t links_backlog(const struct world *w, const struct node *from, unsigned link)
{
    const struct pipe_end *p = &w->link[link].to[1 - from->id];

    return p->tail - p->head;
}

void links_close(struct world *w, const struct node *by, unsigned link)
{
    struct sim_link *l = &w->link[link];
    bool unproved = w->staggered && by->id == 1 && l->proving;

    if (!l->up[by->id] && (!unproved || by->running))
        return;
    l->up[by->id] = false;
    if (unproved && by->running)
        return; /* The one before; the next is under way. */
    pipe_clear(&l->to[by->id]);
    l->proving &= by->id == 0;
    if (l->open && by->host_up)
        put(w, link, 1 - by->id, l->generation, NULL, 0);
    l->open = false;
}

/* Reset by something between: each end reads it when it can. */
void links_break(struct world *w, unsigned link)
{
    struct sim_link *l = &w->link[link];

    for (unsigned i = 0; i < NODE_COUNT; i++) {
        pipe_clear(&l->to[i]);
        if (l->up[i] && l->open)
            put(w, link, i, w->staggered ? l->at[i] : l->generation, NULL, 0);
    }
    l->open = l->proving = false;
}

/* What is due for one end, until it is cut, frozen or dead. */
void links_deliver(struct world *w, unsigned link, unsigned to)
{
    struct sim_link *l = &w->link[link];
    struct pipe_end *p = &l->to[to];
    struct node *n = w->node[to];
    static uint8_t frame[1 << 17];

    while (p->head < p->tail) {
        uint64_t due;
        uint32_t generation, len;

        memcpy(&due, p->bytes + p->head, 8);
        memcpy(&generation, p->bytes + p->head + 8, 4);
        memcpy(&len, p->bytes + p->head + 12, 4);
        if (due > w->now) {
            schedule(w, link, to);
            return;
        }
        if (l->cut[to] || n->frozen)
            return; /* links_mend() goes on. */
        if (len == PROOF) {
            p->head += PART_HEADER;
            l->proving &= generation != l->generation;
            come_up(w, link, to, generation);
            continue;
        }
        memcpy(frame, p->bytes + p->head + PART_HEADER, len);
        p->head += PART_HEADER + len;
        if (!l->up[to] || (w->staggered && generation != l->at[to]))
            continue;
        if (len == 0) {
            l->up[to] = false;
            if (!w->staggered)
                pipe_clear(&l->to[1 - to]);
            node_link(w, n, link, false);
            if (!w->staggered)
                return;
            continue; /* The next one's proof may wait behind it. */
        }
        node_frame(w, n, link, frame, len);
    }
}

void links_mend(struct world *w, unsigned link)
{
    for (unsigned i = 0; i < NODE_COUNT; i++) {
        if (w->link[link].to[i].head < w->link[link].to[i].tail)
            schedule(w, link, i);
    }
}
