/* links: evrep_link */
/* The link between two nodes on loopback (PROTOCOL.md section 9): in order, without a gap when its
 * connection or its key changes, and nothing gets in that the peer did not say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link_uv.h"

enum { LIMIT_MS = 60000, BODY = 600, PASSES = 8 };

struct end {
    struct link_set *set;
    struct link_options o;
    char local[32], remote[32];
    unsigned ups, downs, renewed, refused, frames, urgent;
    uint32_t next, bulk_at_urgent;
    bool out_of_order, forged;
    uint16_t version;
    char why[128], failed[256];
};

/* What stands between the two: it may do with the bytes what it likes. */
struct pass { /* One connection through it. */
    uv_tcp_t side[2];
    uv_connect_t dial;
    uv_shutdown_t shutdown[2];
    struct relay *relay;
    int handles;
    uint64_t seen[2];
    bool ended[2], paused[2], writing[2];
};

struct relay {
    uv_tcp_t listener;
    struct pass *pass[PASSES];
    unsigned passes;  /* Since the start. */
    unsigned hang_up; /* So many are closed at their first bytes, */
    uint16_t newest;  /* and those that offer a newer version than that, if any. */
    bool slow;        /* It reads once before relay_goes_on(). */
    struct sockaddr_in from, to;
    void (*spoil)(struct relay *r, int direction, uint8_t *at, size_t len, uint64_t offset);
    uint64_t arg;
    uint8_t saved[4096];
    size_t saved_len;
};

struct test {
    uv_loop_t loop;
    uv_timer_t limit;
    struct end end[2];
    struct relay relay;
    uint32_t next;
    bool expired;
};

static int port(void)
{
    return 20000 + getpid() % 12000; /* Below those that the kernel gives out. */
}

/* ---- an end ---- */

static void on_up(void *ctx, int link, uint16_t version)
{
    struct end *e = ctx;

    (void)link;
    e->ups++;
    e->version = version;
}

static void on_down(void *ctx, int link, const char *why)
{
    struct end *e = ctx;

    (void)link;
    e->downs++;
    snprintf(e->why, sizeof(e->why), "%s", why);
}

static void on_frame(void *ctx, int link, const uint8_t *at, size_t len)
{
    struct end *e = ctx;
    uint32_t number;

    (void)link;
    if (len != BODY) {
        e->forged = true;
        return;
    }
    memcpy(&number, at, 4);
    if (number == UINT32_MAX) {
        e->urgent++;
        e->bulk_at_urgent = e->next;
        return;
    }
    e->out_of_order |= number != e->next;
    e->next = number + 1;
    e->frames++;
}

static void on_refused(void *ctx, int link, const char *why)
{
    struct end *e = ctx;

    (void)link;
    e->refused++;
    snprintf(e->why, sizeof(e->why), "%s", why);
}

static void on_renewed(void *ctx, int link, bool other_key)
{
    struct end *e = ctx;

    (void)link;
    (void)other_key;
    e->renewed++;
}

static void on_failed(void *ctx, int link, const char *why)
{
    struct end *e = ctx;

    (void)link;
    if (strstr(why, "closes at our first bytes") != NULL)
        snprintf(e->failed, sizeof(e->failed), "%s", why);
}

static void on_nothing(void *ctx)
{
    (void)ctx;
}

static void on_drain(void *ctx, int link)
{
    (void)ctx;
    (void)link;
}

static void end_open(struct test *t, int i)
{
    struct end *e = &t->end[i];
    struct link_callbacks cb = {.ctx = e,
                                .on_up = on_up,
                                .on_down = on_down,
                                .on_frame = on_frame,
                                .on_batch = on_nothing,
                                .on_refused = on_refused,
                                .on_renewed = on_renewed,
                                .on_drain = on_drain,
                                .on_failed = on_failed};
    char err[256] = "";

    assert_int_equal(link_set_open(&e->set, &t->loop, &e->o, &cb, err, sizeof(err)), 0);
}

static void end_options(struct test *t, int i, const char *remote)
{
    struct end *e = &t->end[i];

    snprintf(e->local, sizeof(e->local), "127.8.0.%d:%d", i + 1, port());
    snprintf(e->remote, sizeof(e->remote), "%s:%d", remote, port());
    e->o = (struct link_options){
        .shake = {.node = (uint8_t)i, .cluster_id = 7, .version = LINK_VERSION, .key_count = 1},
        .renew_ms = 3600000,
        .link_count = 1,
        .link = {{"control", e->local, e->remote}},
    };
    memset(e->o.shake.key[0], 42, NOISE_KEY);
}

/* ---- the loop ---- */

static void on_limit(uv_timer_t *timer)
{
    ((struct test *)timer->data)->expired = true;
}

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    uv_loop_init(&t->loop);
    uv_timer_init(&t->loop, &t->limit);
    t->limit.data = t;
    uv_timer_start(&t->limit, on_limit, LIMIT_MS, 0);
    end_options(t, 0, "127.8.0.2");
    end_options(t, 1, "127.8.0.1");
    *state = t;
    return 0;
}

static void close_all(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void on_side_closed(uv_handle_t *h)
{
    struct pass *p = h->data;

    if (--p->handles == 0)
        free(p);
}

static void pass_close(struct pass *p)
{
    for (size_t i = 0; i < PASSES; i++) {
        if (p->relay->pass[i] == p)
            p->relay->pass[i] = NULL;
    }
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&p->side[i], on_side_closed);
}

static void relay_close(struct relay *r)
{
    for (size_t i = 0; i < PASSES; i++) {
        if (r->pass[i] != NULL)
            pass_close(r->pass[i]);
    }
}

static int tear_down(void **state)
{
    struct test *t = *state;

    relay_close(&t->relay);
    for (int i = 0; i < 2; i++) {
        if (t->end[i].set != NULL)
            link_set_close(t->end[i].set);
    }
    uv_run(&t->loop, UV_RUN_NOWAIT);
    relay_close(&t->relay); /* It may have taken another connection just then. */
    uv_walk(&t->loop, close_all, NULL);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    free(t->end[0].set);
    free(t->end[1].set);
    free(t);
    return 0;
}

#define WAIT(t, condition)                                                                         \
    do {                                                                                           \
        while (!(condition) && !(t)->expired)                                                      \
            uv_run(&(t)->loop, UV_RUN_ONCE);                                                       \
        if (!(condition))                                                                          \
            fail_msg("waited in vain for: " #condition                                             \
                     " (up %u, down %u, %s; up %u, down %u, %s)",                                  \
                     (t)->end[0].ups, (t)->end[0].downs, (t)->end[0].why, (t)->end[1].ups,         \
                     (t)->end[1].downs, (t)->end[1].why);                                          \
    } while (0)

static bool send_number(struct test *t, int from, uint32_t number, bool urgent)
{
    uint8_t body[BODY] = {0};

    memcpy(body, &number, 4);
    return link_set_send(t->end[from].set, 0, body, sizeof(body), urgent) == 0;
}

/* Keeps the link busy from node `from`. */
static void feed(struct test *t, int from, unsigned n)
{
    while (n-- > 0 && link_set_backlog(t->end[from].set, 0) < 1 << 20 &&
           send_number(t, from, t->next, false))
        t->next++;
}

static unsigned refused(const struct test *t, int end)
{
    struct link_state now;

    link_set_state(t->end[end].set, 0, &now);
    return (unsigned)now.refused;
}

static void start_both(struct test *t)
{
    end_open(t, 1);
    end_open(t, 0);
    WAIT(t, t->end[0].ups > 0 && t->end[1].ups > 0);
    assert_int_equal(t->end[0].downs + t->end[1].downs, 0);
}

/* ---- the relay ---- */

static void on_relay_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    static char bytes[65536];

    (void)h;
    (void)hint;
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

struct rest {
    uv_write_t write;
    bool *writing;
    char bytes[];
};

static void on_rest(uv_write_t *w, int status)
{
    struct rest *rest = w->data;

    (void)status;
    *rest->writing = false;
    free(rest);
}

/* What the kernel does not take, later; a relay that is slow reads no more meanwhile. */
static void pass_on(struct pass *p, int from, uv_buf_t out)
{
    uv_stream_t *to = (uv_stream_t *)&p->side[1 - from];
    int n = uv_try_write(to, &out, 1);
    size_t left = out.len - (size_t)(n > 0 ? n : 0);
    struct rest *rest;

    if (left == 0 || (n < 0 && n != UV_EAGAIN))
        return;
    rest = malloc(sizeof(*rest) + left);
    assert_non_null(rest);
    memcpy(rest->bytes, out.base + out.len - left, left);
    rest->write.data = rest;
    rest->writing = &p->writing[from];
    p->writing[from] = true;
    out = uv_buf_init(rest->bytes, (unsigned)left);
    uv_write(&rest->write, to, &out, 1, on_rest);
}

/* A connection that is succeeded ends on one side first. */
static void pass_end(struct pass *p, int from)
{
    p->ended[from] = true;
    uv_read_stop((uv_stream_t *)&p->side[from]);
    if (p->ended[1 - from] ||
        uv_shutdown(&p->shutdown[from], (uv_stream_t *)&p->side[1 - from], NULL) != 0)
        pass_close(p);
}

static void on_relay_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct pass *p = s->data;
    struct relay *r = p->relay;
    int from = s == (uv_stream_t *)&p->side[0] ? 0 : 1;
    uv_buf_t out;

    if (n < 0) {
        pass_end(p, from);
        return;
    }
    if (from == 0 && p->seen[0] == 0 && n > 5 &&
        (r->hang_up > 0 || (r->newest != 0 && buf->base[4] > r->newest))) {
        r->hang_up -= r->hang_up > 0;
        pass_close(p);
        return;
    }
    if (r->spoil != NULL)
        r->spoil(r, from, (uint8_t *)buf->base, (size_t)n, p->seen[from]);
    p->seen[from] += (uint64_t)n;
    out = uv_buf_init(buf->base, (unsigned)n);
    pass_on(p, from, out);
    if (r->slow) {
        p->paused[from] = true;
        uv_read_stop(s);
    }
}

static void relay_goes_on(struct relay *r)
{
    for (size_t i = 0; i < PASSES; i++) {
        for (int side = 0; side < 2 && r->pass[i] != NULL; side++) {
            struct pass *p = r->pass[i];

            if (!p->paused[side] || p->writing[side])
                continue;
            p->paused[side] = false;
            uv_read_start((uv_stream_t *)&p->side[side], on_relay_alloc, on_relay_read);
        }
    }
}

static void on_relay_dialled(uv_connect_t *c, int status)
{
    struct pass *p = c->data;

    if (uv_is_closing((uv_handle_t *)&p->side[0]))
        return;
    if (status != 0) {
        pass_close(p);
        return;
    }
    for (int i = 0; i < 2; i++)
        uv_read_start((uv_stream_t *)&p->side[i], on_relay_alloc, on_relay_read);
}

static void on_relay_connection(uv_stream_t *server, int status)
{
    struct relay *r = server->data;
    struct pass *p = calloc(1, sizeof(*p));
    int size = 32 << 10;

    assert_int_equal(status, 0);
    if (r->pass[r->passes % PASSES] != NULL)
        pass_close(r->pass[r->passes % PASSES]);
    r->pass[r->passes++ % PASSES] = p;
    p->relay = r;
    p->handles = 2;
    p->dial.data = p;
    for (int i = 0; i < 2; i++) {
        uv_tcp_init(server->loop, &p->side[i]);
        p->side[i].data = p;
    }
    assert_int_equal(uv_accept(server, (uv_stream_t *)&p->side[0]), 0);
    uv_tcp_bind(&p->side[1], (struct sockaddr *)&r->from, 0);
    if (r->slow)
        uv_recv_buffer_size((uv_handle_t *)&p->side[1], &size);
    uv_tcp_connect(&p->dial, &p->side[1], (struct sockaddr *)&r->to, on_relay_dialled);
}

static void relay_open(struct test *t)
{
    struct relay *r = &t->relay;
    struct sockaddr_in at;

    end_options(t, 0, "127.8.0.3");
    uv_ip4_addr("127.8.0.3", port(), &at);
    uv_ip4_addr("127.8.0.1", 0, &r->from);
    uv_ip4_addr("127.8.0.2", port(), &r->to);
    uv_tcp_init(&t->loop, &r->listener);
    r->listener.data = r;
    assert_int_equal(uv_tcp_bind(&r->listener, (struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&r->listener, 16, on_relay_connection), 0);
}

/* One bit of all that goes in one direction, at an offset. */
static void flip(struct relay *r, int direction, uint8_t *at, size_t len, uint64_t offset)
{
    uint64_t bit = r->arg >> 1, byte = bit / 8;

    if (direction == (int)(r->arg & 1) && byte >= offset && byte < offset + len)
        at[byte - offset] ^= (uint8_t)(1u << bit % 8);
}

/* ---- succession ---- */

static void renewed_under_load_nothing_is_lost_or_out_of_order(void **state)
{
    struct test *t = *state;

    t->end[0].o.renew_ms = 5;
    start_both(t);
    for (int from = 0; from < 2; from++) {
        unsigned want = t->end[0].renewed + 20;

        t->next = 0;
        while ((t->end[0].renewed < want || t->next < 1000) && !t->expired) {
            feed(t, from, 200);
            uv_run(&t->loop, UV_RUN_ONCE);
        }
        assert_false(t->expired);
        WAIT(t, t->end[1 - from].next == t->next);
        assert_false(t->end[1 - from].out_of_order);
    }
    assert_int_equal(t->end[0].downs + t->end[1].downs, 0);
    assert_int_equal(t->end[0].ups + t->end[1].ups, 2);
    assert_int_equal(refused(t, 0) + refused(t, 1), 0);
}

static void keys(struct end *e, uint8_t use, int accept)
{
    uint8_t key[LINK_KEYS][NOISE_KEY];

    memset(key[0], use, NOISE_KEY);
    memset(key[1], accept, NOISE_KEY);
    link_set_keys(e->set, accept >= 0 ? 2 : 1, key);
}

/* In the order of the manual: accept the new one, use the new one, forget the old one. */
static void keys_are_changed_without_a_gap(void **state)
{
    struct test *t = *state;

    for (int first = 0; first < 2; first++) {
        if (first == 1) {
            tear_down(state);
            set_up(state);
            t = *state;
        }
        start_both(t);
        keys(&t->end[first], 42, 43);
        keys(&t->end[1 - first], 42, 43);
        feed(t, 0, 500);
        keys(&t->end[first], 43, 42);
        feed(t, 0, 500);
        keys(&t->end[1 - first], 43, 42);
        WAIT(t, t->end[1].renewed == 1 && t->end[1].next == t->next);
        keys(&t->end[first], 43, -1);
        keys(&t->end[1 - first], 43, -1);
        feed(t, 0, 500);
        WAIT(t, t->end[1].next == t->next);
        assert_int_equal(t->end[0].downs + t->end[1].downs, 0);
        assert_false(t->end[1].out_of_order);
    }
}

static void a_key_that_is_not_accepted_any_more_ends_its_connection(void **state)
{
    struct test *t = *state;

    start_both(t);
    keys(&t->end[1], 43, -1);
    WAIT(t, t->end[1].downs == 1 && t->end[1].refused > 0);
    assert_string_equal(t->end[1].why, "wrong key");
    keys(&t->end[0], 43, -1);
    WAIT(t, t->end[1].ups == 2 && t->end[0].ups == 2);
}

/* The dialler has said its proof, and node 1 has not read it when its operator takes the key away.
 */
static void a_handshake_under_a_key_that_went_is_no_link(void **state)
{
    struct test *t = *state;

    end_open(t, 1);
    end_open(t, 0);
    WAIT(t, t->end[0].ups == 1);
    keys(&t->end[1], 43, -1);
    WAIT(t, t->end[0].downs == 1);
    assert_int_equal(t->end[1].ups, t->end[1].downs);
}

/* The one that dials uses the new key before the other accepts it. */
static void a_key_change_in_the_wrong_order_heals(void **state)
{
    struct test *t = *state;
    struct link_state dialler, listener;

    t->end[0].o.key_ms = 10;
    start_both(t);
    keys(&t->end[0], 43, 42);
    WAIT(t, t->end[1].refused > 0);
    assert_string_equal(t->end[1].why, "wrong key");
    link_set_state(t->end[0].set, 0, &dialler);
    link_set_state(t->end[1].set, 0, &listener);
    assert_int_equal(dialler.key, LINK_KEY_ACCEPTED);
    assert_int_equal(listener.key, LINK_KEY_USED);
    keys(&t->end[1], 42, 43);
    WAIT(t, t->end[0].renewed == 1 && t->end[1].renewed == 1);
    link_set_state(t->end[0].set, 0, &dialler);
    link_set_state(t->end[1].set, 0, &listener);
    assert_int_equal(dialler.key, LINK_KEY_USED);
    assert_int_equal(listener.key, LINK_KEY_ACCEPTED);
    feed(t, 0, 500);
    WAIT(t, t->end[1].next == t->next);
    assert_int_equal(t->end[0].downs + t->end[1].downs, 0);
}

/* Why the link is down is what its peer did, not what somebody else did. */
static void a_stranger_is_not_the_reason(void **state)
{
    struct test *t = *state;
    struct link_state now;
    struct sockaddr_in from, to;
    static uv_connect_t dial;
    static uv_tcp_t stranger;

    end_open(t, 1);
    uv_ip4_addr("127.8.0.77", 0, &from);
    uv_ip4_addr("127.8.0.2", port(), &to);
    uv_run(&t->loop, UV_RUN_NOWAIT);
    uv_tcp_init(&t->loop, &stranger);
    uv_tcp_bind(&stranger, (struct sockaddr *)&from, 0);
    assert_int_equal(
        uv_tcp_connect(&dial, &stranger, (struct sockaddr *)&to, (uv_connect_cb)(void *)on_nothing),
        0);
    WAIT(t, t->end[1].refused > 0);
    assert_string_equal(t->end[1].why, "a connection from an address that is not the peer's");
    link_set_state(t->end[1].set, 0, &now);
    assert_string_equal(now.why, "");
}

/* ---- versions ---- */

static void one_version_back_is_spoken(void **state)
{
    struct test *t = *state;

    for (int old = 0; old < 2; old++) {
        if (old == 1) {
            tear_down(state);
            set_up(state);
            t = *state;
        }
        t->end[old].o.shake.version = LINK_VERSION_OLD;
        start_both(t);
        assert_int_equal(t->end[0].version, LINK_VERSION_OLD);
        assert_int_equal(t->end[1].version, LINK_VERSION_OLD);
        feed(t, 0, 100);
        WAIT(t, t->end[1].next == t->next);
    }
}

/* It takes a new connection, as that version cannot say that one goes on for another: both ends
 * know that theirs is another one. */
static void a_connection_of_version_1_is_renewed_by_a_new_one(void **state)
{
    struct test *t = *state;

    t->end[0].o.shake.version = t->end[1].o.shake.version = LINK_VERSION_OLD;
    t->end[0].o.renew_ms = 20;
    start_both(t);
    for (unsigned n = 1; n < 5; n++) {
        WAIT(t, t->end[0].ups > n && t->end[1].ups > n);
        t->end[1].next = t->next = 0;
        WAIT(t, ({
                 feed(t, 0, 1);
                 t->end[1].next > 0;
             }));
        assert_true(t->end[0].downs >= n && t->end[1].downs >= n);
    }
    assert_int_equal(t->end[0].renewed + t->end[1].renewed, 0);
    assert_int_equal(t->end[0].version, LINK_VERSION_OLD);
}

/* One that answers with less than was offered has said all that it speaks. */
static void an_older_peer_is_renewed_without_a_gap(void **state)
{
    struct test *t = *state;
    struct link_state now;

    t->end[1].o.shake.version = LINK_VERSION - 1;
    t->end[0].o.renew_ms = 20;
    start_both(t);
    WAIT(t, ({
             feed(t, 0, 1);
             t->end[0].renewed >= 5;
         }));
    WAIT(t, t->end[1].next == t->next);
    assert_int_equal(t->end[0].downs + t->end[1].downs, 0);
    link_set_state(t->end[0].set, 0, &now);
    assert_int_equal(now.version, LINK_VERSION - 1);
}

static void who_closes_our_connections_lowers_no_version(void **state)
{
    struct test *t = *state;

    relay_open(t);
    start_both(t);
    assert_int_equal(t->end[0].version, LINK_VERSION);
    t->relay.hang_up = 4; /* Three would do for a peer that was never heard. */
    relay_close(&t->relay);
    WAIT(t, t->end[0].ups == 2 && t->end[1].ups == 2);
    assert_int_equal(t->relay.hang_up, 0);
    assert_int_equal(t->end[0].version, LINK_VERSION);
    assert_string_equal(t->end[0].failed, "");
}

static void a_peer_may_become_an_older_program_in_time(void **state)
{
    struct test *t = *state;

    relay_open(t);
    t->end[0].o.downgrade_ms = 500;
    start_both(t);
    t->relay.newest = LINK_VERSION_OLD;
    relay_close(&t->relay);
    WAIT(t, t->end[0].ups == 2 && t->end[1].ups == 2);
    assert_int_equal(t->end[0].version, LINK_VERSION_OLD);
    assert_string_not_equal(t->end[0].failed, "");
}

/* Before anything was heard of the peer a version can be lowered, for a second. */
static void a_version_that_was_lowered_is_raised_again(void **state)
{
    struct test *t = *state;

    relay_open(t);
    t->relay.newest = LINK_VERSION_OLD;
    end_open(t, 1);
    end_open(t, 0);
    WAIT(t, t->end[0].ups == 1 && t->end[1].ups == 1);
    assert_int_equal(t->end[0].version, LINK_VERSION_OLD);
    t->relay.newest = 0;
    WAIT(t, t->end[0].ups == 2 && t->end[1].ups == 2);
    assert_int_equal(t->end[0].version, LINK_VERSION);
}

/* The peer is asked whether it has learned more; it has not, and the session goes on. */
static void to_ask_for_a_newer_version_ends_nothing(void **state)
{
    struct test *t = *state;
    struct pass **asking;
    unsigned passes, before;

    relay_open(t);
    t->end[1].o.shake.version = LINK_VERSION - 1;
    t->relay.hang_up = 3;
    end_open(t, 1);
    end_open(t, 0);
    WAIT(t, t->end[0].ups == 1 && t->end[1].ups == 1);
    passes = t->relay.passes;
    asking = &t->relay.pass[passes % PASSES];
    before = refused(t, 1);
    WAIT(t, t->relay.passes > passes && *asking == NULL);
    assert_int_equal(refused(t, 1), before);
    WAIT(t, ({
             feed(t, 0, 1);
             t->end[1].next > 20;
         }));
    assert_int_equal(t->end[0].downs + t->end[1].downs, 0);
    assert_int_equal(t->end[0].renewed, 0);
    assert_false(t->end[1].out_of_order);
}

/* ---- heartbeats ---- */

/* How much bulk passes while an urgent frame is on its way, at most. */
struct delay {
    unsigned seen, since, worst;
};

static void send_when_there(struct test *t, struct delay *d, int from)
{
    if (t->end[1 - from].urgent == d->seen) {
        unsigned waited = t->end[0].frames - d->since;

        d->worst = waited > d->worst ? waited : d->worst;
        return;
    }
    d->seen = t->end[1 - from].urgent;
    d->since = t->end[0].frames;
    assert_true(send_number(t, from, UINT32_MAX, true));
}

/* The listener has as much to send as its queue holds when its connection is succeeded: neither
 * side's heartbeats wait for that. */
static void urgent_frames_wait_for_no_succession(void **state)
{
    enum { WORST = 3000, RENEWED = 3 }; /* Of 13,000 that are in the queue. */
    struct test *t = *state;
    struct delay delay[2] = {{.seen = UINT_MAX}, {.seen = UINT_MAX}};

    relay_open(t);
    t->relay.slow = true;
    t->end[0].o.renew_ms = 20;
    end_open(t, 1);
    end_open(t, 0);
    WAIT(t, ({
             relay_goes_on(&t->relay);
             t->end[0].ups == 1 && t->end[1].ups == 1;
         }));
    while (t->end[0].renewed < RENEWED && !t->expired) {
        while (send_number(t, 1, t->next, false))
            t->next++;
        for (int from = 0; from < 2; from++)
            send_when_there(t, &delay[from], from);
        relay_goes_on(&t->relay);
        uv_run(&t->loop, UV_RUN_ONCE);
    }
    assert_int_equal(t->end[0].renewed, RENEWED);
    assert_int_equal(t->end[0].downs + t->end[1].downs, 0);
    assert_false(t->end[0].out_of_order);
    print_message("frames of bulk meanwhile, at most: %u, %u\n", delay[0].worst, delay[1].worst);
    assert_true(delay[0].worst < WORST && delay[1].worst < WORST);
}

static void urgent_frames_overtake_bulk(void **state)
{
    struct test *t = *state;

    start_both(t);
    feed(t, 0, 1000); /* 600 kB: more than the stage and less than the bound. */
    assert_true(send_number(t, 0, UINT32_MAX, true));
    WAIT(t, t->end[1].next == t->next);
    assert_int_equal(t->end[1].urgent, 1);
    assert_true(t->end[1].bulk_at_urgent < t->next);
}

/* ---- hostile ---- */

static void a_frame_of_impossible_length_is_counted(void **state)
{
    struct test *t = *state;

    relay_open(t);
    start_both(t);
    t->relay.arg = ((82 + FRAME_LENGTH_SIZE) * 8 - 1) << 1; /* The first frame's highest bit. */
    t->relay.spoil = flip;
    feed(t, 0, 1);
    WAIT(t, t->end[1].downs == 1);
    assert_int_equal(t->end[1].refused, 1);
    assert_string_equal(t->end[1].why, "a frame of impossible length");
}

static int socket_at(const char *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at;

    uv_ip4_addr(address, 0, &at);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void connect_from(const char *address, int *fd, unsigned count)
{
    struct sockaddr_in to;

    uv_ip4_addr("127.8.0.2", port(), &to);
    for (unsigned i = 0; i < count; i++) { /* The kernel answers, whether or not we do. */
        fd[i] = socket_at(address);
        assert_int_equal(connect(fd[i], (struct sockaddr *)&to, sizeof(to)), 0);
    }
}

static void close_many(const int *fd, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fd[i]);
}

static void a_turn_of_the_loop_accepts_a_few(void **state)
{
    enum { MANY = 100 };
    struct test *t = *state;
    int fd[MANY];

    end_open(t, 1);
    uv_run(&t->loop, UV_RUN_NOWAIT);
    connect_from("127.8.0.77", fd, MANY);
    for (unsigned last = 0; last < MANY && !t->expired;) {
        unsigned now;

        uv_run(&t->loop, UV_RUN_ONCE);
        now = refused(t, 1);
        assert_true(now - last <= LINK_ACCEPTS_MAX + 1);
        last = now;
    }
    assert_false(t->expired);
    close_many(fd, MANY);
    end_open(t, 0);
    WAIT(t, t->end[1].ups == 1);
}

/* All places are taken by unfinished handshakes of the peer's address. */
static void a_stranger_takes_nobody_s_place(void **state)
{
    struct test *t = *state;
    int fd[LINK_HANDSHAKES_MAX], stranger;
    char byte;

    end_open(t, 1);
    uv_run(&t->loop, UV_RUN_NOWAIT);
    connect_from("127.8.0.1", fd, LINK_HANDSHAKES_MAX);
    for (int i = 0; i < LINK_HANDSHAKES_MAX; i++)
        uv_run(&t->loop, UV_RUN_NOWAIT);
    connect_from("127.8.0.77", &stranger, 1);
    WAIT(t, refused(t, 1) > 0);
    assert_string_equal(t->end[1].why, "a connection from an address that is not the peer's");
    assert_int_equal(refused(t, 1), 1);
    for (int i = 0; i < LINK_HANDSHAKES_MAX; i++)
        assert_int_equal(recv(fd[i], &byte, 1, MSG_DONTWAIT), -1);
    close_many(fd, LINK_HANDSHAKES_MAX);
    close(stranger);
}

static void no_flipped_bit_is_accepted(void **state)
{
    struct test *t = *state;
    uint64_t seed = randombytes_uniform(1u << 20), at = seed;

    print_message("seed %llu\n", (unsigned long long)seed);
    relay_open(t);
    t->relay.spoil = flip;
    end_open(t, 1);
    end_open(t, 0);
    for (int i = 0; i < 5; i++) { /* The handshake of the dialler has 82 bytes, the other's 60. */
        unsigned before = t->end[0].downs + t->end[1].downs + t->end[1].refused + t->end[0].refused;

        at = at * 6364136223846793005ull + 1442695040888963407ull;
        t->relay.arg = (at >> 33) % (8 * 120) << 1 | (unsigned)(i & 1);
        WAIT(t, ({
                 feed(t, 0, 1);
                 feed(t, 1, 1);
                 t->end[0].downs + t->end[1].downs + t->end[1].refused + t->end[0].refused >
                         before ||
                     t->end[0].frames > 40;
             }));
        relay_close(&t->relay);
        t->end[0].frames = 0;
        uv_run(&t->loop, UV_RUN_NOWAIT);
    }
    assert_false(t->end[0].forged || t->end[1].forged);
    t->relay.spoil = NULL;
    relay_close(&t->relay);
    t->end[0].ups = t->end[1].ups = 0;
    WAIT(t, t->end[0].ups > 0 && t->end[1].ups > 0); /* And it recovers. */
}

/* The dialler's whole side of one connection, played again later. */
static void save(struct relay *r, int direction, uint8_t *at, size_t len, uint64_t offset)
{
    (void)offset;
    if (direction != 0 || r->saved_len + len > sizeof(r->saved))
        return;
    memcpy(r->saved + r->saved_len, at, len);
    r->saved_len += len;
}

static void play(struct relay *r, int direction, uint8_t *at, size_t len, uint64_t offset)
{
    if (direction == 0 && offset + len <= r->saved_len)
        memcpy(at, r->saved + offset, len);
}

/* Section 9: no replay. */
static void a_replayed_connection_is_refused(void **state)
{
    struct test *t = *state;
    unsigned frames;

    relay_open(t);
    t->relay.spoil = save;
    start_both(t);
    feed(t, 0, 3);
    WAIT(t, t->end[1].frames == 3);
    t->relay.spoil = play;
    relay_close(&t->relay);
    frames = t->end[1].frames;
    t->end[1].ups = 0;
    WAIT(t, t->end[1].refused > 0 || t->end[0].refused > 0);
    assert_int_equal(t->end[1].ups, 0);
    assert_int_equal(t->end[1].frames, frames);
}

static void reflect(struct relay *r, int direction, uint8_t *at, size_t len, uint64_t offset)
{
    (void)offset;
    if (direction == 0 && r->saved_len + len <= sizeof(r->saved)) {
        memcpy(r->saved + r->saved_len, at, len);
        r->saved_len += len;
    } else if (direction == 1) {
        memcpy(at, r->saved, len < r->saved_len ? len : r->saved_len);
    }
}

static void a_reflected_connection_is_refused(void **state)
{
    struct test *t = *state;

    relay_open(t);
    t->relay.spoil = reflect;
    end_open(t, 1);
    end_open(t, 0);
    WAIT(t, t->end[0].refused > 0);
    assert_int_equal(t->end[0].ups, 0);
    assert_string_equal(t->end[0].why,
                        "the same node id on both sides: the peer says that it is node 0 too");
}

/* As a dialler says it: its preamble, and the first bytes of a Noise message. */
static void say_some_of_a_handshake(int fd, size_t len, uint16_t version)
{
    uint8_t said[PREAMBLE_SIZE + NOISE_MESSAGE] = "EVRL";

    said[4] = (uint8_t)version;
    said[8] = 7;
    assert_int_equal(send(fd, said, len, 0), (ssize_t)len);
}

static void end_it(int fd, bool reset)
{
    struct linger at_once = {1, 0};

    if (reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

static const size_t broken_at[] = {
    0, 1, PREAMBLE_SIZE - 1, PREAMBLE_SIZE, PREAMBLE_SIZE + 1, PREAMBLE_SIZE + NOISE_MESSAGE - 1};

/* What the other side has done before it ends; else that comes all at once. */
enum { ACCEPTED = 1, READ = 2 };

static void break_off(struct test *t, size_t at, bool reset, int done)
{
    unsigned before = refused(t, 1);
    struct link_state now;
    uint64_t have;
    int fd;

    link_set_state(t->end[1].set, 0, &now);
    have = now.received;
    connect_from("127.8.0.1", &fd, 1);
    for (int i = 0; i < 3 && done >= ACCEPTED; i++)
        uv_run(&t->loop, UV_RUN_NOWAIT);
    say_some_of_a_handshake(fd, at, LINK_VERSION);
    WAIT(t, ({
             link_set_state(t->end[1].set, 0, &now);
             done < READ || now.received == have + at;
         }));
    end_it(fd, reset);
    WAIT(t, refused(t, 1) > before);
    assert_int_equal(refused(t, 1), before + 1);
    assert_string_equal(t->end[1].why, "the handshake was broken off");
}

static void a_handshake_that_is_broken_off_is_refused(void **state)
{
    struct test *t = *state;

    end_open(t, 1);
    uv_run(&t->loop, UV_RUN_NOWAIT);
    for (int how = 0; how < 6; how++) {
        for (size_t i = 0; i < sizeof(broken_at) / sizeof(broken_at[0]); i++)
            break_off(t, broken_at[i], how & 1, how / 2);
    }
    assert_true(t->end[1].refused < 36); /* It is told once a second. */
    end_open(t, 0);
    WAIT(t, t->end[0].ups == 1 && t->end[1].ups == 1);
    break_off(t, PREAMBLE_SIZE, false, READ); /* Beside a link that is up, too. */
    assert_int_equal(t->end[1].downs, 0);
}

/* The dialler listens, too, while nothing is heard of the peer. */
static void a_probe_that_is_broken_off_is_counted(void **state)
{
    struct test *t = *state;
    int fd = socket_at("127.8.0.2");
    struct sockaddr_in to;
    struct link_state now;

    end_open(t, 0);
    uv_ip4_addr("127.8.0.1", port(), &to);
    while (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && !t->expired)
        uv_run(&t->loop, UV_RUN_ONCE);
    end_it(fd, false);
    WAIT(t, refused(t, 0) == 1);
    assert_string_equal(t->end[0].why, "the handshake was broken off");
    link_set_state(t->end[0].set, 0, &now);
    assert_string_not_equal(now.why, "the handshake was broken off");
}

/* A thief at the peer's own address opens connections and says nothing, or rubbish. */
static void a_flood_of_handshakes_keeps_no_peer_out(void **state)
{
    enum { FLOOD = 300 };
    struct test *t = *state;
    static uv_tcp_t thief[FLOOD];
    static uv_connect_t dial[FLOOD];
    struct sockaddr_in from, to;

    end_open(t, 1);
    uv_ip4_addr("127.8.0.1", 0, &from);
    uv_ip4_addr("127.8.0.2", port(), &to);
    uv_run(&t->loop, UV_RUN_NOWAIT);
    for (int i = 0; i < FLOOD; i++) {
        uv_tcp_init(&t->loop, &thief[i]);
        uv_tcp_bind(&thief[i], (struct sockaddr *)&from, 0);
        assert_int_equal(uv_tcp_connect(&dial[i], &thief[i], (struct sockaddr *)&to,
                                        (uv_connect_cb)(void *)on_nothing),
                         0);
        uv_run(&t->loop, UV_RUN_NOWAIT);
    }
    end_open(t, 0);
    WAIT(t, t->end[0].ups == 1 && t->end[1].ups == 1);
    feed(t, 0, 100);
    WAIT(t, t->end[1].next == t->next);
    assert_int_equal(t->end[1].downs, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(renewed_under_load_nothing_is_lost_or_out_of_order),
        TEST(keys_are_changed_without_a_gap),
        TEST(a_key_that_is_not_accepted_any_more_ends_its_connection),
        TEST(a_handshake_under_a_key_that_went_is_no_link),
        TEST(a_key_change_in_the_wrong_order_heals),
        TEST(a_stranger_is_not_the_reason),
        TEST(one_version_back_is_spoken),
        TEST(a_connection_of_version_1_is_renewed_by_a_new_one),
        TEST(an_older_peer_is_renewed_without_a_gap),
        TEST(who_closes_our_connections_lowers_no_version),
        TEST(a_peer_may_become_an_older_program_in_time),
        TEST(a_version_that_was_lowered_is_raised_again),
        TEST(to_ask_for_a_newer_version_ends_nothing),
        TEST(urgent_frames_wait_for_no_succession),
        TEST(urgent_frames_overtake_bulk),
        TEST(a_frame_of_impossible_length_is_counted),
        TEST(a_turn_of_the_loop_accepts_a_few),
        TEST(a_stranger_takes_nobody_s_place),
        TEST(no_flipped_bit_is_accepted),
        TEST(a_replayed_connection_is_refused),
        TEST(a_reflected_connection_is_refused),
        TEST(a_flood_of_handshakes_keeps_no_peer_out),
        TEST(a_handshake_that_is_broken_off_is_refused),
        TEST(a_probe_that_is_broken_off_is_counted),
    };

    signal(SIGPIPE, SIG_IGN); /* As evrepd has it: the relay writes to who has gone. */
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
