#include "jetstream_runs.h"

#include <string.h>

enum { KEPT_MAX = 256 };

void runs_join(const struct jetstream_runs *r, struct jetstream_ask *a)
{
    memcpy(a->question + a->count, r->run, r->count * sizeof(r->run[0]));
    a->count += r->count;
}

bool runs_tell(const struct jetstream_runs *r, struct jetstream_question *a)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct jetstream_question *k = &r->run[i];

        if (k->q.epoch != a->q.epoch || k->q.run > a->q.run || k->q.run_end < a->q.run_end)
            continue;
        if (k->q.from > a->q.from || k->top >= a->q.from)
            continue;
        a->blind = k->blind;
        return true;
    }
    return false;
}

bool runs_stand(const struct jetstream_ask *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct jetstream_question *k = &a->question[i];

        if (k->stands && (k->last != 0 || !k->known))
            return false;
    }
    return !a->shrunk;
}

void runs_update(struct jetstream_runs *r, const struct jetstream_ask *a)
{
    const struct jetstream_question *kept = a->question + a->count - r->count;
    size_t n = 0;

    for (size_t i = 0; i < r->count && !a->shrunk; i++) {
        if (kept[i].known)
            r->run[n++] = kept[i];
    }
    r->count = n;
}

void runs_answered(struct jetstream_runs *r, const struct jetstream_question *a)
{
    size_t n = 0;

    while (n < r->count && (r->run[n].q.epoch != a->q.epoch || r->run[n].q.run != a->q.run))
        n++;
    r->run[n] = *a;
    r->run[n].blind = !a->known;
    r->run[n].kept = r->run[n].stands = true;
    r->count += n == r->count;
}

bool runs_cover(const struct jetstream_runs *r, position_t position)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct jetstream_question *k = &r->run[i];
        uint32_t sequence = position_sequence(position);

        if (k->stands && k->q.epoch == position_epoch(position) && k->q.from <= sequence &&
            sequence <= k->q.run_end)
            return true;
    }
    return false;
}

void runs_fall(struct jetstream_runs *r)
{
    if (r->count > KEPT_MAX)
        r->count = 0;
    for (size_t i = 0; i < r->count; i++)
        r->run[i].stands = false;
}
