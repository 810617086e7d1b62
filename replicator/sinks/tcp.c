/* Syslog over TCP (RFC 6587).  A record is confirmed once the collector's TCP stack has
 * acknowledged its last byte (TCP_INFO), not when the kernel here took it. */
#include "sink.h"
#include "tcp_acked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BUFFER = 256 << 10,
    ITEMS = 512,
    ENDS_MAX = 16384,
    POLL_MS = 2,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
};

struct tcp_sink {
    struct sink base;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    uv_timer_t retry, poll;
    uv_getaddrinfo_t resolve;
    char host[128], port[16];
    bool open, writing, connecting, pulling;
    uint32_t backoff_ms;
    uint8_t *buffer;
    size_t used, sent;
    /* Offsets in the connection's bytes at which records end, oldest first. */
    uint64_t end[ENDS_MAX];
    size_t head, count;
    uint64_t offset;
    uint64_t confirmed, reconnects;
    char last_error[128], discard[4096];
};

static void pump(struct tcp_sink *t);
static void dial(struct tcp_sink *t);

static void on_retry(uv_timer_t *timer)
{
    dial(timer->data);
}

static void try_later(struct tcp_sink *t)
{
    uint32_t jitter = (uint32_t)(uv_hrtime() % (t->backoff_ms / 2 + 1));

    uv_timer_start(&t->retry, on_retry, t->backoff_ms + jitter, 0);
    t->backoff_ms = t->backoff_ms * 2 < BACKOFF_MAX_MS ? t->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static bool acknowledged(struct tcp_sink *t, uint64_t *bytes)
{
    uv_os_fd_t fd;

    return uv_fileno((uv_handle_t *)&t->tcp, &fd) == 0 && tcp_acked(fd, bytes) == 0;
}

static void confirm(struct tcp_sink *t)
{
    uint64_t bytes;
    size_t n = 0;

    if (t->count == 0 || !acknowledged(t, &bytes))
        return;
    while (n < t->count && t->end[(t->head + n) % ENDS_MAX] <= bytes)
        n++;
    if (n == 0)
        return;
    t->head = (t->head + n) % ENDS_MAX;
    t->count -= n;
    t->confirmed += n;
    t->base.host.confirmed(t->base.host.ctx, n);
}

static void on_closed(uv_handle_t *h)
{
    struct tcp_sink *t = h->data;

    t->connecting = false;
    try_later(t);
}

static void end(struct tcp_sink *t, const char *why)
{
    bool was_open = t->open;

    if (uv_is_closing((uv_handle_t *)&t->tcp))
        return;
    t->pulling = true; /* Nothing new goes into a connection that ends. */
    if (was_open)
        confirm(t); /* What was acknowledged before the end is not in doubt. */
    t->open = t->pulling = false;
    uv_timer_stop(&t->poll);
    if (was_open || strcmp(t->last_error, why) != 0)
        t->base.host.down(t->base.host.ctx, why);
    snprintf(t->last_error, sizeof(t->last_error), "%s", why);
    t->count = t->head = 0;
    uv_close((uv_handle_t *)&t->tcp, on_closed);
    if (was_open) {
        t->reconnects++;
        t->base.host.lost(t->base.host.ctx, false);
    }
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct tcp_sink *t = h->data;

    (void)hint;
    *buf = uv_buf_init(t->discard, sizeof(t->discard));
}

/* A collector says nothing; that it closes is all that is listened for. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n < 0)
        end(stream->data, n == UV_EOF ? "closed by the collector" : uv_strerror((int)n));
}

static void on_written(uv_write_t *w, int status)
{
    struct tcp_sink *t = w->data;

    t->writing = false;
    if (!t->open)
        return;
    if (status != 0) {
        end(t, uv_strerror(status));
        return;
    }
    t->used = 0;
    pump(t);
}

static void on_poll(uv_timer_t *timer)
{
    struct tcp_sink *t = timer->data;

    confirm(t);
    if (t->open)
        pump(t);
}

/* Read before write: a FIN or RST that has come is seen before bytes go into the void. */
static bool still_there(struct tcp_sink *t)
{
    char byte;
    uv_os_fd_t fd;
    ssize_t n;

    if (uv_fileno((uv_handle_t *)&t->tcp, &fd) != 0)
        return false;
    n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0)
        end(t, "closed by the collector");
    return n != 0;
}

static void frame(struct tcp_sink *t, const struct sink_item *item)
{
    if (!t->base.o.newline && !t->base.o.bare)
        t->used += (size_t)sprintf((char *)t->buffer + t->used, "%zu ", item->len);
    memcpy(t->buffer + t->used, item->bytes, item->len);
    t->used += item->len;
    if (t->base.o.newline)
        t->buffer[t->used++] = '\n';
}

static void fill(struct tcp_sink *t)
{
    struct sink_item items[ITEMS];
    size_t room = ENDS_MAX - t->count;
    size_t n;

    if (room > ITEMS)
        room = ITEMS;
    if (room == 0)
        return;
    n = t->base.host.pull(t->base.host.ctx, items, room, BUFFER - (size_t)ITEMS * 16);
    for (size_t i = 0; i < n; i++) {
        size_t before = t->used;

        frame(t, &items[i]);
        t->offset += t->used - before;
        t->end[(t->head + t->count++) % ENDS_MAX] = t->offset;
    }
}

static void pump(struct tcp_sink *t)
{
    uv_buf_t buf;
    int n;

    if (!t->open || t->writing || t->pulling || !still_there(t))
        return;
    t->pulling = true;
    while (t->open && !t->writing) {
        t->used = 0;
        fill(t);
        if (t->used == 0)
            break;
        buf = uv_buf_init((char *)t->buffer, (unsigned)t->used);
        n = uv_try_write((uv_stream_t *)&t->tcp, &buf, 1);
        if (n == (int)t->used)
            continue;
        if (n > 0)
            buf = uv_buf_init((char *)t->buffer + n, (unsigned)(t->used - (size_t)n));
        t->writing = uv_write(&t->write, (uv_stream_t *)&t->tcp, &buf, 1, on_written) == 0;
        if (!t->writing)
            end(t, "cannot write");
    }
    t->pulling = false;
    if (t->open && t->count > 0 && !uv_is_active((uv_handle_t *)&t->poll))
        uv_timer_start(&t->poll, on_poll, POLL_MS, POLL_MS);
    else if (t->count == 0)
        uv_timer_stop(&t->poll);
}

static void on_connected(uv_connect_t *c, int status)
{
    struct tcp_sink *t = c->data;

    if (status != 0) {
        end(t, uv_strerror(status));
        return;
    }
    t->open = true;
    t->backoff_ms = BACKOFF_MIN_MS;
    t->offset = 0;
    t->head = t->count = t->used = 0;
    t->last_error[0] = '\0';
    uv_tcp_nodelay(&t->tcp, 1);
    uv_read_start((uv_stream_t *)&t->tcp, on_alloc, on_read);
    t->base.host.up(t->base.host.ctx);
    pump(t);
}

static void on_resolved(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
    struct tcp_sink *t = r->data;

    if (status == 0) {
        uv_tcp_init(t->base.loop, &t->tcp);
        t->tcp.data = t->connect.data = t;
        status = uv_tcp_connect(&t->connect, &t->tcp, list->ai_addr, on_connected);
        uv_freeaddrinfo(list);
        if (status != 0)
            end(t, uv_strerror(status));
        return;
    }
    if (strcmp(t->last_error, uv_strerror(status)) != 0)
        t->base.host.down(t->base.host.ctx, uv_strerror(status));
    snprintf(t->last_error, sizeof(t->last_error), "%s", uv_strerror(status));
    t->connecting = false;
    try_later(t);
}

static void dial(struct tcp_sink *t)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

    if (t->connecting)
        return;
    t->connecting = true;
    if (uv_getaddrinfo(t->base.loop, &t->resolve, on_resolved, t->host, t->port, &hints) != 0) {
        t->connecting = false;
        try_later(t);
    }
}

static void tcp_wake(struct sink *s)
{
    pump((struct tcp_sink *)s);
}

static void tcp_ask(struct sink *s, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to)
{
    (void)to;
    s->host.answer(s->host.ctx, origin, epoch, from, ANSWER_UNKNOWN, 0);
}

static void tcp_reopen(struct sink *s)
{
    (void)s;
}

static void tcp_state(const struct sink *s, struct sink_state *out)
{
    const struct tcp_sink *t = (const struct tcp_sink *)s;

    out->word = t->open ? "up" : t->connecting ? "connecting" : "down";
    out->confirmed = t->confirmed;
    out->reconnects = t->reconnects;
    memcpy(out->last_error, t->last_error, sizeof(out->last_error));
}

static const struct sink_ops tcp_ops = {
    .wake = tcp_wake,
    .ask = tcp_ask,
    .reopen = tcp_reopen,
    .state = tcp_state,
};

int tcp_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                  const struct sink_host *host, char *err, size_t err_size)
{
    struct tcp_sink *t = calloc(1, sizeof(*t));
    const char *colon = strrchr(o->address, ':');
    const char *start = o->address;
    size_t len = colon != NULL ? (size_t)(colon - start) : 0;

    if (len > 2 && start[0] == '[' && colon[-1] == ']') {
        start++;
        len -= 2;
    }
    if (t == NULL || len == 0 || len >= sizeof(t->host) || strlen(colon + 1) >= sizeof(t->port)) {
        snprintf(err, err_size, "sink %s: \"%s\" is not ADDRESS:PORT", o->name, o->address);
        free(t);
        return -1;
    }
    memcpy(t->host, start, len);
    strcpy(t->port, colon + 1);
    t->base = (struct sink){.ops = &tcp_ops, .host = *host, .o = *o, .loop = loop};
    t->buffer = malloc(2 * BUFFER);
    t->backoff_ms = BACKOFF_MIN_MS;
    uv_timer_init(loop, &t->retry);
    uv_timer_init(loop, &t->poll);
    t->retry.data = t->poll.data = t->resolve.data = t->write.data = t;
    uv_timer_start(&t->retry, on_retry, 0, 0);
    *out = &t->base;
    return 0;
}
