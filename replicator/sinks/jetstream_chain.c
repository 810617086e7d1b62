#include "jetstream_chain.h"

#include <string.h>

void chain_init(struct jetstream_chain *c, bool replicated)
{
    c->max = c->most = replicated ? CHAIN_LONG : CHAIN_ENDLESS;
    c->count = c->whole = 0;
    c->at_end = false;
}

void chain_begin(struct jetstream_chain *c, uint8_t origin)
{
    if (c->count >= c->max && ++c->whole == CHAINS_WHOLE) {
        c->whole = 0;
        c->max = c->max < CHAIN_LONG ? c->max * 2 : c->most;
    }
    c->origin = origin;
    c->count = 0;
}

void chain_add(struct jetstream_chain *c, const char id[JETSTREAM_ID_MAX])
{
    memcpy(c->last, id, sizeof(c->last));
    c->count++;
}

bool chain_has_room(const struct jetstream_chain *c, uint8_t origin)
{
    return c->origin == origin && c->count < c->max;
}

bool chain_lasts(const struct jetstream_chain *c)
{
    return c->at_end && c->max == CHAIN_ENDLESS;
}

void chain_broke(struct jetstream_chain *c)
{
    if (c->max == c->most)
        c->max = CHAIN_BROKEN;
    else if (c->max / 2 >= CHAIN_MIN)
        c->max /= 2;
    else
        c->max = CHAIN_MIN;
    c->whole = 0;
}
