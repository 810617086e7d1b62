/* Faults that hit a moment which chance alone seldom hits.  Drawn from a stream of their own, and
 * only where there are operations too, so that a seed without them (--plain, --operations) is the
 * same run as ever. */
#include "sim.h"

/* The seeds from before there were relapses keep their stories. */
#define RELAPSES_SINCE 1795791000000000ull
/* From here on each scenario has one, also without operations, behind its first outage. */
#define RELAPSES_ALWAYS_SINCE 1795811400000000ull

static void draw_relapses(struct world *w)
{
    w->relapsing.state = w->seed * 0x8cb92ba72f3d8dd7ull + 5;
    w->relapse = w->relapses = 0;
    w->relapses_first = w->seed >= RELAPSES_ALWAYS_SINCE;
    if (w->relapses_first)
        w->relapse = rng_between(&w->relapsing, 300, 1000);
    else if (w->operations && !w->unaimed && !w->quiet && w->story == STORY_ANY &&
             w->seed >= RELAPSES_SINCE && rng_chance(&w->relapsing, 400))
        w->relapse = rng_between(&w->relapsing, 300, 1000);
}

void aimed_draw(struct world *w)
{
    draw_relapses(w);
    w->aim_hello = w->aim_settled = w->aim_lost = w->aim_asked = w->aim_fresh = 0;
    w->aim_behind = w->aim_file = 0;
    w->late = false;
    w->steady = w->questions_go = false;
    if (!w->operations || w->unaimed || w->story == STORY_EDITS)
        return;
    w->aim_hello = rng_chance(&w->aim, 300) ? rng_between(&w->aim, 100, 800) : 0;
    w->steady = rng_chance(&w->aim, 300);
    w->questions_go = rng_chance(&w->aim, 500);
    w->aim_asked = w->questions_go ? rng_between(&w->aim, 50, 500) : 0;
    w->aim_settled = rng_chance(&w->aim, 400) ? rng_between(&w->aim, 50, 500) : 0;
    w->aim_lost = rng_chance(&w->aim, 300) ? rng_between(&w->aim, 200, 900) : 0;
    w->aim_fresh = rng_chance(&w->aim, 150) ? rng_between(&w->aim, 200, 800) : 0;
    w->aim_behind = rng_chance(&w->spoil, 100) ? rng_between(&w->spoil, 2, 40) : 0;
    w->aim_file = rng_chance(&w->spoil, 50) ? rng_between(&w->spoil, 50, 600) : 0;
    if (w->sink_count > 1 && rng_chance(&w->spoil, 60)) {
        struct node *without = w->node[rng_below(&w->spoil, NODE_COUNT)];

        without->has[w->sink_count - 1] = false;
        TRACE(w, "the last sink is only at node %d", w->node[1]->has[w->sink_count - 1]);
    }
    w->late = rng_chance(&w->spoil, 150);
    TRACE(w, "aimed at %u of 1000 hellos, %u settled segments, %u lost journals%s", w->aim_hello,
          w->aim_settled, w->aim_lost,
          w->steady ? ", and each node keeps to a link of its own" : "");
}

static void aim(struct world *w, enum fault f, unsigned node, uint32_t latencies)
{
    world_event(w, w->now + rng_below(&w->aim, latencies * (uint32_t)w->latency_ns), EV_AIMED,
                (uint8_t)f, (uint8_t)node, 0);
}

/* A segment is settled: the power takes that again, or its link breaks with the word of it. */
void aimed_settled(struct world *w, const struct node *n)
{
    if (w->ending || w->aim_settled == 0 || !rng_chance(&w->aim, w->aim_settled))
        return;
    if (n->core.link < 0 || rng_chance(&w->aim, 400))
        aim(w, FAULT_HOST, n->id, 8);
    else
        aim(w, FAULT_RESET_LINK, (unsigned)n->core.link, 1);
}

/* A second outage before the first is digested: while the facts cross, or soon after, when what
 * waited is on its way.  It has none of its own. */
void aimed_mended(struct world *w, enum fault mended)
{
    static const enum fault faults[] = {FAULT_CRASH,      FAULT_CRASH,      FAULT_CRASH_IO,
                                        FAULT_CUT_ALL,    FAULT_CUT_ALL,    FAULT_CUT_WAY,
                                        FAULT_CUT_ONE,    FAULT_RESET_LINK, FAULT_SINK_DEAD,
                                        FAULT_SINK_RESET, FAULT_FREEZE,     FAULT_FAILOVER};
    bool outage = mended <= FAULT_FREEZE || mended == FAULT_CUT_ALL || mended == FAULT_JOURNAL_LOST;
    enum fault f = faults[rng_below(&w->relapsing, sizeof(faults) / sizeof(faults[0]))];
    uint64_t after = rng_chance(&w->relapsing, 500)
                         ? rng_below(&w->relapsing, 16 * (uint32_t)w->latency_ns)
                         : rng_below(&w->relapsing, 500) * MS;
    unsigned sink = rng_below(&w->relapsing, (uint32_t)w->sink_count);

    if (w->ending || !outage || w->relapse == 0 || w->relapses++ % 2 != 0)
        return;
    if (!(w->relapses == 1 && w->relapses_first) && !rng_chance(&w->relapsing, w->relapse))
        return;
    world_event(w, w->now + after, EV_AIMED, (uint8_t)f,
                (uint8_t)rng_below(&w->relapsing, NODE_COUNT), sink);
}

/* D1: the question goes with its connection. */
void aimed_asked(struct world *w, const struct node *n, unsigned sink)
{
    uint64_t after = rng_below(&w->aim, (uint32_t)(w->sink_delay[sink] / 2) + 1);

    if (!w->ending && rng_chance(&w->aim, w->aim_asked))
        world_event(w, w->now + after, EV_AIMED, FAULT_SINK_RESET, n->id, sink);
}

/* T5: the journal of the origin is gone, and the power takes from its peer what was not synced. */
static void lost_twice(struct world *w, const struct node *n)
{
    const struct core *c = &n->core;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (!g->lost || g->origin == n->id || g->done)
            continue;
        if (rng_chance(&w->aim, w->aim_lost))
            aim(w, FAULT_HOST, n->id, 8);
        return;
    }
}

/* T3, section 9: a process dies, or a link breaks, while facts cross; or a word is lost that is
 * said once. */
void aimed_session(struct world *w, const struct node *n)
{
    static const enum fault faults[] = {FAULT_CRASH,      FAULT_CRASH,   FAULT_CRASH_IO,
                                        FAULT_RESET_LINK, FAULT_CUT_ONE, FAULT_CLOG};
    uint64_t after = rng_below(&w->aim, 4 * (uint32_t)w->latency_ns);
    enum fault f = faults[rng_below(&w->aim, sizeof(faults) / sizeof(faults[0]))];
    unsigned node = rng_chance(&w->aim, 500) ? n->id : 1u - n->id;
    bool is_node = f == FAULT_CRASH || f == FAULT_CRASH_IO;

    if (w->ending)
        return;
    if (n->core.session == SESSION_UP && w->aim_lost > 0)
        lost_twice(w, n);
    if (n->core.session == SESSION_UP && rng_chance(&w->aim, w->aim_lost / 8))
        world_event(w, w->now + rng_below(&w->aim, 300) * MS, EV_AIMED, FAULT_JOURNAL_LOST, n->id,
                    0);
    if (!rng_chance(&w->aim, w->aim_hello))
        return;
    world_event(w, w->now + after, EV_AIMED, (uint8_t)f,
                (uint8_t)(is_node ? node : rng_below(&w->aim, SIM_LINKS)), 0);
}

/* T5, finding 9: without a journal or a peer, its clock says at the end of the wait for its first
 * epoch that it has lived for longer; and its journal goes again, soon after. */
void aimed_fresh(struct world *w, const struct node *n)
{
    if (w->ending || w->aim_fresh == 0 || !rng_chance(&w->aim, w->aim_fresh))
        return;
    world_event(w, w->now, EV_AIMED, FAULT_CUT_ALL, n->id, 0);
    world_event(w, w->now + 1990 * MS, EV_LEAP, n->id, 0, n->life);
    world_event(w, w->now + rng_between(&w->aim, 2020, 2400) * MS, EV_AIMED, FAULT_JOURNAL_LOST,
                n->id, 0);
}

void aimed_leap(struct world *w, struct node *n)
{
    faults_leap(w, n, rng_between(&w->aim, 2000, 6000) * MS);
}

/* L4, T5: the journal of an origin goes just when its peer knows of more than it holds. */
void aimed_tick(struct world *w, const struct node *n)
{
    const struct core *c = &n->core;

    if (w->ending || w->aim_behind == 0 || c->session != SESSION_UP)
        return;
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (g->origin == n->id || g->closed || g->produced <= g->journaled)
            continue;
        if (rng_chance(&w->spoil, w->aim_behind))
            world_event(w, w->now, EV_AIMED, FAULT_JOURNAL_LOST, 1 - n->id, 0);
        return;
    }
}

/* T5: the file of the epoch that is open goes, and the ring has what it went on with. */
void aimed_killed(struct world *w, struct node *n)
{
    if (w->ending || w->aim_file == 0 || !rng_chance(&w->spoil, w->aim_file))
        return;
    if (!sim_disk_lose_segment(&n->disk, n->id, n->ring.epoch))
        return;
    TRACE(w, "node %u: and the file of epoch %u goes", n->id, n->ring.epoch);
    faults_disk_lies(w, n);
}

/* L4: the last thing that happens: a process dies, and files of older epochs go, so that the tails
 * are stated as lost in a session that no other follows. */
void aimed_last(struct world *w)
{
    struct node *n = w->node[w->seed % NODE_COUNT];
    const struct core *c = &n->core;

    if (!w->late || !n->running)
        return;
    node_kill(w, n, "at once");
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (g->origin != n->id || !g->closed || g->done ||
            !sim_disk_lose_segment(&n->disk, n->id, g->epoch))
            continue;
        TRACE(w, "node %u: and the file of epoch %u goes", n->id, g->epoch);
        faults_disk_lies(w, n);
    }
}
