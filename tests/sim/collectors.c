/* Collectors of every kind of section 7, and the connections to them, which outlive the process
 * that made them: what a kernel holds still arrives. */
#include "sim.h"

#include <string.h>

enum { BACKOFF_NS = 30 * MS };

static struct flight *flight_of(const struct world *w, const struct node *n, unsigned sink)
{
    return n->sink[sink].flight < 0 ? NULL : w->flight[n->sink[sink].flight];
}

static bool reachable(const struct world *w, const struct node *n, unsigned sink)
{
    return !w->sink_dead[sink] && n->sink[sink].reachable && n->host_up;
}

static void let_go(const struct world *w, struct flight *f)
{
    bool kept = w->sink_kind[f->sink] == SINK_KEPT && !f->broken;

    if (!f->attached && !kept && (f->broken || f->arrived == f->tail))
        f->used = false;
}

void collector_retry(struct world *w, struct node *n, unsigned sink)
{
    world_event(w, w->now + BACKOFF_NS + rng_below(&w->rng, 30) * MS, EV_SINK_UP, n->id,
                (uint8_t)sink, n->life);
}

/* D1a: the keeper has held it since the process before this one. */
static bool kept_connection(struct world *w, struct node *n, unsigned sink)
{
    for (int i = 0; i < CONNS_MAX; i++) {
        struct flight *f = w->flight[i];

        if (w->sink_kind[sink] != SINK_KEPT || !f->used || f->broken || f->node != n->id ||
            f->sink != sink)
            continue;
        f->attached = true;
        n->sink[sink].flight = i;
        w->stats.kept++;
        if (f->head < f->tail)
            world_event(w, w->now + 1 * MS, EV_FLIGHT, (uint8_t)i, 0, 0);
        return true;
    }
    return false;
}

void collector_connect(struct world *w, struct node *n, unsigned sink)
{
    struct flight *f = NULL;

    if (!n->has[sink] || n->sink[sink].up || n->frozen)
        return;
    if (n->sink[sink].unheard) {
        n->sink[sink].unheard = false;
        node_sink_lost(w, n, sink, false);
    }
    if (kept_connection(w, n, sink)) {
        n->sink[sink].up = true;
        node_sink_up(w, n, sink);
        return;
    }
    for (int i = 0; i < CONNS_MAX && f == NULL; i++) {
        if (!w->flight[i]->used) {
            f = w->flight[i];
            n->sink[sink].flight = i;
        }
    }
    if (f == NULL || !reachable(w, n, sink)) {
        n->sink[sink].flight = -1;
        collector_retry(w, n, sink);
        return;
    }
    f->used = f->attached = true;
    f->broken = f->refused = false;
    f->node = n->id;
    f->sink = (uint8_t)sink;
    f->name = ++w->conn_names;
    f->head = f->arrived = f->tail = 0;
    f->last_due = w->now;
    f->stamp = ++w->stamps; /* The guard starts at what the stream has. */
    n->sink[sink].up = true;
    node_sink_up(w, n, sink);
}

size_t collector_room(const struct world *w, const struct node *n, unsigned sink)
{
    const struct flight *f = flight_of(w, n, sink);

    if (f == NULL || !n->sink[sink].up || f->broken)
        return 0;
    return FLIGHT_MAX - 1 - (f->tail - f->head);
}

/* Files and datagrams: there is nothing between the call and the effect. */
static bool is_direct(const struct world *w, unsigned sink)
{
    return w->sink_kind[sink] == SINK_UDP || w->sink_kind[sink] == SINK_FILE;
}

/* A writer's view of a subject is as old as its connection, or its last question. */
static uint64_t guard_of(struct world *w, const struct node *n, unsigned sink, const struct item *i)
{
    const struct seen_segment *s =
        w->sink_kind[sink] == SINK_STREAM ? oracle_segment(w, i->origin, i->epoch) : NULL;
    uint64_t stamp = flight_of(w, n, sink)->stamp;

    return s != NULL && s->view[sink][n->id] > stamp ? s->view[sink][n->id] : stamp;
}

/* T2: a datagram that a dead collector's host refuses has not left, nor has the next one, whose
 * sender hears of that. */
static bool refuses(const struct world *w, const struct node *n, unsigned sink)
{
    const struct flight *f = flight_of(w, n, sink);

    return w->seed >= NONE_SINCE && w->sink_kind[sink] == SINK_UDP && !n->frozen &&
           (w->sink_dead[sink] || !n->sink[sink].reachable || (f != NULL && f->refused));
}

void collector_push(struct world *w, struct node *n, unsigned sink, const struct item *item)
{
    struct flight *f = flight_of(w, n, sink);
    struct item *i = &f->item[f->tail++ % FLIGHT_MAX];
    uint64_t delay = w->sink_delay[sink] / 2 + rng_below(&w->rng, (uint32_t)w->sink_delay[sink]);

    *i = *item;
    i->rejected = false;
    i->guard = guard_of(w, n, sink, i);
    if (w->sink_kind[sink] == SINK_KEPT)
        oracle_given(w, sink, n->id, i, f->name);
    i->due = w->now + (is_direct(w, sink) ? 0 : delay);
    if (i->due < f->last_due)
        i->due = f->last_due;
    f->last_due = i->due;
    if (refuses(w, n, sink)) {
        f->refused = true;
    } else if (is_direct(w, sink)) {
        oracle_received(w, sink, n->id, i);
        f->arrived = f->tail;
    }
    if (f->tail - f->head == 1)
        world_event(w, i->due, EV_FLIGHT, (uint8_t)n->sink[sink].flight, 0, 0);
}

/* A stream with a subject for each segment refuses a write when another writer came between:
 * expected last sequence of the subject. */
static bool guard(struct world *w, struct flight *f, struct item *i)
{
    struct seen_segment *s = oracle_segment(w, i->origin, i->epoch);

    i->rejected = f->refused || s == NULL ||
                  (s->writer[f->sink] != f->name && s->written[f->sink] > i->guard);
    f->refused |= i->rejected;
    if (i->rejected)
        return false;
    s->writer[f->sink] = f->name;
    s->written[f->sink] = ++w->stamps;
    return true;
}

/* Its message id is known from this connection, and nobody wrote since: acknowledged, not stored.
 */
static bool is_own_again(struct world *w, const struct flight *f, const struct item *i)
{
    const struct seen_segment *s = oracle_segment(w, i->origin, i->epoch);

    return w->sink_kind[f->sink] == SINK_STREAM && s != NULL && s->writer[f->sink] == f->name &&
           oracle_has(w, f->sink, i);
}

static void arrive(struct world *w, struct flight *f)
{
    struct item *i = &f->item[f->arrived++ % FLIGHT_MAX];
    bool own_again = is_own_again(w, f, i);

    if (w->sink_kind[f->sink] == SINK_STREAM && !guard(w, f, i)) {
        TRACE(w, "sink %u: refuses %u/%u %u from node %u", f->sink, i->origin, i->epoch,
              i->sequence, f->node);
        return;
    }
    if (w->sink_kind[f->sink] == SINK_TABLE && oracle_has(w, f->sink, i))
        return; /* The key is there: nothing is inserted, and the commit succeeds. */
    if (own_again)
        return;
    TRACE(w, "sink %u: gets %u/%u %u from node %u%s", f->sink, i->origin, i->epoch, i->sequence,
          f->node, i->in_doubt ? ", marked" : "");
    oracle_received(w, f->sink, f->node, i);
}

/* The confirmations of one moment, a call for each run. */
bool collector_is_owed(const struct world *w, const struct core_range *range)
{
    for (int i = 0; i < CONNS_MAX; i++) {
        const struct flight *f = w->flight[i];

        for (unsigned at = f->arrived; f->used && at != f->tail; at++) {
            const struct item *q = &f->item[at % FLIGHT_MAX];

            if (q->origin == range->origin && q->epoch == range->epoch &&
                q->sequence >= range->from && q->sequence <= range->to)
                return true;
        }
    }
    return false;
}

static void confirm(struct world *w, struct flight *f, uint32_t to)
{
    struct node *n = w->node[f->node];

    while (f->attached && !f->broken && f->head < to) {
        const struct item *first = &f->item[f->head % FLIGHT_MAX];
        struct core_range r = {first->origin, first->epoch, first->sequence, first->sequence};

        if (first->rejected) {
            collector_reset(w, n, f->sink, true);
            return;
        }
        f->head++;
        while (f->head < to) {
            const struct item *i = &f->item[f->head % FLIGHT_MAX];

            if (i->rejected || i->origin != r.origin || i->epoch != r.epoch ||
                i->sequence != r.to + 1)
                break;
            r.to++;
            f->head++;
        }
        node_confirmed(w, n, f->sink, &r);
    }
}

void collector_work(struct world *w, unsigned index)
{
    struct flight *f = w->flight[index];
    uint32_t seen = f->arrived;
    bool refused = f->attached && refuses(w, w->node[f->node], f->sink);
    bool dead = w->sink_dead[f->sink] || !w->node[f->node]->sink[f->sink].reachable || refused;

    if (!f->used || f->broken)
        return;
    if (refused)
        confirm(w, f, f->arrived);
    if (dead && f->attached) {
        collector_reset(w, w->node[f->node], f->sink, false);
        return;
    }
    while (f->arrived < f->tail && f->item[f->arrived % FLIGHT_MAX].due <= w->now && !dead)
        arrive(w, f);
    if (is_direct(w, f->sink))
        seen = f->tail;
    if (f->attached && !w->node[f->node]->frozen) /* An answer takes a moment. */
        confirm(w, f, seen);
    let_go(w, f);
    if (f->used && !f->broken && (f->head < f->tail && (f->attached || f->arrived < f->tail)))
        world_event(w, w->now + 1 * MS + w->sink_delay[f->sink] / 4, EV_FLIGHT, (uint8_t)index, 0,
                    0);
}

static void cut_off(struct world *w, struct flight *f, bool all_arrive)
{
    uint32_t left = f->tail - f->arrived;
    uint32_t more = all_arrive ? left : rng_below(&w->rng, left + 1);

    while (more-- > 0)
        arrive(w, f);
    f->broken = true;
    f->attached = false;
    f->used = false;
}

void collector_reset(struct world *w, struct node *n, unsigned sink, bool all_arrive)
{
    struct flight *f = flight_of(w, n, sink);
    bool none;

    if (f == NULL || !n->sink[sink].up)
        return;
    none = refuses(w, n, sink) && f->head == f->arrived;
    if (none)
        f->tail = f->arrived;
    cut_off(w, f, all_arrive);
    n->sink[sink].up = false;
    n->sink[sink].flight = -1;
    TRACE(w, "node %u: sink %u is lost%s", n->id, sink, none ? ", and nothing was under way" : "");
    n->sink[sink].unheard = n->frozen;
    node_sink_lost(w, n, sink, none);
    collector_retry(w, n, sink);
}

/* The process is gone: what its kernel holds goes on, if there still is a kernel. */
void collector_detach(struct world *w, struct node *n, bool host_died)
{
    for (unsigned k = 0; k < w->sink_count; k++) {
        struct flight *f = flight_of(w, n, k);

        n->sink[k].up = false;
        n->sink[k].flight = -1;
        if (f == NULL)
            continue;
        f->attached = false;
        let_go(w, f);
    }
    for (int i = 0; i < CONNS_MAX && host_died; i++) {
        if (w->flight[i]->used && w->flight[i]->node == n->id)
            cut_off(w, w->flight[i], false);
    }
}

void collector_power_cut(struct world *w, struct node *n)
{
    for (unsigned k = 0; w->operations && w->power && k < w->sink_count; k++) {
        struct flight *f = flight_of(w, n, k);
        uint32_t lost;

        if (f == NULL || w->sink_kind[k] != SINK_FILE)
            continue;
        for (lost = rng_below(&w->more, f->tail - f->head + 1); lost > 0; lost--)
            oracle_lost(w, k, n->id, &f->item[--f->tail % FLIGHT_MAX]);
        f->arrived = f->tail;
    }
}

/* A keeper answers in the call.  Here it takes a moment, in which the core may have come to ask
 * something else: to what it does not ask any more nothing is confirmed. */
static bool still_asked(const struct node *n, const struct ask *a)
{
    const struct segment *g = core_segment(&n->core, a->range.origin, a->range.epoch);

    for (uint8_t m = 0; g != NULL && m < g->at[a->sink].count; m++) {
        const struct span *s = &g->at[a->sink].span[m];

        if (s->from <= a->range.from && a->range.from <= s->to)
            return s->owner == n->id && s->emitted + 1 == a->range.from &&
                   s->doubt <= a->range.to && a->range.to <= s->to;
    }
    return false;
}

/* D1a: what this connection was given, and how much of that has arrived. */
static void answer_kept(struct world *w, struct node *n, const struct ask *a)
{
    struct core_range r = a->range;
    bool asked = still_asked(n, a);
    uint32_t last;
    enum core_answer answer =
        oracle_written(w, a->sink, n->id, &r, flight_of(w, n, a->sink)->name, &last);

    if (answer == ANSWER_WRITTEN)
        oracle_answered(w, n, a->sink, &r, last);
    node_answered(w, n, a->sink, &r, answer, last);
    if (!asked || answer != ANSWER_WRITTEN || last < r.from)
        return;
    r.to = oracle_highest(w, a->sink, r.origin, r.epoch, r.from, last, n->id);
    if (r.to >= r.from)
        node_confirmed(w, n, a->sink, &r);
}

/* A writer that learns by one answer that somebody wrote after an earlier one, over the same
 * connection, cannot go on from either. */
static bool is_overtaken(struct world *w, const struct node *n, unsigned sink,
                         const struct seen_segment *s)
{
    uint64_t view = s->view[sink][n->id];

    return w->sink_kind[sink] == SINK_STREAM && view > flight_of(w, n, sink)->stamp &&
           s->writer[sink] != flight_of(w, n, sink)->name && s->written[sink] > view;
}

/* D1: asked of the collector when it can be reached, answered a moment later. */
void collector_answer(struct world *w, struct node *n, unsigned ask)
{
    struct ask *a = &n->ask[ask % ASKS_MAX];
    int by = w->sink_kind[a->sink] == SINK_FILE ? n->id : -1;
    struct seen_segment *s;
    uint32_t last;

    if (!n->running || a->life != n->life)
        return;
    if (w->questions_go && a->losses != n->sink[a->sink].losses)
        return;
    if (!n->sink[a->sink].up || n->frozen) {
        world_event(w, w->now + BACKOFF_NS, EV_ANSWER, n->id, 0, ask);
        return;
    }
    if (w->sink_kind[a->sink] == SINK_KEPT) {
        answer_kept(w, n, a);
        return;
    }
    s = oracle_segment(w, a->range.origin, a->range.epoch);
    if (s != NULL && is_overtaken(w, n, a->sink, s)) {
        collector_reset(w, n, a->sink, true);
        return;
    }
    if (s != NULL) {
        s->view[a->sink][n->id] = ++w->stamps;
        s->unasked |= collector_is_owed(w, &a->range);
    }
    last =
        oracle_highest(w, a->sink, a->range.origin, a->range.epoch, a->range.from, a->range.to, by);
    oracle_answered(w, n, a->sink, &a->range, last);
    node_answered(w, n, a->sink, &a->range, ANSWER_HAS, last);
}

void collector_ask(struct world *w, struct node *n, unsigned sink, const struct core_range *r)
{
    unsigned ask = n->asks++ % ASKS_MAX;
    uint64_t more = w->slow_answers ? rng_below(&w->answering, 600) * MS : 0;

    if (w->aim_asked > 0)
        aimed_asked(w, n, sink);
    n->ask[ask] = (struct ask){(uint8_t)sink, n->sink[sink].losses, n->life, *r};
    world_event(w, w->now + w->sink_delay[sink] / 2 + more, EV_ANSWER, n->id, 0, ask);
}
