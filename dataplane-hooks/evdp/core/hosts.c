#include "hosts.h"

#include "elapsed.h"

#include <string.h>

enum { COUNTS_OF_SESSION = 2 }; /* By its source, by its destination. */
#define RECENT_NS 1000000000ull /* What a rate is of. */

static uint32_t buckets_for(uint32_t capacity)
{
    uint32_t n = 64;

    while (n * HOST_WAYS < capacity)
        n *= 2;
    return n;
}

size_t hosts_size(uint32_t capacity, uint32_t sessions)
{
    return buckets_for(capacity) * sizeof(struct host_bucket) +
           counts_size(COUNTS_OF_SESSION * sessions);
}

void hosts_init(struct hosts *h, void *zeroed, uint32_t capacity, uint32_t sessions,
                const struct flow_seed *seed)
{
    h->seed = *seed;
    h->mask = buckets_for(capacity) - 1;
    h->bucket = zeroed;
    h->forgotten = 0;
    counts_init(&h->counts, h->bucket + h->mask + 1, COUNTS_OF_SESSION * sessions, seed);
}

static uint32_t what(enum host_role role, uint16_t zone, uint8_t family)
{
    return (uint32_t)role << 16 | (uint32_t)(zone & 0xff) << 8 | family;
}

struct host_key host_key(enum host_role role, uint16_t zone, uint8_t family,
                         const uint8_t address[16])
{
    struct host_key k = {.what = what(role, zone, family)};

    memcpy(k.word, address, 16);
    return k;
}

struct host_key host_key_of_two(const struct hosts *h, enum host_role role, uint16_t zone,
                                uint8_t family, const uint8_t a[16], const uint8_t b[16])
{
    struct host_key k = {.what = what(role, zone, family)};
    uint64_t x[2], y[2];

    memcpy(x, a, 16);
    memcpy(y, b, 16);
    k.word[0] = flow_hash_words(&h->seed, x[0], x[1], y[0] + 1);
    k.word[1] = flow_hash_words(&h->seed, y[0], y[1], k.word[0]);
    return k;
}

static struct host_bucket *bucket_of(struct hosts *h, const struct host_key *k)
{
    return &h->bucket[flow_hash_words(&h->seed, k->word[0], k->word[1], k->what) & h->mask];
}

static bool is_key(const struct host *e, const struct host_key *k)
{
    return e->used_ns != 0 && e->key.what == k->what && e->key.word[0] == k->word[0] &&
           e->key.word[1] == k->word[1];
}

static struct host *look(struct host_bucket *b, const struct host_key *k)
{
    for (int i = 0; i < HOST_WAYS; i++) {
        if (is_key(&b->way[i], k))
            return &b->way[i];
    }
    return NULL;
}

/* What a storm of others must not push out: above all that a destination is under cookies, then
 * that it is flooded, which is told by half of a second's packets in advance. */
static int rank(const struct host *e, uint64_t now_ns)
{
    uint32_t role = e->key.what >> 16;

    if (role == HOST_COOKIE && e->at_ns > now_ns)
        return 2;
    return role <= HOST_UDP && e->at_ns > now_ns + RECENT_NS / 2 ? 1 : 0;
}

/* a is to make room rather than b. */
static bool goes_before(const struct host *a, const struct host *b, uint64_t now_ns)
{
    int rank_a = rank(a, now_ns), rank_b = rank(b, now_ns);

    return rank_a != rank_b ? rank_a < rank_b : a->used_ns < b->used_ns;
}

/* Of a bucket: one that is free, or the one that was not seen for longest of what is not held. */
static struct host *make_room(struct hosts *h, struct host_bucket *b, uint64_t now_ns)
{
    struct host *e = &b->way[0];

    for (int i = 1; i < HOST_WAYS; i++) {
        if (goes_before(&b->way[i], e, now_ns))
            e = &b->way[i];
    }
    if (e->used_ns != 0 && elapsed_ns(now_ns, e->used_ns) < RECENT_NS)
        atomic_fetch_add_explicit(&h->forgotten, 1, memory_order_relaxed);
    return e;
}

/* The entry, made when it is not there. */
static struct host *take(struct hosts *h, struct host_bucket *b, const struct host_key *k,
                         uint64_t now_ns)
{
    struct host *e = look(b, k);

    if (e == NULL) {
        e = make_room(h, b, now_ns);
        memset(e, 0, sizeof(*e));
        e->key = *k;
    }
    e->used_ns = now_ns != 0 ? now_ns : 1;
    return e;
}

bool hosts_exceeds(struct hosts *h, const struct host_key *k, uint32_t per_s, uint64_t now_ns)
{
    struct host_bucket *b = bucket_of(h, k);
    uint64_t interval_ns = 1000000000ull / per_s, due;
    struct host *e;
    bool exceeds;

    spin_lock(&b->lock);
    e = take(h, b, k, now_ns);
    due = e->at_ns > now_ns ? e->at_ns : now_ns;
    exceeds = due > now_ns + (per_s - 1) * interval_ns;
    if (!exceeds)
        e->at_ns = due + interval_ns;
    spin_unlock(&b->lock);
    return exceeds;
}

static bool is_new_value(struct host *e, uint32_t value)
{
    for (uint32_t i = 0; i < e->seen_count; i++) {
        if (e->seen[i] == value)
            return false;
    }
    return true;
}

bool hosts_tries(struct hosts *h, const struct host_key *k, uint32_t value, uint32_t most,
                 uint64_t window_ns, uint64_t now_ns)
{
    struct host_bucket *b = bucket_of(h, k);
    struct host *e;
    bool too_many;

    spin_lock(&b->lock);
    e = take(h, b, k, now_ns);
    if (e->seen_count == 0 || elapsed_ns(now_ns, e->at_ns) >= window_ns) {
        e->at_ns = now_ns;
        e->seen_count = 0;
    }
    if (e->seen_count < most && e->seen_count < HOST_SEEN_MAX && is_new_value(e, value))
        e->seen[e->seen_count++] = value;
    too_many = e->seen_count >= most;
    spin_unlock(&b->lock);
    return too_many;
}

void hosts_mark(struct hosts *h, const struct host_key *k, uint64_t until_ns, uint64_t now_ns)
{
    struct host_bucket *b = bucket_of(h, k);

    spin_lock(&b->lock);
    take(h, b, k, now_ns)->at_ns = until_ns;
    spin_unlock(&b->lock);
}

bool hosts_marked(struct hosts *h, const struct host_key *k, uint64_t now_ns)
{
    struct host_bucket *b = bucket_of(h, k);
    struct host *e;
    bool marked;

    spin_lock(&b->lock);
    e = look(b, k);
    marked = e != NULL && e->at_ns > now_ns;
    spin_unlock(&b->lock);
    return marked;
}

bool hosts_count(struct hosts *h, const struct host_key *k, uint32_t most)
{
    return counts_add(&h->counts, k, most);
}

void hosts_uncount(struct hosts *h, const struct host_key *k)
{
    counts_remove(&h->counts, k);
}
