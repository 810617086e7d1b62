/* What stories of a pair have in common.  It is node 0 that fails, and node 1 that takes over. */
#ifndef EVREP_TEST_PAIR_STEPS_H
#define EVREP_TEST_PAIR_STEPS_H

#include "pair.h"

/* Node 1 is told that node 0 is dead and that it may take over, and works for so long. */
void pair_take_over(struct pair *p, uint32_t ms);
/* The same, where node 0 dies in fact. */
void pair_fail_over(struct pair *p, uint32_t ms);
/* It starts, and both work for so long, with a link between them. */
void pair_return(struct pair *p, uint32_t ms);

/* Node 0 produces so many, which both have, and the sink takes none from either. */
void pair_wait_for_sinks(struct pair *p, uint32_t count);

/* Node 0 produces 20 records, none of which its sink takes, all of which node 1 has, and dies.  The
 * epoch, of 21. */
uint32_t pair_die_undelivered(struct pair *p);
/* Then node 1 takes over, and has them for so long, as its sink takes none either. */
uint32_t pair_take_over_backlog(struct pair *p, uint32_t ms);

/* Node 1 knows that 40 records are tagged at node 0, of which both have 11.  The epoch. */
uint32_t pair_tag_ahead(struct pair *p);

/* The process dies, and the journal and the ring go with the host. */
void pair_lose_host(struct pair *p, int node);
/* For cmocka: a pair that is not started; each host is known by its boot, so that a power cut is
 * seen.  Ends with pair_end(). */
int pair_unstarted(void **state);
/* It starts, with that as its first sink. */
void pair_start_with(struct pair *p, int node, const char *sink);
/* A new generation of the log of marks. */
void pair_renew_log(struct pair *p, int node);
/* What that node's journal has of an epoch of node 0, which it has: to be cut at either end. */
struct core_range *pair_held(struct pair *p, int node, uint32_t epoch);
/* Of a dead node: the ring is gone, and the disk has lost what was behind `last` of that epoch of
 * its own. */
void pair_lose_tail(struct pair *p, int node, uint32_t epoch, uint32_t last);

#endif
