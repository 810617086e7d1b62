/* Membership, heartbeats and roles: pure.  Knows nothing of events.
 *
 * A shell feeds inputs to cluster_step(), at least a CLUSTER_TICK every 10 ms, and does what the
 * output says.  Times are ns of CLOCK_BOOTTIME.  One cluster, one thread. */
#ifndef EVREP_CLUSTER_H
#define EVREP_CLUSTER_H

#include "heartbeat.h"

enum { CLUSTER_LINKS_MAX = 2, CLUSTER_MONITORS_MAX = 8 };

struct cluster_options {
    uint8_t node;
    bool has_peer;
    bool fence;              /* A command fences a silent peer before it counts as dead (T4a). */
    uint64_t fence_limit_ns; /* So long it may take; the same on both nodes. */
    uint64_t boot_id, heartbeat_ns, dead_ns;
    uint64_t start_ns; /* A peer not heard since this node's start is not dead before, nor before
                          dead_ns. */
    size_t link_count, group_count;
    struct {
        uint8_t id;
        uint16_t priority;
        bool preempt, external;
        uint64_t hold_down_ns; /* So long whole and with its peer before it preempts. */
        size_t monitor_count;
        struct {
            uint8_t weight;
            uint64_t hold_ns; /* So long up again before it counts as up. */
        } monitor[CLUSTER_MONITORS_MAX];
    } group[CLUSTER_GROUPS_MAX];
};

struct cluster_link {
    bool up;
    uint64_t heard_ns, rtt_ns;    /* rtt_ns: of the last heartbeat; */
    uint64_t usual_ns;            /* smoothed. */
    uint64_t echo_ns, echo_at_ns; /* The peer's last stamp, and when it came. */
    struct {                      /* link_loss.c */
        uint32_t due, lost;
    } loss[2];                 /* Heartbeats: the newest, and as many before them. */
    uint64_t boot_id, counter; /* Of the last heartbeat since it is up; counter 0: none. */
};

struct cluster_group {
    struct election_side own, peer;
    bool resets;
    uint32_t reset_of; /* The peer's hold that `resets` means. */
    uint64_t asks_until_ns, resets_until_ns;
    uint64_t unheld_ns; /* Our heartbeats from this stamp on say that our hold was reset. */
    uint64_t ready_ns;  /* Since when it is whole and with its peer; 0: it is not. */
    uint64_t changed_ns;
    uint32_t failovers; /* Times that the role came or went. */
    const char *cause;  /* Of the last change. */
    struct {
        bool up, counts;
        uint64_t up_ns;
    } monitor[CLUSTER_MONITORS_MAX];
};

enum fence_state { FENCE_IDLE, FENCE_RUNNING, FENCE_DONE, FENCE_FAILED };

struct cluster {
    struct cluster_options o;
    uint64_t started_ns, step_ns, sent_ns, counter;
    uint64_t listened_ns;    /* Of the last step; step_ns counts what went on meanwhile too. */
    uint64_t blind_until_ns; /* We were away: what the peer sent is still to be read. */
    uint64_t blind_from_ns;  /* The first of such times that follow each other. */
    uint64_t fresh_ns;       /* Only what answers to a heartbeat of ours since then is news. */
    uint64_t stamp_ns;       /* Of our last heartbeat; each has a later one. */
    uint64_t echoed_ns;      /* The latest of those stamps that the peer has answered to. */
    struct cluster_link link[CLUSTER_LINKS_MAX];
    struct cluster_group group[CLUSTER_GROUPS_MAX];
    uint8_t version; /* That we send. */
    bool met;        /* Heard since our start. */
    bool heard, alive, silent, dead, fenced;
    bool peer_fencing;     /* As its last heartbeat says. */
    struct {               /* link_choice.c */
        unsigned from, to; /* `to` is the better one, at each look since then; equal: neither. */
        uint64_t since_ns;
        uint64_t moved_ns; /* 0: never. */
    } choice;
    enum fence_state fence;
    bool fence_out;        /* The command runs, perhaps for a silence that is over. */
    uint64_t fence_due_ns; /* Our next turn to run it. */
};

enum cluster_input_kind {
    CLUSTER_TICK,
    CLUSTER_LINK_UP,
    CLUSTER_LINK_DOWN,
    CLUSTER_HEARTBEAT,    /* link, at, len */
    CLUSTER_FAILOVER,     /* group; node: who shall be primary, -1: the other one */
    CLUSTER_RESET,        /* group */
    CLUSTER_FENCED,       /* The operator or an agent: the peer is dead and stays so. */
    CLUSTER_FENCE_RESULT, /* up: the command succeeded */
    CLUSTER_NOTIFY,       /* group; state: what its outer manager says */
    CLUSTER_MONITOR,      /* index of the group, monitor, up */
};

struct cluster_input {
    enum cluster_input_kind kind;
    uint64_t now_ns;
    unsigned link, group, monitor;
    int node;
    uint8_t state;
    bool up;
    const uint8_t *at;
    size_t len;
};

struct cluster_output {
    const char *refused; /* Why a command was not done, or a heartbeat cannot be true; else NULL. */
    bool fence_run;      /* Run the fencing command; CLUSTER_FENCE_RESULT follows. */
    size_t send_count, change_count, close_count;
    struct {
        unsigned link;
        size_t len;
        uint8_t bytes[CLUSTER_HEARTBEAT_MAX];
    } send[CLUSTER_LINKS_MAX];
    struct {
        unsigned group;
        bool active;
        const char *state, *cause;
    } change[CLUSTER_GROUPS_MAX];
    unsigned close[CLUSTER_LINKS_MAX]; /* Silent for the dead interval: to be closed. */
};

struct cluster_group_view {
    int id, primary; /* primary: -1 when no node is known to be. */
    const char *state, *peer_state, *cause;
    int priority[2], weight[2], effective[2];
    bool preempt[2], manual, external;
    bool conflict; /* Both are primary, or they do not agree on who decides. */
    uint32_t failovers;
    uint64_t changed_ns;
};

void cluster_init(struct cluster *c, const struct cluster_options *o, uint64_t now_ns);
/* Adds to `out`, which the caller has zeroed.  Of a heartbeat that is refused nothing is believed,
 * and its link shall be closed: what came before on it may have been a lie, too. */
void cluster_step(struct cluster *c, const struct cluster_input *in, struct cluster_output *out);
/* Instead of a step while the shell waits for its disk and cannot listen: heartbeats that are due
 * go out.  false: it waits for too long, or was away, and shall not be thought alive. */
bool cluster_meanwhile(struct cluster *c, uint64_t now_ns, struct cluster_output *out);
bool cluster_peer_dead(const struct cluster *c);
/* Of the first group, which also says who may take the peer's segments over. */
bool cluster_is_primary(const struct cluster *c);
/* How long after its last step a node may count its groups as active: it ends before the peer can
 * have declared it dead (A1). */
uint64_t cluster_active_ns(const struct cluster_options *o);
uint64_t cluster_rtt_us(const struct cluster *c, unsigned link);
/* Of the last 500 to 1000 heartbeats that were due on the link while it was up, so many of a
 * million did not come: others came after them, or none has for three intervals and more.  One that
 * is late counts only until it comes, and not at all while this process catches up after a stall.
 */
uint32_t cluster_loss_ppm(const struct cluster *c, unsigned link);
/* Which link shall carry the records, of which `link` carries them now.  Another one: at once where
 * that one is silent and the other is not, else where the other has been much better for long.  To
 * be asked at each tick; what it says is taken as done. */
unsigned cluster_choose_link(struct cluster *c, unsigned link, uint64_t now_ns);
size_t cluster_group_count(const struct cluster *c);
void cluster_group_view(const struct cluster *c, size_t i, struct cluster_group_view *out);

#endif
