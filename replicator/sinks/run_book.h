/* D1b: both nodes' tables of runs, and what this node may write given what its peer holds of ours.
 * Pure; one thread. */
#ifndef EVREP_RUN_BOOK_H
#define EVREP_RUN_BOOK_H

#include "run.h"

enum { RUN_BOOK_MOST = 8 }; /* Runs of one sink. */

struct run_book {
    struct run_table own, theirs; /* own: time stamps as of uv_hrtime() 0. */
    uint32_t acked;               /* The generation of ours that the peer holds; */
    uint32_t base;                /* none below this one, since the link is there. */
    uint32_t told;                /* Sent. */
    uint32_t turns;               /* How often the link came or went. */
    bool link;                    /* To a peer that knows runs; */
    bool deaf;                    /* to one that does not. */
    bool leased;                  /* The peer cannot take over now what it may know of (N4). */
    bool ready;                   /* Which of our addresses the peer has is known. */
    uint64_t theirs_ns;           /* CLOCK_BOOTTIME when theirs was told. */
    void (*changed)(struct run_book *b); /* Ours is to be told now. */
    void *ctx;
};

/* The generation that the peer has to hold before more is written because of it.  run_bound() is
 * done for it. */
uint32_t run_book_put(struct run_book *b, const struct run *r);
/* It cannot be asked any more. */
uint32_t run_book_close(struct run_book *b, uint32_t key, uint32_t id);
/* How far the collector has confirmed an open run; the peer is told in time. */
void run_book_advance(struct run_book *b, uint32_t key, uint32_t id, uint32_t first,
                      uint64_t offset);
/* An address of the peer is here, or not any more. */
void run_book_hold(struct run_book *b, const struct run_ip *ip, bool on);
/* Has the peer this address of ours? */
bool run_book_is_held(const struct run_book *b, const struct run_ip *ip);

/* Would a peer that takes over now know where to look?  alone: for what it cannot take over once
 * the lease is gone. */
bool run_book_may_write(const struct run_book *b, uint32_t generation, bool alone);
/* It will never know, as it is gone. */
bool run_book_in_vain(const struct run_book *b, uint32_t generation, bool alone);

/* Records that were pulled in that turn, alone or not, and are not written yet: may the peer have
 * taken them over meanwhile?  What was handed over under a session may be written until the next
 * one, where the peer looks; what was handed over alone, in no session but the next. */
bool run_book_is_stale(const struct run_book *b, uint32_t turn, bool alone);

/* The link is there, or gone: what the peer holds has to be told anew. */
void run_book_link(struct run_book *b, bool up);
/* The peer's table.  false: older than the one that is here. */
bool run_book_take(struct run_book *b, const struct run_table *t, uint64_t now_ns);
void run_book_acked(struct run_book *b, uint64_t instance, uint32_t generation);

#endif
