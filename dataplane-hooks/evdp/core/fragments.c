#include "fragments.h"

#include "elapsed.h"

#include <string.h>

#define FRAGMENT_LIFE_NS 2000000000ull /* IPv4 ids come round soon. */

static uint32_t buckets_for(uint32_t capacity)
{
    uint32_t n = 16;

    while (n * FRAGMENT_WAYS < capacity)
        n *= 2;
    return n;
}

size_t fragments_size(uint32_t capacity)
{
    return buckets_for(capacity) * sizeof(struct fragment_bucket);
}

void fragments_init(struct fragments *t, void *zeroed, uint32_t capacity,
                    const struct flow_seed *seed)
{
    t->seed = *seed;
    t->mask = buckets_for(capacity) - 1;
    t->bucket = zeroed;
}

/* RFC 791: source, destination, protocol, id.  In IPv6 the protocol is not part of it. */
static void make_key(const struct fragments *t, const struct packet *p, uint8_t port,
                     uint64_t key[2])
{
    uint64_t s[2], d[2];
    uint64_t rest = (uint64_t)p->vlan << 32 | (uint32_t)(port << 24 | p->family << 16) |
                    (p->family == FAMILY_V4 ? p->protocol : 0u);

    memcpy(s, p->source, 16);
    memcpy(d, p->destination, 16);
    key[0] = flow_hash_words(&t->seed, s[0], s[1], rest);
    key[1] = flow_hash_words(&t->seed, d[0] + p->fragment_id, d[1] + key[0], p->fragment_id);
}

static struct fragment_entry *look(struct fragment_bucket *b, const uint64_t key[2],
                                   uint64_t now_ns)
{
    for (int i = 0; i < FRAGMENT_WAYS; i++) {
        struct fragment_entry *e = &b->way[i];

        if (e->used_ns != 0 && elapsed_ns(now_ns, e->used_ns) < FRAGMENT_LIFE_NS &&
            e->key[0] == key[0] && e->key[1] == key[1])
            return e;
    }
    return NULL;
}

static struct fragment_entry *oldest(struct fragment_bucket *b)
{
    struct fragment_entry *e = &b->way[0];

    for (int i = 1; i < FRAGMENT_WAYS; i++) {
        if (b->way[i].used_ns < e->used_ns)
            e = &b->way[i];
    }
    return e;
}

static void remember_first(struct fragment_entry *e, const uint64_t key[2], const struct packet *p,
                           uint64_t now_ns)
{
    memset(e, 0, sizeof(*e));
    memcpy(e->key, key, sizeof(e->key));
    e->used_ns = now_ns != 0 ? now_ns : 1;
    e->source_port = p->source_port;
    e->destination_port = p->destination_port;
    e->seq = p->seq + ((p->tcp_flags & TCP_SYN) != 0) - (uint32_t)(p->payload - p->transport);
    e->ack = p->ack;
    e->window = p->window;
    e->tcp_flags = p->tcp_flags & (uint8_t)~TCP_SYN;
    e->protocol = p->protocol;
    e->icmp_type = p->icmp_type;
    e->icmp_code = p->icmp_code;
    e->has_ports = p->has_ports;
    e->echo = p->echo;
    e->first_to = (uint16_t)p->fragment_to;
    e->span_count = 1;
    e->span[0].from = 0;
    e->span[0].to = e->first_to;
}

static bool is_same_first(const struct fragment_entry *e, const struct packet *p)
{
    return e->first_to == p->fragment_to && e->source_port == p->source_port &&
           e->destination_port == p->destination_port && e->protocol == p->protocol &&
           e->icmp_type == p->icmp_type && e->icmp_code == p->icmp_code &&
           e->has_ports == p->has_ports && e->echo == p->echo;
}

/* RFC 5722: of a datagram that has two first ones nothing may be put together.  To begin anew would
 * let what comes next overlap what passed before. */
static enum fragment_result see_first_again(struct fragment_entry *e, const struct packet *p)
{
    if (!e->refused && is_same_first(e, p))
        return FRAGMENT_REPEATS;
    e->refused = true;
    return FRAGMENT_OVERLAPS;
}

static void drop_span(struct fragment_entry *e, int i)
{
    e->span[i] = e->span[--e->span_count];
}

/* Joins what touches it; false: it overlaps, or leaves more gaps than an honest sender does. */
static bool put_span(struct fragment_entry *e, uint32_t from, uint32_t to)
{
    for (int i = 0; i < e->span_count; i++) {
        if (from < e->span[i].to && to > e->span[i].from)
            return false;
    }
    for (int i = e->span_count - 1; i >= 0; i--) {
        if (e->span[i].to == from) {
            from = e->span[i].from;
            drop_span(e, i);
        } else if (e->span[i].from == to) {
            to = e->span[i].to;
            drop_span(e, i);
        }
    }
    if (e->span_count == FRAGMENT_SPANS)
        return false;
    e->span[e->span_count].from = (uint16_t)from;
    e->span[e->span_count++].to = (uint16_t)to;
    return true;
}

/* No byte may lie beyond the last fragment's end, and there is one end. */
static bool fits_end(struct fragment_entry *e, const struct packet *p)
{
    if (e->end != 0)
        return !p->last_fragment && p->fragment_to <= e->end;
    if (!p->last_fragment)
        return true;
    for (int i = 0; i < e->span_count; i++) {
        if (e->span[i].to > p->fragment_from)
            return false;
    }
    e->end = p->fragment_to;
    return true;
}

static void inherit(struct packet *p, const struct fragment_entry *e)
{
    p->source_port = e->source_port;
    p->destination_port = e->destination_port;
    p->protocol = e->protocol;
    p->icmp_type = e->icmp_type;
    p->icmp_code = e->icmp_code;
    p->has_ports = e->has_ports;
    p->echo = e->echo;
    p->seq = e->seq + p->fragment_from;
    p->ack = e->ack;
    p->window = e->window;
    p->tcp_flags = e->tcp_flags;
    p->payload = p->transport;
}

static enum fragment_result see_later(struct fragment_entry *e, struct packet *p)
{
    if (e == NULL)
        return FRAGMENT_ORPHAN;
    e->refused = e->refused || !fits_end(e, p) || !put_span(e, p->fragment_from, p->fragment_to);
    if (e->refused) /* RFC 5722: what is still to come, too. */
        return FRAGMENT_OVERLAPS;
    inherit(p, e);
    if (e->end != 0 && e->span_count == 1 && e->span[0].to == e->end)
        e->used_ns = 0; /* Complete: its id may come again at once. */
    return FRAGMENT_FITS;
}

enum fragment_result fragments_see(struct fragments *t, struct packet *p, uint8_t port,
                                   uint64_t now_ns)
{
    enum fragment_result result = FRAGMENT_FITS;
    struct fragment_bucket *b;
    struct fragment_entry *e;
    uint64_t key[2];

    if (!p->fragment && !p->first_fragment)
        return FRAGMENT_FITS;
    make_key(t, p, port, key);
    b = &t->bucket[key[0] & t->mask];
    spin_lock(&b->lock);
    e = look(b, key, now_ns);
    if (p->fragment)
        result = see_later(e, p);
    else if (e != NULL)
        result = see_first_again(e, p);
    else
        remember_first(oldest(b), key, p, now_ns);
    spin_unlock(&b->lock);
    return result;
}
