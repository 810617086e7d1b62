/* Syslog over TCP (RFC 6587).  A record is confirmed once the collector's TCP stack has
 * acknowledged its last byte (TCP_INFO), not when the kernel here took it. */
#include "conn.h"
#include "core.h"
#include "ends.h"
#include "frame.h"
#include "syslog_heard.h"
#include "tcp_kept.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUFFER = TCP_MAP_BUFFER, ITEMS = 512, PROBATION_MS = 300 };

struct tcp_sink {
    struct sink base;
    struct conn conn;
    bool pulling;
    bool heard;         /* The collector has said something. */
    uint64_t proven_ms; /* uv_now(): who has said nothing by then is taken for a collector. */
    bool proven;        /* And was: what is acknowledged counts. */
    struct tcp_kept kept;
    uint64_t offset; /* Of the connection's bytes, given to it or in the buffer. */
    struct ends ends;
};

static struct tcp_sink *of(struct conn *c)
{
    return (struct tcp_sink *)c->sink;
}

/* A port of something else, or a relay before a collector that is gone, takes what comes first, and
 * ends the connection.  So the first of it counts a little later, or when it ends in order without
 * a word: a program that leaves something unread resets (RFC 1122 section 4.2.2.13). */
static bool counts(const struct tcp_sink *t)
{
    return t->proven ||
           (t->conn.finished && !t->heard && !t->kept.adopted); /* What was heard before? */
}

/* That the time is over proves nothing by itself: this process may have slept, and the end that
 * came meanwhile is not read yet.  False: the connection has ended. */
static bool read_and_prove(struct tcp_sink *t)
{
    if (!conn_read_now(&t->conn))
        return false;
    t->proven |= uv_now(t->base.loop) >= t->proven_ms;
    return true;
}

static void confirm(struct tcp_sink *t)
{
    size_t n = 0;

    if (!counts(t))
        return;
    if (t->kept.range_count > 0)
        tcp_kept_confirm(&t->kept, &t->base, conn_acked(&t->conn));
    if (t->ends.count > 0)
        n = ends_pop(&t->ends, conn_acked(&t->conn));
    if (n > 0)
        sink_confirm(&t->base, n);
}

/* The map has to know before the kernel does. */
static size_t fill(struct tcp_sink *t)
{
    struct tcp_map *m = t->kept.map;
    struct sink_item items[ITEMS];
    size_t room = ends_room(&t->ends), used = 0;
    size_t n = room < ITEMS ? room : ITEMS;

    n = t->base.host.pull(t->base.host.ctx, items, n, BUFFER - ITEMS * FRAME_OVERHEAD_MAX);
    for (size_t i = 0; i < n; i++) {
        used += frame_put(&t->base.o, &items[i], m->buffer + used);
        ends_push(&t->ends, t->offset + used);
        tcp_map_note(m, t->offset + used, items[i].origin, items[i].position, items[i].statement);
    }
    tcp_map_filled(m, t->offset, (uint32_t)used);
    t->offset += used;
    return used;
}

static void pump(struct tcp_sink *t)
{
    struct conn *c = &t->conn;
    size_t n;

    if (!c->open || c->writing || t->pulling || !read_and_prove(t))
        return;
    t->pulling = true;
    while (c->open && !c->writing && (n = fill(t)) > 0)
        conn_send(c, t->kept.map->buffer, n);
    t->pulling = false;
    if (c->open)
        conn_poll(c, t->ends.count > 0 || t->kept.range_count > 0);
}

static void on_poll(struct conn *c)
{
    if (!read_and_prove(of(c)))
        return;
    confirm(of(c));
    pump(of(c));
}

static void on_drained(struct conn *c)
{
    pump(of(c));
}

static void on_connected(struct conn *c)
{
    struct tcp_sink *t = of(c);

    t->offset = 0;
    t->heard = t->proven = false;
    t->proven_ms = uv_now(t->base.loop) + PROBATION_MS;
    ends_clear(&t->ends);
    tcp_kept_began(&t->kept, conn_fd(c), PROBATION_MS);
    sink_is_up(&t->base);
    pump(t);
}

/* D1a: in the midst of a record, if need be. */
static void on_adopted(struct conn *c)
{
    struct tcp_sink *t = of(c);
    const uint8_t *rest;
    uint32_t young_ms;
    size_t len;

    t->heard = false;
    if (tcp_kept_resume(&t->kept, conn_fd(c), &rest, &len, &young_ms) != 0) {
        conn_end(c, "the connection of the process before does not fit what it noted");
        return;
    }
    t->proven_ms = uv_now(t->base.loop) + young_ms;
    t->proven = young_ms == 0; /* The process before had it for long enough. */
    t->offset = t->kept.written;
    if (len == 0 || conn_send(c, rest, len)) {
        sink_is_up(&t->base);
        pump(t);
    }
}

static void on_data(struct conn *c, const uint8_t *at, size_t n)
{
    struct tcp_sink *t = of(c);
    char words[SYSLOG_HEARD_MAX];

    if (t->heard)
        return;
    t->heard = true;
    if (syslog_heard_tls(at, n)) {
        t->proven_ms = UINT64_MAX;
        t->proven = false;
        conn_end(c, "%s: " SYSLOG_HEARD_TLS, c->shown);
        return;
    }
    syslog_heard_words(at, n, words);
    sink_warn(&t->base, "%s: %s", c->shown, words);
}

static void on_ending(struct conn *c)
{
    confirm(of(c)); /* What was acknowledged before the end is not in doubt. */
    ends_clear(&of(c)->ends);
    tcp_kept_ended(&of(c)->kept);
}

static void tcp_ask(struct sink *s, const struct sink_question *q)
{
    struct tcp_sink *t = (struct tcp_sink *)s;

    uint64_t acked = t->conn.open && counts(t) ? conn_acked(&t->conn) : 0;

    tcp_kept_ask(&t->kept, s, acked, q->origin, q->epoch, q->from, q->to);
}

static void tcp_wake(struct sink *s)
{
    pump((struct tcp_sink *)s);
}

static const struct sink_ops tcp_ops = {.wake = tcp_wake, .ask = tcp_ask};

static const struct conn_ops conn_ops = {
    .connected = on_connected,
    .adopted = on_adopted,
    .data = on_data,
    .drained = on_drained,
    .poll = on_poll,
    .ending = on_ending,
};

int tcp_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                  const struct sink_host *host, char *err, size_t err_size)
{
    struct tcp_sink *t = calloc(1, sizeof(*t));

    char place[256];
    int fd;

    snprintf(place, sizeof(place), "%s %d", o->address, o->bare ? 2 : o->newline);
    if (t == NULL || tcp_kept_open(&t->kept, o->name, sink_key(place), &fd) != 0) {
        free(t);
        snprintf(err, err_size, "sink %s: out of memory", o->name);
        return -1;
    }
    t->base = (struct sink){.ops = &tcp_ops, .host = *host, .o = *o, .loop = loop};
    *out = &t->base;
    if (conn_open(&t->conn, &t->base, &conn_ops, err, err_size) != 0)
        return -1;
    t->conn.adopt = fd;
    return 0;
}
