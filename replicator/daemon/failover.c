#include "shell.h"

enum { FIRST_NS = 100000000 };

static uint64_t last_heard_ns(const struct cluster *c)
{
    uint64_t last = 0;

    for (size_t i = 0; i < c->o.link_count; i++)
        last = c->link[i].heard_ns > last ? c->link[i].heard_ns : last;
    return last;
}

static void say(const struct failover *f)
{
    shell_log("failover: the peer was last heard %.1f ms before, declared dead after %.1f ms; its "
              "lease ended after %.1f ms, %llu segments were taken over after %.1f ms",
              (double)(f->taken_ns - f->heard_ns) / 1e6, (double)(f->dead_ns - f->heard_ns) / 1e6,
              f->lease_ns > f->heard_ns ? (double)(f->lease_ns - f->heard_ns) / 1e6 : 0.0,
              (unsigned long long)f->segments, (double)(f->taken_ns - f->heard_ns) / 1e6);
}

static void taken(struct failover_log *l, const struct core *c)
{
    struct failover *f = &l->now;

    f->taken_ns = c->taken_ns;
    f->lease_ns = c->grant_end_ns;
    if (f->dead_ns == 0)
        f->dead_ns = f->taken_ns;
    histogram_add(&l->seconds, f->taken_ns - f->heard_ns, 1);
    l->last = *f;
    l->waits = true;
    say(f);
}

void failover_watch(struct shell *s)
{
    struct failover_log *l = &s->failover;
    const struct core *c = s->core;

    if (!cluster_peer_dead(s->cluster) && c->session == SESSION_UP) {
        l->now = (struct failover){.segments = c->takeovers};
        l->waits = false;
        return;
    }
    if (l->now.heard_ns == 0)
        l->now = (struct failover){.heard_ns = last_heard_ns(s->cluster), .segments = c->takeovers};
    if (l->now.dead_ns == 0 && cluster_peer_dead(s->cluster))
        l->now.dead_ns = shell_now_ns();
    if (l->now.taken_ns != 0 || c->takeovers == l->now.segments || l->now.heard_ns == 0)
        return;
    l->now.segments = c->takeovers - l->now.segments;
    taken(l, c);
}

void failover_effect(struct shell *s, uint64_t decided_ns)
{
    s->failover.effect_ns = shell_now_ns() - decided_ns;
    histogram_add(&s->failover.effect_seconds, s->failover.effect_ns, 1);
}

bool failover_comes_first(const struct shell *s)
{
    return s->failover.waits && shell_now_ns() - s->failover.last.taken_ns < FIRST_NS;
}

void failover_given(struct shell *s)
{
    struct failover *f = &s->failover.last;
    uint64_t possible_ns = f->dead_ns > f->lease_ns ? f->dead_ns : f->lease_ns;

    if (!s->failover.waits)
        return;
    s->failover.waits = false;
    f->first_ns = shell_now_ns();
    histogram_add(&s->failover.first_seconds, f->first_ns - possible_ns, 1);
    shell_log("failover: the first record taken over went to a sink %.2f ms after it was possible",
              (double)(f->first_ns - possible_ns) / 1e6);
}

void failover_confirmed(struct shell *s)
{
    struct failover *f = &s->failover.last;

    if (f->first_ns != 0 && f->confirmed_ns == 0)
        f->confirmed_ns = shell_now_ns();
}
