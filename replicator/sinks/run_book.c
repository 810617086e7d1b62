#include "run_book.h"

#include <string.h>

static bool at_or_above(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) >= 0;
}

static uint32_t change(struct run_book *b, bool at_once)
{
    b->own.generation++;
    if (at_once && b->changed != NULL)
        b->changed(b);
    return b->own.generation;
}

uint32_t run_book_put(struct run_book *b, const struct run *r)
{
    struct run bounded = *r;

    run_bound(&b->own, &bounded);
    run_put(&b->own, &bounded, RUN_BOOK_MOST); /* Without room the peer has to say: unknown. */
    return change(b, true);
}

uint32_t run_book_close(struct run_book *b, uint32_t key, uint32_t id)
{
    struct run *r = run_find(&b->own, key, id);

    if (r == NULL || r->state == RUN_CLOSED)
        return b->own.generation;
    r->state = RUN_CLOSED;
    return change(b, true);
}

void run_book_advance(struct run_book *b, uint32_t key, uint32_t id, uint32_t first,
                      uint64_t offset)
{
    struct run *r = run_find(&b->own, key, id);

    if (r == NULL || r->state != RUN_OPEN || r->first >= first)
        return;
    r->first = first;
    r->offset = offset;
    change(b, false);
}

void run_book_hold(struct run_book *b, const struct run_ip *ip, bool on)
{
    struct run_table *t = &b->own;

    for (uint8_t i = 0; i < t->held_count; i++) {
        if (!run_ip_equal(&t->held[i], ip))
            continue;
        if (!on) {
            t->held[i] = t->held[--t->held_count];
            change(b, true);
        }
        return;
    }
    if (!on || t->held_count == RUN_HELD_MAX)
        return;
    t->held[t->held_count++] = *ip;
    change(b, true);
}

bool run_book_is_held(const struct run_book *b, const struct run_ip *ip)
{
    for (uint8_t i = 0; b->link && i < b->theirs.held_count; i++) {
        if (run_ip_equal(&b->theirs.held[i], ip))
            return true;
    }
    return false;
}

bool run_book_may_write(const struct run_book *b, uint32_t generation, bool alone)
{
    if (b->deaf || (alone && !b->link && !b->leased))
        return true;
    return at_or_above(b->acked, generation) && at_or_above(b->acked, b->base);
}

bool run_book_in_vain(const struct run_book *b, uint32_t generation, bool alone)
{
    return !b->link && !b->leased && !run_book_may_write(b, generation, alone);
}

bool run_book_is_stale(const struct run_book *b, uint32_t turn, bool alone)
{
    return b->turns != turn && (b->turns != turn + 1 || b->link != alone);
}

void run_book_link(struct run_book *b, bool up)
{
    bool again = up && !b->link;

    b->turns += up != b->link;
    b->link = up;
    if (!again)
        return;
    b->base = b->own.generation + 1;
    change(b, true);
}

bool run_book_take(struct run_book *b, const struct run_table *t, uint64_t now_ns)
{
    if (t->instance == b->theirs.instance && !at_or_above(t->generation, b->theirs.generation))
        return false;
    b->theirs = *t;
    b->theirs_ns = now_ns;
    b->ready = true;
    return true;
}

void run_book_acked(struct run_book *b, uint64_t instance, uint32_t generation)
{
    if (instance == b->own.instance && at_or_above(b->own.generation, generation) &&
        at_or_above(generation, b->acked))
        b->acked = generation;
}
