#include "link_said.h"

#include <stdio.h>
#include <string.h>

#define SAY_AGAIN_NS (3600 * 1000000000ull)

bool link_said_is_news(struct link_said *s, const char *reason, uint64_t now_ns)
{
    size_t at = 0;

    for (size_t i = 0; i < LINK_SAID_MAX; i++) {
        if (s->line[i].ns != 0 && strncmp(s->line[i].reason, reason, LINK_WHY_MAX - 1) == 0) {
            at = i;
            break;
        }
        if (s->line[i].ns < s->line[at].ns)
            at = i;
    }
    if (s->line[at].ns != 0 && now_ns - s->line[at].ns < SAY_AGAIN_NS)
        return false;
    snprintf(s->line[at].reason, LINK_WHY_MAX, "%s", reason);
    s->line[at].ns = now_ns;
    return true;
}
