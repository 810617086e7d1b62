/* Dialling, listening, and one connection after another: who is up, and who is told. */
#include "conn_uv.h"

#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_MS = 3000 };
enum { DIAL_MS = 100, LISTEN_MS = 1000, BUSY_MS = 5, UNHEARD_MAX = 3 };
enum { NEWER_MS = 1000, NEWER_MAX_MS = 60 * 1000 };

struct link {
    struct link_set *set;
    int index;
    struct sockaddr_storage local, remote;
    uv_tcp_t listener;
    uv_timer_t retry, renew, ask;
    bool listening, listener_closing;
    unsigned accepted; /* In this turn of the loop; */
    bool accept_waits; /* there was one more. */
    struct conn *up;   /* UP or WAITING. */
    uint64_t up_ms;    /* Of its handshake, or the last attempt at the next one. */
    uint64_t newer_ms; /* So long until the peer is asked whether it speaks more. */
    struct conn *young[LINK_HANDSHAKES_MAX];
    struct conn *probe; /* Of the other direction: node 1 dials it, node 0 accepts it. */
    uint64_t heard_ms;  /* Somebody at the peer's address took, or made, a connection. */
    uint16_t offer;     /* The wire version of the next dial while it is down. */
    unsigned unheard;   /* Such dials in a row that were closed at our preamble. */
    uint64_t refused_ms;
    const char *refused_why;
    const char *kicked;
    struct link_state state;
};

struct link_set {
    uv_loop_t *loop;
    struct link_options o;
    struct link_callbacks cb;
    struct link link[LINK_MAX];
    uint16_t spoken;  /* By the peer, on the last connection that was proved; 0: none was. */
    uint64_t down_ms; /* Since when no link is up, if none is. */
    uv_async_t kick;
    uv_prepare_t flush;
    bool closing;
};

static void start_retry(struct link *l, uint64_t ms);
static void start_renew(struct link *l);
static void on_renew(uv_timer_t *t);
static bool is_in_use(const struct link_set *set, const struct conn *c);
static void stop_listening(struct link *l);

/* ---- what a connection asks of its link ---- */

const struct handshake_options *link_shake(const struct link *l)
{
    return &l->set->o.shake;
}

uv_loop_t *link_loop(const struct link *l)
{
    return l->set->loop;
}

void link_count(struct link *l, size_t received, size_t sent)
{
    l->state.received += received;
    l->state.sent += sent;
}

/* Counted and told. */
static void tell_refused(struct link *l, const char *why)
{
    uint64_t now = uv_now(l->set->loop);

    l->state.refused++;
    if (l->refused_why == why && now - l->refused_ms < 1000)
        return;
    l->refused_why = why;
    l->refused_ms = now;
    l->set->cb.on_refused(l->set->cb.ctx, l->index, why);
}

void link_refused(struct link *l, const char *why)
{
    if (l->up == NULL)
        snprintf(l->state.why, sizeof(l->state.why), "%s", why);
    tell_refused(l, why);
}

void link_frame(struct conn *c, const uint8_t *at, size_t len)
{
    c->link->set->cb.on_frame(c->link->set->cb.ctx, c->link->index, at, len);
}

void link_batch(struct conn *c)
{
    c->link->set->cb.on_batch(c->link->set->cb.ctx);
}

void link_drained(struct conn *c)
{
    if (c->link->up == c || (c->link->up != NULL && c->link->up->before == c))
        c->link->set->cb.on_drain(c->link->set->cb.ctx, c->link->index);
}

/* ---- unfinished handshakes ---- */

static void young_remove(struct link *l, const struct conn *c)
{
    for (size_t i = 0; i < LINK_HANDSHAKES_MAX; i++) {
        if (l->young[i] == c)
            l->young[i] = NULL;
    }
}

static size_t young_count(const struct link *l)
{
    size_t n = 0;

    for (size_t i = 0; i < LINK_HANDSHAKES_MAX; i++)
        n += l->young[i] != NULL;
    return n;
}

/* Under a flood the oldest goes: an honest peer needs its place for a round trip only. */
static size_t young_place(struct link *l)
{
    size_t oldest = 0;

    for (size_t i = 0; i < LINK_HANDSHAKES_MAX; i++) {
        if (l->young[i] == NULL)
            return i;
        if (l->young[i]->since_ms < l->young[oldest]->since_ms)
            oldest = i;
    }
    link_refused(l, "too many unfinished handshakes: the oldest is dropped");
    link_conn_end(l->young[oldest], "too many unfinished handshakes: the oldest is dropped");
    return oldest;
}

/* ---- endings ---- */

static bool is_any_up(const struct link_set *set)
{
    for (size_t i = 0; i < set->o.link_count; i++) {
        if (set->link[i].up != NULL)
            return true;
    }
    return false;
}

/* What the peer has proved that it speaks it does not forget, unless its program is another one:
 * who closes our connections lowers nothing. */
static uint16_t lowest_offer(const struct link_set *set)
{
    uint64_t ms = set->o.downgrade_ms != 0 ? set->o.downgrade_ms : LINK_DOWNGRADE_MS;

    if (set->spoken == 0 || (!is_any_up(set) && uv_now(set->loop) - set->down_ms >= ms))
        return LINK_VERSION_OLD;
    return set->spoken;
}

static void say_lower(struct link *l)
{
    if (l->offer < l->set->spoken && l->set->cb.on_failed != NULL)
        l->set->cb.on_failed(l->set->cb.ctx, l->index,
                             "the peer closes at our first bytes, for so long that it may be an "
                             "older program: wire versions before its last one are offered too");
}

/* A peer of an old version closes at our preamble, each time: then the one before is offered. */
void link_conn_closed_early(struct conn *c)
{
    struct link *l = c->link;

    if (c->shake.probe || c->purpose != CONN_FIRST)
        return;
    if (l->set->o.shake.node != 0 || !handshake_is_unheard(&c->shake)) {
        l->unheard = 0;
        return;
    }
    if (++l->unheard < UNHEARD_MAX)
        return;
    l->unheard = 0;
    l->offer = l->offer > lowest_offer(l->set) ? (uint16_t)(l->offer - 1) : l->set->o.shake.version;
    say_lower(l);
}

static void up_ended(struct link *l, struct conn *c, const char *why)
{
    struct conn *before = c->before;

    l->up = NULL;
    l->offer = l->set->o.shake.version;
    l->set->down_ms = uv_now(l->set->loop);
    l->state.version = 0;
    uv_timer_stop(&l->renew);
    if (before != NULL)
        conn_close(before);
    snprintf(l->state.why, sizeof(l->state.why), "%s", why);
    l->heard_ms = uv_now(l->set->loop);
    l->set->cb.on_down(l->set->cb.ctx, l->index, why);
}

/* It never came up. */
static void young_ended(struct link *l, const char *why)
{
    if (l->up != NULL || l->set->closing)
        return;
    snprintf(l->state.why, sizeof(l->state.why), "%s", why);
    if (l->set->cb.on_failed != NULL)
        l->set->cb.on_failed(l->set->cb.ctx, l->index, why);
}

void link_conn_end(struct conn *c, const char *why)
{
    struct link *l = c->link;

    if (c->state == CONN_CLOSED)
        return;
    if (l->up != NULL && l->up->before == c) {
        link_conn_end(l->up, why); /* What it still had to say is lost: so is the link. */
        return;
    }
    if (l->probe == c) {
        l->probe = NULL;
        conn_close(c);
        return;
    }
    young_remove(l, c);
    conn_close(c);
    if (l->up == c)
        up_ended(l, c, why);
    else
        young_ended(l, why);
    if (l->set->o.shake.node == 0 && l->up == NULL && !l->set->closing)
        start_retry(l, DIAL_MS);
}

/* An honest dialler of a newer program asks from time to time whether we have learned more, and
 * has its answer (CONN_NEWER). */
static bool was_question(const struct conn *c)
{
    const struct conn *up = c->link->up;

    return up != NULL && c->in_len == 0 && handshake_offered(&c->shake) > up->shake.version;
}

void link_conn_broken_off(struct conn *c, const char *why)
{
    struct link *l = c->link;

    if (!c->shake.dialler && !was_question(c)) {
        why = handshake_closed_why(&c->shake);
        if (l->probe == c) /* It says nothing about why the link is down. */
            tell_refused(l, why);
        else
            link_refused(l, why);
    }
    link_conn_end(c, why);
}

/* ---- succession ---- */

void link_conn_finished(struct conn *c)
{
    if (c->fin_read && c->fin_written && c->link->up != NULL && c->link->up->before == c) {
        c->link->up->before = NULL;
        conn_close(c);
    }
}

void link_conn_fin(struct conn *c)
{
    struct link *l = c->link;
    struct conn *next = l->up != NULL && l->up->before == c ? l->up : NULL;

    if (next == NULL) {
        link_conn_end(c, "closed by the peer");
        return;
    }
    if (c->in_len > 0) {
        link_conn_end(c, "a connection that is succeeded ends within a frame");
        return;
    }
    c->last_said = true; /* It is the dialler's turn. */
    link_conn_finished(c);
    if (next->before == c)
        conn_flush(c);
    if (next->state == CONN_WAITING)
        conn_read_on(next);
}

/* The listener's FIN comes first: one that overtakes the proof of the next connection would look
 * like the end of the link. */
static void succeed(struct link *l, struct conn *c)
{
    struct conn *before = l->up;
    bool other_key = memcmp(before->key_id, c->key_id, CONN_KEY_ID) != 0;

    uv_read_stop((uv_stream_t *)&c->tcp);
    conn_wait(c);
    c->before = before;
    c->seen_moved = before->moved;
    before->last_said = l->set->o.shake.node != 0;
    l->up = c;
    l->up_ms = uv_now(l->set->loop);
    l->state.renewed++;
    l->state.version = c->shake.version;
    start_renew(l);
    conn_flush(before);
    if (c->state != CONN_CLOSED)
        l->set->cb.on_renewed(l->set->cb.ctx, l->index, other_key);
}

bool link_conn_is_wanted(const struct conn *c)
{
    const struct conn *up = c->link->up;

    return c->purpose != CONN_NEWER || up == NULL || c->shake.version > up->shake.version;
}

void link_conn_proved(struct conn *c)
{
    struct link *l = c->link;

    young_remove(l, c);
    l->unheard = 0;
    l->set->spoken = c->shake.version;
    if (c->shake.succeeds && (l->up == NULL || l->up->state != CONN_UP || l->up->before != NULL)) {
        link_conn_end(c, "there is no connection that it could succeed");
        return;
    }
    if (c->shake.succeeds) {
        succeed(l, c);
        return;
    }
    if (l->up != NULL)
        link_conn_end(l->up, "the peer has connected anew");
    uv_timer_stop(&c->limit);
    c->state = CONN_UP;
    l->up = c;
    l->up_ms = uv_now(l->set->loop);
    l->newer_ms = NEWER_MS;
    l->state.version = c->shake.version;
    l->state.why[0] = '\0';
    if (l->set->o.shake.node == 0)
        stop_listening(l);
    start_renew(l);
    l->set->cb.on_up(l->set->cb.ctx, l->index, c->shake.version);
}

/* ---- dialling ---- */

static void on_dialled(uv_connect_t *r, int status)
{
    struct conn *c = r->data;

    if (c->state == CONN_CLOSED)
        return;
    if (status != 0) {
        link_conn_end(c, uv_strerror(status));
        return;
    }
    if (!c->shake.probe)
        c->link->heard_ms = uv_now(link_loop(c->link));
    conn_begin(c);
}

static void dial_as(struct link *l, struct conn *c)
{
    struct sockaddr_storage from = l->local;
    int rc;

    if (from.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&from)->sin6_port = 0;
    else
        ((struct sockaddr_in *)&from)->sin_port = 0;
    rc = uv_tcp_bind(&c->tcp, (struct sockaddr *)&from, 0);
    if (rc == 0)
        rc = uv_tcp_connect(&c->dial, &c->tcp, (struct sockaddr *)&l->remote, on_dialled);
    if (rc == UV_EADDRNOTAVAIL)
        link_conn_end(c, "cannot dial: 'local' is not an address of this host");
    else if (rc != 0)
        link_conn_end(c, uv_strerror(rc));
}

/* Version 1 cannot say that it succeeds. */
static void dial(struct link *l, enum conn_purpose purpose)
{
    bool succeeds = purpose != CONN_FIRST && l->up->shake.version >= 2;
    struct conn *c = young_count(l) == 0 ? conn_new(l, true, succeeds) : NULL;

    if (c == NULL)
        return;
    l->young[0] = c;
    c->purpose = purpose;
    c->offer = purpose == CONN_FIRST   ? l->offer
               : purpose == CONN_RENEW ? l->up->offer
                                       : l->set->o.shake.version;
    dial_as(l, c);
}

/* We have offered less than we speak.  One that answers with less than was offered speaks no more
 * until its next process, which connects anew. */
static bool may_speak_more(const struct link *l)
{
    return l->up->offer < l->set->o.shake.version;
}

static uint64_t renew_ms(const struct link *l)
{
    return l->set->o.renew_ms != 0 ? l->set->o.renew_ms : LINK_RENEW_MS;
}

static bool is_due(const struct link *l)
{
    return !is_in_use(l->set, l->up) || uv_now(l->set->loop) - l->up_ms >= renew_ms(l);
}

/* The dialler's part: a new handshake, before the old connection ends. */
static void on_renew(uv_timer_t *t)
{
    struct link *l = t->data;

    if (l->up == NULL)
        return;
    if (l->up->state != CONN_UP || l->up->before != NULL) {
        uv_timer_start(&l->renew, on_renew, BUSY_MS, 0);
        return;
    }
    if (is_due(l)) {
        l->up_ms = uv_now(l->set->loop);
        dial(l, CONN_RENEW);
    } else {
        l->newer_ms = 2 * l->newer_ms < NEWER_MAX_MS ? 2 * l->newer_ms : NEWER_MAX_MS;
        dial(l, CONN_NEWER);
    }
    start_renew(l);
}

static void start_renew(struct link *l)
{
    uint64_t age = uv_now(l->set->loop) - l->up_ms, ms = renew_ms(l);
    uint64_t key_ms = l->set->o.key_ms != 0 ? l->set->o.key_ms : LINK_KEY_MS;

    if (l->set->o.shake.node != 0)
        return;
    ms = ms > age ? ms - age : 0;
    if (may_speak_more(l) && ms > l->newer_ms)
        ms = l->newer_ms;
    if (!is_in_use(l->set, l->up) && ms > key_ms) /* The peer may not accept it yet. */
        ms = key_ms;
    uv_timer_start(&l->renew, on_renew, ms, 0);
}

/* ---- listening ---- */

static bool is_peers(const struct link *l, const struct sockaddr_storage *from)
{
    if (from->ss_family != l->remote.ss_family)
        return false;
    if (from->ss_family == AF_INET6)
        return memcmp(&((struct sockaddr_in6 *)from)->sin6_addr,
                      &((struct sockaddr_in6 *)&l->remote)->sin6_addr, 16) == 0;
    return ((struct sockaddr_in *)from)->sin_addr.s_addr ==
           ((struct sockaddr_in *)&l->remote)->sin_addr.s_addr;
}

/* NULL, or why it is not.  Of one that was reset meanwhile nobody knows whose it was. */
static const char *not_of_peer(const struct link *l, const struct conn *c)
{
    struct sockaddr_storage from;
    int len = sizeof(from);

    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&from, &len) != 0)
        return handshake_closed_why(&c->shake);
    return is_peers(l, &from) ? NULL : "a connection from an address that is not the peer's";
}

static void probe_begins(struct link *l, struct conn *c)
{
    if (l->probe != NULL)
        link_conn_end(l->probe, "the next one");
    l->probe = c;
    c->offer = l->set->o.shake.version;
    handshake_probe(&c->shake);
}

/* A stranger takes nobody's place.  It is counted, and says nothing about the peer: why the link is
 * down stays as it was said. */
static void accept_one(struct link *l)
{
    struct conn *c = conn_new(l, false, false);
    const char *why;

    l->accepted++;
    l->accept_waits = c == NULL;
    if (c == NULL)
        return;
    if (uv_accept((uv_stream_t *)&l->listener, (uv_stream_t *)&c->tcp) != 0) {
        conn_close(c);
        return;
    }
    why = not_of_peer(l, c);
    if (why != NULL) {
        conn_close(c);
        tell_refused(l, why);
        return;
    }
    if (l->set->o.shake.node == 0) {
        probe_begins(l, c);
    } else {
        l->heard_ms = uv_now(l->set->loop);
        l->young[young_place(l)] = c;
    }
    conn_begin(c);
}

/* One that is not accepted at once stops libuv from looking for more. */
static void on_connection(uv_stream_t *server, int status)
{
    struct link *l = server->data;

    if (status != 0)
        return;
    if (l->accepted < LINK_ACCEPTS_MAX)
        accept_one(l);
    else
        l->accept_waits = true;
}

static void accept_on(struct link *l)
{
    l->accepted = 0;
    if (l->accept_waits)
        accept_one(l);
}

static void on_listener_closed(uv_handle_t *h)
{
    struct link *l = h->data;

    l->listener_closing = false;
}

static void listen_on(struct link *l)
{
    int rc;

    if (l->listening || l->listener_closing)
        return;
    uv_tcp_init(l->set->loop, &l->listener);
    l->listener.data = l;
    rc = uv_tcp_bind(&l->listener, (struct sockaddr *)&l->local, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&l->listener, 128, on_connection);
    if (rc == 0) {
        l->listening = true;
        return;
    }
    l->listener_closing = true;
    uv_close((uv_handle_t *)&l->listener, on_listener_closed);
    if (l->set->o.shake.node == 0)
        return; /* It goes on dialling, which says what is wrong with the address. */
    link_refused(l, rc == UV_EADDRNOTAVAIL
                        ? "cannot listen: 'local' is not an address of this host"
                        : "cannot listen on the local address; trying again each second");
    start_retry(l, LISTEN_MS);
}

static void stop_listening(struct link *l)
{
    if (!l->listening)
        return;
    l->listening = l->accept_waits = false;
    l->listener_closing = true;
    uv_close((uv_handle_t *)&l->listener, on_listener_closed);
}

/* Two nodes of one id never meet: both dial, or both listen.  So while nothing is heard of the
 * peer, the dialler listens too, and the listener dials too, for a look at the preambles. */
static void on_ask(uv_timer_t *t)
{
    struct link *l = t->data;
    struct conn *c;

    if (l->up != NULL || uv_now(l->set->loop) - l->heard_ms < PROBE_MS)
        return;
    if (l->state.why[0] == '\0')
        snprintf(l->state.why, sizeof(l->state.why), "nothing is heard of the peer");
    if (l->set->o.shake.node == 0) {
        listen_on(l);
        return;
    }
    c = conn_new(l, true, false);
    if (c == NULL)
        return;
    probe_begins(l, c);
    dial_as(l, c);
}

static void on_retry(uv_timer_t *t)
{
    struct link *l = t->data;

    if (l->set->o.shake.node != 0)
        listen_on(l);
    else if (l->up == NULL)
        dial(l, CONN_FIRST);
}

static void start_retry(struct link *l, uint64_t ms)
{
    uv_timer_start(&l->retry, on_retry, ms, 0);
}

/* ---- the set ---- */

static void flush_link(struct link *l)
{
    if (l->up != NULL && l->up->before != NULL && !l->up->before->writing)
        conn_flush(l->up->before);
    if (l->up != NULL && !l->up->writing)
        conn_flush(l->up);
}

static void on_flush(uv_prepare_t *p)
{
    struct link_set *set = p->data;

    for (size_t i = 0; i < set->o.link_count; i++) {
        accept_on(&set->link[i]);
        flush_link(&set->link[i]);
    }
}

static struct conn *carrier(const struct link *l, bool urgent)
{
    struct conn *before = l->up != NULL ? l->up->before : NULL;

    if (before != NULL && !before->fin_sent && (urgent || !before->last_said))
        return before;
    return l->up;
}

int link_set_send(struct link_set *set, int link, const uint8_t *at, size_t len, bool urgent)
{
    struct conn *c = carrier(&set->link[link], urgent);

    if (c == NULL || frames_out_put(&c->out, at, len, urgent) != 0)
        return -1;
    c->pressed |= frames_out_waiting(&c->out) >= CONN_DRAINED;
    return 0;
}

void link_set_push(struct link_set *set)
{
    for (size_t i = 0; i < set->o.link_count; i++) {
        struct conn *up = set->link[i].up;

        if (up != NULL && up->before != NULL)
            conn_push(up->before);
        if (up != NULL)
            conn_push(up);
    }
}

size_t link_set_backlog(const struct link_set *set, int link)
{
    const struct conn *c = set->link[link].up;

    if (c == NULL)
        return 0;
    return frames_out_waiting(&c->out) +
           (c->before != NULL ? frames_out_waiting(&c->before->out) : 0);
}

static void on_kick(uv_async_t *a)
{
    struct link_set *set = a->data;

    for (size_t i = 0; i < set->o.link_count; i++) {
        const char *why = set->link[i].kicked;

        set->link[i].kicked = NULL;
        if (why != NULL && set->link[i].up != NULL)
            link_conn_end(set->link[i].up, why);
    }
}

void link_set_kick(struct link_set *set, int link, const char *reason)
{
    set->link[link].kicked = reason;
    uv_async_send(&set->kick);
}

static bool is_accepted(const struct link_set *set, const struct conn *c)
{
    for (size_t k = 0; k < set->o.shake.key_count; k++) {
        uint8_t id[CONN_KEY_ID];

        conn_key_id(set->o.shake.key[k], id);
        if (memcmp(id, c->key_id, CONN_KEY_ID) == 0)
            return true;
    }
    return false;
}

static bool is_in_use(const struct link_set *set, const struct conn *c)
{
    uint8_t id[CONN_KEY_ID];

    conn_key_id(set->o.shake.key[0], id);
    return memcmp(id, c->key_id, CONN_KEY_ID) == 0;
}

void link_set_keys(struct link_set *set, size_t count, const uint8_t key[LINK_KEYS][NOISE_KEY])
{
    sodium_memzero(set->o.shake.key, sizeof(set->o.shake.key));
    memcpy(set->o.shake.key, key, count * NOISE_KEY);
    set->o.shake.key_count = count;
    for (size_t i = 0; i < set->o.link_count; i++) {
        struct conn *up = set->link[i].up;

        for (size_t k = 0; k < LINK_HANDSHAKES_MAX; k++) { /* Of a key that may be gone. */
            if (set->link[i].young[k] != NULL)
                link_conn_end(set->link[i].young[k], "the keys have changed");
        }
        if (up == NULL)
            continue;
        if (set->o.shake.node == 0 && !is_in_use(set, up) && up->shake.version >= 2)
            uv_timer_start(&set->link[i].renew, on_renew, 0, 0);
        else if (!is_accepted(set, up))
            link_set_kick(set, (int)i, "its key is not accepted any more");
    }
}

static enum link_key key_of(const struct link_set *set, const struct conn *up)
{
    if (up == NULL)
        return LINK_KEY_NONE;
    if (is_in_use(set, up))
        return LINK_KEY_USED;
    return is_accepted(set, up) ? LINK_KEY_ACCEPTED : LINK_KEY_GONE;
}

void link_set_state(const struct link_set *set, int link, struct link_state *out)
{
    *out = set->link[link].state;
    out->key = key_of(set, set->link[link].up);
}

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

static int open_link(struct link_set *set, size_t i, char *err, size_t err_size)
{
    struct link *l = &set->link[i];

    l->set = set;
    l->index = (int)i;
    l->offer = set->o.shake.version;
    if (parse_address(set->o.link[i].local, &l->local) != 0 ||
        parse_address(set->o.link[i].remote, &l->remote) != 0) {
        snprintf(err, err_size, "link %s: not an address and port: %s, %s", set->o.link[i].name,
                 set->o.link[i].local, set->o.link[i].remote);
        return -1;
    }
    uv_timer_init(set->loop, &l->retry);
    uv_timer_init(set->loop, &l->renew);
    uv_timer_init(set->loop, &l->ask);
    l->retry.data = l->renew.data = l->ask.data = l;
    l->heard_ms = uv_now(set->loop);
    uv_timer_start(&l->ask, on_ask, PROBE_MS, PROBE_MS);
    start_retry(l, 0);
    return 0;
}

int link_set_open(struct link_set **out, uv_loop_t *loop, const struct link_options *o,
                  const struct link_callbacks *cb, char *err, size_t err_size)
{
    struct link_set *set = calloc(1, sizeof(*set));

    if (set == NULL)
        return -1;
    set->loop = loop;
    /* With it libuv looks once more before it sleeps, and where to be woken takes longer than to
     * open a frame (a virtual machine) twice as much goes over the link. */
    uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    set->o = *o;
    set->cb = *cb;
    uv_async_init(loop, &set->kick, on_kick);
    uv_prepare_init(loop, &set->flush);
    set->kick.data = set->flush.data = set;
    uv_prepare_start(&set->flush, on_flush);
    for (size_t i = 0; i < o->link_count; i++) {
        if (open_link(set, i, err, err_size) != 0) {
            sodium_memzero(&set->o.shake, sizeof(set->o.shake));
            return -1;
        }
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
            link_conn_end(l->up, "closing");
        for (size_t k = 0; k < LINK_HANDSHAKES_MAX; k++) {
            if (l->young[k] != NULL)
                link_conn_end(l->young[k], "closing");
        }
        if (l->probe != NULL)
            link_conn_end(l->probe, "closing");
        if (l->listening)
            uv_close((uv_handle_t *)&l->listener, NULL);
        uv_close((uv_handle_t *)&l->ask, NULL);
        uv_close((uv_handle_t *)&l->retry, NULL);
        uv_close((uv_handle_t *)&l->renew, NULL);
    }
    uv_close((uv_handle_t *)&set->kick, NULL);
    uv_close((uv_handle_t *)&set->flush, NULL);
    sodium_memzero(&set->o.shake, sizeof(set->o.shake));
}
