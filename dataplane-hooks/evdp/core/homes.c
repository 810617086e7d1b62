#include "homes.h"

/* ---- a session's number among those of all shards ---- */

static uint32_t number_of(const struct sessions *all, const struct session *s)
{
    return (uint32_t)(s - all->shard[0].session);
}

static struct session *numbered(const struct sessions *all, uint32_t number)
{
    return &all->shard[0].session[number];
}

/* ---- chains; of a session that is in one, the lock covers answers_key and next_home ---- */

static struct home_chain *chain_of(const struct sessions *all, uint64_t key)
{
    return &all->home[(uint32_t)key & all->home_mask];
}

static uint32_t get(const _Atomic uint32_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

static void set(_Atomic uint32_t *at, uint32_t n)
{
    atomic_store_explicit(at, n, memory_order_relaxed);
}

/* Where the reference to it is; to 0: it is not there. */
static _Atomic uint32_t *look(const struct sessions *all, struct home_chain *c, uint64_t key)
{
    _Atomic uint32_t *at = &c->first;
    uint32_t n;

    while ((n = get(at)) != 0 && numbered(all, n - 1)->answers_key != key)
        at = &numbered(all, n - 1)->next_home;
    return at;
}

uint64_t homes_key(const struct sessions *all, const struct flow *answers, uint64_t hash)
{
    uint64_t where =
        (uint64_t)answers->port << 16 | (uint64_t)answers->icmp_type << 8 | answers->family;

    return flow_hash_words(&all->seed, hash, where, 3);
}

bool homes_find(struct sessions *all, uint64_t key, struct home *out)
{
    struct home_chain *c = chain_of(all, key);
    uint32_t at;

    if (get(&c->first) == 0)
        return false;
    spin_lock(&c->lock);
    at = get(look(all, c, key));
    if (at != 0) {
        out->shard = (at - 1) / all->shard[0].capacity;
        out->bucket = numbered(all, at - 1)->bucket;
    }
    spin_unlock(&c->lock);
    return at != 0;
}

bool homes_add(struct sessions *all, struct session *s, uint64_t key)
{
    struct home_chain *c = chain_of(all, key);
    bool is_free;

    spin_lock(&c->lock);
    is_free = get(look(all, c, key)) == 0;
    if (is_free) {
        s->answers_key = key;
        set(&s->next_home, get(&c->first));
        set(&c->first, number_of(all, s) + 1);
    }
    spin_unlock(&c->lock);
    return is_free;
}

void homes_remove(struct sessions *all, struct session *s)
{
    struct home_chain *c = chain_of(all, s->answers_key);

    spin_lock(&c->lock);
    set(look(all, c, s->answers_key), get(&s->next_home));
    spin_unlock(&c->lock);
}
