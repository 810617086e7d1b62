/* Who is primary of a redundancy group: a pure function over both nodes' views (T1). */
#ifndef EVREP_ELECTION_H
#define EVREP_ELECTION_H

#include <stdbool.h>
#include <stdint.h>

enum group_state { /* The words of chassis clusters; the values go over the wire. */
                   GROUP_SECONDARY = 0,
                   GROUP_PRIMARY = 1,
                   GROUP_HOLD = 2, /* Gave up its role by command; stays secondary until reset. */
                   GROUP_LOST = 3,
                   GROUP_DISABLED = 4,
};

struct election_side {
    uint8_t state;     /* enum group_state, what that node says of itself. */
    uint16_t priority; /* 0: may not be primary. */
    bool preempt;
};

struct election_input {
    uint8_t node;            /* Ours: lower ids win ties. */
    bool peer_alive;         /* Heard within the dead interval. */
    bool peer_declared_dead; /* Silent for the dead interval, or since our start for as long. */
    struct election_side own, peer;
};

/* The state that our side takes now. */
enum group_state election_decide(const struct election_input *in);
const char *group_word(uint8_t state);

#endif
