#include "worker.h"

#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_MS = 20, ROOM_PATIENCE_MS = 2000 };
#define AGE_EVERY_NS   50000000ull
#define CLOCK_EVERY_NS 1000000ull /* So late is a step of the wall clock seen. */

uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- the hook; compiled out, it shows what it costs ---- */

#ifdef EVDP_NO_HOOKS

static void emit(struct worker *w, const struct decision *v, uint64_t now_ns)
{
    (void)w;
    (void)v;
    (void)now_ns;
}

static bool is_active(const struct dataplane *d, unsigned group, uint64_t now_ns)
{
    (void)d;
    (void)group;
    (void)now_ns;
    return true;
}

static void limit(struct worker *w, uint32_t rate_per_s)
{
    w->rate_per_s = rate_per_s;
}

static void await_room(struct worker *w)
{
    (void)w;
}

#else

/* The time of a decision is that of its batch: one look at the clock for up to BATCH frames, and
 * one at the other clock each millisecond. */
static void emit(struct worker *w, const struct decision *v, uint64_t now_ns)
{
    uint64_t time_ns;

    if (now_ns - w->offset_at_ns >= CLOCK_EVERY_NS) {
        w->offset_at_ns = now_ns;
        w->offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
    }
    time_ns = now_ns + w->offset_ns;
    for (size_t i = 0; i < v->event_count; i++)
        evhooks_emit(w->hook, v->event_group[i], now_ns, time_ns, v->event_names[i], v->event[i]);
}

static void limit(struct worker *w, uint32_t rate_per_s)
{
    struct evhooks_options o;

    evhooks_defaults(&o);
    evhooks_worker_limit(w->hook, rate_per_s, o.burst);
    w->rate_per_s = rate_per_s;
}

/* For as many events as one step makes, until the reader has taken nothing for so long. */
static void await_room(struct worker *w)
{
    int ms = 0;

    while (!w->nobody_reads && evhooks_worker_room(w->hook) < EVENTS_MAX) {
        usleep(1000);
        w->nobody_reads = ++ms == ROOM_PATIENCE_MS;
    }
}

/* A node that is not active forwards nothing and decides nothing: its peer does (A1). */
static bool is_active(const struct dataplane *d, unsigned group, uint64_t now_ns)
{
    return evhooks_active_at(d->ring, group, now_ns);
}

#endif

/* ---- frames ---- */

static void send_on(struct worker *w, uint32_t port, const struct xdp_desc *frame)
{
    if (lane_send(&w->lane, port, frame))
        count_add(&w->port[port].sent, 1);
    else
        count_add(&w->port[port].tx_full, 1);
}

static void send_extra(struct worker *w, const struct decision *v)
{
    struct xdp_desc d = {.len = v->extra_len};
    uint64_t address;

    if (!lane_take(&w->lane, &address))
        return; /* As if it were lost on the way. */
    d.addr = address;
    memcpy(w->lane.area + d.addr, v->extra, v->extra_len);
    send_on(w, v->extra_port, &d);
}

static void count_terms(struct worker *w, struct loaded *c, const struct decision *v, uint32_t len)
{
    for (size_t i = 0; i < v->term_count; i++) {
        count_add(&c->term[w->lane.queue][v->term[i]].packets, 1);
        count_add(&c->term[w->lane.queue][v->term[i]].bytes, len);
    }
}

static void one_frame(struct worker *w, struct loaded *c, const struct arrival *at,
                      struct xdp_desc *frame, uint64_t now_ns)
{
    uint8_t *bytes = w->lane.area + frame->addr;
    size_t room = FRAME_SIZE - frame->addr % FRAME_SIZE;
    struct decision v;

    decide(&c->config.rules, w->d->state, at, bytes, frame->len, room, now_ns, &v);
    if (v.event_count > 0)
        emit(w, &v, now_ns);
    if (v.term_count > 0)
        count_terms(w, c, &v, frame->len);
    count_add(&w->port[at->port].fate[v.fate], 1);
    if (v.extra_len > 0)
        send_extra(w, &v);
    if (v.send) {
        frame->len = v.len;
        send_on(w, v.port, frame);
    } else {
        lane_free(&w->lane, frame->addr);
    }
}

static bool look_at_activity(struct worker *w, const struct loaded *c, uint32_t port,
                             uint64_t now_ns)
{
    uint8_t group = c->config.rules.end[port].group;
    bool active = is_active(w->d, group, now_ns);

    if (active && !w->port[port].was_active)
        state_regained(w->d->state, group);
    w->port[port].was_active = active;
    return active;
}

static uint32_t work(struct worker *w, struct loaded *c, uint32_t port)
{
    const struct port *p = &w->d->ports.port[port];
    struct arrival at = {.port = (uint8_t)port, .ifindex = p->ifindex};
    struct xdp_desc frame[BATCH];
    uint32_t n = lane_receive(&w->lane, port, frame);
    uint64_t now_ns;

    if (n == 0)
        return 0;
    now_ns = clock_ns(CLOCK_MONOTONIC);
    memcpy(at.mac, p->mac, 6);
    count_add(&w->port[port].received, n);
    if (!look_at_activity(w, c, port, now_ns)) {
        for (uint32_t i = 0; i < n; i++)
            lane_free(&w->lane, frame[i].addr);
        count_add(&w->port[port].fate[FATE_INACTIVE], n);
        return n;
    }
    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(w->lane.area + frame[i].addr);
    for (uint32_t i = 0; i < n; i++)
        one_frame(w, c, &at, &frame[i], now_ns);
    return n;
}

/* ---- ageing: each worker has its share of the shards ---- */

static void expire_shard(struct worker *w, uint32_t shard, uint64_t now_ns, bool all)
{
    struct decision v;
    bool more;

    do {
        if (all) /* Packets cannot wait, the end can. */
            await_room(w);
        more = decide_expire(w->d->state, shard, now_ns, all, &v);
        if (v.event_count > 0)
            emit(w, &v, now_ns);
        if (v.extra_len > 0 && w->port[v.extra_port].was_active)
            send_extra(w, &v);
    } while (more);
}

static void age(struct worker *w, const struct loaded *c)
{
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

    if (now_ns - w->aged_ns < AGE_EVERY_NS)
        return;
    w->aged_ns = now_ns;
    for (uint32_t i = 0; i < w->lane.port_count; i++)
        look_at_activity(w, c, i, now_ns); /* Also of one that hears nothing meanwhile. */
    for (uint32_t s = w->lane.queue; s < w->d->state->sessions.shard_count; s += w->d->worker_count)
        expire_shard(w, s, now_ns, false);
}

void worker_expire_all(struct worker *w)
{
    for (uint32_t s = 0; s < w->d->state->sessions.shard_count; s++)
        expire_shard(w, s, clock_ns(CLOCK_MONOTONIC), true);
}

/* ---- the loop ---- */

static void *run(void *at)
{
    struct worker *w = at;
    struct pollfd fds[PORTS_MAX];
    uint32_t ports = w->lane.port_count;

    for (uint32_t i = 0; i < ports; i++)
        fds[i] = (struct pollfd){
            .fd = w->lane.port[i].socket != NULL ? xsk_socket__fd(w->lane.port[i].socket) : -1,
            .events = POLLIN};
    while (!atomic_load_explicit(&w->d->stopping, memory_order_relaxed)) {
        struct loaded *c = atomic_load(&w->d->current);
        uint32_t n = 0;

        atomic_store(&w->using, c);
        if (c != atomic_load(&w->d->current))
            continue; /* It may be freed already. */
        if (w->rate_per_s != c->config.rate_per_s)
            limit(w, c->config.rate_per_s);
        for (uint32_t i = 0; i < ports; i++)
            n += work(w, c, i);
        lane_turn(&w->lane);
        age(w, c);
        if (n == 0)
            poll(fds, ports, IDLE_MS);
    }
    return NULL;
}

int worker_start(struct worker *w)
{
    return pthread_create(&w->thread, NULL, run, w);
}
