/* Who is primary of a redundancy group: a pure function over both nodes' views (T1).
 *
 * The order of its rules is that of the event contract, section 11.2, with one more: a role is left
 * before it is taken.  A node becomes primary only when it has heard that the other is not, or has
 * declared it dead; so two nodes that hear each other are never primary at a time, except for the
 * moment after a partition, or after both were unfit, which the better one survives. */
#ifndef EVREP_ELECTION_H
#define EVREP_ELECTION_H

#include <stdbool.h>
#include <stdint.h>

enum group_state { /* The words of chassis clusters; the values go over the wire. */
                   GROUP_SECONDARY = 0,
                   GROUP_PRIMARY = 1,
                   GROUP_HOLD = 2,     /* Gave up its role by command; until reset. */
                   GROUP_LOST = 3,     /* Of a peer that is not heard. */
                   GROUP_DISABLED = 4, /* An outer manager says that it must not be primary. */
};

enum { WEIGHT_FULL = 255 };

struct election_side {
    uint8_t state;     /* enum group_state, what that node says of itself. */
    uint8_t weight;    /* 255 minus the weights of its failed monitors, at least 0. */
    uint16_t priority; /* 0: may not be primary. */
    bool preempt;      /* Now: false while its hold-down runs. */
    bool external;     /* An outer manager decides. */
    bool asks;         /* By command: the peer shall give its role up. */
    uint32_t manual; /* Number of the command that it gave its role up for; the later is higher. */
};

struct election_input {
    uint8_t node;            /* Ours: lower ids win ties. */
    bool peer_alive;         /* Heard within the dead interval. */
    bool peer_declared_dead; /* Silent for the dead interval, or since our start for as long; and
                                fenced, where that is configured. */
    bool
        peer_behind; /* It may know of our hold and not yet of our reset, and be primary by that. */
    struct election_side own, peer;
};

/* The state that our side takes now. */
enum group_state election_decide(const struct election_input *in);
/* May that side be primary at all? */
bool election_is_able(const struct election_side *s);
uint16_t election_priority(const struct election_side *s); /* priority * weight / 255 */
const char *group_word(uint8_t state);

#endif
