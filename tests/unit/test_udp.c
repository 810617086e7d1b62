/* links: test_sink_host */
/* A UDP sink: nothing slows it down but its pace, and hardly anything says that it goes in vain. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

/* ---- T2: it is out of reach ---- */

static bool forbidden;

/* In place of the C library's: a filter of packets. */
int sendmmsg(int fd, struct mmsghdr *at, unsigned n, int flags)
{
    if (forbidden) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_sendmmsg, fd, at, n, flags);
}

static void open_up(struct test_host *h, struct port *port)
{
    static const uint8_t record[400];

    port_take(port, SOCK_DGRAM);
    host_init(h);
    h->record = record;
    h->record_len = sizeof(record);
    h->at_once = 1;
    host_open(h, &(struct sink_options){.name = "u",
                                        .type = "syslog",
                                        .transport = "udp",
                                        .address = port->address,
                                        .datagram_limit = 4096,
                                        .window = 1024});
    host_give(h, 1);
}

/* As the daemon does, again and again. */
static void run_until_down(struct test_host *h)
{
    for (int i = 0; i < 200 && h->downs == 0; i++) {
        sink_wake(h->sink);
        uv_run(&h->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(h->downs, 1);
    assert_false(h->sink->up);
}

static void begin_again(struct port *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(port->number),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};

    port->fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(port->fd, (struct sockaddr *)&a, sizeof(a)), 0);
}

/* T2: what comes after a collector has ended may go to the peer, and nothing of it is in doubt. */
static void one_that_is_refused_is_lost(void **state)
{
    static struct test_host h;
    struct port port;

    (void)state;
    open_up(&h, &port);
    close(port.fd);
    h.give = 100;
    run_until_down(&h);
    assert_int_equal(h.losses, 1);
    assert_true(h.certain);
    while (h.sink->backoff.ms < 4 * BACKOFF_MIN_MS) /* It is tried, and stays lost. */
        uv_run(&h.loop, UV_RUN_ONCE);
    assert_int_equal(h.losses, 1);
    begin_again(&port);
    host_give(&h, 100);
    assert_int_equal(h.ups, 2);
    assert_int_equal(h.losses, 1);
    close(port.fd);
}

/* T2: so is what this host does not let go. */
static void what_could_not_leave_goes_back(void **state)
{
    static struct test_host h;
    struct port port;

    (void)state;
    open_up(&h, &port);
    forbidden = true;
    h.give = 2;
    run_until_down(&h);
    assert_int_equal(h.losses, 1);
    assert_true(h.certain);
    assert_int_equal(h.confirmed, 1);
    forbidden = false;
    host_give(&h, 2);
    assert_int_equal(h.confirmed, 2);
    close(port.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_does_not_go_at_once),
        cmocka_unit_test(one_that_is_refused_is_lost),
        cmocka_unit_test(what_could_not_leave_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
