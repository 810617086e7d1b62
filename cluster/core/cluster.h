/* Membership, heartbeats and roles: pure.  Knows nothing of events.
 *
 * Heartbeat (little-endian): u8 version 1, u8 node, u8 groups, u8 zero, u64 boot id, u64 counter,
 * u64 sender's ns, u64 echo of the receiver's ns, u64 ns that the echo waited, then for each group
 * u8 id, u8 state, u16 priority, u8 preempt. */
#ifndef EVREP_CLUSTER_H
#define EVREP_CLUSTER_H

#include "election.h"

#include <stddef.h>

enum {
    CLUSTER_GROUPS_MAX = 8,
    CLUSTER_LINKS_MAX = 2,
    CLUSTER_HEARTBEAT_MAX = 44 + 5 * CLUSTER_GROUPS_MAX,
};

struct cluster_options {
    uint8_t node;
    bool has_peer;
    uint64_t boot_id, heartbeat_ns, dead_ns;
    size_t link_count, group_count;
    struct {
        uint8_t id;
        uint16_t priority;
        bool preempt;
    } group[CLUSTER_GROUPS_MAX];
};

struct cluster_link {
    bool up;
    uint64_t heard_ns, rtt_ns;
    uint64_t echo_ns, echo_at_ns; /* The peer's last stamp, and when it came. */
};

struct cluster {
    struct cluster_options o;
    uint64_t started_ns, sent_ns, counter;
    struct cluster_link link[CLUSTER_LINKS_MAX];
    uint8_t state[CLUSTER_GROUPS_MAX];
    struct election_side peer[CLUSTER_GROUPS_MAX];
    bool heard, alive, dead, fenced;
};

enum cluster_input_kind {
    CLUSTER_TICK,
    CLUSTER_LINK_UP,
    CLUSTER_LINK_DOWN,
    CLUSTER_HEARTBEAT, /* link, at, len */
    CLUSTER_FAILOVER,  /* group; node: who shall be primary, -1: the other one */
    CLUSTER_RESET,     /* group */
    CLUSTER_FENCED,
};

struct cluster_input {
    enum cluster_input_kind kind;
    uint64_t now_ns;
    unsigned link, group;
    int node;
    const uint8_t *at;
    size_t len;
};

struct cluster_output {
    size_t send_count, change_count, close_count;
    struct {
        unsigned link;
        size_t len;
        uint8_t bytes[CLUSTER_HEARTBEAT_MAX];
    } send[CLUSTER_LINKS_MAX];
    struct {
        unsigned group;
        bool active;
        const char *state;
    } change[CLUSTER_GROUPS_MAX];
    unsigned close[CLUSTER_LINKS_MAX]; /* Silent for the dead interval: to be closed. */
};

struct cluster_group_view {
    int id, primary; /* primary: -1 when no node is known to be. */
    const char *state;
    int priority[2];
};

void cluster_init(struct cluster *c, const struct cluster_options *o, uint64_t now_ns);
/* Adds to `out`, which the caller has zeroed.  A malformed heartbeat is ignored. */
void cluster_step(struct cluster *c, const struct cluster_input *in, struct cluster_output *out);
bool cluster_peer_dead(const struct cluster *c);
/* Of the first group, which also says who may take the peer's segments over. */
bool cluster_is_primary(const struct cluster *c);
uint64_t cluster_rtt_us(const struct cluster *c, unsigned link);
size_t cluster_group_count(const struct cluster *c);
void cluster_group_view(const struct cluster *c, size_t i, struct cluster_group_view *out);

#endif
