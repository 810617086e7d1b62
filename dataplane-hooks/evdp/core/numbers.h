/* Which numbers of TCP's bytes can be right, so that a forged reset can be told (RFC 5961): what
 * each side has sent, and what the other has acknowledged of it.  Only segments that lie within the
 * window and acknowledge what was sent are learned from, whoever sent them (as van Rooij bounds
 * them, Real Stateful TCP Packet Filtering).  Pure. */
#ifndef EVDP_NUMBERS_H
#define EVDP_NUMBERS_H

#include "packet.h"

enum { SCALE_MAX = 14, SCALE_NONE = 255 }; /* RFC 7323, 2.3. */

struct numbers {         /* Of what one side sends. */
    uint32_t acked, end; /* The other has it up to there; what comes next. */
    uint32_t limit;      /* The widest window that it was offered. */
    uint8_t scale;       /* Of the windows that it offers itself. */
    bool is_known;       /* acked and end are. */
    bool is_loose;       /* Taken up in its middle: until the other acknowledges what was seen. */
};

/* From the first packet of a flow. */
void numbers_begin(struct numbers n[2], bool by_syn);
/* From a SYN that was seen before. */
void numbers_begin_at(struct numbers n[2], uint32_t seq, uint8_t scale);
/* It went another way meanwhile: both sides are taken up in their middle, by the scales known. */
void numbers_loosen(struct numbers n[2]);
/* What was learned so far of the server is of a cookie; and nobody offers a scale behind one. */
void numbers_behind_cookie(struct numbers n[2]);
/* A segment of a direction; ack: the number that it acknowledges, as the other side counts.
 * begins: it may begin the count of its side (its SYN, before both are connected).  false: it
 * belongs nowhere, and nothing was learned. */
bool numbers_learn(struct numbers n[2], const struct packet *p, int direction, bool has_ack,
                   uint32_t ack, bool begins);
/* Of the option in a SYN; SCALE_NONE: it had none.  A SYN that is repeated may leave it out. */
void numbers_scale(struct numbers n[2], const struct packet *syn, int direction, uint8_t scale);
/* Whether a reset is exact: its number is what comes next, as its side has it or as the other
 * acknowledged last. */
bool numbers_reset(const struct numbers n[2], const struct packet *p, int direction);
/* Whether a number acknowledges something of a side that is not yet acknowledged, or all of it. */
bool numbers_acknowledge(const struct numbers *n, uint32_t ack);

#endif
