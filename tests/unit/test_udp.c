/* links: evrep_sinks */
/* A UDP sink with a backlog: nothing slows it down but its pace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink.h"

/* A collector's socket with the kernel's default takes fewer than 200 small datagrams while its
 * program does not run. */
enum { MANY = 10000, BURST_MOST = 200 };

static size_t confirmed;

static size_t on_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    static const uint8_t record[400];
    size_t n = 0;

    (void)ctx;
    (void)max_bytes;
    for (; n < max && confirmed + n < MANY; n++)
        items[n] = (struct sink_item){.bytes = record, .len = sizeof(record)};
    return n;
}

static void on_confirmed(void *ctx, size_t n)
{
    (void)ctx;
    confirmed += n;
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
}

static void on_said(void *ctx, const char *why)
{
    (void)ctx;
    fail_msg("%s", why);
}

static void a_backlog_does_not_go_at_once(void **state)
{
    static uv_loop_t loop;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sink_host calls = {.pull = on_pull,
                              .confirmed = on_confirmed,
                              .lost = on_lost,
                              .up = on_up,
                              .down = on_said,
                              .warn = on_said};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t len = sizeof(a);
    char address[32], err[256];
    struct sink *s;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(a.sin_port));
    uv_loop_init(&loop);
    assert_int_equal(sink_open(&s, &loop,
                               &(struct sink_options){.name = "u",
                                                      .type = "syslog",
                                                      .transport = "udp",
                                                      .address = address,
                                                      .datagram_limit = 4096,
                                                      .datagram_rate = 50000,
                                                      .window = 1024},
                               &calls, err, sizeof(err)),
                     0);
    while (confirmed == 0) /* So that it is the first turn of the loop that sends. */
        uv_run(&loop, UV_RUN_ONCE);
    assert_in_range(confirmed, 1, BURST_MOST);
    while (confirmed < MANY) /* And all of it goes. */
        uv_run(&loop, UV_RUN_ONCE);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_does_not_go_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
