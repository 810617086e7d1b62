/* links: evrep_sinks */
/* A RELP sink and a collector whose host goes without a word. */
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
#include "tcp_acked.h"

static int listener;
static char address[32];
static bool is_up;

/* In the place of the kernel's, which takes half a minute to be sure. */
int tcp_progress(int fd, struct tcp_progress *out)
{
    (void)fd;
    *out = (struct tcp_progress){.established = true, .given_up = is_up};
    return 0;
}

int tcp_written(int fd, uint64_t *written)
{
    (void)fd;
    (void)written;
    return -1;
}

/* Opens the session, and answers nothing more. */
static void serve(void *arg)
{
    static const char answer[] = "1 rsp 37 200 OK\nrelp_version=0\ncommands=syslog\n";
    char byte[4096];
    int fd = accept(listener, NULL, NULL);

    (void)arg;
    if (fd < 0)
        return;
    if (recv(fd, byte, sizeof(byte), 0) > 0)
        send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
    while (recv(fd, byte, sizeof(byte), 0) > 0)
        ;
    close(fd);
}

static size_t on_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    (void)ctx;
    (void)items;
    (void)max;
    (void)max_bytes;
    return 0;
}

static void on_lost(void *ctx, bool certain_none)
{
    (void)ctx;
    (void)certain_none;
}

static void on_up(void *ctx, bool quiet)
{
    (void)ctx;
    (void)quiet;
    is_up = true;
}

static void on_said(void *ctx, const char *why)
{
    snprintf(ctx, SINK_ERROR_MAX, "%s", why);
}

static void listen_somewhere(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);

    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(listener, 4), 0);
    getsockname(listener, (struct sockaddr *)&a, &len);
    snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(a.sin_port));
}

static void a_host_that_is_gone_is_noticed(void **state)
{
    static char why[SINK_ERROR_MAX];
    static uv_loop_t loop;
    struct sink_host calls = {.ctx = why,
                              .pull = on_pull,
                              .lost = on_lost,
                              .up = on_up,
                              .down = on_said,
                              .warn = on_said};
    struct sink_options o = {
        .name = "r", .type = "syslog", .transport = "relp", .address = address, .window = 16};
    uv_thread_t server;
    struct sink *s;
    char err[256];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    listen_somewhere();
    uv_thread_create(&server, serve, NULL);
    uv_loop_init(&loop);
    assert_int_equal(sink_open(&s, &loop, &o, &calls, err, sizeof(err)), 0);
    while (why[0] == '\0')
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(is_up);
    assert_non_null(strstr(why, "no answer any more"));
    uv_run(&loop, UV_RUN_NOWAIT); /* The connection is closed. */
    uv_thread_join(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_is_gone_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
