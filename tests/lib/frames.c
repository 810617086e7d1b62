#include "frames.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static size_t put16(uint8_t *at, unsigned v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
    return 2;
}

static void put32(uint8_t *at, uint32_t v)
{
    put16(at, v >> 16);
    put16(at + 2, v & 0xffff);
}

/* Of RFC 1071, word by word with the carry at once: not how the code under test does it. */
static uint16_t sum16(uint16_t sum, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i += 2) {
        uint32_t next = sum + (uint32_t)(at[i] << 8 | (i + 1 < len ? at[i + 1] : 0));

        sum = (uint16_t)(next > 0xffff ? next - 0xffff : next);
    }
    return sum;
}

static uint16_t pseudo(const uint8_t *ip, bool v6, uint8_t protocol, size_t len)
{
    uint8_t tail[4] = {0, protocol, (uint8_t)(len >> 8), (uint8_t)len};
    uint16_t sum = v6 ? sum16(0, ip + 8, 32) : sum16(0, ip + 12, 8);

    return sum16(sum, tail, 4);
}

/* ---- making ---- */

static void address(const char *text, bool v6, uint8_t *out)
{
    if (inet_pton(v6 ? AF_INET6 : AF_INET, text, out) != 1)
        abort();
}

static size_t put_tcp(const struct frame *f, uint8_t *at)
{
    size_t mss = f->mss != 0 ? 4 : 0, header = 20 + mss + (f->scale != 0 ? 4 : 0);

    memset(at, 0, header);
    put16(at, f->source_port);
    put16(at + 2, f->destination_port);
    put32(at + 4, f->seq);
    put32(at + 8, f->ack);
    at[12] = (uint8_t)(header / 4 << 4);
    at[13] = f->flags;
    put16(at + 14, f->window);
    if (f->mss != 0) {
        at[20] = 2;
        at[21] = 4;
        put16(at + 22, f->mss);
    }
    if (f->scale != 0)
        memcpy(at + 20 + mss, (const uint8_t[]){3, 3, (uint8_t)(f->scale - 1), 0}, 4);
    return header;
}

static size_t put_transport(const struct frame *f, uint8_t *at)
{
    memset(at, 0, 8);
    switch (f->protocol) {
    case PROTOCOL_TCP:
        return put_tcp(f, at);
    case PROTOCOL_UDP:
        put16(at, f->source_port);
        put16(at + 2, f->destination_port);
        put16(at + 4, 8u + f->data);
        return 8;
    case PROTOCOL_SCTP:
        memset(at, 0, 12);
        put16(at, f->source_port);
        put16(at + 2, f->destination_port);
        return 12;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMP6:
        at[0] = f->type;
        at[1] = f->code;
        put16(at + 4, f->source_port);
        if (f->quoted == NULL)
            return 8;
        memcpy(at + 8, f->quoted + 14, f->quoted_len - 14u);
        return 8 + f->quoted_len - 14u;
    default:
        return 0;
    }
}

static void put_sum(const struct frame *f, uint8_t *ip, bool v6, uint8_t *at, size_t len)
{
    size_t where = f->protocol == PROTOCOL_TCP ? 16 : f->protocol == PROTOCOL_UDP ? 6 : 2;
    uint16_t sum;

    if (f->protocol != PROTOCOL_TCP && f->protocol != PROTOCOL_UDP &&
        f->protocol != PROTOCOL_ICMP && f->protocol != PROTOCOL_ICMP6)
        return;
    if (f->no_udp_sum)
        return;
    sum = f->protocol == PROTOCOL_ICMP ? 0 : pseudo(ip, v6, f->protocol, len);
    sum = (uint16_t)~sum16(sum, at, len);
    put16(at + where, sum == 0 && f->protocol == PROTOCOL_UDP ? 0xffff : sum);
}

static size_t put_payload(const struct frame *f, uint8_t *at)
{
    size_t n = f->offset == 0 ? put_transport(f, at) : 0;

    for (size_t i = 0; i < f->data; i++)
        at[n + i] = (uint8_t)(f->offset + i);
    return n + f->data;
}

static size_t put_v4(const struct frame *f, uint8_t *ip)
{
    static const uint8_t route[8] = {131, 7, 4, 10, 0, 0, 1, 0};
    size_t header = f->source_route ? 28 : 20, len;

    memset(ip, 0, header);
    ip[0] = (uint8_t)(0x40 | header / 4);
    put16(ip + 4, f->id);
    put16(ip + 6, f->offset / 8 | (f->more ? 0x2000u : 0));
    ip[8] = 64;
    ip[9] = f->protocol;
    address(f->from, false, ip + 12);
    address(f->to, false, ip + 16);
    if (f->source_route)
        memcpy(ip + 20, route, 8);
    len = put_payload(f, ip + header);
    put16(ip + 2, (unsigned)(header + len));
    put16(ip + 10, (uint16_t)~sum16(0, ip, header));
    if (f->offset == 0)
        put_sum(f, ip, false, ip + header, len);
    return header + len;
}

static size_t put_v6(const struct frame *f, uint8_t *ip)
{
    size_t n = 40, len;
    uint8_t *next = &ip[6];

    memset(ip, 0, 40);
    ip[0] = 0x60;
    ip[7] = f->hops != 0 ? f->hops : 64;
    address(f->from, true, ip + 8);
    address(f->to, true, ip + 24);
    if (f->extension != 0 || f->source_route) {
        memset(ip + n, 0, 8);
        *next = f->source_route ? 43 : f->extension;
        next = &ip[n];
        n += 8;
    }
    if (f->fragment || f->more || f->offset != 0) {
        memset(ip + n, 0, 8);
        *next = 44;
        next = &ip[n];
        put16(ip + n + 2, f->offset | f->more);
        put32(ip + n + 4, f->id);
        n += 8;
    }
    *next = f->protocol;
    len = put_payload(f, ip + n);
    put16(ip + 4, (unsigned)(n - 40 + len));
    if (f->offset == 0)
        put_sum(f, ip, true, ip + n, len);
    return n + len;
}

size_t frame_build(const struct frame *f, uint8_t out[FRAME_MAX])
{
    bool v6 = strchr(f->from, ':') != NULL;
    size_t n = 12;

    memcpy(out, "\x02\x00\x00\x00\x00\x52\x02\x00\x00\x00\x00\x51", 12);
    for (int i = 0; i < 2; i++) {
        if (f->vlan[i] != 0) {
            n += put16(out + n, i == 0 && f->vlan[1] != 0 ? 0x88a8 : 0x8100);
            n += put16(out + n, f->vlan[i]);
        }
    }
    n += put16(out + n, v6 ? 0x86dd : 0x0800);
    return n + (v6 ? put_v6(f, out + n) : put_v4(f, out + n));
}

/* ---- judging ---- */

bool frame_sums_are_right(const uint8_t *at, size_t len)
{
    struct packet p;
    const uint8_t *ip;
    bool v6;

    if (packet_parse(&p, at, len) != PACKET_IP)
        return false;
    ip = at + p.ip;
    v6 = p.family == FAMILY_V6;
    len = (size_t)p.end - p.transport;
    if (!v6 && sum16(0, ip, (ip[0] & 15u) * 4) != 0xffff)
        return false;
    if (p.fragment || p.first_fragment)
        return true;
    switch (p.protocol) {
    case PROTOCOL_ICMP:
        return sum16(0, at + p.transport, len) == 0xffff;
    case PROTOCOL_UDP:
        if (!v6 && at[p.transport + 6] == 0 && at[p.transport + 7] == 0)
            return true;
        return sum16(pseudo(ip, v6, 17, len), at + p.transport, len) == 0xffff;
    case PROTOCOL_TCP:
    case PROTOCOL_ICMP6:
        return sum16(pseudo(ip, v6, p.protocol, len), at + p.transport, len) == 0xffff;
    default:
        return true;
    }
}
