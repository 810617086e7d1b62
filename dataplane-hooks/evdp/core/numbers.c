#include "numbers.h"

#define LIMIT_MIN 65535u /* What may be sent before any window was seen. */

/* low <= x <= high, in numbers that wrap. */
static bool is_between(uint32_t low, uint32_t x, uint32_t high)
{
    return x - low <= high - low;
}

static uint32_t length_of(const struct packet *p)
{
    return (uint32_t)(p->end - p->payload) + ((p->tcp_flags & TCP_SYN) != 0) +
           ((p->tcp_flags & TCP_FIN) != 0);
}

void numbers_begin(struct numbers n[2], bool by_syn)
{
    for (int i = 0; i < 2; i++)
        n[i] = (struct numbers){.limit = LIMIT_MIN, .scale = by_syn ? 0 : SCALE_MAX};
}

void numbers_behind_cookie(struct numbers n[2])
{
    n[0].scale = 0;
    n[1] = (struct numbers){.limit = LIMIT_MIN};
}

static void start(struct numbers *n, uint32_t at)
{
    n->acked = n->end = at;
    n->is_known = true;
}

bool numbers_fit(const struct numbers n[2], const struct packet *p, int direction)
{
    const struct numbers *me = &n[direction];
    uint32_t low = me->acked - me->limit, high = me->acked + me->limit;

    return !me->is_known ||
           (is_between(low, p->seq, high) && is_between(low, p->seq + length_of(p), high));
}

static void offer(struct numbers *other, uint32_t window)
{
    if (window > other->limit)
        other->limit = window;
}

/* A SYN's is never scaled, nor one of a side that offered no scale. */
static uint32_t window_of(const struct packet *p, const struct numbers *me)
{
    bool scaled = (p->tcp_flags & TCP_SYN) == 0 && me->scale != SCALE_NONE;

    return scaled ? (uint32_t)p->window << me->scale : p->window;
}

void numbers_learn(struct numbers n[2], const struct packet *p, int direction, bool has_ack,
                   uint32_t ack, bool begins)
{
    struct numbers *me = &n[direction], *other = &n[1 - direction];
    uint32_t end = p->seq + length_of(p);

    if (!me->is_known || begins)
        start(me, p->seq);
    if (!numbers_fit(n, p, direction))
        return;
    me->is_heard = true;
    if (is_between(me->end, end, me->acked + me->limit))
        me->end = end;
    if (!has_ack)
        return;
    if (!other->is_known)
        start(other, ack);
    if (!is_between(other->acked, ack, other->end))
        return;
    other->acked = ack;
    offer(other, window_of(p, me));
}

void numbers_scale(struct numbers n[2], int direction, uint8_t scale)
{
    n[direction].scale = scale == SCALE_NONE || scale < SCALE_MAX ? scale : SCALE_MAX;
    if (direction == 0 || (scale != SCALE_NONE && n[0].scale != SCALE_NONE))
        return;
    n[0].scale = n[1].scale = 0; /* Both have to offer it. */
}

bool numbers_reset(const struct numbers n[2], const struct packet *p, int direction, uint32_t ack)
{
    const struct numbers *me = &n[direction], *other = &n[1 - direction];

    if (!me->is_heard && other->is_known && (p->tcp_flags & TCP_ACK) != 0 &&
        is_between(other->acked, ack, other->end))
        return true;
    return me->is_known && is_between(me->acked, p->seq, me->end);
}
