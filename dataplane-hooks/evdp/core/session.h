/* Flows that were permitted: what belongs to one passes without a policy.  A fixed table; pure. */
#ifndef EVDP_SESSION_H
#define EVDP_SESSION_H

#include "packet.h"

enum { SESSION_SLOTS = 1 << 16, SESSION_PROBES = 8 };

struct session {
    uint8_t source[16], destination[16];
    uint16_t source_port, destination_port;
    uint8_t family, protocol;
    uint64_t seen_ns; /* 0: free. */
};

struct sessions {
    struct session slot[SESSION_SLOTS];
};

/* true: the packet belongs to a session, in either direction; it is kept alive. */
bool session_touch(struct sessions *s, const struct packet *p, uint64_t now_ns);
void session_add(struct sessions *s, const struct packet *p, uint64_t now_ns);

#endif
