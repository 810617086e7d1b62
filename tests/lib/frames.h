/* Frames made to order, with right checksums, and a second opinion on the sums of any frame. */
#ifndef EVREP_TEST_FRAMES_H
#define EVREP_TEST_FRAMES_H

#include "packet.h"

enum { FRAME_MAX = 2048 };

struct frame {             /* What is left out is 0: an IPv4 frame without tags. */
    const char *from, *to; /* Addresses; a colon in `from` makes it IPv6. */
    uint8_t protocol;
    uint16_t source_port, destination_port; /* ICMP: source_port is the id. */
    uint8_t flags;                          /* TCP. */
    uint32_t seq, ack;
    uint16_t window, mss;
    uint8_t scale;       /* TCP: 1 + the shift of its window. */
    uint8_t type, code;  /* ICMP. */
    uint16_t data;       /* Bytes of payload. */
    uint16_t vlan[2];    /* Tags, outer first. */
    uint32_t id, offset; /* Fragment, offset in bytes: `data` bytes from there. */
    bool more, fragment; /* fragment: also where offset is 0. */
    bool source_route, no_udp_sum;
    uint8_t hops;          /* IPv6; 0: 64. */
    uint8_t extension;     /* IPv6: this header comes first, empty. */
    const uint8_t *quoted; /* ICMP error: the frame whose packet it quotes ... */
    uint16_t quoted_len;   /* ... of that length, Ethernet header included. */
};

size_t frame_build(const struct frame *f, uint8_t out[FRAME_MAX]);
/* The IP header's and the transport's checksum are right; later fragments have only the first. */
bool frame_sums_are_right(const uint8_t *at, size_t len);

#endif
