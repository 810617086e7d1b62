/* From the journal to the sinks: the core says what, this renders it, the sink carries it. */
#include "shell.h"

#include "kept.h"
#include "segment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WAKES_MAX = 32 }; /* Rounds of hidden records at a time; the next tick goes on. */

#define STALL_NS (60 * SECOND_NS)

static struct given *given_at(struct sink_port *p, uint32_t i)
{
    return &p->given[(p->head + i) % GIVEN_MAX];
}

static void given_add(struct sink_port *p, enum given_what what, const struct record *r)
{
    struct given *last = p->count > 0 ? given_at(p, p->count - 1) : NULL;

    if (what == GIVEN_HIDDEN && last != NULL && last->what == GIVEN_HIDDEN &&
        last->origin == r->origin && last->epoch == r->epoch && last->to + 1 == r->sequence) {
        last->to++;
        return;
    }
    *given_at(p, p->count++) = (struct given){
        .epoch = r->epoch,
        .from = r->sequence,
        .to = r->sequence,
        .origin = r->origin,
        .kind = r->kind,
        .what = (uint8_t)what,
        .ns = p->shell->core->now_ns, /* Of the pull. */
    };
}

/* Never sent to the peer, or handed out where neither a session nor a lease allows it: so the peer
 * does not have it, or may not take it. */
static bool is_alone(const struct shell *s, const struct record *r)
{
    const struct segment *g = core_segment(s->core, r->origin, r->epoch);

    if (r->origin == s->config->node && g != NULL && r->sequence > g->sent)
        return true;
    return s->core->session == SESSION_DOWN && !core_lease_valid(s->core);
}

static void add_item(struct sink_port *p, const struct record *r, bool in_doubt, size_t len,
                     unsigned statement)
{
    p->items[p->item_count++] = (struct sink_item){
        .origin = r->origin,
        .position = position_make(r->epoch, r->sequence),
        .in_doubt = in_doubt,
        .statement = (uint8_t)statement,
        .alone = is_alone(p->shell, r),
        .bytes = p->bytes + p->used,
        .len = len,
    };
    p->used += len;
    given_add(p, statement != 0 ? GIVEN_STATEMENT : GIVEN_RECORD, r);
}

static void state_hidden(struct sink_port *p, const struct record *next, bool in_doubt)
{
    unsigned statement = 0;

    for (size_t i = 0; i < p->hidden.count && p->render.tag != TAG_NONE; i++) {
        const struct hidden_run *h = &p->hidden.run[i];
        bool last = i + 1 == p->hidden.count; /* Its end is where `next` is. */
        struct render_hidden run = {h->origin, h->epoch, h->from, h->next - 1 - last};

        if (run.to >= run.from)
            add_item(
                p, next, in_doubt,
                render_filtered(&p->render, &run, next, in_doubt, p->bytes + p->used, RENDER_MAX),
                ++statement);
    }
    filter_stated(p);
}

/* The record, if it passes, and before it what was hidden. */
static void take(struct sink_port *p, const struct record *r, bool in_doubt)
{
    if (!filter_follow(p, r)) {
        given_add(p, GIVEN_HIDDEN, r);
        return;
    }
    if (p->filtered)
        state_hidden(p, r, in_doubt);
    add_item(p, r, in_doubt,
             render_record(&p->render, feed_names(p->shell, r->origin, r->names_generation), r,
                           in_doubt, p->bytes + p->used, RENDER_MAX),
             0);
}

/* No mark moves for it, so that nothing which is hidden may be done with it: the newest entry goes
 * in front of those, which are no items, and wait for a record behind them. */
static void count_as_replay(struct sink_port *p)
{
    uint32_t at = p->count - 1;
    struct given replay = *given_at(p, at);

    for (; at > 0 && given_at(p, at - 1)->what == GIVEN_HIDDEN; at--)
        *given_at(p, at) = *given_at(p, at - 1);
    *given_at(p, at) = replay;
    given_at(p, at)->what = GIVEN_REPLAY;
}

/* Marked; the filter holds for it too, but what it hides is not stated again. */
void emit_replayed(struct sink_port *p, const struct record *r)
{
    struct sink_item *item = &p->items[p->item_count];

    if (!render_passes(&p->filter, r))
        return;
    add_item(p, r, true,
             render_record(&p->render, feed_names(p->shell, r->origin, r->names_generation), r,
                           true, p->bytes + p->used, RENDER_MAX),
             0);
    count_as_replay(p);
    item->replay = p->replay.number;
    p->replay.in_flight++;
    p->replay.handed++;
}

/* One run of the core as items of the sink. */
static void fill(struct sink_port *p, const struct core_give *give)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    struct shell *s = p->shell;
    size_t want = give->range.to - give->range.from + 1;
    size_t n = journal_read(s->journal, give->range.origin, give->range.epoch, give->range.from,
                            want, records, sizeof(records));

    for (size_t i = 0; i < n; i++) {
        struct record r;

        if (record_decode(&r, records + i * RECORD_SIZE) != 0) {
            n = i;
            break;
        }
        take(p, &r, give->in_doubt);
    }
    if (give->range.origin != s->config->node)
        failover_given(s);
    if (n < want) {
        shell_log("journal: segment %u/%u: records from %u on cannot be read; ending",
                  give->range.origin, give->range.epoch, give->range.from + (unsigned)n);
        exit(EXIT_FAILURE);
    }
}

/* How many records fit now, each with a statement before it, the first with those of other
 * segments.
 */
static size_t room(const struct sink_port *p, size_t max, size_t max_bytes)
{
    size_t each = p->filtered ? 2 : 1, first = p->filtered ? p->hidden.count + 1 : 0;
    size_t bytes = (max_bytes - p->used) / RENDER_MAX, items = max - p->item_count;
    size_t given = (GIVEN_MAX - p->count) / 2;
    size_t n = bytes < items ? bytes : items;

    n = n < given ? n : given;
    n = n > first ? (n - first) / each : 0;
    return n < FEED_BATCH ? n : FEED_BATCH;
}

/* A range that the core gave waits in the port while the filter looks back. */
static bool next_give(struct sink_port *p, size_t n)
{
    if (!p->has_give) {
        p->shell->core->now_ns = shell_now_ns(); /* T6: the lease is looked at now. */
        p->has_give = core_pull(p->shell->core, p->index, (uint32_t)n, &p->give);
    }
    if (!p->has_give || !filter_look_back(p, &p->give.range))
        return false;
    p->has_give = false;
    return true;
}

static size_t host_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    struct sink_port *p = ctx;
    size_t n;

    if (max_bytes > SINK_RENDER_BYTES)
        max_bytes = SINK_RENDER_BYTES;
    p->items = items;
    p->item_count = p->used = 0;
    while (!p->shell->stopping && !p->shell->flushing && (n = room(p, max, max_bytes)) > 0 &&
           next_give(p, n))
        fill(p, &p->give);
    if (p->shell->stop_ns == 0 && !p->shell->flushing && (n = room(p, max, max_bytes)) > 0)
        replay_fill(p, n);
    return p->item_count;
}

static void count_emitted(struct sink_port *p, uint8_t origin, uint8_t kind)
{
    p->emitted[kind]++;
    if (origin == p->shell->config->node && p->index == 0)
        p->shell->emitted[kind]++;
}

/* What others want to know of it. */
static void emit_confirmed(struct sink_port *p, const struct core_range *run)
{
    if (run->origin != p->shell->config->node)
        failover_confirmed(p->shell);
    tail_confirmed(p, run);
}

static void tell_confirmed(struct sink_port *p, struct core_range *run)
{
    struct core_input in = {.kind = CORE_CONFIRMED, .sink = p->index, .records = *run};

    if (run->to != 0) {
        shell_input(p->shell, &in);
        emit_confirmed(p, run);
    }
    run->to = 0;
}

/* How many of the oldest entries are done once n items are confirmed, up to a whole record: what is
 * hidden, and the statements of it, are done with the record after them.  *n: items beyond. */
static uint32_t done_entries(struct sink_port *p, size_t *n)
{
    uint32_t done = 0;
    size_t items = 0, used = 0;

    for (uint32_t i = 0; i < p->count && items < *n; i++) {
        const struct given *g = given_at(p, i);

        items += g->what != GIVEN_HIDDEN;
        if (g->what != GIVEN_RECORD && g->what != GIVEN_REPLAY)
            continue;
        done = i + 1;
        used = items;
    }
    *n -= used;
    return done;
}

/* The oldest n items. */
static void confirm(struct sink_port *p, size_t n)
{
    struct core_range run = {0};
    uint64_t now_ns = shell_now_ns();
    uint32_t done;

    p->ahead += n;
    p->confirmed_ns = now_ns;
    for (done = done_entries(p, &p->ahead); done > 0; done--) {
        const struct given *g = given_at(p, 0);

        p->count--;
        p->head = (p->head + 1) % GIVEN_MAX;
        if (g->what == GIVEN_REPLAY)
            replay_confirmed(p, g->epoch, g->from);
        if (g->what == GIVEN_STATEMENT || g->what == GIVEN_REPLAY)
            continue;
        if (g->what == GIVEN_RECORD) {
            count_emitted(p, g->origin, g->kind);
            histogram_add(&p->confirm_seconds, now_ns - g->ns, 1);
        }
        if (run.to != 0 && run.origin == g->origin && run.epoch == g->epoch &&
            run.to + 1 == g->from) {
            run.to = g->to;
            continue;
        }
        tell_confirmed(p, &run);
        run = (struct core_range){g->origin, g->epoch, g->from, g->to};
    }
    tell_confirmed(p, &run);
}

static void host_confirmed(void *ctx, size_t n)
{
    struct sink_port *p = ctx;

    confirm(p, n);
    shell_flush(p->shell);
}

/* A stand-in for what this journal has lost is not what the other node had. */
static bool is_stand_in(const struct record *r)
{
    struct record_note n;

    if (r->kind != RECORD_GAP_LOST)
        return false;
    note_decode(&n, r->event);
    return n.range_origin == r->origin && n.range_epoch == r->epoch && n.range_from == r->sequence;
}

/* D1b */
static size_t host_again(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to,
                         struct sink_item *items, size_t max)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    struct sink_port *p = ctx;
    size_t want = to - from < FEED_BATCH ? to - from + 1 : FEED_BATCH, n, used = 0;

    n = journal_read(p->shell->journal, origin, epoch, from, want < max ? want : max, records,
                     sizeof(records));
    for (size_t i = 0; i < n; i++) {
        struct record r;

        if (used + RENDER_MAX > SINK_RENDER_BYTES ||
            record_decode(&r, records + i * RECORD_SIZE) != 0 || is_stand_in(&r))
            return i;
        items[i] = (struct sink_item){.origin = origin,
                                      .position = position_make(epoch, r.sequence),
                                      .bytes = p->bytes + used};
        items[i].len = render_record(&p->render, feed_names(p->shell, origin, r.names_generation),
                                     &r, false, p->bytes + used, RENDER_MAX);
        used += items[i].len;
    }
    return n;
}

static uint32_t host_emitted(void *ctx, uint8_t origin, uint32_t epoch)
{
    const struct sink_port *p = ctx;
    const struct segment *g = core_segment(p->shell->core, origin, epoch);

    return g != NULL ? status_mark(g, p->index, true) : SEQUENCE_MAX;
}

/* D1a, D1b: the process before this one, or the other node, had given them to the sink. */
static void host_confirmed_written(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from,
                                   uint32_t last)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    struct sink_port *p = ctx;
    struct core_input in = {.kind = CORE_CONFIRMED, .sink = p->index};
    size_t got;

    for (uint32_t q = from; q <= last; q += (uint32_t)got) {
        got = journal_read(p->shell->journal, origin, epoch, q, last - q + 1, records,
                           sizeof(records));
        if (got == 0)
            break; /* Settled meanwhile: not counted here. */
        for (size_t i = 0; i < got; i++)
            count_emitted(p, origin, records[i * RECORD_SIZE + 21]);
    }
    in.records = (struct core_range){origin, epoch, from, last};
    shell_input(p->shell, &in);
    shell_flush(p->shell);
}

static void host_lost(void *ctx, bool certain_none)
{
    struct sink_port *p = ctx;
    struct core_input in = {.kind = CORE_SINK_LOST, .sink = p->index, .none = certain_none};

    p->head = p->count = 0;
    p->ahead = 0;
    filter_forget(p);
    replay_lost(p);
    shell_input(p->shell, &in);
    if (p->sink->up) { /* Only what was under way comes back: the collector is within reach. */
        in.kind = CORE_SINK_UP;
        shell_input(p->shell, &in);
    }
    shell_flush(p->shell);
}

static void host_up(void *ctx, bool quiet)
{
    struct sink_port *p = ctx;
    struct core_input in = {.kind = CORE_SINK_UP, .sink = p->index};

    if (!quiet)
        shell_log("sink %s: up", p->config->name);
    shell_input(p->shell, &in);
    shell_flush(p->shell);
}

static void host_down(void *ctx, const char *why)
{
    struct sink_port *p = ctx;

    shell_log("sink %s: down: %s", p->config->name, why);
}

static void host_warn(void *ctx, const char *what)
{
    struct sink_port *p = ctx;

    shell_log("sink %s: %s", p->config->name, what);
}

static uint64_t opened_ns(const struct shell *s, const struct core_range *r)
{
    bool ours = r->origin == s->config->node && s->first_epoch != 0 && r->epoch >= s->first_epoch;

    return ours ? s->first_epoch_ns : 0;
}

/* Until the peer can have taken a new epoch over, or is given it (T2). */
static uint32_t alone_ms(const struct config *c)
{
    uint64_t ms = c->dead_after_ms;

    if (!c->has_peer)
        return UINT32_MAX;
    if (c->handover_after_ms != 0 && c->handover_after_ms < ms)
        ms = c->handover_after_ms;
    return (uint32_t)ms;
}

void emit_asks(struct shell *s)
{
    for (size_t i = 0; i < s->out->ask_count; i++) {
        const struct core_range *r = &s->out->ask[i].range;

        if (emit_knows(&s->port[s->out->ask[i].sink], r))
            continue;
        sink_ask(s->port[s->out->ask[i].sink].sink,
                 &(struct sink_question){.origin = r->origin,
                                         .epoch = r->epoch,
                                         .from = r->from,
                                         .to = r->to,
                                         .run = s->out->ask[i].run,
                                         .run_end = s->out->ask[i].run_end,
                                         .opened_ns = opened_ns(s, r)});
    }
}

/* Of a record that the core knows of, or of a statement before it. */
static bool is_given(const struct given *g)
{
    return g->what == GIVEN_RECORD || g->what == GIVEN_STATEMENT;
}

/* Hidden records at the head wait for nothing, but for the last of each run. */
static bool confirm_hidden(struct sink_port *p)
{
    bool any = false;

    for (uint32_t i = 0; i < p->count && !is_given(given_at(p, i)); i++) {
        struct given *g = given_at(p, i);
        struct core_range most = {g->origin, g->epoch, g->from, g->to - 1};

        if (g->what != GIVEN_HIDDEN || g->from == g->to)
            continue;
        g->from = g->to;
        tell_confirmed(p, &most);
        any = true;
    }
    return any;
}

/* Of the backlog, what only waits to be stated. */
uint64_t emit_hidden(const struct sink_port *p)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < p->count; i++) {
        const struct given *g = &p->given[(p->head + i) % GIVEN_MAX];

        if (is_given(g))
            break;
        n += g->what == GIVEN_HIDDEN ? g->to - g->from + 1 : 0;
    }
    return n;
}

uint64_t emit_intended(const struct shell *s)
{
    uint64_t n = 0;

    for (size_t k = 0; k < s->port_count; k++) {
        uint64_t all = core_intended(s->core, (uint8_t)k), hidden = emit_hidden(&s->port[k]);

        if (s->core->sink[k].up && all > hidden)
            n += all - hidden;
    }
    return n;
}

void emit_wake(struct shell *s)
{
    bool again = true;

    if (s->waking)
        return;
    s->waking = true;
    for (int i = 0; i < WAKES_MAX && again; i++) {
        again = false;
        for (size_t k = 0; k < s->port_count; k++) {
            if (s->port[k].sink == NULL)
                continue;
            sink_wake(s->port[k].sink);
            again |= confirm_hidden(&s->port[k]) || emit_gives_back(&s->port[k]);
        }
        if (again)
            shell_flush(s);
    }
    s->waking = false;
}

/* What the sink itself was given; NULL: nothing of it waits. */
static const struct given *oldest_given(struct sink_port *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (given_at(p, i)->what != GIVEN_HIDDEN)
            return given_at(p, i);
    }
    return NULL;
}

/* A collector that stands still is waited for, but not in silence. */
static void look_for_stall(struct sink_port *p, uint64_t now_ns)
{
    const struct given *g = oldest_given(p);

    if (g != NULL && p->sink->up && now_ns > g->ns + STALL_NS &&
        now_ns > p->confirmed_ns + STALL_NS)
        sink_warn(p->sink, "up, but has confirmed nothing for a minute of what it was given; it is "
                           "waited for");
}

/* Records a second, over about a second. */
void emit_measure(struct shell *s)
{
    uint64_t now = shell_now_ns();

    for (size_t k = 0; k < s->port_count; k++) {
        struct sink_port *p = &s->port[k];
        struct sink_state st;

        if (p->sink == NULL || now - p->rate_ns < SECOND_NS)
            continue;
        look_for_stall(p, now);
        sink_state(p->sink, &st);
        p->rate = (double)(st.confirmed - p->rate_confirmed) * 1e9 / (double)(now - p->rate_ns);
        p->rate_ns = now;
        p->rate_confirmed = st.confirmed;
    }
}

void emit_close(struct shell *s)
{
    for (size_t k = 0; k < s->port_count; k++) {
        if (s->port[k].sink != NULL)
            sink_end(s->port[k].sink);
    }
}

static bool has_undelivered(const struct segment *g, uint8_t sink, uint8_t owner)
{
    const struct delivery *d = &g->at[sink];

    for (uint8_t n = 0; n < d->count; n++) {
        if (d->span[n].owner == owner && d->span[n].emitted < span_end(g, &d->span[n]))
            return true;
    }
    return false;
}

/* As its marks say, which come a little late. */
static bool host_shared(void *ctx, uint8_t origin)
{
    const struct sink_port *p = ctx;
    const struct core *c = p->shell->core;

    if (c->session != SESSION_UP || !c->peer_up[p->index])
        return false;
    for (uint16_t i = 0; i < c->count; i++) {
        const struct segment *g = &c->segment[c->order[i]];

        if (g->origin == origin && has_undelivered(g, p->index, (uint8_t)(1 - c->o.node)))
            return true;
    }
    return false;
}

int emit_open(struct shell *s, char *err, size_t err_size)
{
    s->port_count = s->config->sink_count;
    for (size_t k = 0; k < s->port_count; k++) {
        struct sink_port *p = &s->port[k];
        struct sink_host host = {.ctx = p,
                                 .pull = host_pull,
                                 .confirmed = host_confirmed,
                                 .lost = host_lost,
                                 .up = host_up,
                                 .down = host_down,
                                 .warn = host_warn,
                                 .answer = emit_answer,
                                 .confirmed_written = host_confirmed_written,
                                 .again = host_again,
                                 .emitted = host_emitted,
                                 .shared = host_shared};
        struct sink_options o;

        p->shell = s;
        p->index = (uint8_t)k;
        p->config = &s->config->sink[k];
        p->bytes = malloc(SINK_RENDER_BYTES);
        if (p->bytes == NULL)
            return -1;
        config_render_options(s->config, p->config, &p->render);
        p->render.replaced = &p->names_replaced;
        p->filter = p->config->filter;
        p->filtered = p->filter.severity != 0 || p->filter.categories != 0;
        config_sink_options(p->config, &o);
        o.book = runs_book(s);
        o.place = config_sink_place(s->config, p->config);
        o.alone_ms = alone_ms(s->config);
        if (sink_open(&p->sink, &s->loop, &o, &host, err, err_size) != 0)
            return -1;
    }
    kept_end_rest();
    return 0;
}
