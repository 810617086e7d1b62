/* What a packet does to its session: TCP's states, counters, and how long it may idle.  Pure. */
#ifndef EVDP_TRACK_H
#define EVDP_TRACK_H

#include "rules.h"
#include "session.h"

/* TCP's state after the first packet of a session. */
uint8_t track_first_state(const struct packet *p);
/* An RST whose number is not exactly what comes next (RFC 5961, 3): somebody else's, or of what was
 * not seen here.  It ends no session. */
bool track_may_be_forged(const struct session *s, const struct packet *p, int direction);
/* Counts the packet and moves the state. */
void track_packet(struct session *s, const struct packet *p, const uint8_t *frame, int direction);
uint64_t track_timeout_ns(const struct timeouts *t, const struct session *s);
/* Why it ends, now that its time is over. */
enum close_reason track_reason(const struct session *s);
/* A client's SYN in a session that is open: both hosts may have forgotten that.  It is kept, and
 * when the server takes it up, another connection begins. */
bool track_asks_anew(const struct session *s, const struct packet *p, int direction);
void track_keep_syn(struct session *s, const struct packet *p, const uint8_t *frame);
bool track_is_taken_up(const struct session *s, const struct packet *p, int direction);
/* The SYN that was kept is not of the old connection ... */
void track_take_syn(struct session *s);
/* ... but the first packet of the new one. */
void track_begin_anew(struct session *s, uint64_t now_ns);
/* A SYN against the direction of an open session: a connection that no policy permits. */
bool track_opens_inside(const struct session *s, const struct packet *p, int direction);
/* A SYN, whoever sends it, on a session that is over: the same ports, another conversation. */
bool track_is_reopened(const struct session *s, const struct packet *p);

#endif
