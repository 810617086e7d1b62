/* Which sequence numbers of one run of the helper have come: a prefix, a window above it, the
 * holes that were given up, and each of the first numbers, by which a count that begins anew is
 * known.  Bounded, and whole after a death between any two instructions, so that it can live in
 * shared memory.
 *
 * When there are more holes than places, the oldest is forgotten: whether a number of it comes for
 * the first time is then not known, so it counts as one that came, and stream_set_is_forgotten()
 * says that this is no knowledge.  Pure. */
#ifndef EVREP_STREAM_SET_H
#define EVREP_STREAM_SET_H

#include "types.h"

enum {
    STREAM_WINDOW = 16384, /* Above what a helper can have outstanding: contract 3.2. */
    STREAM_HOLES = 64,     /* Given up, and remembered in case that something comes late. */
    STREAM_FIRST = 1024,   /* Of so many numbers from 1 on nothing is forgotten. */
};

struct stream_hole {
    uint64_t from, to;
};

struct stream_set {
    uint64_t prefix; /* All up to here came, or were given up. */
    uint64_t newest;
    uint64_t bits[STREAM_WINDOW / 64]; /* Of sequence prefix + 1 .. prefix + STREAM_WINDOW - 1. */
    uint64_t first[STREAM_FIRST / 64]; /* Of sequence 1 .. STREAM_FIRST: those that came. */
    struct stream_hole hole[STREAM_HOLES];
    uint64_t forgotten; /* The highest number of a hole that was forgotten. */
};

void stream_set_clear(struct stream_set *s);
/* What was read from memory that others can write, or left by a death: made sound. */
void stream_set_mend(struct stream_set *s);
bool stream_set_has(const struct stream_set *s, uint64_t sequence);
/* It is said to have come, and may be of a hole that was forgotten. */
bool stream_set_is_forgotten(const struct stream_set *s, uint64_t sequence);
/* false: it is further above the prefix than the window; give up holes first. */
bool stream_set_fits(const struct stream_set *s, uint64_t sequence);
void stream_set_add(struct stream_set *s, uint64_t sequence);
/* The first run of missing numbers at or below upto; false: none. */
bool stream_set_missing(const struct stream_set *s, uint64_t upto, struct stream_hole *out);
/* Whether any number above `above` was given up and did not come since, as far as is remembered. */
bool stream_set_gave_up(const struct stream_set *s, uint64_t above);
/* Gives up what stream_set_missing() told; what of it was given up already stays so. */
void stream_set_give_up(struct stream_set *s, const struct stream_hole *hole);
/* The same of what was before us: all but the newest STREAM_FIRST numbers count as come. */
void stream_set_begin_behind(struct stream_set *s, const struct stream_hole *hole);

#endif
