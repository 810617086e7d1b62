/* D1b: syslog over TCP from a floating address.  Each connection carries the records of one segment
 * in order, so that the other node can tell its bytes; what it carries is told to that node before
 * anything is written (run_book.h), and what it may have carried is settled in it (revival.h). What
 * no run can hold, as it is marked, has a connection of its own. */
#include "address.h"
#include "core.h"
#include "ends.h"
#include "floating.h"
#include "frame.h"
#include "kept.h"
#include "lane.h"
#include "repair.h"
#include "revival.h"
#include "run_book.h"
#include "tcp_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LANES = 4, ITEMS = 512, BUFFER = 256 << 10, POLL_MS = 2, WAIT_MS = 50, REFUSED_MS = 2000 };
enum { TELL_RECORDS = 1024 }; /* What a survivor has to render again at most, beside (E, I]. */

struct waiting { /* A record in the buffer. */
    uint8_t origin;
    bool plain, alone;
    uint32_t epoch, sequence, len;
};

struct given { /* To a lane, not confirmed. */
    uint64_t end;
    uint32_t sequence;
    uint8_t lane;
};

struct floater {
    struct sink base;
    struct run_ip source, collector;
    uint16_t port;
    struct lane lane[LANES];
    struct revival revival;
    uv_timer_t poll, retry;
    uint64_t turns;
    bool pulling, failing, ended;
    bool away;              /* The peer has our address. */
    uint64_t refused_ns;    /* Since then no other connection could be opened, */
    uint64_t refused_at_ns; /* the last time; 0: it could. */
    struct lane *writing;
    struct waiting waiting[ITEMS];
    size_t waiting_at, waiting_count, buffer_at;
    uint32_t pulled; /* In which turn of the book they were. */
    struct given given[ENDS_MAX];
    size_t given_head, given_count;
    uint8_t buffer[BUFFER];
};

static void pump(struct floater *f);
static void on_retry(uv_timer_t *t);
static void on_poll(uv_timer_t *t);

static void later(struct floater *f, uint64_t ms)
{
    if (!f->ended)
        uv_timer_start(&f->retry, on_retry, ms, 0);
}

static void lane_name(const struct floater *f, const struct lane *l, char out[KEPT_NAME_MAX])
{
    snprintf(out, KEPT_NAME_MAX, "evrep-%s-%08x", f->base.o.name, l->run.id);
}

/* ---- connections ---- */

static void unkeep(struct floater *f, struct lane *l)
{
    char name[KEPT_NAME_MAX];

    if (!l->stored)
        return;
    lane_name(f, l, name);
    kept_remove(name);
    l->stored = false;
}

static void end_lane(struct floater *f, struct lane *l)
{
    unkeep(f, l);
    lane_end(l);
}

static void fail(struct floater *f, const char *why)
{
    bool was_up = f->base.up;

    if (f->failing)
        return;
    f->failing = true;
    for (size_t i = 0; i < LANES; i++) {
        struct lane *l = &f->lane[i];

        if (l->assigned && !l->plain)
            run_book_close(f->base.o.book, l->run.key, l->run.id);
        end_lane(f, l);
    }
    f->writing = NULL;
    f->waiting_at = f->waiting_count = f->buffer_at = 0;
    f->given_head = f->given_count = 0;
    uv_timer_stop(&f->poll);
    sink_fault(&f->base, "%s: %s", f->base.o.address, why);
    later(f, sink_backoff_ms(&f->base));
    if (was_up)
        sink_lost(&f->base, false);
    f->failing = false;
}

/* One more could not be opened.  Those that are there may hold what only they can tell of: they are
 * not given up for that at once. */
static void refused(struct floater *f, struct lane *l, const char *why)
{
    uint64_t now = uv_hrtime();
    char text[SINK_ERROR_MAX];

    snprintf(text, sizeof(text), "%s", why);
    if (f->refused_at_ns == 0)
        f->refused_ns = now;
    f->refused_at_ns = now;
    if (!f->base.up || now - f->refused_ns > REFUSED_MS * MS_NS)
        fail(f, text);
    else if (l != NULL)
        end_lane(f, l);
}

static void on_failed(struct lane *l, const char *why)
{
    struct floater *f = l->ctx;
    char text[SINK_ERROR_MAX];

    if (l->state == LANE_CONNECTING) {
        refused(f, l, why);
        return;
    }
    snprintf(text, sizeof(text), "%s", why);
    fail(f, text);
}

static void on_words(struct lane *l, const char *words)
{
    struct floater *f = l->ctx;

    sink_warn(&f->base, "%s: %s", f->base.o.address, words);
}

static struct lane *lane_in(struct floater *f, enum lane_state state)
{
    for (size_t i = 0; i < LANES; i++) {
        if (f->lane[i].state == state)
            return &f->lane[i];
    }
    return NULL;
}

/* The other node may have answered for the address. */
static void open_lane(struct floater *f)
{
    struct lane *l = lane_in(f, LANE_FREE);
    int rc = floating_add(&f->source, &f->collector);

    if (l == NULL)
        return;
    if (rc == 0)
        rc = floating_announce(&f->source, &f->collector);
    if (rc == 0 && lane_connect(l, &f->source, &f->collector, f->port) != 0)
        rc = -errno;
    if (rc != 0)
        refused(f, NULL, strerror(-rc));
}

static void on_retry(uv_timer_t *t)
{
    struct floater *f = t->data;
    const struct run_book *b = f->base.o.book;

    if (f->base.up || lane_in(f, LANE_CONNECTING) != NULL)
        return;
    if (run_book_is_held(b, &f->source))
        sink_warn(&f->base, "the other node has %s and settles what was in doubt; waiting for it",
                  f->base.o.source);
    if (!b->ready || run_book_is_held(b, &f->source) || lane_in(f, LANE_FREE) == NULL) {
        later(f, WAIT_MS);
        return;
    }
    f->base.connecting = true;
    open_lane(f);
}

static void on_open(struct lane *l)
{
    struct floater *f = l->ctx;

    f->refused_at_ns = 0;
    if (!f->base.up)
        sink_is_up(&f->base);
    pump(f);
}

static void on_writable(struct lane *l)
{
    struct floater *f = l->ctx;

    if (f->writing == l)
        f->writing = NULL;
    pump(f);
}

static void on_gone(struct lane *l)
{
    struct floater *f = l->ctx;

    if (f->base.up)
        pump(f);
}

/* ---- which one ---- */

/* All that it carried is confirmed: the peer has to know that before it ends. */
static void retire(struct floater *f, struct lane *l)
{
    struct run_book *b = f->base.o.book;

    if (l->state != LANE_OPEN || l->in_flight > 0 || f->writing == l)
        return;
    l->state = LANE_RETIRING;
    if (!l->assigned || l->plain)
        return;
    run_book_advance(b, l->run.key, l->run.id, l->next, l->offset);
    l->must = run_book_close(b, l->run.key, l->run.id);
}

static void end_retired(struct floater *f)
{
    for (size_t i = 0; i < LANES; i++) {
        struct lane *l = &f->lane[i];

        if (l->state == LANE_RETIRING &&
            (!l->assigned || l->plain || run_book_may_write(f->base.o.book, l->must, true)))
            end_lane(f, l);
    }
}

static void assign(struct floater *f, struct lane *l, const struct waiting *w)
{
    struct run *r = &l->run;
    char name[KEPT_NAME_MAX];

    l->assigned = true;
    l->plain = w->plain;
    l->alone = w->alone;
    l->must = f->base.o.book->own.generation; /* What it is written beside is known to be over. */
    if (w->plain)
        return;
    r->key = sink_key(f->base.o.name);
    r->id = r->tcp.send ^ (uint32_t)r->tcp.local_port << 16;
    r->origin = w->origin;
    r->epoch = w->epoch;
    r->low = r->first = l->next = w->sequence;
    r->offset = 0;
    r->place = f->base.o.place;
    r->state = RUN_OPEN;
    if (kept_possible()) {
        lane_name(f, l, name);
        l->stored = kept_store(name, l->fd) == 0;
    }
    l->must = run_book_put(f->base.o.book, r);
    revival_tidy(&f->revival);
}

static bool is_of(const struct lane *l, const struct waiting *w)
{
    return l->assigned && l->state == LANE_OPEN && l->plain == w->plain &&
           (l->plain ||
            (l->alone == w->alone && l->run.origin == w->origin && l->run.epoch == w->epoch));
}

/* What went alone has to be settled before the same segment goes on where the peer looks. */
static bool waits_for(const struct lane *l, const struct waiting *w)
{
    return l->assigned && !l->plain && !w->plain && l->alone && !w->alone &&
           l->state != LANE_FREE && l->state != LANE_ENDING && l->run.origin == w->origin &&
           l->run.epoch == w->epoch;
}

static struct lane *make_room(struct floater *f)
{
    struct lane *oldest = NULL;

    if (lane_in(f, LANE_CONNECTING) != NULL || lane_in(f, LANE_RETIRING) != NULL ||
        lane_in(f, LANE_ENDING) != NULL)
        return NULL;
    if (lane_in(f, LANE_FREE) != NULL) {
        if (f->refused_at_ns == 0 || uv_hrtime() - f->refused_at_ns > WAIT_MS * MS_NS)
            open_lane(f);
        return NULL;
    }
    for (size_t i = 0; i < LANES; i++) {
        struct lane *l = &f->lane[i];

        if (l->in_flight == 0 && l != f->writing && (oldest == NULL || l->turn < oldest->turn))
            oldest = l;
    }
    if (oldest != NULL)
        retire(f, oldest);
    return NULL;
}

/* NULL: not yet. */
static struct lane *lane_for(struct floater *f, const struct waiting *w)
{
    struct lane *spare = NULL;

    for (size_t i = 0; i < LANES; i++) {
        struct lane *l = &f->lane[i];

        if (waits_for(l, w)) {
            retire(f, l);
            return NULL;
        }
        if (is_of(l, w)) {
            if (w->plain || l->next == w->sequence)
                return l;
            retire(f, l);
            return NULL;
        }
        if (l->state == LANE_OPEN && !l->assigned)
            spare = l;
    }
    if (spare == NULL)
        return make_room(f);
    assign(f, spare, w);
    return spare;
}

/* ---- records ---- */

static bool pull(struct floater *f)
{
    struct sink_item items[ITEMS];
    size_t room = ENDS_MAX - f->given_count, used = 0;
    size_t n = f->base.host.pull(f->base.host.ctx, items, room < ITEMS ? room : ITEMS,
                                 BUFFER - ITEMS * FRAME_OVERHEAD_MAX);

    for (size_t i = 0; i < n; i++) {
        size_t len = frame_put(&f->base.o, &items[i], f->buffer + used);

        used += len;
        f->waiting[i] = (struct waiting){
            .origin = items[i].origin,
            .plain = items[i].in_doubt || items[i].replay != 0 || items[i].statement != 0,
            .alone = items[i].alone,
            .epoch = position_epoch(items[i].position),
            .sequence = position_sequence(items[i].position),
            .len = (uint32_t)len,
        };
    }
    f->waiting_at = f->buffer_at = 0;
    f->waiting_count = n;
    f->pulled = f->base.o.book->turns;
    return n > 0;
}

/* The next records for that lane, one behind the other. */
static size_t take(struct floater *f, struct lane *l)
{
    size_t len = 0;

    for (; f->waiting_at < f->waiting_count; f->waiting_at++) {
        const struct waiting *w = &f->waiting[f->waiting_at];

        if (!is_of(l, w) || (!l->plain && w->sequence != l->next))
            break;
        l->next = w->sequence + 1;
        l->offset += w->len;
        l->in_flight++;
        f->given[(f->given_head + f->given_count++) % ENDS_MAX] =
            (struct given){l->offset, w->sequence, (uint8_t)(l - f->lane)};
        len += w->len;
    }
    l->turn = ++f->turns;
    return len;
}

/* false: it has to wait. */
static bool place(struct floater *f)
{
    const uint8_t *at = f->buffer + f->buffer_at;
    const struct waiting *w = &f->waiting[f->waiting_at];
    struct run_book *b = f->base.o.book;
    struct lane *l;
    bool alone;
    size_t len;

    /* No connection was there to write it into: in a new one it could be there twice. */
    if (!w->plain && run_book_is_stale(b, f->pulled, w->alone)) {
        fail(f, "the other node may have taken over what waited for a connection");
        return false;
    }
    l = lane_for(f, w);
    alone = l != NULL && (l->plain || l->alone);
    if (l != NULL && run_book_in_vain(b, l->must, alone)) {
        fail(f, "the other node is gone, and does not know of this connection");
        return false;
    }
    if (l == NULL || !run_book_may_write(b, l->must, alone) || !lane_read(l))
        return false;
    len = take(f, l);
    f->buffer_at += len;
    if (!lane_write(l, at, len))
        return false;
    f->writing = l->left > 0 ? l : NULL;
    return f->writing == NULL;
}

static void pump(struct floater *f)
{
    if (f->pulling || !f->base.up)
        return;
    f->pulling = true;
    end_retired(f);
    while (f->base.up && f->writing == NULL &&
           (f->waiting_at < f->waiting_count ||
            (run_book_may_write(f->base.o.book, f->base.o.book->base, true) && pull(f))) &&
           place(f))
        ;
    f->pulling = false;
    if (f->base.up && !uv_is_active((uv_handle_t *)&f->poll) &&
        (f->given_count > 0 || f->waiting_at < f->waiting_count))
        uv_timer_start(&f->poll, on_poll, POLL_MS, POLL_MS);
}

/* The oldest first, as they were pulled. */
static size_t settle(struct floater *f)
{
    size_t n = 0;

    for (; f->given_count > 0; n++) {
        const struct given *g = &f->given[f->given_head];
        struct lane *l = &f->lane[g->lane];

        if (l->acked < g->end)
            break;
        l->in_flight--;
        if (!l->plain) {
            l->run.first = g->sequence + 1;
            l->run.offset = g->end;
        }
        f->given_head = (f->given_head + 1) % ENDS_MAX;
        f->given_count--;
    }
    return n;
}

static void tell(struct floater *f)
{
    struct run_book *b = f->base.o.book;

    for (size_t i = 0; i < LANES; i++) {
        const struct lane *l = &f->lane[i];
        const struct run *told;

        if (l->state != LANE_OPEN || !l->assigned || l->plain)
            continue;
        told = run_find(&b->own, l->run.key, l->run.id);
        if (told != NULL && (l->run.first - told->first >= TELL_RECORDS || l->in_flight == 0))
            run_book_advance(b, l->run.key, l->run.id, l->run.first, l->run.offset);
    }
}

static bool look(struct floater *f)
{
    for (size_t i = 0; i < LANES; i++) {
        struct lane *l = &f->lane[i];

        if (l->state == LANE_OPEN && l->in_flight > 0 && !lane_look(l))
            return false;
    }
    return true;
}

static void on_poll(uv_timer_t *t)
{
    struct floater *f = t->data;
    size_t n;

    if (!f->base.up || !look(f))
        return;
    n = settle(f);
    tell(f);
    if (n > 0)
        sink_confirm(&f->base, n);
    pump(f);
    if (f->given_count == 0 && f->waiting_at == f->waiting_count)
        uv_timer_stop(t);
}

/* ---- as a sink ---- */

/* While the peer has it this host, where a killed process has left it, must not answer for it too:
 * the collector would speak now to the one and now to the other, and the peer wait for long.  Who
 * learned it from the peer has to learn it again. */
static void look_after_address(struct floater *f)
{
    bool away = run_book_is_held(f->base.o.book, &f->source);

    if (away && !f->away)
        floating_remove(&f->source, &f->collector);
    if (f->away && !away && floating_add(&f->source, &f->collector) == 0)
        floating_announce(&f->source, &f->collector);
    f->away = away;
}

static void floating_wake(struct sink *s)
{
    look_after_address((struct floater *)s);
    revival_tidy(&((struct floater *)s)->revival);
    pump((struct floater *)s);
}

static void floating_ask(struct sink *s, const struct sink_question *q)
{
    revival_ask(&((struct floater *)s)->revival, q->origin, q->epoch, q->from, q->to);
}

/* What is under way the other node settles in it, if nobody ends it. */
static void leave(struct lane *l)
{
    if (l->state != LANE_OPEN && l->state != LANE_RETIRING)
        return;
    if (l->in_flight > 0)
        repair_drop(l->fd);
    else
        close(l->fd);
}

/* With a keeper the connections live on, and need their address. */
static void floating_end(struct sink *s)
{
    struct floater *f = (struct floater *)s;

    f->ended = true;
    s->up = false;
    revival_end(&f->revival);
    if (kept_possible())
        return;
    for (size_t i = 0; i < LANES; i++)
        leave(&f->lane[i]);
    floating_remove(&f->source, &f->collector);
}

static const struct sink_ops ops = {
    .wake = floating_wake, .ask = floating_ask, .end = floating_end};
static const struct lane_ops lane_ops = {.open = on_open,
                                         .writable = on_writable,
                                         .failed = on_failed,
                                         .said = on_words,
                                         .gone = on_gone};

static int parse(struct floater *f, char *err, size_t err_size)
{
    const struct sink_options *o = &f->base.o;
    char host[ADDRESS_HOST_MAX], port[ADDRESS_PORT_MAX];

    if (address_parse(o->name, o->address, host, port, err, err_size) != 0)
        return -1;
    f->port = (uint16_t)atoi(port);
    if (run_ip_parse(&f->source, o->source) != 0 || run_ip_parse(&f->collector, host) != 0 ||
        f->source.family != f->collector.family || f->port == 0) {
        snprintf(err, err_size,
                 "sink %s: 'source' and 'address' have to be addresses of one kind, not names",
                 o->name);
        return -1;
    }
    if (repair_possible() == 0)
        return 0;
    snprintf(err, err_size, "sink %s: a floating 'source' needs CAP_NET_ADMIN and CAP_NET_RAW: %s",
             o->name, strerror(errno));
    return -1;
}

/* What the process before this one left: connections that live, and what was confirmed. */
static void take_kept(struct floater *f)
{
    struct run_book *b = f->base.o.book;
    uint32_t key = sink_key(f->base.o.name);

    for (uint8_t i = 0; i < b->own.count; i++) {
        struct run *r = &b->own.run[i];
        char name[KEPT_NAME_MAX];
        int fd;

        if (r->key != key || r->state == RUN_CLOSED)
            continue;
        snprintf(name, sizeof(name), "evrep-%s-%08x", f->base.o.name, r->id);
        fd = kept_possible() && r->state == RUN_OPEN && r->place == f->base.o.place
                 ? kept_take(name)
                 : -1;
        if (fd >= 0 && f->revival.kept_count < REVIVAL_KEPT_MAX)
            revival_keep(&f->revival, r->id, fd);
        else
            run_book_close(b, key, r->id);
    }
}

int floating_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                       const struct sink_host *host, char *err, size_t err_size)
{
    struct floater *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        snprintf(err, err_size, "sink %s: out of memory", o->name);
        return -1;
    }
    f->base = (struct sink){.ops = &ops, .host = *host, .o = *o, .loop = loop};
    f->base.state.floats = true;
    *out = &f->base;
    if (parse(f, err, err_size) != 0)
        return -1;
    for (size_t i = 0; i < LANES; i++)
        lane_init(&f->lane[i], loop, &lane_ops, f);
    uv_timer_init(loop, &f->poll);
    uv_timer_init(loop, &f->retry);
    f->poll.data = f->retry.data = f;
    revival_init(&f->revival, &f->base, &f->source, &f->collector, f->port);
    revival_release(&f->revival);
    take_kept(f);
    later(f, 0);
    return 0;
}
