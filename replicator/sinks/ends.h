/* Where the records of one connection end, as offsets in its bytes; oldest first. */
#ifndef EVREP_ENDS_H
#define EVREP_ENDS_H

#include <stddef.h>
#include <stdint.h>

enum { ENDS_MAX = 16384 };

struct ends {
    uint64_t end[ENDS_MAX];
    size_t head, count;
};

static inline void ends_clear(struct ends *e)
{
    e->head = e->count = 0;
}

static inline size_t ends_room(const struct ends *e)
{
    return ENDS_MAX - e->count;
}

static inline void ends_push(struct ends *e, uint64_t end)
{
    e->end[(e->head + e->count++) % ENDS_MAX] = end;
}

/* How many are whole within the first `bytes`; they are taken out. */
static inline size_t ends_pop(struct ends *e, uint64_t bytes)
{
    size_t n = 0;

    while (n < e->count && e->end[(e->head + n) % ENDS_MAX] <= bytes)
        n++;
    e->head = (e->head + n) % ENDS_MAX;
    e->count -= n;
    return n;
}

#endif
