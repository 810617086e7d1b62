/* The search in the flat tables of layout.h: the first entry of a classifier that matches a packet.
 * In the kernel by the eBPF program, and in its test.  Who includes it has word(), and says what
 * INLINE and ALONE are. */
#ifndef EVBPF_SEARCH_H
#define EVBPF_SEARCH_H

#include "layout.h"
#include "octets.h"
#include "packet.h"

/* The last edge that is not above the value. */
ALONE uint32_t find(uint32_t edge, uint32_t count, uint32_t value)
{
    uint32_t base = 0;

    for (int i = 0; i < 32 && count > 1; i++) {
        uint32_t half = count / 2;

        if (word(edge + base + half) <= value)
            base += half;
        count -= half;
    }
    return base;
}

ALONE uint32_t find_wide(uint32_t edge, uint32_t count, uint64_t high, uint64_t low)
{
    uint32_t base = 0;

    for (int i = 0; i < 32 && count > 1; i++) {
        uint32_t half = count / 2, at = edge + 2 * (base + half);
        uint64_t h = word(at), l = word(at + 1);

        if (h < high || (h == high && l <= low))
            base += half;
        count -= half;
    }
    return base;
}

INLINE uint32_t vector_of(uint32_t classifier, enum flat_field field, uint32_t value)
{
    uint32_t at = classifier + FLAT_FIELD + (uint32_t)field * FIELD_WORDS;
    uint32_t i = find((uint32_t)word(at + FIELD_EDGE), (uint32_t)word(at + FIELD_COUNT), value);

    return (uint32_t)word((uint32_t)word(at + FIELD_VECTOR) + i);
}

INLINE uint64_t be64(const uint8_t *at)
{
    return (uint64_t)be32(at) << 32 | be32(at + 4);
}

INLINE uint32_t vector_wide(uint32_t classifier, enum flat_field field, const uint8_t *address)
{
    uint32_t at = classifier + FLAT_FIELD + (uint32_t)field * FIELD_WORDS;
    uint32_t i = find_wide((uint32_t)word(at + FIELD_EDGE), (uint32_t)word(at + FIELD_COUNT),
                           be64(address), be64(address + 8));

    return (uint32_t)word((uint32_t)word(at + FIELD_VECTOR) + i);
}

INLINE uint32_t lowest_bit(uint64_t x)
{
    uint32_t n = 0;

    for (uint32_t width = 32; width > 0; width /= 2) {
        if ((x & ((1ull << width) - 1)) == 0) {
            x >>= width;
            n += width;
        }
    }
    return n;
}

/* The vectors of the fields meet in this word. */
ALONE uint64_t meet(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e)
{
    return word(a) & word(b) & word(c) & word(d) & word(e);
}

/* rule + 1 | application << 32 of the first entry that matches; 0: none. */
ALONE uint64_t classify_flat(const struct packet *p, uint32_t at)
{
    uint32_t v[5];
    uint64_t left;

    if (p == NULL)
        return 0;
    if (p->family == FAMILY_V4) {
        v[0] = vector_of(at, FIELD_SOURCE4, be32(p->source));
        v[1] = vector_of(at, FIELD_DESTINATION4, be32(p->destination));
    } else {
        v[0] = vector_wide(at, FIELD_SOURCE6, p->source);
        v[1] = vector_wide(at, FIELD_DESTINATION6, p->destination);
    }
    v[2] = (uint32_t)word((uint32_t)word(at + FLAT_PROTOCOL) + p->protocol);
    v[3] = v[4] = (uint32_t)word(at + FLAT_NO_PORTS);
    if (p->has_ports) {
        v[3] = vector_of(at, FIELD_SOURCE_PORT, p->source_port);
        v[4] = vector_of(at, FIELD_DESTINATION_PORT, p->destination_port);
    }
    left = meet(v[0], v[1], v[2], v[3], v[4]);
    for (int i = 0; i < 64 && left != 0; i++, left &= left - 1) {
        uint32_t k = 1 + lowest_bit(left);
        uint64_t hit = meet(v[0] + k, v[1] + k, v[2] + k, v[3] + k, v[4] + k);

        if (hit != 0)
            return word((uint32_t)word(at + FLAT_ENTRY) + (k - 1) * 64 + lowest_bit(hit)) + 1;
    }
    return 0;
}

#endif
