/* What a failover took, step by step; for operators, metrics and drills. */
#ifndef EVREP_FAILOVER_H
#define EVREP_FAILOVER_H

#include "histogram.h"

#include <stdbool.h>

struct failover {          /* Times of CLOCK_BOOTTIME; 0: not yet. */
    uint64_t heard_ns;     /* The last that was heard of the peer. */
    uint64_t dead_ns;      /* It was declared dead (and is fenced, where that is configured). */
    uint64_t lease_ns;     /* Its lease is over for certain. */
    uint64_t taken_ns;     /* Its segments are ours, durably. */
    uint64_t first_ns;     /* The first record of them went to a sink, */
    uint64_t confirmed_ns; /* and was confirmed. */
    uint64_t segments;
};

struct failover_log {
    struct failover now, last;       /* last: the last one that took something over. */
    struct histogram seconds;        /* From the last that was heard to the takeover. */
    struct histogram first_seconds;  /* From when a takeover was possible to its first record. */
    struct histogram effect_seconds; /* From a decision on a group to the dataplane's word. */
    bool waits;                      /* For the first record of what was taken over. */
    uint64_t effect_ns;              /* The last of these. */
};

struct shell;

/* After each step of the cluster, and each flush of the core. */
void failover_watch(struct shell *s);
void failover_effect(struct shell *s, uint64_t decided_ns);
/* For a moment after a takeover: its first record, and a sink's answer before that, do not wait for
 * what else the disk and this loop have to do. */
bool failover_comes_first(const struct shell *s);
/* A record of the peer's stream goes to a sink; is confirmed. */
void failover_given(struct shell *s);
void failover_confirmed(struct shell *s);

#endif
