/* Syslog over TLS (RFC 5425).  A record is confirmed once the collector's TCP stack has
 * acknowledged the last byte of the TLS record that carries its last byte. */
#include "conn.h"
#include "ends.h"
#include "frame.h"
#include "syslog_heard.h"
#include "tls_context.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PLAIN = 128 << 10,
    CHUNK = 16 << 10, /* Of plaintext: one TLS record. */
    SEALED = 192 << 10,
    ITEMS = 256,
    HANDSHAKE_MS = 10000,
    VERDICT_MS = 300,
    OWED_MAX = 64 << 10,
};

struct tls_sink {
    struct sink base;
    struct conn conn;
    struct tls_context context;
    SSL *ssl;
    BIO *in, *out;                     /* Of ssl. */
    uv_timer_t wait;                   /* For the handshake, then for the verdict. */
    bool shaken, ready, pulling;       /* shaken: the handshake is over at this side. */
    bool asked, judged;                /* For our certificate; and has said something since. */
    bool heard;                        /* Something that is none of TLS's own messages. */
    uint64_t proven_ms;                /* uv_now(): what is acknowledged counts; if not judged. */
    uint8_t *plain, *sealed;           /* sealed: given to the connection. */
    size_t item_end[ITEMS], items, at; /* Where items end in plain; `at`: the first not sealed. */
    struct ends ends;
};

static void pump(struct tls_sink *t);

static struct tls_sink *of(struct conn *c)
{
    return (struct tls_sink *)c->sink;
}

static const char *expected_name(const struct tls_sink *t)
{
    return t->base.o.server_name != NULL ? t->base.o.server_name : t->conn.host;
}

static void end_with_reason(struct tls_sink *t)
{
    char why[SINK_ERROR_MAX];

    tls_reason(t->ssl, expected_name(t), why, sizeof(why));
    conn_end(&t->conn, "%s: %s", t->conn.shown, why);
}

/* What TLS wants to send.  false: the connection has ended. */
static bool flush(struct tls_sink *t)
{
    while (t->conn.open && !t->conn.writing) {
        int n = BIO_read(t->out, t->sealed, SEALED);

        if (n <= 0)
            return true;
        if (!conn_send(&t->conn, t->sealed, (size_t)n))
            return false;
    }
    return t->conn.open;
}

/* ---- the handshake ---- */

static void start_sending(struct tls_sink *t)
{
    uv_timer_stop(&t->wait);
    t->ready = true;
    sink_is_up(&t->base);
    if (t->ready)
        pump(t);
}

static void on_wait(uv_timer_t *timer)
{
    struct tls_sink *t = timer->data;

    if (t->shaken)
        start_sending(t);
    else
        conn_end(&t->conn, "%s: does not answer in TLS", t->conn.shown);
}

/* In TLS 1.3 a server judges our certificate, or that we have none, after our side of the handshake
 * is over: records sent before its verdict are acknowledged by its TCP stack, and may be read by
 * nobody.  Its next message, or silence for a while, says that it is content; and for so long as it
 * may take for a handshake, nothing counts in that silence. */
static bool counts(const struct tls_sink *t)
{
    return t->judged || uv_now(t->base.loop) >= t->proven_ms;
}

static void shake_hands(struct tls_sink *t)
{
    int rc;

    ERR_clear_error();
    rc = SSL_do_handshake(t->ssl);
    if (rc != 1 && SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ) {
        flush(t); /* The alert that says why. */
        if (t->conn.open)
            end_with_reason(t);
        return;
    }
    if (!flush(t) || rc != 1)
        return;
    t->shaken = true;
    t->proven_ms = uv_now(t->base.loop) + HANDSHAKE_MS;
    t->judged = SSL_version(t->ssl) < TLS1_3_VERSION || !t->asked;
    if (SSL_version(t->ssl) < TLS1_3_VERSION)
        start_sending(t);
    else
        uv_timer_start(&t->wait, on_wait, VERDICT_MS, 0);
}

/* ---- what comes ---- */

static int on_asked(SSL *ssl, void *arg)
{
    (void)ssl;
    ((struct tls_sink *)arg)->asked = true;
    return 1; /* It gets the one that is configured. */
}

/* A whole message of TLS's own, such as a ticket.  An alert is none. */
static void on_message(int sent, int version, int type, const void *at, size_t n, SSL *ssl,
                       void *arg)
{
    struct tls_sink *t = arg;

    (void)version;
    (void)at;
    (void)n;
    (void)ssl;
    if (!sent && type == SSL3_RT_HANDSHAKE && t->shaken)
        t->judged = true;
}

static void hear(struct tls_sink *t, const uint8_t *at, size_t n)
{
    char words[SYSLOG_HEARD_MAX];

    t->judged = true;
    if (t->heard)
        return;
    t->heard = true;
    syslog_heard_words(at, n, words);
    sink_warn(&t->base, "%s: %s", t->conn.shown, words);
}

/* Nothing is expected but TLS's own messages. */
static void read_all(struct tls_sink *t)
{
    uint8_t scratch[4096];
    int n;

    ERR_clear_error();
    while ((n = SSL_read(t->ssl, scratch, sizeof(scratch))) > 0)
        hear(t, scratch, (size_t)n);
    switch (SSL_get_error(t->ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        break;
    case SSL_ERROR_ZERO_RETURN:
        conn_end(&t->conn, "%s: closed by the collector", t->conn.shown);
        return;
    default:
        end_with_reason(t);
        return;
    }
    if (flush(t) && !t->ready && t->judged)
        start_sending(t);
}

static void on_data(struct conn *c, const uint8_t *at, size_t n)
{
    struct tls_sink *t = of(c);

    if (BIO_write(t->in, at, (int)n) != (int)n) {
        conn_end(c, "%s: out of memory", c->shown);
        return;
    }
    if (!t->shaken)
        shake_hands(t);
    if (c->open && t->shaken && BIO_ctrl_pending(t->in) > 0)
        read_all(t);
    /* New keys, which a collector may ask for: answered even while it takes nothing. */
    if (c->open && c->writing && BIO_ctrl_pending(t->out) > OWED_MAX)
        conn_end(c, "%s: asks for more than it reads", c->shown);
}

/* ---- what goes ---- */

static void confirm(struct tls_sink *t)
{
    size_t n = t->ends.count > 0 && counts(t) ? ends_pop(&t->ends, conn_acked(&t->conn)) : 0;

    if (n > 0)
        sink_confirm(&t->base, n);
}

static size_t fill(struct tls_sink *t)
{
    struct sink_item items[ITEMS];
    size_t room = ends_room(&t->ends), used = 0;
    size_t n = room < ITEMS ? room : ITEMS;

    t->at = 0;
    t->items = t->base.host.pull(t->base.host.ctx, items, n, PLAIN - ITEMS * FRAME_OVERHEAD_MAX);
    for (size_t i = 0; i < t->items; i++) {
        used += frame_put(&t->base.o, &items[i], t->plain + used);
        t->item_end[i] = used;
    }
    return used;
}

/* The records that end in a chunk end, on the wire, where its TLS record does. */
static bool seal(struct tls_sink *t, size_t used)
{
    for (size_t done = 0; done < used;) {
        size_t n = used - done < CHUNK ? used - done : CHUNK;

        ERR_clear_error();
        if (SSL_write(t->ssl, t->plain + done, (int)n) != (int)n) {
            end_with_reason(t);
            return false;
        }
        done += n;
        while (t->at < t->items && t->item_end[t->at] <= done) {
            ends_push(&t->ends, BIO_number_written(t->out));
            t->at++;
        }
    }
    return true;
}

static void pump(struct tls_sink *t)
{
    struct conn *c = &t->conn;
    size_t n;

    if (!t->ready || c->writing || t->pulling)
        return;
    t->pulling = true;
    if (conn_read_now(c)) {
        while (c->open && !c->writing && (n = fill(t)) > 0) {
            if (seal(t, n))
                flush(t);
        }
    }
    t->pulling = false;
    if (c->open)
        conn_poll(c, t->ends.count > 0);
}

static void on_poll(struct conn *c)
{
    confirm(of(c));
    pump(of(c));
}

static void on_drained(struct conn *c)
{
    if (flush(of(c)))
        pump(of(c));
}

/* ---- the connection ---- */

/* Before anybody answers, so that what is wrong with our files does not wait for a collector. */
static bool prepare(struct conn *c, char why[SINK_ERROR_MAX])
{
    struct tls_sink *t = of(c);

    SSL_free(t->ssl); /* Of the connection before: not while it ends, as OpenSSL may be below us. */
    t->ssl = tls_client(&t->context, &t->base.o, c->host, why, SINK_ERROR_MAX);
    if (t->ssl == NULL)
        return false;
    SSL_set_cert_cb(t->ssl, on_asked, t);
    SSL_set_msg_callback(t->ssl, on_message);
    SSL_set_msg_callback_arg(t->ssl, t);
    return true;
}

static void on_connected(struct conn *c)
{
    struct tls_sink *t = of(c);

    ends_clear(&t->ends);
    t->shaken = t->asked = t->heard = false;
    t->in = SSL_get_rbio(t->ssl);
    t->out = SSL_get_wbio(t->ssl);
    uv_timer_start(&t->wait, on_wait, HANDSHAKE_MS, 0);
    shake_hands(t);
}

static void on_ending(struct conn *c)
{
    struct tls_sink *t = of(c);

    uv_timer_stop(&t->wait);
    if (t->ready)
        confirm(t);
    t->ready = t->shaken = false;
    ends_clear(&t->ends);
}

static void tls_wake(struct sink *s)
{
    pump((struct tls_sink *)s);
}

static const struct sink_ops tls_ops = {.wake = tls_wake};

static const struct conn_ops conn_ops = {
    .prepare = prepare,
    .connected = on_connected,
    .data = on_data,
    .drained = on_drained,
    .poll = on_poll,
    .ending = on_ending,
};

int tls_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                  const struct sink_host *host, char *err, size_t err_size)
{
    struct tls_sink *t = calloc(1, sizeof(*t));

    if (t == NULL || (t->plain = malloc(PLAIN)) == NULL || (t->sealed = malloc(SEALED)) == NULL) {
        snprintf(err, err_size, "sink %s: out of memory", o->name);
        return -1;
    }
    t->base = (struct sink){.ops = &tls_ops, .host = *host, .o = *o, .loop = loop};
    uv_timer_init(loop, &t->wait);
    t->wait.data = t;
    *out = &t->base;
    return conn_open(&t->conn, &t->base, &conn_ops, err, err_size);
}
