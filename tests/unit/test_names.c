/* links: test_sink_host */
/* Collectors that have a name: one with an address that does not answer, one that moves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sink_host.h"

enum { ADDRESSES_MAX = 2, LONG_MS = 1000 };

/* ---- in place of libuv's ---- */

static uint16_t port_of_address[ADDRESSES_MAX]; /* What the name is: ports of 127.0.0.1. */
static size_t addresses, looks;

struct lookup {
    uv_timer_t timer;
    uv_getaddrinfo_t *request;
    uv_getaddrinfo_cb done;
};

static struct addrinfo *list_addresses(void)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;

    for (size_t i = addresses; i-- > 0;) {
        struct addrinfo *a;
        char port[8];

        snprintf(port, sizeof(port), "%u", port_of_address[i]);
        assert_int_equal(getaddrinfo("127.0.0.1", port, &hints, &a), 0);
        a->ai_next = list;
        list = a;
    }
    return list;
}

static void on_lookup_closed(uv_handle_t *h)
{
    free(h->data);
}

static void on_lookup(uv_timer_t *t)
{
    struct lookup *l = t->data;

    uv_close((uv_handle_t *)t, on_lookup_closed);
    looks++;
    l->done(l->request, addresses > 0 ? 0 : UV_EAI_AGAIN, list_addresses());
}

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *r, uv_getaddrinfo_cb done, const char *node,
                   const char *service, const struct addrinfo *hints)
{
    struct lookup *l = malloc(sizeof(*l));

    (void)service;
    (void)hints;
    assert_string_equal(node, "logs.example");
    l->request = r;
    l->done = done;
    uv_timer_init(loop, &l->timer);
    l->timer.data = l;
    return uv_timer_start(&l->timer, on_lookup, 0, 0);
}

static bool is_quick;

/* What lasts for long is over soon, while nothing that is on time can be late for that. */
int uv_timer_start(uv_timer_t *t, uv_timer_cb done, uint64_t ms, uint64_t again_ms)
{
    int (*start)(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t);

    *(void **)&start = dlsym(RTLD_NEXT, "uv_timer_start");
    if (is_quick && ms > LONG_MS)
        ms /= 100;
    if (is_quick && again_ms > LONG_MS)
        again_ms /= 100;
    return start(t, done, ms, again_ms);
}

static struct sink_options options(const char *transport)
{
    return (struct sink_options){.name = "n",
                                 .type = "syslog",
                                 .transport = transport,
                                 .address = "logs.example:601",
                                 .datagram_limit = 4096,
                                 .window = 16};
}

/* ---- an address that does not answer ---- */

/* The kernel drops what would be more connections than a listener has room for. */
static void listen_and_be_full(struct port *p)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

    port_take(p, SOCK_STREAM);
    assert_int_equal(listen(p->fd, 0), 0);
    a.sin_port = htons(p->number);
    assert_int_equal(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof(a)), 0);
}

/* And what is tried next has all its time. */
static void note_warning(void *ctx, const char *what)
{
    struct test_host *h = ctx;

    is_quick = false;
    h->warns++;
    snprintf(h->said, sizeof(h->said), "%s", what);
}

/* Before the last one is tried, which may be the tenth. */
static void the_first_that_does_not_answer_is_said(void **state)
{
    static struct test_host h;
    struct sink_options o = options("tcp");
    struct port dead, live;
    char want[SINK_ERROR_MAX];

    (void)state;
    listen_and_be_full(&dead);
    port_take(&live, SOCK_STREAM);
    assert_int_equal(listen(live.fd, 4), 0);
    port_of_address[0] = dead.number;
    port_of_address[1] = live.number;
    addresses = 2;
    host_init(&h);
    h.calls.warn = note_warning;
    is_quick = true;
    host_open(&h, &o);
    host_run_until_up(&h);
    assert_int_equal(h.downs, 0);
    snprintf(want, sizeof(want),
             "127.0.0.1:601: no answer; the next of the 2 addresses of \"logs.example\" is tried");
    assert_string_equal(h.said, want);
    close(dead.fd);
    close(live.fd);
}

/* ---- an address that is another one ---- */

static void udp_follows_a_name(void **state)
{
    static const uint8_t record[] = "<14>1 abc";
    static struct test_host h;
    struct sink_options o = options("udp");
    struct port before, after;
    char got[sizeof(record)] = "";
    size_t looked;

    (void)state;
    port_take(&before, SOCK_DGRAM);
    port_take(&after, SOCK_DGRAM);
    port_of_address[0] = before.number;
    addresses = 1;
    host_init(&h);
    h.record = record;
    h.record_len = sizeof(record);
    is_quick = true;
    host_open(&h, &o);
    host_give(&h, 1);
    looked = looks;
    while (looks == looked) /* It is the same. */
        uv_run(&h.loop, UV_RUN_ONCE);
    addresses = 0; /* And a name server that has nothing to say takes nobody's address. */
    looked = looks;
    while (looks == looked)
        uv_run(&h.loop, UV_RUN_ONCE);
    assert_true(h.sink->up);
    assert_int_equal(h.downs, 0);
    port_of_address[0] = after.number;
    addresses = 1;
    host_run_until_said(&h, "\"logs.example\" has other addresses now");
    host_give(&h, 2);
    do { /* Empty ones are what it asks with. */
        assert_true(recv(after.fd, got, sizeof(got), 0) >= 0);
    } while (memcmp(got, record, sizeof(record)) != 0);
    assert_int_equal(h.pulled, 2);
    close(before.fd);
    close(after.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_does_not_answer_is_said),
        cmocka_unit_test(udp_follows_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
