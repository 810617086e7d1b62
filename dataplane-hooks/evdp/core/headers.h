/* The parser of headers, for both backends: packet.c compiles it over a frame in memory, the eBPF
 * program over a frame that it may only ask for in pieces.  Whoever includes this says before:
 *
 *     struct frame_source;
 *     static bool source_get(const struct frame_source *s, size_t offset, void *out, size_t n);
 *
 * which copies n bytes (a constant) of the frame; false: they are not there.  Loops have constant
 * bounds, so that the kernel can prove that they end. */
#ifndef EVDP_HEADERS_H
#define EVDP_HEADERS_H

#include "octets.h"
#include "packet.h"

#include <string.h>

#ifndef SHARED_ALONE /* A function that the kernel proves by itself. */
#define SHARED_ALONE static inline
#endif

/* What is left to read: `left` bytes from `offset` into the frame. */
struct cursor {
    const struct frame_source *source;
    size_t offset, left;
};

static inline void advance(struct cursor *c, size_t n)
{
    c->offset += n;
    c->left -= n;
}

/* The next n bytes, which stay; false: fewer are left. */
static inline bool look(const struct cursor *c, void *out, size_t n)
{
    return c->left >= n && source_get(c->source, c->offset, out, n);
}

static inline enum packet_class parse_tcp(struct packet *p, const struct cursor *c)
{
    uint8_t h[20];
    size_t header;

    if (!look(c, h, sizeof(h)))
        return PACKET_MALFORMED;
    header = (size_t)(h[12] >> 4) * 4;
    if (header < 20 || header > c->left)
        return PACKET_MALFORMED;
    p->has_ports = true;
    p->source_port = be16(h);
    p->destination_port = be16(h + 2);
    p->seq = be32(h + 4);
    p->ack = be32(h + 8);
    p->tcp_flags = h[13] & 0x3f;
    p->window = be16(h + 14);
    p->payload = (uint16_t)(c->offset + header);
    return PACKET_IP;
}

static inline enum packet_class parse_ports(struct packet *p, const struct cursor *c, size_t header)
{
    uint8_t h[4];

    if (c->left < header || !look(c, h, sizeof(h)))
        return PACKET_MALFORMED;
    p->has_ports = true;
    p->source_port = be16(h);
    p->destination_port = be16(h + 2);
    return PACKET_IP;
}

static inline enum packet_class parse_udp(struct packet *p, const struct cursor *c)
{
    uint8_t h[8];

    if (!look(c, h, sizeof(h)) || be16(h + 4) < 8)
        return PACKET_MALFORMED;
    if (!p->first_fragment && be16(h + 4) > c->left) /* A fragment tells the whole's length. */
        return PACKET_MALFORMED;
    return parse_ports(p, c, 8);
}

static inline bool is_icmp_error(const struct packet *p)
{
    if (p->protocol == PROTOCOL_ICMP6)
        return p->icmp_type >= 1 && p->icmp_type <= 4;
    return p->icmp_type == 3 || p->icmp_type == 11 || p->icmp_type == 12;
}

static inline enum packet_class parse_icmp(struct packet *p, const struct cursor *c)
{
    bool v6 = p->protocol == PROTOCOL_ICMP6;
    uint8_t h[8];

    if (!look(c, h, sizeof(h)) || v6 != (p->family == FAMILY_V6))
        return PACKET_MALFORMED;
    p->icmp_type = h[0];
    p->icmp_code = h[1];
    p->icmp_error = is_icmp_error(p);
    p->echo = v6 ? h[0] == 128 || h[0] == 129 : h[0] == 8 || h[0] == 0;
    if (p->echo)
        p->source_port = be16(h + 4);
    return PACKET_IP;
}

static inline enum packet_class parse_transport(struct packet *p, const struct cursor *c)
{
    p->transport = (uint16_t)c->offset;
    if (p->fragment) /* No bytes of TCP's fixed header may come later: RFC 1858, RFC 3128. */
        return p->protocol == PROTOCOL_TCP && p->fragment_from < 20 ? PACKET_MALFORMED : PACKET_IP;
    switch (p->protocol) {
    case PROTOCOL_TCP:
        return parse_tcp(p, c);
    case PROTOCOL_UDP:
        return parse_udp(p, c);
    case PROTOCOL_SCTP:
        return parse_ports(p, c, 12);
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMP6:
        return parse_icmp(p, c);
    default:
        return PACKET_IP;
    }
}

/* offset: in bytes; len: of the fragment's data; before: what stands before the data in the whole
 * datagram and is counted in its length field. */
static inline bool set_fragment(struct packet *p, uint32_t offset, bool more, size_t len,
                                size_t before)
{
    if (offset == 0 && !more)
        return true;
    p->fragment = offset != 0;
    p->first_fragment = offset == 0;
    p->last_fragment = !more;
    p->fragment_from = offset;
    p->fragment_to = offset + (uint32_t)len;
    p->oversize = p->fragment_to + before > 65535;
    return len > 0 && (!more || len % 8 == 0);
}

enum { OPTIONS_MAX = 40 }; /* Bytes: a header of IPv4 has at most 60. */

static inline bool get_options(const struct cursor *c, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < OPTIONS_MAX; i += 4) {
        if (i < len && !source_get(c->source, c->offset + 20 + i, out + i, 4))
            return false;
    }
    return true;
}

struct options {
    uint8_t at[OPTIONS_MAX + 4];
};

enum { OPTIONS_FIT = 1, OPTIONS_ROUTE = 2 };

/* Whether each option fits; loose and strict source route. */
SHARED_ALONE int walk_options(const struct options *o, uint32_t len)
{
    uint32_t next = 0;
    int found = OPTIONS_FIT;

    for (uint32_t i = 0; o != NULL && i < OPTIONS_MAX && i < len; i++) {
        uint8_t kind = o->at[i], size = o->at[i + 1];

        if (i != next)
            continue;
        if (kind == 0)
            break;
        if (kind != 1 && (len - i < 2 || size < 2 || size > len - i))
            return 0;
        if (kind == 131 || kind == 137)
            found |= OPTIONS_ROUTE;
        next = kind == 1 ? i + 1 : i + size;
    }
    return found;
}

static inline bool parse_options(struct packet *p, const struct cursor *c, size_t len)
{
    struct options o = {0};
    int found;

    if (len == 0)
        return true;
    if (!get_options(c, o.at, len))
        return false;
    found = walk_options(&o, (uint32_t)len);
    p->source_route |= (found & OPTIONS_ROUTE) != 0;
    return (found & OPTIONS_FIT) != 0;
}

static inline enum packet_class parse_ipv4(struct packet *p, struct cursor *c)
{
    size_t header, total;
    uint16_t word;
    uint8_t h[20];

    if (!look(c, h, sizeof(h)) || h[0] >> 4 != 4)
        return PACKET_MALFORMED;
    header = (size_t)(h[0] & 15) * 4;
    total = be16(h + 2);
    if (header < 20 || total < header || total > c->left)
        return PACKET_MALFORMED;
    c->left = total; /* What follows is padding. */
    word = be16(h + 6);
    p->family = FAMILY_V4;
    p->protocol = h[9];
    p->fragment_id = be16(h + 4);
    p->end = (uint16_t)(c->offset + total);
    memcpy(p->source, h + 12, 4);
    memcpy(p->destination, h + 16, 4);
    if (!parse_options(p, c, header - 20) ||
        !set_fragment(p, (word & 0x1fffu) * 8, (word & 0x2000) != 0, total - header, header))
        return PACKET_MALFORMED;
    advance(c, header);
    return parse_transport(p, c);
}

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };

/* Not AH (51): in both families it is a protocol, and what it carries is between its two ends; who
 * permits it says so. */

static inline bool is_extension(uint8_t next)
{
    return next == HOP_BY_HOP || next == ROUTING || next == FRAGMENT || next == DESTINATION ||
           next == 135 || next == 139 || next == 140;
}

static inline size_t extension_size(uint8_t kind, uint8_t len)
{
    return kind == FRAGMENT ? 8 : ((size_t)len + 1) * 8;
}

/* false: it does not fit, or is a second fragment header. */
static inline bool parse_extension(struct packet *p, struct cursor *c)
{
    uint8_t kind = p->protocol, h[8];
    size_t size;

    if (!look(c, h, sizeof(h)))
        return false;
    size = extension_size(kind, h[1]);
    if (size > c->left)
        return false;
    if (kind == FRAGMENT) {
        uint16_t word = be16(h + 2);

        if (p->has_fragment_header)
            return false;
        p->has_fragment_header = true;
        if (!set_fragment(p, word & 0xfff8u, (word & 1) != 0, c->left - 8, c->offset - p->ip - 40))
            return false;
        p->fragment_id = be32(h + 4);
    }
    p->source_route |= kind == ROUTING && h[2] == 0;
    p->protocol = h[0];
    advance(c, size);
    return true;
}

/* The extension headers (RFC 8200 section 4) up to the transport; false: one does not fit, or there
 * are more of them than an honest sender has. */
static inline bool skip_extensions(struct packet *p, struct cursor *c)
{
    for (int n = 0; n < EXTENSIONS_MAX; n++) {
        if (!is_extension(p->protocol) || p->fragment)
            return true;
        if (!parse_extension(p, c))
            return false;
    }
    return !is_extension(p->protocol) || p->fragment;
}

/* RFC 4861 section 4.  A redirect is none of them: it turns traffic, so a policy has to permit it.
 */
enum {
    ROUTER_SOLICITATION = 133,
    ROUTER_ADVERTISEMENT = 134,
    NEIGHBOUR_SOLICITATION = 135,
    NEIGHBOUR_ADVERTISEMENT = 136
};
enum { NEIGHBOUR_MIN = 24, NEIGHBOUR_PROBE_MAX = 32 }; /* MAX: with one link-layer address. */

static inline size_t discovery_min(uint8_t type)
{
    switch (type) {
    case ROUTER_SOLICITATION:
        return 8;
    case ROUTER_ADVERTISEMENT:
        return 16;
    default:
        return NEIGHBOUR_MIN;
    }
}

/* fe80::/10 and ff02::/16: no router carries it further. */
static inline bool is_link_scope(const uint8_t address[16])
{
    return (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) ||
           (address[0] == 0xff && address[1] == 2);
}

/* Neighbours of global addresses ask each other by unicast too (RFC 4861 7.3): about the one that
 * is asked, and nothing else in it, since a router beyond the wire would carry it on. */
static inline bool is_probe(const struct packet *p, const struct cursor *c)
{
    const bool asks = p->icmp_type == NEIGHBOUR_SOLICITATION;
    uint8_t h[NEIGHBOUR_MIN], differ = 0;

    if (!(asks || p->icmp_type == NEIGHBOUR_ADVERTISEMENT) || p->destination[0] == 0xff ||
        c->left > NEIGHBOUR_PROBE_MAX || !look(c, h, sizeof(h)))
        return false;
    for (int i = 0; i < 16; i++)
        differ |= h[8 + i] ^ (asks ? p->destination[i] : p->source[i]);
    return differ == 0;
}

/* What a wire passes without a decision, so only what hosts of one link need to find each other.
 * It never comes over a router (hop limit), nor in fragments (RFC 6980), nor behind another header.
 * c: at the transport; next: the first header after IPv6's own. */
static inline bool is_neighbour(const struct packet *p, const struct cursor *c, uint8_t next,
                                uint8_t hop_limit)
{
    if (next != PROTOCOL_ICMP6 || hop_limit != 255 || p->icmp_code != 0 ||
        p->icmp_type < ROUTER_SOLICITATION || p->icmp_type > NEIGHBOUR_ADVERTISEMENT ||
        c->left < discovery_min(p->icmp_type))
        return false;
    return is_link_scope(p->destination) || is_probe(p, c);
}

static inline enum packet_class parse_ipv6(struct packet *p, struct cursor *c)
{
    enum packet_class class;
    size_t payload;
    uint8_t h[40];

    if (!look(c, h, sizeof(h)) || h[0] >> 4 != 6)
        return PACKET_MALFORMED;
    payload = be16(h + 4);
    if (payload > c->left - 40)
        return PACKET_MALFORMED;
    p->family = FAMILY_V6;
    p->protocol = h[6];
    p->end = (uint16_t)(c->offset + 40 + payload);
    memcpy(p->source, h + 8, 16);
    memcpy(p->destination, h + 24, 16);
    advance(c, 40);
    c->left = payload;
    if (!skip_extensions(p, c))
        return PACKET_MALFORMED;
    class = parse_transport(p, c);
    return class == PACKET_IP && is_neighbour(p, c, h[6], h[7]) ? PACKET_NEIGHBOUR : class;
}

/* The tags; false: one does not fit. */
static inline bool parse_tags(struct packet *p, struct cursor *c, uint16_t *type)
{
    uint8_t h[4];

    for (int tags = 0; tags < 2 && (*type == 0x8100 || *type == 0x88a8); tags++) {
        if (!look(c, h, sizeof(h)))
            return false;
        p->vlan = p->vlan << 12 | (be16(h) & 0x0fffu);
        *type = be16(h + 2);
        advance(c, 4);
    }
    return true;
}

enum { ARP_SIZE = 28, ARP_PADDED = 64 }; /* More than any padding is no ARP, but a way to pass. */

/* RFC 826, of IPv4 over Ethernet: a question or an answer. */
static inline enum packet_class parse_arp(struct packet *p, const struct cursor *c)
{
    uint8_t h[8];

    if (c->left < ARP_SIZE || !look(c, h, sizeof(h)))
        return PACKET_MALFORMED;
    if (c->left > ARP_PADDED || be32(h) != 0x00010800 || be16(h + 4) != 0x0604 ||
        (be16(h + 6) != 1 && be16(h + 6) != 2))
        return PACKET_OTHER;
    p->end = (uint16_t)(c->offset + c->left);
    return PACKET_NEIGHBOUR;
}

/* p: zeroed; c: the whole frame, at most 65535 bytes. */
static inline enum packet_class parse_frame(struct packet *p, struct cursor *c)
{
    uint16_t type;
    uint8_t h[14];

    if (c->left > 65535 || !look(c, h, sizeof(h)))
        return PACKET_MALFORMED;
    type = be16(h + 12);
    advance(c, 14);
    if (!parse_tags(p, c, &type))
        return PACKET_MALFORMED;
    p->ip = (uint16_t)c->offset;
    switch (type) {
    case 0x0800:
        return parse_ipv4(p, c);
    case 0x86dd:
        return parse_ipv6(p, c);
    case 0x0806:
        return parse_arp(p, c);
    default:
        return PACKET_OTHER;
    }
}

#endif
