#include "fragments.h"

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

enum fragment_result fragments_see(struct fragments *t, struct packet *p, uint8_t port,
                                   uint64_t now_ns)
{
    enum fragment_result result;
    struct fragment_bucket *b;
    uint64_t key[2];

    if (!p->fragment && !p->first_fragment)
        return FRAGMENT_FITS;
    fragment_key(&t->seed, p, port, key);
    b = &t->bucket[key[0] & t->mask];
    spin_lock(&b->lock);
    result = fragment_see(b->way, key, p, now_ns);
    spin_unlock(&b->lock);
    return result;
}
