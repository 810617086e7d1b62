/* What evdp counts, in shared memory beside its ring (/dev/shm/RING.stats), so that
 * `evdp --stats` shows it while evdp runs and after it has ended. */
#ifndef EVDP_STATS_H
#define EVDP_STATS_H

#include "decide.h"
#include "evhooks.h"
#include "xsk.h"

#include <stdio.h>

enum { STATS_MAGIC = 0x53445645, STATS_VERSION = 4 };

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
    uint64_t hosts_forgotten; /* hosts.h */
    uint64_t received_by_queue[QUEUES_MAX];
    struct stats_port port[PORTS_MAX];
    struct stats_term term[TERMS_MAX];
};

/* The page of that ring for the one evdp that writes it, locked until the process ends; what the
 * last one left stays in it.  A descriptor, or -1 with one line in err. */
int stats_open(const char *ring, char *err, size_t err_size);
/* Not mapped: another process may cut the file off. */
void stats_write(int fd, const struct stats *s);
/* Reads what the last evdp of that ring left; false: none. */
bool stats_look(const char *ring, struct stats *out);

/* The members of a JSON object that was begun: by kind what the hook counted, then what the
 * dataplane did; and its end. */
/* s: NULL: of no evdp. */
void stats_print(FILE *to, const struct evhooks_counters *c, const struct stats *s);

#endif
