/* What a full journal gives up (PROTOCOL.md section 11): the oldest records that some sink lacks.
 * They count as confirmed once the statement of their loss is durable, and not before; so the peer
 * learns of it as of any confirmation, gives its copy up, and settles by it. */
#include "rules.h"
#include "record.h"

/* Up to where all that some sink lacks is ours, from `from` on. */
static uint32_t ours_to(const struct core *c, const struct segment *g, uint32_t limit)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            const struct span *s = &g->at[k].span[n];

            if (s->emitted == s->to || (s->owner == c->o.node && s->handing == HAND_NONE))
                continue;
            limit = min_u32(limit, s->emitted);
        }
    }
    return limit;
}

/* Where the run of what some sink lacks ends that begins at `from`.  What lies behind is done, of a
 * held one too: what was never sent goes on above it (L2). */
static uint32_t run_to(const struct core *c, const struct segment *g, uint32_t from, uint32_t limit)
{
    uint32_t to = from - 1;
    bool more = true;

    while (more && to < limit) {
        more = false;
        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++) {
                const struct span *s = &g->at[k].span[n];

                if (s->emitted > to || s->to <= to)
                    continue;
                to = s->to;
                more = true;
            }
        }
    }
    return min_u32(to, limit);
}

/* A statement names what is lost and nothing else (A3): a run at a time, though it is only with the
 * runs above it that a file becomes free. */
static bool oldest_of(const struct core *c, const struct segment *g, uint32_t least,
                      struct core_range *r)
{
    uint32_t limit = g->journaled, from = segment_undone(c, g), all;

    if (c->session == SESSION_UP && g->origin == c->o.node) /* Section 2: E <= R. */
        limit = min_u32(limit, g->replicated);
    all = ours_to(c, g, limit);
    if (from > all || (all - from < least - 1 && !(g->closed && all == g->last)))
        return false;
    *r = (struct core_range){g->origin, g->epoch, from, run_to(c, g, from, all)};
    return true;
}

bool core_oldest(const struct core *c, uint32_t least, struct core_range *r)
{
    if (c->shed.wanted || c->live_epoch == 0 || c->session == SESSION_HELLO)
        return false;
    for (uint16_t i = 0; i < c->count; i++) {
        if (oldest_of(c, &c->segment[c->order[i]], least, r))
            return true;
    }
    return false;
}

void shed_start(struct core *c, const struct core_range *r)
{
    const struct segment *g = segment_find(c, r->origin, r->epoch);
    struct core_range may;

    if (c->shed.wanted || g == NULL || !oldest_of(c, g, 1, &may) || r->from != may.from ||
        r->to > may.to || r->to < r->from)
        return;
    c->shed.range = *r;
    c->shed.wanted = true;
    c->shed.asked = false;
}

void shed_notes(struct core *c, struct core_output *out)
{
    if (!c->shed.wanted || c->shed.asked || out->note_count == OUT_NOTE_MAX)
        return;
    c->shed.asked = true;
    out->note[out->note_count++] = (struct core_note){
        .kind = RECORD_GAP_LOST,
        .reason = REASON_JOURNAL_LIMIT,
        .range = c->shed.range,
    };
}

static void shed_span(struct span *s, uint32_t to)
{
    s->emitted = to;
    s->handed = max_u32(s->handed, to);
    s->intent = max_u32(s->intent, to);
    s->report = true;
}

/* What the peer took meanwhile it hands over: that is stated as lost, and not. */
static bool shed_segment(struct core *c, struct segment *g, uint32_t first, uint32_t last)
{
    bool any = false;

    for (size_t k = 0; k < c->o.sink_count; k++) {
        for (uint8_t n = 0; n < g->at[k].count; n++) {
            struct span *s = &g->at[k].span[n];
            uint32_t to = min_u32(last, s->to);

            if (s->owner != c->o.node || s->from > last || to <= s->emitted ||
                s->emitted < first - 1)
                continue;
            shed_span(s, to);
            any = g->at[k].dirty = true;
        }
    }
    c->durable |= any; /* Before the files go. */
    return any;
}

bool shed_noted(struct core *c, const struct core_range *r)
{
    const struct core_range *w = &c->shed.range;
    struct segment *g = segment_find(c, r->origin, r->epoch);

    if (!c->shed.asked || r->origin != w->origin || r->epoch != w->epoch || r->from > w->from ||
        r->to < w->to)
        return false;
    c->shed.wanted = c->shed.asked = false;
    c->shed.count++;
    if (g != NULL)
        shed_segment(c, g, 1, w->to);
    return true;
}

/* Of this process such a statement, made again, has nothing left to do.  What began below it, at a
 * sink that came into the configuration since, it did not mean. */
void shed_found(struct core *c, struct segment *g, const struct core_range *r)
{
    if (c->shed.wanted || !shed_segment(c, g, r->from, min_u32(r->to, g->journaled)))
        return;
    c->shed.range = *r;
    c->shed.count++;
}
