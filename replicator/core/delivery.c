/* What a sink may be handed now. */
#include "rules.h"
#include "record.h"

#include <assert.h>

bool core_lease_valid(const struct core *c)
{
    return c->now_ns < c->lease_end_ns; /* T6: looked at before every hand-over. */
}

/* D1: whatever either node gave it. */
bool sink_knows_all(const struct core *c, size_t sink)
{
    const struct core_sink_options *o = &c->o.sink[sink];

    return o->answers && !o->local && !o->may_fail;
}

int sink_index(const struct core *c, uint32_t key)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (c->o.sink[k].key == key)
            return (int)k;
    }
    return -1;
}

/* L1, L2: the peer cannot have what was never sent to it. */
static bool span_is_shared(const struct core *c, const struct segment *g, const struct span *s)
{
    if (!c->o.has_peer)
        return false;
    return g->origin != c->o.node || s->from <= g->sent;
}

/* T4a: this process has lived since the last settlement, so that it was not fenced since, and
 * nobody can have taken what is its own; but what it offered may have been accepted (T1).  Not by
 * the word of a hello that did not end: the peer's process before may have taken without fencing.
 */
static bool span_is_safe(const struct core *c, const struct span *s)
{
    return c->both_fence && s->handing != HAND_OFFERED;
}

static bool span_is_free(const struct core *c, const struct segment *g, const struct span *s)
{
    return s->resumed || !span_is_shared(c, g, s) || span_is_safe(c, s);
}

bool span_may_go_solo(const struct core *c, const struct segment *g, const struct span *s)
{
    return c->session == SESSION_DOWN && span_is_free(c, g, s);
}

uint32_t delivery_window(const struct core *c, size_t sink)
{
    uint32_t w = c->o.sink[sink].window;

    return w != 0 ? w : INTENT_WINDOW_DEFAULT;
}

/* N3: how far the intent may be raised. */
static uint32_t intent_limit(const struct core *c, const struct segment *g, size_t sink,
                             const struct span *s)
{
    uint32_t limit = g->journaled;

    if (c->session == SESSION_UP) {
        if (g->origin == c->o.node && c->peer_has[sink])
            limit = min_u32(limit, g->replicated);
    } else if (!span_may_go_solo(c, g, s)) {
        return s->intent;
    }
    limit = min_u32(limit, s->to);
    return min_u32(limit, s->emitted > SEQUENCE_MAX - delivery_window(c, sink)
                              ? SEQUENCE_MAX
                              : s->emitted + delivery_window(c, sink));
}

void delivery_raise_span(struct core *c, struct segment *g, size_t sink, struct span *s)
{
    uint32_t limit;

    if (s->owner != c->o.node || s->emitted == s->to || s->handing != HAND_NONE || c->ending)
        return;
    limit = intent_limit(c, g, sink, s);
    if (limit > s->intent) {
        s->intent = limit;
        g->at[sink].dirty = true;
    }
    if (c->session == SESSION_UP ? !c->peer_has[sink] : span_may_go_solo(c, g, s))
        s->granted = s->intent;
}

/* N3 */
void delivery_raise(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++)
                delivery_raise_span(c, g, k, &g->at[k].span[n]);
        }
    }
}

/* Up to where this span may be handed over at this moment. */
static uint32_t hand_limit(const struct core *c, const struct segment *g, size_t sink,
                           const struct span *s)
{
    uint32_t limit = min_u32(s->granted, g->journaled);

    if (s->owner != c->o.node || s->handing != HAND_NONE) /* N1, T1 */
        return s->handed;
    if (!c->o.has_peer || span_may_go_solo(c, g, s))
        return limit;
    if (c->session == SESSION_UP && !c->peer_has[sink])
        return limit;
    if (c->session == SESSION_HELLO && span_is_free(c, g, s))
        return limit; /* N6: up to what the hello reports as intended. */
    return core_lease_valid(c) ? limit : s->handed; /* N4, L2, T6 */
}

void delivery_unguard(struct span *s)
{
    s->guarded = false;
    if (s->asked == ASK_DONE)
        s->asked = ASK_NONE;
}

/* D1: where a second writer is refused, the guard has to stand on an answer: one that a connection
 * merely starts with hides what the other node wrote before. */
static bool is_guarded(const struct core *c, size_t sink, const struct span *s)
{
    return s->guarded || !sink_knows_all(c, sink);
}

/* D2: an EPOCH-OPEN is not skipped: where the epoch before it ended is said nowhere else. */
static bool opens_epoch(const struct core *c, size_t sink, const struct span *s)
{
    return c->o.sink[sink].policy == IN_DOUBT_SKIP && s->emitted == 0;
}

static bool may_resend(const struct core *c, size_t sink, const struct span *s)
{
    return c->o.sink[sink].policy == IN_DOUBT_RESEND || (opens_epoch(c, sink, s) && s->handed == 0);
}

/* D1, D2: false while the in-doubt range of the span has to wait. */
static bool doubt_allows(struct core *c, size_t sink, struct span *s)
{
    if (s->handed >= s->doubt && is_guarded(c, sink, s))
        return true;
    if (c->o.sink[sink].answers && s->asked != ASK_DONE) {
        /* What is in flight here would make the answer old. */
        if (s->asked == ASK_NONE && s->handed == s->emitted)
            s->asked = ASK_WANTED;
        return false;
    }
    return s->handed >= s->doubt || may_resend(c, sink, s);
}

static bool pull_span(struct core *c, const struct segment *g, uint8_t sink, uint32_t max,
                      struct span *s, struct core_give *give)
{
    uint32_t limit = hand_limit(c, g, sink, s);
    uint32_t to;

    if (s->handed >= limit || !doubt_allows(c, sink, s))
        return false;
    to = min_u32(limit, s->handed + max);
    give->in_doubt = s->handed < s->doubt;
    if (give->in_doubt) {
        to = min_u32(to, opens_epoch(c, sink, s) ? 1 : s->doubt);
        c->in_doubt[sink] += to - s->handed;
    }
    give->range = (struct core_range){g->origin, g->epoch, s->handed + 1, to};
    s->handed = to;
    return true;
}

/* D1: an answer names the last: what this node hands over above a range of which it asks would be
 * taken for that range. */
static bool would_hide(const struct core *c, uint8_t sink, const struct span *s)
{
    return c->o.sink[sink].answers && s->owner == c->o.node && s->handed < s->doubt &&
           s->asked != ASK_DONE;
}

/* L2: what was never sent goes on at once, also above what is held: this node's own file or
 * connection can say now what is there. */
static bool asks_while_held(const struct core *c, const struct segment *g, uint8_t sink, uint8_t n)
{
    const struct delivery *d = &g->at[sink];
    bool more = false;

    for (uint8_t m = n + 1; m < d->count; m++)
        more |= d->span[m].handed < hand_limit(c, g, sink, &d->span[m]);
    return more && c->o.sink[sink].local;
}

bool core_pull(struct core *c, uint8_t sink, uint32_t max, struct core_give *give)
{
    assert(sink < c->o.sink_count);
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (uint8_t n = 0; n < g->at[sink].count; n++) {
            struct span *s = &g->at[sink].span[n];

            if (pull_span(c, g, sink, max, s, give)) {
                check_span(c, g, sink, s);
                return true;
            }
            if (!would_hide(c, sink, s))
                continue;
            if (s->asked == ASK_NONE && s->handed == s->emitted && asks_while_held(c, g, sink, n))
                s->asked = ASK_WANTED;
            break;
        }
    }
    return false;
}

void core_end(struct core *c)
{
    c->ending = true;
}

uint64_t core_intended(const struct core *c, uint8_t sink)
{
    uint64_t sum = 0;

    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        for (uint8_t n = 0; n < g->at[sink].count; n++) {
            const struct span *s = &g->at[sink].span[n];
            uint32_t to = min_u32(s->intent, g->journaled);

            if (s->owner == c->o.node && s->handing == HAND_NONE && to > s->emitted)
                sum += to - s->emitted;
        }
    }
    return sum;
}

/* N5 */
void delivery_confirmed(struct core *c, uint8_t sink, const struct core_range *r)
{
    struct segment *g = segment_find(c, r->origin, r->epoch);

    if (g == NULL)
        return;
    for (uint8_t n = 0; n < g->at[sink].count; n++) {
        struct span *s = &g->at[sink].span[n];
        uint32_t to = min_u32(r->to, s->to);

        if (r->from > s->emitted + 1 || to <= s->emitted)
            continue;
        s->emitted = to;
        s->handed = max_u32(s->handed, to);
        s->intent = max_u32(s->intent, to);
        s->report = true;
        s->came = s->owner != c->o.node;
        g->at[sink].dirty = true;
    }
}

void delivery_lost(struct core *c, uint8_t sink, bool none)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct delivery *d = &c->segment[c->order[i]].at[sink];

        for (uint8_t n = 0; n < d->count; n++) {
            struct span *s = &d->span[n];

            delivery_unguard(s);
            if (!none && s->handed > s->emitted && s->owner == c->o.node) {
                s->doubt = max_u32(s->doubt, s->handed);
                s->asked = ASK_NONE;
                d->dirty = true;
            }
            s->handed = s->emitted;
            if (s->asked == ASK_SENT) /* The question went with the connection. */
                s->asked = ASK_NONE;
        }
    }
}

static void answer_moves(struct span *s, enum core_answer kind, uint32_t last)
{
    if (kind == ANSWER_HAS && last > s->emitted) {
        s->emitted = last;
        s->report = true;
    }
    s->handed = max_u32(s->handed, last); /* D1a, D1b: written, or more than that. */
    s->intent = max_u32(s->intent, s->handed);
}

/* What the other node may have written: of a span that it had before, also what its origin has sent
 * and this node does not hold.  Above that it may have emitted some alone (L2), which would hide a
 * hole below. */
static uint32_t unknown_to(const struct core *c, size_t sink, const struct segment *g,
                           const struct span *s)
{
    if (!sink_knows_all(c, sink) || g->origin == c->o.node)
        return s->doubt;
    return max_u32(s->doubt, min_u32(s->to, g->peer_sent));
}

/* What may be there of what is held, or was when it was handed over: also by a node that went on
 * alone, and lost it with a file (L4). */
static uint32_t to_know(const struct core *c, const struct segment *g, const struct span *s)
{
    return max_u32(segment_lacks_tail(c, g) ? g->last : g->journaled, s->intent);
}

/* Up to where the sink is asked: what it has beyond our doubt is worth knowing where it can; at
 * least of one record, so that the answer says whether there is more. */
static uint32_t ask_to(const struct core *c, size_t sink, const struct segment *g,
                       const struct span *s)
{
    uint32_t to = unknown_to(c, sink, g, s);

    if (!sink_knows_all(c, sink))
        return to;
    to = max_u32(to, max_u32(to_know(c, g, s), s->emitted == SEQUENCE_MAX ? 0 : s->emitted + 1));
    return min_u32(to, s->to);
}

/* D1: what was journaled, and perhaps taken over and written, while the question was on its way
 * lies above it: only what is not there to the end of what was asked says that this is not either.
 */
static bool is_whole(const struct core *c, size_t sink, const struct segment *g,
                     const struct span *s, const struct core_range *r, uint32_t last)
{
    return !sink_knows_all(c, sink) || r->to >= min_u32(s->to, to_know(c, g, s)) || last < r->to;
}

/* D1, D1a, D1b */
void delivery_answer(struct core *c, uint8_t sink, const struct core_range *r,
                     enum core_answer kind, uint32_t last)
{
    struct segment *g = segment_find(c, r->origin, r->epoch);
    struct span *s = g != NULL ? delivery_find(&g->at[sink], r->from) : NULL;

    if (s == NULL || s->asked != ASK_SENT || s->owner != c->o.node)
        return;
    /* To an older question, of less than what is in doubt since, or of a longer run that was cut
     * meanwhile, whose other part may have gone on: it is asked again. */
    if (r->from != s->emitted + 1 || r->to < unknown_to(c, sink, g, s) || r->to > s->to) {
        s->asked = ASK_NONE;
        return;
    }
    if (!is_whole(c, sink, g, s, r, last)) {
        s->asked = ASK_NONE;
        return;
    }
    s->asked = ASK_DONE;
    s->guarded = true;
    /* Above a range that waits for the operator (D2 hold) this node has gone on: what its own file
     * or connection has there says nothing of the range. */
    if (c->o.sink[sink].local && s->foreign && last > r->to)
        kind = ANSWER_UNKNOWN;
    if (kind == ANSWER_UNKNOWN)
        return; /* D2 */
    last = min_u32(last, span_end(g, s));
    if (last >= r->from)
        answer_moves(s, kind, last);
    /* What only this node's own file or connection says: not what the peer emitted meanwhile. */
    if (!c->o.sink[sink].local || !s->foreign)
        s->doubt = s->handed;
    s->begun = s->intent;
    g->at[sink].dirty = true;
}

/* A3: what is stated as lost must not be there: also not as what was on its way when the sink said
 * so, and came since, which ends the guard. */
static bool may_be_there(const struct core *c, const struct segment *g, size_t k,
                         const struct span *s)
{
    if (s->asked == ASK_DONE)
        return false;
    if (s->doubt > g->journaled && s->handed < s->doubt)
        return true;
    return span_end(g, s) > max_u32(g->journaled, s->emitted) && !is_guarded(c, k, s);
}

static bool asks_first(struct core *c, const struct segment *g, size_t k, struct span *s)
{
    bool comes = c->sink[k].up || c->now_ns - c->sink[k].since_ns < c->o.hello_ns;

    if (!c->o.sink[k].answers || !comes || s->owner != c->o.node)
        return false;
    if (!may_be_there(c, g, k, s))
        return false;
    if (s->asked == ASK_NONE && s->handed == s->emitted)
        s->asked = ASK_WANTED;
    return true;
}

bool delivery_asks_first(struct core *c, struct segment *g)
{
    bool any = false;

    for (size_t k = 0; k < c->o.sink_count; k++) {
        struct delivery *d = &g->at[k];

        for (uint8_t n = 0; n < d->count; n++)
            any |= asks_first(c, g, k, &d->span[n]);
    }
    return any;
}

static void put_ask(const struct core *c, size_t k, const struct segment *g, struct span *s,
                    struct core_output *out)
{
    uint32_t to = ask_to(c, k, g, s);

    s->asked = to > s->emitted ? ASK_SENT : ASK_NONE;
    if (s->asked == ASK_NONE) /* What was in doubt is confirmed meanwhile. */
        return;
    out->ask[out->ask_count].sink = (uint8_t)k;
    out->ask[out->ask_count].run = s->from;
    out->ask[out->ask_count].run_end = s->to;
    out->ask[out->ask_count++].range = (struct core_range){g->origin, g->epoch, s->emitted + 1, to};
}

void delivery_asks(struct core *c, struct core_output *out)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        for (size_t k = 0; k < c->o.sink_count; k++) {
            for (uint8_t n = 0; n < g->at[k].count; n++) {
                if (g->at[k].span[n].asked == ASK_WANTED && out->ask_count < OUT_ASK_MAX)
                    put_ask(c, k, g, &g->at[k].span[n], out);
            }
        }
    }
}

/* Of our live epoch what is to come, also a statement, is not in doubt: what may have been sent was
 * marked ahead. */
static void doubt_what_is_there(const struct core *c, const struct segment *g, struct span *s)
{
    if (g->origin != c->o.node || g->epoch != c->live_epoch || s->doubt <= g->produced)
        return;
    s->doubt = g->produced;
    s->intent = min_u32(s->intent, max_u32(s->doubt, s->handed));
    s->granted = min_u32(s->granted, s->intent);
    s->requested = min_u32(s->requested, s->intent);
}

/* D2 skip: a statement instead of the records; they count as done once the journal holds it. */
static void skip_span(const struct core *c, const struct segment *g, size_t k, struct span *s,
                      struct core_output *out)
{
    uint32_t to = s->doubt;

    if (s->asked == ASK_SKIPPING && s->emitted >= s->doubt)
        s->asked = ASK_NONE; /* It is done otherwise: its statement moves nothing any more. */
    if (s->asked == ASK_SKIPPING || s->handed >= s->doubt || s->owner != c->o.node)
        return;
    doubt_what_is_there(c, g, s);
    if (!g->closed) /* The rest, if it ever was, comes, and is stated then. */
        to = min_u32(s->doubt, max_u32(g->journaled, g->produced));
    if (s->handed >= to || opens_epoch(c, k, s))
        return;
    if (hand_limit(c, g, k, s) <= s->handed)
        return;
    if (c->o.sink[k].answers && s->asked != ASK_DONE)
        return;
    s->asked = ASK_SKIPPING;
    out->note[out->note_count++] = (struct core_note){
        .kind = RECORD_GAP_IN_DOUBT,
        .reason = REASON_SKIPPED,
        .range = {g->origin, g->epoch, s->emitted + 1, to},
    };
}

bool core_restate(const uint8_t record[RECORD_SIZE], struct core_note *note)
{
    struct record r;
    struct record_note n;

    if (record_decode(&r, record) != 0 || r.kind < RECORD_GAP_PENDING ||
        r.kind > RECORD_GAP_IN_DOUBT)
        return false;
    note_decode(&n, r.event);
    if (n.range_origin == r.origin && n.range_epoch == r.epoch && n.range_from == r.sequence)
        return false; /* record_lost(): it speaks of its own place only. */
    *note = (struct core_note){
        .kind = r.kind,
        .reason = n.reason,
        .range = {n.range_origin, n.range_epoch, n.range_from, n.range_to},
    };
    return true;
}

uint32_t core_restate_from(const struct core_restated *r, const struct core_range *range)
{
    uint32_t from = range->from;

    for (size_t i = 0; i < RESTATED_MAX; i++) {
        const struct core_range *done = &r->range[i];

        if (done->origin == range->origin && done->epoch == range->epoch && done->from <= from &&
            done->to >= from)
            from = done->to + 1;
    }
    return from;
}

void core_restated_to(struct core_restated *r, const struct core_range *range)
{
    r->range[r->next++ % RESTATED_MAX] = *range;
}

void delivery_skips(struct core *c, struct core_output *out)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (c->o.sink[k].policy != IN_DOUBT_SKIP || c->live_epoch == 0)
            continue;
        for (uint16_t i = 0; i < c->count; i++) {
            struct segment *g = &c->segment[c->order[i]];

            for (uint8_t n = 0; n < g->at[k].count && out->note_count < out->note_room; n++)
                skip_span(c, g, k, &g->at[k].span[n], out);
        }
    }
}

void delivery_skipped(struct core *c, struct segment *g, const struct core_range *r)
{
    for (size_t k = 0; k < c->o.sink_count; k++) {
        struct span *s = delivery_find(&g->at[k], r->from);

        if (s == NULL || s->asked != ASK_SKIPPING)
            continue;
        if (r->from > s->emitted + 1 || r->to <= s->emitted)
            continue;
        s->asked = ASK_NONE;
        c->in_doubt[k] += min_u32(s->doubt, r->to) - s->emitted;
        s->emitted = s->handed = min_u32(s->doubt, r->to);
        s->intent = max_u32(s->intent, s->emitted);
        s->report = true;
        g->at[k].dirty = true;
    }
}
