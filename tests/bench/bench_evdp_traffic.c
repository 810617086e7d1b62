/* links: test_frames */
/* bench_evdp_traffic INTERFACE SECONDS PERMITTED [OPENING]: sends as fast as it can, PERMITTED of
 * each 64 frames to port 53, the others to port 9.  OPENING of those to port 53 and all to port 9
 * are from ever new addresses, the rest is of as many flows.  Prints what it sent of each. */
#include "frames.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum { BURST = 64, LENGTH = 60 };

static uint8_t frame[BURST][FRAME_MAX];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_socket(const char *name)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;

    if (fd < 0 || to.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        perror(name);
        exit(1);
    }
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
    return fd;
}

static void make_frames(int permitted)
{
    for (int i = 0; i < BURST; i++) {
        struct frame f = {.from = "10.50.0.1",
                          .to = "10.50.0.2",
                          .protocol = 17,
                          .data = 18,
                          .source_port = (uint16_t)(1000 + i),
                          .destination_port = (uint16_t)(i < permitted ? 53 : 9)};

        frame_build(&f, frame[i]);
    }
}

/* Another source address: another flow.  (The header's sum is not looked at by
 * a wire.) */
static void renew(int first, uint32_t *next)
{
    for (int i = first; i < BURST; i++) {
        uint32_t a = htonl(0x0a000000u | (++*next & 0xffffff));

        memcpy(frame[i] + 14 + 12, &a, 4);
    }
}

int main(int argc, char **argv)
{
    struct mmsghdr message[BURST];
    struct iovec part[BURST];
    unsigned long sent[2] = {0, 0};
    uint32_t next = 0;
    double end;
    int fd, permitted, opening;

    if (argc != 4 && argc != 5) {
        fputs("usage: bench_evdp_traffic INTERFACE SECONDS PERMITTED [OPENING]\n", stderr);
        return 2;
    }
    fd = open_socket(argv[1]);
    permitted = atoi(argv[3]);
    opening = argc == 5 ? atoi(argv[4]) : 0;
    make_frames(permitted);
    memset(message, 0, sizeof(message));
    for (int i = 0; i < BURST; i++) {
        part[i] = (struct iovec){.iov_base = frame[i], .iov_len = LENGTH};
        message[i].msg_hdr.msg_iov = &part[i];
        message[i].msg_hdr.msg_iovlen = 1;
    }
    end = now() + atof(argv[2]);
    while (now() < end) {
        int n;

        renew(permitted - opening, &next);
        n = sendmmsg(fd, message, BURST, 0);
        for (int i = 0; i < n; i++)
            sent[i >= permitted]++;
    }
    printf("{\"permitted\":%lu,\"denied\":%lu}\n", sent[0], sent[1]);
    return 0;
}
