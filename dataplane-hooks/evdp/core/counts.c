#include "counts.h"

/* ---- set-up ---- */

static uint32_t chains_for(uint32_t capacity)
{
    uint32_t n = 64;

    while (n < capacity)
        n *= 2;
    return n;
}

static size_t entries_size(uint32_t capacity)
{
    return ((size_t)capacity * sizeof(struct count_entry) + 63) / 64 * 64;
}

size_t counts_size(uint32_t capacity)
{
    return chains_for(capacity) * sizeof(struct count_chain) + entries_size(capacity);
}

void counts_init(struct counts *c, void *zeroed, uint32_t capacity, const struct flow_seed *seed)
{
    c->seed = *seed;
    c->mask = chains_for(capacity) - 1;
    c->capacity = capacity;
    c->chain = zeroed;
    c->entry = (void *)(c->chain + c->mask + 1);
    c->free = c->fresh = 0;
}

/* ---- entries ---- */

/* 0: none is left. */
static uint32_t take(struct counts *c)
{
    uint32_t at;

    spin_lock(&c->lock);
    at = c->free;
    if (at != 0)
        c->free = c->entry[at - 1].next;
    else if (c->fresh < c->capacity)
        at = ++c->fresh;
    spin_unlock(&c->lock);
    return at;
}

static void give_back(struct counts *c, uint32_t at)
{
    spin_lock(&c->lock);
    c->entry[at - 1].next = c->free;
    c->free = at;
    spin_unlock(&c->lock);
}

static struct count_chain *chain_of(struct counts *c, const struct host_key *k)
{
    return &c->chain[flow_hash_words(&c->seed, k->word[0], k->word[1], k->what) & c->mask];
}

/* Where the reference to it is; to 0: it is not there. */
static uint32_t *look(struct counts *c, struct count_chain *h, const struct host_key *k)
{
    uint32_t *at = &h->first;

    while (*at != 0) {
        struct count_entry *e = &c->entry[*at - 1];

        if (e->key.what == k->what && e->key.word[0] == k->word[0] && e->key.word[1] == k->word[1])
            break;
        at = &e->next;
    }
    return at;
}

/* ---- counting ---- */

static bool begin(struct counts *c, struct count_chain *h, const struct host_key *k)
{
    uint32_t at = take(c);

    if (at == 0)
        return false;
    c->entry[at - 1] = (struct count_entry){.key = *k, .count = 1, .next = h->first};
    h->first = at;
    return true;
}

bool counts_add(struct counts *c, const struct host_key *k, uint32_t most)
{
    struct count_chain *h = chain_of(c, k);
    uint32_t at;
    bool added;

    spin_lock(&h->lock);
    at = *look(c, h, k);
    if (at == 0)
        added = most > 0 && begin(c, h, k);
    else if ((added = c->entry[at - 1].count < most))
        c->entry[at - 1].count++;
    spin_unlock(&h->lock);
    return added;
}

void counts_remove(struct counts *c, const struct host_key *k)
{
    struct count_chain *h = chain_of(c, k);
    uint32_t *at, gone = 0;

    spin_lock(&h->lock);
    at = look(c, h, k);
    if (*at != 0 && --c->entry[*at - 1].count == 0) {
        gone = *at;
        *at = c->entry[gone - 1].next;
    }
    spin_unlock(&h->lock);
    if (gone != 0)
        give_back(c, gone);
}
