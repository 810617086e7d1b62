/* T1: a hand-over waits until a sink has confirmed all that it was given.  What its filter has
 * hidden last is stated before the next record that passes (section 7), and while the core drains
 * the sink none comes.  So that goes back to the core, as no sink was ever given it: whoever goes
 * on finds it in the journal, and the run before it. */
#include "shell.h"

#include "segment.h"

/* NULL: it is done. */
static const struct span *span_of(const struct sink_port *p, const struct given *h)
{
    const struct segment *g = core_segment(p->shell->core, h->origin, h->epoch);
    const struct delivery *d = g != NULL ? &g->at[p->index] : NULL;

    for (uint8_t n = 0; d != NULL && n < d->count; n++) {
        if (d->span[n].from <= h->to && h->to <= d->span[n].to)
            return &d->span[n];
    }
    return NULL;
}

static bool is_drained(const struct sink_port *p, const struct given *h)
{
    const struct span *s = span_of(p, h);

    return s != NULL && s->handing == HAND_DRAIN;
}

/* Nothing else waits: what was really given must not be taken for in doubt. */
static bool only_hidden_waits(const struct sink_port *p)
{
    bool any = false;

    for (uint32_t i = 0; i < p->count; i++) {
        const struct given *g = &p->given[(p->head + i) % GIVEN_MAX];

        if (g->what == GIVEN_RECORD || g->what == GIVEN_STATEMENT)
            return false;
        any |= g->what == GIVEN_HIDDEN && is_drained(p, g);
    }
    return any && !p->has_give;
}

/* What is sent again stays: the core knows nothing of it. */
static void take_out_hidden(struct sink_port *p)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < p->count; i++) {
        const struct given g = p->given[(p->head + i) % GIVEN_MAX];

        if (g.what == GIVEN_HIDDEN)
            p->back[p->back_count++ % HIDDEN_BACK_MAX] =
                (struct core_range){g.origin, g.epoch, g.from, g.to};
        else
            p->given[(p->head + left++) % GIVEN_MAX] = g;
    }
    p->count = left;
    filter_forget(p);
}

bool emit_gives_back(struct sink_port *p)
{
    struct core_input in = {.kind = CORE_SINK_LOST, .sink = p->index};
    struct core *c = p->shell->core;

    /* A sink that cannot answer is cut there anyhow, and what it gets back would be marked. */
    if (!c->sink[p->index].give || !c->o.sink[p->index].answers || !only_hidden_waits(p))
        return false;
    take_out_hidden(p);
    shell_input(p->shell, &in);
    in.kind = CORE_SINK_UP;
    shell_input(p->shell, &in);
    return true;
}

bool emit_knows(struct sink_port *p, const struct core_range *r)
{
    struct core_input in = {
        .kind = CORE_ANSWER, .sink = p->index, .records = *r, .answer = ANSWER_HAS};

    if (!p->shell->core->o.sink[p->index].local)
        return false;
    for (uint32_t i = 0; i < p->back_count && i < HIDDEN_BACK_MAX; i++) {
        const struct core_range *b = &p->back[i];

        if (b->origin != r->origin || b->epoch != r->epoch || b->from > r->from || b->to < r->to)
            continue;
        shell_input(p->shell, &in);
        return true;
    }
    return false;
}

/* What ends at a cut. */
static uint64_t hidden_below_cut(const struct sink_port *p)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < p->count; i++) {
        const struct given *g = &p->given[(p->head + i) % GIVEN_MAX];
        const struct span *s = g->what == GIVEN_HIDDEN ? span_of(p, g) : NULL;

        if (s != NULL && s->owner == p->shell->core->o.node && s->to == g->to)
            n += g->to - g->from + 1;
    }
    return n;
}

void emit_handed_over(struct shell *s)
{
    bool running = s->core->handover.state == HANDOVER_RUNNING;

    if (running == s->handover_ran)
        return;
    s->handover_ran = running;
    s->stayed_hidden = 0;
    for (size_t k = 0; !running && k < s->port_count; k++)
        s->stayed_hidden += hidden_below_cut(&s->port[k]);
}

uint64_t emit_stayed(const struct shell *s)
{
    uint64_t stayed = s->core->handover.stayed;

    return stayed > s->stayed_hidden ? stayed - s->stayed_hidden : 0;
}
