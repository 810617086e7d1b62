/* A frame's headers: Ethernet, 802.1Q and 802.1ad tags, IPv4, IPv6 with its extension headers, TCP,
 * UDP, ICMP.  Bounds-checked, copies what it finds.  Pure. */
#ifndef EVDP_PACKET_H
#define EVDP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before what the eBPF program compiles too: there it is static. */
#ifndef BOTH_BACKENDS
#define BOTH_BACKENDS
#endif

enum packet_class {
    PACKET_IP,        /* The fields below are set. */
    PACKET_NEIGHBOUR, /* ARP, or IPv6 neighbour discovery of this link: a wire passes it. */
    PACKET_OTHER,     /* Neither: a firewall does not pass what it cannot read. */
    PACKET_MALFORMED,
};

enum { FAMILY_V4 = 2, FAMILY_V6 = 10 }; /* As in the contract, section 4. */
enum {
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ICMP6 = 58,
    PROTOCOL_SCTP = 132
};
enum { EXTENSIONS_MAX = 16 }; /* Headers in a chain of IPv6; with more it is malformed. */
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };

struct packet {
    uint8_t source[16], destination[16];    /* IPv4 in the first 4, rest zero. */
    uint16_t source_port, destination_port; /* Host order; ICMP echo: the id as source. */
    uint8_t family;                         /* FAMILY_V4 or FAMILY_V6. */
    uint8_t protocol;
    uint8_t tcp_flags;
    uint8_t icmp_type, icmp_code;
    bool has_ports;      /* TCP, UDP, SCTP: the ports are ports. */
    bool echo;           /* ICMP echo or its reply: source_port is its id. */
    bool icmp_error;     /* It quotes the packet that it is about. */
    bool fragment;       /* Not the first: it has no transport header. */
    bool first_fragment; /* The first of several. */
    bool last_fragment;
    bool has_fragment_header; /* IPv6. */
    bool source_route;        /* An IPv4 option or IPv6 routing header (type 0) of that kind. */
    bool oversize;            /* A fragment that makes its datagram longer than 65535 bytes. */
    uint32_t vlan;            /* Outer tag's id << 12 | inner tag's, or the only tag's; 0: none. */
    uint32_t fragment_id;
    uint32_t fragment_from, fragment_to; /* Bytes of the datagram's payload, to: exclusive. */
    uint32_t seq, ack;                   /* TCP, host order. */
    uint16_t window;
    uint16_t ip, transport, end; /* Offsets in the frame; end: of the IP packet, without padding. */
    uint16_t payload;            /* Offset of TCP's data. */
};

/* len: at most 65535.  Of ARP (PACKET_NEIGHBOUR, family 0) vlan, ip and end are set. */
enum packet_class packet_parse(struct packet *p, const uint8_t *at, size_t len);

/* A TCP option of that kind and size, with both; NULL: none. */
const uint8_t *packet_tcp_option(const struct packet *p, const uint8_t *frame, uint8_t kind,
                                 uint8_t size);

/* The packet that an ICMP error quotes, as far as it is there: addresses, protocol and ports.
 * false: none that could be told. */
bool packet_quoted(struct packet *q, const struct packet *p, const uint8_t *frame);

#endif
