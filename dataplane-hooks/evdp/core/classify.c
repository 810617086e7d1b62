#include "classify.h"
#include "octets.h"

enum { FIELDS = 5 };

/* The last edge that is not above the value. */
static uint32_t find(const struct intervals *x, uint32_t value)
{
    const uint32_t *base = x->edge;
    uint32_t n = x->count;

    while (n > 1) {
        uint32_t half = n / 2;

        base = base[half] <= value ? base + half : base;
        n -= half;
    }
    return x->vector[base - x->edge];
}

static uint32_t find_wide(const struct intervals *x, classify_wide value)
{
    const classify_wide *base = x->wide;
    uint32_t n = x->count;

    while (n > 1) {
        uint32_t half = n / 2;

        base = base[half] <= value ? base + half : base;
        n -= half;
    }
    return x->vector[base - x->wide];
}

static classify_wide wide(const uint8_t *at)
{
    classify_wide v = 0;

    for (int i = 0; i < 16; i += 4)
        v = v << 32 | be32(at + i);
    return v;
}

static void vectors_of(const struct classifier *c, const struct packet *p, uint32_t out[FIELDS])
{
    if (p->family == FAMILY_V4) {
        out[0] = find(&c->source4, be32(p->source));
        out[1] = find(&c->destination4, be32(p->destination));
    } else {
        out[0] = find_wide(&c->source6, wide(p->source));
        out[1] = find_wide(&c->destination6, wide(p->destination));
    }
    out[2] = c->protocol[p->protocol];
    out[3] = p->has_ports ? find(&c->source_port, p->source_port) : c->no_source_port;
    out[4] =
        p->has_ports ? find(&c->destination_port, p->destination_port) : c->no_destination_port;
}

static uint64_t meet(const uint64_t *const v[FIELDS], uint32_t word)
{
    return v[0][word] & v[1][word] & v[2][word] & v[3][word] & v[4][word];
}

uint32_t classify(const struct classifier *c, const struct packet *p, uint16_t *application)
{
    size_t stride = c->summary_words + c->words;
    const uint64_t *v[FIELDS];
    uint32_t index[FIELDS];

    vectors_of(c, p, index);
    for (int i = 0; i < FIELDS; i++)
        v[i] = c->vectors + index[i] * stride;
    for (uint32_t s = 0; s < c->summary_words; s++) {
        for (uint64_t left = meet(v, s); left != 0; left &= left - 1) {
            uint32_t word = s * 64 + (uint32_t)__builtin_ctzll(left);
            uint64_t hit = meet(v, c->summary_words + word);

            if (hit != 0) {
                uint32_t entry = word * 64 + (uint32_t)__builtin_ctzll(hit);

                *application = c->application[entry];
                return c->rule[entry];
            }
        }
    }
    *application = 0;
    return CLASSIFY_NONE;
}
