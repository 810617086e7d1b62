/* What the first fragment of a datagram said, for those that come later, and which bytes came: a
 * datagram of which one fragment overlaps another is refused (RFC 5722; teardrop).  A fixed table.
 * Pure. */
#ifndef EVDP_FRAGMENTS_H
#define EVDP_FRAGMENTS_H

#include "flow.h"
#include "lock.h"

enum { FRAGMENT_WAYS = 4, FRAGMENT_SPANS = 8 };

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
    struct {
        uint16_t from, to;
    } span[FRAGMENT_SPANS];
    uint32_t end; /* Of the datagram; 0: its last fragment was not seen. */
};

struct fragment_bucket {
    _Alignas(64) struct spin lock;
    struct fragment_entry way[FRAGMENT_WAYS];
};

struct fragments {
    struct flow_seed seed;
    uint32_t mask;
    struct fragment_bucket *bucket;
};

enum fragment_result {
    FRAGMENT_FITS, /* Not one, a first one, or one that now has what the first said. */
    FRAGMENT_OVERLAPS,
    FRAGMENT_REPEATS, /* The first one again: not wanted twice, and no sign of an attack. */
    FRAGMENT_ORPHAN,  /* Its first one was not seen, or too long ago. */
};

size_t fragments_size(uint32_t capacity); /* Bytes, zeroed and aligned to 64. */
void fragments_init(struct fragments *t, void *zeroed, uint32_t capacity,
                    const struct flow_seed *seed);
/* Gives a later fragment the ports of the first, and TCP's numbers of its own bytes. */
enum fragment_result fragments_see(struct fragments *t, struct packet *p, uint8_t port,
                                   uint64_t now_ns);

#endif
