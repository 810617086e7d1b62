/* Records as sinks confirm them, for clients of the operator's socket.  Bounded: a reader that is
 * too slow loses the oldest, and is told how many. */
#ifndef EVREP_TAIL_H
#define EVREP_TAIL_H

#include "core.h"

enum { TAILS_MAX = 4, TAIL_RUNS = 1024, TAIL_BATCH = 64 };

struct sink_port;

void tail_confirmed(struct sink_port *p, const struct core_range *run);

#endif
