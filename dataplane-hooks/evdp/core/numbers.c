#include "numbers.h"

#define LIMIT_MIN 65535u /* What may be sent before any window was seen. */
#define LIMIT_MAX (65535u << SCALE_MAX)

/* low <= x <= high, in numbers that wrap. */
static bool is_between(uint32_t low, uint32_t x, uint32_t high)
{
    return x - low <= high - low;
}

/* A FIN comes behind all fragments. */
static uint32_t length_of(const struct packet *p)
{
    bool is_last = p->fragment ? p->last_fragment : !p->first_fragment;

    return (uint32_t)(p->end - p->payload) + ((p->tcp_flags & TCP_SYN) != 0) +
           ((p->tcp_flags & TCP_FIN) != 0 && is_last);
}

void numbers_begin(struct numbers n[2], bool by_syn)
{
    for (int i = 0; i < 2; i++)
        n[i] = (struct numbers){.limit = by_syn ? LIMIT_MIN : LIMIT_MAX,
                                .scale = by_syn ? 0 : SCALE_MAX,
                                .is_loose = !by_syn};
}

void numbers_loosen(struct numbers n[2])
{
    for (int i = 0; i < 2; i++)
        n[i] = (struct numbers){.limit = LIMIT_MAX, .scale = n[i].scale, .is_loose = true};
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

static bool is_near(const struct numbers *n, uint32_t x)
{
    return is_between(n->acked - n->limit, x, n->acked + n->limit);
}

static bool may_send(const struct numbers *me, const struct packet *p)
{
    return !me->is_known || (is_near(me, p->seq) && is_near(me, p->seq + length_of(p)));
}

/* Nobody acknowledges what was not sent, and for long what was acknowledged before. */
static bool may_be_acked(const struct numbers *n, uint32_t ack)
{
    return !n->is_known || (n->is_loose && is_near(n, ack)) ||
           is_between(n->acked - LIMIT_MIN, ack, n->end);
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

/* As somebody else saw it: what it sent meanwhile is told by nothing but this. */
static void take_up(struct numbers *n, uint32_t ack)
{
    n->acked = ack;
    if (!is_between(ack, n->end, ack + n->limit))
        n->end = ack;
}

/* What was seen here was acknowledged: from now on it counts by the windows. */
static void settle(struct numbers *n, uint32_t window)
{
    n->is_loose = false;
    n->limit = LIMIT_MIN;
    offer(n, window);
    take_up(n, n->acked);
}

static void acknowledge(struct numbers *n, uint32_t ack, uint32_t window)
{
    bool is_new = n->is_known && ack != n->acked;

    if (!n->is_known)
        start(n, ack);
    if (!is_between(n->acked, ack, n->end)) {
        if (n->is_loose)
            take_up(n, ack);
        return;
    }
    n->acked = ack;
    offer(n, window);
    if (n->is_loose && is_new)
        settle(n, window);
}

/* The server answers a SYN that is not the one seen last: by that it is known again. */
static void begin_with(struct numbers *other, uint32_t ack)
{
    if (other->is_known && !may_be_acked(other, ack))
        *other = (struct numbers){
            .acked = ack, .end = ack, .limit = LIMIT_MAX, .scale = other->scale, true, true};
}

void numbers_begin_at(struct numbers n[2], uint32_t seq, uint8_t scale)
{
    numbers_begin(n, true);
    start(&n[0], seq);
    n[0].end = seq + 1;
    n[0].scale = scale;
}

bool numbers_learn(struct numbers n[2], const struct packet *p, int direction, bool has_ack,
                   uint32_t ack, bool begins)
{
    struct numbers *me = &n[direction], *other = &n[1 - direction];
    uint32_t end = p->seq + length_of(p);

    if (begins && has_ack)
        begin_with(other, ack);
    if (has_ack && !may_be_acked(other, ack))
        return false;
    if (!me->is_known || begins)
        start(me, p->seq);
    if (!may_send(me, p))
        return false;
    if (is_between(me->end, end, me->acked + me->limit))
        me->end = end;
    if (has_ack)
        acknowledge(other, ack, window_of(p, me));
    return true;
}

void numbers_scale(struct numbers n[2], const struct packet *syn, int direction, uint8_t scale)
{
    bool again = n[direction].is_known && syn->seq == n[direction].acked;

    if (scale != SCALE_NONE || !again)
        n[direction].scale = scale == SCALE_NONE || scale < SCALE_MAX ? scale : SCALE_MAX;
    if (direction == 0 || (scale != SCALE_NONE && n[0].scale != SCALE_NONE))
        return;
    n[0].scale = n[1].scale = 0; /* Both have to offer it. */
}

bool numbers_reset(const struct numbers n[2], const struct packet *p, int direction)
{
    const struct numbers *me = &n[direction];

    return me->is_known && (p->seq == me->acked || p->seq == me->end);
}

bool numbers_acknowledge(const struct numbers *n, uint32_t ack)
{
    return n->is_known && is_between(n->acked, ack, n->end);
}
