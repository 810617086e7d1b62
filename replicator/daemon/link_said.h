/* What the log says of a link: a peer that is wrong is wrong each second. */
#ifndef EVREP_LINK_SAID_H
#define EVREP_LINK_SAID_H

#include "link_uv.h"

enum { LINK_SAID_MAX = 16 };

/* All zero: nothing was said. */
struct link_said {
    struct {
        char reason[LINK_WHY_MAX];
        uint64_t ns; /* When; 0: never. */
    } line[LINK_SAID_MAX];
};

/* true: it is to be said now, and counts as said: it was not yet, or not for an hour.  Of ever new
 * reasons LINK_SAID_MAX are said in an hour.  now_ns: CLOCK_BOOTTIME. */
bool link_said_is_news(struct link_said *s, const char *reason, uint64_t now_ns);

#endif
