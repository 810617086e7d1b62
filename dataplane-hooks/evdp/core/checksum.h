/* The Internet checksum (RFC 1071) and its change (RFC 1624).  Pure. */
#ifndef EVDP_CHECKSUM_H
#define EVDP_CHECKSUM_H

#include "octets.h"

#include <stddef.h>

/* A running sum, not folded; len may be odd only in the last piece. */
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *at, size_t len)
{
    for (; len > 1; at += 2, len -= 2)
        sum += be16(at);
    return len == 1 ? sum + ((uint64_t)*at << 8) : sum;
}

static inline uint16_t checksum_fold(uint64_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* `len` bytes (even) that the checksum at `sum_at` covers are about to change. */
static inline void checksum_change(uint8_t *sum_at, const uint8_t *before, const uint8_t *after,
                                   size_t len)
{
    uint64_t sum = (uint16_t)~be16(sum_at);

    for (size_t i = 0; i < len; i += 2)
        sum += (uint64_t)(uint16_t)~be16(before + i) + be16(after + i);
    put_be16(sum_at, (uint16_t)~checksum_fold(sum));
}

/* The sum of nothing but zeros is 0xffff, which its change cannot tell from 0 (RFC 1624 section 4):
 * only a message without a pseudo header can be that. */
static inline void checksum_mend_zeros(uint8_t *sum_at, const uint8_t *message, size_t len)
{
    size_t i = 0;

    while (i < len && message[i] == 0)
        i++;
    if (i == len)
        put_be16(sum_at, 0xffff);
}

#endif
