/* Source NAT: an address and port of the pool for a new session, and the change of its packets.
 * Pure. */
#ifndef EVDP_NAT_H
#define EVDP_NAT_H

#include "rules.h"
#include "session.h"

enum {
    NAT_STEP = 256,      /* Ports of an address that are looked at before those of the next. */
    NAT_STEPS_MAX = 512, /* For one flow, in all. */
};

struct nat_search { /* What a new flow, whose shard is locked, asks for. */
    const struct nat *nat;
    struct sessions *all;
    const struct shard *locked;
    const struct flow *flow;
    uint64_t hash;
    uint8_t port_out;
};

/* Gives the session an address and a port of the pool, whichever shard their answers fall into.  A
 * client keeps its address while there are ports, then it gets the next; each port is unique for
 * each destination.  What is free is told by the tables themselves.  false: none of NAT_STEPS_MAX
 * that were looked at. */
bool nat_translate(const struct nat_search *q, struct session *s);
/* Whether it would. */
bool nat_has_room(const struct nat_search *q);
/* Whether a flow that is not translated, of a host that owns an address of a pool, would get the
 * answers to one that is. */
bool nat_has_answers(const struct nat_search *q);

/* From the client: the source becomes the translated one.  From the server: back.  Also of
 * fragments.  The checksums are kept as right or wrong as they were. */
void nat_packet(uint8_t *frame, const struct packet *p, const struct session *s, int direction);
/* An ICMP error that is about a packet of the session: what it quotes (q) is changed too. */
void nat_error(uint8_t *frame, const struct packet *p, const struct packet *q,
               const struct session *s, int direction);

#endif
