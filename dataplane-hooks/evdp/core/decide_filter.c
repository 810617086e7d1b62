/* Filters, where they stand: `then count` counts, `then log` and `then syslog` make an event. */
#include "decide_parts.h"

/* false: the term refuses the packet. */
static bool apply(struct job *j, const struct term *t, uint8_t source)
{
    if (t->count)
        j->d->term[j->d->term_count++] = (uint16_t)(t - j->r->term);
    if (t->log)
        event_filter(job_event(j), &j->where, &j->p, t, source, j->now_ns);
    if (t->action == ACTION_PERMIT)
        return true;
    j->d->fate = FATE_FILTERED;
    if (t->action == ACTION_REJECT)
        job_reject(j);
    return false;
}

static uint16_t zone_of(const struct job *j, enum filter_place place)
{
    return place == FILTER_OUTPUT ? j->where.zone_out : j->where.zone_in;
}

static uint16_t look_up(const struct job *j, enum filter_place place)
{
    const struct term *t = filter_find(j->r, place, zone_of(j, place), &j->p);

    return t != NULL ? (uint16_t)(t - j->r->term + 1) : 0;
}

bool filter_place(struct job *j, enum filter_place place, uint16_t *index)
{
    *index = look_up(j, place);
    return *index == 0 || apply(j, &j->r->term[*index - 1], (uint8_t)place);
}

static const enum filter_place place[PLACES] = {FILTER_PBR, FILTER_INPUT, FILTER_OUTPUT};

/* Of a flow that is known, the terms are too: only its first packet in each direction, and its
 * first under new rules, looks them up. */
bool filter_session(struct job *j, struct session *s, int direction)
{
    static const uint8_t source[PLACES] = {FILTER_PBR, FILTER_INPUT, FILTER_CACHED_OUTPUT};
    uint16_t *term = s->term[direction];

    if (!(s->looked_up >> direction & 1)) {
        for (int i = 0; i < PLACES; i++)
            term[i] = look_up(j, place[i]);
        s->looked_up |= (uint8_t)(1 << direction);
    }
    for (int i = 0; i < PLACES; i++) {
        if (term[i] != 0 && !apply(j, &j->r->term[term[i] - 1], source[i]))
            return false;
    }
    return true;
}

bool filter_stray(struct job *j)
{
    uint16_t term;

    for (int i = 0; i < PLACES; i++) {
        if (!filter_place(j, place[i], &term))
            return false;
    }
    return true;
}
