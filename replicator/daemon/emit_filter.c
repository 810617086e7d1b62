/* Filters of a sink.  What it hides is stated before the next record that passes.  The statement is
 * a function of the journal and of the filter alone, so that it is the same after a restart and at
 * the other node. */
#include "shell.h"

enum { LOOK_BACK_BATCHES = 64 };

static bool knows(const struct hidden_run *h, uint8_t origin, uint32_t epoch, uint32_t next)
{
    return h->next == next && h->epoch == epoch && h->origin == origin;
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

/* One batch further down.  true: it ends in there. */
static bool look_at_batch(struct sink_port *p, struct hidden_run *h, uint32_t base)
{
    static uint8_t records[FEED_BATCH * RECORD_SIZE];
    uint32_t n = h->from > base ? h->from - base : 0;
    uint32_t tail;

    n = n < FEED_BATCH ? n : FEED_BATCH;
    if (n == 0 || journal_read(p->shell->journal, h->origin, h->epoch, h->from - n, n, records,
                               sizeof(records)) < n)
        return true;
    tail = hidden_tail(p, records, n);
    h->from -= tail;
    return tail < n;
}

bool filter_look_back(struct sink_port *p, const struct core_range *r)
{
    const struct segment *g = core_segment(p->shell->core, r->origin, r->epoch);
    struct hidden_run *h = &p->hidden;

    if (!p->filtered)
        return true;
    if (!p->looking && knows(h, r->origin, r->epoch, r->from))
        return true;
    if (!p->looking)
        *h = (struct hidden_run){r->origin, r->epoch, r->from, r->from};
    p->looking = true;
    for (int i = 0; i < LOOK_BACK_BATCHES && p->looking; i++)
        p->looking = !look_at_batch(p, h, g != NULL && g->base > 1 ? g->base : 1);
    return !p->looking;
}

uint32_t filter_follow(struct sink_port *p, const struct record *r)
{
    struct hidden_run *h = &p->hidden;
    uint32_t from = h->from;

    if (!p->filtered)
        return r->sequence;
    h->next = r->sequence + 1;
    if (!render_passes(&p->filter, r))
        return 0;
    h->from = h->next;
    return from;
}

void filter_forget(struct sink_port *p)
{
    p->hidden = (struct hidden_run){0};
    p->looking = false;
    p->has_give = false;
}
