#include "nat.h"
#include "checksum.h"

#include <string.h>

/* ---- choosing ---- */

static bool is_icmp(uint8_t protocol)
{
    return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMP6;
}

/* Something that can be changed so that answers are told apart: of ICMP, an echo's id. */
static bool has_port(const struct flow *f)
{
    switch (f->protocol) {
    case PROTOCOL_TCP:
    case PROTOCOL_UDP:
        return true;
    case PROTOCOL_ICMP:
        return f->icmp_type == 8 || f->icmp_type == 0;
    case PROTOCOL_ICMP6:
        return f->icmp_type == 128 || f->icmp_type == 129;
    default:
        return false;
    }
}

/* SCTP's checksum (CRC32c) covers its ports, so they are kept; its addresses are changed. */

static const struct prefix *pool_of(const struct nat *n, uint8_t family, uint64_t pick)
{
    uint32_t fitting = 0;

    for (uint32_t i = 0; i < n->pool_count; i++)
        fitting += n->pool[i].family == family;
    if (fitting == 0)
        return NULL;
    fitting = (uint32_t)(pick % fitting);
    for (uint32_t i = 0;; i++) {
        if (n->pool[i].family == family && fitting-- == 0)
            return &n->pool[i];
    }
}

/* The pick-th address of a prefix: its host bits are those of `pick`, as far as they reach. */
static void address_of(const struct prefix *x, uint64_t pick, uint8_t out[16])
{
    unsigned size = x->family == FAMILY_V4 ? 32 : 128, bit = size;

    memcpy(out, x->address, 16);
    for (int i = 0; i < 64 && bit > x->bits; i++) {
        bit--;
        out[bit / 8] |= (uint8_t)((pick >> i & 1) << (7 - bit % 8));
    }
}

static void answers_of(struct flow *out, const struct flow *f, const struct nat_choice *c,
                       uint8_t port_out)
{
    flow_reverse(out, f, port_out);
    memcpy(out->destination, c->source, 16);
    if (c->port != 0)
        out->destination_port = c->port;
    if (is_icmp(f->protocol))
        out->source_port = out->destination_port;
}

static bool is_free(const struct sessions *all, struct shard *h, const struct flow *f,
                    uint64_t hash, uint8_t port_out, struct nat_choice *c)
{
    struct flow answers;
    int direction;

    answers_of(&answers, f, c, port_out);
    c->answers_hash = flow_hash(&answers, &all->seed);
    if (((c->answers_hash ^ hash) >> 56 & (all->shard_count - 1)) != 0) {
        c->skipped = true; /* Another shard's. */
        return false;
    }
    return session_find(h, &answers, c->answers_hash, &direction) == NULL;
}

bool nat_choose(const struct nat *n, const struct sessions *all, struct shard *h,
                const struct flow *f, uint64_t hash, uint8_t port_out, struct nat_choice *out)
{
    uint32_t ports = (uint32_t)(n->ports.to - n->ports.from) + 1;
    uint64_t client[2], sticky;
    const struct prefix *x;

    out->skipped = false;
    memcpy(client, f->source, 16);
    sticky = flow_hash_words(&all->seed, client[0], client[1], 1);
    x = pool_of(n, f->family, sticky >> 32);
    if (x == NULL)
        return false;
    for (uint32_t i = 0; i < NAT_TRIES; i++) {
        address_of(x, has_port(f) ? sticky : sticky + i, out->source);
        out->port = 0;
        if (has_port(f)) {
            if (i >= ports)
                return false;
            out->port = (uint16_t)(n->ports.from + (hash + i) % ports);
        }
        if (is_free(all, h, f, hash, port_out, out))
            return true;
    }
    return false;
}

/* ---- changing ---- */

/* Where the transport's checksum lies; 0: it has none that covers addresses. */
static size_t transport_sum(const uint8_t *frame, const struct packet *p)
{
    if (p->fragment)
        return 0;
    switch (p->protocol) {
    case PROTOCOL_TCP:
        return p->transport + 16u;
    case PROTOCOL_UDP: /* 0 over IPv4: the sender left it out. */
        return p->family == FAMILY_V4 && be16(frame + p->transport + 6) == 0 ? 0
                                                                             : p->transport + 6u;
    case PROTOCOL_ICMP6:
        return p->transport + 2u;
    default:
        return 0;
    }
}

static void mend_udp(uint8_t *frame, const struct packet *p, size_t sum)
{
    if (p->protocol == PROTOCOL_UDP && sum != 0 && be16(frame + sum) == 0)
        put_be16(frame + sum, 0xffff);
}

static void change_address(uint8_t *frame, const struct packet *p, bool source, const uint8_t *to)
{
    size_t size = p->family == FAMILY_V4 ? 4 : 16, sum = transport_sum(frame, p);
    uint8_t *at = frame + p->ip + (p->family == FAMILY_V4 ? 12 : 8) + (source ? 0 : size);

    if (p->family == FAMILY_V4)
        checksum_change(frame + p->ip + 10, at, to, size);
    if (sum != 0)
        checksum_change(frame + sum, at, to, size);
    memcpy(at, to, size);
    mend_udp(frame, p, sum);
}

static void change_port(uint8_t *frame, const struct packet *p, bool source, uint16_t to)
{
    size_t sum = p->protocol == PROTOCOL_ICMP ? p->transport + 2u : transport_sum(frame, p);
    uint8_t *at = frame + p->transport + (is_icmp(p->protocol) ? 4 : source ? 0 : 2);
    uint8_t after[2];

    if (p->fragment || (is_icmp(p->protocol) && !p->echo))
        return;
    put_be16(after, to);
    if (sum != 0)
        checksum_change(frame + sum, at, after, 2);
    memcpy(at, after, 2);
    mend_udp(frame, p, sum);
    if (p->protocol == PROTOCOL_ICMP)
        checksum_mend_zeros(frame + sum, frame + p->transport, (size_t)p->end - p->transport);
}

void nat_packet(uint8_t *frame, const struct packet *p, const struct session *s, int direction)
{
    bool source = direction == 0;

    change_address(frame, p, source, source ? s->nat_source : s->key.source);
    if (s->has_nat_port)
        change_port(frame, p, source, source ? s->nat_port : s->key.source_port);
}

/* ---- ICMP errors ---- */

/* A quoted packet is cut short, so its transport checksum may not be there; nobody checks it.
 * port: NULL: it is kept. */
static void change_quoted(uint8_t *frame, const struct packet *q, bool source, const uint8_t *to,
                          const uint16_t *port)
{
    size_t size = q->family == FAMILY_V4 ? 4 : 16;
    uint8_t *at = frame + q->ip + (q->family == FAMILY_V4 ? 12 : 8) + (source ? 0 : size);

    if (q->family == FAMILY_V4)
        checksum_change(frame + q->ip + 10, at, to, size);
    memcpy(at, to, size);
    if (port != NULL)
        put_be16(frame + q->transport + (is_icmp(q->protocol) ? 4 : source ? 0 : 2), *port);
}

static void sum_icmp(uint8_t *frame, const struct packet *p)
{
    size_t len = (size_t)p->end - p->transport;
    uint64_t sum = 0;

    put_be16(frame + p->transport + 2, 0);
    if (p->family == FAMILY_V6)
        sum = checksum_add(len + PROTOCOL_ICMP6, frame + p->ip + 8, 32);
    sum = checksum_add(sum, frame + p->transport, len);
    put_be16(frame + p->transport + 2, (uint16_t)~checksum_fold(sum));
}

/* An error in one direction quotes a packet of the other. */
void nat_error(uint8_t *frame, const struct packet *p, const struct packet *q,
               const struct session *s, int direction)
{
    bool to_server = direction == 0;
    const uint8_t *client = to_server ? s->nat_source : s->key.source;
    const uint16_t *port = to_server ? &s->nat_port : &s->key.source_port;
    const uint8_t *outer = frame + p->ip + (p->family == FAMILY_V4 ? 12 : 8);

    /* A router on the client's side speaks for itself. */
    if (!to_server || memcmp(outer, s->key.source, p->family == FAMILY_V4 ? 4 : 16) == 0)
        change_address(frame, p, to_server, client);
    change_quoted(frame, q, !to_server, client, s->has_nat_port ? port : NULL);
    sum_icmp(frame, p);
}
