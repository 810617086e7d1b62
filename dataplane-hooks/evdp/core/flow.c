#include "flow.h"

#include <string.h>

static bool is_icmp(uint8_t protocol)
{
    return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMP6;
}

void flow_of_packet(struct flow *f, const struct packet *p, uint8_t port)
{
    memcpy(f->source, p->source, 16);
    memcpy(f->destination, p->destination, 16);
    f->source_port = p->source_port;
    f->destination_port = p->echo ? p->source_port : p->destination_port;
    f->vlan = p->vlan;
    f->family = p->family;
    f->protocol = p->protocol;
    f->port = port;
    f->icmp_type = is_icmp(p->protocol) ? p->icmp_type : 0;
}

/* RFC 792, 950, 4443, 4620: what asks, and what answers it. */
static const struct {
    uint8_t protocol, asks, answers;
} pairs[] = {{PROTOCOL_ICMP, 8, 0},   {PROTOCOL_ICMP, 13, 14},    {PROTOCOL_ICMP, 15, 16},
             {PROTOCOL_ICMP, 17, 18}, {PROTOCOL_ICMP6, 128, 129}, {PROTOCOL_ICMP6, 139, 140}};

bool flow_icmp_answers(uint8_t protocol, uint8_t asks, uint8_t answers)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i].protocol == protocol && pairs[i].asks == asks)
            return pairs[i].answers == answers;
    }
    return false;
}

/* What has no other side stays as it is. */
static uint8_t other_side(uint8_t protocol, uint8_t type)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i].protocol != protocol)
            continue;
        if (pairs[i].asks == type)
            return pairs[i].answers;
        if (pairs[i].answers == type)
            return pairs[i].asks;
    }
    return type;
}

void flow_reverse(struct flow *out, const struct flow *f, uint8_t port)
{
    *out = *f;
    memcpy(out->source, f->destination, 16);
    memcpy(out->destination, f->source, 16);
    out->source_port = f->destination_port;
    out->destination_port = f->source_port;
    out->port = port;
    if (is_icmp(f->protocol))
        out->icmp_type = other_side(f->protocol, f->icmp_type);
}

bool flow_equal(const struct flow *a, const struct flow *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static uint64_t end_hash(const uint8_t address[16], uint16_t port, const struct flow_seed *seed)
{
    uint64_t word[2];

    memcpy(word, address, 16);
    return flow_fold(word[0] ^ seed->word[0], word[1] ^ seed->word[1] ^ (uint64_t)port << 40);
}

uint64_t flow_hash(const struct flow *f, const struct flow_seed *seed)
{
    uint64_t ends = end_hash(f->source, f->source_port, seed) +
                    end_hash(f->destination, f->destination_port, seed);

    return flow_fold(ends ^ seed->word[2], seed->word[3] ^ ((uint64_t)f->protocol << 32 | f->vlan));
}
