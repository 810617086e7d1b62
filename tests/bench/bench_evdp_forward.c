/* links: evdp_xsk */
/* bench_evdp_forward LEFT RIGHT [drop]: forwards every frame, or drops every one, and looks at
 * none, on evdp's own sockets: what evdp's decisions cost is told by comparing the two
 * (tests/bench/evdp_rates.py). */
#include "xsk.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static uint32_t forward(struct lane *l, uint32_t port, bool drop)
{
    struct xdp_desc frame[BATCH];
    uint32_t n = lane_receive(l, port, frame);

    for (uint32_t i = 0; i < n; i++) {
        if (drop)
            lane_free(l, frame[i].addr);
        else
            lane_send(l, port ^ 1, &frame[i]);
    }
    return n;
}

int main(int argc, char **argv)
{
    static struct evdp_config c = {.mode = MODE_NATIVE, .rules = {.wire_count = 1}};
    static struct ports ports;
    static struct lane lane;
    struct pollfd fds[2];
    char err[512];

    if (argc != 3 && argc != 4) {
        fputs("usage: bench_evdp_forward LEFT RIGHT [drop]\n", stderr);
        return 2;
    }
    snprintf(c.wire[0].left, sizeof(c.wire[0].left), "%s", argv[1]);
    snprintf(c.wire[0].right, sizeof(c.wire[0].right), "%s", argv[2]);
    if (ports_open(&ports, &c, err, sizeof(err)) != 0 ||
        lane_open(&lane, &ports, 0, err, sizeof(err)) != 0) {
        fprintf(stderr, "%s\n", err);
        return 1;
    }
    signal(SIGTERM, on_signal);
    puts("ready");
    fflush(stdout);
    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){.fd = xsk_socket__fd(lane.port[i].socket), .events = POLLIN};
    while (!stopping) {
        uint32_t n = forward(&lane, 0, argc == 4) + forward(&lane, 1, argc == 4);

        lane_turn(&lane);
        if (n == 0)
            poll(fds, 2, 20);
    }
    lane_close(&lane);
    ports_close(&ports);
    return 0;
}
