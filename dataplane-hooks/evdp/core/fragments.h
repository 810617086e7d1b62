/* What the first fragment of a datagram said, for those that come later, and which bytes came: a
 * datagram of which one fragment overlaps another is refused (RFC 5722; teardrop).  A fixed table.
 * Pure. */
#ifndef EVDP_FRAGMENTS_H
#define EVDP_FRAGMENTS_H

#include "fragment.h"
#include "lock.h"

struct fragment_bucket {
    _Alignas(64) struct spin lock;
    struct fragment_entry way[FRAGMENT_WAYS];
};

struct fragments {
    struct flow_seed seed;
    uint32_t mask;
    struct fragment_bucket *bucket;
};

size_t fragments_size(uint32_t capacity); /* Bytes, zeroed and aligned to 64. */
void fragments_init(struct fragments *t, void *zeroed, uint32_t capacity,
                    const struct flow_seed *seed);
/* Gives a later fragment the ports of the first, and TCP's numbers of its own bytes. */
enum fragment_result fragments_see(struct fragments *t, struct packet *p, uint8_t port,
                                   uint64_t now_ns);

#endif
