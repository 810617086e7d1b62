#include "core.h"
#include "rules.h"
#include "lie.h"

#include <assert.h>
#include <string.h>

enum { EPOCH_WAIT = 8 }; /* Two seconds, in quarters. */

uint32_t sink_key(const char *name)
{
    uint32_t h = 2166136261u;

    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

static uint64_t grant_length_ns(const struct core *c)
{
    return c->o.lease_ns + c->o.lease_ns / 1000000 * c->o.drift_ppm + 1;
}

void core_init(struct core *c, const struct core_options *o, uint64_t now_ns)
{
    assert(o->node < NODE_COUNT);
    assert(o->sink_count <= SINK_COUNT_MAX);
    memset(c, 0, sizeof(*c));
    c->o = *o;
    c->now_ns = c->started_ns = now_ns;
    c->link = -1;
    for (size_t k = 0; k < o->sink_count; k++)
        c->sink[k].since_ns = now_ns;
    /* The process before this one may have granted a lease just now. */
    c->grant_end_ns = now_ns + grant_length_ns(c);
}

/* L4: our facts told of it, and those of the peer did not.  If it has settled that, it says
 * where that ended before all else. */
static bool peer_may_tell(const struct core *c, const struct segment *g)
{
    return c->session == SESSION_UP && !g->fact_seen && !c->ends_heard;
}

/* An older segment of ours whose rest is not in the ring any more: the rest is lost, and said so,
 * once it is known that the peer does not have it either. */
static void lost_tail(struct core *c, struct segment *g)
{
    bool peer_may_have = c->o.has_peer && !c->fenced && (g->unsure || g->sent_bound > g->journaled);

    if (!segment_lacks_tail(c, g) || segment_is_done(c, g))
        return;
    if (c->live_epoch == 0) /* Until it can be stated, the peer may come back and bring it. */
        return;
    if (c->session == SESSION_HELLO ||
        peer_may_tell(c, g)) /* What is the peer's is settled first. */
        return;
    if (c->session == SESSION_DOWN && (peer_may_have || c->now_ns < c->grant_end_ns))
        return; /* L3: by then it is ours. */
    if (c->session == SESSION_UP)
        takeover_tail(c, g, max_u32(g->journaled, g->replicated));
    if (delivery_asks_first(c, g))
        return;
    if (c->session == SESSION_UP && g->replicated >= g->last)
        gap_tail_ours(c, g);
    else
        gap_runs_lost(c, g);
}

/* Where it ended went with the ring: where our journal ends, or the peer's, which may hold what our
 * disk has lost. */
static void close_ended(struct core *c, struct segment *g)
{
    bool up = c->session == SESSION_UP;
    bool peer_may_have = c->o.has_peer && (g->unsure || g->sent_bound > g->journaled);
    uint32_t held = up ? max_u32(g->journaled, g->replicated) : g->journaled;

    if (!g->ended || g->closed || (!up && peer_may_have) || peer_may_tell(c, g))
        return;
    segment_close(c, g, max_u32(held, g->produced)); /* L4: the rest is a lost tail, and said so. */
}

/* The ring has nothing more of them. */
static void older_epochs_ended(struct core *c, uint32_t epoch)
{
    if (epoch <= c->ring_epoch)
        return;
    c->ring_epoch = epoch;
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        if (g->origin != c->o.node || g->epoch >= epoch || g->closed)
            continue;
        g->ended = g->dirty = true;
        close_ended(c, g);
    }
}

static struct segment *add_own(struct core *c, uint32_t epoch, uint32_t from)
{
    struct segment *g = segment_add(c, c->o.node, epoch);

    if (g == NULL || from == 1)
        return g;
    g->base = from; /* T5: an old copy of the journal, which never had what the ring gave before. */
    g->journaled = from - 1;
    gap_file_lost(g, 1);
    segment_done_below(c, g, from);
    return g;
}

static struct segment *add_peers(struct core *c, const struct core_range *r)
{
    struct segment *g = segment_add(c, r->origin, r->epoch);

    for (size_t k = 0; g != NULL && k < c->o.sink_count; k++) {
        if (!c->peer_has[k])
            g->at[k].count = 0;
    }
    return g;
}

/* recover.c: what the journal has of it counts for nothing, and it is begun anew. */
static bool lacks_its_first_file(const struct segment *g)
{
    return g->journaled == 0 && g->base > 1;
}

bool epoch_goes_on(const struct core *c, const struct segment *g)
{
    return g->origin == c->o.node && c->live_epoch == 0 && g->epoch == c->placed_epoch &&
           !g->closed && !g->ended && !g->lost;
}

bool epoch_never_known(const struct core *c, uint32_t epoch)
{
    return epoch > c->known_epoch && (c->minted_from == 0 || epoch < c->minted_from) &&
           segment_find((struct core *)c, c->o.node, epoch) == NULL &&
           segment_dropped(c, c->o.node, epoch) == NULL && !core_forgot(c, epoch);
}

/* T5: an old copy of the journal does not know of that epoch, and the ring, which gives older ones
 * first, has nothing more of it.  A statement names all of it. */
static void ring_is_past(struct core *c, uint32_t epoch)
{
    uint32_t unknown = c->unknown_epoch;

    if (unknown == 0 || epoch <= unknown)
        return;
    c->unknown_epoch = 0;
    if (c->unknown_last > 0 && epoch_never_known(c, unknown))
        add_own(c, unknown, c->unknown_last + 1);
    epoch_ended(c, unknown, c->unknown_last);
}

/* N2: journaled here. */
static void records(struct core *c, const struct core_range *r)
{
    struct segment *g = segment_find(c, r->origin, r->epoch);
    bool own = r->origin == c->o.node;

    if (own)
        ring_is_past(c, r->epoch);
    if (g == NULL)
        g = own ? add_own(c, r->epoch, r->from) : add_peers(c, r);
    assert(g != NULL);
    if (r->from > g->journaled + 1 || lacks_its_first_file(g)) {
        g->base = r->from;
        segment_done_below(c, g, g->base);
    }
    g->journaled = max_u32(g->journaled, r->to);
    g->produced = max_u32(g->produced, g->journaled);
    /* T3: behind a hole the ring may give what went with it, and was sent before. */
    if (own && g->hollow)
        g->sent = max_u32(g->sent, min_u32(r->to, g->sent_bound));
    if (!own)
        g->ack = true;
    else if (r->from > 1) /* From the ring, which gives older epochs first. */
        older_epochs_ended(c, r->epoch);
}

/* The process before this one may have sent them: the peer may have what the journal lost. */
static void lost_records(struct core *c, const struct core_range *r)
{
    struct segment *g = segment_find(c, r->origin, r->epoch);

    if (g == NULL || g->origin != c->o.node)
        return;
    g->sent = max_u32(g->sent, min_u32(r->to, g->sent_bound));
    if (r->from > g->sent_bound)
        return;
    g->hollow = g->dirty = true; /* T1: what is left of the records is the peer's to hand over. */
}

/* Of an older one than that the ring may still have records: older_epochs_ended(). */
void epoch_ended(struct core *c, uint32_t previous, uint32_t last)
{
    struct segment *g = segment_find(c, c->o.node, previous);

    if (g != NULL && previous != 0)
        segment_close(c, g, max_u32(last, g->journaled));
}

/* L1 */
static void epoch_opened(struct core *c, uint32_t epoch, uint32_t previous, uint32_t last)
{
    epoch_ended(c, previous, last);
    if (epoch_never_known(c, previous)) {
        c->unknown_epoch = previous;
        c->unknown_last = last;
    }
    if (previous == 0)
        older_epochs_ended(c, epoch);
    if (segment_find(c, c->o.node, epoch) == NULL)
        add_own(c, epoch, 1);
    c->live_epoch = c->placed_epoch = epoch;
    c->fresh = false;
    c->epoch_wanted = c->epoch_asked = false;
    c->epoch_opened_ns = c->now_ns;
}

/* So many records are enough for one epoch: what is settled leaves the journal an epoch at a time.
 */
static uint32_t epoch_records(const struct core *c)
{
    uint32_t most = EPOCH_RECORDS_MAX - (1u << 20);

    return c->o.epoch_records != 0 && c->o.epoch_records < most ? c->o.epoch_records : most;
}

static void produced(struct core *c, const struct core_range *r)
{
    struct segment *g = segment_find(c, c->o.node, r->epoch);

    if ((r->epoch & 1) == c->o.node && core_forgot(c, r->epoch) && lie_in_produced(r->to) == NULL) {
        c->forgotten.epoch = r->epoch;
        c->forgotten.last = r->to;
    }
    if (g == NULL || g->lost)
        return;
    g->produced = max_u32(g->produced, r->to);
    if (r->epoch == c->live_epoch &&
        r->to >= epoch_records(c)) /* Finding 12: an ordinary event, nothing is held. */
        c->epoch_wanted = true;
}

static void sink_is(struct core *c, uint8_t sink, bool up)
{
    assert(sink < c->o.sink_count);
    if (c->sink[sink].up == up)
        return;
    c->sink[sink].up = up;
    c->sink[sink].since_ns = c->now_ns;
    c->sinks_due = true;
}

static void step(struct core *c, const struct core_input *in)
{
    switch (in->kind) {
    case CORE_TICK:
        break;
    case CORE_RECORDS:
        records(c, &in->records);
        if (in->lost)
            lost_records(c, &in->records);
        break;
    case CORE_EPOCH_OPENED:
        epoch_opened(c, in->epoch.epoch, in->epoch.previous, in->epoch.last);
        break;
    case CORE_PRODUCED:
        produced(c, &in->records);
        if (in->drained && in->records.epoch == c->live_epoch)
            older_epochs_ended(c, c->live_epoch);
        break;
    case CORE_LINK_UP:
        session_link_up(c, in->link.link, in->link.random);
        break;
    case CORE_LINK_DOWN:
        session_link_down(c, in->link.link);
        break;
    case CORE_LINK_PREFER:
        session_link_prefer(c, in->link.link);
        break;
    case CORE_FRAME:
        session_frame(c, in->frame.link, in->frame.at, in->frame.len);
        break;
    case CORE_CONFIRMED:
        delivery_confirmed(c, in->sink, &in->records);
        break;
    case CORE_SINK_UP:
        sink_is(c, in->sink, true);
        break;
    case CORE_SINK_LOST:
        sink_is(c, in->sink, false);
        delivery_lost(c, in->sink, in->none);
        break;
    case CORE_ANSWER:
        delivery_answer(c, in->sink, &in->records, (enum core_answer)in->answer, in->last);
        break;
    case CORE_HANDOVER:
        handover_start(c, in->sink);
        break;
    case CORE_CLUSTER:
        if (c->peer_dead && !in->cluster.peer_dead) /* It was heard: the word that it is dead and */
            c->fenced = false;                      /* stays so is over, without a hello too. */
        c->peer_dead = in->cluster.peer_dead;
        c->may_take = in->cluster.may_take;
        break;
    case CORE_FENCED:
        takeover_fenced(c);
        break;
    case CORE_SHED:
        shed_start(c, &in->records);
        break;
    case CORE_NOTED:
        gap_noted(c, in);
        break;
    }
}

void core_step(struct core *c, const struct core_input *in)
{
    enum session_state before = c->session;

    assert(in->now_ns >= c->now_ns);
    c->now_ns = in->now_ns;
    step(c, in);
    if (c->session != before || in->kind == CORE_SINK_LOST || in->kind == CORE_HANDOVER)
        core_check(c);
    else
        check_touched(c);
}

/* A segment is forgotten when both nodes know that all of it is done, and all is stated. */
static bool may_forget(const struct core *c, const struct segment *g)
{
    bool alone = !c->o.has_peer || (g->origin == c->o.node && g->sent_bound == 0 && !g->fact_told);
    bool told = g->gap == GAP_NONE || g->gap == GAP_FILLED || g->gap_told;

    return told && g->gap != GAP_PENDING && (alone || (g->peer_done && g->told_done));
}

static void finish(struct core *c)
{
    for (uint16_t i = 0; i < c->count; i++) {
        struct segment *g = &c->segment[c->order[i]];

        close_ended(c, g);
        lost_tail(c, g);
        if (!segment_is_done(c, g))
            continue;
        if (!g->done)
            g->done = g->dirty = true;
        if (may_forget(c, g))
            segment_move(g, SEGMENT_SETTLED);
    }
}

/* T5: far above what is known, and at every moment elsewhere: moments that are near each other lead
 * far apart, so that it is no matter how far the two leaps started from each other. */
void epoch_leap(struct core *c)
{
    uint32_t by = (1u << 16) + (c->o.clock_epoch * 2654435761u >> 12);

    c->highest_epoch += min_u32(by, UINT32_MAX - c->highest_epoch);
}

/* T5: the clock says what cannot have been used, also where the journal or the peer says less: the
 * journal may be an old copy, and the peer may not have seen what this node opened alone.  The
 * clock counts four a second; two nodes that are ahead of it open one a second each, across
 * restarts too, which raises the highest by four at most; so after two seconds nothing meets
 * (finding 9).  Only the wall clock of the start goes into the number, as the next life can know
 * nothing else: not how long this one says that it has lived, because that clock may have jumped.
 */
static bool epoch_known(struct core *c)
{
    uint64_t age_ns = c->now_ns - c->started_ns;
    uint32_t clock = c->o.clock_epoch + EPOCH_WAIT;

    if (!c->fresh) {
        if (c->epoch_opened_ns == 0 && c->highest_epoch >= c->o.clock_epoch && age_ns < SECOND_NS)
            return false;
        c->highest_epoch = max_u32(c->highest_epoch, c->o.clock_epoch);
        return true;
    }
    if (age_ns < 2 * SECOND_NS || (c->o.has_peer && !c->had_session && age_ns < 2 * c->o.hello_ns))
        return false;
    /* A clock ran ahead once: what an earlier journal of ours opened alone since, nobody knows. Two
     * new nodes begin somewhat ahead; where the peer remembers our earlier journal, one that has
     * lately caught up with the clock counts as well.
     */
    if (c->highest_epoch + (uint64_t)EPOCH_WAIT >
        c->o.clock_epoch + (c->earlier == EARLIER_HEARD ? 0u : 3u * EPOCH_WAIT))
        epoch_leap(c);
    if (c->earlier == EARLIER_HEARD)
        c->earlier = EARLIER_PASSED;
    c->highest_epoch = max_u32(c->highest_epoch, clock);
    return true;
}

/* L1: a ring keeps an epoch at a place by its number, and has the one that it is in for as long as
 * that is the newest. */
static uint32_t epoch_place(uint32_t epoch)
{
    return epoch / NODE_COUNT % EPOCH_PLACES;
}

static void open_epoch(struct core *c, struct core_output *out)
{
    uint32_t epoch;

    if (!c->epoch_wanted || c->epoch_asked || c->count + 8 > SEGMENT_MAX)
        return;
    if (c->epoch_opened_ns != 0 && c->now_ns - c->epoch_opened_ns < SECOND_NS)
        return; /* N6 */
    if (!epoch_known(c))
        return;
    if (c->highest_epoch >= UINT32_MAX - 4)
        return; /* There is none. */
    epoch = c->highest_epoch + 1;
    if ((epoch & 1) != c->o.node)
        epoch++;
    if (epoch_place(epoch) == epoch_place(c->placed_epoch))
        epoch += NODE_COUNT;
    c->highest_epoch = c->own_epoch = epoch;
    if (c->minted_from == 0)
        c->minted_from = epoch;
    if (c->first_epoch == 0)
        c->first_epoch = epoch;
    c->epoch_asked = true;
    out->epoch_open = epoch;
}

void core_flush(struct core *c, uint32_t credit, struct core_output *out)
{
    session_tick(c);
    takeover_tick(c);
    handover_tick(c);
    open_epoch(c, out);
    delivery_raise(c);
    finish(c);
    delivery_asks(c, out);
    delivery_skips(c, out);
    gap_notes(c, out);
    shed_notes(c, out);
    session_flush(c, credit, out);
    recover_flush(c, out);
    if (c->broken) {
        out->drop_links = true;
        out->why = c->broken_why;
        c->broken = false;
    }
    core_check(c);
}

bool core_owes_marks(const struct core *c)
{
    return c->settled_due;
}

int core_accepts(struct core *c, uint8_t origin, uint32_t epoch, uint32_t base, uint32_t from,
                 uint32_t count, bool *restart)
{
    const struct segment *g = core_segment(c, origin, epoch);

    *restart = false;
    if (origin == c->o.node || c->session != SESSION_UP)
        return -1;
    if (session_lies(c, lie_in_records(c, epoch, from + count - 1)))
        return -1;
    if (g == NULL) {
        *restart = true;
        return c->count + 4 <= SEGMENT_MAX && from == base ? 0 : -1;
    }
    if (g->lost)
        return -1;
    if (from <= g->journaled)
        return (int)min_u32(count, g->journaled - from + 1);
    if (from == g->journaled + 1 && !lacks_its_first_file(g))
        return 0;
    *restart = true;
    return from == base ? 0 : -1;
}

/* The process before this one may have died after the first record of the epoch and before the mark
 * that the one before it is closed. */
bool core_recover_ring(struct core *c, uint32_t epoch, uint32_t previous, uint32_t last)
{
    c->placed_epoch = epoch;
    if (epoch == 0)
        return false;
    if ((epoch & 1) == c->o.node) /* T5: the journal may be an older copy, or a new one. */
        c->highest_epoch = max_u32(c->highest_epoch, epoch);
    if (core_forgot(c, epoch) && epoch != c->own_epoch)
        return false;
    epoch_ended(c, previous, last);
    if (previous == 0) /* It was made for this epoch. */
        older_epochs_ended(c, epoch);
    check_touched(c);
    return epoch == c->own_epoch && core_segment(c, c->o.node, epoch) == NULL;
}

bool core_forgot(const struct core *c, uint32_t epoch)
{
    const struct segment *g = core_segment(c, c->o.node, epoch);
    bool of_this_journal = c->first_epoch != 0 && epoch >= c->first_epoch;

    return epoch != 0 && !of_this_journal && (g == NULL || g->lost);
}

/* T3 */
bool core_hole_waits(struct core *c, uint32_t epoch, uint32_t from)
{
    struct segment *g = segment_find(c, c->o.node, epoch);
    uint32_t hole = core_hole(c, epoch, from);

    if (!c->o.has_peer || hole == from || g->sent_bound < hole)
        return false;
    if (!c->had_session && !c->fenced && c->now_ns - c->started_ns < 2 * c->o.hello_ns)
        return true;
    if (!g->hollow)
        g->hollow = g->dirty = c->durable = true;
    return !g->hollow_kept; /* A stand-in must not be found without the word that it is one. */
}

uint32_t core_known_to(const struct core *c, uint32_t epoch)
{
    const struct segment *g = core_segment(c, c->o.node, epoch);
    bool dropped = segment_dropped(c, c->o.node, epoch) != NULL;

    return g != NULL ? g->journaled : dropped ? SEQUENCE_MAX : 0;
}

uint32_t core_hole(const struct core *c, uint32_t epoch, uint32_t from)
{
    const struct segment *g = core_segment(c, c->o.node, epoch);

    if (g == NULL || g->lost)
        return from;
    if (g->journaled >= g->base)
        return min_u32(from, g->journaled + 1);
    /* Its file is gone: what is not done yet. */
    return max_u32(min_u32(from, segment_undone(c, g)), g->journaled + 1);
}

uint32_t core_needed(const struct core *c, uint8_t origin, uint32_t epoch)
{
    const struct segment *g = core_segment(c, origin, epoch);

    return g != NULL ? segment_needed(c, g) : 1;
}
