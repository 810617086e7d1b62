/* One Ethernet frame, read without trusting it.  Pure; the frame stays the caller's.
 *
 * Ethernet II, up to two 802.1Q/802.1ad tags, IPv4 with options (RFC 791), IPv6 with extension
 * headers (RFC 8200), fragments, TCP, UDP, ICMP and ICMPv6.  Offsets are from the frame's start. */
#ifndef EVDP_PACKET_H
#define EVDP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FAMILY_IPV4 = 2, /* As in the event (contract section 4), not as the host has them. */
    FAMILY_IPV6 = 10,
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ICMPV6 = 58,
    VLAN_MAX = 2,
};

enum tcp_flag {
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
    TCP_PSH = 8,
    TCP_ACK = 16,
    TCP_URG = 32,
};

enum packet_kind {
    PACKET_OTHER = 0, /* Neither IP nor ARP: no field below `ethertype` is set. */
    PACKET_ARP = 1,
    PACKET_IP = 2,
};

struct packet {
    enum packet_kind kind;
    uint16_t ethertype;         /* After the tags. */
    uint16_t vlan[VLAN_MAX];    /* VLAN ids, outer first. */
    uint8_t vlan_count;
    uint8_t family, protocol, hop_limit;
    uint8_t source[16], destination[16]; /* IPv4 in the first 4, rest 0. */
    uint16_t l3, l4, end;       /* Where the headers start, and where the IP packet ends. */
    bool fragmented;            /* One piece of several; the first has fragment_at == 0. */
    bool fragment_more;
    uint16_t fragment_at;       /* Bytes. */
    uint32_t fragment_id;
    bool oversize;              /* The piece ends above 65535 bytes. */
    bool source_route;          /* LSRR, SSRR, or IPv6 routing header type 0. */
    bool has_l4;                /* The fields below are set (never in later pieces). */
    uint16_t source_port, destination_port; /* ICMP echo: the id, and 0. */
    uint8_t tcp_flags;
    uint8_t icmp_type, icmp_code;
};

/* 0, or -1: truncated, or a header that contradicts itself.  len: at most 65535. */
int packet_parse(struct packet *p, const uint8_t *frame, size_t len);

/* The packet that an ICMP error quotes; only its addresses, protocol and ports need be there.
 * 0, or -1 when p is no ICMP error or quotes too little. */
int packet_quoted(struct packet *inner, const struct packet *p, const uint8_t *frame);

bool packet_is_echo(const struct packet *p);
bool packet_is_icmp_error(const struct packet *p);

/* Neighbour discovery (RFC 4861: hop limit 255) and listener discovery (RFC 3810: hop limit 1 from a
 * link-local address): as ARP, what a wire must carry for its ends to find each other. */
bool packet_is_link_control(const struct packet *p);

#endif
