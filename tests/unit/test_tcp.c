/* links: evrep_sinks */
/* A TCP sink, and ports that are no collector's: what counts as arrived there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink.h"
#include "syslog_heard.h"

enum { ROUNDS = 4, SINKS_MAX = 8 };

static struct {
    uv_loop_t loop;
    struct sink *sink;
} opened[SINKS_MAX]; /* One for each server; they stay, as in a daemon. */
static size_t opened_count;

static int listener;
static char address[32];

static int setup(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(listener, 4), 0);
    getsockname(listener, (struct sockaddr *)&a, &len);
    snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(a.sin_port));
    return 0;
}

/* ---- servers: each takes a connection, and ends it ---- */

/* As OpenSSL does with a first byte that is none of TLS's. */
static void speaks_tls(int fd)
{
    static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 70};
    char header[5];

    recv(fd, header, sizeof(header), MSG_WAITALL);
    send(fd, alert, sizeof(alert), MSG_NOSIGNAL);
}

/* A relay that has lost its server: it took some, and leaves the rest unread. */
static void resets(int fd)
{
    char some[5];

    recv(fd, some, sizeof(some), MSG_WAITALL);
}

static void closes_after_a_record(int fd)
{
    char record[13]; /* With the count before it. */

    recv(fd, record, sizeof(record), MSG_WAITALL);
}

static void serve(void *arg)
{
    void (*server)(int fd) = *(void (**)(int))arg;
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        server(fd);
        close(fd);
    }
}

/* ---- the sink's host ---- */

static struct host {
    struct sink *sink;
    char said[SINK_ERROR_MAX];
    size_t most, handed, confirmed, lost, downs;
} h;

static size_t on_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    static const uint8_t record[] = "<14>1 abc";
    size_t n = 0;

    (void)ctx;
    (void)max_bytes;
    while (n < max && h.handed < h.most) {
        items[n++] = (struct sink_item){.bytes = record, .len = sizeof(record)};
        h.handed++;
    }
    return n;
}

static void on_confirmed(void *ctx, size_t n)
{
    (void)ctx;
    h.confirmed += n;
}

static void on_lost(void *ctx, bool certain_none)
{
    (void)ctx;
    (void)certain_none;
    h.handed = h.confirmed;
    h.lost++;
}

static void on_up(void *ctx, bool quiet)
{
    (void)ctx;
    (void)quiet;
}

static void on_down(void *ctx, const char *why)
{
    (void)ctx;
    h.downs++;
    snprintf(h.said, sizeof(h.said), "%s", why);
}

static void on_warn(void *ctx, const char *what)
{
    (void)ctx;
    (void)what;
}

/* Meets that server so many times, with `each` records to hand over. */
static void meet(void (*server)(int), size_t each, size_t times)
{
    uv_loop_t *loop = &opened[opened_count].loop;
    struct sink_host calls = {.pull = on_pull,
                              .confirmed = on_confirmed,
                              .lost = on_lost,
                              .up = on_up,
                              .down = on_down,
                              .warn = on_warn};
    struct sink_options o = {
        .name = "t", .type = "syslog", .transport = "tcp", .address = address, .window = 1024};
    uv_thread_t thread;
    char err[256];

    h = (struct host){.most = each};
    uv_thread_create(&thread, serve, &server);
    uv_loop_init(loop);
    assert_int_equal(sink_open(&h.sink, loop, &o, &calls, err, sizeof(err)), 0);
    opened[opened_count++].sink = h.sink;
    while (h.sink->state.reconnects < times && h.confirmed < each) {
        sink_wake(h.sink);
        uv_run(loop, UV_RUN_ONCE);
    }
    shutdown(listener, SHUT_RDWR);
    uv_run(loop, UV_RUN_NOWAIT); /* The connection is closed. */
    uv_thread_join(&thread);
    close(listener);
}

static void a_port_that_speaks_tls_confirms_nothing(void **state)
{
    (void)state;
    meet(speaks_tls, 500, ROUNDS);
    assert_int_equal(h.confirmed, 0);
    assert_int_equal(h.lost, ROUNDS);
    assert_non_null(strstr(h.sink->state.last_error, "TLS"));
    assert_int_equal(h.downs, 1);
    assert_in_range(h.sink->backoff.ms, 800, BACKOFF_MAX_MS);
}

static void who_resets_at_once_confirms_nothing(void **state)
{
    (void)state;
    meet(resets, 500, ROUNDS);
    assert_int_equal(h.confirmed, 0);
    assert_int_equal(h.lost, ROUNDS);
    assert_true(h.sink->backoff.flaps);
}

/* It is slow, and gets on. */
static void who_closes_after_each_record_has_it(void **state)
{
    (void)state;
    meet(closes_after_a_record, 1, 1);
    assert_int_equal(h.confirmed, 1);
    assert_true(h.sink->backoff.flaps);
}

static void an_alert_is_told_from_other_words(void **state)
{
    static const struct {
        bool alert;
        size_t len;
        uint8_t at[8];
    } words[] = {{true, 7, {21, 3, 1, 0, 2, 2, 70}},  {true, 7, {21, 3, 4, 0, 2, 1, 0}},
                 {false, 5, {21, 3, 3, 0, 2}},        {false, 7, {22, 3, 3, 0, 2, 2, 70}},
                 {false, 7, {21, 4, 3, 0, 2, 2, 70}}, {false, 7, {21, 3, 5, 0, 2, 2, 70}},
                 {false, 7, {21, 3, 3, 1, 2, 2, 70}}, {false, 7, {21, 3, 3, 0, 3, 2, 70}},
                 {false, 7, {21, 3, 3, 0, 2, 3, 70}}, {false, 0, {0}}};

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        assert_int_equal(syslog_heard_tls(words[i].at, words[i].len), words[i].alert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_port_that_speaks_tls_confirms_nothing, setup),
        cmocka_unit_test_setup(who_resets_at_once_confirms_nothing, setup),
        cmocka_unit_test_setup(who_closes_after_each_record_has_it, setup),
        cmocka_unit_test(an_alert_is_told_from_other_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
