#include "link_uv.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PREAMBLE = 12,
    FRAME_OVERHEAD = 4 + NOISE_TAG,
    HANDSHAKES_MAX = 8,
    DIAL_MS = 100,
    HANDSHAKE_MS = 2000,
    READ_SIZE = LINK_FRAME_MAX + FRAME_OVERHEAD,
};

enum conn_state { CONN_DIALLING, CONN_PREAMBLE, CONN_NOISE, CONN_PROVING, CONN_UP, CONN_CLOSED };

struct link;

struct conn { /* One TCP connection, from its first byte on. */
    uv_tcp_t tcp;
    uv_connect_t dial;
    uv_timer_t limit;
    struct link *link;
    enum conn_state state;
    int handles; /* Open ones of the two above. */
    struct noise noise;
    struct noise_cipher send, receive;
    uint8_t preamble[2][PREAMBLE]; /* Dialler's, listener's. */
    uint8_t *in;
    size_t in_len;
    size_t unsent;
    struct conn *next; /* Of the unfinished ones. */
};

struct link {
    struct link_set *set;
    int index;
    struct sockaddr_storage local, remote;
    uv_tcp_t listener;
    uv_timer_t retry;
    bool listening, dialling;
    struct conn *up;
    unsigned handshakes;
    uint64_t refused_ms;
    const char *refused_why;
    const char *kicked;
};

struct link_set {
    uv_loop_t *loop;
    struct link_options o;
    struct link_callbacks cb;
    struct link link[LINK_MAX];
    uv_async_t kick;
    bool closing;
};

struct packet { /* One frame on its way to the kernel. */
    uv_write_t write;
    struct conn *conn;
    size_t len;
    uint8_t bytes[];
};

static void conn_process(struct conn *c);
static void start_retry(struct link *l, uint64_t ms);

/* ---- refusals and endings ---- */

static void refused(struct link *l, const char *why)
{
    uint64_t now = uv_now(l->set->loop);

    if (l->refused_why == why && now - l->refused_ms < 1000)
        return;
    l->refused_why = why;
    l->refused_ms = now;
    l->set->cb.on_refused(l->set->cb.ctx, l->index, why);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct conn *c = h->data;

    if (--c->handles > 0)
        return;
    sodium_memzero(c, sizeof(*c) - sizeof(c->next));
    free(c);
}

static void conn_end(struct conn *c, const char *why)
{
    struct link *l = c->link;
    enum conn_state state = c->state;

    if (state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    noise_wipe(&c->noise);
    free(c->in);
    c->in = NULL;
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&c->limit, on_handle_closed);
    if (state != CONN_UP)
        l->handshakes--;
    if (l->up == c) {
        l->up = NULL;
        l->set->cb.on_down(l->set->cb.ctx, l->index, why);
    }
    if (l->set->o.node == 0 && l->up == NULL && !l->set->closing)
        start_retry(l, DIAL_MS);
}

static void on_limit(uv_timer_t *t)
{
    struct conn *c = t->data;

    if (c->state != CONN_DIALLING)
        refused(c->link, "the handshake did not end in time");
    conn_end(c, "the handshake did not end in time");
}

/* ---- writing ---- */

static void on_written(uv_write_t *w, int status)
{
    struct packet *p = w->data;
    struct conn *c = p->conn;
    size_t len = p->len;

    free(p);
    if (c->state == CONN_CLOSED)
        return;
    c->unsent -= len;
    if (status != 0)
        conn_end(c, uv_strerror(status));
    else if (c->state == CONN_UP && c->unsent == 0)
        c->link->set->cb.on_drain(c->link->set->cb.ctx, c->link->index);
}

/* Gives the packet to the kernel or to libuv's queue. */
static int push(struct conn *c, struct packet *p)
{
    uv_buf_t buf = uv_buf_init((char *)p->bytes, (unsigned)p->len);
    int n = c->unsent == 0 ? uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) : 0;

    if (n == (int)p->len) {
        free(p);
        return 0;
    }
    if (n > 0)
        buf = uv_buf_init((char *)p->bytes + n, (unsigned)(p->len - (size_t)n));
    p->conn = c;
    p->len = buf.len;
    p->write.data = p;
    c->unsent += p->len;
    return uv_write(&p->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
}

static int send_plain(struct conn *c, const uint8_t *at, size_t len)
{
    struct packet *p = malloc(sizeof(*p) + len);

    if (p == NULL)
        return -1;
    p->len = len;
    memcpy(p->bytes, at, len);
    return push(c, p);
}

static void put_length(uint8_t out[4], size_t len)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(len >> (8 * i));
}

static void advance(struct noise_cipher *c)
{
    if (c->nonce % LINK_REKEY_FRAMES == 0)
        noise_rekey(c);
}

static int send_sealed(struct conn *c, const uint8_t *at, size_t len)
{
    struct packet *p = malloc(sizeof(*p) + len + FRAME_OVERHEAD);

    if (p == NULL)
        return -1;
    p->len = len + FRAME_OVERHEAD;
    put_length(p->bytes, len + NOISE_TAG);
    noise_seal(&c->send, p->bytes, 4, at, len, p->bytes + 4);
    advance(&c->send);
    return push(c, p);
}

int link_set_send(struct link_set *set, int link, const uint8_t *at, size_t len, bool urgent)
{
    struct conn *c = set->link[link].up;

    (void)urgent; /* The caller keeps what waits below a bound that a heartbeat can stand behind. */
    if (c == NULL || len > LINK_FRAME_MAX || c->unsent + len > LINK_QUEUE_MAX)
        return -1;
    return send_sealed(c, at, len);
}

size_t link_set_backlog(const struct link_set *set, int link)
{
    const struct conn *c = set->link[link].up;

    return c != NULL ? c->unsent : 0;
}

/* ---- the handshake ---- */

static void put_preamble(const struct link_set *set, bool dialler, uint8_t out[PREAMBLE])
{
    memcpy(out, "EVRL", 4);
    out[4] = LINK_WIRE_VERSION;
    out[5] = 0;
    out[6] = set->o.node;
    out[7] = dialler ? 0 : 1;
    put_length(out + 8, set->o.cluster_id);
}

static const char *preamble_fault(const struct link_set *set, const uint8_t at[PREAMBLE],
                                  bool dialler)
{
    uint8_t want[PREAMBLE];

    put_preamble(set, dialler, want);
    if (memcmp(at, "EVRL", 4) != 0)
        return "not an evrep peer";
    if (at[4] != want[4] || at[5] != want[5])
        return "another wire version";
    if (memcmp(at + 8, want + 8, 4) != 0)
        return "wrong cluster id";
    if (at[6] == set->o.node)
        return "the same node id on both sides";
    if (at[7] != want[7])
        return "both sides have the same role";
    return NULL;
}

static void start_noise(struct conn *c)
{
    uint8_t secret[NOISE_KEY];
    uint8_t message[NOISE_MESSAGE];
    bool dialler = c->link->set->o.node == 0;

    randombytes_buf(secret, sizeof(secret));
    noise_init(&c->noise, dialler, c->link->set->o.key, c->preamble[0], sizeof(c->preamble),
               secret);
    sodium_memzero(secret, sizeof(secret));
    c->state = CONN_NOISE;
    if (!dialler)
        return;
    noise_write(&c->noise, NULL, 0, message);
    send_plain(c, message, sizeof(message));
}

static void conn_up(struct conn *c)
{
    struct link *l = c->link;

    c->state = CONN_UP;
    l->handshakes--;
    uv_timer_stop(&c->limit);
    if (l->up != NULL) {
        struct conn *old = l->up;

        conn_end(old, "the peer has connected anew");
    }
    l->up = c;
    l->set->cb.on_up(l->set->cb.ctx, l->index);
}

static bool take_preamble(struct conn *c)
{
    bool dialler = c->link->set->o.node == 0;
    const char *fault;

    if (c->in_len < PREAMBLE)
        return false;
    fault = preamble_fault(c->link->set, c->in, !dialler);
    if (fault != NULL) {
        refused(c->link, fault);
        conn_end(c, fault);
        return false;
    }
    memcpy(c->preamble[dialler ? 1 : 0], c->in, PREAMBLE);
    put_preamble(c->link->set, dialler, c->preamble[dialler ? 0 : 1]);
    if (!dialler)
        send_plain(c, c->preamble[1], PREAMBLE);
    c->in_len -= PREAMBLE;
    memmove(c->in, c->in + PREAMBLE, c->in_len);
    start_noise(c);
    return c->state != CONN_CLOSED;
}

static bool take_noise(struct conn *c)
{
    bool dialler = c->link->set->o.node == 0;
    uint8_t message[NOISE_MESSAGE], none[1];

    if (c->in_len < NOISE_MESSAGE)
        return false;
    if (noise_read(&c->noise, c->in, NOISE_MESSAGE, none) != 0) {
        refused(c->link, "wrong key");
        conn_end(c, "wrong key");
        return false;
    }
    c->in_len -= NOISE_MESSAGE;
    memmove(c->in, c->in + NOISE_MESSAGE, c->in_len);
    if (!dialler) {
        noise_write(&c->noise, NULL, 0, message);
        send_plain(c, message, sizeof(message));
    }
    noise_split(&c->noise, &c->send, &c->receive);
    noise_wipe(&c->noise);
    if (!dialler) {
        c->state = CONN_PROVING;
        return c->state != CONN_CLOSED;
    }
    send_sealed(c, NULL, 0); /* The proof that we hold the key now, not when it was recorded. */
    conn_up(c);
    return c->state == CONN_UP;
}

/* ---- frames ---- */

static bool take_frame(struct conn *c, size_t *used)
{
    const uint8_t *at = c->in + *used;
    size_t have = c->in_len - *used, len;

    if (have < 4)
        return false;
    len = (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
    if (len < NOISE_TAG || len > LINK_FRAME_MAX + NOISE_TAG) {
        conn_end(c, "a frame of impossible length");
        return false;
    }
    if (have < 4 + len)
        return false;
    if (noise_open(&c->receive, at, 4, at + 4, len, c->in + *used + 4) != 0) {
        refused(c->link, "a frame that is not authentic");
        conn_end(c, "a frame that is not authentic");
        return false;
    }
    advance(&c->receive);
    *used += 4 + len;
    if (c->state == CONN_PROVING)
        conn_up(c);
    if (c->state == CONN_UP && len > NOISE_TAG)
        c->link->set->cb.on_frame(c->link->set->cb.ctx, c->link->index, at + 4, len - NOISE_TAG);
    return c->state == CONN_UP;
}

static void conn_process(struct conn *c)
{
    size_t used = 0;

    if (c->state == CONN_PREAMBLE && !take_preamble(c))
        return;
    if (c->state == CONN_NOISE && !take_noise(c))
        return;
    if (c->state != CONN_UP && c->state != CONN_PROVING)
        return;
    while (take_frame(c, &used))
        ;
    if (c->state == CONN_CLOSED)
        return;
    c->in_len -= used;
    memmove(c->in, c->in + used, c->in_len);
    if (used > 0)
        c->link->set->cb.on_batch(c->link->set->cb.ctx);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct conn *c = h->data;

    (void)hint;
    if (c->in == NULL)
        c->in = malloc(READ_SIZE);
    if (c->in == NULL)
        *buf = uv_buf_init(NULL, 0);
    else
        *buf = uv_buf_init((char *)c->in + c->in_len, (unsigned)(READ_SIZE - c->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    (void)buf;
    if (n < 0) {
        conn_end(c, n == UV_EOF ? "closed by the peer" : uv_strerror((int)n));
        return;
    }
    c->in_len += (size_t)n;
    conn_process(c);
}

/* ---- connections ---- */

static struct conn *conn_new(struct link *l)
{
    struct conn *c = l->handshakes < HANDSHAKES_MAX ? calloc(1, sizeof(*c)) : NULL;

    if (c == NULL)
        return NULL;
    c->link = l;
    c->handles = 2;
    l->handshakes++;
    uv_tcp_init(l->set->loop, &c->tcp);
    uv_timer_init(l->set->loop, &c->limit);
    c->tcp.data = c->limit.data = c->dial.data = c;
    uv_timer_start(&c->limit, on_limit, HANDSHAKE_MS, 0);
    return c;
}

static void conn_begin(struct conn *c)
{
    unsigned timeout_ms = 5000;
    uv_os_fd_t fd;

    c->state = CONN_PREAMBLE;
    uv_tcp_nodelay(&c->tcp, 1);
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
        conn_end(c, "cannot read");
}

static void on_dialled(uv_connect_t *r, int status)
{
    struct conn *c = r->data;
    uint8_t preamble[PREAMBLE];

    if (c->state == CONN_CLOSED)
        return;
    if (status != 0) {
        conn_end(c, uv_strerror(status));
        return;
    }
    conn_begin(c);
    put_preamble(c->link->set, true, preamble);
    send_plain(c, preamble, sizeof(preamble));
}

static void dial(struct link *l)
{
    struct sockaddr_storage from = l->local;
    struct conn *c;

    if (l->up != NULL || l->handshakes > 0)
        return;
    c = conn_new(l);
    if (c == NULL)
        return;
    if (from.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&from)->sin6_port = 0;
    else
        ((struct sockaddr_in *)&from)->sin_port = 0;
    if (uv_tcp_bind(&c->tcp, (struct sockaddr *)&from, 0) != 0 ||
        uv_tcp_connect(&c->dial, &c->tcp, (struct sockaddr *)&l->remote, on_dialled) != 0)
        conn_end(c, "cannot dial");
}

static bool from_peer(struct link *l, struct conn *c)
{
    struct sockaddr_storage from;
    int len = sizeof(from);

    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&from, &len) != 0 ||
        from.ss_family != l->remote.ss_family)
        return false;
    if (from.ss_family == AF_INET6)
        return memcmp(&((struct sockaddr_in6 *)&from)->sin6_addr,
                      &((struct sockaddr_in6 *)&l->remote)->sin6_addr, 16) == 0;
    return ((struct sockaddr_in *)&from)->sin_addr.s_addr ==
           ((struct sockaddr_in *)&l->remote)->sin_addr.s_addr;
}

static void on_extra_closed(uv_handle_t *h)
{
    free(h);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct link *l = server->data;
    struct conn *c = status == 0 ? conn_new(l) : NULL;

    if (status != 0)
        return;
    if (c == NULL) { /* Too many at once: taken off the backlog and closed. */
        uv_tcp_t *extra = malloc(sizeof(*extra));

        refused(l, "too many unfinished handshakes");
        if (extra == NULL)
            return;
        uv_tcp_init(l->set->loop, extra);
        uv_accept(server, (uv_stream_t *)extra);
        uv_close((uv_handle_t *)extra, on_extra_closed);
        return;
    }
    if (uv_accept(server, (uv_stream_t *)&c->tcp) != 0) {
        conn_end(c, "cannot accept");
        return;
    }
    if (!from_peer(l, c)) {
        refused(l, "a connection from an address that is not the peer's");
        conn_end(c, "not the peer's address");
        return;
    }
    conn_begin(c);
}

static void on_listener_closed(uv_handle_t *h)
{
    struct link *l = h->data;

    l->dialling = false;
}

static void listen_on(struct link *l)
{
    int rc;

    if (l->listening || l->dialling)
        return;
    uv_tcp_init(l->set->loop, &l->listener);
    l->listener.data = l;
    rc = uv_tcp_bind(&l->listener, (struct sockaddr *)&l->local, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&l->listener, 16, on_connection);
    if (rc == 0) {
        l->listening = true;
        return;
    }
    l->dialling = true; /* Until the handle is closed. */
    refused(l, "cannot listen on the local address; trying again each second");
    uv_close((uv_handle_t *)&l->listener, on_listener_closed);
    start_retry(l, 1000);
}

static void on_retry(uv_timer_t *t)
{
    struct link *l = t->data;

    if (l->set->o.node == 0)
        dial(l);
    else
        listen_on(l);
}

static void start_retry(struct link *l, uint64_t ms)
{
    uv_timer_start(&l->retry, on_retry, ms, 0);
}

/* ---- the set ---- */

static int parse_address(const char *text, struct sockaddr_storage *out)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    size_t len;
    int port;

    if (colon == NULL)
        return -1;
    port = atoi(colon + 1);
    len = (size_t)(colon - text);
    if (text[0] == '[' && len > 2 && colon[-1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= sizeof(host) || port <= 0 || port > 65535)
        return -1;
    memcpy(host, text, len);
    host[len] = '\0';
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0)
        return 0;
    return uv_ip6_addr(host, port, (struct sockaddr_in6 *)out);
}

static void on_kick(uv_async_t *a)
{
    struct link_set *set = a->data;

    for (size_t i = 0; i < set->o.link_count; i++) {
        const char *why = set->link[i].kicked;

        set->link[i].kicked = NULL;
        if (why != NULL && set->link[i].up != NULL)
            conn_end(set->link[i].up, why);
    }
}

void link_set_kick(struct link_set *set, int link, const char *reason)
{
    set->link[link].kicked = reason;
    uv_async_send(&set->kick);
}

int link_set_open(struct link_set **out, uv_loop_t *loop, const struct link_options *o,
                  const struct link_callbacks *cb, char *err, size_t err_size)
{
    struct link_set *set = calloc(1, sizeof(*set));

    if (set == NULL)
        return -1;
    set->loop = loop;
    set->o = *o;
    set->cb = *cb;
    uv_async_init(loop, &set->kick, on_kick);
    set->kick.data = set;
    for (size_t i = 0; i < o->link_count; i++) {
        struct link *l = &set->link[i];

        l->set = set;
        l->index = (int)i;
        if (parse_address(o->link[i].local, &l->local) != 0 ||
            parse_address(o->link[i].remote, &l->remote) != 0) {
            snprintf(err, err_size, "link %s: not an address and port: %s, %s", o->link[i].name,
                     o->link[i].local, o->link[i].remote);
            return -1;
        }
        uv_timer_init(loop, &l->retry);
        l->retry.data = l;
        start_retry(l, 0);
    }
    *out = set;
    return 0;
}

void link_set_close(struct link_set *set)
{
    set->closing = true;
    for (size_t i = 0; i < set->o.link_count; i++) {
        struct link *l = &set->link[i];

        if (l->up != NULL)
            conn_end(l->up, "closing");
        if (l->listening)
            uv_close((uv_handle_t *)&l->listener, NULL);
        uv_close((uv_handle_t *)&l->retry, NULL);
    }
    uv_close((uv_handle_t *)&set->kick, NULL);
    sodium_memzero(set->o.key, sizeof(set->o.key));
}
