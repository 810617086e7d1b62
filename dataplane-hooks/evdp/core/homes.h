/* Where the answers to translated flows belong.  A flow's hash names its shard, and that of its
 * answers under source NAT names any: here a worker that got an answer finds the shard and the
 * chain of its session.  One chain for each few sessions, locked for a moment; the links are in the
 * sessions, so that there is room for every one.  A chain's lock is taken inside a shard's, and
 * nothing inside it.  Pure. */
#ifndef EVDP_HOMES_H
#define EVDP_HOMES_H

#include "session.h"

struct home_chain {
    struct spin lock;
    _Atomic uint32_t first; /* 1 + a session's number among all; 0: none, seen without the lock. */
};

struct home {
    uint32_t shard, bucket;
};

/* Of a flow of answers, as they come in. */
uint64_t homes_key(const struct sessions *all, const struct flow *answers, uint64_t hash);
/* false: no translated flow has such answers.  It may end as soon as this returned. */
bool homes_find(struct sessions *all, uint64_t key, struct home *out);
/* The session gets these answers.  false: another one has them.  Its shard is locked. */
bool homes_add(struct sessions *all, struct session *s, uint64_t key);
void homes_remove(struct sessions *all, struct session *s);

#endif
