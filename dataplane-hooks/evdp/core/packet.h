/* A frame's headers: Ethernet, 802.1Q and 802.1ad tags, IPv4, IPv6, TCP, UDP, ICMP. Bounds-checked,
 * copies what it finds.  Pure. */
#ifndef EVDP_PACKET_H
#define EVDP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum packet_class {
    PACKET_IP,        /* The fields below are set. */
    PACKET_NEIGHBOUR, /* ARP, or IPv6 neighbour discovery: a wire passes it. */
    PACKET_OTHER,     /* Neither: a firewall does not pass what it cannot read. */
    PACKET_MALFORMED,
};

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16, TCP_URG = 32 };

struct packet {
    uint8_t family; /* 2 or 10, as in the contract. */
    uint8_t protocol;
    uint8_t tcp_flags;
    bool fragment; /* Not the first: it has no ports. */
    bool first_fragment;
    uint8_t source[16], destination[16];    /* IPv4 in the first 4. */
    uint16_t source_port, destination_port; /* Host order; ICMP echo: the id as source. */
    uint8_t icmp_type;
    uint16_t vlan;
};

enum packet_class packet_parse(struct packet *p, const uint8_t *at, size_t len);

#endif
