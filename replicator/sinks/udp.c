/* Syslog over UDP (RFC 5426), a record a datagram.  Confirmed when it has left: a collector that is
 * down is noticed only where the network says so, and what was sent just before is gone. */
#include "address.h"
#include "sink.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 64,
    PULL_BYTES = 256 << 10,
    PROBE_MS = 100,
    PACE_MS = 2,
    SEND_BUFFER = 1 << 20,
    BURST_MIN = 8,
    LOOK_MS = 60000
};

struct udp_sink {
    struct sink base;
    uv_timer_t timer; /* To try again, to look at the probe, or for the pace. */
    uv_getaddrinfo_t resolve;
    uv_timer_t look;
    uv_getaddrinfo_t looking_up;
    bool looking; /* It is under way. */
    struct sockaddr_storage to;
    uv_poll_t poll;
    char host[ADDRESS_HOST_MAX], port[ADDRESS_PORT_MAX], shown[INET6_ADDRSTRLEN + 20];
    unsigned address; /* Which of the name's addresses is tried; the next after each fault. */
    int fd;
    bool pulling, blocked;
    double tokens;
    uint64_t tokens_ns;
    /* What was pulled and has not left; its bytes stay until the next pull. */
    struct sink_item item[BATCH];
    size_t next, count;
};

static void pump(struct udp_sink *u);

static void on_retry(uv_timer_t *timer);

static void on_poll_closed(uv_handle_t *h)
{
    struct udp_sink *u = h->data;

    close(u->fd);
    u->fd = -1;
    uv_timer_start(&u->timer, on_retry, sink_backoff_ms(&u->base), 0);
}

/* T2: what was pulled, and not confirmed, has certainly not left. */
static void fault(struct udp_sink *u, const char *why)
{
    bool was_up = u->base.up;

    sink_fault(&u->base, "%s: %s", u->shown, why);
    u->address++;
    u->next = u->count = 0;
    u->blocked = false;
    uv_timer_stop(&u->timer);
    uv_close((uv_handle_t *)&u->poll, on_poll_closed);
    if (was_up)
        sink_lost(&u->base, true);
}

/* ---- to open ---- */

/* An empty datagram, which collectors ignore, has come back as a refusal, or it has not. */
static void on_probed(uv_timer_t *timer)
{
    struct udp_sink *u = timer->data;
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(u->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        fault(u, error == ECONNREFUSED ? "refused: nobody listens there" : strerror(error));
        return;
    }
    sink_is_up(&u->base);
    pump(u);
}

static int open_socket(struct udp_sink *u, const struct addrinfo *a)
{
    static const int buffer = SEND_BUFFER, whole = IP_PMTUDISC_DONT;

    memcpy(&u->to, a->ai_addr, a->ai_addrlen);
    u->fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (u->fd < 0)
        return errno;
    setsockopt(u->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    if (a->ai_family == AF_INET)
        setsockopt(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof(whole));
    return connect(u->fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
}

static void try_address(struct udp_sink *u, const struct addrinfo *list)
{
    const struct addrinfo *a = list;
    unsigned count = 0;
    char text[INET6_ADDRSTRLEN] = "?";
    int rc;

    for (; a != NULL; a = a->ai_next)
        count++;
    a = list;
    for (unsigned i = u->address % count; i > 0; i--)
        a = a->ai_next;
    uv_ip_name(a->ai_addr, text, sizeof(text));
    snprintf(u->shown, sizeof(u->shown), a->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", text,
             u->port);
    rc = open_socket(u, a);
    if (u->fd < 0) {
        sink_fault(&u->base, "%s: %s", u->shown, strerror(rc));
        u->address++;
        uv_timer_start(&u->timer, on_retry, sink_backoff_ms(&u->base), 0);
        return;
    }
    uv_poll_init(u->base.loop, &u->poll, u->fd);
    u->poll.data = u;
    if (rc == 0 && send(u->fd, "", 0, 0) < 0)
        rc = errno;
    if (rc != 0)
        fault(u, strerror(rc));
    else if (address_is_own(u->fd))
        fault(u, ADDRESS_IS_OWN);
    else
        uv_timer_start(&u->timer, on_probed, PROBE_MS, 0);
}

static void on_resolved(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
    struct udp_sink *u = r->data;

    if (status != 0 || list == NULL) {
        sink_fault(&u->base, "\"%s\" does not resolve: %s; check 'address' and the name server",
                   u->host, status != 0 ? uv_strerror(status) : "no address");
        uv_timer_start(&u->timer, on_retry, sink_backoff_ms(&u->base), 0);
        return;
    }
    try_address(u, list);
    uv_freeaddrinfo(list);
}

static void on_retry(uv_timer_t *timer)
{
    struct udp_sink *u = timer->data;
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    int rc;

    u->base.connecting = true;
    rc = uv_getaddrinfo(u->base.loop, &u->resolve, on_resolved, u->host, u->port, &hints);
    if (rc != 0)
        on_resolved(&u->resolve, rc, NULL);
}

/* ---- whether its name is still that address ---- */

static bool is_among(const struct udp_sink *u, const struct addrinfo *list)
{
    const struct addrinfo *a = list;

    while (a != NULL && memcmp(&u->to, a->ai_addr, a->ai_addrlen) != 0)
        a = a->ai_next;
    return a != NULL;
}

/* A name server that does not answer now changes nothing. */
static void on_looked(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
    struct udp_sink *u = r->data;
    char why[SINK_ERROR_MAX];

    u->looking = false;
    snprintf(why, sizeof(why), "\"%.200s\" has other addresses now", u->host);
    if (status == 0 && u->base.up && !is_among(u, list))
        fault(u, why);
    uv_freeaddrinfo(list);
}

/* Nothing that is sent in vain comes back. */
static void on_look(uv_timer_t *timer)
{
    struct udp_sink *u = timer->data;
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};

    u->looking =
        u->looking || (u->base.up && uv_getaddrinfo(u->base.loop, &u->looking_up, on_looked,
                                                    u->host, u->port, &hints) == 0);
}

/* ---- to send ---- */

static void on_writable(uv_poll_t *p, int status, int events)
{
    struct udp_sink *u = p->data;

    (void)status;
    (void)events;
    uv_poll_stop(p);
    u->blocked = false;
    pump(u);
}

static void on_pace(uv_timer_t *timer)
{
    struct udp_sink *u = timer->data;

    u->blocked = false;
    pump(u);
}

/* What may go at once: as much as is due in so long as the pace is looked at again, and never more
 * than half of what a collector's socket holds that has its kernel's default (212992 bytes). */
static double burst_of(double rate)
{
    double burst = rate * PACE_MS / 1000;

    return burst < BURST_MIN ? BURST_MIN : burst > BATCH ? BATCH : burst;
}

/* UDP has nothing that slows a sender down, so that a backlog would drown the collector. */
static size_t paced(struct udp_sink *u, size_t n)
{
    uint64_t now = uv_hrtime();
    double rate = u->base.o.datagram_rate, burst = burst_of(rate);

    if (rate == 0)
        return n;
    u->tokens += (double)(now - u->tokens_ns) * rate / 1e9;
    u->tokens_ns = now;
    u->tokens = u->tokens < burst ? u->tokens : burst;
    return (double)n <= u->tokens ? n : (size_t)u->tokens;
}

static void wait_for(struct udp_sink *u, int error)
{
    u->blocked = true;
    if (error == EAGAIN)
        uv_poll_start(&u->poll, UV_WRITABLE, on_writable);
    else
        uv_timer_start(&u->timer, on_pace, PACE_MS, 0);
}

static size_t cut(struct udp_sink *u, size_t len)
{
    if (len <= u->base.o.datagram_limit)
        return len;
    u->base.state.truncated++;
    return u->base.o.datagram_limit;
}

static int send_some(struct udp_sink *u, size_t n)
{
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];

    memset(messages, 0, n * sizeof(messages[0]));
    for (size_t i = 0; i < n; i++) {
        const struct sink_item *item = &u->item[u->next + i];

        parts[i] = (struct iovec){(void *)(uintptr_t)item->bytes, cut(u, item->len)};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    return sendmmsg(u->fd, messages, (unsigned)n, MSG_DONTWAIT);
}

/* false: nothing more for now. */
static bool send_batch(struct udp_sink *u)
{
    size_t n;
    int sent;

    if (u->next == u->count) {
        u->next = 0;
        u->count = u->base.host.pull(u->base.host.ctx, u->item, BATCH, PULL_BYTES);
    }
    if (u->next == u->count)
        return false;
    n = paced(u, u->count - u->next);
    sent = n > 0 ? send_some(u, n) : 0;
    if (sent > 0) {
        u->next += (size_t)sent;
        u->tokens -= sent;
        sink_confirm(&u->base, (size_t)sent);
        return true;
    }
    if (n == 0 || errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
        wait_for(u, n == 0 ? 0 : errno);
    else
        fault(u, errno == ECONNREFUSED ? "refused: nobody listens there" : strerror(errno));
    return false;
}

static void pump(struct udp_sink *u)
{
    if (u->pulling)
        return;
    u->pulling = true;
    while (u->base.up && !u->blocked && send_batch(u))
        ;
    u->pulling = false;
}

static void udp_wake(struct sink *s)
{
    pump((struct udp_sink *)s);
}

static const struct sink_ops udp_ops = {.wake = udp_wake};

int udp_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                  const struct sink_host *host, char *err, size_t err_size)
{
    struct udp_sink *u = calloc(1, sizeof(*u));

    if (u == NULL || address_parse(o->name, o->address, u->host, u->port, err, err_size) != 0) {
        free(u);
        return -1;
    }
    u->base = (struct sink){.ops = &udp_ops, .host = *host, .o = *o, .loop = loop};
    u->fd = -1;
    uv_timer_init(loop, &u->timer);
    uv_timer_init(loop, &u->look);
    u->timer.data = u->resolve.data = u->look.data = u->looking_up.data = u;
    uv_timer_start(&u->look, on_look, LOOK_MS, LOOK_MS);
    *out = &u->base;
    return uv_timer_start(&u->timer, on_retry, 0, 0);
}
