/* Which sequence numbers of one run of the helper have come: a prefix, a window above it, and the
 * holes that were given up.  Bounded, and whole after a death between any two instructions, so that
 * it can live in shared memory.  Pure. */
#ifndef EVREP_STREAM_SET_H
#define EVREP_STREAM_SET_H

#include "types.h"

enum {
    STREAM_WINDOW = 16384, /* Above what a helper can have outstanding: contract 3.2. */
    STREAM_HOLES = 32,     /* Given up, and remembered in case that something comes late. */
};

struct stream_hole {
    uint64_t from, to;
};

struct stream_set {
    uint64_t prefix; /* All up to here came, or were given up. */
    uint64_t newest;
    uint64_t bits[STREAM_WINDOW / 64]; /* Of sequence prefix + 1 .. prefix + STREAM_WINDOW - 1. */
    struct stream_hole hole[STREAM_HOLES];
    uint32_t hole_next;
};

void stream_set_clear(struct stream_set *s);
/* What was read from memory that others can write, or left by a death: made sound. */
void stream_set_mend(struct stream_set *s);
bool stream_set_has(const struct stream_set *s, uint64_t sequence);
/* false: it is further above the prefix than the window; give up holes first. */
bool stream_set_fits(const struct stream_set *s, uint64_t sequence);
void stream_set_add(struct stream_set *s, uint64_t sequence);
/* The first run of missing numbers at or below upto; false: none. */
bool stream_set_missing(const struct stream_set *s, uint64_t upto, struct stream_hole *out);
/* Whether any number above `above` was given up and did not come since, as far as is remembered. */
bool stream_set_gave_up(const struct stream_set *s, uint64_t above);
/* Gives up what stream_set_missing() told. */
void stream_set_give_up(struct stream_set *s, const struct stream_hole *hole);

#endif
