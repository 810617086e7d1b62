/* Between the files of the cluster's core. */
#ifndef EVREP_CLUSTER_PARTS_H
#define EVREP_CLUSTER_PARTS_H

#include "cluster.h"

enum { SILENT_HEARTBEATS = 3 }; /* With so many missing in a row a link is silent, not late. */

int group_find(const struct cluster *c, unsigned id);

/* membership.c */
/* NULL, or why it cannot be true. */
const char *membership_heartbeat(struct cluster *c, const struct cluster_input *in);
void membership_send(struct cluster *c, uint64_t now_ns, struct cluster_output *out);
/* true: we were away for so long that the peer may have declared us dead (T6). */
bool membership_was_away(struct cluster *c, uint64_t now_ns);
/* true: it counts as a step that did not listen. */
bool membership_meanwhile(struct cluster *c, uint64_t now_ns);
/* We were away, or it is not over yet: what the peer said meanwhile is still to be read. */
bool membership_is_blind(const struct cluster *c, uint64_t now_ns);
void membership_judge(struct cluster *c, uint64_t now_ns, struct cluster_output *out);
void membership_fence_result(struct cluster *c, bool good);

/* link_choice.c */
void link_measured(struct cluster_link *l, uint64_t rtt_ns);

/* link_loss.c: a heartbeat has come, with its counter, before l->counter is set to it; the link is
 * about to go down. */
void link_came(struct cluster_link *l, uint64_t counter);
void link_went(const struct cluster *c, struct cluster_link *l);

/* group.c */
void groups_weigh(struct cluster *c, uint64_t now_ns, bool *changed);
void groups_elect(struct cluster *c, uint64_t now_ns, struct cluster_output *out, bool *changed);
void groups_step_down(struct cluster *c, uint64_t now_ns, struct cluster_output *out);
const char *group_failover(struct cluster *c, const struct cluster_input *in);
void group_unhold(struct cluster *c, size_t i, uint64_t now_ns);
const char *group_reset(struct cluster *c, const struct cluster_input *in);
const char *group_notify(struct cluster *c, const struct cluster_input *in,
                         struct cluster_output *out);
void group_monitor(struct cluster *c, const struct cluster_input *in);

#endif
