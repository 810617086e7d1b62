/* links: test_sink_host */
/* A RELP sink and a collector whose host goes without a word. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink_host.h"
#include "tcp_acked.h"

static struct port port;
static struct test_host host;

/* In the place of the kernel's, which takes half a minute to be sure. */
int tcp_progress(int fd, struct tcp_progress *out)
{
    (void)fd;
    *out = (struct tcp_progress){.established = true, .given_up = host.ups > 0};
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
    int fd = accept(port.fd, NULL, NULL);

    (void)arg;
    if (fd < 0)
        return;
    if (recv(fd, byte, sizeof(byte), 0) > 0)
        send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
    while (recv(fd, byte, sizeof(byte), 0) > 0)
        ;
    close(fd);
}

static void a_host_that_is_gone_is_noticed(void **state)
{
    struct sink_options o = {
        .name = "r", .type = "syslog", .transport = "relp", .address = port.address, .window = 16};
    uv_thread_t server;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    port_take(&port, SOCK_STREAM);
    assert_int_equal(listen(port.fd, 4), 0);
    uv_thread_create(&server, serve, NULL);
    host_init(&host);
    host_open(&host, &o);
    host_run_until_said(&host, "");
    assert_int_equal(host.ups, 1);
    assert_non_null(strstr(host.said, "no answer any more"));
    uv_run(&host.loop, UV_RUN_NOWAIT); /* The connection is closed. */
    uv_thread_join(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_is_gone_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
