#include "parts.h"

#include <assert.h>
#include <string.h>

void cluster_init(struct cluster *c, const struct cluster_options *o, uint64_t now_ns)
{
    assert(o->group_count <= CLUSTER_GROUPS_MAX && o->link_count <= CLUSTER_LINKS_MAX);
    memset(c, 0, sizeof(*c));
    c->o = *o;
    c->started_ns = now_ns;
    c->version = 1;
    for (size_t i = 0; i < o->group_count; i++) {
        struct cluster_group *g = &c->group[i];

        assert(o->group[i].monitor_count <= CLUSTER_MONITORS_MAX);
        g->own.priority = o->group[i].priority;
        g->own.weight = WEIGHT_FULL;
        g->own.external = o->group[i].external;
        g->peer.state = GROUP_LOST;
        g->cause = "start";
        for (size_t m = 0; m < CLUSTER_MONITORS_MAX; m++)
            g->monitor[m].up = g->monitor[m].counts = true;
    }
}

static void link_up(struct cluster *c, const struct cluster_input *in)
{
    c->link[in->link].up = true;
    c->link[in->link].heard_ns = in->now_ns;
    c->link[in->link].echo_ns = 0;
    c->link[in->link].boot_id = c->link[in->link].counter = 0;
    c->link[in->link].usual_ns = 0;
    c->sent_ns = 0;
    c->fenced = false;
    if (!c->link[1 - in->link].up)
        c->version = 1; /* It may be another program than before. */
}

static void take(struct cluster *c, const struct cluster_input *in, struct cluster_output *out)
{
    switch (in->kind) {
    case CLUSTER_TICK:
        break;
    case CLUSTER_LINK_UP:
        link_up(c, in);
        break;
    case CLUSTER_LINK_DOWN:
        link_went(c, &c->link[in->link]);
        c->link[in->link].up = false;
        break;
    case CLUSTER_HEARTBEAT:
        out->refused = membership_heartbeat(c, in);
        break;
    case CLUSTER_FAILOVER:
        out->refused = group_failover(c, in);
        break;
    case CLUSTER_RESET:
        out->refused = group_reset(c, in);
        break;
    case CLUSTER_FENCED:
        c->fenced = true;
        break;
    case CLUSTER_FENCE_RESULT:
        membership_fence_result(c, in->up);
        break;
    case CLUSTER_NOTIFY:
        out->refused = group_notify(c, in, out);
        break;
    case CLUSTER_MONITOR:
        group_monitor(c, in);
        break;
    }
}

void cluster_step(struct cluster *c, const struct cluster_input *in, struct cluster_output *out)
{
    bool changed = false;

    assert(in->link < CLUSTER_LINKS_MAX && in->monitor < CLUSTER_MONITORS_MAX);
    if (membership_was_away(c, in->now_ns))
        groups_step_down(c, in->now_ns, out);
    take(c, in, out);
    membership_judge(c, in->now_ns, out);
    groups_weigh(c, in->now_ns, &changed);
    groups_elect(c, in->now_ns, out, &changed);
    if (changed || in->now_ns - c->sent_ns >= c->o.heartbeat_ns) /* News at once. */
        membership_send(c, in->now_ns, out);
}

bool cluster_meanwhile(struct cluster *c, uint64_t now_ns, struct cluster_output *out)
{
    if (!membership_meanwhile(c, now_ns))
        return false;
    if (c->o.has_peer && now_ns - c->sent_ns >= c->o.heartbeat_ns)
        membership_send(c, now_ns, out);
    return true;
}

bool cluster_peer_dead(const struct cluster *c)
{
    return c->dead;
}

bool cluster_is_primary(const struct cluster *c)
{
    return c->o.group_count > 0 && c->group[0].own.state == GROUP_PRIMARY;
}

uint64_t cluster_rtt_us(const struct cluster *c, unsigned link)
{
    return c->link[link].rtt_ns / 1000;
}

size_t cluster_group_count(const struct cluster *c)
{
    return c->o.group_count;
}

static void view_side(const struct election_side *s, unsigned node, struct cluster_group_view *out)
{
    out->priority[node] = s->priority;
    out->weight[node] = s->weight;
    out->effective[node] = election_priority(s);
    out->preempt[node] = s->preempt;
}

void cluster_group_view(const struct cluster *c, size_t i, struct cluster_group_view *out)
{
    const struct cluster_group *g = &c->group[i];
    bool own = g->own.state == GROUP_PRIMARY;
    bool peer = c->alive && g->peer.state == GROUP_PRIMARY;

    *out = (struct cluster_group_view){
        .id = c->o.group[i].id,
        .primary = own    ? c->o.node
                   : peer ? 1 - c->o.node
                          : -1,
        .state = group_word(g->own.state),
        .peer_state = group_word(c->alive ? g->peer.state : GROUP_LOST),
        .cause = g->cause,
        .manual = g->own.state == GROUP_HOLD || (c->alive && g->peer.state == GROUP_HOLD),
        .external = g->own.external,
        .conflict = (own && peer) || (c->alive && c->version >= 2 && g->peer.state != GROUP_LOST &&
                                      g->peer.external != g->own.external),
        .failovers = g->failovers,
        .changed_ns = g->changed_ns,
    };
    view_side(&g->own, c->o.node, out);
    view_side(&g->peer, 1 - c->o.node, out);
}
