/* Name tables beside the ring (/dev/shm/RING.names.GENERATION; contract section 9). */
#ifndef EVDP_NAMES_H
#define EVDP_NAMES_H

#include "config.h"
#include "xsk.h"

enum { NAMES_HELD = 64 }; /* Generations: after so many others, one is left to evrepd's journal. */

/* Publishes the tables of a configuration.  The generation, made of the text: whoever has a record
 * finds the tables of its decision (12.4 #43).  The file is held, by a lock that ends with the
 * process: evrepd removes those that nobody holds.  0: not possible, records show numbers.
 * left_out: policies and applications for which the text has no room. */
uint32_t names_publish(const struct evdp_config *c, const struct ports *p, size_t *left_out);

/* The same, without touching anything: how many names would be left out.  -1: it is not possible.
 */
long names_check(const struct evdp_config *c);

#endif
