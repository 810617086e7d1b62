/* What a sink's port needs of the rest of the daemon, stood in for: no filter hides anything,
 * nothing is replayed, measured or named.  Included once, by a test that includes the port's parts
 * themselves; what it looks at (the clock, the log, the core) is its own. */
#ifndef EVREP_TEST_PORT_DOUBLE_H
#define EVREP_TEST_PORT_DOUBLE_H

#include "shell.h"

void shell_input(struct shell *s, struct core_input *in)
{
    in->now_ns = shell_now_ns();
    core_step(s->core, in);
}

void filter_forget(struct sink_port *p)
{
    (void)p;
}

bool filter_look_back(struct sink_port *p, const struct core_range *r)
{
    (void)p;
    (void)r;
    return true;
}

bool filter_follow(struct sink_port *p, const struct record *r)
{
    (void)p;
    (void)r;
    return false;
}

void filter_stated(struct sink_port *p)
{
    (void)p;
}

void replay_lost(struct sink_port *p)
{
    (void)p;
}

void replay_fill(struct sink_port *p, size_t n)
{
    (void)p;
    (void)n;
}

void replay_confirmed(struct sink_port *p, uint32_t epoch, uint32_t sequence)
{
    (void)p;
    (void)epoch;
    (void)sequence;
}

void failover_confirmed(struct shell *s)
{
    (void)s;
}

void failover_given(struct shell *s)
{
    (void)s;
}

void tail_confirmed(struct sink_port *p, const struct core_range *run)
{
    (void)p;
    (void)run;
}

void histogram_add(struct histogram *h, uint64_t ns, uint64_t n)
{
    (void)h;
    (void)ns;
    (void)n;
}

const struct names *feed_names(struct shell *s, uint8_t origin, uint32_t generation)
{
    (void)s;
    (void)origin;
    (void)generation;
    return NULL;
}

struct run_book *runs_book(struct shell *s)
{
    (void)s;
    return NULL;
}

uint32_t status_mark(const struct segment *g, size_t sink, bool emitted)
{
    (void)g;
    (void)sink;
    (void)emitted;
    return 0;
}

#endif
