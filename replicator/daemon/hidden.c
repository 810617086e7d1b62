/* Section 7: a run of hidden records is stated whole, whoever goes on, and so found again in the
 * journal; but all of it except the last counts as emitted, so that its files may go before it is
 * stated.  Where it began is noted before they do: the marks of the journal have it, beside the
 * core's, for each sink and segment. */
#include "shell.h"

#include "bytes.h"

enum { MARK = 'H', MARK_SIZE = 20 };

static bool is_of(const struct hidden_gone *h, uint32_t key, uint8_t origin, uint32_t epoch)
{
    return h->key == key && h->origin == origin && h->epoch == epoch;
}

/* The same one, else one that is not used any more. */
static struct hidden_gone *place(struct shell *s, const struct hidden_gone *h)
{
    struct hidden_gone *other = NULL;

    for (uint32_t i = 0; i < s->hidden_gone_count; i++) {
        struct hidden_gone *at = &s->hidden_gone[i];

        if (is_of(at, h->key, h->origin, h->epoch))
            return at;
        if (core_segment(s->core, at->origin, at->epoch) == NULL)
            other = at;
    }
    if (s->hidden_gone_count < HIDDEN_GONE_MAX)
        return &s->hidden_gone[s->hidden_gone_count++];
    return other != NULL ? other : &s->hidden_gone[h->epoch % HIDDEN_GONE_MAX];
}

static void put_mark(struct journal *j, const struct hidden_gone *h)
{
    uint8_t mark[MARK_SIZE] = {MARK, h->origin};

    put_le32(mark + 4, h->key);
    put_le32(mark + 8, h->epoch);
    put_le32(mark + 12, h->from);
    put_le32(mark + 16, h->below);
    journal_meta(j, mark, sizeof(mark));
}

bool hidden_recover(struct shell *s, const uint8_t *at, size_t len)
{
    struct hidden_gone h;

    if (len != MARK_SIZE || at[0] != MARK)
        return false;
    h = (struct hidden_gone){.origin = at[1],
                             .key = get_le32(at + 4),
                             .epoch = get_le32(at + 8),
                             .from = get_le32(at + 12),
                             .below = get_le32(at + 16)};
    if (h.origin >= NODE_COUNT || h.from == 0 || h.from >= h.below)
        return false;
    *place(s, &h) = h;
    return true;
}

void hidden_snapshot(struct shell *s, struct journal *j)
{
    for (uint32_t i = 0; i < s->hidden_gone_count; i++) {
        const struct hidden_gone *h = &s->hidden_gone[i];

        if (core_segment(s->core, h->origin, h->epoch) != NULL)
            put_mark(j, h);
    }
}

uint32_t hidden_from(const struct shell *s, size_t sink, uint8_t origin, uint32_t epoch,
                     uint32_t at)
{
    for (uint32_t i = 0; i < s->hidden_gone_count; i++) {
        const struct hidden_gone *h = &s->hidden_gone[i];

        if (is_of(h, s->core->o.sink[sink].key, origin, epoch) && h->from < at && at <= h->below)
            return h->from;
    }
    return at;
}

bool hidden_is_used(const struct shell *s)
{
    for (size_t k = 0; k < s->port_count; k++) {
        if (s->port[k].filtered)
            return true;
    }
    return false;
}

/* true: there is one more mark. */
static bool note(struct sink_port *p, const struct core_range *gone)
{
    struct shell *s = p->shell;
    struct hidden_gone h = {.key = s->core->o.sink[p->index].key,
                            .origin = gone->origin,
                            .epoch = gone->epoch,
                            .from = filter_run_before(p, gone),
                            .below = gone->to + 1};

    if (h.from == h.below)
        return false;
    *place(s, &h) = h;
    put_mark(s->journal, &h);
    return true;
}

/* From the first one of the segment that is there; gone->to == 0: no file of it goes. */
static struct core_range what_goes(struct shell *s, uint8_t origin, uint32_t epoch, uint32_t below)
{
    uint32_t first = journal_first(s->journal, origin, epoch, 1);
    uint32_t end = first != 0 ? journal_file_end(s->journal, origin, epoch, first) : 0;

    if (end == 0 || end >= below)
        return (struct core_range){0};
    return (struct core_range){origin, epoch, first, below - 1};
}

bool hidden_note(struct shell *s, uint32_t (*stays_from)(void *ctx, uint8_t origin, uint32_t epoch))
{
    bool any = false;

    for (uint16_t i = 0; i < s->core->count; i++) {
        const struct segment *g = &s->core->segment[s->core->order[i]];
        struct core_range gone =
            what_goes(s, g->origin, g->epoch, stays_from(s, g->origin, g->epoch));

        for (size_t k = 0; k < s->port_count && gone.to != 0; k++)
            any |= s->port[k].filtered && note(&s->port[k], &gone);
    }
    return !any || journal_commit(s->journal, true) == 0;
}
