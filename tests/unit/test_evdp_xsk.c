/* links: evdp_xsk */
/* A lane over a real veth: AF_XDP's need-wakeup.  The kernel is called for frames to be sent when
 * it asks for that, and left alone when it does not.  Needs root; without it nothing is tested. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach.h"

enum { FRAME = 64, PATIENCE_MS = 30000 };

struct end {
    struct evdp_config config;
    struct ports ports;
    struct lane lane;
    int far; /* A packet socket at the other end. */
};

static void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("%s", command);
}

static int listen_at(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* A network namespace of this process's own, which goes with it. */
static int set_up(void **state)
{
    static struct end e;
    char err[256] = "";

    *state = &e;
    if (geteuid() != 0)
        return 0;
    if (unshare(CLONE_NEWNET) != 0)
        return -1;
    shell("ip link add a0 numrxqueues 1 numtxqueues 1 type veth peer name a1 numrxqueues 1 "
          "numtxqueues 1; ip link add b0 numrxqueues 1 numtxqueues 1 type veth peer name b1 "
          "numrxqueues 1 numtxqueues 1; for i in a0 a1 b0 b1; do "
          "sysctl -qw net.ipv6.conf.$i.disable_ipv6=1; ip link set $i up; done");
    e.config.rules.wire_count = 1;
    snprintf(e.config.wire[0].left, sizeof(e.config.wire[0].left), "a0");
    snprintf(e.config.wire[0].right, sizeof(e.config.wire[0].right), "b0");
    if (ports_open(&e.ports, &e.config, err, sizeof(err)) != 0 ||
        lane_open(&e.lane, &e.ports, 0, err, sizeof(err)) != 0)
        fail_msg("%s", err);
    e.far = listen_at("a1");
    return 0;
}

static int tear_down(void **state)
{
    struct end *e = *state;

    if (geteuid() == 0) {
        lane_close(&e->lane);
        ports_close(&e->ports);
        close(e->far);
    }
    return 0;
}

static void put(struct end *e, uint8_t mark)
{
    struct xdp_desc d = {.len = FRAME};
    uint64_t address;

    assert_true(lane_take(&e->lane, &address));
    d.addr = address;
    memset(e->lane.area + address, mark, FRAME);
    assert_true(lane_send(&e->lane, 0, &d));
}

/* The mark of the next frame that comes out; -1: none within so many ms. */
static int got(const struct end *e, int ms)
{
    struct pollfd p = {.fd = e->far, .events = POLLIN};
    uint8_t frame[FRAME];

    while (poll(&p, 1, ms) == 1) {
        struct sockaddr_ll from;
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(e->far, frame, sizeof(frame), 0, (struct sockaddr *)&from, &len);

        if (n == FRAME && from.sll_pkttype != PACKET_OUTGOING)
            return frame[FRAME - 1];
    }
    return -1;
}

static void the_kernel_is_called_when_it_asks(void **state)
{
    struct end *e = *state;
    struct xsk_ring_prod *tx = &e->lane.port[0].tx;

    if (geteuid() != 0)
        skip();
    /* In copy mode it always asks. */
    assert_true((*(volatile uint32_t *)tx->flags & XDP_RING_NEED_WAKEUP) != 0);
    put(e, 1);
    lane_turn(&e->lane);
    assert_int_equal(got(e, PATIENCE_MS), 1);

    *(volatile uint32_t *)tx->flags = 0; /* As while a driver is at work: it will look by itself. */
    put(e, 2);
    for (int i = 0; i < 100; i++)
        lane_turn(&e->lane);
    assert_int_equal(xsk_prod_nb_free(tx, RING_SIZE), RING_SIZE - 1);
    assert_int_equal(got(e, 0), -1);

    *(volatile uint32_t *)tx->flags = XDP_RING_NEED_WAKEUP;
    lane_turn(&e->lane); /* Without a new frame, too. */
    assert_int_equal(got(e, PATIENCE_MS), 2);
    while (xsk_prod_nb_free(tx, RING_SIZE) != RING_SIZE)
        lane_turn(&e->lane);
}

/* Every frame comes back to be used again, however many are sent. */
static void no_frame_is_lost(void **state)
{
    struct end *e = *state;
    uint32_t before, unsent;

    if (geteuid() != 0)
        skip();
    before = e->lane.free_count;
    for (int i = 0; i < 3 * FRAMES_OF_PORT; i++) {
        put(e, 3);
        if (i % BATCH == 0)
            lane_turn(&e->lane);
    }
    do {
        lane_turn(&e->lane);
        unsent = RING_SIZE - xsk_prod_nb_free(&e->lane.port[0].tx, RING_SIZE);
    } while (unsent > 0 || e->lane.free_count != before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_is_called_when_it_asks),
        cmocka_unit_test(no_frame_is_lost),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
