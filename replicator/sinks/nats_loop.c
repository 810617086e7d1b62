#include "nats_loop.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READS_MAX = 64,
    TLS_HEADER = 5,
    TLS_TYPE_FIRST = 20,
    TLS_TYPE_LAST = 23,
    TLS_RECORD_MAX = TLS_HEADER + (1 << 14) + 2048, /* RFC 5246 section 6.2.3. */
    TLS_SEND_BUFFER = 212992,
};

/* ---- what libnats would wait for ---- */

static void set_low_water(struct nats_loop *l, int bytes)
{
    if (bytes != l->low_water)
        setsockopt(l->polled_fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
    l->low_water = bytes;
}

/* Linux says that a socket can be written to while a third of its buffer is free
 * (sk_stream_min_wspace()); half of that is for what the kernel itself needs around the bytes. */
static void bound_writes(struct nats_loop *l)
{
    int bytes = TLS_SEND_BUFFER;
    socklen_t len = sizeof(bytes);

    setsockopt(l->polled_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    getsockopt(l->polled_fd, SOL_SOCKET, SO_SNDBUF, &bytes, &len);
    l->write_most = bytes / 6;
}

/* What made the connection has read up to a line's end, or a record's: a line begins with a letter.
 * Nothing but a few requests was written by then. */
static void find_out(struct nats_loop *l, uint8_t first)
{
    if (l->heard)
        return;
    l->heard = true;
    l->tls = first >= TLS_TYPE_FIRST && first <= TLS_TYPE_LAST;
    if (l->tls)
        bound_writes(l);
}

/* How long the TLS record is that begins with what has come.  Of what cannot be one as little as
 * there is. */
static int record_length(const uint8_t *head, ssize_t n)
{
    int length = n == TLS_HEADER ? TLS_HEADER + (head[3] << 8 | head[4]) : TLS_HEADER;

    return length <= TLS_RECORD_MAX ? length : TLS_HEADER;
}

/* false: more of the record has to come, and wakes us. */
static bool may_read(struct nats_loop *l)
{
    struct pollfd p = {.fd = l->polled_fd, .events = POLLRDHUP};
    uint8_t head[TLS_HEADER];
    ssize_t n;
    int length, here = 0;

    if (l->heard && !l->tls)
        return true;
    n = recv(l->polled_fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
    if (n > 0)
        find_out(l, head[0]);
    length = record_length(head, n);
    if (!l->tls || ioctl(l->polled_fd, FIONREAD, &here) != 0 || here >= length ||
        (poll(&p, 1, 0) > 0 && p.revents != 0)) {
        set_low_water(l, 1);
        return true;
    }
    set_low_water(l, length);
    return false;
}

static bool may_write(const struct nats_loop *l)
{
    struct pollfd p = {.fd = l->polled_fd, .events = POLLOUT};

    return !l->tls || (poll(&p, 1, 0) > 0 && (p.revents & POLLOUT) != 0);
}

bool nats_loop_full(const struct nats_loop *l)
{
    return l->tls && l->poll != NULL &&
           natsConnection_Buffered(atomic_load(&l->nc)) >= l->write_most;
}

/* ---- */

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct nats_loop *l = p->data;
    natsConnection *nc = atomic_load(&l->nc);

    if (status != 0) { /* libuv has stopped: what came before the reset is read now or never. */
        for (int i = 0; i < READS_MAX && !natsConnection_IsClosed(nc); i++)
            natsConnection_ProcessReadEvent(nc);
        atomic_store(&l->closed, true);
    }
    if ((events & UV_READABLE) != 0 && may_read(l))
        natsConnection_ProcessReadEvent(nc);
    if ((events & UV_WRITABLE) != 0 && may_write(l))
        natsConnection_ProcessWriteEvent(nc);
    l->on_io(l->ctx);
}

static void on_poll_closed(uv_handle_t *h)
{
    free(h);
}

static void poll_end(struct nats_loop *l)
{
    if (l->poll == NULL)
        return;
    uv_poll_stop(l->poll);
    uv_close((uv_handle_t *)l->poll, on_poll_closed);
    close(l->polled_fd); /* After the stop: epoll knows it no more. */
    l->poll = NULL;
    l->polled = 0;
}

static void poll_begin(struct nats_loop *l, int fd)
{
    poll_end(l);
    l->low_water = 1;
    l->heard = l->tls = false;
    l->polled_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    l->poll = malloc(sizeof(*l->poll));
    if (l->polled_fd >= 0 && l->poll != NULL &&
        uv_poll_init_socket(l->loop, l->poll, l->polled_fd) == 0) {
        l->poll->data = l;
        return;
    }
    if (l->polled_fd >= 0)
        close(l->polled_fd);
    free(l->poll);
    l->poll = NULL;
    atomic_store(&l->closed, true);
}

static void apply(struct nats_loop *l)
{
    int fd = atomic_exchange(&l->socket, -1);
    int events;

    if (fd >= 0)
        poll_begin(l, fd);
    events = atomic_load(&l->events);
    if (l->poll == NULL || events == l->polled)
        return;
    l->polled = events;
    if (events != 0)
        uv_poll_start(l->poll, events, on_poll);
    else
        uv_poll_stop(l->poll);
}

static void on_changed(uv_async_t *a)
{
    struct nats_loop *l = a->data;

    if (atomic_load(&l->closed))
        l->on_io(l->ctx);
}

static void before_wait(uv_prepare_t *p)
{
    struct nats_loop *l = p->data;
    bool full = nats_loop_full(l);

    if (!atomic_load(&l->ready))
        return;
    if (l->poll != NULL && (atomic_load(&l->events) & ~l->polled & UV_WRITABLE) != 0 &&
        may_write(l)) {
        natsConnection_ProcessWriteEvent(atomic_load(&l->nc));
        if (full)
            l->on_io(l->ctx);
    }
    apply(l);
}

/* On the loop's thread it is seen before it waits. */
static void changed(struct nats_loop *l)
{
    uv_thread_t self = uv_thread_self();

    if (!uv_thread_equal(&self, &l->thread))
        uv_async_send(&l->changed);
}

/* ---- what libnats calls, in any thread, holding the connection's lock ---- */

static natsStatus attach(void **user, void *loop, natsConnection *nc, natsSock socket)
{
    struct nats_loop *l = loop;

    *user = l;
    atomic_store(&l->nc, nc);
    atomic_store(&l->events, UV_READABLE);
    atomic_store(&l->socket, (int)socket);
    changed(l);
    return NATS_OK;
}

static void want(struct nats_loop *l, int event, bool add)
{
    int before = add ? atomic_fetch_or(&l->events, event) : atomic_fetch_and(&l->events, ~event);

    if (((before & event) != 0) != add)
        changed(l);
}

static natsStatus want_read(void *user, bool add)
{
    want(user, UV_READABLE, add);
    return NATS_OK;
}

static natsStatus want_write(void *user, bool add)
{
    want(user, UV_WRITABLE, add);
    return NATS_OK;
}

static natsStatus detach(void *user)
{
    struct nats_loop *l = user;

    atomic_store(&l->closed, true);
    atomic_store(&l->events, 0);
    uv_async_send(&l->changed); /* Also on the loop's thread: it is in the midst of a call. */
    return NATS_OK;
}

/* ---- */

int nats_loop_init(struct nats_loop *l, uv_loop_t *loop, void (*on_io)(void *ctx), void *ctx)
{
    l->loop = loop;
    l->thread = uv_thread_self();
    l->on_io = on_io;
    l->ctx = ctx;
    l->changed.data = l;
    atomic_store(&l->socket, -1);
    l->before_wait.data = l;
    uv_prepare_init(loop, &l->before_wait);
    uv_prepare_start(&l->before_wait, before_wait);
    return uv_async_init(loop, &l->changed, on_changed);
}

natsStatus nats_loop_use(struct nats_loop *l, natsOptions *o)
{
    atomic_store(&l->closed, false);
    atomic_store(&l->ready, false);
    return natsOptions_SetEventLoop(o, l, attach, want_read, want_write, detach);
}

void nats_loop_begin(struct nats_loop *l)
{
    atomic_store(&l->ready, true);
    uv_async_send(&l->changed);
}

void nats_loop_stop(struct nats_loop *l)
{
    atomic_store(&l->socket, -1);
    poll_end(l);
}

void nats_loop_expect(struct nats_loop *l, int bytes)
{
    if (l->poll != NULL && !l->tls)
        set_low_water(l, bytes);
}

bool nats_loop_closed(const struct nats_loop *l)
{
    return atomic_load(&l->closed);
}
