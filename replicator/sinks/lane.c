#include "lane.h"
#include "backoff.h"
#include "repair.h"
#include "syslog_heard.h"
#include "tcp_acked.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_MS = 10000, READ_BYTES = 4096, READS_MAX = 16, KEEPALIVE_S = 30 };

static void watch(struct lane *l);

void lane_init(struct lane *l, uv_loop_t *loop, const struct lane_ops *ops, void *ctx)
{
    *l = (struct lane){.ops = ops, .ctx = ctx, .loop = loop, .fd = -1};
    uv_timer_init(loop, &l->limit);
    l->limit.data = l;
}

static void on_limit(uv_timer_t *t)
{
    struct lane *l = t->data;

    l->ops->failed(l, "no answer");
}

static void connected(struct lane *l)
{
    socklen_t len = sizeof(int);
    int error = 0;

    uv_timer_stop(&l->limit);
    getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0 && repair_read(l->fd, &l->run.tcp) != 0)
        error = errno;
    if (error != 0) {
        l->ops->failed(l, strerror(error));
        return;
    }
    /* Less the time of the reading, not of its first record, which may come much later: a stamp
     * that is behind is answered by nobody (PAWS).  run_book.h */
    l->run.tcp.stamp -= (uint32_t)(uv_hrtime() / MS_NS);
    l->state = LANE_OPEN;
    watch(l);
    l->ops->open(l);
}

static void hear(struct lane *l, const uint8_t *at, size_t n)
{
    char words[SYSLOG_HEARD_MAX];

    if (l->heard)
        return;
    l->heard = true;
    syslog_heard_words(at, n, words);
    l->ops->said(l, words);
}

bool lane_read(struct lane *l)
{
    uint8_t bytes[READ_BYTES];

    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n > 0 && syslog_heard_tls(bytes, (size_t)n)) {
            l->ops->failed(l, SYSLOG_HEARD_TLS);
            return false;
        }
        if (n > 0)
            hear(l, bytes, (size_t)n);
        if (n > 0 || (n < 0 && errno == EINTR))
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        l->ops->failed(l, n == 0 ? "closed by the collector" : strerror(errno));
        return false;
    }
    return true;
}

static bool write_rest(struct lane *l)
{
    ssize_t n = send(l->fd, l->at, l->left, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        l->ops->failed(l, strerror(errno));
        return false;
    }
    if (n > 0) {
        l->at += n;
        l->left -= (size_t)n;
    }
    return true;
}

static void on_ready(uv_poll_t *p, int status, int events)
{
    struct lane *l = p->data;

    if (l->state == LANE_CONNECTING) {
        connected(l);
        return;
    }
    if ((status < 0 || (events & UV_READABLE)) && !lane_read(l))
        return;
    if (!(events & UV_WRITABLE) || l->left == 0)
        return;
    if (write_rest(l) && l->left == 0) {
        watch(l);
        l->ops->writable(l);
    }
}

static void watch(struct lane *l)
{
    bool write = l->state == LANE_CONNECTING || l->left > 0;

    uv_poll_start(&l->poll, UV_READABLE | (write ? UV_WRITABLE : 0), on_ready);
}

static int begin(struct lane *l, const struct run_ip *from, const struct run_ip *to, uint16_t port)
{
    struct sockaddr_storage a;
    socklen_t len = repair_address(from, 0, &a);
    int one = 1, seconds = KEEPALIVE_S;

    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
    if (bind(l->fd, (struct sockaddr *)&a, len) != 0)
        return -1;
    len = repair_address(to, port, &a);
    return connect(l->fd, (struct sockaddr *)&a, len) == 0 || errno == EINPROGRESS ? 0 : -1;
}

int lane_connect(struct lane *l, const struct run_ip *from, const struct run_ip *to, uint16_t port)
{
    int family = from->family == 6 ? AF_INET6 : AF_INET, error;

    l->assigned = l->plain = l->alone = l->stored = l->heard = false;
    l->offset = l->acked = 0;
    l->in_flight = l->left = 0;
    l->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return -1;
    if (begin(l, from, to, port) != 0 || uv_poll_init(l->loop, &l->poll, l->fd) != 0) {
        error = errno;
        close(l->fd);
        l->fd = -1;
        errno = error;
        return -1;
    }
    l->poll.data = l;
    l->state = LANE_CONNECTING;
    watch(l);
    uv_timer_start(&l->limit, on_limit, CONNECT_MS, 0);
    return 0;
}

bool lane_write(struct lane *l, const uint8_t *at, size_t len)
{
    l->at = at;
    l->left = len;
    if (!write_rest(l))
        return false;
    if (l->left > 0)
        watch(l);
    return true;
}

bool lane_look(struct lane *l)
{
    struct tcp_progress p;

    if (tcp_progress(l->fd, &p) != 0)
        return true;
    l->acked = p.acked;
    if (p.given_up)
        l->ops->failed(l, "no answer any more");
    return !p.given_up;
}

static void on_closed(uv_handle_t *h)
{
    struct lane *l = h->data;

    close(l->fd);
    l->fd = -1;
    l->state = LANE_FREE;
    l->ops->gone(l);
}

void lane_end(struct lane *l)
{
    if (l->state == LANE_FREE || l->state == LANE_ENDING)
        return;
    l->state = LANE_ENDING;
    uv_timer_stop(&l->limit);
    uv_close((uv_handle_t *)&l->poll, on_closed);
}
