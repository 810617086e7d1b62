#include "settle.h"
#include "segment.h"

#include <assert.h>
#include <string.h>

/* What one view says of one sequence. */
struct view {
    bool done, intended, doubt, foreign;
    bool forgot; /* In doubt, as this node does not remember what it did when it last had the sink.
                  */
    bool
        starts; /* A span starts here: what differs in history stays apart (D1 asks for one run). */
    uint8_t owner;
    uint32_t term;
    uint32_t until; /* The same is true up to here. */
};

static const struct span *span_at(const struct delivery *d, uint32_t p, uint32_t last,
                                  uint32_t *until)
{
    *until = last;
    for (uint8_t i = 0; i < d->count; i++) {
        const struct span *s = &d->span[i];

        if (p < s->from) {
            *until = min_u32(last, s->from - 1);
            return NULL;
        }
        if (p <= s->to) {
            *until = min_u32(last, s->to);
            return s;
        }
    }
    return NULL;
}

static struct view view_at(const struct delivery *d, uint32_t p, uint32_t last)
{
    struct view v = {0};
    const struct span *s = span_at(d, p, last, &v.until);

    if (s == NULL) {
        v.done = true;
        return v;
    }
    v.owner = s->owner;
    v.term = s->term;
    v.starts = p == s->from;
    v.done = p <= s->emitted;
    v.intended = p <= s->intent;
    v.doubt = p <= s->doubt;
    v.foreign = v.doubt && s->foreign;
    v.forgot = v.doubt && d->unheard;
    if (v.done)
        v.until = min_u32(v.until, s->emitted);
    if (v.intended)
        v.until = min_u32(v.until, s->intent);
    if (v.doubt)
        v.until = min_u32(v.until, s->doubt);
    return v;
}

/* The higher term is right: only one node can have raised it, as only the one that is not the owner
 * takes over. */
static struct view merge(struct view a, struct view b)
{
    struct view v = a;

    v.until = min_u32(a.until, b.until);
    v.starts = a.starts || b.starts;
    v.done = a.done || b.done;
    if (v.done)
        return v;
    if (b.term > a.term) {
        v.owner = b.owner;
        v.term = b.term;
    }
    if (a.term == b.term || a.owner == b.owner) { /* T1: an offer may have left its term alone. */
        v.intended = a.intended || b.intended;
        v.doubt = a.doubt || b.doubt;
        v.foreign = a.foreign || b.foreign;
    } else if (b.term > a.term) {
        v.intended = b.intended;
        v.doubt = b.doubt;
        v.foreign = b.foreign;
    }
    if (a.forgot || b.forgot) /* L3: nor whose it was then, so that its term says nothing. */
        v.intended = v.doubt = v.foreign = true;
    return v;
}

static bool span_takes(const struct span *s, const struct view *v)
{
    if (s->owner != v->owner || s->term != v->term)
        return false;
    if (v->intended && s->intent != s->to)
        return false;
    return !v->doubt || s->doubt == s->to;
}

static void append(struct delivery *out, uint32_t from, const struct view *v)
{
    struct span *s = out->count > 0 ? &out->span[out->count - 1] : NULL;

    if (s == NULL || s->to != from - 1 || v->starts || !span_takes(s, v)) {
        if (out->count == SPAN_MAX) { /* Too ragged: the rest as one run, marked. */
            s->to = v->until;
            s->intent = s->doubt = v->until;
            s->foreign = true; /* Of either owner. */
            return;
        }
        s = &out->span[out->count++];
        *s = (struct span){.from = from, .owner = v->owner, .term = v->term};
        s->emitted = s->handed = s->granted = s->requested = from - 1;
        s->intent = s->doubt = from - 1;
    }
    s->to = v->until;
    if (v->intended)
        s->intent = v->until;
    if (v->doubt)
        s->doubt = v->until;
    s->foreign |= v->foreign;
}

void settle_delivery(const struct delivery *origin, const struct delivery *replica, uint32_t last,
                     struct delivery *out)
{
    struct delivery result = {.dirty = true};
    uint32_t p = 1;

    while (p <= last) {
        struct view v = merge(view_at(origin, p, last), view_at(replica, p, last));

        if (!v.done)
            append(&result, p, &v);
        if (v.until == SEQUENCE_MAX)
            break;
        p = v.until + 1;
    }
    *out = result;
}
