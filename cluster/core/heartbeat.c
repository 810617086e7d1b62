#include "heartbeat.h"

#include <string.h>

enum { HEADER = 44, HEADER2 = 48, GROUP1 = 5, GROUP2_LEAST = 12, GROUP2 = 16 };
enum { PREEMPT = 1, EXTERNAL = 2, ASKS = 4, RESETS = 8 };

static void put(uint8_t *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint8_t group_flags(const struct heartbeat_group *g)
{
    return (uint8_t)((g->side.preempt ? PREEMPT : 0) | (g->side.external ? EXTERNAL : 0) |
                     (g->side.asks ? ASKS : 0) | (g->resets ? RESETS : 0));
}

static void put_group1(const struct heartbeat_group *g, uint8_t *p)
{
    p[0] = g->id;
    p[1] = g->side.state;
    put(p + 2, g->side.weight > 0 ? g->side.priority : 0, 2); /* Its way to say unable. */
    p[4] = g->side.preempt;
}

static void put_group2(const struct heartbeat_group *g, uint8_t *p)
{
    memset(p, 0, GROUP2);
    p[0] = g->id;
    p[1] = g->side.state;
    put(p + 2, g->side.priority, 2);
    p[4] = g->side.weight;
    p[5] = group_flags(g);
    put(p + 8, g->side.manual, 4);
    put(p + 12, g->reset_of, 4);
}

static uint8_t *put_body2(const struct heartbeat *h, uint8_t *out)
{
    uint8_t *p = out + HEADER2;

    out[HEADER] = h->fencing ? 1 : 0;
    out[HEADER + 1] = GROUP2;
    put(out + HEADER + 2, 0, 2);
    for (size_t i = 0; i < h->group_count; i++, p += GROUP2)
        put_group2(&h->group[i], p);
    return p;
}

size_t heartbeat_encode(const struct heartbeat *h, uint8_t out[CLUSTER_HEARTBEAT_MAX])
{
    uint8_t *p = out + HEADER;

    out[0] = h->version;
    out[1] = h->node;
    out[2] = (uint8_t)h->group_count;
    out[3] = h->speaks;
    put(out + 4, h->boot_id, 8);
    put(out + 12, h->counter, 8);
    put(out + 20, h->time_ns, 8);
    put(out + 28, h->echo_ns, 8);
    put(out + 36, h->waited_ns, 8);
    if (h->version >= 2)
        return (size_t)(put_body2(h, out) - out);
    for (size_t i = 0; i < h->group_count; i++, p += GROUP1)
        put_group1(&h->group[i], p);
    return (size_t)(p - out);
}

static int get_groups1(struct heartbeat *h, const uint8_t *at, size_t len)
{
    if (len != HEADER + h->group_count * GROUP1)
        return -1;
    for (size_t i = 0; i < h->group_count; i++) {
        const uint8_t *p = at + HEADER + i * GROUP1;

        h->group[i].id = p[0];
        h->group[i].side = (struct election_side){
            .state = p[1],
            .priority = (uint16_t)get(p + 2, 2),
            .weight = WEIGHT_FULL,
            .preempt = p[4] != 0,
        };
    }
    return 0;
}

static void get_group2(struct heartbeat_group *g, const uint8_t *p, size_t size)
{
    g->id = p[0];
    g->resets = p[5] & RESETS;
    g->reset_of = size >= GROUP2 ? (uint32_t)get(p + 12, 4) : 0;
    g->side = (struct election_side){
        .state = p[1],
        .priority = (uint16_t)get(p + 2, 2),
        .weight = p[4],
        .preempt = p[5] & PREEMPT,
        .external = p[5] & EXTERNAL,
        .asks = p[5] & ASKS,
        .manual = (uint32_t)get(p + 8, 4),
    };
}

static int get_body2(struct heartbeat *h, const uint8_t *at, size_t len)
{
    size_t group_size;

    if (len < HEADER2)
        return -1;
    group_size = at[HEADER + 1];
    if (group_size < GROUP2_LEAST || len < HEADER2 + h->group_count * group_size)
        return -1;
    h->fencing = at[HEADER] & 1;
    at += HEADER2;
    for (size_t i = 0; i < h->group_count; i++, at += group_size)
        get_group2(&h->group[i], at, group_size);
    return 0;
}

int heartbeat_decode(struct heartbeat *h, const uint8_t *at, size_t len)
{
    memset(h, 0, sizeof(*h));
    if (len < HEADER || at[0] < 1 || at[0] > HEARTBEAT_VERSION || at[2] > CLUSTER_GROUPS_MAX)
        return -1;
    h->version = at[0];
    h->node = at[1];
    h->group_count = at[2];
    h->speaks = at[3] != 0 ? at[3] : 1;
    h->boot_id = get(at + 4, 8);
    h->counter = get(at + 12, 8);
    h->time_ns = get(at + 20, 8);
    h->echo_ns = get(at + 28, 8);
    h->waited_ns = get(at + 36, 8);
    if ((h->version >= 2 ? get_body2(h, at, len) : get_groups1(h, at, len)) != 0)
        return -1;
    for (size_t i = 0; i < h->group_count; i++) {
        if (h->group[i].side.state > GROUP_DISABLED)
            return -1;
    }
    return 0;
}
