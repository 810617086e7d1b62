#include "reply.h"
#include "checksum.h"

#include <string.h>

enum { QUOTE_MAX = 576, HOP_LIMIT = 64 };

static void turn_ethernet(uint8_t *frame)
{
    uint8_t mac[6];

    memcpy(mac, frame, 6);
    memcpy(frame, frame + 6, 6);
    memcpy(frame + 6, mac, 6);
}

static void set_ethernet(uint8_t *frame, const uint8_t to[6], const uint8_t from[6])
{
    for (int i = 0; i < 6; i++) {
        frame[i] = to[i];
        frame[6 + i] = from[i];
    }
}

static size_t header_size(uint8_t family)
{
    return family == FAMILY_V4 ? 20 : 40;
}

/* A header without options, and the sum that the transport's checksum begins with. */
static uint64_t put_ip(uint8_t *ip, const uint8_t *source, const uint8_t *destination,
                       uint8_t family, uint8_t protocol, size_t payload)
{
    size_t size = family == FAMILY_V4 ? 4 : 16;

    memset(ip, 0, header_size(family));
    if (family == FAMILY_V4) {
        ip[0] = 0x45;
        put_be16(ip + 2, (uint16_t)(20 + payload));
        ip[6] = 0x40;
        ip[8] = HOP_LIMIT;
        ip[9] = protocol;
        memcpy(ip + 12, source, 4);
        memcpy(ip + 16, destination, 4);
        put_be16(ip + 10, (uint16_t)~checksum_fold(checksum_add(0, ip, 20)));
    } else {
        ip[0] = 0x60;
        put_be16(ip + 4, (uint16_t)payload);
        ip[6] = protocol;
        ip[7] = HOP_LIMIT;
        memcpy(ip + 8, source, 16);
        memcpy(ip + 24, destination, 16);
    }
    return checksum_add(checksum_add(payload + protocol, source, size), destination, size);
}

/* ---- TCP ---- */

size_t reply_segment(uint8_t *frame, size_t room, const struct packet *p,
                     const struct reply_segment *s, bool back)
{
    const uint8_t *from = back ? p->destination : p->source;
    const uint8_t *to = back ? p->source : p->destination;
    size_t header = s->mss != 0 ? 24 : 20;
    uint8_t *ip = frame + p->ip, *tcp = ip + header_size(p->family);
    size_t len = p->ip + header_size(p->family) + header;
    uint64_t sum;

    if (len > room)
        return 0;
    if (back)
        turn_ethernet(frame);
    sum = put_ip(ip, from, to, p->family, PROTOCOL_TCP, header);
    memset(tcp, 0, header);
    put_be16(tcp, back ? p->destination_port : p->source_port);
    put_be16(tcp + 2, back ? p->source_port : p->destination_port);
    put_be32(tcp + 4, s->seq);
    put_be32(tcp + 8, s->ack);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = s->flags;
    put_be16(tcp + 14, s->window);
    if (s->mss != 0) {
        tcp[20] = 2;
        tcp[21] = 4;
        put_be16(tcp + 22, s->mss);
    }
    put_be16(tcp + 16, (uint16_t)~checksum_fold(checksum_add(sum, tcp, header)));
    return len;
}

uint16_t reply_mss_of(const uint8_t *frame, const struct packet *p)
{
    const uint8_t *mss = packet_tcp_option(p, frame, 2, 4);

    return mss != NULL ? be16(mss + 2) : 536;
}

static bool is_group(const uint8_t *address, uint8_t family)
{
    if (family == FAMILY_V6)
        return address[0] == 0xff;
    return address[0] >= 224 || address[0] == 0;
}

/* From one host to one: whoever else would hear an answer did not ask (RFC 1122 3.2.2). */
static bool is_between_hosts(const uint8_t *frame, const struct packet *p)
{
    static const uint8_t nobody[16];

    return (frame[0] & 1) == 0 && !is_group(p->destination, p->family) &&
           !is_group(p->source, p->family) && memcmp(p->source, nobody, 16) != 0;
}

static size_t reset(uint8_t *frame, size_t room, const struct packet *p)
{
    struct reply_segment s = {.flags = TCP_RST};

    if ((p->tcp_flags & TCP_RST) || !is_between_hosts(frame, p))
        return 0;
    if (p->tcp_flags & TCP_ACK) {
        s.seq = p->ack;
    } else {
        s.flags |= TCP_ACK;
        s.ack = p->seq + (uint32_t)(p->end - p->payload) + ((p->tcp_flags & TCP_SYN) != 0) +
                ((p->tcp_flags & TCP_FIN) != 0);
    }
    return reply_segment(frame, room, p, &s, true);
}

/* ---- ICMP ---- */

/* What no error is ever sent about: errors, those too that are about no flow, and redirects
 * (RFC 1122 3.2.2, RFC 4443 2.4). */
static bool is_told_of(const struct packet *p)
{
    if (p->protocol == PROTOCOL_ICMP6)
        return p->icmp_type >= 128 && p->icmp_type != 137;
    return p->protocol != PROTOCOL_ICMP ||
           !(p->icmp_error || p->icmp_type == 4 || p->icmp_type == 5);
}

static bool may_have_error(const uint8_t *frame, const struct packet *p)
{
    return !p->fragment && is_told_of(p) && is_between_hosts(frame, p);
}

static size_t unreachable(uint8_t *frame, size_t room, const struct packet *p)
{
    bool v4 = p->family == FAMILY_V4;
    uint8_t protocol = v4 ? PROTOCOL_ICMP : PROTOCOL_ICMP6, quote[QUOTE_MAX];
    size_t header = header_size(p->family), quoted = (size_t)p->end - p->ip, len;
    uint8_t *icmp = frame + p->ip + header;
    uint64_t sum;

    if (quoted > QUOTE_MAX - header - 8)
        quoted = QUOTE_MAX - header - 8;
    len = p->ip + header + 8 + quoted;
    if (len > room || !may_have_error(frame, p))
        return 0;
    memcpy(quote, frame + p->ip, quoted);
    turn_ethernet(frame);
    sum = put_ip(frame + p->ip, p->destination, p->source, p->family, protocol, 8 + quoted);
    memset(icmp, 0, 8);
    icmp[0] = v4 ? 3 : 1;
    icmp[1] = v4 ? 13 : 1;
    memcpy(icmp + 8, quote, quoted);
    sum = checksum_add(v4 ? 0 : sum, icmp, 8 + quoted);
    put_be16(icmp + 2, (uint16_t)~checksum_fold(sum));
    return len;
}

size_t reply_refuse(uint8_t *frame, size_t room, const struct packet *p)
{
    if (p->protocol == PROTOCOL_TCP && !p->fragment)
        return reset(frame, room, p);
    return unreachable(frame, room, p);
}

/* What is left of the question's way is no answer's: RFC 1122 3.2.1.7. */
static void renew_hops(uint8_t *frame, const struct packet *p)
{
    uint8_t *ip = frame + p->ip, before[2];

    if (p->family == FAMILY_V6) {
        ip[7] = HOP_LIMIT;
        return;
    }
    memcpy(before, ip + 8, 2);
    ip[8] = HOP_LIMIT;
    checksum_change(ip + 10, before, ip + 8, 2);
}

size_t reply_echo(uint8_t *frame, size_t room, const struct packet *p)
{
    uint8_t *icmp = frame + p->transport, before[2], after[2] = {0};
    bool v4 = p->family == FAMILY_V4;

    if (p->icmp_type != (v4 ? 8 : 128) || p->fragment || p->first_fragment || p->end > room ||
        p->source_route || (frame[0] & 1) != 0 || is_group(p->source, p->family))
        return 0; /* Of a source route: the answer would go where the asker says. */
    renew_hops(frame, p);
    memcpy(before, icmp, 2);
    after[0] = v4 ? 0 : 129;
    after[1] = icmp[1];
    checksum_change(icmp + 2, before, after, 2);
    icmp[0] = after[0];
    checksum_mend_zeros(icmp + 2, icmp, (size_t)p->end - p->transport);
    turn_ethernet(frame); /* Swapping source and destination changes no sum. */
    memcpy(frame + p->ip + (v4 ? 12 : 8), p->destination, v4 ? 4 : 16);
    memcpy(frame + p->ip + (v4 ? 16 : 24), p->source, v4 ? 4 : 16);
    return p->end;
}

/* ---- neighbours ---- */

static bool is_local(const struct wire_end *end, const uint8_t *address, uint8_t family)
{
    for (int i = 0; i < end->local_count; i++) {
        if (prefix_holds(&end->local[i], address, family))
            return true;
    }
    return false;
}

/* RFC 826. */
static size_t answer_arp(uint8_t *frame, size_t room, const struct packet *p,
                         const struct wire_end *end, const uint8_t mac[6])
{
    static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};
    uint8_t *arp = frame + p->ip, asker[6], asked[4];

    if (room < p->ip + 28u || p->end < p->ip + 28u || memcmp(arp, request, 8) != 0 ||
        !is_local(end, arp + 24, FAMILY_V4))
        return 0;
    memcpy(asker, arp + 8, 6);
    memcpy(asked, arp + 24, 4);
    arp[7] = 2;
    memmove(arp + 18, arp + 8, 10);
    memcpy(arp + 8, mac, 6);
    memcpy(arp + 14, asked, 4);
    set_ethernet(frame, asker, mac);
    return p->ip + 28u;
}

/* RFC 4861 7.2.4; a probe (from nobody) is left alone. */
static size_t answer_solicitation(uint8_t *frame, size_t room, const struct packet *p,
                                  const struct wire_end *end, const uint8_t mac[6])
{
    static const uint8_t nobody[16];
    uint8_t *na = frame + p->ip + 40, target[16], asker[6];
    uint64_t sum;

    if (p->icmp_type != 135 || p->end < p->transport + 24 || room < p->ip + 72u ||
        memcmp(p->source, nobody, 16) == 0)
        return 0;
    memcpy(target, frame + p->transport + 8, 16);
    if (!is_local(end, target, FAMILY_V6))
        return 0;
    memcpy(asker, frame + 6, 6);
    set_ethernet(frame, asker, mac);
    sum = put_ip(frame + p->ip, target, p->source, FAMILY_V6, PROTOCOL_ICMP6, 32);
    frame[p->ip + 7] = 255;
    memset(na, 0, 32);
    na[0] = 136;
    na[4] = 0x60; /* Solicited, override. */
    memcpy(na + 8, target, 16);
    na[24] = 2;
    na[25] = 1;
    memcpy(na + 26, mac, 6);
    put_be16(na + 2, (uint16_t)~checksum_fold(checksum_add(sum, na, 32)));
    return p->ip + 72u;
}

size_t reply_neighbour(uint8_t *frame, size_t room, const struct packet *p,
                       const struct wire_end *end, const uint8_t mac[6])
{
    if (end->local_count == 0)
        return 0;
    return p->family == FAMILY_V6 ? answer_solicitation(frame, room, p, end, mac)
                                  : answer_arp(frame, room, p, end, mac);
}
