/* What a process knew when it died, its successor knows: of what is not marked as changed since the
 * last commit, nothing may be missing that the durability promises to keep. */
#include "sim.h"
#include "segment.h"

#include <stdlib.h>
#include <string.h>

/* N5, N3, T3: E and I only grow, and who owned it owns it. */
static void same_span(struct world *w, const struct node *n, const struct segment *g, size_t k,
                      const struct span *old, const struct delivery *now)
{
    const struct span *e = old->emitted >= old->from ? oracle_span(now, old->emitted) : NULL;
    const struct span *i = old->intent > old->emitted ? oracle_span(now, old->intent) : NULL;

    if (e != NULL && e->emitted < old->emitted)
        world_fail(w, "node %u forgot in a crash that sink %zu has %u/%u up to %u", n->id, k,
                   g->origin, g->epoch, old->emitted);
    if (i != NULL && i->intent < old->intent)
        world_fail(w, "node %u forgot in a crash that %u/%u is intended up to %u at sink %zu",
                   n->id, g->origin, g->epoch, old->intent, k);
    if (old->emitted < old->to && old->owner == n->id) {
        const struct span *s = oracle_span(now, old->emitted + 1);

        if (s != NULL && s->owner != n->id)
            world_fail(w, "node %u forgot in a crash that it owns %u/%u/%u at sink %zu", n->id,
                       g->origin, g->epoch, old->emitted + 1, k);
    }
}

/* Finding 5: of what it handed over itself only (E, I] is in doubt; what it knew to be, stays so.
 * Who went on without news of the peer doubts what that one may have, and all that it may itself
 * have forgotten: what is not looked at. */
static void same_doubt(struct world *w, const struct node *n, const struct segment *g, size_t k,
                       const struct segment *old)
{
    for (uint8_t m = 0; m < g->at[k].count; m++) {
        const struct span *s = &g->at[k].span[m];
        const struct span *o = s->emitted < s->to ? oracle_span(&old->at[k], s->emitted + 1) : NULL;
        uint32_t high;

        if (o == NULL || s->owner != n->id || s->doubt <= s->emitted || s->resumed || g->unsure)
            continue;
        high = o->doubt > o->intent ? o->doubt : o->intent;
        if (s->doubt > high && s->doubt <= o->to)
            world_fail(w,
                       "node %u doubts %u/%u up to %u at sink %zu after a crash, and had intended "
                       "it up to %u",
                       n->id, g->origin, g->epoch, s->doubt, k, high);
    }
}

/* L2: what the peer may have; L1: where it ended. */
static void same_segment(struct world *w, const struct node *n, const struct segment *old)
{
    const struct segment *g = core_segment(&n->core, old->origin, old->epoch);

    if (old->dirty)
        return;
    if (g == NULL)
        world_fail(w, "node %u forgot %u/%u in a crash", n->id, old->origin, old->epoch);
    if (old->origin == n->id && old->sent > g->sent_bound)
        world_fail(w, "node %u forgot in a crash that it has sent %u/%u up to %u", n->id,
                   old->origin, old->epoch, old->sent);
    if (old->closed && !g->closed)
        world_fail(w, "node %u forgot in a crash that %u/%u is closed", n->id, old->origin,
                   old->epoch);
    if (old->journaled > g->journaled && segment_undone(n->before, old) <= old->journaled &&
        w->disk_lied_ns[n->id] == 0 && w->journal_lost_ns[0] + w->journal_lost_ns[1] == 0)
        world_fail(w, "node %u forgot in a crash that it has %u/%u up to %u", n->id, old->origin,
                   old->epoch, old->journaled);
    for (size_t k = 0; k < w->sink_count && n->has[k]; k++) {
        for (uint8_t m = 0; !old->at[k].dirty && m < old->at[k].count; m++)
            same_span(w, n, g, k, &old->at[k].span[m], &g->at[k]);
        if (!old->at[k].dirty)
            same_doubt(w, n, g, k, old);
    }
}

/* L3: a takeover survives the power, whatever the durability. */
static void same_takeover(struct world *w, const struct node *n, const struct segment *old)
{
    const struct segment *g = core_segment(&n->core, old->origin, old->epoch);

    for (size_t k = 0; k < w->sink_count && n->has[k] && old->origin != n->id; k++) {
        for (uint8_t m = 0; !old->at[k].dirty && m < old->at[k].count; m++) {
            const struct span *o = &old->at[k].span[m];
            const struct span *s = g != NULL ? oracle_span(&g->at[k], o->to) : NULL;

            if (g != NULL && g->lost && g->last < o->to)
                continue; /* T5: the records went with the power, and that is stated. */
            if (o->owner == n->id && o->resumed && o->emitted < o->to &&
                (s == NULL || s->owner != n->id))
                world_fail(w, "node %u forgot with the power that it took %u/%u over up to %u",
                           n->id, old->origin, old->epoch, o->to);
        }
    }
}

void memory_died(struct node *n, bool at_once)
{
    if (n->recovers) /* What the one before it knew still holds, as that one was run. */
        return;
    n->before_power = n->power;
    if (n->before == NULL)
        n->before = malloc(sizeof(*n->before));
    if (n->before == NULL)
        abort();
    n->remembers = at_once ? MEMORY_ALL : MEMORY_NONE;
    if (at_once)
        *n->before = n->core;
}

void memory_power_cut(struct node *n)
{
    if (n->remembers == MEMORY_ALL && !n->before_power)
        n->remembers = MEMORY_TAKEOVERS;
}

void memory_check(struct world *w, struct node *n)
{
    const struct core *c = n->before;

    for (uint16_t i = 0; n->remembers != MEMORY_NONE && i < c->count; i++) {
        const struct segment *old = &c->segment[c->order[i]];

        if (n->remembers == MEMORY_ALL)
            same_segment(w, n, old);
        else if (c->session == SESSION_DOWN && c->taken_ns > c->lost_ns)
            same_takeover(w, n, old);
    }
    n->remembers = MEMORY_NONE;
}
