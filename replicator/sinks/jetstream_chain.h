/* A chain of publishes: each expects the id of the one before it to be the stream's last, so that
 * one refusal refuses all behind it.  How long it may be follows from what became of those before.
 * Pure.
 *
 * A chain has no end but that of what there is to publish.  Each beginning has the flight drained,
 * and the server read the subject's last message, after which one before 2.10 holds all that comes
 * into that block of its file in memory for 10 s, and copies it about: a third of its time.
 *
 * Not so where several servers hold the stream: one of 2.9.10 that has caught up does not know the
 * last message's id, and refuses for itself alone what the others store, until a chain begins. */
#ifndef EVREP_JETSTREAM_CHAIN_H
#define EVREP_JETSTREAM_CHAIN_H

#include "jetstream_ack.h"

#define CHAIN_ENDLESS UINT32_MAX

enum {
    CHAIN_MIN = 8, /* Records in a chain while the other origin breaks them, and at first then; */
    CHAIN_BROKEN = 64,
    CHAIN_LONG = 1024, /* what needs no more than that goes without an end again. */
    CHAINS_WHOLE = 8,  /* So many whole ones double it. */
};

struct jetstream_chain {
    uint8_t origin;              /* Whose subject it began behind. */
    char last[JETSTREAM_ID_MAX]; /* The id that it ends with. */
    uint32_t count;
    uint32_t max, most; /* How long one may be now, and how long one ever is. */
    uint32_t whole;     /* So many came to their end since max was set. */
    bool at_end;        /* As far as we know, it ends with the stream's last message. */
};

/* A connection begins.  replicated: several servers hold the stream. */
void chain_init(struct jetstream_chain *c, bool replicated);
void chain_begin(struct jetstream_chain *c, uint8_t origin);
void chain_add(struct jetstream_chain *c, const char id[JETSTREAM_ID_MAX]);
/* May another record of that origin be in it? */
bool chain_has_room(const struct jetstream_chain *c, uint8_t origin);
/* With nothing in flight: may it go on?  A stream that is ours alone need not be read each time. */
bool chain_lasts(const struct jetstream_chain *c);
/* Somebody else's records broke it. */
void chain_broke(struct jetstream_chain *c);

#endif
