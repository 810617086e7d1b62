#include "session.h"

#include "elapsed.h"
#include "homes.h"

#include <string.h>

enum { CAPACITY_OF_SHARD = 1024, VICTIMS_LOOKED_AT = 64 };

/* ---- set-up ---- */

static uint32_t shards_for(uint32_t capacity)
{
    uint32_t n = 1;

    while (n < SHARDS_MAX && n * 2 * CAPACITY_OF_SHARD <= capacity)
        n *= 2;
    return n;
}

/* Flows do not fall evenly: an eighth more in each. */
static uint32_t capacity_of(uint32_t capacity, uint32_t shards)
{
    uint32_t each = capacity / shards;

    return shards == 1 ? each : each + each / 8;
}

static uint32_t buckets_for(uint32_t capacity)
{
    uint32_t n = 64;

    while (n < capacity * 2)
        n *= 2;
    return n;
}

static uint32_t tails_for(uint32_t capacity)
{
    return buckets_for(capacity) / 4;
}

static uint32_t homes_for(uint32_t capacity)
{
    uint32_t n = 64;

    while (n < capacity)
        n *= 2;
    return n;
}

uint32_t sessions_capacity(uint32_t capacity)
{
    uint32_t shards = shards_for(capacity);

    return shards * capacity_of(capacity, shards);
}

size_t sessions_size(uint32_t capacity)
{
    uint32_t shards = shards_for(capacity), each = capacity_of(capacity, shards);

    return (size_t)homes_for(shards * each) * sizeof(struct home_chain) +
           shards * ((size_t)each * sizeof(struct session) +
                     (size_t)tails_for(each) * sizeof(struct tail) +
                     (size_t)buckets_for(each) * sizeof(uint32_t));
}

static void shard_init(struct shard *h, uint32_t capacity, uint64_t now_ns)
{
    h->capacity = capacity;
    h->used = 0;
    h->tick = now_ns >> WHEEL_SHIFT;
    for (uint32_t i = 0; i < capacity; i++)
        h->session[i].next = i + 1 < capacity ? i + 1 : SESSION_NONE;
    h->free = 0;
    memset(h->bucket, 0xff, ((size_t)h->bucket_mask + 1) * sizeof(uint32_t));
    memset(h->wheel, 0xff, sizeof(h->wheel));
}

void sessions_init(struct sessions *s, void *zeroed, uint32_t capacity,
                   const struct flow_seed *seed, uint64_t now_ns)
{
    uint32_t each, buckets, tails;
    struct tail *tail;
    uint32_t *bucket;

    s->seed = *seed;
    s->shard_count = shards_for(capacity);
    each = capacity_of(capacity, s->shard_count);
    buckets = buckets_for(each);
    tails = tails_for(each);
    s->home_mask = homes_for(s->shard_count * each) - 1;
    s->shard[0].session = zeroed;
    s->home = (struct home_chain *)(s->shard[0].session + (size_t)s->shard_count * each);
    tail = (struct tail *)(s->home + s->home_mask + 1);
    bucket = (uint32_t *)(tail + (size_t)s->shard_count * tails);
    for (uint32_t i = 0; i < s->shard_count; i++) {
        struct shard *h = &s->shard[i];

        h->session = s->shard[0].session + (size_t)i * each;
        h->bucket_mask = buckets - 1;
        h->bucket = bucket + (size_t)i * buckets;
        h->tail_mask = tails - 1;
        h->tail = tail + (size_t)i * tails;
        shard_init(h, each, now_ns);
    }
}

struct shard *sessions_shard(struct sessions *s, uint64_t hash)
{
    return &s->shard[(hash >> 56) & (s->shard_count - 1)];
}

/* ---- chains ---- */

static uint32_t index_of(const struct shard *h, const struct session *s)
{
    return (uint32_t)(s - h->session);
}

static bool is_icmp(const struct flow *f)
{
    return f->protocol == PROTOCOL_ICMP || f->protocol == PROTOCOL_ICMP6;
}

static bool answers(const struct session *s, const struct flow *f)
{
    const uint8_t *client = s->is_nat ? s->nat_source : s->key.source;
    uint16_t port = s->has_nat_port ? s->nat_port : s->key.source_port;
    uint16_t server_port = s->key.destination_port;

    if (is_icmp(f) && !flow_icmp_answers(f->protocol, s->key.icmp_type, f->icmp_type))
        return false;
    if (s->has_nat_port && is_icmp(f))
        server_port = s->nat_port; /* The id is that of both ends. */
    return f->port == s->port_out && f->destination_port == port && f->source_port == server_port &&
           f->protocol == s->key.protocol && f->family == s->key.family && f->vlan == s->key.vlan &&
           memcmp(f->destination, client, 16) == 0 &&
           memcmp(f->source, s->key.destination, 16) == 0;
}

void session_answers(const struct session *s, struct flow *out)
{
    flow_reverse(out, &s->key, s->port_out);
    if (s->is_nat)
        memcpy(out->destination, s->nat_source, 16);
    if (s->has_nat_port)
        out->destination_port = s->nat_port;
    if (s->has_nat_port && is_icmp(out))
        out->source_port = s->nat_port;
}

struct session *session_find_in(struct shard *h, uint32_t bucket, const struct flow *f,
                                int *direction)
{
    for (uint32_t at = h->bucket[bucket]; at != SESSION_NONE; at = h->session[at].next) {
        struct session *s = &h->session[at];

        if (flow_equal(&s->key, f)) {
            *direction = 0;
            return s;
        }
        if (answers(s, f)) {
            *direction = 1;
            return s;
        }
    }
    return NULL;
}

struct session *session_find(struct shard *h, const struct flow *f, uint64_t hash, int *direction)
{
    return session_find_in(h, (uint32_t)hash & h->bucket_mask, f, direction);
}

static void chain_in(struct shard *h, struct session *s)
{
    s->next = h->bucket[s->bucket];
    h->bucket[s->bucket] = index_of(h, s);
}

static void chain_out(struct shard *h, struct session *s)
{
    uint32_t *at = &h->bucket[s->bucket], me = index_of(h, s);

    while (*at != me)
        at = &h->session[*at].next;
    *at = s->next;
}

/* ---- the wheel: a session lies in the slot of the time when it may expire, or in an earlier one,
 * where it is looked at again ---- */

static void wheel_in(struct shard *h, struct session *s)
{
    uint64_t due = (s->seen_ns + s->timeout_ns) >> WHEEL_SHIFT, me = index_of(h, s);

    if (due <= h->tick)
        due = h->tick;
    if (due - h->tick >= WHEEL_SLOTS)
        due = h->tick + WHEEL_SLOTS - 1;
    s->slot = (uint16_t)(due % WHEEL_SLOTS);
    s->earlier = SESSION_NONE;
    s->later = h->wheel[s->slot];
    if (s->later != SESSION_NONE)
        h->session[s->later].earlier = (uint32_t)me;
    h->wheel[s->slot] = (uint32_t)me;
}

static void wheel_out(struct shard *h, struct session *s)
{
    if (s->earlier != SESSION_NONE)
        h->session[s->earlier].later = s->later;
    else
        h->wheel[s->slot] = s->later;
    if (s->later != SESSION_NONE)
        h->session[s->later].earlier = s->earlier;
}

/* ---- life ---- */

struct session *session_add(struct shard *h, const struct flow *f, uint64_t hash, uint8_t port_out,
                            uint64_t now_ns, uint64_t timeout_ns)
{
    struct session *s;

    if (h->free == SESSION_NONE)
        return NULL;
    s = &h->session[h->free];
    h->free = s->next;
    h->used++;
    memset(s, 0, sizeof(*s));
    s->key = *f;
    s->port_out = port_out;
    s->seen_ns = s->created_ns = now_ns;
    s->timeout_ns = timeout_ns;
    s->bucket = (uint32_t)hash & h->bucket_mask;
    chain_in(h, s);
    wheel_in(h, s);
    return s;
}

void session_touch(struct shard *h, struct session *s, uint64_t now_ns, uint64_t timeout_ns)
{
    uint64_t seen_ns = now_ns > s->seen_ns ? now_ns : s->seen_ns;
    bool sooner = seen_ns + timeout_ns < s->seen_ns + s->timeout_ns;

    s->seen_ns = seen_ns;
    s->timeout_ns = timeout_ns;
    if (sooner) { /* Else its slot comes too early, and it is put further then. */
        wheel_out(h, s);
        wheel_in(h, s);
    }
}

void session_remove(struct shard *h, struct session *s)
{
    chain_out(h, s);
    wheel_out(h, s);
    s->next = h->free;
    h->free = index_of(h, s);
    h->used--;
}

bool session_is_over(const struct session *s, uint64_t now_ns)
{
    return elapsed_ns(now_ns, s->seen_ns) >= s->timeout_ns;
}

struct session *session_expired(struct shard *h, uint64_t now_ns)
{
    uint64_t now_tick = now_ns >> WHEEL_SHIFT;

    if (now_tick > h->tick + WHEEL_SLOTS) /* Every slot once is enough. */
        h->tick = now_tick - WHEEL_SLOTS;
    for (; h->tick < now_tick; h->tick++) {
        uint32_t at = h->wheel[h->tick % WHEEL_SLOTS];

        while (at != SESSION_NONE) {
            struct session *s = &h->session[at];

            if (session_is_over(s, now_ns))
                return s;
            at = s->later;
            wheel_out(h, s);
            h->tick++; /* Not into the slot that is being looked through. */
            wheel_in(h, s);
            h->tick--;
        }
    }
    return NULL;
}

struct session *session_victim(struct shard *h)
{
    uint32_t looked = 0;

    for (uint64_t t = h->tick; t < h->tick + WHEEL_SLOTS; t++) {
        for (uint32_t at = h->wheel[t % WHEEL_SLOTS]; at != SESSION_NONE;
             at = h->session[at].later) {
            if (!h->session[at].is_answered)
                return &h->session[at];
            if (++looked == VICTIMS_LOOKED_AT)
                return NULL;
        }
    }
    return NULL;
}

/* ---- tails ---- */

/* Its last bit says whether what is late passes. */
uint64_t tail_mark(const struct flow *f, uint64_t hash, uint16_t turn)
{
    return (hash ^ (uint64_t)(f->port / 2 + 1) << 40 ^ (uint64_t)turn << 24) & ~1ull;
}

void tail_leave(struct shard *h, uint64_t mark, uint64_t now_ns, bool passes)
{
    h->tail[(uint32_t)(mark >> 1) & h->tail_mask] =
        (struct tail){.mark = mark | passes, .until_ns = now_ns + TAIL_NS};
}

bool tail_find(const struct shard *h, uint64_t mark, uint64_t now_ns, bool *passes)
{
    const struct tail *t = &h->tail[(uint32_t)(mark >> 1) & h->tail_mask];

    *passes = (t->mark & 1) != 0;
    return (t->mark & ~1ull) == mark && now_ns < t->until_ns;
}
