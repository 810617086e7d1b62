/* Filters of a sink.  What it hides is stated before the next record that passes, of whatever
 * segment.  The last hidden record of a run is not confirmed before that statement is, so that a
 * restart, or the other node, finds the run again in the journal. */
#include "shell.h"

enum { LOOK_BACK_BATCHES = 64 };

static struct hidden_run *current(struct sink_port *p)
{
    return &p->hidden.run[p->hidden.count - 1];
}

static bool follows(struct sink_port *p, uint8_t origin, uint32_t epoch, uint32_t next)
{
    const struct hidden_run *h = p->hidden.count > 0 ? current(p) : NULL;

    return h != NULL && h->next == next && h->epoch == epoch && h->origin == origin;
}

/* What is empty gives way; a full list would mean as many segments without one record that passes,
 * though each begins with one. */
static struct hidden_run *add_run(struct sink_port *p)
{
    if (p->hidden.count > 0 && current(p)->from == current(p)->next)
        p->hidden.count--;
    if (p->hidden.count == HIDDEN_RUNS_MAX) {
        shell_log("sink %s: hidden records of too many segments: a run is not stated",
                  p->config->name);
        p->hidden.count--;
    }
    return &p->hidden.run[p->hidden.count++];
}

/* How many records at the end of the batch are hidden. */
static uint32_t hidden_tail(const struct sink_port *p, const uint8_t *records, uint32_t n)
{
    uint32_t tail = 0;
    struct record r;

    while (tail < n && record_decode(&r, records + (n - 1 - tail) * RECORD_SIZE) == 0 &&
           !render_passes(&p->filter, &r))
        tail++;
    return tail;
}

/* What the journal holds begins there: of a segment that is still open files may be gone. */
static uint32_t lowest(const struct sink_port *p, const struct hidden_run *h)
{
    const struct segment *g = core_segment(p->shell->core, h->origin, h->epoch);
    uint32_t first = journal_first(p->shell->journal, h->origin, h->epoch, 1);

    return g != NULL && g->base > first ? g->base : first;
}

/* One batch further down.  true: it ends in there. */
static bool look_at_batch(struct sink_port *p, struct hidden_run *h)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    uint32_t low = lowest(p, h), n = h->from > low ? h->from - low : 0;
    uint32_t tail;

    n = n < FEED_BATCH ? n : FEED_BATCH;
    if (n == 0) {
        h->from = hidden_from(p->shell, p->index, h->origin, h->epoch, h->from);
        return true;
    }
    if (journal_read(p->shell->journal, h->origin, h->epoch, h->from - n, n, records,
                     sizeof(records)) < n)
        return true;
    tail = hidden_tail(p, records, n);
    h->from -= tail;
    return tail < n;
}

bool filter_look_back(struct sink_port *p, const struct core_range *r)
{
    if (!p->filtered || (!p->looking && follows(p, r->origin, r->epoch, r->from)))
        return true;
    if (!p->looking)
        *add_run(p) = (struct hidden_run){r->origin, r->epoch, r->from, r->from};
    p->looking = true;
    for (int i = 0; i < LOOK_BACK_BATCHES && p->looking; i++)
        p->looking = !look_at_batch(p, current(p));
    return !p->looking;
}

uint32_t filter_run_before(struct sink_port *p, const struct core_range *r)
{
    struct hidden_run h = {r->origin, r->epoch, r->to + 1, r->to + 1};

    while (!look_at_batch(p, &h))
        ;
    return h.from;
}

bool filter_follow(struct sink_port *p, const struct record *r)
{
    if (!p->filtered)
        return true;
    current(p)->next = r->sequence + 1;
    return render_passes(&p->filter, r);
}

void filter_stated(struct sink_port *p)
{
    if (p->hidden.count == 0)
        return;
    p->hidden.run[0] = *current(p);
    p->hidden.run[0].from = p->hidden.run[0].next;
    p->hidden.count = 1;
}

void filter_forget(struct sink_port *p)
{
    p->hidden.count = 0;
    p->looking = p->has_give = false;
}
