#include "conn.h"
#include "tcp_acked.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { POLL_MS = 2, READS_MAX = 16, USELESS_MS = 2 * CONN_CONNECT_MS };

static void try_next(struct conn *c);

static void show(struct conn *c, const struct sockaddr *a)
{
    char text[INET6_ADDRSTRLEN] = "?";

    uv_ip_name(a, text, sizeof(text));
    snprintf(c->shown, sizeof(c->shown), a->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", text,
             c->port);
}

/* ---- to connect ---- */

static void on_retry(uv_timer_t *timer);
static void adopt(struct conn *c);

static void retry_later(struct conn *c)
{
    uv_timer_start(&c->retry, on_retry, sink_backoff_ms(c->sink), 0);
}

static void on_resolved(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
    struct conn *c = r->data;

    if (status != 0 || list == NULL) {
        c->busy = false;
        sink_fault(c->sink, "\"%s\" does not resolve: %s; check 'address' and the name server",
                   c->host, status != 0 ? uv_strerror(status) : "no address");
        retry_later(c);
        return;
    }
    c->list = list;
    c->addresses = c->tried = 0;
    c->slow = false;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        c->addresses++;
    try_next(c);
}

static bool prepare(struct conn *c)
{
    char why[SINK_ERROR_MAX];

    if (c->ops->prepare == NULL || c->ops->prepare(c, why))
        return true;
    sink_fault(c->sink, "%s", why);
    retry_later(c);
    return false;
}

static void on_retry(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int rc;

    if (c->adopt >= 0) {
        adopt(c);
        return;
    }
    if (!prepare(c))
        return;
    c->busy = c->sink->connecting = true;
    rc = uv_getaddrinfo(c->sink->loop, &c->resolve, on_resolved, c->host, c->port, &hints);
    if (rc != 0)
        on_resolved(&c->resolve, rc, NULL);
}

static void on_closed(uv_handle_t *h)
{
    struct conn *c = h->data;

    c->has_tcp = false;
    if (c->busy)
        try_next(c);
    else
        retry_later(c);
}

static void forget_addresses(struct conn *c)
{
    uv_freeaddrinfo(c->list);
    c->list = NULL;
    c->busy = false;
}

static void failed(struct conn *c, const char *why)
{
    if (++c->tried == c->addresses) {
        forget_addresses(c);
        if (c->addresses > 1)
            sink_fault(c->sink, "none of the %zu addresses of \"%s\" answers; the last, %s: %s",
                       c->addresses, c->host, c->shown, why);
        else
            sink_fault(c->sink, "%s: %s", c->shown, why);
    } else if (c->timed_out && !c->slow) { /* Once a round: they may be many. */
        c->slow = true;
        sink_warn(c->sink, "%s: %s; the next of the %zu addresses of \"%s\" is tried", c->shown,
                  why, c->addresses, c->host);
    }
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- to read ---- */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct conn *c = h->data;

    (void)hint;
    *buf = uv_buf_init((char *)c->read, sizeof(c->read));
}

static void take(struct conn *c, size_t n)
{
    if (c->ops->data != NULL)
        c->ops->data(c, c->read, n);
}

static void finished(struct conn *c)
{
    c->finished = true;
    conn_end(c, "%s: closed by the collector", c->shown);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    (void)buf;
    if (n > 0)
        take(c, (size_t)n);
    else if (n == UV_EOF)
        finished(c);
    else if (n < 0)
        conn_end(c, "%s: %s", c->shown, uv_strerror((int)n));
}

bool conn_read_now(struct conn *c)
{
    uv_os_fd_t fd;

    if (!c->open || uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0)
        return false;
    for (int i = 0; i < READS_MAX && c->open; i++) {
        ssize_t n = recv(fd, c->read, sizeof(c->read), MSG_DONTWAIT);

        if (n > 0)
            take(c, (size_t)n);
        else if (n == 0)
            finished(c);
        else if (errno != EAGAIN && errno != EINTR)
            conn_end(c, "%s: %s", c->shown, uv_strerror(-errno)); /* One wording. */
        if (n < 0)
            break;
    }
    return c->open;
}

static void begin(struct conn *c)
{
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, 30);
    c->open = true;
    c->writing = c->finished = false;
    c->began_ms = uv_now(c->sink->loop);
    c->confirmed = c->sink->state.confirmed;
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static const char *why_not(struct conn *c, int status)
{
    if (c->timed_out)
        return "no answer";
    if (status != 0)
        return uv_strerror(status);
    return address_is_own(conn_fd(c)) ? ADDRESS_IS_OWN : NULL;
}

static void on_connected(uv_connect_t *r, int status)
{
    struct conn *c = r->data;
    const char *why = why_not(c, status);

    uv_timer_stop(&c->limit);
    if (why != NULL) {
        failed(c, why);
        return;
    }
    c->first = (c->first + c->tried) % c->addresses;
    forget_addresses(c);
    begin(c);
    c->ops->connected(c);
}

static void adopt(struct conn *c)
{
    int fd = c->adopt;

    c->adopt = -1;
    uv_tcp_init(c->sink->loop, &c->tcp);
    c->has_tcp = true;
    c->tcp.data = c;
    if (uv_tcp_open(&c->tcp, fd) != 0) {
        close(fd);
        uv_close((uv_handle_t *)&c->tcp, on_closed);
        return;
    }
    snprintf(c->shown, sizeof(c->shown), "%.*s:%s", INET6_ADDRSTRLEN - 2, c->host, c->port);
    begin(c);
    c->ops->adopted(c);
}

/* A collector that is off does not even refuse; the kernel would wait for two minutes. */
static void on_limit(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    uv_os_fd_t fd;

    c->timed_out = true;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        shutdown(fd, SHUT_RDWR); /* on_connected() hears of it. */
}

static const struct sockaddr *next_address(const struct conn *c)
{
    const struct addrinfo *a = c->list;

    for (size_t i = (c->first + c->tried) % c->addresses; i > 0; i--)
        a = a->ai_next;
    return a->ai_addr;
}

static void try_next(struct conn *c)
{
    const struct sockaddr *to = next_address(c);
    int rc;

    uv_tcp_init(c->sink->loop, &c->tcp);
    c->has_tcp = true;
    c->timed_out = false;
    c->tcp.data = c->connect.data = c;
    show(c, to);
    rc = uv_tcp_connect(&c->connect, &c->tcp, to, on_connected);
    if (rc != 0)
        failed(c, uv_strerror(rc));
    else
        uv_timer_start(&c->limit, on_limit, CONN_CONNECT_MS, 0);
}

/* ---- to write ---- */

static void on_written(uv_write_t *w, int status)
{
    struct conn *c = w->data;

    c->writing = false;
    if (!c->open)
        return;
    if (status != 0)
        conn_end(c, "%s: %s", c->shown, uv_strerror(status));
    else
        c->ops->drained(c);
}

bool conn_send(struct conn *c, const uint8_t *at, size_t n)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)at, (unsigned)n);
    int done = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);

    if (done == (int)n)
        return true;
    if (done > 0)
        buf = uv_buf_init(buf.base + done, (unsigned)(n - (size_t)done));
    c->write.data = c;
    c->writing = uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) == 0;
    if (!c->writing)
        conn_end(c, "%s: cannot write", c->shown);
    return c->writing;
}

uint64_t conn_acked(struct conn *c)
{
    struct tcp_progress p;
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0 || tcp_progress(fd, &p) != 0)
        return 0;
    if (c->open && p.given_up)
        conn_end(c, "%s: no answer any more", c->shown);
    return p.acked;
}

static void on_poll(uv_timer_t *timer)
{
    struct conn *c = timer->data;

    c->ops->poll(c);
}

int conn_fd(const struct conn *c)
{
    uv_os_fd_t fd;

    return uv_fileno((const uv_handle_t *)&c->tcp, &fd) == 0 ? fd : -1;
}

void conn_poll(struct conn *c, bool on)
{
    if (!on)
        uv_timer_stop(&c->poll);
    else if (!uv_is_active((uv_handle_t *)&c->poll))
        uv_timer_start(&c->poll, on_poll, POLL_MS, POLL_MS);
}

/* ---- life ---- */

void conn_end(struct conn *c, const char *format, ...)
{
    char why[SINK_ERROR_MAX];
    va_list ap;

    if (!c->open)
        return;
    va_start(ap, format);
    vsnprintf(why, sizeof(why), format, ap);
    va_end(ap);
    c->open = false;
    uv_timer_stop(&c->poll);
    c->ops->ending(c);
    if (c->sink->state.confirmed == c->confirmed &&
        uv_now(c->sink->loop) - c->began_ms <= USELESS_MS)
        c->first++;
    sink_fault(c->sink, "%s", why);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    sink_lost(c->sink, false);
}

int conn_open(struct conn *c, struct sink *s, const struct conn_ops *ops, char *err,
              size_t err_size)
{
    c->sink = s;
    c->ops = ops;
    c->adopt = -1;
    if (address_parse(s->o.name, s->o.address, c->host, c->port, err, err_size) != 0)
        return -1;
    uv_timer_init(s->loop, &c->retry);
    uv_timer_init(s->loop, &c->limit);
    uv_timer_init(s->loop, &c->poll);
    c->retry.data = c->limit.data = c->poll.data = c->resolve.data = c;
    return uv_timer_start(&c->retry, on_retry, 0, 0);
}
