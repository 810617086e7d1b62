#include "stream_holes.h"
#include "stream_given.h"

#include <string.h>

#define SECOND_NS   1000000000ull
#define LOOK_MAX_NS 100000000ull /* Looks for holes are a few ms apart. */

uint64_t stream_time_of(const struct stream_source *s, uint64_t sequence)
{
    size_t at = sequence % STREAM_WINDOW;

    return s->recent[at].sequence == sequence ? s->recent[at].time_ns : 0;
}

void stream_tell_gap(const struct stream_source *s, struct stream_run *r, uint64_t newest_ns,
                     struct stream_gap *gap)
{
    uint64_t behind_ns = r == s->run ? stream_time_of(s, gap->hole.to + 1) : 0;

    gap->run = r;
    gap->cause = gap->hole.from == r->before + 1 ? STREAM_DOUBTFUL : STREAM_LOST;
    gap->first_ns = r->prefix_ns;
    gap->last_ns = behind_ns != 0 ? behind_ns : newest_ns;
}

static void take_sample(struct stream_source *s, uint64_t now_ns)
{
    if (now_ns - s->sample_ns < s->hole_ns / (STREAM_SAMPLES - 1))
        return;
    s->sample_ns = now_ns;
    memmove(s->sample, s->sample + 1, (STREAM_SAMPLES - 1) * sizeof(s->sample[0]));
    s->sample[STREAM_SAMPLES - 1] = s->run->set.newest;
}

/* Up to which number a hole of this run has waited long enough. */
static uint64_t overdue(const struct stream_source *s, const struct stream_run *r)
{
    if (r != s->run) /* That helper is gone, or counts anew. */
        return r->set.newest;
    if (!s->connected)
        return s->away_ns >= STREAM_GONE_HOLES * SECOND_NS ? r->set.newest : 0;
    return s->drain_wanted || s->draining ? 0 : s->sample[0];
}

/* While we stood still, what came waits to be read: that time counts against nobody. */
static void pass_time(struct stream_source *s, uint64_t now_ns)
{
    uint64_t ns = now_ns - s->looked_ns < LOOK_MAX_NS ? now_ns - s->looked_ns : LOOK_MAX_NS;

    s->looked_ns = now_ns;
    if (!s->connected)
        s->away_ns += ns;
    else if (s->draining)
        s->drain_ns += ns;
    else if (s->counted && !s->settled)
        s->settle_ns += ns;
    if (s->drain_ns >= STREAM_DRAIN_S * SECOND_NS)
        s->draining = false;
    if (s->settle_ns >= STREAM_SETTLE_S * SECOND_NS)
        s->settled = true;
}

bool stream_gap_due(struct stream_source *s, uint64_t now_ns, struct stream_gap *out)
{
    if (s->run == NULL)
        return false;
    if (s->connected)
        take_sample(s, now_ns);
    pass_time(s, now_ns);
    for (size_t i = 0; i < STREAM_RUNS; i++) {
        struct stream_run *r = &s->memory->run[i];

        if (r->key != 0 && stream_set_missing(&r->set, overdue(s, r), &out->hole)) {
            stream_tell_gap(s, r, r->newest_ns, out);
            return true;
        }
    }
    return false;
}

void stream_given_up(struct stream_source *s, const struct stream_gap *gap)
{
    uint64_t n = gap->hole.to - gap->hole.from + 1;

    s->count.holes++;
    *(gap->cause == STREAM_LOST ? &s->count.missing : &s->count.doubtful) += n;
    stream_give_up(s->memory, gap);
    if (gap->run == s->run && stream_time_of(s, s->run->set.prefix) != 0)
        s->run->prefix_ns = stream_time_of(s, s->run->set.prefix);
}

/* ---- statements ---- */

/* Once it is known that nothing more tells the two apart. */
void stream_settle_doubts(struct stream_source *s)
{
    if (s->doubts == 0 || (s->connected && !s->settled))
        return;
    s->count.doubtful += s->doubts;
    stream_add_untold(&s->memory->untold[STREAM_DOUBTFUL], s->doubts, s->doubt_first_ns,
                      s->doubt_last_ns);
    s->doubts = 0;
}

bool stream_untold(struct stream_source *s, uint64_t now_ns, struct stream_note *out)
{
    stream_settle_doubts(s);
    for (size_t i = 0; i < STREAM_CAUSES; i++) {
        const struct stream_untold *u = &s->memory->untold[i];

        if (u->given == u->told ||
            (s->told_ns[i] != 0 && now_ns - s->told_ns[i] < STREAM_TELL_S * SECOND_NS))
            continue;
        *out = (struct stream_note){.cause = (enum stream_cause)i,
                                    .count = u->given - u->told,
                                    .first_ns = u->first_ns,
                                    .last_ns = u->last_ns,
                                    .from = u->told + 1,
                                    .to = u->given};
        return true;
    }
    return false;
}

void stream_told(struct stream_source *s, const struct stream_note *note, uint64_t now_ns)
{
    stream_tell(&s->memory->untold[note->cause], note->from, note->to);
    s->told_ns[note->cause] = now_ns;
}

uint64_t stream_untold_count(const struct stream_source *s)
{
    uint64_t n = s->doubts;

    for (size_t i = 0; i < STREAM_CAUSES; i++)
        n += s->memory->untold[i].given - s->memory->untold[i].told;
    return n;
}
