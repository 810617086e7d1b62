/* Sessions at a time, by host.  One fixed table of chains with an entry for every count that the
 * sessions of a full table can hold, so that none is ever forgotten or left out, whatever comes:
 * it is a table of its own because rates may be forgotten and counts may not.  Pure. */
#ifndef EVDP_COUNTS_H
#define EVDP_COUNTS_H

#include "flow.h"
#include "lock.h"

struct host_key {
    uint64_t word[2]; /* An address, or a hash of two. */
    uint32_t what;    /* role << 16 | zone << 8 | family */
};

struct count_entry {
    struct host_key key;
    uint32_t count, next; /* next: in its chain, or of what is free; 1 + index, 0: none. */
};

struct count_chain {
    struct spin lock;
    uint32_t first;
};

struct counts {
    struct flow_seed seed;
    uint32_t mask, capacity;
    struct count_chain *chain;
    struct count_entry *entry;
    _Alignas(64) struct spin lock; /* Of what is free; taken inside a chain's. */
    uint32_t free, fresh;          /* Entries given back; how many were ever taken. */
};

size_t counts_size(uint32_t capacity); /* Bytes, zeroed; a multiple of 64, aligned to 64. */
void counts_init(struct counts *c, void *zeroed, uint32_t capacity, const struct flow_seed *seed);

/* One more, unless `most` are there.  false: it is not counted, as there are.  Also where there is
 * no entry, which needs more counts at a time than `capacity`: refused rather than passed unseen.
 */
bool counts_add(struct counts *c, const struct host_key *k, uint32_t most);
/* One less of what counts_add() counted; the last one gives the entry back. */
void counts_remove(struct counts *c, const struct host_key *k);

#endif
