#include "conn_uv.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { USER_TIMEOUT_MS = 5000, NOT_SENT_MAX = 64 << 10 };

void conn_key_id(const uint8_t key[NOISE_KEY], uint8_t out[CONN_KEY_ID])
{
    crypto_generichash(out, CONN_KEY_ID, key, NOISE_KEY, NULL, 0);
}

/* ---- its life ---- */

/* Much can be in it, and its path slow. */
static bool before_goes_on(struct conn *c)
{
    if (c->state != CONN_WAITING || c->before->moved == c->seen_moved)
        return false;
    c->seen_moved = c->before->moved;
    return true;
}

static void on_limit(uv_timer_t *t)
{
    struct conn *c = t->data;

    if (before_goes_on(c))
        return;
    if (c->state == CONN_SHAKING && !c->shake.probe)
        link_refused(c->link, "the handshake did not end in time");
    link_conn_end(c, c->state == CONN_DIALLING  ? "no answer"
                     : c->state == CONN_SHAKING ? "the handshake did not end in time"
                                                : "the connection before it did not end in time");
}

struct conn *conn_new(struct link *l, bool dialler, bool succeeds)
{
    struct conn *c = calloc(1, sizeof(*c));
    uint8_t secret[NOISE_KEY];

    if (c == NULL)
        return NULL;
    c->link = l;
    c->handles = 2;
    c->since_ms = uv_now(link_loop(l));
    randombytes_buf(secret, sizeof(secret));
    handshake_init(&c->shake, link_shake(l), dialler, succeeds, secret);
    sodium_memzero(secret, sizeof(secret));
    uv_tcp_init(link_loop(l), &c->tcp);
    uv_timer_init(link_loop(l), &c->limit);
    c->tcp.data = c->limit.data = c->dial.data = c->write.data = c->shutdown.data = c;
    uv_timer_start(&c->limit, on_limit, CONN_HANDSHAKE_MS, 0);
    return c;
}

static void on_handle_closed(uv_handle_t *h)
{
    struct conn *c = h->data;

    if (--c->handles > 0)
        return;
    if (c->has_out)
        frames_out_deinit(&c->out);
    sodium_memzero(c, sizeof(*c));
    free(c);
}

void conn_close(struct conn *c)
{
    c->state = CONN_CLOSED;
    handshake_wipe(&c->shake);
    free(c->in);
    c->in = NULL;
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&c->limit, on_handle_closed);
}

/* ---- writing ---- */

static void on_shut(uv_shutdown_t *s, int status)
{
    struct conn *c = s->data;

    if (c->state == CONN_CLOSED)
        return;
    c->fin_written = true;
    if (status != 0)
        link_conn_end(c, uv_strerror(status));
    else
        link_conn_finished(c);
}

static void on_written(uv_write_t *w, int status)
{
    struct conn *c = w->data;

    if (c->state == CONN_CLOSED)
        return;
    c->writing = false;
    c->moved += c->out.staged;
    c->out.staged = 0;
    if (status != 0)
        link_conn_end(c, uv_strerror(status));
    else
        conn_flush(c);
}

/* true: all of the stage is with the kernel. */
static bool write_stage(struct conn *c)
{
    uv_buf_t buf = uv_buf_init((char *)c->out.stage, (unsigned)c->out.staged);
    int n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    size_t done = n > 0 ? (size_t)n : 0;
    int rc;

    c->moved += done;
    if (done == c->out.staged) {
        link_count(c->link, 0, done);
        c->out.staged = 0;
        return true;
    }
    if (n < 0 && n != UV_EAGAIN) {
        link_conn_end(c, uv_strerror(n));
        return false;
    }
    link_count(c->link, 0, c->out.staged);
    buf = uv_buf_init((char *)c->out.stage + done, (unsigned)(c->out.staged - done));
    c->writing = true;
    rc = uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
    if (rc != 0)
        link_conn_end(c, uv_strerror(rc));
    return false;
}

static void say_fin(struct conn *c)
{
    if (!c->last_said || c->fin_sent || c->writing || frames_out_waiting(&c->out) > 0)
        return;
    c->fin_sent = uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut) == 0;
    if (!c->fin_sent)
        link_conn_end(c, "cannot end a connection that is succeeded");
}

static bool is_held(const struct conn *c)
{
    return c->before != NULL && !c->before->fin_sent;
}

void conn_flush(struct conn *c)
{
    if (is_held(c))
        return;
    while (!c->writing) {
        frames_out_fill(&c->out);
        if (c->out.staged == 0 || !write_stage(c))
            break;
    }
    if (c->state == CONN_CLOSED)
        return;
    say_fin(c);
    if (c->state == CONN_CLOSED || !c->pressed || frames_out_waiting(&c->out) >= CONN_DRAINED)
        return;
    c->pressed = false;
    link_drained(c);
}

/* What the kernel does not take, and its errors, are for conn_flush(). */
void conn_push(struct conn *c)
{
    while ((c->state == CONN_UP || c->state == CONN_WAITING) && !is_held(c) && !c->writing) {
        uv_buf_t buf;
        int n;

        frames_out_fill(&c->out);
        if (c->out.staged == 0)
            return;
        buf = uv_buf_init((char *)c->out.stage, (unsigned)c->out.staged);
        n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
        if (n <= 0)
            return;
        link_count(c->link, 0, (size_t)n);
        c->out.staged -= (size_t)n;
        memmove(c->out.stage, c->out.stage + n, c->out.staged);
    }
}

/* Handshake bytes: the kernel's buffer of a new connection always takes them. */
static bool write_early(struct conn *c, const uint8_t *at, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)at, (unsigned)len);

    return len == 0 || uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) == (int)len;
}

static bool say_early(struct conn *c, const uint8_t *at, size_t len)
{
    if (write_early(c, at, len))
        return true;
    link_conn_broken_off(c, "cannot write the handshake");
    return false;
}

/* ---- reading ---- */

/* From the proof on: sealed frames both ways. */
static bool unlock(struct conn *c, size_t used)
{
    c->in = malloc(CONN_READ_SIZE);
    if (c->in == NULL || frames_out_init(&c->out, &c->shake.send) != 0) {
        link_conn_end(c, "out of memory");
        return false;
    }
    c->has_out = true;
    c->receive = c->shake.receive;
    sodium_memzero(&c->shake.receive, sizeof(c->shake.receive));
    sodium_memzero(&c->shake.send, sizeof(c->shake.send)); /* So that a rekey leaves none behind. */
    conn_key_id(link_shake(c->link)->key[c->shake.key], c->key_id);
    c->in_len -= used;
    memcpy(c->in, c->early + used, c->in_len);
    link_conn_proved(c);
    return c->state == CONN_UP;
}

/* true: the handshake is done, go on with what is left. */
static bool shake(struct conn *c)
{
    uint8_t out[HANDSHAKE_OUT_MAX];
    size_t at = 0, used, out_len;

    for (;;) {
        enum handshake_result r =
            handshake_take(&c->shake, c->early + at, c->in_len - at, &used, out, &out_len);

        at += used;
        if (!link_conn_is_wanted(c)) {
            link_conn_end(c, "the peer speaks no newer wire version");
            return false;
        }
        if (r == HANDSHAKE_MET) {
            link_conn_end(c, "a probe has met the other node");
            return false;
        }
        if (r == HANDSHAKE_FAILED) {
            (void)write_early(c, out, out_len); /* It may be gone already. */
            link_refused(c->link, c->shake.why);
            link_conn_end(c, c->shake.why);
            return false;
        }
        if (!say_early(c, out, out_len))
            return false;
        if (r == HANDSHAKE_DONE)
            return unlock(c, at);
        if (used == 0)
            break;
    }
    c->in_len -= at;
    memmove(c->early, c->early + at, c->in_len);
    return false;
}

static bool take_frame(struct conn *c, size_t *at)
{
    size_t have = c->in_len - *at, used, len;
    const uint8_t *frame;

    if (have < FRAME_LENGTH_SIZE)
        return false;
    switch (frame_open(&c->receive, c->in + *at, c->in + *at + FRAME_LENGTH_SIZE,
                       have - FRAME_LENGTH_SIZE, &used, &frame, &len)) {
    case FRAME_MORE:
        return false;
    case FRAME_IMPOSSIBLE:
        link_refused(c->link, "a frame of impossible length");
        link_conn_end(c, "a frame of impossible length");
        return false;
    case FRAME_FORGED:
        link_refused(c->link, "a frame that is not authentic");
        link_conn_end(c, "a frame that is not authentic");
        return false;
    case FRAME_OPENED:
        break;
    }
    *at += used;
    if (len > 0)
        link_frame(c, frame, len);
    return c->state == CONN_UP;
}

static void take_frames(struct conn *c)
{
    size_t used = 0;

    while (c->state == CONN_UP && take_frame(c, &used))
        ;
    if (c->state == CONN_CLOSED)
        return;
    c->in_len -= used;
    memmove(c->in, c->in + used, c->in_len);
    if (used > 0)
        link_batch(c);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct conn *c = h->data;

    (void)hint;
    if (c->in != NULL)
        *buf = uv_buf_init((char *)c->in + c->in_len, (unsigned)(CONN_READ_SIZE - c->in_len));
    else
        *buf = uv_buf_init((char *)c->early + c->in_len, (unsigned)(sizeof(c->early) - c->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    (void)buf;
    if (n < 0 && c->state == CONN_SHAKING) {
        link_conn_closed_early(c);
        link_conn_broken_off(c,
                             n == UV_EOF ? handshake_closed_why(&c->shake) : uv_strerror((int)n));
        return;
    }
    if (n == UV_EOF) {
        c->fin_read = true;
        link_conn_fin(c);
        return;
    }
    if (n < 0) {
        link_conn_end(c, uv_strerror((int)n));
        return;
    }
    link_count(c->link, (size_t)n, 0);
    c->moved += (uint64_t)n;
    c->in_len += (size_t)n;
    if (c->state == CONN_SHAKING && !shake(c))
        return;
    take_frames(c);
}

void conn_wait(struct conn *c)
{
    c->state = CONN_WAITING;
    uv_timer_start(&c->limit, on_limit, CONN_WAIT_MS, CONN_WAIT_MS);
}

void conn_read_on(struct conn *c)
{
    c->state = CONN_UP;
    uv_timer_stop(&c->limit);
    take_frames(c);
    if (c->state == CONN_UP && uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
        link_conn_end(c, "cannot read");
}

static void set_socket_options(struct conn *c)
{
    unsigned timeout_ms = USER_TIMEOUT_MS, unsent = NOT_SENT_MAX;
    uv_os_fd_t fd;

    uv_tcp_nodelay(&c->tcp, 1);
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

void conn_begin(struct conn *c)
{
    uint8_t out[HANDSHAKE_OUT_MAX];
    size_t len;

    c->state = CONN_SHAKING;
    set_socket_options(c);
    len = handshake_begin(&c->shake, c->offer, out);
    if (!say_early(c, out, len))
        return;
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
        link_conn_end(c, "cannot read");
}
