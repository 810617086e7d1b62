/* RELP, version 0.  A record is confirmed by the collector's own response to it.  As many are under
 * way as the window of the sink allows. */
#include "conn.h"
#include "ends.h"
#include "relp_frame.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER = 256 << 10, ITEMS = 512, HEADER_MAX = 40, OPEN_MS = 10000, LOOK_MS = 1000 };

struct relp_sink {
    struct sink base;
    struct conn conn;
    uv_timer_t wait; /* For the session; then from look to look whether anybody is there still. */
    bool ready, pulling; /* ready: the collector has accepted the session. */
    uint8_t *buffer;
    uint32_t txnr; /* Of the last command. */
    struct relp_reader reader;
    /* Records without a response, oldest first: their numbers, and whether the response came while
     * an older one's is still due. */
    uint32_t waiting[ENDS_MAX];
    bool answered[ENDS_MAX];
    size_t head, count, leading; /* leading: so many of the oldest have one. */
};

static void pump(struct relp_sink *t);

static struct relp_sink *of(struct conn *c)
{
    return (struct relp_sink *)c->sink;
}

static uint32_t next_txnr(struct relp_sink *t)
{
    t->txnr = t->txnr < RELP_TXNR_MAX ? t->txnr + 1 : 1;
    return t->txnr;
}

static size_t put_frame(struct relp_sink *t, const struct sink_item *item, uint8_t *out)
{
    uint32_t txnr = next_txnr(t);
    size_t n = (size_t)sprintf((char *)out, "%u syslog %zu ", txnr, item->len);

    memcpy(out + n, item->bytes, item->len);
    n += item->len;
    out[n++] = '\n';
    t->waiting[(t->head + t->count) % ENDS_MAX] = txnr;
    t->answered[(t->head + t->count++) % ENDS_MAX] = false;
    return n;
}

static size_t fill(struct relp_sink *t)
{
    struct sink_item items[ITEMS];
    size_t room = ENDS_MAX - t->count, used = 0;
    size_t n = room < ITEMS ? room : ITEMS;

    n = t->base.host.pull(t->base.host.ctx, items, n, BUFFER - ITEMS * HEADER_MAX);
    for (size_t i = 0; i < n; i++)
        used += put_frame(t, &items[i], t->buffer + used);
    return used;
}

static void pump(struct relp_sink *t)
{
    struct conn *c = &t->conn;
    size_t n;

    if (!t->ready || c->writing || t->pulling)
        return;
    t->pulling = true;
    if (conn_read_now(c)) {
        while (c->open && !c->writing && (n = fill(t)) > 0)
            conn_send(c, t->buffer, n);
    }
    t->pulling = false;
}

/* ---- responses ---- */

static size_t slot(const struct relp_sink *t, size_t i)
{
    return (t->head + i) % ENDS_MAX;
}

/* Responses come in order as a rule. */
static bool mark_answered(struct relp_sink *t, uint32_t txnr)
{
    size_t i = t->leading;

    while (i < t->count && t->waiting[slot(t, i)] != txnr)
        i++;
    if (i == t->count)
        return false;
    t->answered[slot(t, i)] = true;
    while (t->leading < t->count && t->answered[slot(t, t->leading)])
        t->leading++;
    return true;
}

static size_t take_answered(struct relp_sink *t)
{
    size_t n = t->leading;

    t->head = slot(t, n);
    t->count -= n;
    t->leading = 0;
    return n;
}

/* A host that went without a word answers nothing, and the kernel would ask for a quarter of an
 * hour. */
static void on_look(uv_timer_t *timer)
{
    struct relp_sink *t = timer->data;

    conn_acked(&t->conn);
}

static void opened(struct relp_sink *t)
{
    const struct relp_frame *f = &t->reader.frame;

    if (relp_response_code(f) != 200 || strstr(f->data, "syslog") == NULL) {
        conn_end(&t->conn, "%s: does not open a RELP session for syslog: %.60s", t->conn.shown,
                 f->data);
        return;
    }
    uv_timer_start(&t->wait, on_look, LOOK_MS, LOOK_MS);
    t->ready = true;
    sink_is_up(&t->base);
}

static void refused(struct relp_sink *t)
{
    sink_refuses(&t->base);
    conn_end(&t->conn, "%s: refuses a record: %.60s", t->conn.shown, t->reader.frame.data);
}

static void on_frame(struct relp_sink *t)
{
    const struct relp_frame *f = &t->reader.frame;
    const char *shown = t->conn.shown;

    if (strcmp(f->command, "serverclose") == 0)
        conn_end(&t->conn, "%s: closed by the collector", shown);
    else if (strcmp(f->command, "rsp") != 0)
        conn_end(&t->conn, "%s: sends a RELP command that is none: %s", shown, f->command);
    else if (!t->ready)
        opened(t);
    else if (relp_response_code(f) != 200)
        refused(t);
    else if (!mark_answered(t, f->txnr))
        conn_end(&t->conn, "%s: answers what it was not sent (%u)", shown, f->txnr);
}

/* A collector's small responses wait for our acknowledgement of the one before (Nagle), which the
 * kernel would delay by 40 ms. */
static void acknowledge_at_once(struct conn *c)
{
    int on = 1;
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void on_data(struct conn *c, const uint8_t *at, size_t n)
{
    struct relp_sink *t = of(c);
    const uint8_t *end = at + n;
    size_t confirmed;
    int rc = 0;

    while (c->open && (rc = relp_read(&t->reader, &at, end)) == 1)
        on_frame(t);
    if (rc < 0)
        conn_end(c, "%s: answers in no RELP", c->shown);
    if (!c->open)
        return;
    confirmed = take_answered(t);
    acknowledge_at_once(c);
    if (confirmed > 0)
        sink_confirm(&t->base, confirmed);
    if (c->open)
        pump(t);
}

/* ---- the connection ---- */

static void on_wait(uv_timer_t *timer)
{
    struct relp_sink *t = timer->data;

    conn_end(&t->conn, "%s: does not answer in RELP", t->conn.shown);
}

static void on_connected(struct conn *c)
{
    static const char offer[] =
        "relp_version=0\nrelp_software=evrep," EVREP_VERSION "\ncommands=syslog";
    struct relp_sink *t = of(c);
    int n;

    memset(&t->reader, 0, sizeof(t->reader));
    t->txnr = 0;
    t->head = t->count = t->leading = 0;
    uv_timer_start(&t->wait, on_wait, OPEN_MS, 0);
    n = sprintf((char *)t->buffer, "%u open %zu %s\n", next_txnr(t), sizeof(offer) - 1, offer);
    conn_send(c, t->buffer, (size_t)n);
}

static void on_drained(struct conn *c)
{
    pump(of(c));
}

static void on_ending(struct conn *c)
{
    struct relp_sink *t = of(c);
    size_t confirmed = take_answered(t);

    uv_timer_stop(&t->wait);
    t->ready = false;
    t->head = t->count = t->leading = 0;
    if (confirmed > 0)
        sink_confirm(&t->base, confirmed);
}

static void relp_wake(struct sink *s)
{
    pump((struct relp_sink *)s);
}

static const struct sink_ops relp_ops = {.wake = relp_wake};

static const struct conn_ops conn_ops = {
    .connected = on_connected,
    .data = on_data,
    .drained = on_drained,
    .ending = on_ending,
};

int relp_sink_open(struct sink **out, uv_loop_t *loop, const struct sink_options *o,
                   const struct sink_host *host, char *err, size_t err_size)
{
    struct relp_sink *t = calloc(1, sizeof(*t));

    if (t == NULL || (t->buffer = malloc(BUFFER)) == NULL) {
        free(t);
        snprintf(err, err_size, "sink %s: out of memory", o->name);
        return -1;
    }
    t->base = (struct sink){.ops = &relp_ops, .host = *host, .o = *o, .loop = loop};
    uv_timer_init(loop, &t->wait);
    t->wait.data = t;
    *out = &t->base;
    return conn_open(&t->conn, &t->base, &conn_ops, err, err_size);
}
