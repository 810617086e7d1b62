#include "segment.h"

#include <assert.h>
#include <string.h>

/* clang-format off */
/*   LIVE ----closed----> DRAINING ----all confirmed, and both say so----> SETTLED   (from each state)
 *     |                     |
 *     +----session lost-----+--> HELD         (E, S] waits for the peer, the operator or time (L2, T4)
 *     +----taken over-------+--> TAKEN        by this node from its owner (L3); from HELD, too
 *     +----given------------+--> HANDED_OVER  the peer has it, by takeover or by hand-over (T1-T3)
 *
 * As the nodes settle (T3) what its spans say: TAKEN or HANDED_OVER, else DRAINING, or LIVE where its
 * origin has not closed it yet (N6: an epoch a second at most). */
/* clang-format on */
static const uint8_t segment_moves[] = {
    [SEGMENT_FREE] = 1u << SEGMENT_LIVE,
    [SEGMENT_LIVE] = 1u << SEGMENT_DRAINING | 1u << SEGMENT_HELD | 1u << SEGMENT_TAKEN |
                     1u << SEGMENT_HANDED_OVER | 1u << SEGMENT_SETTLED,
    [SEGMENT_DRAINING] = 1u << SEGMENT_HELD | 1u << SEGMENT_TAKEN | 1u << SEGMENT_HANDED_OVER |
                         1u << SEGMENT_SETTLED,
    [SEGMENT_HELD] = 1u << SEGMENT_LIVE | 1u << SEGMENT_DRAINING | 1u << SEGMENT_TAKEN |
                     1u << SEGMENT_HANDED_OVER | 1u << SEGMENT_SETTLED,
    [SEGMENT_TAKEN] = 1u << SEGMENT_LIVE | 1u << SEGMENT_DRAINING | 1u << SEGMENT_HELD |
                      1u << SEGMENT_HANDED_OVER | 1u << SEGMENT_SETTLED,
    [SEGMENT_HANDED_OVER] = 1u << SEGMENT_LIVE | 1u << SEGMENT_DRAINING | 1u << SEGMENT_HELD |
                            1u << SEGMENT_TAKEN | 1u << SEGMENT_SETTLED,
    [SEGMENT_SETTLED] = 0, /* And each is FREE when it is removed. */
};

void segment_move(struct segment *g, enum segment_state to)
{
    if (g->state == to)
        return;
    assert(to == SEGMENT_FREE || segment_moves[g->state] & (1u << to));
    g->state = (uint8_t)to;
}

const struct segment *core_segment(const struct core *c, uint8_t origin, uint32_t epoch)
{
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (g->epoch == epoch && g->origin == origin)
            return g;
    }
    return NULL;
}

static struct segment *touched(struct core *c, struct segment *g)
{
    size_t index = (size_t)(g - c->segment);

    c->touched[index / 64] |= 1ull << (index % 64);
    return g;
}

struct segment *segment_find(struct core *c, uint8_t origin, uint32_t epoch)
{
    const struct segment *g = core_segment(c, origin, epoch);

    return g != NULL ? touched(c, &c->segment[g - c->segment]) : NULL;
}

static struct segment *free_slot(struct core *c)
{
    if (c->count == SEGMENT_MAX)
        return NULL;
    for (uint16_t i = 0; i < SEGMENT_MAX; i++) {
        if (c->segment[i].state == SEGMENT_FREE)
            return &c->segment[i];
    }
    return NULL;
}

struct segment *segment_add(struct core *c, uint8_t origin, uint32_t epoch)
{
    struct segment *g = free_slot(c);
    uint16_t at = c->count;

    if (g == NULL)
        return NULL;
    memset(g, 0, sizeof(*g));
    g->origin = origin;
    g->epoch = epoch;
    g->base = 1;
    g->told = SEQUENCE_MAX;
    g->dirty = true;
    segment_move(g, SEGMENT_LIVE);
    for (size_t k = 0; k < c->o.sink_count; k++) {
        g->at[k].span[0] = (struct span){.from = 1, .to = SEQUENCE_MAX, .owner = origin};
        /* Nobody else can have written it, before this connection was there. */
        g->at[k].span[0].guarded = origin == c->o.node && c->sink[k].up;
        g->at[k].count = 1;
        g->at[k].shared = c->session == SESSION_UP && c->peer_has[k];
        g->at[k].dirty = true;
    }
    while (at > 0 && c->segment[c->order[at - 1]].epoch > epoch) {
        c->order[at] = c->order[at - 1];
        at--;
    }
    c->order[at] = (uint16_t)(g - c->segment);
    c->count++;
    if (epoch > c->highest_epoch)
        c->highest_epoch = epoch;
    return touched(c, g);
}

const struct core_dropped *segment_dropped(const struct core *c, uint8_t origin, uint32_t epoch)
{
    for (size_t i = 0; i < DROPPED_MAX; i++) {
        if (c->dropped[i].epoch == epoch && c->dropped[i].origin == origin && epoch != 0)
            return &c->dropped[i];
    }
    return NULL;
}

void segment_remove(struct core *c, struct segment *g)
{
    uint16_t index = (uint16_t)(g - c->segment);
    uint16_t out = 0;

    for (uint16_t i = 0; i < c->count; i++) {
        if (c->order[i] != index)
            c->order[out++] = c->order[i];
    }
    c->count = out;
    segment_move(g, SEGMENT_FREE);
}

void segment_close(struct core *c, struct segment *g, uint32_t last)
{
    if (g->closed)
        return;
    touched(c, g);
    g->closed = true;
    g->last = last;
    g->dirty = true;
    if (g->produced < last)
        g->produced = last;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        delivery_tidy(&g->at[k], true, last, delivery_keeper(c));
        g->at[k].dirty = true;
    }
    if (g->state == SEGMENT_LIVE)
        segment_move(g, SEGMENT_DRAINING);
}

void segment_show(struct core *c, struct segment *g)
{
    bool ours = false, theirs = false;
    enum segment_state kept = g->closed ? SEGMENT_DRAINING : SEGMENT_LIVE;

    for (size_t k = 0; k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            const struct span *s = &g->at[k].span[n];

            if (s->emitted < s->to)
                *(s->owner == c->o.node ? &ours : &theirs) = true;
        }
    }
    if (g->origin == c->o.node)
        segment_move(g, theirs && !ours ? SEGMENT_HANDED_OVER : kept);
    else
        segment_move(g, ours && !theirs ? SEGMENT_TAKEN : kept);
}

bool segment_is_done(const struct core *c, const struct segment *g)
{
    if (!g->closed)
        return false;
    for (size_t k = 0; k < c->o.sink_count; k++) {
        const struct delivery *d = &g->at[k];

        for (uint8_t i = 0; i < d->count; i++) {
            if (d->span[i].emitted < min_u32(d->span[i].to, g->last))
                return false;
        }
    }
    return true;
}

bool segment_lacks_tail(const struct core *c, const struct segment *g)
{
    /* T5: what is the replica's may come from there, while there is one. */
    return g->origin == c->o.node && g->closed && (!g->lost || !c->o.has_peer) &&
           g->journaled < g->last && g->epoch < c->ring_epoch;
}

void segment_done_below(struct core *c, struct segment *g, uint32_t base)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        struct delivery *d = &g->at[k];

        for (uint8_t i = 0; i < d->count; i++) {
            struct span *s = &d->span[i];

            if (s->emitted >= base - 1)
                continue;
            s->emitted = min_u32(s->to, base - 1);
            s->handed = max_u32(s->handed, s->emitted);
            s->intent = max_u32(s->intent, s->emitted);
            d->dirty = true;
        }
        delivery_tidy(d, g->closed, g->last, delivery_keeper(c));
    }
}

uint32_t segment_undone(const struct core *c, const struct segment *g)
{
    uint32_t first = SEQUENCE_MAX;

    for (size_t k = 0; k < c->o.sink_count; k++) {
        const struct delivery *d = &g->at[k];

        for (uint8_t i = 0; i < d->count; i++) {
            if (d->span[i].emitted < d->span[i].to)
                first = min_u32(first, d->span[i].emitted + 1);
        }
    }
    return first;
}

uint32_t segment_needed(const struct core *c, const struct segment *g)
{
    uint32_t end = g->closed ? g->journaled + 1 : max_u32(g->journaled, 1);

    return min_u32(end, segment_undone(c, g));
}

struct span *delivery_find(struct delivery *d, uint32_t sequence)
{
    for (uint8_t i = 0; i < d->count; i++) {
        if (sequence >= d->span[i].from && sequence <= d->span[i].to)
            return &d->span[i];
    }
    return NULL;
}

bool delivery_is_undone(const struct delivery *d)
{
    for (uint8_t i = 0; i < d->count; i++) {
        if (d->span[i].emitted < d->span[i].to)
            return true;
    }
    return false;
}

uint32_t span_end(const struct segment *g, const struct span *s)
{
    return s->to != SEQUENCE_MAX ? s->to : max_u32(max_u32(g->journaled, g->produced), s->intent);
}

void span_report_again(const struct core *c, struct span *s)
{
    s->report |= s->owner == c->o.node || s->came;
}

uint32_t span_perhaps(const struct segment *g, const struct span *s)
{
    return max_u32(s->doubt, g->unsure ? span_end(g, s) : s->intent);
}

uint32_t segment_may_be_sent(const struct segment *g)
{
    uint32_t there = g->closed ? g->last : SEQUENCE_MAX;

    return g->begun_before ? max_u32(g->sent, min_u32(there, g->sent_bound)) : g->sent;
}

uint32_t span_reach(const struct segment *g, const struct span *s)
{
    uint32_t there = max_u32(max_u32(g->journaled, g->replicated), g->produced);

    return g->closed ? span_end(g, s) : min_u32(span_end(g, s), max_u32(there, s->intent));
}

static void clip_marks(struct span *s, uint32_t low, uint32_t high)
{
    uint32_t *mark[] = {&s->emitted, &s->handed, &s->intent, &s->requested, &s->granted, &s->doubt};

    for (size_t i = 0; i < sizeof(mark) / sizeof(mark[0]); i++)
        *mark[i] = max_u32(low, min_u32(high, *mark[i]));
}

bool delivery_split(struct delivery *d, struct span *s, uint32_t at)
{
    size_t index = (size_t)(s - d->span);

    assert(at >= s->from);
    if (at >= s->to)
        return true;
    if (d->count == SPAN_MAX)
        return false;
    memmove(s + 2, s + 1, (d->count - index - 1) * sizeof(*s));
    s[1] = s[0];
    s[1].from = at + 1;
    clip_marks(&s[1], at, s[1].to);
    if (s[1].asked != ASK_DONE) /* What is asked, or noted, is so for the lower part. */
        s[1].asked = ASK_NONE;
    s[0].to = at;
    clip_marks(&s[0], s[0].from - 1, at);
    d->count++;
    d->dirty = true;
    return true;
}

bool span_is_apart(const struct delivery *d, const struct span *s)
{
    for (; s > d->span && s->apart; s--) {
        const struct span *below = s - 1;

        if (below->to + 1 != s->from || below->owner != s->owner)
            return false;
        if (below->emitted < below->to)
            return true;
    }
    return false;
}

void delivery_remove(struct delivery *d, const struct span *s)
{
    size_t index = (size_t)(s - d->span);

    assert(index < d->count);
    memmove(&d->span[index], &d->span[index + 1], (d->count - index - 1) * sizeof(*s));
    d->count--;
    d->dirty = true;
}

int delivery_keeper(const struct core *c)
{
    return c->o.has_peer ? c->o.node : -1;
}

void delivery_tidy(struct delivery *d, bool closed, uint32_t last, int keeper)
{
    uint8_t out = 0;

    for (uint8_t i = 0; i < d->count; i++) {
        struct span s = d->span[i];

        if (closed && s.from > last)
            continue;
        if (closed && s.to > last) {
            s.to = last;
            clip_marks(&s, s.from - 1, last);
        }
        if (s.emitted == s.to && s.owner != keeper)
            continue;
        d->span[out++] = s;
    }
    if (out != d->count)
        d->dirty = true;
    d->count = out;
}
