#include "cluster.h"

#include <assert.h>
#include <string.h>

enum { HEADER = 44, GROUP = 5 };

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

void cluster_init(struct cluster *c, const struct cluster_options *o, uint64_t now_ns)
{
    assert(o->group_count <= CLUSTER_GROUPS_MAX && o->link_count <= CLUSTER_LINKS_MAX);
    memset(c, 0, sizeof(*c));
    c->o = *o;
    c->started_ns = now_ns;
    for (size_t i = 0; i < CLUSTER_GROUPS_MAX; i++)
        c->peer[i].state = GROUP_LOST;
}

static int find_group(const struct cluster *c, unsigned id)
{
    for (size_t i = 0; i < c->o.group_count; i++) {
        if (c->o.group[i].id == id)
            return (int)i;
    }
    return -1;
}

/* ---- heartbeats ---- */

static size_t encode(struct cluster *c, unsigned link, uint64_t now_ns, uint8_t *out)
{
    const struct cluster_link *l = &c->link[link];
    uint8_t *p = out + HEADER;

    out[0] = 1;
    out[1] = c->o.node;
    out[2] = (uint8_t)c->o.group_count;
    out[3] = 0;
    put(out + 4, c->o.boot_id, 8);
    put(out + 12, ++c->counter, 8);
    put(out + 20, now_ns, 8);
    put(out + 28, l->echo_ns, 8);
    put(out + 36, l->echo_ns != 0 ? now_ns - l->echo_at_ns : 0, 8);
    for (size_t i = 0; i < c->o.group_count; i++, p += GROUP) {
        p[0] = c->o.group[i].id;
        p[1] = c->state[i];
        put(p + 2, c->o.group[i].priority, 2);
        p[4] = c->o.group[i].preempt;
    }
    return (size_t)(p - out);
}

static void send_all(struct cluster *c, uint64_t now_ns, struct cluster_output *out)
{
    c->sent_ns = now_ns;
    out->send_count = 0; /* The newest is enough. */
    for (unsigned i = 0; i < c->o.link_count; i++) {
        if (!c->link[i].up)
            continue;
        out->send[out->send_count].link = i;
        out->send[out->send_count].len = encode(c, i, now_ns, out->send[out->send_count].bytes);
        out->send_count++;
    }
}

static bool well_formed(const struct cluster *c, const uint8_t *at, size_t len)
{
    if (len < HEADER || at[0] != 1 || at[1] != 1 - c->o.node || at[2] > CLUSTER_GROUPS_MAX)
        return false;
    return len == HEADER + (size_t)at[2] * GROUP;
}

static void heartbeat(struct cluster *c, const struct cluster_input *in)
{
    struct cluster_link *l = &c->link[in->link];
    uint64_t echo, waited;

    if (!well_formed(c, in->at, in->len))
        return;
    echo = get(in->at + 28, 8);
    waited = get(in->at + 36, 8);
    l->heard_ns = in->now_ns;
    l->echo_ns = get(in->at + 20, 8);
    l->echo_at_ns = in->now_ns;
    if (echo != 0 && echo <= in->now_ns && waited <= in->now_ns - echo)
        l->rtt_ns = in->now_ns - echo - waited;
    c->heard = true;
    for (size_t i = 0; i < in->at[2]; i++) {
        const uint8_t *p = in->at + HEADER + i * GROUP;
        int group = find_group(c, p[0]);

        if (group < 0 || p[1] > GROUP_DISABLED)
            continue;
        c->peer[group] = (struct election_side){
            .state = p[1],
            .priority = (uint16_t)get(p + 2, 2),
            .preempt = p[4] != 0,
        };
    }
}

/* ---- membership ---- */

static void judge_peer(struct cluster *c, uint64_t now_ns, struct cluster_output *out)
{
    uint64_t last = c->started_ns;

    for (unsigned i = 0; i < c->o.link_count; i++) {
        struct cluster_link *l = &c->link[i];

        if (l->heard_ns > last)
            last = l->heard_ns;
        if (l->up && now_ns - l->heard_ns >= c->o.dead_ns && out->close_count < CLUSTER_LINKS_MAX)
            out->close[out->close_count++] = i;
    }
    c->dead = c->fenced || !c->o.has_peer || now_ns - last >= c->o.dead_ns;
    c->alive = c->heard && !c->dead;
    if (c->dead)
        c->heard = false;
}

static void elect(struct cluster *c, uint64_t now_ns, struct cluster_output *out)
{
    bool changed = false;

    for (size_t i = 0; i < c->o.group_count; i++) {
        struct election_input in = {
            .node = c->o.node,
            .peer_alive = c->alive,
            .peer_declared_dead = c->dead,
            .own = {c->state[i], c->o.group[i].priority, c->o.group[i].preempt},
            .peer = c->peer[i],
        };
        uint8_t state = (uint8_t)election_decide(&in);

        if (state == c->state[i] || out->change_count == CLUSTER_GROUPS_MAX)
            continue;
        c->state[i] = state;
        out->change[out->change_count].group = c->o.group[i].id;
        out->change[out->change_count].active = state == GROUP_PRIMARY;
        out->change[out->change_count++].state = group_word(state);
        changed = true;
    }
    if (changed) /* The peer hears of it at once. */
        send_all(c, now_ns, out);
}

static void failover(struct cluster *c, const struct cluster_input *in)
{
    int i = find_group(c, in->group);
    bool away = in->node < 0 ? i >= 0 && c->state[i] == GROUP_PRIMARY : in->node != c->o.node;

    if (i >= 0 && c->alive && away)
        c->state[i] = GROUP_HOLD;
}

void cluster_step(struct cluster *c, const struct cluster_input *in, struct cluster_output *out)
{
    int i;

    assert(in->link < CLUSTER_LINKS_MAX);
    switch (in->kind) {
    case CLUSTER_TICK:
        break;
    case CLUSTER_LINK_UP:
        c->link[in->link].up = true;
        c->link[in->link].heard_ns = in->now_ns;
        c->link[in->link].echo_ns = 0;
        c->sent_ns = 0;
        c->fenced = false;
        break;
    case CLUSTER_LINK_DOWN:
        c->link[in->link].up = false;
        break;
    case CLUSTER_HEARTBEAT:
        heartbeat(c, in);
        break;
    case CLUSTER_FAILOVER:
        failover(c, in);
        break;
    case CLUSTER_RESET:
        i = find_group(c, in->group);
        if (i >= 0 && c->state[i] == GROUP_HOLD)
            c->state[i] = GROUP_SECONDARY;
        break;
    case CLUSTER_FENCED:
        c->fenced = true;
        break;
    }
    judge_peer(c, in->now_ns, out);
    elect(c, in->now_ns, out);
    if (in->now_ns - c->sent_ns >= c->o.heartbeat_ns)
        send_all(c, in->now_ns, out);
}

bool cluster_peer_dead(const struct cluster *c)
{
    return c->dead;
}

bool cluster_is_primary(const struct cluster *c)
{
    return c->o.group_count > 0 && c->state[0] == GROUP_PRIMARY;
}

uint64_t cluster_rtt_us(const struct cluster *c, unsigned link)
{
    return c->link[link].rtt_ns / 1000;
}

size_t cluster_group_count(const struct cluster *c)
{
    return c->o.group_count;
}

void cluster_group_view(const struct cluster *c, size_t i, struct cluster_group_view *out)
{
    bool own = c->state[i] == GROUP_PRIMARY;
    bool peer = c->alive && c->peer[i].state == GROUP_PRIMARY;

    out->id = c->o.group[i].id;
    out->state = group_word(c->state[i]);
    out->primary = own ? c->o.node : peer ? 1 - c->o.node : -1;
    out->priority[c->o.node] = c->o.group[i].priority;
    out->priority[1 - c->o.node] = c->peer[i].priority;
}
