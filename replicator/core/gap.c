/* L4, A3: what is missing, for now or for good, and how that is stated. */
#include "rules.h"
#include "record.h"

static void note_range(struct segment *g, enum gap_state gap, uint32_t from, uint32_t to)
{
    if (g->gap == gap && g->gap_from == from && g->gap_to == to)
        return;
    g->gap_from = from;
    g->gap_to = to;
    g->gap = (uint8_t)gap;
    g->gap_told = g->gap_asked = false;
    g->dirty = true;
}

/* In have + 1 .. end, from the first to the last that some sink lacks; from > to: none. */
struct undone {
    uint32_t from, to;
};

static void undone_at(const struct delivery *d, uint32_t have, uint32_t end, struct undone *u)
{
    for (uint8_t n = 0; n < d->count; n++) {
        const struct span *s = &d->span[n];

        if (s->to <= have || s->emitted >= min_u32(s->to, end))
            continue;
        u->from = min_u32(u->from, max_u32(s->emitted, have) + 1);
        u->to = max_u32(u->to, min_u32(s->to, end));
    }
}

/* At every sink, or, once the peer has them, only where it cannot bring them. */
static bool concerns(const struct core *c, size_t k, bool peer_has_them)
{
    return !peer_has_them || !c->peer_has[k];
}

static struct undone undone_in(const struct core *c, const struct segment *g, uint32_t have,
                               uint32_t end, bool peer_has_them)
{
    struct undone u = {SEQUENCE_MAX, 0};

    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (concerns(c, k, peer_has_them))
            undone_at(&g->at[k], have, end, &u);
    }
    return u;
}

/* Of a closed segment no node has more than `have`: what some sink lacks of the rest is stated. */
static void note_tail_lost(const struct core *c, struct segment *g, uint32_t have)
{
    struct undone u = undone_in(c, g, have, g->last, false);

    if (g->gap != GAP_NONE && !g->gap_told)
        u.to = max_u32(u.to, g->gap_to);
    if (g->gap == GAP_LOST && !g->gap_told) /* As below: both losses, or none. */
        u.from = min_u32(u.from, g->gap_from);
    if (u.from <= u.to)
        note_range(g, GAP_LOST, u.from, u.to);
}

static void end_at(struct core *c, struct segment *g, uint32_t last)
{
    g->last = last;
    g->dirty = true;
    if (g->origin == c->o.node)
        g->ack = false; /* The close is told again. */
    for (size_t k = 0; k < c->o.sink_count; k++)
        delivery_tidy(&g->at[k], true, g->last, delivery_keeper(c));
}

void gap_tail_lost(struct core *c, struct segment *g)
{
    uint32_t have = max_u32(g->journaled, c->session == SESSION_UP ? g->replicated : 0);

    note_tail_lost(c, g, have);
    end_at(c, g, have);
}

/* From its end on downwards: joins what of a sink lies at or above `from`. */
static bool undone_joins(const struct delivery *d, uint32_t have, struct undone *u)
{
    for (uint8_t n = 0; n < d->count; n++) {
        const struct span *s = &d->span[n];
        uint32_t from = max_u32(s->emitted, have) + 1;

        if (s->to <= have || s->emitted >= s->to || from >= u->from || s->to < u->from - 1)
            continue;
        u->from = from;
        return true;
    }
    return false;
}

/* The last run of it: what lies between two was handed over, and a statement names no such record.
 */
static struct undone undone_last(const struct core *c, const struct segment *g, uint32_t have,
                                 bool peer_has_them)
{
    struct undone u = undone_in(c, g, have, g->last, peer_has_them);
    bool more = u.from <= u.to;

    u.from = u.to + 1;
    while (more) {
        more = false;
        for (size_t k = 0; k < c->o.sink_count; k++)
            more |= concerns(c, k, peer_has_them) && undone_joins(&g->at[k], have, &u);
    }
    return u;
}

/* One run at a time, from the top: each ends the segment below it. */
void gap_runs_lost(struct core *c, struct segment *g)
{
    uint32_t have = max_u32(g->journaled, c->session == SESSION_UP ? g->replicated : 0);
    struct undone u = undone_last(c, g, have, false), below;

    if (g->gap == GAP_LOST && !g->gap_told)
        return;
    below = undone_in(c, g, have, u.from - 1, false);
    if (u.from > u.to || below.from > below.to) {
        gap_tail_lost(c, g);
        return;
    }
    note_range(g, GAP_LOST, u.from, u.to);
    end_at(c, g, u.from - 1);
}

/* The peer has it, and not this sink: nobody can bring what lies above J there.  One run at a time,
 * from the top, as well. */
void gap_tail_ours(struct core *c, struct segment *g)
{
    struct undone u = undone_last(c, g, g->journaled, true);

    if (u.from > u.to || (g->gap == GAP_LOST && !g->gap_told))
        return;
    note_range(g, GAP_LOST, u.from, u.to);
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (!c->peer_has[k])
            delivery_tidy(&g->at[k], true, u.from - 1, delivery_keeper(c));
    }
}

/* L4: its origin has closed it, and knows of nothing above `last`: that will never come. */
void gap_note_lost(const struct core *c, struct segment *g, uint32_t last)
{
    struct undone u = undone_in(c, g, max_u32(last, g->journaled), g->produced, false);

    if (u.from <= u.to)
        note_range(g, GAP_LOST, u.from, u.to);
}

/* L4: what the peer produced and we do not have. */
void gap_note(const struct core *c, struct segment *g, enum gap_state gap)
{
    uint32_t from = g->produced + 1, to = g->produced;
    bool stated = g->gap == GAP_LOST && g->gap_told && g->gap_to >= to;

    if (g->origin == c->o.node)
        return;
    if (gap == GAP_PENDING && g->gap == gap && g->gap_to >= to) /* More may be known since. */
        return;
    from = min_u32(from, segment_undone(c, g)); /* Its origin may have emitted some alone. */
    from = max_u32(from, g->journaled + 1);
    if (stated)
        to = g->gap_from - 1;
    if (gap == GAP_LOST) { /* A3: what its origin has emitted alone above is not lost. */
        struct undone u = undone_in(c, g, g->journaled, to, false);
        bool untold = g->gap == GAP_LOST && !g->gap_told;

        from = max_u32(from, u.from);
        to = untold ? max_u32(u.to, g->gap_to) : u.to;
    }
    if (from <= to)
        note_range(g, gap, from, to);
}

/* What this node's own disk has lost.  Where an earlier loss is not stated yet, one statement names
 * both: what lies between may be handed over all the same, but nothing goes without a word. */
static void note_also_lost(struct segment *g, uint32_t from, uint32_t to)
{
    if (g->gap == GAP_LOST && g->gap_from <= from && g->gap_to >= to)
        return;
    if (g->gap == GAP_LOST && !g->gap_told) {
        from = min_u32(from, g->gap_from);
        to = max_u32(to, g->gap_to);
    }
    note_range(g, GAP_LOST, from, to);
}

/* A3: a file that began at `from` went, and its marks are whole: none of it was done. */
void gap_file_lost(struct segment *g, uint32_t from)
{
    note_also_lost(g, from, g->base - 1);
}

/* T5: a journal has come back that its peer had taken for lost, and closed with less than that has:
 * the rest went out nowhere, and will not. */
void gap_came_back(struct core *c, struct segment *g, uint32_t last)
{
    uint32_t from = max_u32(last + 1, segment_undone(c, g));

    if (g->origin == c->o.node && from <= g->journaled)
        note_also_lost(g, from, g->journaled);
}

/* L3: what a peer that comes back has above what its origin knew as it settled that alone. */
void gap_left(const struct core *c, struct segment *g)
{
    note_tail_lost(c, g, g->journaled);
}

/* T5: nobody can bring to that sink what this node lost with its journal, and its peer had there.
 * Of a sink that the peer never had nothing is known. */
void gap_gone_at(const struct core *c, const struct delivery *d, struct segment *g)
{
    struct undone u = {SEQUENCE_MAX, 0};
    struct delivery theirs = {0};

    for (uint8_t n = 0; n < d->count; n++) {
        if (d->span[n].owner != c->o.node)
            theirs.span[theirs.count++] = d->span[n];
    }
    undone_at(&theirs, 0, g->last, &u);
    if (u.from > u.to)
        return;
    if (g->gap == GAP_LOST && !g->gap_told) {
        u.from = min_u32(u.from, g->gap_from);
        u.to = max_u32(u.to, g->gap_to);
    }
    note_range(g, GAP_LOST, u.from, u.to);
}

void gap_filled(struct core *c, struct segment *g)
{
    c->filled[g->origin] += g->gap_to - g->gap_from + 1;
    g->gap = GAP_FILLED;
}

/* L4 */
void gap_notes(struct core *c, struct core_output *out)
{
    for (uint16_t i = 0; i < c->count && out->note_count < out->note_room; i++) {
        struct segment *g = &c->segment[c->order[i]];

        /* Its origin may have emitted them alone, so that they never came here. */
        if (g->gap == GAP_PENDING && (g->journaled >= g->gap_to || segment_is_done(c, g))) {
            gap_filled(c, g);
            g->dirty = true;
        }
        if (g->gap_told || g->gap_asked || c->live_epoch == 0)
            continue;
        if (g->gap == GAP_PENDING && g->journaled >= g->gap_from) /* Some came meanwhile. */
            note_range(g, GAP_PENDING, g->journaled + 1, g->gap_to);
        if (g->gap != GAP_PENDING && g->gap != GAP_LOST)
            continue;
        g->gap_asked = true;
        out->note[out->note_count++] = (struct core_note){
            .kind = g->gap == GAP_PENDING ? RECORD_GAP_PENDING : RECORD_GAP_LOST,
            .reason = g->gap == GAP_PENDING ? REASON_PEER_LOST : REASON_JOURNAL_LOST,
            .range = {g->origin, g->epoch, g->gap_from, g->gap_to},
        };
    }
}

/* The journal holds the statement: it need not be made again after a restart. */
void gap_noted(struct core *c, const struct core_input *in)
{
    const struct core_range *r = &in->records;
    struct segment *g = segment_find(c, r->origin, r->epoch);

    if ((in->note == RECORD_GAP_LOST && shed_noted(c, r)) || g == NULL)
        return;
    if (in->note == RECORD_GAP_IN_DOUBT) {
        delivery_skipped(c, g, r);
    } else if (in->note == RECORD_GAP_LOST && in->reason == REASON_JOURNAL_LIMIT) {
        shed_found(c, g, r);
    } else if (in->note == (g->gap == GAP_PENDING ? RECORD_GAP_PENDING : RECORD_GAP_LOST) &&
               g->gap_from == r->from && g->gap_to == r->to) {
        g->gap_told = true;
        g->dirty = true;
    }
}
