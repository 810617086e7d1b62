/* What a sink's port and the filter of its records know of each other. */
#ifndef EVREP_EMIT_H
#define EVREP_EMIT_H

#include "core.h"
#include "record.h"

struct sink_port;

enum { HIDDEN_RUNS_MAX = 64 };

/* Records that were hidden and are not stated yet: the last run ends right before the position that
 * is looked at next; those before it are of other segments.  Also a run of none, which says that
 * the record before was no hidden one. */
struct hidden_run {
    uint8_t origin;
    uint32_t epoch;
    uint32_t from, next; /* from == next: none. */
};

struct hidden_runs {
    struct hidden_run run[HIDDEN_RUNS_MAX];
    size_t count;
};

/* Finds the run before a range, in the journal where the port has not followed it, a part at a
 * time. false: not at its beginning yet, call it again later. */
bool filter_look_back(struct sink_port *p, const struct core_range *r);
/* Follows one record.  true: it passes, after what p->hidden says. */
bool filter_follow(struct sink_port *p, const struct record *r);
/* It was stated. */
void filter_stated(struct sink_port *p);
/* Nothing is known any more. */
void filter_forget(struct sink_port *p);

#endif
