#include "sink_host.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static size_t on_pull(void *ctx, struct sink_item *items, size_t max, size_t max_bytes)
{
    struct test_host *h = ctx;
    size_t n = 0;

    if (h->at_once != 0 && max > h->at_once)
        max = h->at_once;
    for (; n < max && h->pulled - h->back < h->give && (n + 1) * h->record_len <= max_bytes; n++) {
        items[n] =
            (struct sink_item){.position = ++h->pulled, .bytes = h->record, .len = h->record_len};
    }
    return n;
}

static void on_confirmed(void *ctx, size_t n)
{
    ((struct test_host *)ctx)->confirmed += n;
}

static void on_lost(void *ctx, bool certain_none)
{
    struct test_host *h = ctx;

    h->certain = certain_none;
    h->back = h->pulled - h->confirmed;
    h->losses++;
}

static void on_up(void *ctx, bool quiet)
{
    (void)quiet;
    ((struct test_host *)ctx)->ups++;
}

static void on_warn(void *ctx, const char *what)
{
    struct test_host *h = ctx;

    h->warns++;
    snprintf(h->said, sizeof(h->said), "%s", what);
}

static void on_down(void *ctx, const char *why)
{
    struct test_host *h = ctx;

    h->downs++;
    snprintf(h->said, sizeof(h->said), "%s", why);
}

void host_init(struct test_host *h)
{
    memset(h, 0, sizeof(*h));
    h->calls = (struct sink_host){.ctx = h,
                                  .pull = on_pull,
                                  .confirmed = on_confirmed,
                                  .lost = on_lost,
                                  .up = on_up,
                                  .down = on_down,
                                  .warn = on_warn};
}

void host_open(struct test_host *h, const struct sink_options *o)
{
    char err[256];

    uv_loop_init(&h->loop);
    if (sink_open(&h->sink, &h->loop, o, &h->calls, err, sizeof(err)) != 0)
        fail_msg("%s", err);
}

void host_run_until_up(struct test_host *h)
{
    while (h->ups == 0)
        uv_run(&h->loop, UV_RUN_ONCE);
}

void host_give(struct test_host *h, size_t n)
{
    h->give = n;
    while (h->confirmed < n) {
        sink_wake(h->sink);
        uv_run(&h->loop, UV_RUN_ONCE);
    }
}

void host_run_until_said(struct test_host *h, const char *text)
{
    while (h->said[0] == '\0' || strstr(h->said, text) == NULL)
        uv_run(&h->loop, UV_RUN_ONCE);
}

void port_take(struct port *p, int type)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);

    p->fd = socket(AF_INET, type, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    getsockname(p->fd, (struct sockaddr *)&a, &len);
    p->number = ntohs(a.sin_port);
    snprintf(p->address, sizeof(p->address), "127.0.0.1:%u", p->number);
}
