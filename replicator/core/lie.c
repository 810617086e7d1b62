/* Section 9: what no honest peer says. */
#include "lie.h"
#include "rules.h"

enum { EPOCHS_LEFT = 1 << 24, EPOCHS_APART = 1 << 21 };

/* Above it soon no epoch would be left; but where this node is there itself, it is so: by its
 * clock, or by what it has opened.  What it has only heard leads nowhere. */
static bool is_last_of_epochs(const struct core *c, uint32_t epoch)
{
    uint32_t here = max_u32(c->own_epoch, c->o.clock_epoch);

    return epoch > UINT32_MAX - EPOCHS_LEFT && epoch > here && epoch - here > EPOCHS_APART;
}

const char *lie_in_hello(const struct core *c, const struct wire_hello *h)
{
    return is_last_of_epochs(c, h->highest_epoch) ? "a hello that leaves no epochs" : NULL;
}

const char *lie_in_records(const struct core *c, uint32_t epoch, uint32_t last)
{
    if (is_last_of_epochs(c, epoch))
        return "records that leave no epochs";
    return lie_in_produced(last);
}

static bool is_open_here(const struct core *c, const struct segment *g)
{
    return g->origin == c->o.node && g->epoch == c->live_epoch;
}

const char *lie_in_produced(uint32_t produced)
{
    return produced > EPOCH_RECORDS_MAX ? "more records than an epoch has" : NULL;
}

const char *lie_in_fact(const struct core *c, const struct segment *fact)
{
    const struct segment *g = core_segment(c, fact->origin, fact->epoch);

    if (is_last_of_epochs(c, fact->epoch))
        return "a fact that leaves no epochs";
    if (lie_in_produced(max_u32(fact->produced, max_u32(fact->journaled, fact->last))) != NULL)
        return "a fact of more records than an epoch has";
    if (is_open_here(c, fact) && (fact->closed || fact->lost))
        return "a fact that ends the epoch that is open here";
    /* Of an earlier life the journal may be an old copy. */
    if (g != NULL && is_open_here(c, g) && fact->journaled > g->sent_bound)
        return "a fact of records that were never sent";
    return NULL;
}

/* The highest that either node has ever known to be tagged; of a segment that is not closed, that
 * it can have: of the peer's its word (P) may be on its way, and of an earlier one of ours, whose
 * end went with our memory, a sink may have told the peer more. */
static uint32_t known_end(const struct core *c, const struct segment *g)
{
    if (!g->closed && !is_open_here(c, g))
        return EPOCH_RECORDS_MAX;
    return max_u32(max_u32(g->journaled, g->produced), max_u32(g->sent, g->last));
}

const char *lie_in_mark(const struct core *c, const struct segment *g, const struct span *s,
                        uint32_t emitted)
{
    return emitted > max_u32(known_end(c, g), s->emitted) ? "marks above all that there is" : NULL;
}

/* Of what is to come in the epoch that is open here nothing is done: each of its spans goes on
 * above all that there is, without a gap. */
static bool done_ahead(const struct core *c, const struct segment *g, const struct delivery *d)
{
    uint32_t end = known_end(c, g);

    for (uint8_t n = 0; n < d->count; n++) {
        const struct span *s = &d->span[n];

        if (s->to <= end)
            continue;
        if (s->emitted > end && s->emitted >= s->from)
            return true;
        if (s->from > end + 1)
            return true;
        end = s->to;
    }
    return end != SEQUENCE_MAX;
}

const char *lie_in_deliveries(const struct core *c, const struct segment *fact, const uint8_t *at,
                              size_t len, uint8_t n)
{
    const struct segment *g = core_segment(c, fact->origin, fact->epoch);
    bool heard[SINK_COUNT_MAX] = {false};

    while (n-- > 0) {
        struct delivery d;
        uint8_t origin;
        uint32_t epoch, key;
        int used = wire_get_delivery(at, len, &origin, &epoch, &key, &d);
        int k;

        if (used < 0)
            return NULL; /* Malformed, which is no lie. */
        at += used;
        len -= (size_t)used;
        k = sink_index(c, key);
        if (k < 0)
            continue;
        if (heard[k])
            return "a fact that has a sink twice";
        heard[k] = true;
        if (g != NULL && is_open_here(c, g) && !d.unheard && done_ahead(c, g, &d))
            return "a fact of marks above all that there is";
    }
    for (size_t k = 0; k < c->o.sink_count; k++) {
        if (c->peer_has[k] && !heard[k])
            return "a fact without a sink of its hello";
    }
    return NULL;
}

/* That a closed one is at its end is believed: what the power took of our marks may be known there.
 */
const char *lie_in_done(const struct core *c, const struct segment *g)
{
    return is_open_here(c, g) ? "the end of the epoch that is open here" : NULL;
}
