#include "tcp_map.h"

#include <string.h>

#define MAGIC 0x3150414d50435445ull /* "ETCPMAP1" */

static struct tcp_map_entry *entry_at(struct tcp_map *m, uint64_t i)
{
    return &m->entry[i % TCP_MAP_ENTRIES];
}

void tcp_map_init(struct tcp_map *m)
{
    memset(m, 0, sizeof(*m));
    m->magic = MAGIC;
}

static struct tcp_map_prior *prior_find(struct tcp_map *m, uint8_t origin, uint32_t epoch)
{
    for (size_t i = 0; i < TCP_MAP_PRIOR; i++) {
        if (m->prior[i].used && m->prior[i].origin == origin && m->prior[i].epoch == epoch)
            return &m->prior[i];
    }
    return NULL;
}

void tcp_map_prior_note(struct tcp_map *m, uint8_t origin, uint32_t epoch, uint32_t last)
{
    struct tcp_map_prior *p = prior_find(m, origin, epoch);

    if (p == NULL) { /* The oldest gives way: more segments than a core keeps are long settled. */
        p = &m->prior[m->prior_next++ % TCP_MAP_PRIOR];
        *p = (struct tcp_map_prior){.epoch = epoch, .origin = origin, .used = 1};
    }
    if (last > p->last)
        p->last = last;
}

void tcp_map_begin(struct tcp_map *m)
{
    for (uint64_t i = m->low; i < m->count; i++) {
        const struct tcp_map_entry *e = entry_at(m, i);

        if (!e->statement)
            tcp_map_prior_note(m, e->origin, e->epoch, e->sequence);
    }
    m->low = m->count = m->base = m->used = 0;
}

void tcp_map_note(struct tcp_map *m, uint64_t end, uint8_t origin, position_t position,
                  bool statement)
{
    /* A process that is killed leaves its stores in this order. */
    if (m->count - m->low == TCP_MAP_ENTRIES)
        __atomic_store_n(&m->low, m->low + 1, __ATOMIC_RELEASE);
    *entry_at(m, m->count) = (struct tcp_map_entry){
        .end = end,
        .epoch = position_epoch(position),
        .sequence = position_sequence(position),
        .origin = origin,
        .statement = statement,
    };
    __atomic_store_n(&m->count, m->count + 1, __ATOMIC_RELEASE);
}

void tcp_map_filled(struct tcp_map *m, uint64_t offset, uint32_t used)
{
    m->base = offset;
    m->used = used;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* Before the call that gives it to the kernel. */
}

uint32_t tcp_map_young_ms(const struct tcp_map *m, uint64_t now_ms)
{
    uint32_t left = m->proven_ms - (uint32_t)now_ms;

    return m->proven_ms == 0 || left > TCP_MAP_YOUNG_MS ? 0 : left;
}

int tcp_map_check(const struct tcp_map *m)
{
    uint64_t before = 0;

    if (m->magic != MAGIC || m->used > TCP_MAP_BUFFER || m->base > UINT64_MAX / 2 ||
        m->low > m->count || m->count - m->low > TCP_MAP_ENTRIES)
        return -1;
    for (uint64_t i = m->low; i < m->count; i++) {
        const struct tcp_map_entry *e = &m->entry[i % TCP_MAP_ENTRIES];

        if (e->end <= before || e->end > UINT64_MAX / 2 || e->origin >= NODE_COUNT)
            return -1;
        before = e->end;
    }
    return 0;
}

/* Where the last entry's bytes begin; false: that is not known any more. */
static bool last_begins(struct tcp_map *m, uint64_t *at)
{
    if (m->count - 1 > m->low)
        *at = entry_at(m, m->count - 2)->end;
    else if (m->low == 0)
        *at = 0;
    else
        return false;
    return true;
}

int tcp_map_resume(struct tcp_map *m, uint64_t written, const uint8_t **rest, size_t *len)
{
    uint64_t begin = 0, end;

    *len = 0;
    *rest = m->buffer;
    while (m->count > m->low) {
        if (!last_begins(m, &begin))
            return -1;
        if (begin < written)
            break;
        m->count--; /* Nothing of it went. */
    }
    end = m->count > m->low ? entry_at(m, m->count - 1)->end : 0;
    if (end == written)
        return 0;
    if (end < written || written < m->base || end > m->base + m->used)
        return -1;
    *rest = m->buffer + (written - m->base);
    *len = (size_t)(end - written);
    return 0;
}

/* The highest of the range that is noted and ends by `limit`. */
static const struct tcp_map_entry *highest(const struct tcp_map *m, uint64_t limit, uint8_t origin,
                                           uint32_t epoch, uint32_t from, uint32_t to)
{
    const struct tcp_map_entry *best = NULL;

    for (uint64_t i = m->low; i < m->count; i++) {
        const struct tcp_map_entry *e = &m->entry[i % TCP_MAP_ENTRIES];

        if (e->end > limit)
            break;
        if (!e->statement && e->origin == origin && e->epoch == epoch && e->sequence >= from &&
            e->sequence <= to && (best == NULL || e->sequence > best->sequence))
            best = e;
    }
    return best;
}

uint32_t tcp_map_acked(const struct tcp_map *m, uint64_t acked, uint8_t origin, uint32_t epoch,
                       uint32_t from, uint32_t to)
{
    const struct tcp_map_entry *e = highest(m, acked, origin, epoch, from, to);

    return e != NULL ? e->sequence : 0;
}

struct tcp_map_answer tcp_map_ask(const struct tcp_map *m, uint64_t acked, uint8_t origin,
                                  uint32_t epoch, uint32_t from, uint32_t to)
{
    const struct tcp_map_prior *p = prior_find((struct tcp_map *)(uintptr_t)m, origin, epoch);
    const struct tcp_map_entry *e = highest(m, UINT64_MAX, origin, epoch, from, to);
    struct tcp_map_answer a = {.kind = ANSWER_HAS, .last = e != NULL ? e->sequence : 0};

    if (e != NULL && e->end > acked)
        a.kind = ANSWER_WRITTEN;
    if (p != NULL && p->last >= from && a.last < (p->last < to ? p->last : to))
        a.kind = ANSWER_UNKNOWN;
    return a;
}
