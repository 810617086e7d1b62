/* What a sink's port and the filter of its records know of each other. */
#ifndef EVREP_EMIT_H
#define EVREP_EMIT_H

#include "core.h"
#include "record.h"

struct sink_port;

/* The run of hidden records that ends right before the position that is looked at next. */
struct hidden_run {
    uint8_t origin;
    uint32_t epoch;
    uint32_t next; /* 0: nothing is known. */
    uint32_t from; /* Its first; next: it is empty. */
};

/* Finds the run before a range, in the journal where the port has not followed it, a part at a
 * time. false: not at its beginning yet, call it again later. */
bool filter_look_back(struct sink_port *p, const struct core_range *r);
/* Follows one record.  0: it is hidden.  Else it passes, and this is the first of the run that was
 * hidden before it; its own sequence: none was. */
uint32_t filter_follow(struct sink_port *p, const struct record *r);
/* Nothing is known any more. */
void filter_forget(struct sink_port *p);

#endif
