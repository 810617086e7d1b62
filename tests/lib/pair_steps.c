#include "pair_steps.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

void pair_take_over(struct pair *p, uint32_t ms)
{
    pair_cluster(p, 1, true, true);
    pair_elapse_ms(p, ms);
}

void pair_fail_over(struct pair *p, uint32_t ms)
{
    pair_crash(p, 0);
    pair_take_over(p, ms);
}

void pair_return(struct pair *p, uint32_t ms)
{
    pair_start(p, 0);
    pair_connect(p);
    pair_elapse_ms(p, ms);
}

void pair_wait_for_sinks(struct pair *p, uint32_t count)
{
    p->node[0].sink_off = p->node[1].sink_off = true;
    pair_produce(p, 0, count);
    pair_settle(p);
}

uint32_t pair_die_undelivered(struct pair *p)
{
    uint32_t e = pair_live(p, 0);

    p->node[0].sink_off = true;
    pair_produce(p, 0, 20);
    pair_settle(p);
    pair_elapse_ms(p, 1000);
    pair_crash(p, 0);
    return e;
}

uint32_t pair_take_over_backlog(struct pair *p, uint32_t ms)
{
    uint32_t e;

    p->node[1].sink_off = true;
    e = pair_die_undelivered(p);
    pair_take_over(p, ms);
    assert_int_equal(pair_span(p, 1, 0, e, 15)->owner, 1);
    return e;
}

uint32_t pair_tag_ahead(struct pair *p)
{
    uint32_t e = pair_live(p, 0);
    const struct segment *g;

    pair_produce(p, 0, 10);
    pair_tagged(p, 0, 40);
    pair_elapse_ms(p, 200);
    g = core_segment(&p->node[1].core, 0, e);
    assert_int_equal(g->produced, 40);
    assert_int_equal(g->journaled, 11);
    return e;
}

void pair_lose_host(struct pair *p, int n)
{
    pair_crash(p, n);
    pair_lose_journal(p, n);
    pair_lose_ring(p, n);
}

int pair_unstarted(void **state)
{
    struct pair *p = malloc(sizeof(*p));

    pair_init(p, 8);
    p->boot[0] = p->boot[1] = 7;
    *state = p;
    return 0;
}

void pair_start_with(struct pair *p, int n, const char *sink)
{
    p->options.sink[0].key = sink_key(sink);
    pair_start(p, n);
}

void pair_renew_log(struct pair *p, int n)
{
    struct pair_disk *d = &p->node[n].disk;
    uint8_t image[META_SIZE_MAX];
    uint32_t cursor = 0, len;

    d->meta_len = 0;
    while ((len = (uint32_t)core_snapshot(&p->node[n].core, &cursor, image)) > 0) {
        memcpy(d->meta + d->meta_len, &len, 4);
        memcpy(d->meta + d->meta_len + 4, image, len);
        d->meta_len += len + 4;
    }
}

struct core_range *pair_held(struct pair *p, int n, uint32_t epoch)
{
    struct pair_disk *d = &p->node[n].disk;

    for (size_t i = 0; i < d->held_count; i++) {
        if (d->held[i].origin == 0 && d->held[i].epoch == epoch)
            return &d->held[i];
    }
    fail();
    return NULL;
}

void pair_lose_tail(struct pair *p, int n, uint32_t epoch, uint32_t last)
{
    struct pair_disk *d = &p->node[n].disk;

    pair_lose_ring(p, n);
    for (size_t i = 0; i < d->held_count; i++) {
        if (d->held[i].origin == n && d->held[i].epoch == epoch)
            d->held[i].to = last;
    }
}
