/* Segments and their spans: pure bookkeeping, no rules of who may do what. */
#ifndef EVREP_SEGMENT_H
#define EVREP_SEGMENT_H

#include "core.h"

enum ask_state { ASK_NONE, ASK_WANTED, ASK_SENT, ASK_DONE, ASK_SKIPPING };

/* T1: DRAIN: nothing more is handed out until what is in flight is confirmed.  OFFERED: the peer
 * may have accepted it (durable before it is told). */
enum hand_state { HAND_NONE, HAND_DRAIN, HAND_OFFERED };

/* For one that is to be changed: core_step() checks it afterwards. */
struct segment *segment_find(struct core *c, uint8_t origin, uint32_t epoch);
/* NULL when the table is full. */
struct segment *segment_add(struct core *c, uint8_t origin, uint32_t epoch);
/* What is remembered of one that was settled not long ago; NULL: nothing. */
const struct core_dropped *segment_dropped(const struct core *c, uint8_t origin, uint32_t epoch);
void segment_remove(struct core *c, struct segment *g);
void segment_move(struct segment *g, enum segment_state to);
void segment_close(struct core *c, struct segment *g, uint32_t last);
/* Moves it to the state that its owners make it. */
void segment_show(struct core *c, struct segment *g);
/* Everything confirmed at every sink of ours. */
bool segment_is_done(const struct core *c, const struct segment *g);
/* L4: an older one of ours whose rest is neither in our journal nor in the ring. */
bool segment_lacks_tail(const struct core *c, const struct segment *g);
/* Everything below is confirmed everywhere: its origin keeps it no longer. */
void segment_done_below(struct core *c, struct segment *g, uint32_t base);
/* First sequence that some sink of ours has not confirmed; SEQUENCE_MAX: none. */
uint32_t segment_undone(const struct core *c, const struct segment *g);
/* As that, and at most journaled + 1; while more is to come the last one is kept, and replicated
 * although it is confirmed: a peer that has it knows where the segment is (L1: R follows E). */
uint32_t segment_needed(const struct core *c, const struct segment *g);

/* N5: its E is told once more, as what told it may be gone. */
void span_report_again(const struct core *c, struct span *s);
/* The end of what the span has, as far as this node knows. */
uint32_t span_end(const struct segment *g, const struct span *s);
/* Up to where the span's records may have been handed over, as far as this node can know. */
uint32_t span_perhaps(const struct segment *g, const struct span *s);
/* What of its own records the peer may have had. */
uint32_t segment_may_be_sent(const struct segment *g);
/* Up to where there are records of it, or may be: a span of an open segment ends where what may
 * have been sent was marked ahead, and of what is to come nothing is in doubt. */
uint32_t span_reach(const struct segment *g, const struct span *s);
bool delivery_is_undone(const struct delivery *d);
struct span *delivery_find(struct delivery *d, uint32_t sequence);
/* Cuts the span so that one ends at `at`; false when the list is full. */
bool delivery_split(struct delivery *d, struct span *s, uint32_t at);
/* Removes what is done, but not the spans of `keeper` (-1: nobody), which the peer may still have
 * to be told of again; clips to `last` when closed. */
void delivery_tidy(struct delivery *d, bool closed, uint32_t last, int keeper);
/* Is what lies below it, of the same owner, not done, and the peer may not know of the cut?  Then
 * it must not hear of E above the cut. */
bool span_is_apart(const struct delivery *d, const struct span *s);
void delivery_remove(struct delivery *d, const struct span *s);
/* Who has to keep what is done. */
int delivery_keeper(const struct core *c);

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

#endif
