/* One datagram in fragments: what its first one said, and which bytes came.  Both backends compile
 * it, each with a table of its own around it; loops and places have constant bounds, so that the
 * kernel can prove them.  Pure. */
#ifndef EVDP_FRAGMENT_H
#define EVDP_FRAGMENT_H

#include "elapsed.h"
#include "flow.h"

#include <string.h>

#define FRAGMENT_LIFE_NS 2000000000ull /* IPv4 ids come round soon. */

enum { FRAGMENT_WAYS = 4, FRAGMENT_SPANS = 8 }; /* Powers of two. */

struct fragment_span {
    uint16_t from, to; /* Bytes, to: exclusive. */
};

struct fragment_entry {
    uint64_t key[2];
    uint64_t used_ns; /* 0: free. */
    uint16_t source_port, destination_port;
    uint32_t seq, ack; /* TCP; seq: as if its header were data, too. */
    uint16_t window;
    uint8_t tcp_flags;
    uint8_t protocol, icmp_type, icmp_code;
    bool has_ports, echo;
    bool refused; /* Something overlapped: nothing more of the datagram fits. */
    uint8_t span_count;
    uint16_t first_to;
    struct fragment_span span[FRAGMENT_SPANS];
    uint32_t end; /* Of the datagram; 0: its last fragment was not seen. */
};

enum fragment_result {
    FRAGMENT_FITS, /* Not one, a first one, or one that now has what the first said. */
    FRAGMENT_OVERLAPS,
    FRAGMENT_REPEATS, /* The first one again: not wanted twice, and no sign of an attack. */
    FRAGMENT_ORPHAN,  /* Its first one was not seen, or too long ago. */
};

/* RFC 791: source, destination, protocol, id.  In IPv6 the protocol is not part of it. */
static inline void fragment_key(const struct flow_seed *seed, const struct packet *p, uint8_t port,
                                uint64_t key[2])
{
    uint64_t s[2], d[2];
    uint64_t rest = (uint64_t)p->vlan << 32 | (uint32_t)(port << 24 | p->family << 16) |
                    (p->family == FAMILY_V4 ? p->protocol : 0u);

    memcpy(s, p->source, 16);
    memcpy(d, p->destination, 16);
    key[0] = flow_hash_words(seed, s[0], s[1], rest);
    key[1] = flow_hash_words(seed, d[0] + p->fragment_id, d[1] + key[0], p->fragment_id);
}

static inline struct fragment_entry *fragment_look(struct fragment_entry *way,
                                                   const uint64_t key[2], uint64_t now_ns)
{
    for (int i = 0; i < FRAGMENT_WAYS; i++) {
        struct fragment_entry *e = &way[i];

        if (e->used_ns != 0 && elapsed_ns(now_ns, e->used_ns) < FRAGMENT_LIFE_NS &&
            e->key[0] == key[0] && e->key[1] == key[1])
            return e;
    }
    return NULL;
}

static inline struct fragment_entry *fragment_oldest(struct fragment_entry *way)
{
    struct fragment_entry *e = &way[0];

    for (int i = 1; i < FRAGMENT_WAYS; i++) {
        if (way[i].used_ns < e->used_ns)
            e = &way[i];
    }
    return e;
}

static inline void fragment_remember_first(struct fragment_entry *e, const uint64_t key[2],
                                           const struct packet *p, uint64_t now_ns)
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

static inline bool fragment_is_same_first(const struct fragment_entry *e, const struct packet *p)
{
    return e->first_to == p->fragment_to && e->source_port == p->source_port &&
           e->destination_port == p->destination_port && e->protocol == p->protocol &&
           e->icmp_type == p->icmp_type && e->icmp_code == p->icmp_code &&
           e->has_ports == p->has_ports && e->echo == p->echo;
}

/* RFC 5722: of a datagram that has two first ones nothing may be put together.  To begin anew would
 * let what comes next overlap what passed before. */
static inline enum fragment_result fragment_see_first_again(struct fragment_entry *e,
                                                            const struct packet *p)
{
    if (!e->refused && fragment_is_same_first(e, p))
        return FRAGMENT_REPEATS;
    e->refused = true;
    return FRAGMENT_OVERLAPS;
}

/* A place in the list: what an honest counter never exceeds. */
static inline struct fragment_span *fragment_span_at(struct fragment_entry *e, uint32_t i)
{
    return &e->span[i & (FRAGMENT_SPANS - 1)];
}

static inline void fragment_drop_span(struct fragment_entry *e, uint32_t i)
{
    e->span_count--;
    *fragment_span_at(e, i) = *fragment_span_at(e, e->span_count);
}

static inline bool fragment_meets(struct fragment_entry *e, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < FRAGMENT_SPANS; i++) {
        if (i < e->span_count && from < e->span[i].to && to > e->span[i].from)
            return true;
    }
    return false;
}

/* Joins what touches it; false: it overlaps, or leaves more gaps than an honest sender does. */
static inline bool fragment_put_span(struct fragment_entry *e, uint32_t from, uint32_t to)
{
    struct fragment_span *s;

    if (fragment_meets(e, from, to))
        return false;
    for (uint32_t i = FRAGMENT_SPANS; i-- > 0;) {
        if (i >= e->span_count)
            continue;
        if (e->span[i].to == from) {
            from = e->span[i].from;
            fragment_drop_span(e, i);
        } else if (e->span[i].from == to) {
            to = e->span[i].to;
            fragment_drop_span(e, i);
        }
    }
    if (e->span_count >= FRAGMENT_SPANS)
        return false;
    s = fragment_span_at(e, e->span_count++);
    s->from = (uint16_t)from;
    s->to = (uint16_t)to;
    return true;
}

/* No byte may lie beyond the last fragment's end, and there is one end. */
static inline bool fragment_fits_end(struct fragment_entry *e, const struct packet *p)
{
    if (e->end != 0)
        return !p->last_fragment && p->fragment_to <= e->end;
    if (!p->last_fragment)
        return true;
    for (uint32_t i = 0; i < FRAGMENT_SPANS; i++) {
        if (i < e->span_count && e->span[i].to > p->fragment_from)
            return false;
    }
    e->end = p->fragment_to;
    return true;
}

static inline void fragment_inherit(struct packet *p, const struct fragment_entry *e)
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

static inline enum fragment_result fragment_see_later(struct fragment_entry *e, struct packet *p)
{
    if (e == NULL)
        return FRAGMENT_ORPHAN;
    e->refused = e->refused || !fragment_fits_end(e, p) ||
                 !fragment_put_span(e, p->fragment_from, p->fragment_to);
    if (e->refused) /* RFC 5722: what is still to come, too. */
        return FRAGMENT_OVERLAPS;
    fragment_inherit(p, e);
    if (e->end != 0 && e->span_count == 1 && e->span[0].to == e->end)
        e->used_ns = 0; /* Complete: its id may come again at once. */
    return FRAGMENT_FITS;
}

/* way: the FRAGMENT_WAYS entries where the key's datagram is at home, which nobody else looks at.
 */
static inline enum fragment_result fragment_see(struct fragment_entry *way, const uint64_t key[2],
                                                struct packet *p, uint64_t now_ns)
{
    struct fragment_entry *e = fragment_look(way, key, now_ns);

    if (p->fragment)
        return fragment_see_later(e, p);
    if (e != NULL)
        return fragment_see_first_again(e, p);
    fragment_remember_first(fragment_oldest(way), key, p, now_ns);
    return FRAGMENT_FITS;
}

#endif
