/* What operators do to a cluster, and faults aimed at it.  Drawn from a stream of chance of their
 * own, so that a seed without them (--plain, and some of the others) is the same run as ever. */
#include "sim.h"

#include <string.h>

/* Of 1,000. */
static bool often(const struct world *w, struct rng *r, uint32_t usual, uint32_t harsh)
{
    return rng_chance(r, w->story == STORY_HARSH ? harsh : usual);
}

static void draw_rates(struct world *w)
{
    w->more_sum = 0;
    for (int f = 0; f < FAULTS; f++) {
        bool on = f >= FAULTS_DRAWN && rng_chance(&w->more, 500);

        w->more_rate[f] = on ? 1 + rng_below(&w->more, 20) : 0;
        if (w->quiet && f != FAULT_HANDOVER)
            w->more_rate[f] = 0;
        w->more_sum += w->more_rate[f];
    }
}

/* T1, T2: how long a hand-over waits, and whether a lost sink starts one. */
static void draw_options(struct world *w)
{
    struct core_options *o = &w->options;

    if (rng_chance(&w->more, 500))
        o->drain_ns = rng_between(&w->more, 10, 400) * MS;
    if (rng_chance(&w->more, 400))
        o->give_ns = rng_between(&w->more, 20, 1500) * MS;
}

/* Of both nodes, or of one: then nobody relies on it. */
static void draw_fencing(struct world *w)
{
    bool on = rng_chance(&w->more, 250);

    for (int i = 0; i < NODE_COUNT; i++)
        w->fencing[i] = on && !rng_chance(&w->more, 100);
    w->fence_fails = rng_chance(&w->more, 500) ? rng_below(&w->more, 600) : 0;
    w->fence_lies = rng_chance(&w->more, 250) ? rng_below(&w->more, 1000) : 0;
    w->refences = on && rng_chance(&w->refencing, 400);
}

static void edit_limits(struct world *w, struct node *n)
{
    static const uint64_t holds[] = {500 * MS, 3000 * MS, 0};
    size_t k = rng_below(&w->editing, (uint32_t)w->sink_count);
    struct core_sink_options *o = &n->configured[k];

    o->window = rng_chance(&w->editing, 500) ? 1 + rng_below(&w->editing, 56) : 1024;
    o->hold_ns = holds[rng_below(&w->editing, 3)];
    if (o->policy != IN_DOUBT_HOLD)
        o->policy = rng_chance(&w->editing, 500) ? IN_DOUBT_SKIP : IN_DOUBT_RESEND;
    TRACE(w, "operation: node %u starts with window %u at sink %zu, holds for %u ms, policy %u",
          n->id, o->window, k, (unsigned)(o->hold_ns / MS), o->policy);
}

static void set_sink(struct world *w, struct node *n, size_t sink, bool has)
{
    if (n->has[sink] == has)
        return;
    n->has[sink] = has;
    w->sink_came = true;
    if (has)
        w->came_ns[n->id] = w->now;
    else
        oracle_sink_goes(w, n);
    TRACE(w, "operation: node %u starts with%s sink %zu", n->id, has ? "" : "out", sink);
}

static void edit(struct world *w, struct node *n)
{
    size_t last = w->sink_count - 1;

    if (w->edits_limits && rng_chance(&w->editing, 500))
        edit_limits(w, n);
    if (w->edits_power && rng_chance(&w->editing, 200)) {
        n->power = !n->power;
        TRACE(w, "operation: node %u starts with durability %s", n->id,
              n->power ? "power" : "process");
    }
    if (w->edits_sinks && last > 0 && rng_chance(&w->editing, 350))
        set_sink(w, n, last, !n->has[last]);
}

/* Something of that origin's. */
static bool has_taken(const struct core *c, uint8_t origin, size_t sink)
{
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        for (uint8_t m = 0; g->origin == origin && m < g->at[sink].count; m++) {
            if (g->at[sink].span[m].owner == c->o.node)
                return true;
        }
    }
    return false;
}

/* What one node knows of a sink and its peer does not, or has forgotten: it is taken from a taker
 * before it meets the origin again, and put back just as the power takes the origin's marks. */
static void flip(struct world *w, struct node *n)
{
    struct node *peer = w->node[1 - n->id];
    size_t last = w->sink_count - 1;

    if (n->drops_sink)
        set_sink(w, n, last, false);
    else if (!n->has[last] && rng_chance(&w->flipping, 600))
        set_sink(w, n, last, true);
    n->drops_sink = false;
    if (!peer->running || w->ending || w->quiet || !n->has[last])
        return;
    if (w->sink_came && rng_chance(&w->flipping, 400)) {
        world_event(w, w->now, EV_AIMED, FAULT_HOST, peer->id, 0);
    } else if (has_taken(&peer->core, n->id, last) && rng_chance(&w->flipping, 600)) {
        peer->drops_sink = true;
        world_event(w, w->now, EV_AIMED, FAULT_CRASH, peer->id, 0);
    }
}

/* An operator has edited its configuration. */
void operations_restart(struct world *w, struct node *n)
{
    edit(w, n);
    if (w->flips)
        flip(w, n);
    if (w->refences && rng_chance(&w->refencing, 200)) {
        w->fencing[n->id] = !w->fencing[n->id];
        TRACE(w, "operation: node %u starts with%s a fencing command", n->id,
              w->fencing[n->id] ? "" : "out");
    }
}

static void draw_edits(struct world *w)
{
    bool on = w->operations && often(w, &w->editing, 350, 1000);

    w->sink_came = false;
    w->edits_limits = on && rng_chance(&w->editing, 300);
    w->edits_power = on && often(w, &w->editing, 300, 500);
    w->edits_sinks = on && often(w, &w->editing, 500, 850);
    w->host_falls = on && rng_chance(&w->editing, 500);
    w->flips = w->operations && w->sink_count > 1 && often(w, &w->flipping, 80, 200);
    w->flips |= w->operations && w->sink_count > 1 && w->story == STORY_FLIPS;
    for (int i = 0; i < NODE_COUNT; i++) {
        w->node[i]->power = w->power;
        w->node[i]->drops_sink = false;
        memcpy(w->node[i]->configured, w->options.sink, sizeof(w->node[i]->configured));
    }
}

static void draw_edits_alone(struct world *w)
{
    static const enum fault forgets[] = {FAULT_HOST,      FAULT_JOURNAL_LOST, FAULT_ROT,
                                         FAULT_MISDIRECT, FAULT_CLOCK,        FAULT_FENCED};

    w->edits_sinks = true;
    w->edits_limits = w->edits_power = w->host_falls = w->small_journals = w->flips = false;
    for (size_t i = 0; i < sizeof(forgets) / sizeof(forgets[0]); i++)
        w->rate[forgets[i]] = 0;
    w->rate[FAULT_CRASH] += 20;
    w->rate[FAULT_SINK_DEAD] += 20;
    w->rate_sum = 0;
    for (int f = 0; f < FAULTS_DRAWN; f++)
        w->rate_sum += w->rate[f];
}

/* An owner goes on without its peer, dies with its host, and is back before it is taken from. */
static void draw_fenced_in_vain(struct world *w)
{
    w->fencing[0] = w->fencing[1] = true;
    w->fence_fails = 1000;
    w->refences = w->power = w->options.power = false;
    for (int i = 0; i < NODE_COUNT; i++)
        w->node[i]->power = false;
    for (int f = 0; f < FAULTS_DRAWN; f++)
        w->rate[f] = 0;
    w->rate[FAULT_HOST] = w->rate[FAULT_CUT_ALL] = 20;
    w->rate[FAULT_SINK_SILENT] = 5;
    w->rate_sum = 45;
}

static void draw_story(struct world *w)
{
    if (w->story == STORY_EDITS)
        draw_edits_alone(w);
    if (w->story == STORY_FENCED)
        draw_fenced_in_vain(w);
    w->host_falls |= w->story == STORY_OPENINGS;
}

static void draw_versions(struct world *w)
{
    if (!often(w, &w->more, 300, 500))
        return;
    for (int i = 0; i < NODE_COUNT; i++)
        w->node[i]->version = rng_chance(&w->more, 500) ? 1 : 0;
}

void operations_draw(struct world *w)
{
    w->struck = w->open = w->more_sum = 0;
    w->calm = w->quiet = w->staggered = w->fence_lied = false;
    for (int i = 0; i < NODE_COUNT; i++) {
        w->fencing[i] = false;
        w->node[i]->version = 0;
    }
    w->operations = !w->plain && rng_chance(&w->more, 800);
    w->operations |= w->story != STORY_ANY;
    w->answering.state = w->seed ^ 0xa5e5;
    w->slow_answers = w->operations && rng_chance(&w->answering, 350);
    w->unsyncing.state = w->seed ^ 0xd15c;
    w->unsyncs = w->operations && often(w, &w->unsyncing, 350, 600);
    w->editing.state = w->seed ^ 0xc0f19;
    w->flipping.state = w->seed ^ 0xf11b;
    draw_edits(w);
    w->narrowing.state = w->seed ^ 0x1e55;
    w->refencing.state = w->seed ^ 0xfe9ce;
    w->refences = false;
    w->narrow = w->operations && rng_chance(&w->narrowing, 350);
    w->quiet = w->operations && rng_chance(&w->more, 150) && w->story == STORY_ANY;
    if (!w->operations)
        return;
    draw_options(w);
    draw_fencing(w);
    draw_versions(w);
    draw_story(w);
    w->staggered = rng_chance(&w->more, 500);
    draw_rates(w);
    TRACE(w, "operations%s%s, fencing %u %u, wire versions %u %u", w->quiet ? ", and no fault" : "",
          w->staggered ? ", staggered connections" : "", w->fencing[0], w->fencing[1],
          w->node[0]->version, w->node[1]->version);
}

void operations_next(struct world *w)
{
    uint64_t after = rng_chance(&w->more, 400) ? rng_between(&w->more, 1, 100)
                                               : rng_between(&w->more, 100, 1200);

    world_event(w, w->now + after * MS, EV_OPERATION, 0, 0, 0);
}

static enum fault draw(struct world *w)
{
    uint32_t at = rng_below(&w->more, w->more_sum);
    int f = 0;

    while (at >= w->more_rate[f])
        at -= w->more_rate[f++];
    return (enum fault)f;
}

/* Any time until well after a hand-over has drained. */
static void aim(struct world *w, unsigned node, unsigned sink)
{
    static const enum fault faults[] = {
        FAULT_CRASH,     FAULT_CRASH_IO,      FAULT_FREEZE,     FAULT_CUT_ONE,     FAULT_CUT_ALL,
        FAULT_CUT_WAY,   FAULT_RESET_LINK,    FAULT_SINK_RESET, FAULT_SINK_SILENT, FAULT_SINK_DEAD,
        FAULT_SINK_SLOW, FAULT_SINK_ONE_SIDE, FAULT_DISK_FULL};
    enum fault f = faults[rng_below(&w->more, sizeof(faults) / sizeof(faults[0]))];
    uint64_t after = rng_chance(&w->more, 500) ? rng_below(&w->more, 4 * (uint32_t)w->latency_ns)
                                               : rng_below(&w->more, 200) * MS;

    if (rng_chance(&w->more, 500))
        node = 1 - node;
    world_event(w, w->now + after, EV_AIMED, (uint8_t)f, (uint8_t)node, sink);
}

static void hand_over(struct world *w, unsigned node)
{
    uint8_t sink = rng_chance(&w->more, 500)
                       ? SINK_ALL
                       : (uint8_t)rng_below(&w->more, (uint32_t)w->sink_count);

    node_handover(w, w->node[node], sink);
    if (rng_chance(&w->more, 200)) /* Both at once. */
        node_handover(w, w->node[1 - node], sink);
}

/* An upgrade; now and then a way back. */
static void restart_as(struct world *w, unsigned node)
{
    w->node[node]->version = rng_chance(&w->more, 300) ? 1 : 0;
    TRACE(w, "node %u: wire version %u", node, w->node[node]->version);
    faults_apply(w, FAULT_CRASH, node, 0);
}

/* ---- T4a ---- */

enum { FENCE_ACTS, FENCE_SUCCEEDS, FENCE_FAILS };

/* cluster/shell/fence.c: one at a time.  It acts on the peer, and some time later it ends. */
void operations_fence_run(struct world *w, struct node *n)
{
    uint64_t acts = w->now + rng_between(&w->more, 1, 100) * MS;
    uint64_t ends = acts + rng_between(&w->more, 1, 1000) * MS;
    bool fails = rng_chance(&w->more, w->fence_fails);

    if (n->fence_out)
        return;
    n->fence_out = true;
    TRACE(w, "node %u: runs its fencing command", n->id);
    if (!fails && !rng_chance(&w->more, w->fence_lies))
        world_event(w, acts, EV_FENCE, n->id, FENCE_ACTS, 0);
    world_event(w, ends, EV_FENCE, n->id, fails ? FENCE_FAILS : FENCE_SUCCEEDS, n->life);
}

void operations_fence(struct world *w, const struct event *e)
{
    struct node *n = w->node[e->a];

    if (e->b == FENCE_ACTS)
        faults_apply(w, rng_chance(&w->more, 300) ? FAULT_HOST : FAULT_CRASH, 1 - e->a, 0);
    else if (n->running && n->life == e->arg && n->frozen)
        world_event(w, w->now + 10 * MS, EV_FENCE, e->a, e->b, e->arg);
    else if (n->running && n->life == e->arg)
        node_fence_result(w, n, e->b == FENCE_SUCCEEDS);
}

void operations_strike(struct world *w)
{
    unsigned node = rng_below(&w->more, NODE_COUNT);
    unsigned sink = rng_below(&w->more, (uint32_t)w->sink_count);
    enum fault f;

    if (w->more_sum == 0)
        return;
    f = draw(w);
    w->stats.faults[f]++;
    TRACE(w, "operation: %s (node %u)", fault_names[f], node);
    switch (f) {
    case FAULT_HANDOVER:
        hand_over(w, node);
        break;
    case FAULT_HANDOVER_STRUCK:
        if (rng_chance(&w->more, 300)) /* The fault comes first. */
            aim(w, node, sink);
        hand_over(w, node);
        aim(w, node, sink);
        break;
    case FAULT_WIRE:
        restart_as(w, node);
        break;
    case FAULT_REDIAL:
        links_redial(w, rng_below(&w->more, SIM_LINKS));
        break;
    default:
        break;
    }
}
