#include "packet.h"

#include <string.h>

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_QINQ = 0x88a8,
    EXTENSIONS_MAX = 8, /* More is no traffic that anyone needs. */
};

struct view { /* quoted: the packet may be cut after the first 4 bytes of its transport header. */
    const uint8_t *at;
    size_t len;
    bool quoted;
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* ---- transport ---- */

static int parse_tcp(struct packet *p, const struct view *v)
{
    const uint8_t *h = v->at + p->l4;
    size_t have = (size_t)p->end - p->l4, size;

    if (have < 20)
        return -1;
    size = (size_t)(h[12] >> 4) * 4;
    if (size < 20 || size > have)
        return -1;
    p->tcp_flags = h[13];
    return 0;
}

static int parse_udp(const struct packet *p, const struct view *v)
{
    size_t have = (size_t)p->end - p->l4, size;

    if (have < 8)
        return -1;
    size = be16(v->at + p->l4 + 4);
    return size >= 8 && (p->fragmented || size <= have) ? 0 : -1;
}

static int parse_icmp(struct packet *p, const struct view *v)
{
    const uint8_t *h = v->at + p->l4;

    if (p->end - p->l4 < 8)
        return -1;
    p->icmp_type = h[0];
    p->icmp_code = h[1];
    p->has_l4 = true;
    if (packet_is_echo(p))
        p->source_port = be16(h + 4);
    return 0;
}

static int parse_ports(struct packet *p, const struct view *v)
{
    if (p->end - p->l4 < 4)
        return -1;
    p->source_port = be16(v->at + p->l4);
    p->destination_port = be16(v->at + p->l4 + 2);
    p->has_l4 = true;
    if (v->quoted)
        return 0;
    return p->protocol == PROTOCOL_TCP ? parse_tcp(p, v) : parse_udp(p, v);
}

static int parse_transport(struct packet *p, const struct view *v)
{
    if (p->fragmented && p->fragment_at != 0)
        return p->protocol == PROTOCOL_TCP && p->fragment_at < 20 ? -1 : 0; /* RFC 1858 */
    switch (p->protocol) {
    case PROTOCOL_TCP:
    case PROTOCOL_UDP:
        return parse_ports(p, v);
    case PROTOCOL_ICMP:
        return p->family == FAMILY_IPV4 ? parse_icmp(p, v) : 0;
    case PROTOCOL_ICMPV6:
        return p->family == FAMILY_IPV6 ? parse_icmp(p, v) : 0;
    default:
        return 0;
    }
}

/* ---- IPv4 ---- */

static int parse_options(struct packet *p, const uint8_t *at, const uint8_t *end)
{
    while (at < end && at[0] != 0) {
        if (at[0] == 1) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] < 2 || at[1] > end - at)
            return -1;
        if (at[0] == 131 || at[0] == 137) /* LSRR, SSRR */
            p->source_route = true;
        at += at[1];
    }
    return 0;
}

static void set_fragment(struct packet *p, uint16_t at, bool more, uint32_t id)
{
    p->fragment_at = at;
    p->fragment_more = more;
    p->fragment_id = id;
    p->fragmented = more || at != 0; /* One piece alone is no fragment (RFC 6946). */
    p->oversize = p->fragmented && (size_t)at + (p->end - p->l4) > 65535;
}

static int parse_ipv4(struct packet *p, const struct view *v)
{
    const uint8_t *h = v->at + p->l3;
    size_t have = v->len - p->l3, size, total;

    if (have < 20 || h[0] >> 4 != 4)
        return -1;
    size = (size_t)(h[0] & 15) * 4;
    total = be16(h + 2);
    if (v->quoted && total > have)
        total = have;
    if (size < 20 || size > have || total < size || total > have)
        return -1;
    if (parse_options(p, h + 20, h + size) != 0)
        return -1;
    p->family = FAMILY_IPV4;
    p->hop_limit = h[8];
    p->protocol = h[9];
    memcpy(p->source, h + 12, 4);
    memcpy(p->destination, h + 16, 4);
    p->l4 = (uint16_t)(p->l3 + size);
    p->end = (uint16_t)(p->l3 + total);
    set_fragment(p, (uint16_t)((be16(h + 6) & 0x1fff) * 8), (h[6] & 0x20) != 0, be16(h + 4));
    return parse_transport(p, v);
}

/* ---- IPv6 ---- */

static bool is_extension(uint8_t next)
{
    switch (next) {
    case 0:   /* hop-by-hop */
    case 43:  /* routing */
    case 44:  /* fragment */
    case 51:  /* authentication */
    case 60:  /* destination options */
    case 135: /* mobility */
    case 139: /* HIP */
    case 140: /* shim6 */
        return true;
    default:
        return false;
    }
}

/* Steps over the extension header at l4; *next becomes what follows it. */
static int parse_extension(struct packet *p, const struct view *v, uint8_t *next)
{
    const uint8_t *h = v->at + p->l4;
    size_t have = (size_t)p->end - p->l4, size;
    uint8_t kind = *next;

    if (have < 8)
        return -1;
    size = kind == 44 ? 8 : kind == 51 ? ((size_t)h[1] + 2) * 4 : ((size_t)h[1] + 1) * 8;
    if (size < 8 || size > have)
        return -1;
    if (kind == 43 && h[2] == 0)
        p->source_route = true;
    *next = h[0];
    p->l4 = (uint16_t)(p->l4 + size);
    if (kind == 44)
        set_fragment(p, be16(h + 2) & 0xfff8, (h[3] & 1) != 0, be32(h + 4));
    return 0;
}

static int parse_ipv6(struct packet *p, const struct view *v)
{
    const uint8_t *h = v->at + p->l3;
    size_t have = v->len - p->l3, payload;
    uint8_t next;

    if (have < 40 || h[0] >> 4 != 6)
        return -1;
    payload = be16(h + 4);
    if (v->quoted && payload > have - 40)
        payload = have - 40;
    if (payload > have - 40)
        return -1;
    p->family = FAMILY_IPV6;
    p->hop_limit = h[7];
    memcpy(p->source, h + 8, 16);
    memcpy(p->destination, h + 24, 16);
    p->l4 = (uint16_t)(p->l3 + 40);
    p->end = (uint16_t)(p->l4 + payload);
    next = h[6];
    for (int i = 0; is_extension(next); i++) {
        if (p->fragmented && p->fragment_at != 0)
            break; /* The rest of the chain is in the first piece. */
        if (i == EXTENSIONS_MAX || (next == 0 && i > 0) || parse_extension(p, v, &next) != 0)
            return -1;
    }
    p->protocol = next;
    return parse_transport(p, v);
}

/* ---- the frame ---- */

static int parse_l3(struct packet *p, const struct view *v)
{
    switch (p->ethertype) {
    case ETHERTYPE_IPV4:
        p->kind = PACKET_IP;
        return parse_ipv4(p, v);
    case ETHERTYPE_IPV6:
        p->kind = PACKET_IP;
        return parse_ipv6(p, v);
    case ETHERTYPE_ARP:
        p->kind = PACKET_ARP;
        return v->len - p->l3 >= 28 ? 0 : -1;
    default:
        p->kind = PACKET_OTHER;
        return 0;
    }
}

int packet_parse(struct packet *p, const uint8_t *frame, size_t len)
{
    struct view v = {.at = frame, .len = len};
    size_t at = 14;

    memset(p, 0, sizeof(*p));
    if (len < at || len > 65535)
        return -1;
    p->ethertype = be16(frame + 12);
    while (p->ethertype == ETHERTYPE_VLAN || p->ethertype == ETHERTYPE_QINQ) {
        if (p->vlan_count == VLAN_MAX || len < at + 4)
            return -1;
        p->vlan[p->vlan_count++] = be16(frame + at) & 0xfff;
        p->ethertype = be16(frame + at + 2);
        at += 4;
    }
    p->l3 = (uint16_t)at;
    return parse_l3(p, &v);
}

int packet_quoted(struct packet *inner, const struct packet *p, const uint8_t *frame)
{
    struct view v = {.at = frame, .len = p->end, .quoted = true};

    memset(inner, 0, sizeof(*inner));
    if (!packet_is_icmp_error(p))
        return -1;
    inner->vlan_count = p->vlan_count;
    memcpy(inner->vlan, p->vlan, sizeof(inner->vlan));
    inner->ethertype = p->ethertype;
    inner->l3 = (uint16_t)(p->l4 + 8);
    return parse_l3(inner, &v);
}

bool packet_is_echo(const struct packet *p)
{
    if (!p->has_l4)
        return false;
    if (p->protocol == PROTOCOL_ICMP && p->family == FAMILY_IPV4)
        return p->icmp_type == 8 || p->icmp_type == 0;
    return p->protocol == PROTOCOL_ICMPV6 && (p->icmp_type == 128 || p->icmp_type == 129);
}

bool packet_is_icmp_error(const struct packet *p)
{
    if (!p->has_l4)
        return false;
    if (p->protocol == PROTOCOL_ICMP)
        return p->icmp_type == 3 || p->icmp_type == 4 || p->icmp_type == 5 || p->icmp_type == 11 ||
               p->icmp_type == 12;
    return p->protocol == PROTOCOL_ICMPV6 && p->icmp_type < 128;
}

bool packet_is_link_control(const struct packet *p)
{
    bool link_local = p->source[0] == 0xfe && (p->source[1] & 0xc0) == 0x80;
    static const uint8_t none[16];

    if (p->family != FAMILY_IPV6 || p->protocol != PROTOCOL_ICMPV6 || !p->has_l4)
        return false;
    if (p->icmp_type >= 133 && p->icmp_type <= 137)
        return p->hop_limit == 255;
    if ((p->icmp_type >= 130 && p->icmp_type <= 132) || p->icmp_type == 143)
        return p->hop_limit == 1 && (link_local || memcmp(p->source, none, 16) == 0);
    return false;
}
