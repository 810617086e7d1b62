#include "nat.h"
#include "checksum.h"
#include "homes.h"

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

static uint64_t addresses_in(const struct prefix *x)
{
    unsigned host = (x->family == FAMILY_V4 ? 32u : 128u) - x->bits;

    return 1ull << (host < 48 ? host : 48);
}

static uint64_t pool_size(const struct nat *n, uint8_t family)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < n->pool_count; i++)
        size += n->pool[i].family == family ? addresses_in(&n->pool[i]) : 0;
    return size;
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

/* pick: below pool_size(). */
static void pool_address(const struct nat *n, uint8_t family, uint64_t pick, uint8_t out[16])
{
    const struct prefix *x = n->pool;

    for (;; x++) {
        if (x->family != family)
            continue;
        if (pick < addresses_in(x))
            break;
        pick -= addresses_in(x);
    }
    address_of(x, pick, out);
}

struct choice {
    uint8_t source[16];
    uint16_t port; /* 0: the protocol has none that could be changed. */
};

static void answers_of(struct flow *out, const struct nat_search *q, const struct choice *c)
{
    flow_reverse(out, q->flow, q->port_out);
    memcpy(out->destination, c->source, 16);
    if (c->port != 0)
        out->destination_port = c->port;
    if (is_icmp(q->flow->protocol))
        out->source_port = out->destination_port;
}

/* Nobody's: no translated flow has such answers, and no other flow is these.  Then it is s's. */
static bool take(const struct nat_search *q, struct session *s, const struct choice *c)
{
    struct flow answers;
    struct session *found;
    struct shard *h;
    struct home home;
    uint64_t hash, key;
    int direction;
    bool taken;

    answers_of(&answers, q, c);
    hash = flow_hash(&answers, &q->all->seed);
    key = homes_key(q->all, &answers, hash);
    if (homes_find(q->all, key, &home))
        return false;
    h = sessions_shard(q->all, hash);
    if (h != q->locked && !spin_try(&h->lock))
        return false;
    found = session_find(h, &answers, hash, &direction);
    taken = (found == NULL || found == s) && (s == NULL || homes_add(q->all, s, key));
    if (h != q->locked)
        spin_unlock(&h->lock);
    return taken;
}

/* Of one address, `count` steps of the search for a port: it leads past each of `reach`, a power of
 * two, once, and on a way of its own for each flow, so that those taken are no long queues. */
static bool take_port(const struct nat_search *q, struct session *s, struct choice *c,
                      uint32_t reach, uint32_t from, uint32_t count)
{
    uint32_t ports = (uint32_t)(q->nat->ports.to - q->nat->ports.from) + 1;

    if (!has_port(q->flow)) {
        c->port = 0;
        return take(q, s, c);
    }
    for (uint32_t i = from; i < from + count; i++) {
        uint32_t port = ((uint32_t)q->hash + i * (i + 1) / 2) & (reach - 1);

        c->port = (uint16_t)(q->nat->ports.from + port);
        if (port < ports && take(q, s, c))
            return true;
    }
    return false;
}

static uint32_t reach_of(const struct nat_search *q)
{
    uint32_t reach = 1;

    while (has_port(q->flow) && reach <= (uint32_t)(q->nat->ports.to - q->nat->ports.from))
        reach *= 2;
    return reach;
}

static bool search(const struct nat_search *q, struct session *s, struct choice *c)
{
    uint64_t addresses = pool_size(q->nat, q->flow->family), client[2], sticky;
    uint32_t reach = reach_of(q), step = reach < NAT_STEP ? reach : NAT_STEP, steps = 0;

    if (addresses == 0)
        return false;
    memcpy(client, q->flow->source, 16);
    sticky = flow_hash_words(&q->all->seed, client[0], client[1], 1) % addresses;
    for (uint32_t from = 0; from < reach; from += step) {
        for (uint64_t a = 0; a < addresses; a++, steps += step) {
            if (steps >= NAT_STEPS_MAX)
                return false;
            pool_address(q->nat, q->flow->family, (sticky + a) % addresses, c->source);
            if (take_port(q, s, c, reach, from, step))
                return true;
        }
    }
    return false;
}

bool nat_has_room(const struct nat_search *q)
{
    struct choice c;

    return search(q, NULL, &c);
}

bool nat_has_answers(const struct nat_search *q)
{
    struct flow answers;
    struct home home;

    flow_reverse(&answers, q->flow, q->port_out);
    return homes_find(q->all, homes_key(q->all, &answers, q->hash), &home);
}

bool nat_translate(const struct nat_search *q, struct session *s)
{
    struct choice c;

    if (!search(q, s, &c))
        return false;
    s->is_nat = true;
    memcpy(s->nat_source, c.source, 16);
    s->has_nat_port = c.port != 0; /* A pool begins with 1 at the least. */
    s->nat_port = c.port;
    return true;
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
    case PROTOCOL_UDP: /* 0: the sender left it out, over IPv6 that of a tunnel (RFC 6935). */
        return be16(frame + p->transport + 6) == 0 ? 0 : p->transport + 6u;
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

/* Bytes that the error's own checksum covers.  It is changed, not made anew: what was damaged on
 * its way stays so, and its receiver sees it. */
static void change_covered(uint8_t *sum, uint8_t *at, const uint8_t *to, size_t len)
{
    checksum_change(sum, at, to, len);
    memcpy(at, to, len);
}

/* A quoted packet is cut short, so its transport checksum may not be there; nobody checks it.
 * sum: of the error that quotes it; port: NULL: it is kept. */
static void change_quoted(uint8_t *frame, uint8_t *sum, const struct packet *q, bool source,
                          const uint8_t *to, const uint16_t *port)
{
    size_t size = q->family == FAMILY_V4 ? 4 : 16;
    uint8_t *at = frame + q->ip + (q->family == FAMILY_V4 ? 12 : 8) + (source ? 0 : size);
    uint8_t after[2];

    if (q->family == FAMILY_V4) {
        memcpy(after, frame + q->ip + 10, 2);
        checksum_change(after, at, to, size);
        change_covered(sum, frame + q->ip + 10, after, 2);
    }
    change_covered(sum, at, to, size);
    if (port == NULL)
        return;
    put_be16(after, *port);
    change_covered(sum,
                   frame + q->transport +
                       (is_icmp(q->protocol) ? 4
                        : source             ? 0
                                             : 2),
                   after, 2);
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
    change_quoted(frame, frame + p->transport + 2, q, !to_server, client,
                  s->has_nat_port ? port : NULL);
}
