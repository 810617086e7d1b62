/* links: cluster_shell PkgConfig::MNL */
/* What the kernel says of interfaces, played by the test in place of libmnl's socket: what it says
 * of others, of bridges, or not to the end, makes no interface fail. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor.h"

enum { NEWS_MAX = 8, SIZE = 1024, UP = IFF_UP | IFF_RUNNING, ETH0 = 2, ETH1 = 3 };

/* One datagram each, which comes after so many dumps were asked for. */
static struct {
    _Alignas(struct nlmsghdr) char bytes[SIZE];
    size_t len;
    unsigned asks;
} news[NEWS_MAX];
static size_t news_count, news_read;
static unsigned asks, changes;
static bool up[2];
static int wake[2]; /* Readable when there are news. */

ssize_t mnl_socket_sendto(const struct mnl_socket *s, const void *at, size_t len)
{
    (void)s;
    (void)at;
    asks++;
    return (ssize_t)len;
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *s, void *at, size_t size)
{
    char byte;

    (void)s;
    (void)size;
    (void)!recv(wake[0], &byte, 1, MSG_DONTWAIT);
    if (news_read == news_count || news[news_read].asks > asks) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(at, news[news_read].bytes, news[news_read].len);
    return (ssize_t)news[news_read++].len;
}

int mnl_socket_get_fd(const struct mnl_socket *s)
{
    (void)s;
    return wake[0];
}

/* ---- what the kernel says ---- */

static struct nlmsghdr *message(uint16_t type, uint16_t flags)
{
    struct nlmsghdr *h =
        mnl_nlmsg_put_header(news[news_count - 1].bytes + news[news_count - 1].len);

    h->nlmsg_type = type;
    h->nlmsg_flags = flags;
    return h;
}

static void begin(unsigned after_asks)
{
    memset(&news[news_count], 0, sizeof(news[0]));
    news[news_count++].asks = after_asks;
}

static void end(const struct nlmsghdr *h)
{
    news[news_count - 1].len += h->nlmsg_len;
}

static void link_is(uint16_t type, uint8_t family, int index, unsigned how, uint16_t flags)
{
    struct nlmsghdr *h = message(type, flags);
    struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));

    i->ifi_family = family;
    i->ifi_index = index;
    i->ifi_flags = how;
    mnl_attr_put_strz(h, IFLA_IFNAME, index == ETH0 ? "eth0" : "eth1");
    end(h);
}

static void done(uint16_t flags)
{
    end(message(NLMSG_DONE, NLM_F_MULTI | flags));
}

static void whole_dump(unsigned after_asks)
{
    begin(after_asks);
    link_is(RTM_NEWLINK, AF_UNSPEC, ETH0, UP, NLM_F_MULTI);
    link_is(RTM_NEWLINK, AF_UNSPEC, ETH1, UP, NLM_F_MULTI);
    done(0);
}

/* ---- the tests ---- */

static void on_changed(void *ctx, size_t index, bool is_up)
{
    (void)ctx;
    changes++;
    up[index] = is_up;
}

static struct monitor_set *open_set(uv_loop_t *loop)
{
    struct monitor_options o = {.count = 2, .name = {"eth0", "eth1"}, .changed = on_changed};
    struct monitor_set *set = NULL;
    char err[256];

    assert_int_equal(monitor_open(&set, loop, &o, err, sizeof(err)), 0);
    return set;
}

static void close_set(uv_loop_t *loop, struct monitor_set *set)
{
    monitor_close(set);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

/* More of it is said since it was looked at. */
static void hear(uv_loop_t *loop)
{
    assert_int_equal(send(wake[1], "", 1, 0), 1);
    while (news_read < news_count)
        uv_run(loop, UV_RUN_ONCE);
}

static int set_up(void **state)
{
    (void)state;
    news_count = news_read = 0;
    asks = changes = 0;
    up[0] = up[1] = true;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, wake);
}

static int tear_down(void **state)
{
    (void)state;
    close(wake[0]);
    close(wake[1]);
    return 0;
}

/* Interfaces changed while the kernel went through them: it may have left one out. */
static void a_dump_that_was_interrupted_is_asked_for_again(void **state)
{
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    begin(1); /* It says so at the end, */
    link_is(RTM_NEWLINK, AF_UNSPEC, ETH0, UP, NLM_F_MULTI);
    done(NLM_F_DUMP_INTR);
    begin(2); /* or before it; what else is there counts. */
    link_is(RTM_NEWLINK, AF_UNSPEC, ETH0, IFF_UP, NLM_F_MULTI | NLM_F_DUMP_INTR);
    done(0);
    whole_dump(3);
    close_set(&loop, open_set(&loop));
    assert_int_equal(news_read, 3);
    assert_int_equal(asks, 3);
    assert_int_equal(changes, 2); /* eth0 went down and came back; eth1 was never away. */
    assert_true(up[0] && up[1]);
}

static void what_a_whole_dump_leaves_out_is_down(void **state)
{
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    begin(1);
    link_is(RTM_NEWLINK, AF_UNSPEC, ETH0, UP, NLM_F_MULTI);
    done(0);
    close_set(&loop, open_set(&loop));
    assert_int_equal(asks, 1);
    assert_true(up[0] && !up[1]);
}

static void a_port_that_leaves_its_bridge_is_still_there(void **state)
{
    struct monitor_set *set;
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    whole_dump(1);
    set = open_set(&loop);
    begin(0);
    link_is(RTM_DELLINK, AF_BRIDGE, ETH0, UP, 0);
    hear(&loop);
    assert_int_equal(changes, 0);
    begin(0);
    link_is(RTM_DELLINK, AF_UNSPEC, ETH0, UP, 0);
    hear(&loop);
    assert_int_equal(changes, 1);
    assert_false(up[0]);
    close_set(&loop, set);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_dump_that_was_interrupted_is_asked_for_again),
        TEST(what_a_whole_dump_leaves_out_is_down),
        TEST(a_port_that_leaves_its_bridge_is_still_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
