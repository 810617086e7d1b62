#include "packet.h"
#include "octets.h"

#include <string.h>

/* What is left to read: `left` bytes from `at`, which is `offset` into the frame. */
struct cursor {
    const uint8_t *at;
    size_t offset, left;
};

static void advance(struct cursor *c, size_t n)
{
    c->at += n;
    c->offset += n;
    c->left -= n;
}

static enum packet_class tcp(struct packet *p, const struct cursor *c)
{
    size_t header;

    if (c->left < 20)
        return PACKET_MALFORMED;
    header = (size_t)(c->at[12] >> 4) * 4;
    if (header < 20 || header > c->left)
        return PACKET_MALFORMED;
    p->has_ports = true;
    p->source_port = be16(c->at);
    p->destination_port = be16(c->at + 2);
    p->seq = be32(c->at + 4);
    p->ack = be32(c->at + 8);
    p->tcp_flags = c->at[13] & 0x3f;
    p->window = be16(c->at + 14);
    p->payload = (uint16_t)(c->offset + header);
    return PACKET_IP;
}

static enum packet_class ports(struct packet *p, const struct cursor *c, size_t header)
{
    if (c->left < header)
        return PACKET_MALFORMED;
    p->has_ports = true;
    p->source_port = be16(c->at);
    p->destination_port = be16(c->at + 2);
    return PACKET_IP;
}

static enum packet_class udp(struct packet *p, const struct cursor *c)
{
    if (c->left < 8 || be16(c->at + 4) < 8)
        return PACKET_MALFORMED;
    if (!p->first_fragment && be16(c->at + 4) > c->left) /* A fragment tells the whole's length. */
        return PACKET_MALFORMED;
    return ports(p, c, 8);
}

static bool is_icmp_error(const struct packet *p)
{
    if (p->protocol == PROTOCOL_ICMP6)
        return p->icmp_type >= 1 && p->icmp_type <= 4;
    return p->icmp_type == 3 || p->icmp_type == 11 || p->icmp_type == 12;
}

static enum packet_class icmp(struct packet *p, const struct cursor *c)
{
    bool v6 = p->protocol == PROTOCOL_ICMP6;

    if (c->left < 8 || v6 != (p->family == FAMILY_V6))
        return PACKET_MALFORMED;
    p->icmp_type = c->at[0];
    p->icmp_code = c->at[1];
    p->icmp_error = is_icmp_error(p);
    p->echo = v6 ? c->at[0] == 128 || c->at[0] == 129 : c->at[0] == 8 || c->at[0] == 0;
    if (p->echo)
        p->source_port = be16(c->at + 4);
    return PACKET_IP;
}

static enum packet_class transport(struct packet *p, const struct cursor *c)
{
    p->transport = (uint16_t)c->offset;
    if (p->fragment) /* No bytes of TCP's fixed header may come later: RFC 1858, RFC 3128. */
        return p->protocol == PROTOCOL_TCP && p->fragment_from < 20 ? PACKET_MALFORMED : PACKET_IP;
    switch (p->protocol) {
    case PROTOCOL_TCP:
        return tcp(p, c);
    case PROTOCOL_UDP:
        return udp(p, c);
    case PROTOCOL_SCTP:
        return ports(p, c, 12);
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMP6:
        return icmp(p, c);
    default:
        return PACKET_IP;
    }
}

/* offset: in bytes; len: of the fragment's data. */
static bool set_fragment(struct packet *p, uint32_t offset, bool more, size_t len)
{
    if (offset == 0 && !more)
        return true;
    p->fragment = offset != 0;
    p->first_fragment = offset == 0;
    p->last_fragment = !more;
    p->fragment_from = offset;
    p->fragment_to = offset + (uint32_t)len;
    p->oversize = p->fragment_to > 65535;
    return len > 0 && (!more || len % 8 == 0);
}

/* Loose and strict source route; false: an option that does not fit. */
static bool ipv4_options(struct packet *p, const uint8_t *at, size_t len)
{
    size_t i = 0;

    while (i < len && at[i] != 0) {
        if (at[i] == 1) {
            i++;
            continue;
        }
        if (len - i < 2 || at[i + 1] < 2 || at[i + 1] > len - i)
            return false;
        p->source_route |= at[i] == 131 || at[i] == 137;
        i += at[i + 1];
    }
    return true;
}

static enum packet_class ipv4(struct packet *p, struct cursor *c)
{
    size_t header, total;
    uint16_t word;

    if (c->left < 20 || c->at[0] >> 4 != 4)
        return PACKET_MALFORMED;
    header = (size_t)(c->at[0] & 15) * 4;
    total = be16(c->at + 2);
    if (header < 20 || total < header || total > c->left)
        return PACKET_MALFORMED;
    c->left = total; /* What follows is padding. */
    word = be16(c->at + 6);
    p->family = FAMILY_V4;
    p->protocol = c->at[9];
    p->fragment_id = be16(c->at + 4);
    p->end = (uint16_t)(c->offset + total);
    memcpy(p->source, c->at + 12, 4);
    memcpy(p->destination, c->at + 16, 4);
    if (!ipv4_options(p, c->at + 20, header - 20) ||
        !set_fragment(p, (word & 0x1fffu) * 8, (word & 0x2000) != 0, total - header))
        return PACKET_MALFORMED;
    advance(c, header);
    return transport(p, c);
}

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AUTHENTICATION = 51, DESTINATION = 60 };

static bool is_extension(uint8_t next)
{
    return next == HOP_BY_HOP || next == ROUTING || next == FRAGMENT || next == AUTHENTICATION ||
           next == DESTINATION || next == 135 || next == 139 || next == 140;
}

static size_t extension_size(uint8_t kind, const uint8_t *at)
{
    switch (kind) {
    case FRAGMENT:
        return 8;
    case AUTHENTICATION:
        return ((size_t)at[1] + 2) * 4;
    default:
        return ((size_t)at[1] + 1) * 8;
    }
}

/* The extension headers (RFC 8200 section 4) up to the transport; false: one does not fit. */
static bool skip_extensions(struct packet *p, struct cursor *c)
{
    bool fragmented = false;

    while (is_extension(p->protocol) && !p->fragment) {
        uint8_t kind = p->protocol;
        size_t size;

        if (c->left < 8)
            return false;
        size = extension_size(kind, c->at);
        if (size > c->left)
            return false;
        if (kind == FRAGMENT) {
            uint16_t word = be16(c->at + 2);

            if (fragmented || !set_fragment(p, word & 0xfff8u, (word & 1) != 0, c->left - 8))
                return false;
            fragmented = true;
            p->fragment_id = be32(c->at + 4);
        }
        p->source_route |= kind == ROUTING && c->at[2] == 0;
        p->protocol = c->at[0];
        advance(c, size);
    }
    return true;
}

/* Neighbour discovery never comes over a router, nor in fragments (RFC 4861, RFC 6980). */
static bool is_neighbour(const struct packet *p, const uint8_t *ip)
{
    return p->protocol == PROTOCOL_ICMP6 && p->icmp_type >= 133 && p->icmp_type <= 137 &&
           p->icmp_code == 0 && ip[7] == 255 && !p->fragment && !p->first_fragment;
}

static enum packet_class ipv6(struct packet *p, struct cursor *c)
{
    const uint8_t *ip = c->at;
    enum packet_class class;
    size_t payload;

    if (c->left < 40 || ip[0] >> 4 != 6)
        return PACKET_MALFORMED;
    payload = be16(ip + 4);
    if (payload > c->left - 40)
        return PACKET_MALFORMED;
    p->family = FAMILY_V6;
    p->protocol = ip[6];
    p->end = (uint16_t)(c->offset + 40 + payload);
    memcpy(p->source, ip + 8, 16);
    memcpy(p->destination, ip + 24, 16);
    advance(c, 40);
    c->left = payload;
    if (!skip_extensions(p, c))
        return PACKET_MALFORMED;
    class = transport(p, c);
    return class == PACKET_IP && is_neighbour(p, ip) ? PACKET_NEIGHBOUR : class;
}

enum packet_class packet_parse(struct packet *p, const uint8_t *at, size_t len)
{
    struct cursor c = {.at = at, .left = len};
    uint16_t type;

    memset(p, 0, sizeof(*p));
    if (len < 14 || len > 65535)
        return PACKET_MALFORMED;
    type = be16(at + 12);
    advance(&c, 14);
    for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); tags++) {
        if (c.left < 4)
            return PACKET_MALFORMED;
        p->vlan = p->vlan << 12 | (be16(c.at) & 0x0fffu);
        type = be16(c.at + 2);
        advance(&c, 4);
    }
    p->ip = (uint16_t)c.offset;
    switch (type) {
    case 0x0800:
        return ipv4(p, &c);
    case 0x86dd:
        return ipv6(p, &c);
    case 0x0806:
        p->end = (uint16_t)len;
        return PACKET_NEIGHBOUR;
    default:
        return PACKET_OTHER;
    }
}

static bool quoted_transport(struct packet *q, struct cursor *c)
{
    q->transport = (uint16_t)c->offset;
    if (q->fragment || c->left < 8)
        return false;
    switch (q->protocol) {
    case PROTOCOL_TCP:
    case PROTOCOL_UDP:
    case PROTOCOL_SCTP:
        return ports(q, c, 8) == PACKET_IP;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMP6:
        return icmp(q, c) == PACKET_IP && q->echo;
    default:
        return true;
    }
}

bool packet_quoted(struct packet *q, const struct packet *p, const uint8_t *frame)
{
    struct cursor c = {.at = frame + p->transport + 8, .offset = (size_t)p->transport + 8u};
    size_t header = p->family == FAMILY_V4 ? 20 : 40;

    memset(q, 0, sizeof(*q));
    if (!p->icmp_error || p->end < c.offset + header)
        return false;
    c.left = p->end - c.offset;
    q->ip = (uint16_t)c.offset;
    q->end = p->end;
    q->vlan = p->vlan;
    q->family = p->family;
    if (p->family == FAMILY_V4) {
        header = (size_t)(c.at[0] & 15) * 4;
        if (c.at[0] >> 4 != 4 || header < 20 || header > c.left)
            return false;
        q->protocol = c.at[9];
        q->fragment = (be16(c.at + 6) & 0x1fff) != 0;
        memcpy(q->source, c.at + 12, 4);
        memcpy(q->destination, c.at + 16, 4);
    } else {
        if (c.at[0] >> 4 != 6)
            return false;
        q->protocol = c.at[6];
        memcpy(q->source, c.at + 8, 16);
        memcpy(q->destination, c.at + 24, 16);
    }
    advance(&c, header);
    if (q->family == FAMILY_V6 && !skip_extensions(q, &c))
        return false;
    return quoted_transport(q, &c);
}
