/* Section 9: what no honest peer says. */
#include "lie.h"
#include "rules.h"

enum { EPOCHS_LEFT = 1 << 24, EPOCHS_APART = 1 << 21 };

/* Above it soon no epoch would be left; but where this node is there itself, it is so. */
static bool is_last_of_epochs(const struct core *c, uint32_t epoch)
{
    return epoch > UINT32_MAX - EPOCHS_LEFT && epoch > c->highest_epoch &&
           epoch - c->highest_epoch > EPOCHS_APART;
}

const char *lie_in_hello(const struct core *c, const struct wire_hello *h)
{
    return is_last_of_epochs(c, h->highest_epoch) ? "a hello that leaves no epochs" : NULL;
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

/* That a closed one is at its end is believed: what the power took of our marks may be known there.
 */
const char *lie_in_done(const struct core *c, const struct segment *g)
{
    return is_open_here(c, g) ? "the end of the epoch that is open here" : NULL;
}
