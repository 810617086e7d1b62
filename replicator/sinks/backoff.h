/* How long a sink waits before its next try, and whether it flaps.  Pure: time and randomness come
 * in. */
#ifndef EVREP_BACKOFF_H
#define EVREP_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define MS_NS 1000000ull

enum {
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000, /* And up to half more. */
    /* A connection that lived for so long, or confirmed so many, was one to speak of. */
    BACKOFF_LIVED_MS = 5000,
    BACKOFF_PROGRESS = 1024,
};

struct backoff {
    uint32_t ms;        /* The next wait without its random part; 0: the least. */
    uint64_t up_ns;     /* When it came up; 0: it is not up. */
    uint64_t confirmed; /* Since then. */
    bool flaps;         /* What was up last ended before it was one to speak of. */
};

void backoff_up(struct backoff *b, uint64_t now_ns);
/* true: it flapped, and that is over. */
bool backoff_confirmed(struct backoff *b, uint64_t n, uint64_t now_ns);
/* It ended, or did not come up.  How long it was up, in ns. */
uint64_t backoff_down(struct backoff *b, uint64_t now_ns);
/* Doubles, and up to half more; random: any number, evenly spread. */
uint32_t backoff_next_ms(struct backoff *b, uint32_t random);

#endif
