/* Who is there: heartbeats, silence, fencing. */
#include "parts.h"

#include <string.h>

enum { FENCE_TURNS = 3 };

#define MEANWHILE_MAX_NS 2000000000ull /* A disk that takes longer is as good as a dead node. */

static void fill(const struct cluster *c, unsigned link, uint64_t now_ns, struct heartbeat *h)
{
    const struct cluster_link *l = &c->link[link];

    *h = (struct heartbeat){
        .version = c->version,
        .node = c->o.node,
        .speaks = HEARTBEAT_VERSION,
        .fencing = c->o.fence,
        .boot_id = c->o.boot_id,
        .counter = c->counter,
        .time_ns = c->stamp_ns,
        .echo_ns = l->echo_ns,
        .waited_ns = l->echo_ns != 0 ? now_ns - l->echo_at_ns : 0,
        .group_count = c->o.group_count,
    };
    for (size_t i = 0; i < c->o.group_count; i++) {
        h->group[i].id = c->o.group[i].id;
        h->group[i].side = c->group[i].own;
        h->group[i].resets = c->group[i].resets;
        h->group[i].reset_of = c->group[i].reset_of;
    }
}

void membership_send(struct cluster *c, uint64_t now_ns, struct cluster_output *out)
{
    struct heartbeat h;

    c->sent_ns = now_ns;
    c->stamp_ns = now_ns > c->stamp_ns ? now_ns : c->stamp_ns + 1;
    c->counter++;
    out->send_count = 0; /* The newest is enough. */
    for (unsigned i = 0; i < c->o.link_count; i++) {
        if (!c->link[i].up)
            continue;
        fill(c, i, now_ns, &h);
        out->send[out->send_count].link = i;
        out->send[out->send_count].len = heartbeat_encode(&h, out->send[out->send_count].bytes);
        out->send_count++;
    }
}

static void learn_round_trip(struct cluster_link *l, const struct heartbeat *h, uint64_t now_ns)
{
    l->heard_ns = now_ns;
    l->echo_ns = h->time_ns;
    l->echo_at_ns = now_ns;
    if (h->echo_ns != 0 && h->echo_ns <= now_ns && h->waited_ns <= now_ns - h->echo_ns)
        link_measured(l, now_ns - h->echo_ns - h->waited_ns);
}

/* A reset is for the hold that its operator saw, not for one that came since. */
static bool is_reset(const struct cluster *c, const struct heartbeat_group *h, int g)
{
    return h->resets && c->group[g].own.state == GROUP_HOLD &&
           (h->reset_of == 0 || h->reset_of == c->group[g].own.manual);
}

static void learn_groups(struct cluster *c, const struct heartbeat *h, uint64_t now_ns)
{
    for (size_t i = 0; i < h->group_count; i++) {
        int g = group_find(c, h->group[i].id);

        if (g < 0)
            continue;
        c->group[g].peer = h->group[i].side;
        if (is_reset(c, &h->group[i], g))
            group_unhold(c, (size_t)g, now_ns);
    }
}

/* NULL, or what no honest peer says: a link keeps its order, and is of one life of the peer. */
static const char *lie_in(const struct cluster *c, const struct cluster_link *l,
                          const struct heartbeat *h)
{
    if (h->node != 1 - c->o.node)
        return "a heartbeat of another node";
    if (h->echo_ns > c->stamp_ns)
        return "an answer to a heartbeat that was never sent";
    if (h->counter <= l->counter || (l->counter != 0 && h->boot_id != l->boot_id))
        return "heartbeats that go back";
    return NULL;
}

/* By one that came over another link, which is up, or was a moment ago. */
static bool is_overtaken(const struct cluster *c, const struct heartbeat *h, unsigned link,
                         uint64_t now_ns)
{
    for (unsigned i = 0; i < c->o.link_count; i++) {
        const struct cluster_link *l = &c->link[i];

        if (i != link && h->boot_id == l->boot_id && h->counter < l->counter &&
            (l->up || now_ns - l->heard_ns < c->o.dead_ns))
            return true;
    }
    return false;
}

const char *membership_heartbeat(struct cluster *c, const struct cluster_input *in)
{
    struct cluster_link *l = &c->link[in->link];
    struct heartbeat h;
    const char *lie;

    if (heartbeat_decode(&h, in->at, in->len) != 0)
        return "a malformed heartbeat";
    lie = lie_in(c, l, &h);
    if (lie != NULL)
        return lie;
    link_came(l, h.counter);
    learn_round_trip(l, &h, in->now_ns);
    l->boot_id = h.boot_id;
    l->counter = h.counter;
    if (h.echo_ns < c->fresh_ns || is_overtaken(c, &h, in->link, in->now_ns))
        return NULL;
    if (h.version == 1 &&
        h.speaks > 1) { /* It only asks what we speak: the rest follows at once. */
        c->sent_ns = c->version > 1 ? c->sent_ns : 0;
        c->version = HEARTBEAT_VERSION;
        return NULL;
    }
    c->heard = c->met = true;
    c->version = h.version;
    c->peer_fencing = h.fencing;
    c->echoed_ns = h.echo_ns > c->echoed_ns ? h.echo_ns : c->echoed_ns;
    learn_groups(c, &h, in->now_ns);
    return NULL;
}

uint64_t cluster_active_ns(const struct cluster_options *o)
{
    return o->dead_ns - o->heartbeat_ns - o->dead_ns / 10;
}

bool membership_was_away(struct cluster *c, uint64_t now_ns)
{
    uint64_t away_ns = c->step_ns != 0 ? now_ns - c->step_ns : 0;
    uint64_t deaf_ns = c->step_ns != 0 ? now_ns - c->listened_ns : 0;

    c->step_ns = c->listened_ns = now_ns;
    if (!c->o.has_peer || deaf_ns < c->o.dead_ns / 4)
        return false;
    if (now_ns - deaf_ns > c->blind_until_ns)
        c->blind_from_ns = now_ns;
    c->blind_until_ns = now_ns + c->o.heartbeat_ns;
    return away_ns >= cluster_active_ns(&c->o);
}

bool membership_meanwhile(struct cluster *c, uint64_t now_ns)
{
    if (c->step_ns == 0 || now_ns - c->listened_ns >= MEANWHILE_MAX_NS ||
        (c->o.has_peer && now_ns - c->step_ns >= cluster_active_ns(&c->o)))
        return false;
    c->step_ns = now_ns;
    return true;
}

/* Time and again blind, a node still listened in between. */
bool membership_is_blind(const struct cluster *c, uint64_t now_ns)
{
    return now_ns < c->blind_until_ns && now_ns - c->blind_from_ns < 4 * c->o.dead_ns;
}

/* Two nodes that lost both links must not kill each other, so they take turns, each long enough for
 * the command of the one to end before that of the other begins: both see the silence within a dead
 * interval, and who comes to its turn later than that leaves it out. */
static uint64_t turn_ns(const struct cluster *c)
{
    return c->o.fence_limit_ns + 2 * c->o.dead_ns;
}

/* Who knows that the peer is primary goes at once, as it has most to take over; no two nodes know
 * that of each other.  Of two that do not know it, one is first.  At a cold start the other one
 * gets time to boot. */
static uint64_t fence_delay_ns(const struct cluster *c)
{
    uint64_t turn = c->o.node;

    if (!c->met)
        return (turn + 1) * 20 * c->o.dead_ns + turn * turn_ns(c);
    if (!cluster_is_primary(c) && c->o.group_count > 0 && c->group[0].peer.state == GROUP_PRIMARY)
        return 0;
    return (turn + 1) * turn_ns(c);
}

/* true: it is our turn, which is taken by that. */
static bool takes_turn(struct cluster *c, uint64_t now_ns)
{
    bool late;

    if (now_ns < c->fence_due_ns)
        return false;
    late = now_ns - c->fence_due_ns > c->o.dead_ns;
    if (!late && c->fence_out) /* Perhaps it ends in time. */
        return false;
    while (c->fence_due_ns <= now_ns)
        c->fence_due_ns += FENCE_TURNS * turn_ns(c);
    return !late;
}

static void fence(struct cluster *c, uint64_t now_ns, struct cluster_output *out)
{
    if (!c->o.fence || !c->o.has_peer)
        return;
    if (!c->silent) {
        c->fence = FENCE_IDLE;
        return;
    }
    if (c->fenced || !takes_turn(c, now_ns))
        return;
    c->fence = FENCE_RUNNING;
    c->fence_out = true;
    out->fence_run = true;
}

void membership_fence_result(struct cluster *c, bool good)
{
    c->fence_out = false;
    if (c->fence != FENCE_RUNNING)
        return; /* The peer is heard again: it is not what the command says. */
    c->fence = good ? FENCE_DONE : FENCE_FAILED;
    c->fenced = c->fenced || good;
}

/* A node that has just started, and its network, take longer than a short timer. */
static uint64_t patience_ns(const struct cluster *c)
{
    return c->met || c->o.dead_ns > c->o.start_ns ? c->o.dead_ns : c->o.start_ns;
}

void membership_judge(struct cluster *c, uint64_t now_ns, struct cluster_output *out)
{
    uint64_t last = c->started_ns;
    bool blind = membership_is_blind(c, now_ns);

    for (unsigned i = 0; i < c->o.link_count; i++) {
        struct cluster_link *l = &c->link[i];

        if (l->heard_ns > last)
            last = l->heard_ns;
        if (l->up && !blind && now_ns - l->heard_ns >= c->o.dead_ns &&
            out->close_count < CLUSTER_LINKS_MAX)
            out->close[out->close_count++] = i;
    }
    if (!c->o.has_peer || now_ns - last < patience_ns(c))
        c->silent = false;
    else if (!c->silent && !blind) {
        c->silent = true;
        c->fence_due_ns = now_ns + fence_delay_ns(c);
    }
    fence(c, now_ns, out);
    c->dead = c->fenced || !c->o.has_peer || (c->silent && !c->o.fence);
    c->alive = c->heard && !c->dead && !c->silent;
    if (c->dead || c->silent)
        c->heard = false;
}
