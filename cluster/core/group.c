/* Redundancy groups: weights, the election's inputs and outcome, commands. */
#include "parts.h"

enum { COMMAND_SECONDS = 2 };

#define COMMAND_NS (COMMAND_SECONDS * 1000000000ull)

int group_find(const struct cluster *c, unsigned id)
{
    for (size_t i = 0; i < c->o.group_count; i++) {
        if (c->o.group[i].id == id)
            return (int)i;
    }
    return -1;
}

/* ---- weights ---- */

void group_monitor(struct cluster *c, const struct cluster_input *in)
{
    struct cluster_group *g = &c->group[in->group];

    if (in->up && !g->monitor[in->monitor].up)
        g->monitor[in->monitor].up_ns = in->now_ns;
    g->monitor[in->monitor].up = in->up;
    if (!in->up)
        g->monitor[in->monitor].counts = false;
}

static uint8_t weight_of(struct cluster *c, size_t i, uint64_t now_ns)
{
    unsigned lost = 0;

    for (size_t m = 0; m < c->o.group[i].monitor_count; m++) {
        bool *counts = &c->group[i].monitor[m].counts;

        if (c->group[i].monitor[m].up && !*counts)
            *counts = now_ns - c->group[i].monitor[m].up_ns >= c->o.group[i].monitor[m].hold_ns;
        lost += *counts ? 0 : c->o.group[i].monitor[m].weight;
    }
    return (uint8_t)(lost < WEIGHT_FULL ? WEIGHT_FULL - lost : 0);
}

/* It preempts only once it has been whole, and with its peer, for its hold-down. */
static bool may_preempt(struct cluster *c, size_t i, uint64_t now_ns)
{
    struct cluster_group *g = &c->group[i];

    if (!c->alive || g->own.weight < WEIGHT_FULL)
        g->ready_ns = 0;
    else if (g->ready_ns == 0)
        g->ready_ns = now_ns;
    return c->o.group[i].preempt && g->ready_ns != 0 &&
           now_ns - g->ready_ns >= c->o.group[i].hold_down_ns;
}

void groups_weigh(struct cluster *c, uint64_t now_ns, bool *changed)
{
    for (size_t i = 0; i < c->o.group_count; i++) {
        struct cluster_group *g = &c->group[i];
        uint8_t weight = weight_of(c, i, now_ns);
        bool preempt;

        *changed = *changed || weight != g->own.weight;
        g->own.weight = weight;
        preempt = may_preempt(c, i, now_ns);
        *changed = *changed || preempt != g->own.preempt;
        g->own.preempt = preempt;
        g->own.asks = g->own.asks && c->alive && now_ns < g->asks_until_ns;
        g->resets = g->resets && c->alive && now_ns < g->resets_until_ns &&
                    g->peer.state == GROUP_HOLD && g->peer.manual == g->reset_of;
    }
}

/* ---- roles ---- */

static const char *cause_of(const struct cluster *c, const struct election_input *in, uint8_t to)
{
    if (to == GROUP_HOLD)
        return "by command";
    if (to != GROUP_PRIMARY) {
        if (!election_is_able(&in->own))
            return "its monitored interfaces failed, or its priority is 0";
        return in->peer.state == GROUP_PRIMARY ? "the peer is primary" : "the peer preempts";
    }
    if (!c->o.has_peer)
        return "there is no peer";
    if (!in->peer_alive)
        return c->fenced ? "the peer is fenced" : "the peer is silent";
    if (!election_is_able(&in->peer))
        return "the peer's monitored interfaces failed, or it is disabled";
    return in->peer.state == GROUP_HOLD ? "by command" : "it has the better priority";
}

static void change(struct cluster *c, size_t i, uint8_t to, const char *cause, uint64_t now_ns,
                   struct cluster_output *out)
{
    struct cluster_group *g = &c->group[i];
    size_t n = 0;

    if ((g->own.state == GROUP_PRIMARY) != (to == GROUP_PRIMARY)) {
        g->failovers++;
        g->ready_ns = 0;
    }
    g->own.state = to;
    g->own.asks = g->own.asks && to != GROUP_PRIMARY;
    g->changed_ns = now_ns;
    g->cause = cause;
    while (n < out->change_count && out->change[n].group != c->o.group[i].id)
        n++; /* One change of a group in one output: the last. */
    out->change[n].group = c->o.group[i].id;
    out->change[n].active = to == GROUP_PRIMARY;
    out->change[n].state = group_word(to);
    out->change[n].cause = cause;
    out->change_count += n == out->change_count;
}

void groups_elect(struct cluster *c, uint64_t now_ns, struct cluster_output *out, bool *changed)
{
    for (size_t i = 0; i < c->o.group_count; i++) {
        struct cluster_group *g = &c->group[i];
        struct election_input in = {
            .node = c->o.node,
            .peer_alive = c->alive,
            .peer_declared_dead = c->dead,
            .peer_behind = c->echoed_ns < g->unheld_ns,
            .own = g->own,
            .peer = g->peer,
        };
        uint8_t to = (uint8_t)election_decide(&in);

        if (to == g->own.state)
            continue;
        if (to == GROUP_HOLD)
            g->own.manual = (g->own.manual > g->peer.manual ? g->own.manual : g->peer.manual) + 1;
        change(c, i, to, cause_of(c, &in, to), now_ns, out);
        *changed = true;
    }
}

/* T6: the peer may be primary by now; until it is heard, or declared dead, nobody is here. */
void groups_step_down(struct cluster *c, uint64_t now_ns, struct cluster_output *out)
{
    c->heard = false; /* What it said last is old, and so is what waits in our sockets. */
    c->fresh_ns = now_ns;
    for (size_t i = 0; i < c->o.group_count; i++) {
        if (c->group[i].own.state == GROUP_PRIMARY && !c->o.group[i].external)
            change(c, i, GROUP_SECONDARY, "this node was away: the peer may have taken over",
                   now_ns, out);
    }
}

/* ---- commands ---- */

static const char *give_up(struct cluster *c, size_t i)
{
    struct cluster_group *g = &c->group[i];

    if (!election_is_able(&g->peer))
        return "the peer cannot be primary now: interfaces failed, priority 0, or disabled";
    g->peer.asks = true; /* As if it had asked: the next election gives the role up. */
    return NULL;
}

static const char *ask(struct cluster *c, size_t i, uint64_t now_ns)
{
    struct cluster_group *g = &c->group[i];

    if (!election_is_able(&g->own))
        return "this node cannot be primary now: interfaces failed, priority 0, or disabled";
    if (c->version < 2)
        return "the peer is of an older version that cannot be asked: run it there";
    g->own.asks = true;
    g->asks_until_ns = now_ns + COMMAND_NS;
    c->sent_ns = 0; /* At once. */
    return NULL;
}

const char *group_failover(struct cluster *c, const struct cluster_input *in)
{
    int i = group_find(c, in->group);
    bool own;

    if (i < 0)
        return "there is no such redundancy group here";
    if (c->o.group[i].external)
        return "an outer manager decides on it (manager = external)";
    if (!c->alive)
        return "the peer is not alive: there is nobody to switch to";
    own = c->group[i].own.state == GROUP_PRIMARY;
    if (!own && c->group[i].peer.state != GROUP_PRIMARY)
        return "no node is primary now";
    if (in->node >= 0 && (in->node == c->o.node) == own)
        return "that node is primary already";
    return own ? give_up(c, (size_t)i) : ask(c, (size_t)i, in->now_ns);
}

/* Of its own hold; the peer hears of it at once. */
void group_unhold(struct cluster *c, size_t i, uint64_t now_ns)
{
    c->group[i].own.state = GROUP_SECONDARY;
    c->group[i].unheld_ns = now_ns > c->stamp_ns ? now_ns : c->stamp_ns + 1;
    c->sent_ns = 0;
}

static void reset_peer(struct cluster *c, struct cluster_group *g, uint64_t now_ns)
{
    g->resets = true;
    g->reset_of = g->peer.manual;
    g->resets_until_ns = now_ns + COMMAND_NS;
    c->sent_ns = 0;
}

const char *group_reset(struct cluster *c, const struct cluster_input *in)
{
    int i = group_find(c, in->group);
    bool own, peer;

    if (i < 0)
        return "there is no such redundancy group here";
    own = c->group[i].own.state == GROUP_HOLD;
    peer = c->alive && c->group[i].peer.state == GROUP_HOLD;
    if (!own && !peer)
        return "no manual failover is in force";
    if (!own && c->version < 2)
        return "the peer is of an older version that cannot be asked: run it there";
    if (own)
        group_unhold(c, (size_t)i, in->now_ns);
    if (peer)
        reset_peer(c, &c->group[i], in->now_ns);
    return NULL;
}

const char *group_notify(struct cluster *c, const struct cluster_input *in,
                         struct cluster_output *out)
{
    int i = group_find(c, in->group);

    if (i < 0)
        return "there is no such redundancy group here";
    if (!c->o.group[i].external)
        return "it decides by itself: its configuration has no `manager = external`";
    if (c->group[i].own.state != in->state)
        change(c, (size_t)i, in->state, "by its outer manager", in->now_ns, out);
    c->sent_ns = 0;
    return NULL;
}
