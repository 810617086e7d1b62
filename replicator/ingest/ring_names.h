/* The name tables that dataplanes leave beside a ring: when they go. */
#ifndef EVREP_INGEST_RING_NAMES_H
#define EVREP_INGEST_RING_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RING_NAMES_AGE_S = 5 }; /* Younger ones may be of one that is about to take them. */

/* Removes the tables of generations that no process holds (evdp(8), FILES) and that are kept
 * elsewhere, and what a process that died left unfinished.  kept: makes it so if it is not; false:
 * the file stays.  How many. */
size_t ring_names_clear(const char *ring, bool (*kept)(void *ctx, uint32_t generation), void *ctx);

#endif
