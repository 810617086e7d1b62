#include "hosts.h"

#include "elapsed.h"

#include <string.h>

static uint32_t buckets_for(uint32_t capacity)
{
    uint32_t n = 64;

    while (n * HOST_WAYS < capacity)
        n *= 2;
    return n;
}

size_t hosts_size(uint32_t capacity)
{
    return buckets_for(capacity) * sizeof(struct host_bucket);
}

void hosts_init(struct hosts *h, void *zeroed, uint32_t capacity, const struct flow_seed *seed)
{
    h->seed = *seed;
    h->mask = buckets_for(capacity) - 1;
    h->bucket = zeroed;
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

/* The entry, made when it is not there.  NULL: all others count sessions. */
static struct host *take(struct host_bucket *b, const struct host_key *k, uint64_t now_ns)
{
    struct host *e = look(b, k), *oldest = NULL;

    for (int i = 0; i < HOST_WAYS && e == NULL; i++) {
        struct host *w = &b->way[i];

        if (w->count == 0 && (oldest == NULL || w->used_ns < oldest->used_ns))
            oldest = w;
    }
    if (e == NULL && oldest == NULL)
        return NULL;
    if (e == NULL) {
        e = oldest;
        memset(e, 0, sizeof(*e));
        e->key = *k;
    }
    e->used_ns = now_ns != 0 ? now_ns : 1;
    return e;
}

bool hosts_exceeds(struct hosts *h, const struct host_key *k, uint32_t per_s, uint64_t now_ns)
{
    struct host_bucket *b = bucket_of(h, k);
    uint64_t interval_ns = 1000000000ull / per_s;
    bool exceeds = false;
    struct host *e;

    spin_lock(&b->lock);
    e = take(b, k, now_ns);
    if (e != NULL) {
        uint64_t due = e->at_ns > now_ns ? e->at_ns : now_ns;

        exceeds = due > now_ns + (per_s - 1) * interval_ns;
        if (!exceeds)
            e->at_ns = due + interval_ns;
    }
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
    bool too_many = false;
    struct host *e;

    spin_lock(&b->lock);
    e = take(b, k, now_ns);
    if (e != NULL) {
        if (e->seen_count == 0 || elapsed_ns(now_ns, e->at_ns) >= window_ns) {
            e->at_ns = now_ns;
            e->seen_count = 0;
        }
        if (e->seen_count < most && e->seen_count < HOST_SEEN_MAX && is_new_value(e, value))
            e->seen[e->seen_count++] = value;
        too_many = e->seen_count >= most;
    }
    spin_unlock(&b->lock);
    return too_many;
}

void hosts_mark(struct hosts *h, const struct host_key *k, uint64_t until_ns, uint64_t now_ns)
{
    struct host_bucket *b = bucket_of(h, k);
    struct host *e;

    spin_lock(&b->lock);
    e = take(b, k, now_ns);
    if (e != NULL)
        e->at_ns = until_ns;
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

enum host_count hosts_count(struct hosts *h, const struct host_key *k, uint32_t most,
                            uint64_t now_ns)
{
    struct host_bucket *b = bucket_of(h, k);
    enum host_count result = HOST_NO_ROOM;
    struct host *e;

    spin_lock(&b->lock);
    e = take(b, k, now_ns);
    if (e != NULL) {
        result = e->count >= most ? HOST_AT_LIMIT : HOST_COUNTED;
        e->count += result == HOST_COUNTED;
    }
    spin_unlock(&b->lock);
    return result;
}

void hosts_uncount(struct hosts *h, const struct host_key *k)
{
    struct host_bucket *b = bucket_of(h, k);
    struct host *e;

    spin_lock(&b->lock);
    e = look(b, k);
    if (e != NULL && e->count > 0)
        e->count--;
    spin_unlock(&b->lock);
}
