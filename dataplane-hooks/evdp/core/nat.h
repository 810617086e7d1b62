/* Source NAT: an address and port of the pool for a new session, and the change of its packets.
 * Pure. */
#ifndef EVDP_NAT_H
#define EVDP_NAT_H

#include "rules.h"
#include "session.h"

enum { NAT_TRIES = 2048 };

struct nat_choice {
    uint8_t source[16];
    bool skipped;
    uint16_t port;         /* 0: the protocol has none that could be changed. */
    uint64_t answers_hash; /* For session_add_answers(). */
};

/* A client keeps its address of the pool, its ports vary.  What is free is told by the table
 * itself: the answers' flow must be nobody's, and of the flow's own shard, so that with 64 shards
 * one port in 64 is looked at.  false: nothing free of NAT_TRIES; out->skipped tells whether any
 * was another shard's, so that the pool may have a port that is free. */
bool nat_choose(const struct nat *n, const struct sessions *all, struct shard *h,
                const struct flow *f, uint64_t hash, uint8_t port_out, struct nat_choice *out);

/* From the client: the source becomes the translated one.  From the server: back.  Also of
 * fragments.  The checksums are kept as right or wrong as they were. */
void nat_packet(uint8_t *frame, const struct packet *p, const struct session *s, int direction);
/* An ICMP error that is about a packet of the session: what it quotes (q) is changed too. */
void nat_error(uint8_t *frame, const struct packet *p, const struct packet *q,
               const struct session *s, int direction);

#endif
