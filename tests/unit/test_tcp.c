/* links: test_sink_host */
/* A TCP sink, and ports that are no collector's: what counts as arrived there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core.h"
#include "sink_host.h"
#include "syslog_heard.h"
#include "tcp_map.h"

enum { ROUNDS = 4, SINKS_MAX = 8 };

static struct port port;
static struct test_host host[SINKS_MAX], *h; /* One for each server; h: the last. */

static int setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    port_take(&port, SOCK_STREAM);
    assert_int_equal(listen(port.fd, 4), 0);
    return 0;
}

static struct sink_options options(const char *name)
{
    return (struct sink_options){.name = name,
                                 .type = "syslog",
                                 .transport = "tcp",
                                 .address = port.address,
                                 .window = 1024};
}

static void new_host(void)
{
    h = h == NULL ? host : h + 1;
    assert_true(h < host + SINKS_MAX);
    host_init(h);
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

/* In the loop's own thread: however slow the machine is, each comes at its turn. */
static struct {
    void (*server)(int fd);
    uv_poll_t listener, client;
    int fd;
    bool busy;
    useconds_t sleep_us; /* Once it has ended. */
} serving;

static void on_served(uv_handle_t *client)
{
    (void)client;
    serving.busy = false;
}

static void on_bytes(uv_poll_t *client, int status, int events)
{
    (void)events;
    assert_int_equal(status, 0);
    serving.server(serving.fd);
    uv_close((uv_handle_t *)client, on_served);
    close(serving.fd);
    usleep(serving.sleep_us);
}

static void on_connection(uv_poll_t *listener, int status, int events)
{
    (void)events;
    assert_int_equal(status, 0);
    if (serving.busy)
        return;
    serving.busy = true;
    serving.fd = accept(port.fd, NULL, NULL);
    uv_poll_init(listener->loop, &serving.client, serving.fd);
    uv_poll_start(&serving.client, UV_READABLE, on_bytes);
}

/* Meets that server so many times, with `each` records to hand over. */
static void meet(void (*server)(int), size_t each, size_t times)
{
    static const uint8_t record[] = "<14>1 abc";
    struct sink_options o = options("t");

    new_host();
    h->record = record;
    h->record_len = sizeof(record);
    h->give = each;
    host_open(h, &o);
    serving.busy = false;
    serving.server = server;
    uv_poll_init(&h->loop, &serving.listener, port.fd);
    uv_poll_start(&serving.listener, UV_READABLE, on_connection);
    while (h->sink->state.reconnects < times && h->confirmed < each) {
        sink_wake(h->sink);
        uv_run(&h->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&serving.listener, NULL);
    uv_run(&h->loop, UV_RUN_NOWAIT);
    close(port.fd);
}

static void a_port_that_speaks_tls_confirms_nothing(void **state)
{
    (void)state;
    meet(speaks_tls, 500, ROUNDS);
    assert_int_equal(h->confirmed, 0);
    assert_int_equal(h->losses, ROUNDS);
    assert_non_null(strstr(h->sink->state.last_error, "TLS"));
    assert_int_equal(h->downs, 1);
    assert_in_range(h->sink->backoff.ms, 800, BACKOFF_MAX_MS);
}

static void who_resets_at_once_confirms_nothing(void **state)
{
    (void)state;
    meet(resets, 500, ROUNDS);
    assert_int_equal(h->confirmed, 0);
    assert_int_equal(h->losses, ROUNDS);
    assert_true(h->sink->backoff.flaps);
}

/* As when the machine leaves this process no time: the end has come, and is not read yet. */
static void who_resets_while_this_sleeps_confirms_nothing(void **state)
{
    (void)state;
    serving.sleep_us = 400000; /* More than the probation of 300 ms. */
    meet(resets, 500, 1);
    serving.sleep_us = 0;
    assert_int_equal(h->confirmed, 0);
    assert_int_equal(h->losses, 1);
}

/* It is slow, and gets on. */
static void who_closes_after_each_record_has_it(void **state)
{
    (void)state;
    meet(closes_after_a_record, 1, 1);
    assert_int_equal(h->confirmed, 1);
    assert_true(h->sink->backoff.flaps);
}

/* ---- D1a: connections of a process before ---- */

enum { HANDED_FIRST = 3, HANDED = 4, EPOCH = 12 };

static struct tcp_map *left[HANDED];
static int its[HANDED]; /* The collector's ends. */

static enum core_answer answered;
static uint32_t written_up_to;

static void on_answer(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from, uint32_t to,
                      enum core_answer kind, uint32_t last)
{
    (void)ctx;
    (void)origin;
    (void)epoch;
    (void)from;
    assert_int_equal(last, to);
    answered = kind;
}

static void on_confirmed_written(void *ctx, uint8_t origin, uint32_t epoch, uint32_t from,
                                 uint32_t last)
{
    (void)ctx;
    (void)origin;
    (void)epoch;
    (void)from;
    written_up_to = last;
}

/* Out of the way of those that a keeper hands over, which begin at HANDED_FIRST. */
static int away(int fd)
{
    int other = fcntl(fd, F_DUPFD, HANDED_FIRST + 2 * HANDED);

    assert_true(other >= 0);
    close(fd);
    return other;
}

static void hand(int at, int fd)
{
    assert_int_equal(dup2(fd, at), at);
    close(fd);
}

/* A connection that carried one record, and its map. */
static void leave(int i, uint32_t young_ms)
{
    static const char bytes[] = "10 <14>1 abc.";
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int map_fd = away(memfd_create("map", MFD_ALLOW_SEALING));
    int fd = away(socket(AF_INET, SOCK_STREAM, 0));
    struct tcp_map *m;
    char place[64], got[sizeof(bytes)];

    assert_int_equal(ftruncate(map_fd, sizeof(*m)), 0);
    assert_int_equal(fcntl(map_fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
    tcp_map_init(m);
    snprintf(place, sizeof(place), "%s 0", port.address);
    m->place = sink_key(place);
    tcp_map_note(m, sizeof(bytes) - 1, 0, position_make(EPOCH, 1), false);
    tcp_map_filled(m, 0, sizeof(bytes) - 1);
    m->proven_ms = (uint32_t)(sink_clock_ns() / 1000000 + young_ms);
    a.sin_port = htons(port.number);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    its[i] = away(accept(port.fd, NULL, NULL));
    assert_int_equal(send(fd, bytes, sizeof(bytes) - 1, 0), sizeof(bytes) - 1);
    assert_int_equal(recv(its[i], got, sizeof(bytes) - 1, MSG_WAITALL), sizeof(bytes) - 1);
    left[i] = m;
    hand(HANDED_FIRST + 2 * i, fd);
    hand(HANDED_FIRST + 2 * i + 1, map_fd);
}

static struct sink *adopt(const char *name)
{
    struct sink_options o = options(name);
    struct sink *s;

    new_host();
    h->calls.answer = on_answer;
    h->calls.confirmed_written = on_confirmed_written;
    written_up_to = 0;
    host_open(h, &o);
    s = h->sink;
    while (!s->up)
        uv_run(s->loop, UV_RUN_NOWAIT);
    sink_ask(s, &(struct sink_question){.epoch = EPOCH, .from = 1, .to = 1});
    sink_wake(s);
    return s;
}

static void until_lost(struct sink *s)
{
    while (h->losses == 0)
        uv_run(s->loop, UV_RUN_ONCE);
    assert_int_equal(written_up_to, 0);
    assert_true(s->backoff.flaps);
}

/* As young as it was: what a relay took that has lost its server counts no more for the successor
 * than it did for the process before. */
static void an_adopted_connection_is_as_young_as_it_was(void **state)
{
    static const uint32_t young_ms[HANDED] = {0, TCP_MAP_YOUNG_MS, TCP_MAP_YOUNG_MS, 1000};
    static const struct linger at_once = {.l_onoff = 1};
    struct sink *s;
    char pid[16];

    (void)state;
    port.fd = away(port.fd);
    for (int i = 0; i < HANDED; i++)
        leave(i, young_ms[i]);
    snprintf(pid, sizeof(pid), "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "8", 1);
    setenv("LISTEN_FDNAMES",
           "evrep-old-tcp:evrep-old-map:evrep-resets-tcp:evrep-resets-map:"
           "evrep-closes-tcp:evrep-closes-map:evrep-lives-tcp:evrep-lives-map",
           1);
    setenv("NOTIFY_SOCKET", "@evrep-test-nobody", 1);
    adopt("old");
    assert_int_equal(answered, ANSWER_HAS);
    s = adopt("resets");
    assert_int_equal(answered, ANSWER_WRITTEN);
    setsockopt(its[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(its[1]);
    until_lost(s);
    left[1]->proven_ms = 0;
    while (!s->up)
        uv_run(s->loop, UV_RUN_ONCE);
    assert_int_not_equal(left[1]->proven_ms, 0); /* And the next one is noted. */
    s = adopt("closes");
    assert_int_equal(answered, ANSWER_WRITTEN);
    close(its[2]); /* In order, and nobody knows whether it had said something. */
    until_lost(s);
    s = adopt("lives");
    while (answered == ANSWER_WRITTEN && written_up_to == 0) /* Or this was slow, and it is old. */
        uv_run(s->loop, UV_RUN_ONCE);
    unsetenv("NOTIFY_SOCKET");
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
        /* While no loop has descriptors. */
        cmocka_unit_test_setup(an_adopted_connection_is_as_young_as_it_was, setup),
        cmocka_unit_test_setup(a_port_that_speaks_tls_confirms_nothing, setup),
        cmocka_unit_test_setup(who_resets_at_once_confirms_nothing, setup),
        cmocka_unit_test_setup(who_resets_while_this_sleeps_confirms_nothing, setup),
        cmocka_unit_test_setup(who_closes_after_each_record_has_it, setup),
        cmocka_unit_test(an_alert_is_told_from_other_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
