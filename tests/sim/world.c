/* Time, and the order of things. */
#include "sim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_NS = 10 * MS };

#define REST_LIMIT_NS (90ull * SECOND_NS)

/* ---- events ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void world_event(struct world *w, uint64_t at, enum event_kind kind, uint8_t a, uint8_t b,
                 uint32_t arg)
{
    size_t i = w->heap_count++;
    struct event e = {at, w->order++, (uint8_t)kind, a, b, arg};

    if (w->heap_count > HEAP_MAX)
        world_fail(w, "too many events for this simulator");
    while (i > 0 && before(&e, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = e;
}

static struct event next_event(struct world *w)
{
    struct event top = w->heap[0], last = w->heap[--w->heap_count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= w->heap_count)
            break;
        if (child + 1 < w->heap_count && before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* ---- what is said ---- */

void world_trace(struct world *w, const char *format, ...)
{
    char *line = w->line[w->lines++ % TRACE_LINES];
    va_list ap;
    int n = snprintf(line, TRACE_WIDTH, "%9.3f ms  ", (double)w->now / 1e6);

    va_start(ap, format);
    vsnprintf(line + n, TRACE_WIDTH - (size_t)n, format, ap);
    va_end(ap);
    if (w->out != NULL)
        fprintf(w->out, "%s\n", line);
}

void world_fail(struct world *w, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(w->why, sizeof(w->why), format, ap);
    va_end(ap);
    longjmp(w->failed, 1);
}

void world_struck(struct world *w)
{
    w->struck++;
}

/* ---- one run ---- */

static const char *const sink_words[SINK_KINDS] = {
    "UDP", "TCP", "TLS", "RELP", "JetStream", "PostgreSQL", "file", "TCP with a keeper"};

static enum in_doubt_policy draw_policy(struct world *w)
{
    uint32_t at = rng_below(&w->rng, 100);

    return at < 20 ? IN_DOUBT_SKIP : at < 25 ? IN_DOUBT_HOLD : IN_DOUBT_RESEND;
}

/* 4 MiB of marks do not come together here: no log but a first one would be written anew. */
static void draw_log(struct world *w)
{
    struct rng logs = {.state = w->seed * 0x9fb21c651e98df25ull + 9};
    bool on = w->seed >= LOGS_SINCE && rng_chance(&logs, 500);

    w->log_bytes = on ? rng_between(&logs, 1 << 11, 1 << 15) : 0;
}

static void draw_sinks(struct world *w)
{
    w->sink_count = 1 + rng_below(&w->rng, SIM_SINKS);
    w->options.sink_count = w->sink_count;
    for (size_t k = 0; k < w->sink_count; k++) {
        char name[8] = {'s', (char)('0' + k)};
        uint8_t kind = (uint8_t)rng_below(&w->rng, SINK_KINDS);
        static const uint64_t holds[] = {500 * MS, 3000 * MS, 0};

        w->sink_kind[k] = kind;
        w->sink_delay[k] = rng_between(&w->rng, 1, 20) * MS;
        w->sink_dead[k] = false;
        w->options.sink[k] = (struct core_sink_options){
            .key = sink_key(name),
            .window = rng_chance(&w->rng, 500) ? 8 + rng_below(&w->rng, 56) : 1024,
            .hold_ns = holds[rng_below(&w->rng, 3)],
            .policy = draw_policy(w),
            .answers = kind >= SINK_STREAM,
            .local = kind == SINK_FILE || kind == SINK_KEPT,
            .may_fail = kind == SINK_KEPT,
        };
        for (int n = 0; n < NODE_COUNT; n++) {
            w->node[n]->has[k] = true;
            w->node[n]->sink[k].reachable = true;
        }
    }
}

static void draw(struct world *w)
{
    w->power = rng_chance(&w->rng, 500);
    w->two_groups = rng_chance(&w->rng, 500);
    w->heartbeat_ns = 40 * MS;
    w->dead_ns = rng_between(&w->rng, 120, 300) * MS;
    w->latency_ns = rng_between(&w->rng, 100, 3000) * 1000;
    w->data_rate = 1 + rng_below(&w->rng, 40);
    w->end_ns = rng_between(&w->rng, 4, 12) * SECOND_NS;
    w->options = (struct core_options){
        .has_peer = true,
        .power = w->power,
        .lease_ns = rng_between(&w->rng, 80, 300) * MS,
        .drift_ppm = 1000,
        .hello_ns = 300 * MS,
        .epoch_records = rng_chance(&w->rng, 300) ? 50 + rng_below(&w->rng, 1000) : 0,
    };
    draw_sinks(w);
    faults_draw(w);
    w->starting.state = w->seed * 0xa24baed4963ee407ull + 7;
    w->start_falls = w->seed >= STRIKES_SINCE && rng_chance(&w->starting, 400)
                         ? rng_below(&w->starting, 500)
                         : 0;
    w->first_ns = w->seed >= STRIKES_SINCE && rng_chance(&w->starting, 800) ? 2500 * MS : 0;
    w->end_ns += w->first_ns;
    draw_log(w);
    operations_draw(w);
    aimed_draw(w);
    TRACE(w, "durability %s, dead after %u ms, lease %u ms", w->power ? "power" : "process",
          (unsigned)(w->dead_ns / MS), (unsigned)(w->options.lease_ns / MS));
    for (size_t k = 0; k < w->sink_count; k++)
        TRACE(w, "sink %zu: %s, window %u, hold %u ms%s", k, sink_words[w->sink_kind[k]],
              w->options.sink[k].window, (unsigned)(w->options.sink[k].hold_ns / MS),
              w->options.sink[k].policy == IN_DOUBT_SKIP   ? ", skip"
              : w->options.sink[k].policy == IN_DOUBT_HOLD ? ", hold"
                                                           : "");
}

static void reset_node(struct world *w, int i)
{
    struct node *n = w->node[i];

    if (n->journal != NULL)
        journal_close(n->journal);
    n->journal = NULL;
    n->id = (uint8_t)i;
    n->host_up = n->running = n->frozen = n->in_call = false;
    n->life = 0;
    n->clock_offset = 1000 * SECOND_NS + rng_below(&w->rng, 1000) * MS;
    n->wall_offset = 0;
    n->set_back = false;
    n->started_at = n->waits_until = 0;
    n->clock_ppm = rng_below(&w->rng, rng_chance(&w->rng, 900) ? 900 : 200000);
    w->clock_lied |= n->clock_ppm >= 900;
    n->boot = 1 + rng_next(&w->rng) % 1000000;
    n->fuse = 0;
    n->recovers = false;
    n->session_said = n->session_aimed = SESSION_DOWN;
    n->remembers = MEMORY_NONE;
    n->asks = 0;
    n->asked_handover = 0;
    memset(&n->ring, 0, sizeof(n->ring));
    sim_disk_init(&n->disk, rng_next(&w->rng), &w->now, &w->disk_lied_ns[i]);
    for (unsigned k = 0; k < SIM_SINKS; k++)
        n->sink[k].flight = -1;
}

static void reset(struct world *w, uint64_t seed)
{
    w->seed = seed;
    w->rng.state = seed;
    w->more.state = ~seed * 0x9e3779b97f4a7c15ull;
    w->aim.state = seed * 0xd1342543de82ef95ull + 1;
    w->spoil.state = seed * 0xda942042e4dd58b5ull + 3;
    w->now = 0;
    w->heap_count = 0;
    w->order = w->lines = 0;
    w->ending = w->clock_lied = false;
    memset(w->journal_lost_ns, 0, sizeof(w->journal_lost_ns));
    memset(w->marks_lost_ns, 0, sizeof(w->marks_lost_ns));
    memset(w->disk_lied_ns, 0, sizeof(w->disk_lied_ns));
    memset(w->came_ns, 0, sizeof(w->came_ns));
    w->met_ns = 0;
    w->limit_rng.state = ~seed; /* Of its own, so that other seeds keep their stories. */
    w->small_journals = rng_chance(&w->limit_rng, 100);
    w->conn_names = 0;
    w->nonce = 0;
    w->stamps = 0;
    oracle_reset(w);
    for (unsigned i = 0; i < SIM_LINKS; i++) {
        struct sim_link *l = &w->link[i];

        l->open = l->up[0] = l->up[1] = l->cut[0] = l->cut[1] = false;
        l->clog_ns = 0;
        l->proving = false;
        for (int n = 0; n < NODE_COUNT; n++) {
            l->to[n].head = l->to[n].tail = 0;
            l->to[n].last_due = 0;
        }
    }
    for (int i = 0; i < CONNS_MAX; i++)
        w->flight[i]->used = false;
    for (int i = 0; i < NODE_COUNT; i++)
        reset_node(w, i);
    draw(w);
}

static bool of_this_life(const struct world *w, const struct event *e)
{
    return w->node[e->a]->running && w->node[e->a]->life == e->arg;
}

static void happen(struct world *w, const struct event *e)
{
    struct node *n = e->a < NODE_COUNT ? w->node[e->a] : NULL;

    switch (e->kind) {
    case EV_TICK:
        if (!of_this_life(w, e))
            return;
        node_tick(w, n);
        world_event(w, w->now + TICK_NS, EV_TICK, e->a, 0, e->arg);
        break;
    case EV_FRAME:
        if (e->arg == w->link[e->a].generation)
            links_deliver(w, e->a, e->b);
        break;
    case EV_DIAL:
        links_dial(w, e->a);
        break;
    case EV_DATA:
        if (w->ending)
            return;
        ring_decide(w, n, 1 + rng_below(&w->rng, w->data_rate), false);
        world_event(w, w->now + rng_between(&w->rng, 1, 40) * MS, EV_DATA, e->a, 0, 0);
        if (rng_chance(&w->rng, 10))
            sim_disk_written_back(&n->disk);
        break;
    case EV_FLIGHT:
        collector_work(w, e->a);
        break;
    case EV_SINK_UP:
        if (of_this_life(w, e) && n->frozen)
            collector_retry(w, n, e->b);
        else if (of_this_life(w, e))
            collector_connect(w, n, e->b);
        break;
    case EV_ANSWER:
        collector_answer(w, n, e->arg);
        break;
    case EV_FAULT:
        if (w->ending || w->quiet)
            return;
        faults_strike(w);
        world_event(w,
                    w->now + (rng_chance(&w->rng, 400) ? rng_between(&w->rng, 1, 100)
                                                       : rng_between(&w->rng, 100, 1200)) *
                                 MS,
                    EV_FAULT, 0, 0, 0);
        break;
    case EV_MEND:
        faults_mend(w, e->a, e->b);
        break;
    case EV_OPERATION:
        if (w->ending)
            return;
        if (w->now >= w->first_ns)
            operations_strike(w);
        operations_next(w);
        break;
    case EV_FENCE:
        operations_fence(w, e);
        break;
    case EV_AIMED:
        if (!w->ending && w->now >= w->first_ns)
            faults_apply(w, e->a, e->b, e->arg);
        break;
    case EV_LEAP:
        if (!w->ending && of_this_life(w, e))
            aimed_leap(w, n);
        break;
    }
}

/* A window of one record takes a round trip for each, of ten thousand. */
static uint64_t rest_limit_ns(const struct world *w)
{
    uint32_t least = 8;

    for (int i = 0; i < NODE_COUNT; i++) {
        for (size_t k = 0; k < w->sink_count; k++) {
            const struct core_sink_options *o = &w->node[i]->configured[k];

            least = o->window > 0 && o->window < least ? o->window : least;
        }
    }
    return REST_LIMIT_NS * (8 / least);
}

static void run(struct world *w)
{
    uint64_t rest = 0;

    for (int i = 0; i < NODE_COUNT; i++) {
        w->node[i]->host_up = true;
        if (i == 0 || rng_chance(&w->rng, 800))
            node_start(w, w->node[i]);
        else {
            w->open++;
            world_event(w, rng_between(&w->rng, 1, 3000) * MS, EV_MEND, FAULT_CRASH, (uint8_t)i, 0);
        }
        world_event(w, 30 * MS, EV_DATA, (uint8_t)i, 0, 0);
    }
    for (unsigned l = 0; l < SIM_LINKS; l++)
        world_event(w, 5 * MS, EV_DIAL, (uint8_t)l, 0, 0);
    world_event(w, w->first_ns + rng_between(&w->rng, 100, 1500) * MS, EV_FAULT, 0, 0, 0);
    if (w->operations)
        operations_next(w);
    while (w->heap_count > 0) {
        struct event e = next_event(w);

        w->now = e.at;
        if (!w->ending && w->now >= w->end_ns) {
            TRACE(w, "the faults end");
            aimed_last(w);
            w->ending = true;
            faults_mend_all(w);
        }
        happen(w, &e);
        if (!w->ending)
            continue;
        if (w->now < rest)
            continue;
        rest = w->now + 50 * MS;
        if (w->now > w->end_ns + 200 * MS && oracle_at_rest(w, false))
            break;
        if (w->now > w->end_ns + rest_limit_ns(w)) {
            oracle_at_rest(w, true);
            world_fail(w, "not at rest %llu s after the faults ended",
                       (unsigned long long)(rest_limit_ns(w) / SECOND_NS));
        }
    }
    oracle_verdict(w);
}

bool world_run(struct world *w, uint64_t seed, bool trace)
{
    w->trace = trace;
    if (setjmp(w->failed) != 0)
        return false;
    reset(w, seed);
    run(w);
    w->stats.ns += w->now;
    for (int i = 0; i < NODE_COUNT; i++)
        w->stats.moved += w->node[i]->core.handover.moved;
    return true;
}

struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    for (int i = 0; i < NODE_COUNT; i++)
        w->node[i] = calloc(1, sizeof(*w->node[i]));
    for (int i = 0; i < CONNS_MAX; i++)
        w->flight[i] = calloc(1, sizeof(*w->flight[i]));
    return w;
}

void world_free(struct world *w)
{
    for (int i = 0; i < NODE_COUNT; i++) {
        if (w->node[i]->journal != NULL)
            journal_close(w->node[i]->journal);
        sim_disk_free(&w->node[i]->disk);
        free(w->node[i]->before);
        free(w->node[i]);
    }
    for (int i = 0; i < CONNS_MAX; i++)
        free(w->flight[i]);
    for (int i = 0; i < SIM_LINKS; i++) {
        for (int n = 0; n < NODE_COUNT; n++)
            free(w->link[i].to[n].bytes);
    }
    for (size_t i = 0; i < SEGMENTS_MAX; i++)
        free(w->segment[i].record);
    free(w);
}
