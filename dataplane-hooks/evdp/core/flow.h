/* Whose packet it is: the two ends, as one direction of a conversation shows them.  Pure. */
#ifndef EVDP_FLOW_H
#define EVDP_FLOW_H

#include "packet.h"

struct flow {
    uint8_t source[16], destination[16];
    uint16_t source_port, destination_port; /* ICMP echo: the id, as both. */
    uint32_t vlan;
    uint8_t family, protocol;
    uint8_t port;      /* End of a wire where it comes in: rules.end. */
    uint8_t icmp_type; /* 0 of other protocols, so that flows compare as bytes. */
};

struct flow_seed { /* Random, so that nobody outside knows which flows share a chain. */
    uint64_t word[4];
};

void flow_of_packet(struct flow *f, const struct packet *p, uint8_t port);
/* The direction back, coming in at `port`; of ICMP, the question to an answer too. */
void flow_reverse(struct flow *out, const struct flow *f, uint8_t port);
/* ICMP: whether the answer to a packet of type `asks` is of type `answers`. */
bool flow_icmp_answers(uint8_t protocol, uint8_t asks, uint8_t answers);
bool flow_equal(const struct flow *a, const struct flow *b);
/* The same for both directions. */
uint64_t flow_hash(const struct flow *f, const struct flow_seed *seed);

/* 64 x 64 bits, folded: every bit of the result depends on every bit of both. */
static inline uint64_t flow_fold(uint64_t a, uint64_t b)
{
#ifdef __bpf__ /* It has no wider product than 64 bits. */
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    uint64_t other = a0 * b1 + (uint32_t)middle;

    return (a * b) ^ (a1 * b1 + (middle >> 32) + (other >> 32));
#else
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
#endif
}

/* Of any 16 bytes and a number. */
static inline uint64_t flow_hash_words(const struct flow_seed *seed, uint64_t a, uint64_t b,
                                       uint64_t c)
{
    return flow_fold(flow_fold(a ^ seed->word[0], b ^ seed->word[1]) ^ seed->word[2],
                     c ^ seed->word[3]);
}

#endif
