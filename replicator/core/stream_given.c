#include "stream_given.h"

#include <stdatomic.h>

struct stream_run *stream_with_key(struct stream_memory *m, uint32_t key)
{
    for (size_t i = 0; i < STREAM_RUNS; i++) {
        if (key != 0 && m->run[i].key == key)
            return &m->run[i];
    }
    return NULL;
}

/* A death leaves what is before it done and nothing of what is behind it. */
static void barrier(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

static void finish(struct stream_memory *m)
{
    struct stream_giving *g = &m->giving;
    struct stream_run *r = stream_with_key(m, g->key);

    if (r != NULL && g->cause == STREAM_LOST) {
        stream_set_give_up(&r->set, &g->hole);
    } else if (r != NULL) {
        stream_set_begin_behind(&r->set, &g->hole);
        r->before = g->hole.to;
    }
    barrier();
    m->untold[g->cause] = g->after;
    barrier();
    g->hole.to = 0;
}

/* Of counts that nobody gave: none. */
void stream_mend_given(struct stream_memory *m)
{
    const struct stream_giving *g = &m->giving;

    for (size_t i = 0; i < STREAM_CAUSES; i++) {
        struct stream_untold *u = &m->untold[i];

        if (u->told > u->given || u->given - u->told > STREAM_NUMBER_MAX)
            u->told = u->given;
    }
    if (g->hole.to == 0)
        return;
    if (g->cause < STREAM_CAUSES && g->after.told == m->untold[g->cause].told &&
        g->after.given >= g->after.told && g->after.given - g->after.told <= STREAM_NUMBER_MAX)
        finish(m);
    m->giving.hole.to = 0;
}

void stream_tell(struct stream_untold *u, uint64_t from, uint64_t to)
{
    if (from == u->told + 1 && to >= from && to <= u->given)
        u->told = to;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* An end that is not known of one is not known of all. */
static struct stream_untold with(const struct stream_untold *u, uint64_t n, uint64_t first_ns,
                                 uint64_t last_ns)
{
    bool more = u->given > u->told;

    if (first_ns > last_ns && last_ns != 0) /* The clock was set back. */
        first_ns = last_ns;
    return (struct stream_untold){
        .given = u->given + n,
        .told = u->told,
        .first_ns = more ? earlier(u->first_ns, first_ns) : first_ns,
        .last_ns = !more                             ? last_ns
                   : u->last_ns == 0 || last_ns == 0 ? 0
                                                     : later(u->last_ns, last_ns),
    };
}

void stream_add_untold(struct stream_untold *u, uint64_t n, uint64_t first_ns, uint64_t last_ns)
{
    *u = with(u, n, first_ns, last_ns);
}

void stream_give_up(struct stream_memory *m, const struct stream_gap *gap)
{
    struct stream_giving *g = &m->giving;

    g->key = gap->run->key;
    g->cause = gap->cause;
    g->after = with(&m->untold[gap->cause], gap->hole.to - gap->hole.from + 1, gap->first_ns,
                    gap->last_ns);
    g->hole.from = gap->hole.from;
    barrier();
    g->hole.to = gap->hole.to;
    barrier();
    finish(m);
}
