/* The heartbeat's bytes.  Two versions are spoken, so that nodes can be upgraded one at a time:
 * each node starts with version 1, says in it what it speaks, and goes on in the highest that both
 * do.
 *
 * Version 1 (little-endian): u8 version, u8 node, u8 groups, u8 highest version that the sender
 * speaks (0: 1), u64 boot id, u64 counter, u64 sender's ns, u64 echo of the receiver's ns, u64 ns
 * that the echo waited; for each group u8 id, u8 state, u16 priority, u8 preempt.
 *
 * Version 2: the same 44 bytes; u8 flags (1: a fencing command is configured), u8 bytes of a group
 * (at least 12; 16 is written), u16 zero; for each group u8 id, u8 state, u16 priority, u8 weight,
 * u8 flags (1 preempt, 2 external manager, 4 asks for the role, 8 resets the peer's hold), u16
 * zero, u32 manual; in 16 bytes u32 number of the hold that is reset (0, or not there: whichever).
 * What follows is for later versions. */
#ifndef EVREP_HEARTBEAT_H
#define EVREP_HEARTBEAT_H

#include "election.h"

#include <stddef.h>

enum {
    HEARTBEAT_VERSION = 2,
    CLUSTER_GROUPS_MAX = 8,
    CLUSTER_HEARTBEAT_MAX = 48 + 16 * CLUSTER_GROUPS_MAX,
};

struct heartbeat_group {
    uint8_t id;
    bool resets;
    uint32_t reset_of; /* `manual` of the hold that is meant; 0: of an older program, any. */
    struct election_side side;
};

struct heartbeat {
    uint8_t version, node, speaks;
    bool fencing;
    uint64_t boot_id, counter, time_ns, echo_ns, waited_ns;
    size_t group_count;
    struct heartbeat_group group[CLUSTER_GROUPS_MAX];
};

/* The length, in the version that h->version says. */
size_t heartbeat_encode(const struct heartbeat *h, uint8_t out[CLUSTER_HEARTBEAT_MAX]);
/* 0, or -1: malformed, or of a version that is not spoken. */
int heartbeat_decode(struct heartbeat *h, const uint8_t *at, size_t len);

#endif
