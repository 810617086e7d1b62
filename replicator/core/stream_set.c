#include "stream_set.h"

#include <string.h>

static uint64_t *word_of(struct stream_set *s, uint64_t sequence)
{
    return &s->bits[sequence % STREAM_WINDOW / 64];
}

static bool bit(const struct stream_set *s, uint64_t sequence)
{
    return s->bits[sequence % STREAM_WINDOW / 64] >> (sequence % 64) & 1;
}

static void clear_bit(struct stream_set *s, uint64_t sequence)
{
    *word_of(s, sequence) &= ~(1ull << (sequence % 64));
}

void stream_set_clear(struct stream_set *s)
{
    memset(s, 0, sizeof(*s));
}

bool stream_set_fits(const struct stream_set *s, uint64_t sequence)
{
    return sequence < s->prefix || sequence - s->prefix < STREAM_WINDOW;
}

/* The prefix goes on first: what is left of a number by a death then lies where none can be. */
static void advance(struct stream_set *s)
{
    while (s->prefix < UINT64_MAX - STREAM_WINDOW && bit(s, s->prefix + 1)) {
        s->prefix++;
        clear_bit(s, s->prefix);
    }
}

void stream_set_mend(struct stream_set *s)
{
    if (s->prefix > UINT64_MAX - 2 * STREAM_WINDOW) { /* None of ours. */
        stream_set_clear(s);
        return;
    }
    clear_bit(s, s->prefix);
    s->hole_next %= STREAM_HOLES;
    s->newest = s->prefix;
    for (uint64_t q = s->prefix + 1; q < s->prefix + STREAM_WINDOW; q++)
        s->newest = bit(s, q) ? q : s->newest;
    advance(s);
}

static struct stream_hole *hole_with(const struct stream_set *s, uint64_t sequence)
{
    for (size_t i = 0; i < STREAM_HOLES; i++) {
        if (s->hole[i].from != 0 && s->hole[i].from <= sequence && sequence <= s->hole[i].to)
            return (struct stream_hole *)&s->hole[i];
    }
    return NULL;
}

bool stream_set_has(const struct stream_set *s, uint64_t sequence)
{
    if (sequence <= s->prefix)
        return hole_with(s, sequence) == NULL;
    return stream_set_fits(s, sequence) && bit(s, sequence);
}

static void remember_hole(struct stream_set *s, uint64_t from, uint64_t to)
{
    if (from > to)
        return;
    s->hole[s->hole_next] = (struct stream_hole){from, to};
    s->hole_next = (s->hole_next + 1) % STREAM_HOLES;
}

/* One that was given up came late: what is on either side of it is still missing. */
static void fill(struct stream_set *s, struct stream_hole *h, uint64_t sequence)
{
    uint64_t to = h->to;

    h->to = sequence - 1;
    if (h->from > h->to)
        *h = (struct stream_hole){0};
    remember_hole(s, sequence + 1, to);
}

void stream_set_add(struct stream_set *s, uint64_t sequence)
{
    if (sequence == 0 || !stream_set_fits(s, sequence))
        return;
    if (sequence <= s->prefix) {
        struct stream_hole *h = hole_with(s, sequence);

        if (h != NULL)
            fill(s, h, sequence);
        return;
    }
    *word_of(s, sequence) |= 1ull << (sequence % 64);
    if (sequence > s->newest)
        s->newest = sequence;
    advance(s);
}

bool stream_set_missing(const struct stream_set *s, uint64_t upto, struct stream_hole *out)
{
    uint64_t last = s->prefix + STREAM_WINDOW - 1;

    if (upto <= s->prefix)
        return false;
    out->from = out->to = s->prefix + 1; /* Missing, as the prefix ends before it. */
    while (out->to < upto && (out->to >= last || !bit(s, out->to + 1))) {
        if (out->to >= last) { /* Above the window nothing has come. */
            out->to = upto;
            break;
        }
        out->to++;
    }
    return true;
}

bool stream_set_gave_up(const struct stream_set *s, uint64_t above)
{
    for (size_t i = 0; i < STREAM_HOLES; i++) {
        if (s->hole[i].to > above)
            return true;
    }
    return false;
}

void stream_set_give_up(struct stream_set *s, const struct stream_hole *hole)
{
    if (hole->from != s->prefix + 1 || hole->to < hole->from)
        return;
    remember_hole(s, hole->from, hole->to);
    if (hole->to - s->prefix >= STREAM_WINDOW) {
        memset(s->bits, 0, sizeof(s->bits));
        s->prefix = hole->to;
    }
    while (s->prefix < hole->to) {
        s->prefix++;
        clear_bit(s, s->prefix);
    }
    if (s->newest < s->prefix)
        s->newest = s->prefix;
    advance(s);
}
