/* What happens to the nodes; each seed draws anew which faults, and how often. */
#include "sim.h"

const char *const fault_names[FAULTS] = {
    "process crash",    "crash in an effect", "host death",        "freeze and thaw",
    "one link cut",     "split brain",        "one way cut",       "clogged link",
    "link reset",       "sink reset",         "confirmation lost", "sink dead",
    "sink slow",        "sink lost to one",   "journal lost",      "disk full",
    "bit rot",          "misdirected write",  "clock jump",        "operator: fenced",
    "failover command", "failover reset",     "event burst",       "worker death",
    "hand-over",        "hand-over struck",   "wire version",      "connected twice",
};

/* Rare in the world, and each rules some property out: not in every seed. */
static bool is_harsh(enum fault f)
{
    return f == FAULT_HOST || f == FAULT_JOURNAL_LOST || f == FAULT_ROT || f == FAULT_MISDIRECT ||
           f == FAULT_CLOCK || f == FAULT_FENCED;
}

static uint32_t how_often(const struct world *w, enum fault f)
{
    if (w->story == STORY_HARSH)
        return is_harsh(f) ? 500 : 400;
    return is_harsh(f) ? 250 : 500;
}

void faults_draw(struct world *w)
{
    w->rate_sum = 0;
    for (int f = 0; f < FAULTS_DRAWN; f++) {
        w->rate[f] = rng_chance(&w->rng, how_often(w, f)) ? 1 + rng_below(&w->rng, 20) : 0;
        w->rate_sum += w->rate[f];
    }
    if (w->rate_sum == 0)
        w->rate_sum = w->rate[FAULT_CRASH] = 1;
}

static enum fault draw(struct world *w)
{
    uint32_t at = rng_below(&w->rng, w->rate_sum);
    int f = 0;

    while (at >= w->rate[f])
        at -= w->rate[f++];
    return (enum fault)f;
}

static void mend_later(struct world *w, enum fault f, unsigned a)
{
    uint64_t after =
        rng_chance(&w->rng, 300) ? rng_between(&w->rng, 1, 60) : rng_between(&w->rng, 60, 1500);

    w->open++;
    world_event(w, w->now + after * MS, EV_MEND, (uint8_t)f, (uint8_t)a, 0);
}

void faults_disk_lies(struct world *w, const struct node *n)
{
    w->disk_lied_ns[n->id] = w->now;
}

void faults_host_died(struct world *w, struct node *n)
{
    if (!n->power || w->edits_power) /* Some was written before it was to be synced. */
        w->marks_lost_ns[n->id] = w->now;
    node_host_died(w, n);
}

/* Its host goes with it, or the process alone, whose ring lives; all of it, or its marks.  No draw:
 * the seeds keep their story. */
static void journal_lost(struct world *w, struct node *n)
{
    bool ring_lives = w->operations && !w->unaimed && w->now / MS % 4 < 2;

    if (ring_lives) {
        node_kill(w, n, "at once, and its journal goes");
    } else {
        faults_host_died(w, n);
    }
    w->journal_lost_ns[n->id] = w->now;
    if (w->now / MS % 3 == 0 && !ring_lives && !w->refences) {
        sim_disk_lose_marks(&n->disk);
        w->marks_lost_ns[n->id] = w->now;
    } else {
        sim_disk_wipe(&n->disk);
    }
    n->remembers = MEMORY_NONE;
    oracle_copies_lost(w, n->id);
}

static void crash(struct world *w, struct node *n, enum fault f)
{
    if (f == FAULT_CRASH_IO && n->running && !n->frozen) {
        n->fuse = 1 + rng_below(&w->rng, 120);
    } else if (f == FAULT_JOURNAL_LOST && w->now >= n->waits_until) {
        journal_lost(w, n);
    } else if (f == FAULT_HOST) {
        faults_host_died(w, n);
    } else {
        node_kill(w, n, "at once");
        aimed_killed(w, n);
    }
}

static void cut(struct world *w, enum fault f, unsigned a)
{
    bool narrow = f == FAULT_CUT_WAY && w->narrow && rng_chance(&w->narrowing, 500);
    unsigned only = narrow ? rng_below(&w->narrowing, SIM_LINKS) : a;

    for (unsigned l = 0; l < SIM_LINKS; l++) {
        if ((f == FAULT_CUT_ONE || narrow) && l != only)
            continue;
        for (unsigned i = 0; i < NODE_COUNT; i++)
            w->link[l].cut[i] |= f != FAULT_CUT_WAY || i == a;
    }
}

static void strike_link(struct world *w, enum fault f, unsigned a)
{
    if (f == FAULT_CLOG) {
        w->link[a].clog_ns = rng_between(&w->rng, 5, 120) * MS;
    } else if (f == FAULT_RESET_LINK) {
        links_break(w, a);
    } else {
        cut(w, f, a);
    }
}

static void strike_sink(struct world *w, enum fault f, unsigned node, unsigned sink)
{
    struct node *n = w->node[node];

    switch (f) {
    case FAULT_SINK_DEAD:
        w->sink_dead[sink] = true;
        break;
    case FAULT_SINK_SLOW:
        w->sink_delay[sink] = rng_between(&w->rng, 50, 800) * MS;
        break;
    case FAULT_SINK_ONE_SIDE:
        n->sink[sink].reachable = false;
        break;
    default:
        collector_reset(w, n, sink, f == FAULT_SINK_SILENT);
        break;
    }
}

/* A leap may cut short the two seconds in which a new journal waits with its first epoch (T5). Then
 * nothing could tell the next one that it was used, so its journal stays for as long. */
void faults_leap(struct world *w, struct node *n, uint64_t by_ns)
{
    w->clock_lied = true;
    n->clock_offset += by_ns;
    if (w->now < n->started_at + 2 * SECOND_NS)
        n->waits_until = n->started_at + 2 * SECOND_NS;
}

/* Not back where journals are lost without aim: mostly nothing could say which epochs are used. */
static void set_wall_clock(struct world *w, struct node *n)
{
    int64_t by_s = rng_below(&w->rng, 3600);

    if (w->rate[FAULT_JOURNAL_LOST] == 0 && rng_chance(&w->rng, 500)) {
        n->set_back = true;
        by_s = -by_s;
    }
    n->wall_offset += by_s;
}

static void strike_clock(struct world *w, struct node *n)
{
    w->clock_lied = true;
    if (rng_chance(&w->rng, 500))
        faults_leap(w, n, rng_between(&w->rng, 10, 2000) * MS);
    else
        set_wall_clock(w, n);
}

void faults_strike(struct world *w)
{
    enum fault f = draw(w);
    unsigned node = rng_below(&w->rng, NODE_COUNT);
    unsigned sink = rng_below(&w->rng, (uint32_t)w->sink_count);

    faults_apply(w, f, node, sink);
}

/* Of the outage before: a session again, and what it closed is with the collectors. */
static bool is_digested(const struct world *w)
{
    for (int i = 0; i < NODE_COUNT; i++) {
        const struct core *c = &w->node[i]->core;

        if (!w->node[i]->running || c->session != SESSION_UP)
            return false;
        for (uint16_t g = 0; g < c->count; g++) {
            if (c->segment[c->order[g]].closed)
                return false;
        }
    }
    return true;
}

/* Before either node has an epoch there is nothing to go on with. */
static void count_outage(struct world *w)
{
    bool any = false;

    for (int i = 0; i < NODE_COUNT; i++)
        any |= w->node[i]->running && w->node[i]->core.live_epoch != 0;
    if (!any)
        return;
    w->stats.outages++;
    w->stats.relapses += w->met_ns != 0 && !is_digested(w);
}

static void misdirect(struct world *w, struct node *n)
{
    uint64_t at = n->disk.writes + 1 + rng_below(&w->rng, 50);

    if (w->seed >= STRIKES_SINCE)
        n->disk.misdirects = true;
    else
        n->disk.misdirect_at = at;
}

void faults_apply(struct world *w, enum fault f, unsigned node, unsigned sink)
{
    unsigned a = node;
    struct node *n = w->node[node];

    w->stats.faults[f]++;
    world_struck(w);
    TRACE(w, "fault: %s (node %u, sink %u)", fault_names[f], node, sink);
    switch (f) {
    case FAULT_CRASH:
    case FAULT_CRASH_IO:
    case FAULT_HOST:
    case FAULT_JOURNAL_LOST:
        if (n->running)
            count_outage(w);
        crash(w, n, f);
        break;
    case FAULT_FREEZE:
        n->frozen = n->running;
        break;
    case FAULT_CUT_ALL:
        count_outage(w);
        cut(w, f, a);
        break;
    case FAULT_CUT_ONE:
    case FAULT_CUT_WAY:
    case FAULT_CLOG:
    case FAULT_RESET_LINK:
        strike_link(w, f, a);
        break;
    case FAULT_SINK_RESET:
    case FAULT_SINK_SILENT:
    case FAULT_SINK_DEAD:
    case FAULT_SINK_SLOW:
    case FAULT_SINK_ONE_SIDE:
        strike_sink(w, f, node, sink);
        a = f == FAULT_SINK_ONE_SIDE ? node * SIM_SINKS + sink : sink;
        break;
    case FAULT_DISK_FULL:
        if (w->unsyncs && rng_chance(&w->unsyncing, 500))
            n->disk.syncs = rng_chance(&w->unsyncing, 500) ? SYNCS_MARKS : SYNCS_NOTHING;
        else
            n->disk.full = true;
        break;
    case FAULT_ROT:
        if (sim_disk_rot(&n->disk))
            faults_disk_lies(w, n);
        break;
    case FAULT_MISDIRECT:
        misdirect(w, n);
        break;
    case FAULT_CLOCK:
        strike_clock(w, n);
        break;
    case FAULT_FENCED:
    case FAULT_FAILOVER:
    case FAULT_FAILOVER_RESET:
        if (f == FAULT_FAILOVER)
            count_outage(w);
        node_operator(w, n, f);
        if (f == FAULT_FAILOVER && rng_chance(&w->rng, 300)) /* Both at once. */
            node_operator(w, w->node[1 - node], f);
        break;
    case FAULT_BURST:
        ring_decide(w, n, 200 + rng_below(&w->rng, 1200), false);
        break;
    case FAULT_WORKER:
        ring_decide(w, n, 5, true);
        break;
    default:
        break;
    }
    mend_later(w, f, a);
}

void faults_mend(struct world *w, enum fault f, unsigned a)
{
    world_struck(w);
    w->open -= w->open > 0;
    switch (f) {
    case FAULT_CRASH:
    case FAULT_CRASH_IO:
    case FAULT_HOST:
    case FAULT_JOURNAL_LOST:
        node_start(w, w->node[a]);
        break;
    case FAULT_FREEZE:
        w->node[a]->frozen = false;
        break;
    case FAULT_CUT_ONE:
    case FAULT_CUT_ALL:
    case FAULT_CUT_WAY:
        for (unsigned l = 0; l < SIM_LINKS; l++)
            w->link[l].cut[0] = w->link[l].cut[1] = false;
        break;
    case FAULT_CLOG:
        w->link[a].clog_ns = 0;
        break;
    case FAULT_SINK_DEAD:
        w->sink_dead[a] = false;
        break;
    case FAULT_SINK_SLOW:
        w->sink_delay[a] = 2 * MS;
        break;
    case FAULT_SINK_ONE_SIDE:
        w->node[a / SIM_SINKS]->sink[a % SIM_SINKS].reachable = true;
        break;
    case FAULT_DISK_FULL:
        w->node[a]->disk.full = false;
        w->node[a]->disk.syncs = SYNCS;
        node_start(w, w->node[a]); /* A replicator whose marks cannot be written ends. */
        break;
    case FAULT_FAILOVER:
        node_operator(w, w->node[0], FAULTS);
        node_operator(w, w->node[1], FAULTS);
        break;
    default:
        break;
    }
    for (unsigned l = 0; l < SIM_LINKS; l++)
        links_mend(w, l);
    aimed_mended(w, f);
}

void faults_mend_all(struct world *w)
{
    for (int n = 0; n < NODE_COUNT; n++) {
        w->node[n]->fuse = 0;
        w->node[n]->disk.misdirect_at = 0;
        w->node[n]->disk.misdirects = false;
    }
    w->open = 0;
    for (int f = 0; f < FAULTS_DRAWN; f++) {
        for (unsigned a = 0; a < NODE_COUNT * SIM_SINKS; a++) {
            bool node = f <= FAULT_FREEZE || f == FAULT_JOURNAL_LOST || f == FAULT_DISK_FULL ||
                        f == FAULT_CLOG;
            bool sink = f == FAULT_SINK_DEAD || f == FAULT_SINK_SLOW;

            if ((node && a < NODE_COUNT) || (sink && a < w->sink_count) ||
                (f == FAULT_SINK_ONE_SIDE && a % SIM_SINKS < w->sink_count) || a == 0)
                faults_mend(w, (enum fault)f, a);
        }
    }
}
