/* What evdp itself says: RST, ICMP unreachable, the packets of a SYN cookie, answers for its own
 * addresses.  Built in place of the frame that they answer, so no memory is needed; `room` is what
 * the frame's buffer holds.  Each returns the new length, or 0 when nothing may or can be said.
 * Pure. */
#ifndef EVDP_REPLY_H
#define EVDP_REPLY_H

#include "rules.h"

/* A refused TCP segment: RST (RFC 9293 3.10.7.1).  Anything else: ICMP "administratively
 * prohibited", never about errors, groups, later fragments (RFC 1122 3.2.2, RFC 4443 2.4). */
size_t reply_refuse(uint8_t *frame, size_t room, const struct packet *p);

struct reply_segment { /* A TCP segment without data. */
    uint32_t seq, ack;
    uint16_t window, mss; /* mss 0: no option. */
    uint8_t flags;
};
/* In place of a segment: back to its sender, or on along its way. */
size_t reply_segment(uint8_t *frame, size_t room, const struct packet *p,
                     const struct reply_segment *s, bool back);
/* The MSS that a SYN offers, 536 when it does not. */
uint16_t reply_mss_of(const uint8_t *frame, const struct packet *p);

size_t reply_echo(uint8_t *frame, size_t room, const struct packet *p);
/* ARP request or neighbour solicitation for an address of evdp's own; 0: it is not that. */
size_t reply_neighbour(uint8_t *frame, size_t room, const struct packet *p,
                       const struct wire_end *end, const uint8_t mac[6]);

#endif
