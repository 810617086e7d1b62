#include "packet.h"

#include <string.h>

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static enum packet_class tcp(struct packet *p, const uint8_t *at, size_t len)
{
    if (len < 20 || (at[12] >> 4) < 5 || (size_t)(at[12] >> 4) * 4 > len)
        return PACKET_MALFORMED;
    p->source_port = be16(at);
    p->destination_port = be16(at + 2);
    p->tcp_flags = at[13] & 0x3f;
    return PACKET_IP;
}

static enum packet_class udp(struct packet *p, const uint8_t *at, size_t len)
{
    if (len < 8)
        return PACKET_MALFORMED;
    p->source_port = be16(at);
    p->destination_port = be16(at + 2);
    return PACKET_IP;
}

static enum packet_class icmp(struct packet *p, const uint8_t *at, size_t len)
{
    bool echo;

    if (len < 8)
        return PACKET_MALFORMED;
    p->icmp_type = at[0];
    if (p->protocol == 58 && at[0] >= 133 && at[0] <= 137)
        return PACKET_NEIGHBOUR;
    echo = p->protocol == 1 ? at[0] == 8 || at[0] == 0 : at[0] == 128 || at[0] == 129;
    if (echo)
        p->source_port = be16(at + 4);
    return PACKET_IP;
}

static enum packet_class transport(struct packet *p, const uint8_t *at, size_t len)
{
    if (p->fragment)
        return PACKET_IP;
    switch (p->protocol) {
    case 6:
        return tcp(p, at, len);
    case 17:
        return udp(p, at, len);
    case 1:
    case 58:
        return icmp(p, at, len);
    default:
        return PACKET_IP;
    }
}

static enum packet_class ipv4(struct packet *p, const uint8_t *at, size_t len)
{
    size_t header, total;

    if (len < 20 || at[0] >> 4 != 4)
        return PACKET_MALFORMED;
    header = (size_t)(at[0] & 15) * 4;
    total = be16(at + 2);
    if (header < 20 || total < header || total > len)
        return PACKET_MALFORMED;
    p->family = 2;
    p->protocol = at[9];
    memcpy(p->source, at + 12, 4);
    memcpy(p->destination, at + 16, 4);
    p->fragment = (be16(at + 6) & 0x1fff) != 0;
    p->first_fragment = !p->fragment && (be16(at + 6) & 0x2000) != 0;
    return transport(p, at + header, total - header);
}

static bool is_extension(uint8_t next)
{
    return next == 0 || next == 43 || next == 44 || next == 51 || next == 60 || next == 135;
}

/* The extension headers (RFC 8200 section 4) up to the transport; false: one does not fit. */
static bool skip_extensions(struct packet *p, const uint8_t *at, size_t len, size_t *used)
{
    *used = 0;
    while (is_extension(p->protocol) && !p->fragment) {
        const uint8_t *e = at + *used;
        size_t size;

        if (len - *used < 8)
            return false;
        size = p->protocol == 44   ? 8
               : p->protocol == 51 ? ((size_t)e[1] + 2) * 4
                                   : ((size_t)e[1] + 1) * 8;
        if (size > len - *used)
            return false;
        if (p->protocol == 44) {
            p->fragment = (be16(e + 2) & 0xfff8) != 0;
            p->first_fragment = !p->fragment && (e[3] & 1) != 0;
        }
        p->protocol = e[0];
        *used += size;
    }
    return true;
}

static enum packet_class ipv6(struct packet *p, const uint8_t *at, size_t len)
{
    size_t payload, used;

    if (len < 40 || at[0] >> 4 != 6)
        return PACKET_MALFORMED;
    payload = be16(at + 4);
    if (payload > len - 40)
        return PACKET_MALFORMED;
    p->family = 10;
    p->protocol = at[6];
    memcpy(p->source, at + 8, 16);
    memcpy(p->destination, at + 24, 16);
    at += 40;
    if (!skip_extensions(p, at, payload, &used))
        return PACKET_MALFORMED;
    return transport(p, at + used, payload - used);
}

enum packet_class packet_parse(struct packet *p, const uint8_t *at, size_t len)
{
    uint16_t type;

    memset(p, 0, sizeof(*p));
    if (len < 14)
        return PACKET_MALFORMED;
    type = be16(at + 12);
    at += 14;
    len -= 14;
    for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); tags++) {
        if (len < 4)
            return PACKET_MALFORMED;
        p->vlan = be16(at) & 0x0fff;
        type = be16(at + 2);
        at += 4;
        len -= 4;
    }
    switch (type) {
    case 0x0800:
        return ipv4(p, at, len);
    case 0x86dd:
        return ipv6(p, at, len);
    case 0x0806:
        return PACKET_NEIGHBOUR;
    default:
        return PACKET_OTHER;
    }
}
