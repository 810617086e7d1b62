/* What evdp counts, in shared memory beside its ring (/dev/shm/RING.stats), so that
 * `evdp --stats` shows it while evdp runs and after it has ended. */
#ifndef EVDP_STATS_H
#define EVDP_STATS_H

#include "decide.h"
#include "evhooks.h"
#include "xsk.h"

#include <stdio.h>

enum { STATS_MAGIC = 0x53445645, STATS_VERSION = 2 };

struct stats_port {
    char name[16];
    uint64_t received, fate[FATES];
    uint64_t sent, tx_full; /* Out of this end: frames, and those for which there was no room. */
    struct lane_counts kernel;
    uint32_t native;
};

struct stats_term {
    char filter[RULE_NAME_MAX], name[RULE_NAME_MAX];
    uint64_t packets, bytes;
};

struct stats {
    uint32_t magic, version, port_count, queues, term_count;
    uint32_t sessions, session_capacity;
    uint64_t reloads, pid;
    uint64_t received_by_queue[QUEUES_MAX];
    struct stats_port port[PORTS_MAX];
    struct stats_term term[TERMS_MAX];
};

/* Makes it, cleared.  NULL: errno says why. */
struct stats *stats_create(const char *ring);
/* Reads what the last evdp of that ring left; NULL: none. */
const struct stats *stats_look(const char *ring);

/* The members of a JSON object that was begun: by kind what the hook counted, then what the
 * dataplane did; and its end. */
void stats_print(FILE *to, const struct evhooks_counters *c, const struct stats *s);

#endif
