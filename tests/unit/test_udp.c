/* links: test_sink_host */
/* A UDP sink with a backlog: nothing slows it down but its pace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink_host.h"

/* A collector's socket with the kernel's default takes fewer than 200 small datagrams while its
 * program does not run. */
enum { MANY = 10000, BURST_MOST = 200 };

static uint64_t clock_ns = 1000000000;

/* In the place of libuv's, so that a machine that is busy gives no more time than the test. */
uint64_t uv_hrtime(void)
{
    return clock_ns;
}

static void on_said(void *ctx, const char *why)
{
    (void)ctx;
    fail_msg("%s", why);
}

static void a_backlog_does_not_go_at_once(void **state)
{
    static const uint8_t record[400];
    static struct test_host h;
    struct port port;

    (void)state;
    port_take(&port, SOCK_DGRAM);
    host_init(&h);
    h.calls.down = h.calls.warn = on_said;
    h.record = record;
    h.record_len = sizeof(record);
    h.give = MANY;
    host_open(&h, &(struct sink_options){.name = "u",
                                         .type = "syslog",
                                         .transport = "udp",
                                         .address = port.address,
                                         .datagram_limit = 4096,
                                         .datagram_rate = 50000,
                                         .window = 1024});
    while (h.confirmed == 0) /* So that it is the first turn of the loop that sends. */
        uv_run(&h.loop, UV_RUN_ONCE);
    assert_in_range(h.confirmed, 1, BURST_MOST);
    while (h.confirmed < MANY) { /* And all of it goes. */
        clock_ns += 1000000;
        uv_run(&h.loop, UV_RUN_ONCE);
    }
    close(port.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_does_not_go_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
