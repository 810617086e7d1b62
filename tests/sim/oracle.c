/* Knows every event ever decided, and reads only what the collectors received. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

void oracle_reset(struct world *w)
{
    w->segment_count = w->gap_count = w->opened_count = 0;
}

struct seen_segment *oracle_segment(struct world *w, uint8_t origin, uint32_t epoch)
{
    for (size_t i = w->segment_count; i-- > 0;) {
        if (w->segment[i].origin == origin && w->segment[i].epoch == epoch)
            return &w->segment[i];
    }
    return NULL;
}

void oracle_tagged(struct world *w, uint8_t origin, uint32_t epoch, uint32_t sequence, uint8_t kind)
{
    struct seen_segment *s = oracle_segment(w, origin, epoch);

    w->stats.records++;
    if (s == NULL) {
        if (w->segment_count == SEGMENTS_MAX)
            world_fail(w, "too many segments for this simulator");
        s = &w->segment[w->segment_count++];
        s->origin = origin;
        s->epoch = epoch;
        s->last = 0;
        s->tail_unknown = false;
        memset(s->writer, 0, sizeof(s->writer));
        memset(s->written, 0, sizeof(s->written));
    }
    if (sequence != s->last + 1) /* Unique positions, no holes (A2, T5). */
        world_fail(w, "position %u/%u/%u is tagged after %u: used twice, or a hole", origin, epoch,
                   sequence, s->last);
    if (sequence >= s->cap) {
        uint32_t cap = s->cap == 0 ? 256 : 2 * s->cap;
        struct seen *more = realloc(s->record, cap * sizeof(*more));

        if (more == NULL)
            abort();
        s->record = more;
        s->cap = cap;
    }
    s->last = sequence;
    memset(&s->record[sequence], 0, sizeof(s->record[0]));
    s->record[sequence].kind = kind;
}

/* Answering sinks refuse a second writer; a node's own file does so for that node. */
static bool never_twice(const struct world *w, unsigned sink)
{
    return w->sink_kind[sink] == SINK_STREAM;
}

static void take_statement(struct world *w, unsigned sink, const struct item *i)
{
    const struct record_note *n = &i->note;

    if (i->kind == RECORD_EPOCH_OPEN && sink == 0 && w->opened_count < OPENS_MAX) {
        w->opened[w->opened_count++] =
            (struct opened){i->origin, n->previous_epoch, n->last_sequence, n->last_known};
        return;
    }
    if (i->kind < RECORD_GAP_PENDING || i->kind > RECORD_GAP_IN_DOUBT)
        return;
    if (w->gap_count == GAPS_MAX)
        world_fail(w, "too many gap records for this simulator");
    w->stats.gaps++;
    w->gap[w->gap_count++] = (struct gap){
        i->kind, (uint8_t)sink, {n->range_origin, n->range_epoch, n->range_from, n->range_to}};
}

void oracle_received(struct world *w, unsigned sink, uint8_t by, const struct item *i)
{
    struct seen_segment *s = oracle_segment(w, i->origin, i->epoch);
    struct seen *r;

    if (s == NULL || i->sequence == 0 || i->sequence > s->last)
        world_fail(w, "sink %u got %u/%u/%u, which nobody decided", sink, i->origin, i->epoch,
                   i->sequence);
    r = &s->record[i->sequence];
    if (i->proof != record_proof(w, i->origin, i->epoch, i->sequence)) {
        if (i->kind != RECORD_GAP_LOST || i->note.range_from != i->sequence ||
            i->note.range_to != i->sequence || i->note.range_epoch != i->epoch ||
            i->note.range_origin != i->origin)
            world_fail(w, "sink %u got %u/%u/%u with other contents", sink, i->origin, i->epoch,
                       i->sequence);
        w->stats.placeholders++;
    } else {
        take_statement(w, sink, i);
    }
    r->by[sink] |= (uint8_t)(1u << by);
    if (i->in_doubt) {
        r->marked[sink] += r->marked[sink] < 255;
        w->stats.marked++;
    } else {
        r->once[sink]++;
    }
    if (r->once[sink] > 1 || (never_twice(w, sink) && r->once[sink] + r->marked[sink] > 1))
        world_fail(w,
                   "sink %u got %u/%u/%u twice (%u times not marked, %u marked), now from node %u",
                   sink, i->origin, i->epoch, i->sequence, r->once[sink], r->marked[sink], by);
}

uint32_t oracle_highest(struct world *w, unsigned sink, uint8_t origin, uint32_t epoch,
                        uint32_t from, uint32_t to, int by)
{
    const struct seen_segment *s = oracle_segment(w, origin, epoch);
    uint32_t best = 0;

    for (uint32_t q = from; s != NULL && q <= to && q <= s->last; q++) {
        const struct seen *r = &s->record[q];

        if (by >= 0 ? r->by[sink] & (1u << by) : r->once[sink] + r->marked[sink] > 0)
            best = q;
    }
    return best;
}

/* ---- what may be missing ---- */

void oracle_ring_died(struct world *w, uint8_t node)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        if (w->segment[i].origin == node)
            w->segment[i].tail_unknown = true;
    }
}

static bool is_stated(const struct world *w, unsigned sink, const struct seen_segment *s,
                      uint32_t q, bool lost_only)
{
    for (size_t i = 0; i < w->gap_count; i++) {
        const struct gap *g = &w->gap[i];

        if (g->range.origin == s->origin && g->range.epoch == s->epoch && g->range.from <= q &&
            q <= g->range.to && g->sink == sink &&
            (g->kind == RECORD_GAP_LOST || (!lost_only && g->kind == RECORD_GAP_IN_DOUBT)))
            return true;
    }
    return false;
}

/* Some later EPOCH-OPEN of that origin says that it does not know where this segment ended. */
static bool end_is_unknown(const struct world *w, const struct seen_segment *s)
{
    for (size_t i = 0; i < w->opened_count; i++) {
        const struct opened *o = &w->opened[i];

        if (o->origin == s->origin && !o->known)
            return true;
    }
    return false;
}

static const char *missing(const struct world *w, unsigned sink, const struct seen_segment *s,
                           uint32_t q)
{
    const struct seen *r = &s->record[q];

    if (r->once[sink] + r->marked[sink] > 0 || is_stated(w, sink, s, q, false))
        return NULL;
    if (!w->node[s->origin]->has[sink])
        return NULL; /* Its origin does not know this sink. */
    if (s->tail_unknown && end_is_unknown(w, s))
        return NULL;
    return "is missing without a word";
}

void oracle_say(struct world *w, unsigned n)
{
    const struct core *c = &w->node[n]->core;

    world_trace(w, "node %u: %s, session %d, ring %u, %u statements wait, live epoch %u", n,
                w->node[n]->running ? "runs" : "dead", c->session,
                (unsigned)(w->node[n]->ring.claimed - w->node[n]->ring.read),
                (unsigned)w->node[n]->note_count, c->live_epoch);
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        world_trace(
            w, "node %u:  %u/%u state %u%s%s%s%s last %u P %u J %u base %u S %u R %u gap %u", n,
            g->origin, g->epoch, g->state, g->closed ? " closed" : "", g->done ? " done" : "",
            g->peer_done ? " peer-done" : "", g->lost ? " lost" : "", g->last, g->produced,
            g->journaled, g->base, g->sent, g->replicated, g->gap);
        for (size_t k = 0; k < w->sink_count; k++) {
            for (uint8_t m = 0; m < g->at[k].count; m++) {
                const struct span *s = &g->at[k].span[m];

                world_trace(w,
                            "node %u:    sink %zu: %u-%u owner %u term %u E %u H %u I %u G %u D %u "
                            "asked %u",
                            n, k, s->from, s->to, s->owner, s->term, s->emitted, s->handed,
                            s->intent, s->granted, s->doubt, s->asked);
            }
        }
    }
}

bool oracle_at_rest(struct world *w, bool say)
{
    if (say) {
        oracle_say(w, 0);
        oracle_say(w, 1);
        return false;
    }
    for (int n = 0; n < NODE_COUNT; n++) {
        const struct core *c = &w->node[n]->core;

        if (!w->node[n]->running || c->session != SESSION_UP || c->live_epoch == 0 ||
            c->count > 2 || w->node[n]->ring.read != w->node[n]->ring.claimed ||
            w->node[n]->note_count > 0) {
            return false;
        }
        for (uint16_t i = 0; i < c->count; i++) {
            const struct segment *g = &c->segment[c->order[i]];

            if (g->origin != n)
                continue;
            for (size_t k = 0; k < w->sink_count; k++) {
                if (w->node[n]->has[k] && core_needed(c, g->origin, g->epoch) <= g->journaled)
                    return false;
            }
        }
    }
    return true;
}

static const struct span *span_of(const struct delivery *d, uint32_t q)
{
    for (uint8_t n = 0; n < d->count; n++) {
        if (q >= d->span[n].from && q <= d->span[n].to)
            return &d->span[n];
    }
    return NULL;
}

static void same_story(struct world *w)
{
    const struct core *a = &w->node[0]->core, *b = &w->node[1]->core;

    for (uint16_t i = 0; i < a->count; i++) {
        const struct segment *g = &a->segment[a->order[i]];
        const struct segment *h = core_segment(b, g->origin, g->epoch);

        if (core_needed(a, g->origin, g->epoch) >
            g->journaled) /* Done before the peer needed it. */
            continue;
        if (h == NULL || g->journaled != h->journaled)
            world_fail(w, "at rest the nodes differ over %u/%u: %u and %u held", g->origin,
                       g->epoch, g->journaled, h == NULL ? 0 : h->journaled);
        for (size_t k = 0; k < w->sink_count; k++) {
            const struct delivery *d = &g->at[k], *e = &h->at[k];

            if (!w->node[0]->has[k] || !w->node[1]->has[k])
                continue;
            for (uint8_t n = 0; n < d->count; n++) {
                const struct span *s = &d->span[n], *t = span_of(e, s->emitted + 1);

                if (t == NULL || s->owner != t->owner || s->term != t->term)
                    world_fail(w, "at rest the nodes differ over the owner of %u/%u/%u at sink %zu",
                               g->origin, g->epoch, s->emitted + 1, k);
            }
        }
    }
}

static bool is_everywhere(const struct world *w, const struct seen_segment *s, uint32_t q)
{
    for (size_t k = 0; k < w->sink_count; k++) {
        if (s->record[q].once[k] + s->record[q].marked[k] == 0)
            return false;
    }
    return true;
}

void oracle_verdict(struct world *w)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        const struct seen_segment *s = &w->segment[i];

        for (uint32_t q = 1; q <= s->last; q++) {
            for (unsigned k = 0; k < w->sink_count; k++) {
                const char *why = missing(w, k, s, q);

                if (why != NULL)
                    world_fail(w, "%u/%u/%u %s at sink %u (of %u tagged)", s->origin, s->epoch, q,
                               why, k, s->last);
            }
            if (!w->power_lost && !w->journal_lost && is_everywhere(w, s, q) &&
                is_stated(w, 0, s, q, true))
                world_fail(w, "%u/%u/%u is at every sink although it is stated as lost", s->origin,
                           s->epoch, q);
        }
    }
    for (size_t i = 0; i < w->opened_count; i++) {
        const struct opened *o = &w->opened[i];
        const struct seen_segment *s = oracle_segment(w, o->origin, o->previous);

        if (o->known && o->previous != 0 && (s == NULL || s->last != o->last))
            world_fail(w, "an EPOCH-OPEN says that %u/%u ended at %u; it ended at %u", o->origin,
                       o->previous, o->last, s == NULL ? 0 : s->last);
    }
    same_story(w);
}
