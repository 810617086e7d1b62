/* Knows every event ever decided, and reads only what the collectors received. */
#include "sim.h"

#include "segment.h"

#include <stdlib.h>
#include <string.h>

void oracle_reset(struct world *w)
{
    w->segment_count = w->gap_count = w->opened_count = w->stated_count = 0;
}

struct seen_segment *oracle_segment(struct world *w, uint8_t origin, uint32_t epoch)
{
    for (size_t i = w->segment_count; i-- > 0;) {
        if (w->segment[i].origin == origin && w->segment[i].epoch == epoch)
            return &w->segment[i];
    }
    return NULL;
}

static bool known_to_none(const struct world *w, const struct node *n, const struct seen_segment *s)
{
    return n->set_back && s->origin == n->id && s->opened_ns >= w->met_ns &&
           s->opened_ns < w->journal_lost_ns[n->id];
}

uint32_t oracle_fresh_epoch(const struct world *w, const struct node *n, uint32_t epoch)
{
    uint64_t one = w->journal_lost_ns[0], other = w->journal_lost_ns[1];
    uint64_t first = one < other ? one : other, second = one < other ? other : one;
    /* Of what was opened between the two nobody was told, if they did not meet. */
    uint64_t both = first != 0 && w->met_ns < first ? second : first;

    for (size_t i = 0; i < w->segment_count; i++) {
        const struct seen_segment *s = &w->segment[i];

        if ((s->opened_ns < both || known_to_none(w, n, s)) && s->epoch + 2 >= epoch)
            epoch = s->epoch + 4;
    }
    return epoch;
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
        s->opened_ns = w->now;
        s->tail_unknown = s->given_up = s->unasked = false;
        memset(s->writer, 0, sizeof(s->writer));
        memset(s->written, 0, sizeof(s->written));
        memset(s->view, 0, sizeof(s->view));
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
    s->record[sequence].unowed = !w->node[origin]->has[w->sink_count - 1];
}

/* These refuse a second writer. */
static bool never_twice(const struct world *w, unsigned sink)
{
    return w->sink_kind[sink] == SINK_STREAM || w->sink_kind[sink] == SINK_TABLE;
}

void oracle_stated(struct world *w, uint8_t origin, uint32_t epoch, uint32_t sequence, uint8_t kind,
                   const struct record_note *note)
{
    if (w->stated_count == STATED_MAX)
        world_fail(w, "too many statements for this simulator");
    w->stated[w->stated_count++] =
        (struct stated){origin,
                        kind,
                        epoch,
                        sequence,
                        {note->range_origin, note->range_epoch, note->range_from, note->range_to}};
}

/* D1, D1a: its own file, or the connection that was kept, would have told. */
static void given_again(struct world *w, unsigned sink, unsigned node, const struct item *i)
{
    world_fail(w, "node %u hands %u/%u/%u over again to sink %u, which would have told it%s", node,
               i->origin, i->epoch, i->sequence, sink, i->in_doubt ? " (marked)" : "");
}

void oracle_given(struct world *w, unsigned sink, uint8_t node, const struct item *i,
                  uint16_t connection)
{
    struct seen_segment *s = oracle_segment(w, i->origin, i->epoch);

    if (s == NULL || i->sequence > s->last)
        return;
    if (s->record[i->sequence].given[sink][node] == connection && !oracle_forgot(w, node, s) &&
        !(s->record[i->sequence].again[node] & 1u << sink))
        given_again(w, sink, node, i);
    s->record[i->sequence].given[sink][node] = connection;
}

enum core_answer oracle_written(struct world *w, unsigned sink, uint8_t node,
                                const struct core_range *r, uint16_t connection, uint32_t *last)
{
    struct seen_segment *s = oracle_segment(w, r->origin, r->epoch);
    enum core_answer answer = ANSWER_WRITTEN;

    *last = 0;
    for (uint32_t q = r->from; s != NULL && q <= r->to && q <= s->last; q++) {
        if (s->record[q].given[sink][node] == connection) {
            *last = q;
            answer = ANSWER_WRITTEN;
        } else if (s->record[q].given[sink][node] != 0) {
            answer = ANSWER_UNKNOWN; /* A connection before this one took it, and is gone. */
        }
    }
    for (uint32_t q = r->from; answer == ANSWER_UNKNOWN && q <= r->to && q <= s->last; q++)
        s->record[q].again[node] |= (uint8_t)(1u << sink); /* D2: of all of it. */
    return answer;
}

bool oracle_has(struct world *w, unsigned sink, const struct item *i)
{
    const struct seen_segment *s = oracle_segment(w, i->origin, i->epoch);

    return s != NULL && i->sequence <= s->last &&
           s->record[i->sequence].once[sink] + s->record[i->sequence].marked[sink] > 0;
}

/* What is named was decided. */
static void check_range(struct world *w, unsigned sink, const struct item *i)
{
    const struct record_note *n = &i->note;
    const struct seen_segment *s = oracle_segment(w, n->range_origin, n->range_epoch);

    if (s == NULL || n->range_from < 1 || n->range_from > n->range_to || n->range_to > s->last)
        world_fail(w, "sink %u: %u/%u/%u names %u/%u %u-%u, of which nobody decided all", sink,
                   i->origin, i->epoch, i->sequence, n->range_origin, n->range_epoch, n->range_from,
                   n->range_to);
}

static void take_statement(struct world *w, unsigned sink, const struct item *i)
{
    const struct record_note *n = &i->note;

    if (i->kind == RECORD_EPOCH_OPEN && w->opened_count < OPENS_MAX) { /* Wherever it arrived. */
        w->opened[w->opened_count++] = (struct opened){
            i->origin,        i->epoch,      n->previous_epoch,
            n->last_sequence, n->last_known, oracle_segment(w, i->origin, i->epoch)->opened_ns};
        return;
    }
    if (i->kind < RECORD_GAP_PENDING || i->kind > RECORD_GAP_IN_DOUBT)
        return;
    check_range(w, sink, i);
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
        w->stats.lost_in_place++;
    } else {
        r->intact[sink] = true;
        take_statement(w, sink, i);
    }
    if (w->sink_kind[sink] == SINK_FILE && r->by[sink] & 1u << by && !oracle_forgot(w, by, s) &&
        !(r->again[by] & 1u << sink))
        given_again(w, sink, by, i);
    r->by[sink] |= (uint8_t)(1u << by);
    if (i->in_doubt) {
        r->marked[sink] += r->marked[sink] < 255;
        w->stats.marked++;
        if (never_twice(w, sink)) /* D1: it knows all, and was to be asked. */
            world_fail(w, "sink %u, which can be asked, got %u/%u/%u marked from node %u", sink,
                       i->origin, i->epoch, i->sequence, by);
    } else {
        r->once[sink]++;
    }
    if (r->once[sink] > 1 || (never_twice(w, sink) && r->once[sink] + r->marked[sink] > 1))
        world_fail(w,
                   "sink %u got %u/%u/%u twice (%u times not marked, %u marked), now from node %u",
                   sink, i->origin, i->epoch, i->sequence, r->once[sink], r->marked[sink], by);
}

void oracle_lost(struct world *w, unsigned sink, uint8_t by, const struct item *i)
{
    struct seen_segment *s = oracle_segment(w, i->origin, i->epoch);
    struct seen *r = &s->record[i->sequence];

    TRACE(w, "sink %u: loses %u/%u %u of node %u's file", sink, i->origin, i->epoch, i->sequence,
          by);
    if (i->in_doubt)
        r->marked[sink]--;
    else
        r->once[sink]--;
    if (r->once[sink] + r->marked[sink] == 0) {
        r->by[sink] = 0;
        r->intact[sink] = false;
    }
    for (size_t g = w->gap_count;
         g-- > 0 && i->kind >= RECORD_GAP_PENDING && i->kind <= RECORD_GAP_IN_DOUBT;) {
        struct gap *a = &w->gap[g];

        if (a->sink != sink || a->kind != i->kind || a->range.epoch != i->note.range_epoch ||
            a->range.from != i->note.range_from || a->range.to != i->note.range_to)
            continue;
        *a = w->gap[--w->gap_count];
        break;
    }
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

/* NULL: of an epoch that was minted, and never opened. */
static bool since(uint64_t at_ns, const struct seen_segment *s)
{
    return at_ns != 0 && s != NULL && at_ns >= s->opened_ns;
}

bool oracle_forgot(const struct world *w, unsigned node, const struct seen_segment *s)
{
    return since(w->marks_lost_ns[node], s) || since(w->journal_lost_ns[node], s);
}

bool oracle_disk_lied(const struct world *w, const struct seen_segment *s)
{
    return since(w->disk_lied_ns[0], s) || since(w->disk_lied_ns[1], s);
}

bool oracle_was_without(const struct world *w, unsigned node, const struct seen_segment *s)
{
    return !w->node[node]->has[w->sink_count - 1] || since(w->came_ns[node], s);
}

/* What was written of it may have been destroyed, or gone with a journal. */
static bool is_harmed(const struct world *w, const struct seen_segment *s)
{
    return oracle_disk_lied(w, s) || since(w->journal_lost_ns[0], s) ||
           since(w->journal_lost_ns[1], s);
}

void oracle_ring_died(struct world *w, uint8_t node)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        if (w->segment[i].origin == node)
            w->segment[i].tail_unknown = true;
    }
}

void oracle_copied(struct world *w, const struct core_range *r)
{
    struct seen_segment *s = oracle_segment(w, r->origin, r->epoch);

    for (uint32_t q = r->from; s != NULL && q <= r->to && q <= s->last; q++)
        s->record[q].copied = true;
}

void oracle_handed(struct world *w, const struct core_range *r)
{
    struct seen_segment *s = oracle_segment(w, r->origin, r->epoch);

    for (uint32_t q = r->from; s != NULL && q <= r->to && q <= s->last; q++)
        s->record[q].handed = true;
}

void oracle_own(struct world *w, const struct core_range *r)
{
    struct seen_segment *s = oracle_segment(w, r->origin, r->epoch);

    for (uint32_t q = r->from; s != NULL && q <= r->to && q <= s->last; q++)
        s->record[q].own = true;
}

void oracle_copies_lost(struct world *w, uint8_t node)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        for (uint32_t q = 1; w->segment[i].origin != node && q <= w->segment[i].last; q++)
            w->segment[i].record[q].copied = false;
    }
}

/* It died with its ring, before any other node had it. */
static bool is_known_to_nobody(const struct world *w, const struct seen_segment *s, uint32_t q)
{
    bool lied = oracle_disk_lied(w, s);

    if (s->record[q].own && !oracle_forgot(w, s->origin, s) && !lied && !s->given_up)
        return false;
    return s->tail_unknown && (!s->record[q].copied || lied || s->given_up);
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

        if (o->origin == s->origin && !o->known && o->opened_ns > s->opened_ns)
            return true;
    }
    return false;
}

/* Its origin has the first record of the next epoch, and so has the collector.  Where the power has
 * taken its marks, it may have taken that the rest was to be stated, after the peer had forgotten
 * it. */
static bool end_is_told(struct world *w, unsigned sink, const struct seen_segment *s)
{
    if (since(w->marks_lost_ns[s->origin], s) || is_harmed(w, s))
        return false;
    for (size_t i = 0; i < w->opened_count; i++) {
        const struct opened *o = &w->opened[i];
        const struct seen_segment *next = oracle_segment(w, s->origin, o->epoch);

        if (o->origin == s->origin && o->known && o->previous == s->epoch && next != NULL &&
            next->record[1].intact[sink])
            return true;
    }
    return false;
}

/* Not promised: the marks of a node that had gone on alone above a hole (L2) are gone, or the power
 * takes them (durability = process), or one had not had the sink, and that is asked for the last
 * position of the stream, by it or by its peer: the answer hides the hole.  See README.md. */
void oracle_answered(struct world *w, const struct node *n, unsigned sink,
                     const struct core_range *r, uint32_t last)
{
    struct seen_segment *s = oracle_segment(w, r->origin, r->epoch);

    if (s == NULL || !(since(w->marks_lost_ns[0], s) || since(w->marks_lost_ns[1], s) ||
                       (sink == w->sink_count - 1 && oracle_was_without(w, n->id, s))))
        return;
    for (uint32_t q = r->from; q < last; q++) {
        if (s->record[q].once[sink] + s->record[q].marked[sink] == 0)
            s->record[q].hidden |= (uint8_t)(1u << sink);
    }
}

/* D2 hold: it waits for the operator, and all that follows it in its stream. */
static bool is_held(const struct world *w, unsigned sink, const struct seen_segment *s, uint32_t q)
{
    for (int n = 0; w->options.sink[sink].policy == IN_DOUBT_HOLD && n < NODE_COUNT; n++) {
        const struct segment *g = core_segment(&w->node[n]->core, s->origin, s->epoch);

        for (uint8_t m = 0; g != NULL && m < g->at[sink].count; m++) {
            const struct span *p = &g->at[sink].span[m];

            if (p->owner == n && p->handed < p->doubt && q > p->emitted && q <= p->to)
                return true;
        }
    }
    return false;
}

/* A statement that names it for good and that this holds of. */
typedef bool statement_test(const struct world *w, unsigned sink, const struct seen_segment *s,
                            uint32_t q);

static bool statement_is(struct world *w, unsigned sink, const struct seen_segment *s, uint32_t q,
                         statement_test *test)
{
    for (size_t i = 0; i < w->stated_count; i++) {
        const struct stated *t = &w->stated[i];
        const struct seen_segment *at = oracle_segment(w, t->origin, t->epoch);

        if (t->kind != RECORD_GAP_PENDING && t->range.origin == s->origin &&
            t->range.epoch == s->epoch && t->range.from <= q && q <= t->range.to && at != NULL &&
            test(w, sink, at, t->sequence))
            return true;
    }
    return false;
}

/* The disk destroyed it, or it went with its journal, before anybody had read that: then the place
 * of the statement itself is named. */
static bool is_not_read(const struct world *w, unsigned sink, const struct seen_segment *s,
                        uint32_t q)
{
    return is_harmed(w, s) && !s->record[q].intact[sink];
}

static bool is_unowed(const struct world *w, unsigned sink, const struct seen_segment *s,
                      uint32_t q)
{
    return sink == w->sink_count - 1 && s->record[q].unowed && !s->record[q].intact[sink];
}

/* D2 hold: the first record of a later epoch, which would say that the end before it is unknown,
 * waits for the operator itself. */
static bool opening_is_held(const struct world *w, unsigned sink, const struct seen_segment *s)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        const struct seen_segment *later = &w->segment[i];

        if (later->origin == s->origin && later->opened_ns > s->opened_ns &&
            is_held(w, sink, later, 1))
            return true;
    }
    return false;
}

/* What its peer holds, and has had the sink for all the time, is the peer's. */
static bool is_held_there(const struct core *peer, const struct seen_segment *s, uint32_t q)
{
    const struct segment *g = core_segment(peer, s->origin, s->epoch);

    return g != NULL && g->base <= q && q <= g->journaled && !g->at[peer->o.sink_count - 1].unheard;
}

void oracle_sink_goes(struct world *w, const struct node *n)
{
    const struct node *peer = w->node[1 - n->id];
    bool serves = peer->running && peer->has[w->sink_count - 1];

    for (size_t i = 0; i < w->segment_count; i++) {
        struct seen_segment *s = &w->segment[i];

        for (uint32_t q = 1; q <= s->last; q++)
            s->record[q].unowed |= !serves || !is_held_there(&peer->core, s, q);
    }
}

/* The disk destroyed that first record, or it went with its journal, or a journal at its limit gave
 * it up, before anybody had read it. */
static bool opening_is_lost(const struct world *w, const struct seen_segment *s)
{
    for (size_t i = 0; i < w->segment_count; i++) {
        const struct seen_segment *later = &w->segment[i];
        bool read = false;

        for (unsigned k = 0; k < w->sink_count; k++)
            read |= later->record[1].intact[k];
        if (later->origin == s->origin && later->opened_ns > s->opened_ns && !read &&
            (is_harmed(w, later) || later->given_up))
            return true;
    }
    return false;
}

/* Who had the last sink for all the time forgot what the other one cannot know, or neither had it.
 */
static bool sink_was_missed(const struct world *w, const struct seen_segment *s)
{
    bool lied = oracle_disk_lied(w, s) || s->given_up;
    unsigned without = 0, missed = 0;

    for (unsigned n = 0; n < NODE_COUNT; n++) {
        if (!oracle_was_without(w, n, s))
            continue;
        without++;
        missed += lied || oracle_forgot(w, 1 - n, s);
    }
    return without == NODE_COUNT || missed > 0;
}

static const char *missing(struct world *w, unsigned sink, const struct seen_segment *s, uint32_t q)
{
    const struct seen *r = &s->record[q];

    if (w->sink_came && sink == w->sink_count - 1 &&
        (r->unowed || sink_was_missed(w, s) || statement_is(w, sink, s, q, is_unowed)))
        return NULL;
    if (r->once[sink] + r->marked[sink] > 0 || is_stated(w, sink, s, q, false))
        return NULL;
    if (statement_is(w, sink, s, q, is_not_read))
        return NULL;
    if (is_held(w, sink, s, q) || statement_is(w, sink, s, q, is_held))
        return NULL;
    if (r->hidden & (1u << sink))
        return NULL;
    if (!w->node[s->origin]->has[sink])
        return NULL; /* Its origin does not know this sink. */
    if (since(w->journal_lost_ns[s->origin], s) && !w->node[1 - s->origin]->has[sink])
        return NULL; /* Nobody else knew what was on its way there. */
    if (is_known_to_nobody(w, s, q) && !end_is_told(w, sink, s) &&
        (s->given_up || end_is_unknown(w, s) || opening_is_held(w, sink, s) ||
         opening_is_lost(w, s)))
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
                            "asked %u%s",
                            n, k, s->from, s->to, s->owner, s->term, s->emitted, s->handed,
                            s->intent, s->granted, s->doubt, s->asked,
                            s->handing == HAND_DRAIN     ? " drains"
                            : s->handing == HAND_OFFERED ? " offered"
                                                         : "");
            }
        }
    }
}

static uint32_t peer_live(const struct world *w, const struct core *c)
{
    return w->node[1 - c->o.node]->core.live_epoch;
}

/* D2 hold: it waits at a sink that this node does not have. */
static bool peer_holds(const struct world *w, const struct core *c, const struct segment *g)
{
    const struct core *peer = &w->node[1 - c->o.node]->core;
    const struct segment *h = core_segment(peer, g->origin, g->epoch);

    for (size_t k = 0; h != NULL && k < w->sink_count; k++) {
        for (uint8_t m = 0; m < h->at[k].count && !w->node[c->o.node]->has[k]; m++) {
            const struct span *s = &h->at[k].span[m];

            if (s->owner == peer->o.node && s->handed < s->doubt && s->handed == s->emitted &&
                w->options.sink[k].policy == IN_DOUBT_HOLD)
                return true;
        }
    }
    return false;
}

/* Nothing of it waits, but for the operator (D2 hold); what is closed is settled and forgotten. */
static bool segment_rests(const struct world *w, const struct core *c, const struct segment *g)
{
    bool held = false;

    for (size_t k = 0; k < w->sink_count; k++) {
        for (uint8_t m = 0; m < g->at[k].count; m++) {
            const struct span *s = &g->at[k].span[m];
            uint32_t end = s->to < g->journaled ? s->to : g->journaled;

            if (s->owner == c->o.node && s->asked == ASK_SENT && s->emitted < s->to)
                return false;
            if (s->owner == c->o.node && w->options.sink[k].policy == IN_DOUBT_HOLD &&
                s->handed < s->doubt && s->handed == s->emitted)
                held = true;
            else if (s->owner == c->o.node && s->emitted < end)
                return false;
            else if (s->owner == c->o.node && g->closed && g->journaled < s->to &&
                     s->emitted < s->to && w->options.sink[k].policy != IN_DOUBT_HOLD)
                return false; /* L4: what is not there has yet to be stated. */
            held |= s->owner != c->o.node && w->options.sink[k].policy == IN_DOUBT_HOLD &&
                    s->emitted < s->intent;
        }
    }
    return held || peer_holds(w, c, g) || g->epoch == c->live_epoch || g->epoch == peer_live(w, c);
}

/* The newest records of a node may be the other one's to emit, which waits until it has them. */
static bool newest_are_there(const struct world *w, const struct core *c)
{
    const struct segment *g = core_segment(c, c->o.node, c->live_epoch);
    const struct segment *h = core_segment(&w->node[1 - c->o.node]->core, c->o.node, c->live_epoch);

    return g == NULL || h == NULL || h->journaled == g->journaled;
}

const struct span *oracle_span(const struct delivery *d, uint32_t q)
{
    for (uint8_t n = 0; n < d->count; n++) {
        if (q >= d->span[n].from && q <= d->span[n].to)
            return &d->span[n];
    }
    return NULL;
}

/* N5: the peer has the marks of what this node owns; above a held run the peer may have as one with
 * it, none go (T1, D2). */
static bool marks_are_there(const struct world *w, const struct core *c)
{
    const struct core *peer = &w->node[1 - c->o.node]->core;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];
        const struct segment *h = core_segment(peer, g->origin, g->epoch);

        for (size_t k = 0; h != NULL && k < c->o.sink_count && k < peer->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++) {
                const struct span *s = &g->at[k].span[n], *t = oracle_span(&h->at[k], s->emitted);

                if (s->owner == c->o.node && s->emitted >= s->from && t != NULL &&
                    t->emitted < s->emitted && !span_is_apart(&g->at[k], s))
                    return false;
            }
        }
    }
    return true;
}

bool oracle_at_rest(struct world *w, bool say)
{
    if (say) {
        oracle_say(w, 0);
        oracle_say(w, 1);
        return false;
    }
    for (int n = 0; n < NODE_COUNT; n++) {
        const struct node *node = w->node[n];
        const struct core *c = &node->core;

        if (!node->running || c->session != SESSION_UP || c->live_epoch == 0 ||
            node->ring.read != node->ring.claimed || node->note_count > 0 || node->feed_count > 0 ||
            c->handover.state == HANDOVER_RUNNING || !newest_are_there(w, c) ||
            !marks_are_there(w, c))
            return false;
        for (uint16_t i = 0; i < c->count; i++) {
            if (!segment_rests(w, c, &c->segment[c->order[i]]))
                return false;
        }
    }
    return true;
}

static void same_story(struct world *w, unsigned node)
{
    const struct core *a = &w->node[node]->core, *b = &w->node[1 - node]->core;

    for (uint16_t i = 0; i < a->count; i++) {
        const struct segment *g = &a->segment[a->order[i]];
        const struct segment *h = core_segment(b, g->origin, g->epoch);

        if (core_needed(a, g->origin, g->epoch) >
            g->journaled) /* Done before the peer needed it. */
            continue;
        if (h == NULL && g->peer_done) /* L3: it waits at a sink that the peer lacks. */
            continue;
        if (h == NULL || (!g->closed && g->journaled != h->journaled))
            world_fail(w, "at rest the nodes differ over %u/%u: %u and %u held", g->origin,
                       g->epoch, g->journaled, h == NULL ? 0 : h->journaled);
        for (size_t k = 0; k < w->sink_count; k++) {
            const struct delivery *d = &g->at[k], *e = &h->at[k];

            if (!w->node[0]->has[k] || !w->node[1]->has[k])
                continue;
            for (uint8_t n = 0; n < d->count; n++) {
                const struct span *s = &d->span[n], *t = oracle_span(e, s->emitted + 1);

                if (s->emitted == s->to)
                    continue;
                if (w->options.sink[k].policy != IN_DOUBT_HOLD &&
                    (s->owner == node ? g : h)->journaled < (g->closed ? s->to : 0))
                    world_fail(
                        w, "at rest node %u owns %u/%u up to %u at sink %zu and does not hold it",
                        s->owner, g->origin, g->epoch, s->to, k);
                if (t == NULL && w->options.sink[k].policy == IN_DOUBT_HOLD)
                    continue; /* Lost on both nodes, and cut off by one. */
                if (t != NULL && t->emitted != s->emitted && t->emitted >= s->from &&
                    !span_is_apart(d, s) && !span_is_apart(e, t))
                    world_fail(w,
                               "at rest %u/%u is at sink %zu up to %u for node %u, up to %u for "
                               "node %u",
                               g->origin, g->epoch, k, s->emitted, node, t->emitted, 1 - node);
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
        if (!s->record[q].intact[k])
            return false;
    }
    return true;
}

/* What was in flight to it when a disk destroyed the record is lost or not: it cannot be asked; or
 * a node knew of it that was started without that sink. */
static bool some_cannot_tell(const struct world *w, const struct seen_segment *s)
{
    if (w->sink_came && (oracle_was_without(w, 0, s) || oracle_was_without(w, 1, s)))
        return true;
    for (size_t k = 0; k < w->sink_count; k++) {
        if (!w->options.sink[k].answers || w->options.sink[k].may_fail)
            return true;
    }
    return false;
}

/* A3: tagged = emitted + held + gap records' counts, each record in one of them: what is stated as
 * lost is missing at some sink.  Where a node has lost its memory of it, nobody can know that. */
static void lost_is_not_there(struct world *w)
{
    for (size_t i = 0; i < w->gap_count; i++) {
        const struct gap *g = &w->gap[i];
        const struct seen_segment *s = oracle_segment(w, g->range.origin, g->range.epoch);

        if (g->kind != RECORD_GAP_LOST || s->given_up || oracle_forgot(w, 0, s) ||
            oracle_forgot(w, 1, s) ||
            (oracle_disk_lied(w, s) && (s->unasked || some_cannot_tell(w, s))))
            continue;
        for (uint32_t q = g->range.from; q <= g->range.to; q++) {
            if (is_everywhere(w, s, q))
                world_fail(w, "%u/%u/%u is at every sink although it is stated as lost", s->origin,
                           s->epoch, q);
        }
    }
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
        }
    }
    for (size_t i = 0; i < w->opened_count; i++) {
        const struct opened *o = &w->opened[i];
        const struct seen_segment *s = oracle_segment(w, o->origin, o->previous);

        if (o->known && o->previous != 0 && (s == NULL || s->last != o->last))
            world_fail(w, "an EPOCH-OPEN says that %u/%u ended at %u; it ended at %u", o->origin,
                       o->previous, o->last, s == NULL ? 0 : s->last);
    }
    lost_is_not_there(w);
    same_story(w, 0);
    same_story(w, 1);
}
