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

/* Each number is in one hole at most: a death in the midst of fill() leaves it in two. */
static void mend_holes(struct stream_set *s)
{
    for (size_t i = 0; i < STREAM_HOLES; i++) {
        struct stream_hole *a = &s->hole[i];

        if (a->from == 0 || a->from > a->to || a->to > s->prefix)
            *a = (struct stream_hole){0};
        for (size_t k = 0; k < i; k++) {
            struct stream_hole *b = &s->hole[k], *low = a->from < b->from ? a : b,
                               *high = low == a ? b : a;

            if (low->from != 0 && low->to >= high->from)
                low->to = high->from - 1;
            if (low->from > low->to)
                *low = (struct stream_hole){0};
        }
    }
}

void stream_set_mend(struct stream_set *s)
{
    if (s->prefix > UINT64_MAX - 2 * STREAM_WINDOW) { /* None of ours. */
        stream_set_clear(s);
        return;
    }
    clear_bit(s, s->prefix);
    if (s->forgotten > s->prefix)
        s->forgotten = s->prefix;
    mend_holes(s);
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

/* The first numbers are each remembered by themselves. */
static bool is_first(uint64_t sequence)
{
    return sequence - 1 < STREAM_FIRST;
}

static bool first_bit(const struct stream_set *s, uint64_t sequence)
{
    return s->first[(sequence - 1) / 64] >> ((sequence - 1) % 64) & 1;
}

static void set_first(struct stream_set *s, uint64_t sequence)
{
    s->first[(sequence - 1) / 64] |= 1ull << ((sequence - 1) % 64);
}

bool stream_set_has(const struct stream_set *s, uint64_t sequence)
{
    if (sequence > s->prefix)
        return stream_set_fits(s, sequence) && bit(s, sequence);
    return is_first(sequence) ? first_bit(s, sequence) : hole_with(s, sequence) == NULL;
}

bool stream_set_is_forgotten(const struct stream_set *s, uint64_t sequence)
{
    return sequence <= s->forgotten && !is_first(sequence) && stream_set_has(s, sequence);
}

/* In a free place, or in the one of the oldest. */
static void remember_hole(struct stream_set *s, uint64_t from, uint64_t to)
{
    struct stream_hole *h = &s->hole[0];

    if (from > to)
        return;
    for (size_t i = 1; i < STREAM_HOLES; i++) {
        if (s->hole[i].to < h->to)
            h = &s->hole[i];
    }
    if (h->to > to) { /* It is the oldest itself. */
        s->forgotten = to > s->forgotten ? to : s->forgotten;
        return;
    }
    if (h->to > s->forgotten)
        s->forgotten = h->to;
    *h = (struct stream_hole){from, to};
}

/* One that was given up came late: what is on either side of it is still missing.  What is above it
 * is remembered first, as a death in between may not lose it; its place may be this one. */
static void fill(struct stream_set *s, struct stream_hole *h, uint64_t sequence)
{
    struct stream_hole was = *h;

    remember_hole(s, sequence + 1, was.to);
    if (h->from != was.from || h->to != was.to)
        return;
    if (was.from < sequence)
        h->to = sequence - 1;
    else
        *h = (struct stream_hole){0};
}

void stream_set_add(struct stream_set *s, uint64_t sequence)
{
    if (sequence == 0 || !stream_set_fits(s, sequence))
        return;
    if (is_first(sequence)) /* Before the window's: what is known twice is known. */
        set_first(s, sequence);
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
    return s->forgotten > above;
}

/* All up to the end of a hole is done with. */
static void pass(struct stream_set *s, const struct stream_hole *hole)
{
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

static bool can_pass(const struct stream_set *s, const struct stream_hole *hole)
{
    return hole->from <= s->prefix + 1 && hole->to > s->prefix;
}

void stream_set_give_up(struct stream_set *s, const struct stream_hole *hole)
{
    if (!can_pass(s, hole))
        return;
    remember_hole(s, hole->from, hole->to);
    pass(s, hole);
}

void stream_set_begin_behind(struct stream_set *s, const struct stream_hole *hole)
{
    uint64_t known = hole->to > STREAM_FIRST ? hole->to - STREAM_FIRST : 0;

    if (!can_pass(s, hole))
        return;
    for (uint64_t q = hole->from; q <= known && is_first(q); q++)
        set_first(s, q);
    if (known > s->forgotten)
        s->forgotten = known;
    remember_hole(s, hole->from > known ? hole->from : known + 1, hole->to);
    pass(s, hole);
}
